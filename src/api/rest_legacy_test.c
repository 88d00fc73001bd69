/* The older forms of NetworkPolicy through the REST API. */
#include "api/rest.h"

#include "api/rest_fixture.h"

#define OLD "/apis/extensions/v1beta1/namespaces/x/networkpolicies"
#define ALPHA "/apis/net.alpha.kubernetes.io/v1alpha1/namespaces/x/networkpolicys"
#define OLD_POLICY(NAME, SPEC)                                                         \
    "{\"apiVersion\":\"extensions/v1beta1\",\"kind\":\"NetworkPolicy\",\"metadata\":{" \
    "\"name\":\"" NAME "\"},\"spec\":" SPEC "}"
#define ALPHA_POLICY(NAME, SPEC) \
    "{\"kind\":\"NetworkPolicy\",\"metadata\":{\"name\":\"" NAME "\"},\"spec\":" SPEC "}"

/* The body of the article, "Kubernetes Network Policy APIs", April 2016. */
static const char article[] = "{\n"
                              "\"kind\": \"NetworkPolicy\",\n"
                              "\"metadata\": {\n"
                              "\"name\": \"pol1\"\n"
                              "},\n"
                              "\"spec\": {\n"
                              "\"allowIncoming\": {\n"
                              "\"from\": [\n"
                              "{ \"pods\": { \"segment\": \"frontend\" } }\n"
                              "],\n"
                              "\"toPorts\": [\n"
                              "{ \"port\": 80, \"protocol\": \"TCP\" }\n"
                              "]\n"
                              "},\n"
                              "\"podSelector\": { \"segment\": \"backend\" }\n"
                              "}\n"
                              "}\n";

/* The chunks of all watches so far, as text. */
static char *
read_chunks(struct fixture *f)
{
    struct ds text = DS_EMPTY_INITIALIZER;
    while (f->n) {
        struct http_reply *reply = next_reply(f);
        ds_put_buffer(&text, reply->body ? reply->body : "", reply->length);
        http_reply_destroy(reply);
    }
    return ds_steal_cstr(&text);
}

static size_t
count(const char *text, const char *word)
{
    size_t n = 0;
    for (; (text = strstr(text, word)); text += strlen(word)) {
        n++;
    }
    return n;
}

/* The answer to 'line' has this apiVersion. */
static void
assert_version(struct fixture *f, const char *line, const char *body, int code,
               const char *api_version)
{
    json_t *json = do_request(f, line, body, code);
    assert_at(json, "apiVersion", api_version);
    json_decref(json);
}

static void
test_discovery(void **state OVS_UNUSED)
{
    struct fixture *f = fixture_create(0);
    json_t *json = do_request(f, "GET /apis/extensions/v1beta1", NULL, 200);
    assert_at(json, "groupVersion", "extensions/v1beta1");
    assert_at(json, "resources/0/name", "networkpolicies");
    assert_int_equal(json_array_size(at(json, "resources")), 1);
    json_decref(json);
    json = do_request(f, "GET /apis/net.alpha.kubernetes.io/v1alpha1/", NULL, 200);
    assert_at(json, "resources/0/name", "networkpolicys");
    assert_at(json, "resources/0/kind", "NetworkPolicy");
    json_decref(json);
    json = do_request(f, "GET /apis/extensions", NULL, 200);
    assert_at(json, "preferredVersion/version", "v1beta1");
    json_decref(json);
    fixture_destroy(f);
}

/* One object, two APIs: what is written under one is read under the other. */
static void
test_two_forms_of_one_object(void **state OVS_UNUSED)
{
    static const char v1beta1[] = "extensions/v1beta1", v1[] = "networking.k8s.io/v1";
    struct fixture *f = fixture_with_namespace();
    assert_version(f, "POST " OLD,
                   OLD_POLICY("p", "{\"podSelector\":{},\"ingress\":[{\"ports\":[{\"protocol\":"
                                   "\"tcp\",\"port\":6379}]}]}"),
                   201, v1beta1);
    json_t *json = do_request(f, "GET " POLICIES "/p", NULL, 200);
    assert_at(json, "apiVersion", v1);
    assert_at(json, "spec/policyTypes/0", "Ingress");
    assert_int_equal(json_array_size(at(json, "spec/policyTypes")), 1);
    assert_at(json, "spec/ingress/0/ports/0/protocol", "TCP");
    json_decref(json);

    json = do_request(f, "GET " OLD "/p", NULL, 200);
    assert_at(json, "apiVersion", v1beta1);
    assert_at(json, "spec/ingress/0/ports/0/protocol", "TCP");
    char *text = json_dumps(json, 0);
    json_decref(json);
    assert_version(f, "PUT " OLD "/p", text, 200, v1beta1);
    json_decref(do_request(f, "PUT " POLICIES "/p", text, 400));
    free(text);

    assert_version(f, "GET " OLD, NULL, 200, v1beta1);
    assert_version(f, "GET /apis/extensions/v1beta1/networkpolicies", NULL, 200, v1beta1);
    assert_version(f, "GET " POLICIES, NULL, 200, v1);
    assert_int_equal(count_items(f, "GET " OLD), 1);
    json = do_typed(f, "PATCH " OLD "/p", "application/merge-patch+json",
                    "{\"spec\":{\"egress\":[{\"ports\":[{\"protocol\":\"udp\"}]}],"
                    "\"policyTypes\":null}}",
                    200);
    assert_at(json, "apiVersion", v1beta1);
    assert_at(json, "spec/policyTypes/1", "Egress");
    assert_at(json, "spec/egress/0/ports/0/protocol", "UDP");
    json_decref(json);

    json = do_request(f, "POST " POLICIES, OLD_POLICY("q", "{}"), 400);
    json_decref(json);
    assert_version(f, "POST " POLICIES, POLICY("q", "{\"podSelector\":{}}"), 201, v1);
    assert_version(f, "POST " OLD, OLD_POLICY("q", "{\"podSelector\":{}}"), 409, "v1");
    assert_version(f, "POST " OLD "?dryRun=All", OLD_POLICY("r", "{}"), 201, v1beta1);
    assert_version(f, "DELETE " OLD "/q", NULL, 200, "v1");
    json = do_request(f, "GET " POLICIES "/q", NULL, 404);
    json_decref(json);
    json = do_request(f, "DELETE " OLD, NULL, 200);
    assert_at(json, "apiVersion", v1beta1);
    assert_at(json, "items/0/apiVersion", v1beta1);
    json_decref(json);
    assert_int_equal(count_items(f, "GET " POLICIES), 0);
    fixture_destroy(f);
}

static void
test_watch_in_each_form(void **state OVS_UNUSED)
{
    struct fixture *f = fixture_with_namespace();
    expect(f, "POST " POLICIES, POLICY("before", "{\"podSelector\":{}}"), 201);
    send_typed(f, "GET " OLD "?watch=1", "", NULL);
    send_typed(f, "GET /apis/extensions/v1beta1/networkpolicies?watch=1&resourceVersion=1", "",
               NULL);
    char *text = read_chunks(f);
    assert_int_equal(count(text, "\"type\":\"ADDED\""), 2);
    assert_int_equal(count(text, "\"apiVersion\":\"extensions/v1beta1\""), 2);
    assert_int_equal(count(text, "networking.k8s.io/v1"), 0);
    free(text);

    send_typed(f, "GET " POLICIES "?watch=1&resourceVersion=2", "", NULL);
    free(read_chunks(f));
    send_typed(f, "POST " OLD, "application/json", OLD_POLICY("p", "{\"podSelector\":{}}"));
    send_typed(f, "DELETE " POLICIES "/p", "", NULL);
    text = read_chunks(f);
    assert_int_equal(count(text, "\"type\":\"ADDED\""), 3);
    assert_int_equal(count(text, "\"type\":\"DELETED\""), 3);
    /* Two watches by two events, and the reply to the POST. */
    assert_int_equal(count(text, "\"apiVersion\":\"extensions/v1beta1\""), 5);
    assert_int_equal(count(text, "\"apiVersion\":\"networking.k8s.io/v1\""), 2);
    free(text);
    fixture_destroy(f);
}

static void
test_post_of_the_article(void **state OVS_UNUSED)
{
    static const char path[] =
        "POST /apis/net.alpha.kubernetes.io/v1alpha1/namespaces/tenant-a/networkpolicys/";
    struct fixture *f = fixture_create(0);
    expect(f, path, article, 404);
    expect(f, "POST /api/v1/namespaces",
           "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"tenant-a\"}}",
           201);
    json_t *json = do_typed(f, path, "", article, 201);
    assert_at(json, "apiVersion", "net.alpha.kubernetes.io/v1alpha1");
    assert_at(json, "kind", "NetworkPolicy");
    assert_at(json, "metadata/namespace", "tenant-a");
    assert_at(json, "spec/podSelector/segment", "backend");
    assert_at(json, "spec/allowIncoming/from/0/pods/segment", "frontend");
    assert_null(at(json, "spec/policyTypes"));
    json_decref(json);
    json = do_request(f, path, article, 409);
    assert_at(json, "message", "networkpolicys.net.alpha.kubernetes.io \"pol1\" already exists");
    json_decref(json);
    fixture_destroy(f);
}

/* A policy of one name in each API: three APIs, two objects. */
static void
test_third_party_resource(void **state OVS_UNUSED)
{
    struct fixture *f = fixture_with_namespace();
    expect(f, "POST " ALPHA, ALPHA_POLICY("p", "{}"), 201);
    expect(f, "POST " POLICIES, POLICY("p", "{\"podSelector\":{}}"), 201);
    json_t *json = do_request(f, "GET " ALPHA "/", NULL, 200);
    assert_at(json, "kind", "NetworkPolicyList");
    assert_at(json, "apiVersion", "net.alpha.kubernetes.io/v1alpha1");
    assert_int_equal(json_array_size(at(json, "items")), 1);
    json_decref(json);
    assert_int_equal(count_items(f, "GET " ALPHA), 1);
    assert_int_equal(count_items(f, "GET /apis/net.alpha.kubernetes.io/v1alpha1/networkpolicys"),
                     1);
    assert_int_equal(count_items(f, "GET " OLD), 1);

    expect(f, "PUT " ALPHA "/p", ALPHA_POLICY("p", "{\"podSelector\":{\"a\":\"b\"}}"), 200);
    json = do_typed(f, "PATCH " ALPHA "/p", "application/merge-patch+json",
                    "{\"spec\":{\"allowIncoming\":{\"toPorts\":[{\"port\":8080}]}}}", 200);
    assert_at(json, "spec/podSelector/a", "b");
    assert_int_equal(json_integer_value(at(json, "metadata/generation")), 3);
    json_decref(json);

    json = do_request(f, "POST " ALPHA, ALPHA_POLICY("q", "{\"allowIncoming\":{\"from\":[{}]}}"),
                      422);
    assert_at(json, "details/causes/0/field", "spec.allowIncoming.from[0]");
    assert_at(json, "details/kind", "NetworkPolicy");
    json_decref(json);
    expect(f, "POST " ALPHA, POLICY("q", "{}"), 400);
    expect(f, "POST " POLICIES, ALPHA_POLICY("q", "{}"), 400);
    expect(f, "DELETE " ALPHA "/p", NULL, 200);
    expect(f, "GET " ALPHA "/p", NULL, 404);
    expect(f, "GET " POLICIES "/p", NULL, 200);
    expect(f, "POST " ALPHA, ALPHA_POLICY("r", "{}"), 201);
    expect(f, "DELETE /api/v1/namespaces/x", NULL, 200);
    expect(f, "GET " ALPHA "/r", NULL, 404);
    fixture_destroy(f);
}

static void
test_old_watch_paths(void **state OVS_UNUSED)
{
    static const char *const lines[] = {
        "GET /apis/net.alpha.kubernetes.io/v1alpha1/watch/namespaces/x/networkpolicys/",
        "GET /apis/net.alpha.kubernetes.io/v1alpha1/watch/networkpolicys",
        "GET /apis/extensions/v1beta1/watch/namespaces/x/networkpolicies",
        "GET /api/v1/watch/pods",
    };
    struct fixture *f = fixture_with_namespace();
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        send_typed(f, lines[i], "", NULL);
        struct http_reply *reply = next_reply(f);
        assert_int_equal(reply->part, HTTP_START);
        http_reply_destroy(reply);
    }
    assert_int_equal(rest_n_watches(f->rest), ARRAY_SIZE(lines));
    send_typed(f, "POST " ALPHA, "application/json", ALPHA_POLICY("p", "{}"));
    char *text = read_chunks(f);
    assert_int_equal(count(text, "\"type\":\"ADDED\""), 2);
    free(text);
    expect(f, "POST /apis/net.alpha.kubernetes.io/v1alpha1/watch/namespaces/x/networkpolicys",
           ALPHA_POLICY("p", "{}"), 405);
    expect(f, "GET /apis/net.alpha.kubernetes.io/v1alpha1/watch", NULL, 404);
    expect(f, "GET /apis/net.alpha.kubernetes.io/v1alpha1/watch/namespaces/x/networkpolicys/p",
           NULL, 404);
    fixture_destroy(f);
}

static void
test_isolation_annotations(void **state OVS_UNUSED)
{
    struct fixture *f = fixture_with_namespace();
    json_t *json = do_typed(f, "PATCH /api/v1/namespaces/x", "application/merge-patch+json",
                            "{\"metadata\":{\"annotations\":{\"net.alpha.kubernetes.io/"
                            "network-isolation\":\"maybe\"}}}",
                            422);
    assert_at(json, "details/causes/0/field",
              "metadata.annotations[net.alpha.kubernetes.io/network-isolation]");
    json_decref(json);
    json_decref(do_typed(
        f, "PATCH /api/v1/namespaces/x", "application/merge-patch+json",
        "{\"metadata\":{\"annotations\":{\"net.alpha.kubernetes.io/network-isolation\":\"on\"}}}",
        200));
    fixture_destroy(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_discovery),
        cmocka_unit_test(test_two_forms_of_one_object),
        cmocka_unit_test(test_watch_in_each_form),
        cmocka_unit_test(test_post_of_the_article),
        cmocka_unit_test(test_third_party_resource),
        cmocka_unit_test(test_old_watch_paths),
        cmocka_unit_test(test_isolation_annotations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
