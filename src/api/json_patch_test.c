/* RFC 6902: most cases are from its appendix A. */
#include "api/json_patch.h"

#include <stdlib.h>
#include <string.h>

#include "base/test.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

static json_t *
parse(const char *s)
{
    json_error_t error;
    char *text = xstrdup(s);
    for (char *p = text; *p; p++) {
        *p = *p == '\'' ? '"' : *p;
    }
    json_t *json = json_loads(text, JSON_DECODE_ANY, &error);
    if (!json) {
        fail_msg("%s: %s", error.text, s);
    }
    free(text);
    return json;
}

static void
test_cases(void **state OVS_UNUSED)
{
    static const struct {
        const char *document;
        const char *patch;
        const char *result; /* NULL: refused. */
    } cases[] = {
        { "{'foo':'bar'}", "[{'op':'add','path':'/baz','value':'qux'}]",
          "{'baz':'qux','foo':'bar'}" },
        { "{'foo':['bar','baz']}", "[{'op':'add','path':'/foo/1','value':'qux'}]",
          "{'foo':['bar','qux','baz']}" },
        { "{'baz':'qux','foo':'bar'}", "[{'op':'remove','path':'/baz'}]", "{'foo':'bar'}" },
        { "{'foo':['bar','qux','baz']}", "[{'op':'remove','path':'/foo/1'}]",
          "{'foo':['bar','baz']}" },
        { "{'baz':'qux'}", "[{'op':'replace','path':'/baz','value':'boo'}]", "{'baz':'boo'}" },
        { "{'foo':[1,2,3]}", "[{'op':'replace','path':'/foo/2','value':9}]", "{'foo':[1,2,9]}" },
        { "{'foo':{'bar':'baz','waldo':'fred'},'qux':{'corge':'grault'}}",
          "[{'op':'move','from':'/foo/waldo','path':'/qux/thud'}]",
          "{'foo':{'bar':'baz'},'qux':{'corge':'grault','thud':'fred'}}" },
        { "{'foo':['all','grass','cows','eat']}",
          "[{'op':'move','from':'/foo/1','path':'/foo/3'}]",
          "{'foo':['all','cows','eat','grass']}" },
        { "{'baz':'qux','foo':['a',2,'c']}",
          "[{'op':'test','path':'/baz','value':'qux'},{'op':'test','path':'/foo/1','value':2}]",
          "{'baz':'qux','foo':['a',2,'c']}" },
        { "{'baz':'qux'}", "[{'op':'test','path':'/baz','value':'bar'}]", NULL },
        { "{'foo':'bar'}", "[{'op':'add','path':'/child','value':{'grandchild':{}}}]",
          "{'foo':'bar','child':{'grandchild':{}}}" },
        { "{'foo':'bar'}", "[{'op':'add','path':'/baz/bat','value':'qux'}]", NULL },
        { "{'/':9,'~1':10}", "[{'op':'test','path':'/~01','value':10}]", "{'/':9,'~1':10}" },
        { "{'/':9,'~1':10}", "[{'op':'replace','path':'/~1','value':1}]", "{'/':1,'~1':10}" },
        { "{'foo':['bar']}", "[{'op':'add','path':'/foo/-','value':['abc','def']}]",
          "{'foo':['bar',['abc','def']]}" },
        { "{'a':{'b':1}}", "[{'op':'copy','from':'/a','path':'/c'}]",
          "{'a':{'b':1},'c':{'b':1}}" },
        { "{'a':1}", "[{'op':'replace','path':'','value':[2]}]", "[2]" },
        { "{'a':1}", "[{'op':'add','path':'','value':{}}]", "{}" },
        { "{'a':1}", "[]", "{'a':1}" },
        /* Refused. */
        { "{'a':1}", "{}", NULL },
        { "{'a':1}", "[1]", NULL },
        { "{'a':1}", "[{'op':'add','path':'a','value':1}]", NULL },
        { "{'a':1}", "[{'op':'add','path':'/b'}]", NULL },
        { "{'a':1}", "[{'op':'nop','path':'/b','value':1}]", NULL },
        { "{'a':1}", "[{'op':'remove','path':''}]", NULL },
        { "{'a':1}", "[{'op':'remove','path':'/b'}]", NULL },
        { "{'a':1}", "[{'op':'replace','path':'/b','value':1}]", NULL },
        { "{'a':1}", "[{'op':'move','path':'/b'}]", NULL },
        { "{'a':{'b':1}}", "[{'op':'move','from':'/a','path':'/a/b'}]", NULL },
        { "{'a':[1]}", "[{'op':'add','path':'/a/2','value':1}]", NULL },
        { "{'a':[1]}", "[{'op':'add','path':'/a/01','value':1}]", NULL },
        { "{'a':[1]}", "[{'op':'remove','path':'/a/-'}]", NULL },
        { "{'a':[1]}", "[{'op':'replace','path':'/a/1','value':1}]", NULL },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        json_t *document = parse(cases[i].document);
        json_t *before = json_deep_copy(document);
        json_t *patch = parse(cases[i].patch);
        json_t *result;
        char *error = json_patch(document, patch, &result);
        if (!cases[i].result != (error != NULL)) {
            fail_msg("%s: %s", cases[i].patch, error ? error : "not refused");
        }
        if (!error) {
            json_t *expected = parse(cases[i].result);
            if (!json_equal(result, expected)) {
                fail_msg("%s: %s", cases[i].patch, json_dumps(result, JSON_ENCODE_ANY));
            }
            json_decref(expected);
        } else {
            assert_null(result);
        }
        assert_true(json_equal(document, before));
        free(error);
        json_decref(result);
        json_decref(patch);
        json_decref(before);
        json_decref(document);
    }
}

/* A short patch must not grow a document without bound, in size or depth. */
static void
test_bombs(void **state OVS_UNUSED)
{
    json_t *document = parse("{'a':['0123456789']}");
    json_t *size_bomb = json_array();
    for (int i = 0; i < 40; i++) {
        json_array_append_new(size_bomb, parse("{'op':'copy','from':'/a','path':'/a/-'}"));
    }
    json_t *depth_bomb = json_array();
    for (int i = 0; i < 3000; i++) {
        json_array_append_new(depth_bomb, parse("{'op':'copy','from':'','path':'/b'}"));
        json_array_append_new(depth_bomb, parse("{'op':'remove','path':'/a'}"));
        json_array_append_new(depth_bomb, parse("{'op':'move','from':'/b','path':'/a'}"));
    }
    json_t *bombs[] = { size_bomb, depth_bomb };
    for (size_t i = 0; i < ARRAY_SIZE(bombs); i++) {
        json_t *result;
        char *error = json_patch(document, bombs[i], &result);
        assert_non_null(error);
        free(error);
        json_decref(bombs[i]);
    }
    json_decref(document);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_bombs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
