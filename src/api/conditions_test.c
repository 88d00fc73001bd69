/* Problems as conditions of objects: set, changed, cleared, kept apart from
 * what others write. */
#include "api/conditions.h"

#include <stdlib.h>
#include <string.h>

#include "base/test.h"
#include "compile/compile.h"
#include "model/objects.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "sources/object_store.h"
#include "sset.h"
#include "util.h"

static const struct resource_kind *
pods(void)
{
    return resource_kind_by_path("", "v1", "pods");
}

static void
create_pod(struct object_store *objects, const char *name, const char *status)
{
    char *text = xasprintf("{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":"
                           "\"%s\",\"namespace\":\"x\"},\"spec\":{},\"status\":%s}",
                           name, status);
    json_t *stored;
    assert_int_equal(object_store_create_object(objects, pods(), "x", json_loads(text, 0, NULL),
                                                "uid", "2026-01-01T00:00:00Z", &stored),
                     OBJECT_OK);
    free(text);
}

/* "STATUS REASON MESSAGE TIME" of condition 'index'; the caller frees it. */
static char *
condition_text(struct object_store *objects, const char *name, size_t index)
{
    const json_t *object = object_store_get(objects, pods(), "x", name);
    const json_t *c = json_array_get(
        json_object_get(json_object_get(object, "status"), "conditions"), index);
    if (!c) {
        return xstrdup("none");
    }
    return xasprintf("%s %s %s %s", json_string_value(json_object_get(c, "status")),
                     json_string_value(json_object_get(c, "reason")),
                     json_string_value(json_object_get(c, "message")),
                     json_string_value(json_object_get(c, "lastTransitionTime")));
}

#define assert_condition(OBJECTS, NAME, INDEX, TEXT)        \
    do {                                                    \
        char *text_ = condition_text(OBJECTS, NAME, INDEX); \
        assert_string_equal(text_, TEXT);                   \
        free(text_);                                        \
    } while (0)

struct problems {
    const struct compile_problem *a;
    size_t n;
};

static const struct compile_problem *
find(const void *problems_, const char *key)
{
    const struct problems *problems = problems_;
    for (size_t i = 0; i < problems->n; i++) {
        const struct compile_problem *p = &problems->a[i];
        char *own = xasprintf("%s/%s/%s", p->kind, p->namespace_, p->name);
        bool found = !strcmp(own, key);
        free(own);
        if (found) {
            return p;
        }
    }
    return NULL;
}

static void
run(struct conditions *conditions, const struct compile_problem *a, size_t n, long long wall)
{
    struct problems problems = { a, n };
    conditions_run(conditions, SIZE_MAX, find, &problems, wall);
    assert_false(conditions_wait(conditions));
}

/* The same, and both pods are looked at. */
static void
update(struct conditions *conditions, const struct compile_problem *a, size_t n, long long wall)
{
    struct sset keys = SSET_INITIALIZER(&keys);
    sset_add(&keys, "Pod/x/a");
    sset_add(&keys, "Pod/x/b");
    conditions_look_at(conditions, &keys);
    sset_destroy(&keys);
    run(conditions, a, n, wall);
}

static void
test_life_of_a_problem(void **state OVS_UNUSED)
{
    struct object_store *objects = object_store_create(0);
    struct conditions *conditions = conditions_create(objects);
    struct compile_problem p = { "Pod", "x", "a", "AddressTaken", "by b" };
    create_pod(objects, "a", "{\"phase\":\"Running\"}");
    create_pod(objects, "b", "{}");
    uint64_t version = object_store_version(objects);

    update(conditions, NULL, 0, 0);
    assert_int_equal(object_store_version(objects), version);
    update(conditions, &p, 1, 0);
    assert_condition(objects, "a", 0, "False AddressTaken by b 1970-01-01T00:00:00Z");
    update(conditions, &p, 1, 1000);
    assert_int_equal(object_store_version(objects), version + 1); /* Written once. */

    p.message = "by c"; /* Still the same transition. */
    update(conditions, &p, 1, 2000);
    assert_condition(objects, "a", 0, "False AddressTaken by c 1970-01-01T00:00:00Z");
    update(conditions, NULL, 0, 3000);
    assert_condition(objects, "a", 0, "True Ready  1970-01-01T00:00:03Z");
    version = object_store_version(objects);
    update(conditions, NULL, 0, 4000);
    assert_int_equal(object_store_version(objects), version);
    assert_condition(objects, "b", 0, "none");

    const json_t *object = object_store_get(objects, pods(), "x", "a");
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(object, "status"), "phase")), "Running");
    conditions_destroy(conditions);
    object_store_destroy(objects);
}

/* What the API would refuse is not written either: the object could not be
 * changed any more. */
static void
test_conditions_stay_within_their_schema(void **state OVS_UNUSED)
{
    struct object_store *objects = object_store_create(0);
    struct conditions *conditions = conditions_create(objects);
    struct ds text = DS_EMPTY_INITIALIZER, full = DS_EMPTY_INITIALIZER;
    ds_put_char(&text, 'x');
    for (int i = 0; i < 20000; i++) {
        ds_put_cstr(&text, "\xc3\xa4");
    }
    ds_put_cstr(&full, "{\"conditions\":[");
    for (int i = 0; i < 256; i++) {
        ds_put_format(&full, "%s{\"type\":\"t%d\",\"status\":\"True\"}", i ? "," : "", i);
    }
    ds_put_cstr(&full, "]}");
    const struct compile_problem problems[] = {
        { "Pod", "x", "a", "AddressTaken", ds_cstr(&text) },
        { "Pod", "x", "b", "AddressTaken", "by a" },
    };
    create_pod(objects, "a", "{}");
    create_pod(objects, "b", ds_cstr(&full));
    update(conditions, problems, 2, 0);
    uint64_t version = object_store_version(objects);
    update(conditions, problems, 2, 0);
    assert_int_equal(object_store_version(objects), version);
    char *condition = condition_text(objects, "a", 0);
    assert_in_range(strlen(condition), 2000, 2200);
    assert_non_null(strstr(condition, "\xc3\xa4... "));
    assert_condition(objects, "b", 256, "none");
    free(condition);
    ds_destroy(&text);
    ds_destroy(&full);
    conditions_destroy(conditions);
    object_store_destroy(objects);
}

/* What an earlier controller wrote is cleared by the next. */
static void
test_conditions_of_an_earlier_life(void **state OVS_UNUSED)
{
    struct object_store *objects = object_store_create(0);
    create_pod(objects, "a",
               "{\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\"},{\"type\":"
               "\"virga.dev/NetworkReady\",\"status\":\"False\",\"reason\":\"X\",\"message\":"
               "\"\"}]}");
    struct conditions *conditions = conditions_create(objects);
    run(conditions, NULL, 0, 0);
    assert_condition(objects, "a", 1, "True Ready  1970-01-01T00:00:00Z");
    const json_t *object = object_store_get(objects, pods(), "x", "a");
    const json_t *other = json_array_get(
        json_object_get(json_object_get(object, "status"), "conditions"), 0);
    assert_string_equal(json_string_value(json_object_get(other, "status")), "False");
    conditions_destroy(conditions);
    object_store_destroy(objects);
}

/* The object goes, a new one of that name comes: it gets the condition, too. */
static void
test_object_comes_again(void **state OVS_UNUSED)
{
    struct object_store *objects = object_store_create(0);
    struct conditions *conditions = conditions_create(objects);
    const struct compile_problem p = { "Pod", "x", "a", "AddressTaken", "by b" };
    json_t *last;
    update(conditions, &p, 1, 0); /* It is not there at all. */
    create_pod(objects, "a", "{}");
    update(conditions, &p, 1, 0);
    object_store_delete(objects, pods(), "x", "a", NULL, &last);
    json_decref(last);
    create_pod(objects, "a", "{}");
    update(conditions, &p, 1, 0);
    assert_condition(objects, "a", 0, "False AddressTaken by b 1970-01-01T00:00:00Z");
    object_store_delete(objects, pods(), "x", "a", NULL, &last);
    json_decref(last);
    update(conditions, NULL, 0, 0);
    conditions_destroy(conditions);
    object_store_destroy(objects);
}

/* Who is of virga.dev says so when it was taken up. */
static void
test_groups_are_greeted(void **state OVS_UNUSED)
{
    const struct resource_kind *groups = resource_kind_by_word("policygroups");
    struct object_store *objects = object_store_create(0);
    struct conditions *conditions = conditions_create(objects);
    static const struct compile_problem problem = { "PolicyGroup", "", "bad", "GroupNotResolved",
                                                    "why" };
    static const char *const names[] = { "good", "bad" };

    for (size_t i = 0; i < 2; i++) {
        struct object_event event = {
            .type = OBJECT_ADDED, .kind = groups, .namespace_ = "", .name = names[i]
        };
        json_t *stored,
            *object = json_pack("{s:s, s:s, s:{s:s}}", "apiVersion", "virga.dev/v1alpha1", "kind",
                                "PolicyGroup", "metadata", "name", names[i]);

        object_store_create_object(objects, groups, NULL, object, "uid", "2026-01-01T00:00:00Z",
                                   &stored);
        conditions_note(conditions, &event);
    }
    run(conditions, &problem, 1, 0);
    for (size_t i = 0; i < 2; i++) {
        const json_t *object = object_store_get(objects, groups, NULL, names[i]);
        const json_t *c = json_array_get(
            json_object_get(json_object_get(object, "status"), "conditions"), 0);

        assert_string_equal(json_string_value(json_object_get(c, "reason")),
                            i ? "GroupNotResolved" : "Ready");
    }
    conditions_destroy(conditions);
    object_store_destroy(objects);
}

/* Also if the controller that stored it went before its turn. */
static void
test_greeting_of_an_earlier_life(void **state OVS_UNUSED)
{
    const struct resource_kind *groups = resource_kind_by_word("policygroups");
    struct object_store *objects = object_store_create(0);
    json_t *stored, *object = json_pack("{s:s, s:s, s:{s:s}}", "apiVersion", "virga.dev/v1alpha1",
                                        "kind", "PolicyGroup", "metadata", "name", "good");
    object_store_create_object(objects, groups, NULL, object, "uid", "2026-01-01T00:00:00Z",
                               &stored);
    create_pod(objects, "a", "{}");
    struct conditions *conditions = conditions_create(objects);
    run(conditions, NULL, 0, 0);
    const json_t *now = object_store_get(objects, groups, NULL, "good");
    const json_t *c = json_array_get(json_object_get(json_object_get(now, "status"), "conditions"),
                                     0);
    assert_string_equal(json_string_value(json_object_get(c, "reason")), "Ready");
    assert_condition(objects, "a", 0, "none");
    conditions_destroy(conditions);
    object_store_destroy(objects);
}

static void
set_pod_on_unknown_node(struct compile *compile, const char *name)
{
    char *text = xasprintf("{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":"
                           "\"%s\",\"namespace\":\"x\",\"uid\":\"u-%s\"},\"spec\":"
                           "{\"nodeName\":\"n\",\"containers\":[{\"name\":\"c\"}]}}",
                           name, name);
    json_t *json = json_loads(text, 0, NULL);
    struct field_errors errors;
    field_errors_init(&errors);
    struct k8s_pod *pod = k8s_pod_decode(json, &errors);
    assert_non_null(pod);
    compile_set_pod(compile, pod);
    field_errors_uninit(&errors);
    json_decref(json);
    free(text);
}

static void
set_namespace(struct compile *compile, const char *name)
{
    json_t *json = json_pack("{s:s, s:s, s:{s:s}}", "apiVersion", "v1", "kind", "Namespace",
                             "metadata", "name", name);
    struct field_errors errors;
    field_errors_init(&errors);
    struct k8s_namespace *ns = k8s_namespace_decode(json, &errors);
    assert_non_null(ns);
    compile_set_namespace(compile, ns);
    field_errors_uninit(&errors);
    json_decref(json);
}

static const struct compile_problem *
find_compiled(const void *compile, const char *key)
{
    return compile_find_problem(compile, key);
}

static void
look_at_changes(struct conditions *conditions, struct compile *compile)
{
    struct sset keys = SSET_INITIALIZER(&keys);
    compile_run(compile);
    compile_take_problem_changes(compile, &keys);
    conditions_look_at(conditions, &keys);
    sset_destroy(&keys);
}

/* What the compiler says has changed is all that has to be looked at. */
static void
test_problems_of_the_compiler(void **state OVS_UNUSED)
{
    struct object_store *objects = object_store_create(0);
    struct conditions *conditions = conditions_create(objects);
    struct compile_config config;
    struct in6_addr vtep = in6_addr_mapped_ipv4(htonl(0x0a000001));
    compile_config_default(&config);
    struct compile *compile = compile_create(&config);
    create_pod(objects, "a", "{}");
    create_pod(objects, "b", "{}");
    set_namespace(compile, "x");
    set_pod_on_unknown_node(compile, "a");

    look_at_changes(conditions, compile);
    assert_true(conditions_wait(conditions));
    conditions_run(conditions, SIZE_MAX, find_compiled, compile, 0);
    char *text = condition_text(objects, "a", 0);
    assert_non_null(strstr(text, "False"));
    free(text);
    assert_condition(objects, "b", 0, "none");

    look_at_changes(conditions, compile);
    assert_false(conditions_wait(conditions)); /* Nothing changed. */

    compile_set_node(compile, "n", &vtep, &vtep, 1);
    look_at_changes(conditions, compile);
    conditions_run(conditions, SIZE_MAX, find_compiled, compile, 0);
    text = condition_text(objects, "a", 0);
    assert_non_null(strstr(text, "True"));
    free(text);
    compile_destroy(compile);
    conditions_destroy(conditions);
    object_store_destroy(objects);
}

static void
note(const struct object_event *event, void *conditions)
{
    conditions_note(conditions, event);
}

/* A look that leads to no write leaves room for others. */
static void
test_looks_are_cheap(void **state OVS_UNUSED)
{
    struct object_store *objects = object_store_create(0);
    struct conditions *conditions = conditions_create(objects);
    struct compile_problem p = { "Pod", "x", "p99", "NodeSilent", "n" };
    struct problems problems = { &p, 1 };
    object_store_set_callback(objects, note, conditions);
    for (int i = 0; i < 100; i++) {
        char name[16];
        snprintf(name, sizeof name, "p%d", i);
        create_pod(objects, name, "{}");
    }
    assert_int_equal(conditions_run(conditions, 2, find, &problems, 0), 1);
    assert_false(conditions_wait(conditions));
    assert_condition(objects, "p99", 0, "False NodeSilent n 1970-01-01T00:00:00Z");
    object_store_set_callback(objects, NULL, NULL);
    conditions_destroy(conditions);
    object_store_destroy(objects);
}

/* Of very many objects some at a time, each once, though each write is an event. */
static void
test_some_of_many(void **state OVS_UNUSED)
{
    enum { N = 1000, SOME = 300 };
    struct object_store *objects = object_store_create(0);
    struct conditions *conditions = conditions_create(objects);
    struct compile_problem a[N];
    struct problems problems = { a, N };
    object_store_set_callback(objects, note, conditions);
    for (size_t i = 0; i < N; i++) {
        a[i] = (struct compile_problem){ "Pod", "x", xasprintf("p%" PRIuSIZE, i), "NodeSilent",
                                         "n" };
        create_pod(objects, a[i].name, "{}");
    }
    uint64_t version = object_store_version(objects);
    for (size_t done = 0; done < N;) {
        size_t n = conditions_run(conditions, SOME, find, &problems, 0);
        assert_int_equal(n, MIN(SOME, N - done));
        done += n;
        assert_int_equal(object_store_version(objects), version + done);
        assert_int_equal(conditions_wait(conditions), done < N);
    }
    for (size_t i = 0; i < N; i++) {
        assert_condition(objects, a[i].name, 0, "False NodeSilent n 1970-01-01T00:00:00Z");
    }
    object_store_set_callback(objects, NULL, NULL);
    conditions_destroy(conditions);
    object_store_destroy(objects);
    for (size_t i = 0; i < N; i++) {
        free(CONST_CAST(char *, a[i].name));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life_of_a_problem),
        cmocka_unit_test(test_conditions_stay_within_their_schema),
        cmocka_unit_test(test_conditions_of_an_earlier_life),
        cmocka_unit_test(test_groups_are_greeted),
        cmocka_unit_test(test_greeting_of_an_earlier_life),
        cmocka_unit_test(test_object_comes_again),
        cmocka_unit_test(test_problems_of_the_compiler),
        cmocka_unit_test(test_looks_are_cheap),
        cmocka_unit_test(test_some_of_many),
    };
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
