/* Watches: what changes look like through them, and how they end. */
#include "api/rest.h"

#include "api/rest_fixture.h"

/* --- Watches ----------------------------------------------------------------------- */

static void
start_watch(struct fixture *f, const char *line)
{
    uint64_t id = send_typed(f, line, "", NULL);
    struct http_reply *reply = next_reply(f);
    assert_int_equal(reply->id, id);
    assert_int_equal(reply->part, HTTP_START);
    assert_int_equal(reply->code, 200);
    http_reply_destroy(reply);
}

/* Reads chunks until there is nothing more; one line "TYPE NAME VERSION" each. */
static char *
read_events(struct fixture *f)
{
    struct ds summary = DS_EMPTY_INITIALIZER;
    while (f->n) {
        struct http_reply *reply = next_reply(f);
        if (reply->part == HTTP_END) {
            ds_put_cstr(&summary, "END ");
        }
        for (size_t i = 0; i < reply->length;) {
            json_error_t error;
            json_t *json = json_loadb(reply->body + i, reply->length - i, JSON_DISABLE_EOF_CHECK,
                                      &error);
            assert_non_null(json);
            i += error.position;
            assert_int_equal(reply->body[i++], '\n');
            const char *name = json_string_value(at(json, "object/metadata/name"));
            ds_put_format(&summary, "%s %s@%s ", string_at(json, "type"), name ? name : "-",
                          string_at(json, "object/metadata/resourceVersion"));
            if (!strcmp(string_at(json, "type"), "ERROR")) {
                ds_put_format(&summary, "%lld ",
                              (long long) json_integer_value(at(json, "object/code")));
            }
            json_decref(json);
        }
        http_reply_destroy(reply);
    }
    return ds_steal_cstr(&summary);
}

#define assert_events(F, TEXT)              \
    do {                                    \
        char *events_ = read_events(F);     \
        assert_string_equal(events_, TEXT); \
        free(events_);                      \
    } while (0)

/* A write whose reply is thrown away; what a watch saw stays. */
static void
change(struct fixture *f, const char *line, const char *body)
{
    send_typed(f, line, "application/json", body);
    struct http_reply *reply = f->replies[--f->n];
    assert_int_equal(reply->part, HTTP_WHOLE);
    assert_true(reply->code < 300);
    http_reply_destroy(reply);
}

static void
test_watch(void **state OVS_UNUSED)
{
    struct fixture *f = fixture_with_namespace();
    change(f, "POST " PODS, POD("old", ""));
    start_watch(f, "GET /api/v1/pods?watch=1&resourceVersion=2");
    assert_events(f, "");
    change(f, "POST " PODS, POD("a", ""));
    change(f, "PUT " PODS "/a", POD("a", ",\"labels\":{\"v\":\"1\"}"));
    change(f, "PUT " PODS "/a", POD("a", ",\"labels\":{\"v\":\"1\"}")); /* Nothing new. */
    change(f, "POST " POLICIES, POLICY("p", "{\"podSelector\":{}}"));
    change(f, "DELETE " PODS "/a", NULL);
    assert_events(f, "ADDED a@3 MODIFIED a@4 DELETED a@6 ");

    /* From the past, another watch catches up, then goes on. */
    start_watch(f, "GET " PODS "?watch=true&resourceVersion=3");
    assert_events(f, "MODIFIED a@4 DELETED a@6 ");
    assert_int_equal(rest_n_watches(f->rest), 2);
    change(f, "DELETE " PODS "/old", NULL);
    assert_events(f, "DELETED old@7 DELETED old@7 ");

    struct http_request closed = { .id = f->last_id - 1, .closed = true };
    for (; closed.id && rest_n_watches(f->rest); closed.id--) {
        rest_handle(f->rest, &closed);
    }
    assert_int_equal(rest_n_watches(f->rest), 0);
    fixture_destroy(f);
}

static void
test_watch_initial_events(void **state OVS_UNUSED)
{
    struct fixture *f = fixture_with_namespace();
    change(f, "POST " PODS, POD("b", ""));
    change(f, "POST " PODS, POD("a", ""));
    start_watch(f, "GET /api/v1/pods?watch=1");
    assert_events(f, "ADDED a@3 ADDED b@2 ");
    start_watch(f, "GET /api/v1/pods?watch=1&resourceVersion=0");
    assert_events(f, "ADDED a@3 ADDED b@2 ");
    start_watch(f, "GET /api/v1/pods?watch=1&sendInitialEvents=true&resourceVersionMatch="
                   "NotOlderThan&allowWatchBookmarks=true");
    assert_events(f, "ADDED a@3 ADDED b@2 BOOKMARK -@3 ");
    start_watch(f, "GET /api/v1/pods?watch=1&sendInitialEvents=false&resourceVersionMatch="
                   "NotOlderThan");
    assert_events(f, "");
    fixture_destroy(f);
}

static void
test_watch_initial_end_mark(void **state OVS_UNUSED)
{
    struct fixture *f = fixture_with_namespace();
    start_watch(f, "GET /api/v1/pods?watch=1&sendInitialEvents=true&resourceVersionMatch="
                   "NotOlderThan&allowWatchBookmarks=true");
    struct http_reply *reply = next_reply(f);
    json_t *json = parse_body(reply);
    assert_at(json, "object/kind", "Pod");
    assert_at(json, "object/apiVersion", "v1");
    assert_string_equal(json_string_value(json_object_get(at(json, "object/metadata/annotations"),
                                                          "k8s.io/initial-events-end")),
                        "true");
    json_decref(json);
    http_reply_destroy(reply);
    fixture_destroy(f);
}

/* What a selector makes of a relabel. */
static void
test_watch_selector(void **state OVS_UNUSED)
{
    struct fixture *f = fixture_with_namespace();
    start_watch(f, "GET /api/v1/pods?watch=1&resourceVersion=1&labelSelector=tier%3Dweb");
    change(f, "POST " PODS, POD("a", ",\"labels\":{\"tier\":\"web\"}"));
    change(f, "PUT " PODS "/a", POD("a", ",\"labels\":{\"tier\":\"web\",\"v\":\"2\"}"));
    assert_events(f, "ADDED a@2 MODIFIED a@3 ");

    change(f, "PUT " PODS "/a", POD("a", ",\"labels\":{\"tier\":\"db\"}"));
    struct http_reply *reply = next_reply(f);
    json_t *json = parse_body(reply);
    assert_at(json, "type", "DELETED");
    assert_at(json, "object/metadata/labels/tier", "web");   /* As it was, */
    assert_at(json, "object/metadata/resourceVersion", "4"); /* at the new version. */
    json_decref(json);
    http_reply_destroy(reply);

    change(f, "PUT " PODS "/a", POD("a", ",\"labels\":{\"tier\":\"db\",\"v\":\"3\"}"));
    change(f, "PUT " PODS "/a", POD("a", ",\"labels\":{\"tier\":\"web\"}"));
    change(f, "DELETE " PODS "/a", NULL);
    change(f, "POST " PODS, POD("b", ""));
    change(f, "DELETE " PODS "/b", NULL);
    assert_events(f, "ADDED a@6 DELETED a@7 ");
    fixture_destroy(f);
}

static void
test_watch_field_selector(void **state OVS_UNUSED)
{
    struct fixture *f = fixture_with_namespace();
    start_watch(f, "GET /api/v1/pods?watch=1&resourceVersion=1&fieldSelector="
                   "spec.nodeName%3Dnode-1");
    change(f, "POST " PODS,
           "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"a\"},\"spec\":{"
           "\"containers\":[{\"name\":\"c\"}]}}");
    change(f, "PUT " PODS "/a", POD("a", ""));
    assert_events(f, "ADDED a@3 ");
    fixture_destroy(f);
}

static void
test_watch_too_old(void **state OVS_UNUSED)
{
    struct fixture *f = fixture_create(2);
    change(f, "POST /api/v1/namespaces", NS_X);
    for (int i = 0; i < 3; i++) {
        change(f, "POST " PODS, POD("a", ""));
        change(f, "DELETE " PODS "/a", NULL);
    }
    start_watch(f, "GET /api/v1/pods?watch=1&resourceVersion=1");
    assert_events(f, "ERROR -@(absent) 410 END ");
    assert_int_equal(rest_n_watches(f->rest), 0);
    fixture_destroy(f);
}

/* A version that is yet to come: silence until it has passed. */
static void
test_watch_from_the_future(void **state OVS_UNUSED)
{
    struct fixture *f = fixture_with_namespace();
    start_watch(f, "GET /api/v1/pods?watch=1&resourceVersion=3");
    change(f, "POST " PODS, POD("a", ""));
    change(f, "POST " PODS, POD("b", ""));
    change(f, "POST " PODS, POD("c", ""));
    assert_events(f, "ADDED c@4 ");
    fixture_destroy(f);
}

static void
test_watch_bookmarks_and_timeout(void **state OVS_UNUSED)
{
    struct fixture *f = fixture_with_namespace();
    assert_true(rest_next(f->rest) == LLONG_MAX);
    start_watch(f, "GET /api/v1/pods?watch=1&resourceVersion=1&allowWatchBookmarks=true"
                   "&timeoutSeconds=100");
    start_watch(f, "GET /api/v1/pods?watch=1&resourceVersion=1&timeoutSeconds=90");
    assert_true(rest_next(f->rest) == 60000);
    rest_set_time(f->rest, 59999, 0);
    assert_events(f, "");
    change(f, "POST " POLICIES, POLICY("p", "{\"podSelector\":{}}"));
    rest_set_time(f->rest, 60000, 0);
    assert_events(f, "BOOKMARK -@2 ");
    assert_true(rest_next(f->rest) == 90000);
    rest_set_time(f->rest, 90000, 0);
    assert_events(f, "END ");
    assert_true(rest_next(f->rest) == 98000);
    rest_set_time(f->rest, 98000, 0);
    assert_events(f, "BOOKMARK -@2 ");
    assert_true(rest_next(f->rest) == 100000);
    rest_set_time(f->rest, 100000, 0);
    assert_events(f, "END ");
    assert_int_equal(rest_n_watches(f->rest), 0);
    fixture_destroy(f);
}

static void
test_watch_ends_with_leadership(void **state OVS_UNUSED)
{
    struct fixture *f = fixture_with_namespace();
    start_watch(f, "GET /api/v1/pods?watch=1&resourceVersion=1");
    rest_set_serving(f->rest, false);
    assert_events(f, "END ");
    fixture_destroy(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_watch),
        cmocka_unit_test(test_watch_initial_events),
        cmocka_unit_test(test_watch_initial_end_mark),
        cmocka_unit_test(test_watch_selector),
        cmocka_unit_test(test_watch_field_selector),
        cmocka_unit_test(test_watch_too_old),
        cmocka_unit_test(test_watch_from_the_future),
        cmocka_unit_test(test_watch_bookmarks_and_timeout),
        cmocka_unit_test(test_watch_ends_with_leadership),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
