#include "programs/virgactl/yaml_out.h"

#include <string.h>

#include "base/test.h"
#include "openvswitch/dynamic-string.h"
#include "sources/manifest.h"

static void
check(const char *json_text, const char *expected)
{
    json_t *value = json_loads(json_text, JSON_DECODE_ANY, NULL);
    struct ds out = DS_EMPTY_INITIALIZER;

    assert_non_null(value);
    json_format_yaml(value, &out);
    assert_string_equal(ds_cstr(&out), expected);
    ds_destroy(&out);
    json_decref(value);
}

static void
test_block_style(void **state)
{
    (void) state;
    check("{\"kind\": \"Pod\", \"spec\": {\"ports\": [{\"port\": 80}, {\"port\": 81}], \"e\": {}, "
          "\"l\": []}, \"nil\": null}",
          "kind: Pod\nspec:\n  ports:\n  - port: 80\n  - port: 81\n  e: {}\n  l: []\nnil: null\n");
}

static void
test_strings_stay_strings(void **state)
{
    (void) state;
    check("{\"a\": \"80\", \"b\": \"true\", \"c\": \"No\", \"d\": \"~\", \"e\": \"\", "
          "\"f\": \"1e3\", \"g\": \"10.0.0.0/8\"}",
          "a: \"80\"\nb: \"true\"\nc: \"No\"\nd: \"~\"\ne: \"\"\nf: \"1e3\"\ng: \"10.0.0.0/8\"\n");
}

/* What "get -o yaml" prints must come back by "apply -f" as it was. */
static void
test_round_trip_through_the_reader(void **state)
{
    static const char text[] =
        "{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {\"name\": \"a: b #c\", "
        "\"labels\": {\"y\": \"on\", \"0x10\": \"- x\"}}, \"spec\": {\"text\": "
        "\"two\\nlines\\n\", \"q\": \"it's \\\"quoted\\\"\", \"deep\": [[1, -2.5], [], {}], "
        "\"t\": true, \"tab\": \"a\\tb\", \"u\": \"\\u00e9\\u4e2d\"}}";
    json_t *value = json_loads(text, 0, NULL);
    struct ds out = DS_EMPTY_INITIALIZER;
    struct manifest manifest;
    char *error;

    (void) state;
    json_format_yaml(value, &out);
    error = manifest_parse("x.yaml", ds_cstr(&out), out.length, &manifest);
    if (error) {
        print_error("%s\n%s", error, ds_cstr(&out));
    }
    assert_null(error);
    assert_int_equal(manifest.n, 1);
    assert_true(json_equal(manifest.docs[0].object, value));
    manifest_uninit(&manifest);
    ds_destroy(&out);
    json_decref(value);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_block_style),
        cmocka_unit_test(test_strings_stay_strings),
        cmocka_unit_test(test_round_trip_through_the_reader),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
