/* The embedded API's objects: versions, conflicts, events, order. */
#include "sources/object_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/test.h"
#include "openvswitch/dynamic-string.h"

static const struct resource_kind *pods, *namespaces, *policies;

/* Text in single quotes for double. */
static json_t *
object(const char *text)
{
    char *s = strdup(text);

    for (char *p = s; *p; p++) {
        *p = *p == '\'' ? '"' : *p;
    }

    json_t *json = json_loads(s, JSON_DECODE_ANY, NULL);

    free(s);
    assert_non_null(json);
    return json;
}

static void
assert_json(const json_t *json, const char *expected_text)
{
    json_t *expected = object(expected_text);

    if (!json || !json_equal(json, expected)) {
        char *s = json_dumps(json, JSON_ENCODE_ANY);

        fail_msg("got %s, expected %s", s, expected_text);
    }
    json_decref(expected);
}

/* Writes down events: "+ns/name@version ". */
static void
record_event(const struct object_event *event, void *log_)
{
    struct ds *log = log_;
    json_t *metadata = json_object_get(event->object, "metadata");
    char version[24];

    snprintf(version, sizeof version, "%llu", (unsigned long long) event->resource_version);
    assert_string_equal(json_string_value(json_object_get(metadata, "resourceVersion")), version);
    assert_true((event->type == OBJECT_ADDED) == !event->old);
    ds_put_format(log, "%c%s/%s@%s ", "+~-"[event->type], event -> namespace_, event -> name,
                  version);
}

static void
assert_log(struct ds *log, const char *expected)
{
    assert_string_equal(ds_cstr(log), expected);
    ds_clear(log);
}

static void
record_name(json_t *json, void *log_)
{
    json_t *metadata = json_object_get(json, "metadata");
    const char *ns = json_string_value(json_object_get(metadata, "namespace"));

    ds_put_format((struct ds *) log_, "%s/%s ", ns ? ns : "",
                  json_string_value(json_object_get(metadata, "name")));
}

static enum object_result
create_pod(struct object_store *store, const char *ns, const char *name)
{
    json_t *stored;
    json_t *pod = json_pack("{s:{s:s}}", "metadata", "name", name);

    return object_store_create_object(store, pods, ns, pod, "u", "2026-01-02T03:04:05Z", &stored);
}

static enum object_result
replay(struct object_store *store, const struct resource_kind *kind, uint64_t since,
       struct ds *log)
{
    return object_store_replay(store, kind, since, record_event, log);
}

static int
setup(void **state)
{
    pods = resource_kind_by_word("pods");
    namespaces = resource_kind_by_word("ns");
    policies = resource_kind_by_word("netpol");
    return pods && namespaces && policies ? 0 : -1;
}

static void
test_kinds(void **state)
{
    assert_ptr_equal(resource_kind_by_word("Pod"), pods);
    assert_ptr_equal(resource_kind_by_word("po"), pods);
    assert_ptr_equal(resource_kind_by_word("NETPOL"), policies);
    assert_ptr_equal(resource_kind_by_word("networkpolicies.networking.k8s.io"), policies);
    assert_null(resource_kind_by_word("p"));
    assert_null(resource_kind_by_word(""));
    assert_ptr_equal(resource_kind_by_gvk("networking.k8s.io/v1", "NetworkPolicy"), policies);
    assert_null(resource_kind_by_gvk("networking.k8s.io/v1beta1", "NetworkPolicy"));
    assert_null(resource_kind_by_gvk("v1", "NetworkPolicy"));
    assert_ptr_equal(resource_kind_by_gvk("v1", "Pod"), pods);
    assert_null(resource_kind_by_gvk("/v1", "Pod"));
    assert_ptr_equal(resource_kind_by_path("", "v1", "pods"), pods);
    assert_ptr_equal(resource_kind_by_path("networking.k8s.io", "v1", "networkpolicies"),
                     policies);
    assert_null(resource_kind_by_path("", "v1", "pod"));
    for (size_t i = 0; i < n_resource_kinds; i++) {
        const struct resource_kind *rk = &resource_kinds[i];
        char key[128];

        snprintf(key, sizeof key, "%s%s%s", rk->plural, rk->group[0] ? "." : "", rk->group);
        assert_string_equal(rk->key, key);
    }
}

static void
test_create_fills_in_metadata(void **state)
{
    struct object_store *store = object_store_create(0);
    json_t *given = object("{'metadata': {'name': 'a', 'namespace': 'wrong', 'labels': {'x': 'y'},"
                           "'uid': 'mine', 'resourceVersion': '77'}, 'spec': {}}");
    json_t *stored;

    json_incref(given);
    assert_int_equal(object_store_create_object(store, pods, "shop", given, "u-1",
                                                "2026-01-02T03:04:05Z", &stored),
                     OBJECT_OK);
    assert_json(stored, "{'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'name': 'a', "
                        "'namespace': 'shop', 'labels': {'x': 'y'}, 'uid': 'u-1', "
                        "'resourceVersion': '1', 'generation': 1, "
                        "'creationTimestamp': '2026-01-02T03:04:05Z'}, 'spec': {}}");
    assert_ptr_equal(object_store_get(store, pods, "shop", "a"), stored);
    assert_null(object_store_get(store, pods, "other", "a"));
    /* The caller's copy is not written to. */
    assert_json(given, "{'metadata': {'name': 'a', 'namespace': 'wrong', 'labels': {'x': 'y'},"
                       "'uid': 'mine', 'resourceVersion': '77'}, 'spec': {}}");
    assert_int_equal(object_store_create_object(store, pods, "shop", given, "u-2", "", &stored),
                     OBJECT_EXISTS);
    assert_int_equal(object_store_version(store), 1);

    given = object("{'metadata': {'name': 'shop', 'namespace': 'x'}}");
    assert_int_equal(
        object_store_create_object(store, namespaces, NULL, given, "u-3", "", &stored), OBJECT_OK);
    assert_null(json_object_get(json_object_get(stored, "metadata"), "namespace"));
    assert_ptr_equal(object_store_get(store, namespaces, NULL, "shop"), stored);
    assert_int_equal(object_store_version(store), 2);
    object_store_destroy(store);
    object_store_destroy(NULL);
}

static json_t *
updated(struct object_store *store, const char *text, bool status, enum object_result expected)
{
    json_t *stored;

    assert_int_equal(object_store_update(store, pods, "shop", "a", object(text), status, &stored),
                     expected);
    return stored;
}

static void
test_update(void **state)
{
    struct object_store *store = object_store_create(0);
    struct ds log = DS_EMPTY_INITIALIZER;
    json_t *first;

    updated(store, "{}", false, OBJECT_NOT_FOUND);
    create_pod(store, "shop", "a");
    first = json_incref(object_store_get(store, pods, "shop", "a"));
    object_store_set_callback(store, record_event, &log);

    /* The spec moves the generation; labels do not; what is not given goes. */
    assert_json(updated(store,
                        "{'metadata': {'labels': {'x': 'y'}}, 'spec': {'n': 1}, "
                        "'status': {'phase': 'Running'}}",
                        false, OBJECT_OK),
                "{'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'name': 'a', "
                "'namespace': 'shop', 'labels': {'x': 'y'}, 'uid': 'u', 'resourceVersion': '2', "
                "'generation': 2, 'creationTimestamp': '2026-01-02T03:04:05Z'}, "
                "'spec': {'n': 1}}");
    assert_json(updated(store, "{'metadata': {'resourceVersion': '2'}, 'spec': {'n': 1}}", false,
                        OBJECT_OK),
                "{'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'name': 'a', "
                "'namespace': 'shop', 'uid': 'u', 'resourceVersion': '3', "
                "'generation': 2, 'creationTimestamp': '2026-01-02T03:04:05Z'}, "
                "'spec': {'n': 1}}");
    assert_log(&log, "~shop/a@2 ~shop/a@3 ");

    /* Status alone; then an update keeps it. */
    updated(store, "{'metadata': {'labels': {'x': 'y'}}, 'status': {'phase': 'Running'}}", true,
            OBJECT_OK);
    assert_json(
        updated(store, "{'spec': {'n': 2}, 'status': {'phase': 'Failed'}}", false, OBJECT_OK),
        "{'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'name': 'a', "
        "'namespace': 'shop', 'uid': 'u', 'resourceVersion': '5', "
        "'generation': 3, 'creationTimestamp': '2026-01-02T03:04:05Z'}, "
        "'spec': {'n': 2}, 'status': {'phase': 'Running'}}");
    assert_log(&log, "~shop/a@4 ~shop/a@5 ");

    updated(store, "{'spec': {'n': 2}}", false, OBJECT_UNCHANGED);
    updated(store, "{'status': {'phase': 'Running'}}", true, OBJECT_UNCHANGED);
    updated(store, "{'metadata': {'resourceVersion': '4'}, 'spec': {}}", false, OBJECT_CONFLICT);
    updated(store, "{'metadata': {'uid': 'other'}, 'spec': {}}", false, OBJECT_CONFLICT);
    updated(store, "{'metadata': {'resourceVersion': '4'}, 'status': {}}", true, OBJECT_CONFLICT);
    assert_log(&log, "");
    assert_int_equal(object_store_version(store), 5);

    /* Old states stay what they were. */
    assert_json(first, "{'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'name': 'a', "
                       "'namespace': 'shop', 'uid': 'u', 'resourceVersion': '1', "
                       "'generation': 1, 'creationTimestamp': '2026-01-02T03:04:05Z'}}");
    json_decref(first);
    ds_destroy(&log);
    object_store_destroy(store);
}

static void
test_delete(void **state)
{
    struct object_store *store = object_store_create(0);
    struct ds log = DS_EMPTY_INITIALIZER;
    json_t *last;

    create_pod(store, "shop", "a");
    object_store_set_callback(store, record_event, &log);
    assert_int_equal(object_store_delete(store, pods, "shop", "b", NULL, &last), OBJECT_NOT_FOUND);
    assert_int_equal(object_store_delete(store, pods, "shop", "a", "v", &last), OBJECT_CONFLICT);
    assert_null(last);
    assert_int_equal(object_store_delete(store, pods, "shop", "a", "u", &last), OBJECT_OK);
    assert_json(last, "{'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'name': 'a', "
                      "'namespace': 'shop', 'uid': 'u', 'resourceVersion': '2', "
                      "'generation': 1, 'creationTimestamp': '2026-01-02T03:04:05Z'}}");
    assert_null(object_store_get(store, pods, "shop", "a"));
    assert_log(&log, "-shop/a@2 ");
    json_decref(last);
    assert_int_equal(create_pod(store, "shop", "a"), OBJECT_OK);
    assert_log(&log, "+shop/a@3 ");
    ds_destroy(&log);
    object_store_destroy(store);
}

static void
test_lists_are_ordered(void **state)
{
    struct object_store *store = object_store_create(0);
    struct ds log = DS_EMPTY_INITIALIZER;
    json_t *last;

    create_pod(store, "b", "x");
    create_pod(store, "a", "z");
    create_pod(store, "b", "a");
    create_pod(store, "ab", "m");
    create_pod(store, "a", "y");
    object_store_each(store, pods, NULL, record_name, &log);
    assert_log(&log, "a/y a/z ab/m b/a b/x ");
    object_store_each(store, pods, "a", record_name, &log);
    assert_log(&log, "a/y a/z ");
    object_store_each(store, pods, "c", record_name, &log);
    object_store_each(store, policies, NULL, record_name, &log);
    assert_log(&log, "");
    object_store_delete(store, pods, "a", "z", NULL, &last);
    json_decref(last);
    object_store_each(store, pods, "a", record_name, &log);
    assert_log(&log, "a/y ");
    ds_destroy(&log);
    object_store_destroy(store);
}

static void
test_watches_replay_a_window_of_events(void **state)
{
    struct object_store *store = object_store_create(4);
    struct ds log = DS_EMPTY_INITIALIZER;
    json_t *json;

    create_pod(store, "s", "1");
    create_pod(store, "s", "2");
    assert_int_equal(replay(store, pods, 0, &log), OBJECT_OK);
    assert_log(&log, "+s/1@1 +s/2@2 ");
    assert_int_equal(replay(store, pods, 1, &log), OBJECT_OK);
    assert_log(&log, "+s/2@2 ");
    assert_int_equal(replay(store, pods, 2, &log), OBJECT_OK);
    assert_log(&log, "");

    object_store_create_object(store, namespaces, NULL, object("{'metadata': {'name': 's'}}"), "u",
                               "", &json);
    object_store_delete(store, pods, "s", "1", NULL, &json);
    json_decref(json);
    create_pod(store, "s", "3");
    create_pod(store, "s", "4");
    /* Six events, of which the window has 3, 4, 5 and 6. */
    assert_int_equal(replay(store, pods, 1, &log), OBJECT_GONE);
    assert_int_equal(replay(store, pods, 2, &log), OBJECT_OK);
    assert_log(&log, "-s/1@4 +s/3@5 +s/4@6 ");
    assert_int_equal(replay(store, namespaces, 2, &log), OBJECT_OK);
    assert_log(&log, "+/s@3 ");
    assert_int_equal(replay(store, pods, 4, &log), OBJECT_OK);
    assert_log(&log, "+s/3@5 +s/4@6 ");
    ds_destroy(&log);
    object_store_destroy(store);
}

static void
create_large(struct object_store *store, const char *name)
{
    json_t *large = object("{'metadata': {'namespace': 's'}, 'spec': {'list': []}}"), *json;
    json_t *list = json_object_get(json_object_get(large, "spec"), "list");

    json_object_set_new(json_object_get(large, "metadata"), "name", json_string(name));
    for (int i = 0; i < 120000; i++) {
        json_array_append_new(list, json_true());
    }
    assert_int_equal(object_store_create_object(store, pods, "s", large, "u", "", &json),
                     OBJECT_OK);
}

static void
test_large_objects_shorten_the_window(void **state)
{
    struct object_store *store = object_store_create(0);
    struct ds log = DS_EMPTY_INITIALIZER;

    create_pod(store, "s", "1");
    create_large(store, "2");
    assert_int_equal(replay(store, pods, 0, &log), OBJECT_OK);
    assert_log(&log, "+s/1@1 +s/2@2 ");
    create_large(store, "3");
    assert_int_equal(replay(store, pods, 1, &log), OBJECT_GONE);
    assert_int_equal(replay(store, pods, 2, &log), OBJECT_OK);
    assert_log(&log, "+s/3@3 ");
    create_pod(store, "s", "4");
    assert_int_equal(replay(store, pods, 2, &log), OBJECT_OK);
    assert_log(&log, "+s/3@3 +s/4@4 ");
    ds_destroy(&log);
    object_store_destroy(store);
}

static void
test_restore(void **state)
{
    struct object_store *store = object_store_create(0);
    struct ds log = DS_EMPTY_INITIALIZER;

    object_store_set_callback(store, record_event, &log);
    create_pod(store, "s", "gone");
    assert_log(&log, "+s/gone@1 ");
    object_store_clear(store);
    assert_int_equal(object_store_version(store), 0);
    object_store_restore(store, pods,
                         object("{'metadata': {'namespace': 's', 'name': 'a', 'uid': 'u'}}"), 7);
    object_store_restore(store, pods,
                         object("{'metadata': {'namespace': 's', 'name': 'b', 'uid': 'v'}}"), 5);
    object_store_restore_version(store, 9);
    object_store_restore_version(store, 3);
    assert_log(&log, "");
    assert_int_equal(object_store_version(store), 9);
    object_store_each(store, pods, NULL, record_name, &log);
    assert_log(&log, "s/a s/b ");
    assert_json(object_store_get(store, pods, "s", "b"),
                "{'metadata': {'namespace': 's', 'name': 'b', 'uid': 'v', "
                "'resourceVersion': '5'}}");
    /* Nothing is known of what happened before. */
    assert_int_equal(replay(store, pods, 8, &log), OBJECT_GONE);
    assert_int_equal(replay(store, pods, 9, &log), OBJECT_OK);
    create_pod(store, "s", "c");
    assert_log(&log, "+s/c@10 ");
    assert_int_equal(replay(store, pods, 9, &log), OBJECT_OK);
    assert_log(&log, "+s/c@10 ");
    ds_destroy(&log);
    object_store_destroy(store);
}

static void
test_many_pods(void **state)
{
    struct object_store *store = object_store_create(16);
    struct ds log = DS_EMPTY_INITIALIZER;
    char name[24];
    json_t *last;

    enum { N = 20000 };
    for (int i = 0; i < N; i++) {
        snprintf(name, sizeof name, "pod-%05d", i * 7919 % N);
        assert_int_equal(create_pod(store, "s", name), OBJECT_OK);
    }
    for (int i = 0; i < N; i++) {
        if (i % 5000) {
            snprintf(name, sizeof name, "pod-%05d", i);
            assert_int_equal(object_store_delete(store, pods, "s", name, NULL, &last), OBJECT_OK);
            json_decref(last);
        }
    }
    object_store_each(store, pods, NULL, record_name, &log);
    assert_log(&log, "s/pod-00000 s/pod-05000 s/pod-10000 s/pod-15000 ");
    ds_destroy(&log);
    object_store_destroy(store);
}

/* The table of RFC 7386, appendix A. */
static void
test_merge_patch(void **state)
{
    static const char *const cases[][3] = {
        { "{'a':'b'}", "{'a':'c'}", "{'a':'c'}" },
        { "{'a':'b'}", "{'b':'c'}", "{'a':'b','b':'c'}" },
        { "{'a':'b'}", "{'a':null}", "{}" },
        { "{'a':'b','b':'c'}", "{'a':null}", "{'b':'c'}" },
        { "{'a':['b']}", "{'a':'c'}", "{'a':'c'}" },
        { "{'a':'c'}", "{'a':['b']}", "{'a':['b']}" },
        { "{'a':{'b':'c'}}", "{'a':{'b':'d','c':null}}", "{'a':{'b':'d'}}" },
        { "{'a':[{'b':'c'}]}", "{'a':[1]}", "{'a':[1]}" },
        { "['a','b']", "['c','d']", "['c','d']" },
        { "{'a':'b'}", "['c']", "['c']" },
        { "{'a':'foo'}", "null", "null" },
        { "{'a':'foo'}", "'bar'", "'bar'" },
        { "{'e':null}", "{'a':1}", "{'e':null,'a':1}" },
        { "[1,2]", "{'a':'b','c':null}", "{'a':'b'}" },
        { "{}", "{'a':{'bb':{'ccc':null}}}", "{'a':{'bb':{}}}" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *target = object(cases[i][0]);
        json_t *patch = object(cases[i][1]);
        json_t *result = json_merge_patch(target, patch);

        assert_json(result, cases[i][2]);
        assert_json(target, cases[i][0]);
        assert_json(patch, cases[i][1]);
        json_decref(target);
        json_decref(patch);
        json_decref(result);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_create_fills_in_metadata),
        cmocka_unit_test(test_update),
        cmocka_unit_test(test_delete),
        cmocka_unit_test(test_lists_are_ordered),
        cmocka_unit_test(test_watches_replay_a_window_of_events),
        cmocka_unit_test(test_large_objects_shorten_the_window),
        cmocka_unit_test(test_restore),
        cmocka_unit_test(test_many_pods),
        cmocka_unit_test(test_merge_patch),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
