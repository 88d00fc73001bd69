/* Routing, errors and lists of the REST API.  Expected answers follow recorded
 * exchanges with a real API server. */
#include "api/rest.h"

#include "api/rest_fixture.h"

/* --- Reading and errors -------------------------------------------------------- */

static void
assert_has_group(const json_t *groups, const char *group_version)
{
    size_t i;
    json_t *group;
    json_array_foreach ((json_t *) groups, i, group) {
        if (!strcmp(string_at(group, "preferredVersion/groupVersion"), group_version)) {
            return;
        }
    }
    fail_msg("no group with %s", group_version);
}

static void
test_discovery(void **state OVS_UNUSED)
{
    struct fixture *f = fixture_create(0);
    json_t *json = do_request(f, "GET /api", NULL, 200);
    assert_at(json, "versions/0", "v1");
    json_decref(json);

    json = do_request(f, "GET /apis/", NULL, 200);
    assert_at(json, "kind", "APIGroupList");
    assert_at(json, "groups/0/name", "networking.k8s.io");
    assert_at(json, "groups/0/preferredVersion/groupVersion", "networking.k8s.io/v1");
    assert_has_group(at(json, "groups"), "net.alpha.kubernetes.io/v1alpha1");
    assert_has_group(at(json, "groups"), "extensions/v1beta1");
    assert_has_group(at(json, "groups"), "virga.dev/v1alpha1");
    assert_has_group(at(json, "groups"), "policy.networking.k8s.io/v1alpha2");
    json_decref(json);

    json = do_request(f, "GET /apis/networking.k8s.io/v1", NULL, 200);
    assert_at(json, "kind", "APIResourceList");
    assert_at(json, "resources/0/name", "networkpolicies");
    assert_at(json, "resources/0/shortNames/0", "netpol");
    assert_int_equal(json_array_size(at(json, "resources/0/verbs")), 8);
    json_decref(json);

    json = do_request(f, "GET /api/v1", NULL, 200);
    size_t i;
    json_t *resource;
    bool pods_status = false;
    json_array_foreach (at(json, "resources"), i, resource) {
        pods_status |= !strcmp(string_at(resource, "name"), "pods/status");
    }
    assert_true(pods_status);
    json_decref(json);
    json = do_request(f, "GET /version", NULL, 200);
    assert_at(json, "major", "1");
    json_decref(json);
    fixture_destroy(f);
}

/* Request, body, code, reason. */
static void
test_errors(void **state OVS_UNUSED)
{
    static const struct {
        const char *line;
        const char *type;
        const char *body;
        int code;
        const char *reason;
    } cases[] = {
        { "GET /api/v1/namespaces/x/pods/none", "", NULL, 404, "NotFound" },
        { "GET /api/v1/foos", "", NULL, 404, "NotFound" },
        { "GET /api/v1/namespaces/x/foos", "", NULL, 404, "NotFound" },
        { "GET /api/v1/pods/a", "", NULL, 404, "NotFound" },
        { "GET /api/v1/namespaces/x/namespaces", "", NULL, 404, "NotFound" },
        { "GET /api/v1/namespaces/x/pods/a/log", "", NULL, 404, "NotFound" },
        { "GET " POLICIES "/a/status", "", NULL, 404, "NotFound" },
        { "GET /api/v1/namespaces/x/pods/a/status/b", "", NULL, 404, "NotFound" },
        { "GET /api/v1//pods", "", NULL, 400, "BadRequest" },
        { "GET /api/v1/pods?x=%zz", "", NULL, 400, "BadRequest" },
        { "GET /api/v1/namespaces/%00/pods", "", NULL, 400, "BadRequest" },
        { "GET /api/v1/pods?fieldSelector=spec.nope%3D1", "", NULL, 400, "BadRequest" },
        { "GET /api/v1/pods?labelSelector=a%20b", "", NULL, 400, "BadRequest" },
        { "GET /api/v1/pods?resourceVersion=abc", "", NULL, 400, "BadRequest" },
        { "GET /api/v1/pods?limit=abc", "", NULL, 400, "BadRequest" },
        { "GET /api/v1/pods?continue=abc", "", NULL, 400, "BadRequest" },
        { "GET /api/v1/pods?continue=1_a_b&resourceVersion=1", "", NULL, 400, "BadRequest" },
        { "GET /api/v1/pods?watch=1&timeoutSeconds=x", "", NULL, 400, "BadRequest" },
        { "GET /api/v1/pods?watch=1&resourceVersion=x", "", NULL, 400, "BadRequest" },
        { "GET /api/v1/pods?watch=1&sendInitialEvents=true", "", NULL, 422, "Invalid" },
        { "GET /api/v1/pods?resourceVersion=999", "", NULL, 504, "Timeout" },
        { "GET /api/v1/namespaces/x?resourceVersion=999", "", NULL, 504, "Timeout" },
        { "DELETE /api/v1/pods", "", NULL, 405, "MethodNotAllowed" },
        { "DELETE /api/v1/namespaces", "", NULL, 405, "MethodNotAllowed" },
        { "POST " PODS "/a", "application/json", POD("a", ""), 405, "MethodNotAllowed" },
        { "OPTIONS " PODS, "", NULL, 405, "MethodNotAllowed" },
        { "POST /api", "application/json", "{}", 405, "MethodNotAllowed" },
        { "DELETE " PODS "/a/status", "", NULL, 405, "MethodNotAllowed" },
        { "POST " PODS, "text/plain", "name: x", 415, "UnsupportedMediaType" },
        { "POST " PODS, "application/x-www-form-urlencoded", "a=b", 400, "BadRequest" },
        { "POST " PODS, "application/json", "{\"apiVersion\":", 400, "BadRequest" },
        { "POST " PODS, "application/json", "", 400, "BadRequest" },
        { "POST " PODS, "application/json", "[]", 400, "BadRequest" },
        { "POST " PODS, "application/json", "{}", 400, "BadRequest" },
        { "POST " PODS, "application/json", "{\"a\":\"\\u0000\"}", 400, "BadRequest" },
        { "POST " PODS, "application/json", NS_X, 400, "BadRequest" },
        { "POST " PODS, "application/json",
          "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":[]}", 400, "BadRequest" },
        { "POST " PODS, "application/json", POD("a", ",\"namespace\":\"y\""), 400, "BadRequest" },
        { "POST " PODS, "application/json", POD("a", ",\"resourceVersion\":\"3\""), 400,
          "BadRequest" },
        { "POST /api/v1/namespaces/none/pods", "application/json", POD("a", ""), 404, "NotFound" },
        { "POST " PODS, "application/json", POD("Bad_Name", ""), 422, "Invalid" },
        { "POST " PODS, "application/json", "{\"apiVersion\":\"v1\",\"kind\":\"Pod\"}", 422,
          "Invalid" },
        { "PUT " PODS "/a", "application/json", POD("b", ""), 400, "BadRequest" },
        { "PUT " PODS "/a", "application/json", POD("a", ""), 404, "NotFound" },
        { "PATCH " PODS "/a", "application/strategic-merge-patch+json", "{}", 415,
          "UnsupportedMediaType" },
        { "PATCH " PODS "/a", "application/merge-patch+json", "{}", 404, "NotFound" },
        { "PATCH " PODS, "application/merge-patch+json", "{}", 405, "MethodNotAllowed" },
        { "DELETE " PODS "/a", "", NULL, 404, "NotFound" },
    };
    struct fixture *f = fixture_with_namespace();
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        json_t *json = do_typed(f, cases[i].line, cases[i].type, cases[i].body, cases[i].code);
        assert_at(json, "kind", "Status");
        assert_at(json, "apiVersion", "v1");
        assert_at(json, "status", "Failure");
        if (strcmp(string_at(json, "reason"), cases[i].reason)) {
            fail_msg("%s: %s", cases[i].line, string_at(json, "reason"));
        }
        assert_int_equal(json_integer_value(at(json, "code")), cases[i].code);
        json_decref(json);
    }
    fixture_destroy(f);
}

static void
test_error_texts(void **state OVS_UNUSED)
{
    struct fixture *f = fixture_with_namespace();
    json_t *json = do_request(f, "GET " POLICIES "/none", NULL, 404);
    assert_at(json, "message", "networkpolicies.networking.k8s.io \"none\" not found");
    assert_at(json, "details/name", "none");
    assert_at(json, "details/group", "networking.k8s.io");
    assert_at(json, "details/kind", "networkpolicies");
    json_decref(json);

    json = do_request(f, "POST " POLICIES,
                      POLICY("bad", "{\"podSelector\":{},\"ingress\":[{\"ports\":[{\"protocol\":"
                                    "\"TCP\",\"port\":2000,\"endPort\":1000}]}]}"),
                      422);
    assert_at(json, "details/kind", "NetworkPolicy");
    assert_at(json, "details/causes/0/field", "spec.ingress[0].ports[0].endPort");
    assert_at(json, "details/causes/0/reason", "FieldValueInvalid");
    assert_memory_equal(string_at(json, "details/causes/0/message"), "Invalid value: ", 15);
    assert_memory_equal(string_at(json, "message"),
                        "NetworkPolicy.networking.k8s.io \"bad\" is invalid: "
                        "spec.ingress[0].ports[0].endPort: Invalid value: ",
                        strlen("NetworkPolicy.networking.k8s.io \"bad\" is invalid: "
                               "spec.ingress[0].ports[0].endPort: Invalid value: "));
    json_decref(json);

    json = do_request(f, "GET /api/v1/pods?resourceVersion=999999999", NULL, 504);
    assert_at(json, "details/causes/0/reason", "ResourceVersionTooLarge");
    assert_int_equal(json_integer_value(at(json, "details/retryAfterSeconds")), 1);
    json_decref(json);

    json = do_request(f, "GET /api/v1/pods?labelSelector=a%20b", NULL, 400);
    assert_at(json, "message",
              "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt");
    json_decref(json);
    fixture_destroy(f);
}

static void
test_unknown_group_is_plain_text(void **state OVS_UNUSED)
{
    struct fixture *f = fixture_create(0);
    static const char *const lines[] = {
        "GET /apis/policy.example/v1alpha2/clusternetworkpolicies",
        "GET /apis/policy.example/v1alpha2",
        "GET /apis/policy.example",
        "GET /api/v2",
        "GET /",
        "GET /nothing",
    };
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        send_typed(f, lines[i], "", NULL);
        struct http_reply *reply = next_reply(f);
        assert_int_equal(reply->code, 404);
        assert_memory_equal(reply->content_type, "text/plain", 10);
        http_reply_destroy(reply);
    }
    fixture_destroy(f);
}

static void
test_accept(void **state OVS_UNUSED)
{
    static const struct {
        const char *accept;
        int code;
    } cases[] = {
        { "", 200 },
        { "*/*", 200 },
        { "application/json", 200 },
        { "application/vnd.kubernetes.protobuf, application/json", 200 },
        { "application/json;as=Table;v=v1;g=meta.k8s.io,application/json", 200 },
        { "text/html, application/*;q=0.5", 200 },
        { "text/html", 406 },
        { "application/json;as=Table;v=v1;g=meta.k8s.io", 406 },
    };
    struct fixture *f = fixture_create(0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct http_request *request = http_request_create(1, HTTP_GET, "/api/v1/pods", "");
        free(request->accept);
        request->accept = xstrdup(cases[i].accept);
        rest_handle(f->rest, request);
        http_request_destroy(request);
        struct http_reply *reply = next_reply(f);
        assert_int_equal(reply->code, cases[i].code);
        http_reply_destroy(reply);
    }
    fixture_destroy(f);
}

static void
test_not_leading(void **state OVS_UNUSED)
{
    struct fixture *f = fixture_create(0);
    rest_set_serving(f->rest, false);
    send_typed(f, "GET /api/v1/pods", "", NULL);
    struct http_reply *reply = next_reply(f);
    assert_int_equal(reply->code, 503);
    assert_int_equal(reply->retry_after, 1);
    json_t *json = parse_body(reply);
    assert_at(json, "reason", "ServiceUnavailable");
    json_decref(json);
    http_reply_destroy(reply);

    static const struct {
        const char *line;
        int code;
    } pages[] = { { "GET /healthz", 200 }, { "GET /livez", 200 }, { "GET /readyz", 503 } };
    for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
        send_typed(f, pages[i].line, "", NULL);
        reply = next_reply(f);
        assert_int_equal(reply->code, pages[i].code);
        http_reply_destroy(reply);
    }
    rest_set_serving(f->rest, true);
    send_typed(f, "GET /readyz", "", NULL);
    reply = next_reply(f);
    assert_int_equal(reply->code, 200);
    http_reply_destroy(reply);
    fixture_destroy(f);
}

/* --- Lists ------------------------------------------------------------------------ */

static void
test_list(void **state OVS_UNUSED)
{
    struct fixture *f = fixture_with_namespace();
    expect(f, "POST " PODS, POD("b", ",\"labels\":{\"tier\":\"web\",\"v\":\"1\"}"), 201);
    expect(f, "POST " PODS, POD("a", ",\"labels\":{\"tier\":\"db\"}"), 201);
    expect(f, "POST " PODS, POD("c", ""), 201);
    json_t *json = do_request(f, "GET /api/v1/pods", NULL, 200);
    assert_at(json, "kind", "PodList");
    assert_at(json, "apiVersion", "v1");
    assert_at(json, "metadata/resourceVersion", "4");
    assert_at(json, "items/0/metadata/name", "a");
    assert_at(json, "items/2/metadata/name", "c");
    assert_null(at(json, "items/0/kind"));
    assert_null(at(json, "items/0/apiVersion"));
    json_decref(json);

    static const struct {
        const char *query;
        size_t n;
    } cases[] = {
        { "labelSelector=tier%3Dweb", 1 },
        { "labelSelector=tier%3D%3Dweb", 1 },
        { "labelSelector=tier", 2 },
        { "labelSelector=!tier", 1 },
        { "labelSelector=tier!%3Dweb", 2 },
        { "labelSelector=tier+in+(web,db)", 2 },
        { "labelSelector=tier%20notin%20(db)", 2 },
        { "labelSelector=tier%20in%20(web%2Cdb),v%3D1", 1 },
        { "labelSelector=tier,!v", 1 },
        { "labelSelector=%20", 3 },
        { "fieldSelector=metadata.name%3Da", 1 },
        { "fieldSelector=metadata.name!%3Da", 2 },
        { "fieldSelector=metadata.namespace%3Dx,metadata.name%3D%3Db", 1 },
        { "fieldSelector=spec.nodeName%3Dnode-1", 3 },
        { "fieldSelector=spec.nodeName%3D", 0 },
        { "fieldSelector=status.phase%3DPending", 3 },
        { "fieldSelector=status.phase%3DRunning", 0 },
        { "resourceVersion=0&limit=1", 3 },
        { "resourceVersion=1&resourceVersionMatch=NotOlderThan", 3 },
        { "resourceVersion=2&resourceVersionMatch=Exact", 1 },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char *line = xasprintf("GET " PODS "?%s", cases[i].query);
        size_t n = count_items(f, line);
        if (n != cases[i].n) {
            fail_msg("%s: %" PRIuSIZE " items", line, n);
        }
        free(line);
    }
    assert_int_equal(count_items(f, "GET /api/v1/namespaces/no-such/pods"), 0);
    fixture_destroy(f);
}

/* Pages show one version although objects come, change and go meanwhile. */
static void
test_pages_are_consistent(void **state OVS_UNUSED)
{
    struct fixture *f = fixture_with_namespace();
    static const char *const names[] = { "a", "b", "c", "d", "e" };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char *body = xasprintf("{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":"
                               "\"%s\"},\"spec\":{\"containers\":[{\"name\":\"c\"}]}}",
                               names[i]);
        expect(f, "POST " PODS, body, 201);
        free(body);
    }
    json_t *json = do_request(f, "GET " PODS "?limit=2", NULL, 200);
    assert_int_equal(json_array_size(at(json, "items")), 2);
    assert_at(json, "metadata/resourceVersion", "6");
    assert_int_equal(json_integer_value(at(json, "metadata/remainingItemCount")), 3);
    char *line = xasprintf("GET " PODS "?limit=2&continue=%s",
                           string_at(json, "metadata/continue"));
    json_decref(json);

    expect(f, "DELETE " PODS "/c", NULL, 200);
    expect(f, "POST " PODS, POD("bb", ""), 201);
    expect(f, "PUT " PODS "/d", POD("d", ",\"labels\":{\"new\":\"1\"}"), 200);
    expect(f, "DELETE " PODS "/d", NULL, 200);

    json = do_request(f, line, NULL, 200);
    free(line);
    assert_at(json, "metadata/resourceVersion", "6");
    assert_at(json, "items/0/metadata/name", "c");
    assert_at(json, "items/1/metadata/name", "d");
    assert_null(at(json, "items/1/metadata/labels"));
    line = xasprintf("GET " PODS "?limit=2&continue=%s", string_at(json, "metadata/continue"));
    json_decref(json);
    json = do_request(f, line, NULL, 200);
    free(line);
    assert_at(json, "items/0/metadata/name", "e");
    assert_int_equal(json_array_size(at(json, "items")), 1);
    assert_null(at(json, "metadata/continue"));
    json_decref(json);
    fixture_destroy(f);
}

static void
test_expired_continue(void **state OVS_UNUSED)
{
    struct fixture *f = fixture_create(3);
    expect(f, "POST /api/v1/namespaces", NS_X, 201);
    expect(f, "POST " PODS, POD("a", ""), 201);
    expect(f, "POST " PODS, POD("b", ""), 201);
    json_t *json = do_request(f, "GET " PODS "?limit=1", NULL, 200);
    char *line = xasprintf("GET " PODS "?limit=1&continue=%s",
                           string_at(json, "metadata/continue"));
    json_decref(json);
    for (int i = 0; i < 4; i++) {
        expect(f, "POST " PODS, POD("c", ""), 201);
        expect(f, "DELETE " PODS "/c", NULL, 200);
    }
    json = do_request(f, line, NULL, 410);
    free(line);
    assert_at(json, "reason", "Expired");
    line = xasprintf("GET " PODS "?limit=1&continue=%s", string_at(json, "metadata/continue"));
    json_decref(json);
    json = do_request(f, line, NULL, 200);
    free(line);
    assert_at(json, "items/0/metadata/name", "b");
    json_decref(json);
    expect(f, "GET " PODS "?resourceVersion=1&resourceVersionMatch=Exact", NULL, 410);
    fixture_destroy(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_discovery),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_error_texts),
        cmocka_unit_test(test_unknown_group_is_plain_text),
        cmocka_unit_test(test_accept),
        cmocka_unit_test(test_not_leading),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_pages_are_consistent),
        cmocka_unit_test(test_expired_continue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
