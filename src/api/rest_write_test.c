/* create, update, patch and delete as a Kubernetes client sees them. */
#include "api/rest.h"

#include "api/rest_fixture.h"

/* --- Writing --------------------------------------------------------------------- */

static void
test_create_fills_in(void **state OVS_UNUSED)
{
    struct fixture *f = fixture_create(0);
    json_t *json = do_request(f, "POST /api/v1/namespaces", NS_X, 201);
    assert_at(json, "metadata/labels/kubernetes.io", "(absent)");
    assert_string_equal(json_string_value(json_object_get(at(json, "metadata/labels"),
                                                          "kubernetes.io/metadata.name")),
                        "x");
    assert_at(json, "status/phase", "Active");
    assert_at(json, "metadata/creationTimestamp", "2026-11-20T18:40:00Z");
    assert_int_equal(strlen(string_at(json, "metadata/uid")), 36);
    assert_at(json, "metadata/resourceVersion", "1");
    json_decref(json);

    json = do_request(f, "POST " PODS,
                      "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"generateName\":"
                      "\"web-\"},\"spec\":{\"containers\":[{\"name\":\"c\"}]},"
                      "\"status\":{\"phase\":\"Running\",\"podIP\":\"10.0.0.1\"}}",
                      201);
    assert_memory_equal(string_at(json, "metadata/name"), "web-", 4);
    assert_int_equal(strlen(string_at(json, "metadata/name")), 9);
    assert_at(json, "metadata/namespace", "x");
    assert_at(json, "status/phase", "Pending");
    assert_at(json, "status/podIP", "(absent)");
    json_decref(json);

    json = do_request(f, "POST " POLICIES,
                      POLICY("p", "{\"podSelector\":{},\"egress\":[{\"ports\":[{\"port\":1}]}]}"),
                      201);
    assert_at(json, "spec/policyTypes/0", "Ingress");
    assert_at(json, "spec/policyTypes/1", "Egress");
    assert_at(json, "spec/egress/0/ports/0/protocol", "TCP");
    json_decref(json);
    json = do_request(f, "POST " POLICIES, POLICY("q", "{\"podSelector\":{}}"), 201);
    assert_int_equal(json_array_size(at(json, "spec/policyTypes")), 1);
    json_decref(json);
    fixture_destroy(f);
}

static void
test_create_twice(void **state OVS_UNUSED)
{
    struct fixture *f = fixture_with_namespace();
    expect(f, "POST " POLICIES, POLICY("p", "{\"podSelector\":{}}"), 201);
    json_t *json = do_request(f, "POST " POLICIES, POLICY("p", "{\"podSelector\":{}}"), 409);
    assert_at(json, "reason", "AlreadyExists");
    assert_at(json, "message", "networkpolicies.networking.k8s.io \"p\" already exists");
    json_decref(json);
    fixture_destroy(f);
}

static void
test_update(void **state OVS_UNUSED)
{
    struct fixture *f = fixture_with_namespace();
    json_t *json = do_request(f, "POST " PODS, POD("a", ",\"labels\":{\"v\":\"1\"}"), 201);
    char *uid = xstrdup(string_at(json, "metadata/uid"));
    assert_at(json, "metadata/resourceVersion", "2");
    json_decref(json);

    /* Without a version the last writer wins; status stays. */
    json = do_request(f, "PUT " PODS "/a", POD("a", ",\"labels\":{\"v\":\"2\"}"), 200);
    assert_at(json, "metadata/labels/v", "2");
    assert_at(json, "metadata/uid", uid);
    assert_at(json, "metadata/resourceVersion", "3");
    assert_at(json, "status/phase", "Pending");
    assert_int_equal(json_integer_value(at(json, "metadata/generation")), 1);
    json_decref(json);

    json = do_request(f, "PUT " PODS "/a", POD("a", ",\"resourceVersion\":\"2\""), 409);
    assert_at(json, "reason", "Conflict");
    assert_at(json, "message",
              "Operation cannot be fulfilled on pods \"a\": the object has been modified; please "
              "apply your changes to the latest version and try again");
    json_decref(json);
    json = do_request(f, "PUT " PODS "/a",
                      POD("a", ",\"uid\":\"00000000-0000-0000-0000-000000000000\""), 409);
    assert_at(json, "reason", "Conflict");
    json_decref(json);

    /* Nothing changes: no new version, no event. */
    json = do_request(f, "PUT " PODS "/a",
                      POD("a", ",\"labels\":{\"v\":\"2\"},\"resourceVersion\":\"3\""), 200);
    assert_at(json, "metadata/resourceVersion", "3");
    json_decref(json);
    free(uid);
    fixture_destroy(f);
}

static void
test_status_subresource(void **state OVS_UNUSED)
{
    struct fixture *f = fixture_with_namespace();
    expect(f, "POST " PODS, POD("a", ""), 201);
    json_t *json = do_request(
        f, "PUT " PODS "/a/status",
        "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":"
        "\"a\",\"labels\":{\"no\":\"no\"}},\"spec\":{\"nodeName\":\"other\"},"
        "\"status\":{\"phase\":\"Running\",\"podIPs\":[{\"ip\":"
        "\"10.128.1.2\"}]}}",
        200);
    assert_at(json, "status/phase", "Running");
    assert_at(json, "spec/nodeName", "node-1");
    assert_null(at(json, "metadata/labels"));
    json_decref(json);

    json = do_typed(f, "PATCH " PODS "/a/status", "application/merge-patch+json",
                    "{\"metadata\":{\"labels\":{\"no\":\"no\"}},\"status\":{\"phase\":"
                    "\"Succeeded\"}}",
                    200);
    assert_at(json, "status/phase", "Succeeded");
    assert_at(json, "status/podIPs/0/ip", "10.128.1.2");
    assert_null(at(json, "metadata/labels"));
    json_decref(json);

    json = do_request(f, "GET " PODS "/a/status", NULL, 200);
    assert_at(json, "status/phase", "Succeeded");
    json_decref(json);

    /* And the other way round. */
    json = do_typed(f, "PATCH " PODS "/a", "application/merge-patch+json",
                    "{\"status\":{\"phase\":\"Failed\"}}", 200);
    assert_at(json, "status/phase", "Succeeded");
    json_decref(json);
    fixture_destroy(f);
}

/* Conditions on a policy are the controller's: a client that writes the
 * policy without them does not take them away. */
static void
test_status_of_a_policy_stays(void **state OVS_UNUSED)
{
    struct fixture *f = fixture_with_namespace();
    const struct resource_kind *kind = resource_kind_by_path("networking.k8s.io", "v1",
                                                             "networkpolicies");
    json_t *stored;
    expect(f, "POST " POLICIES, POLICY("p", "{\"podSelector\":{}}"), 201);
    json_t *object = json_deep_copy(object_store_get(f->objects, kind, "x", "p"));
    json_object_set_new(object, "status", json_pack("{s:s}", "note", "kept"));
    object_store_update(f->objects, kind, "x", "p", object, true, &stored);

    json_t *json = do_request(f, "PUT " POLICIES "/p",
                              POLICY("p", "{\"podSelector\":{\"matchLabels\":{\"a\":\"b\"}}}"),
                              200);
    assert_at(json, "spec/podSelector/matchLabels/a", "b");
    assert_at(json, "status/note", "kept");
    json_decref(json);
    json = do_typed(f, "PATCH " POLICIES "/p", "application/merge-patch+json", "{\"status\":null}",
                    200);
    assert_at(json, "status/note", "kept");
    json_decref(json);
    fixture_destroy(f);
}

static void
test_patch(void **state OVS_UNUSED)
{
    struct fixture *f = fixture_with_namespace();
    expect(f, "POST " PODS, POD("a", ",\"labels\":{\"a\":\"1\",\"b\":\"2\"}"), 201);
    json_t *json = do_typed(f, "PATCH " PODS "/a", "application/merge-patch+json; charset=utf-8",
                            "{\"metadata\":{\"labels\":{\"a\":null,\"c\":\"3\"}}}", 200);
    assert_null(at(json, "metadata/labels/a"));
    assert_at(json, "metadata/labels/b", "2");
    assert_at(json, "metadata/labels/c", "3");
    json_decref(json);

    json = do_typed(f, "PATCH " PODS "/a", "application/json-patch+json",
                    "[{\"op\":\"test\",\"path\":\"/metadata/labels/b\",\"value\":\"2\"},"
                    "{\"op\":\"replace\",\"path\":\"/metadata/labels/b\",\"value\":\"4\"},"
                    "{\"op\":\"remove\",\"path\":\"/metadata/labels/c\"}]",
                    200);
    assert_at(json, "metadata/labels/b", "4");
    assert_null(at(json, "metadata/labels/c"));
    json_decref(json);

    json = do_typed(f, "PATCH " PODS "/a", "application/json-patch+json",
                    "[{\"op\":\"test\",\"path\":\"/metadata/labels/b\",\"value\":\"2\"}]", 422);
    json_decref(json);
    json = do_typed(f, "PATCH " PODS "/a", "application/merge-patch+json",
                    "{\"metadata\":{\"resourceVersion\":\"1\"}}", 409);
    json_decref(json);
    json = do_typed(f, "PATCH " PODS "/a", "application/merge-patch+json",
                    "{\"metadata\":{\"name\":\"b\"}}", 400);
    json_decref(json);
    json = do_typed(f, "PATCH " PODS "/a", "application/merge-patch+json",
                    "{\"metadata\":{\"labels\":{\"-bad-\":\"1\"}}}", 422);
    json_decref(json);
    json = do_typed(f, "PATCH " PODS "/a", "application/merge-patch+json", "[]", 400);
    json_decref(json);

    /* Nothing of the failures stuck. */
    json = do_request(f, "GET " PODS "/a", NULL, 200);
    assert_at(json, "metadata/labels/b", "4");
    assert_at(json, "metadata/resourceVersion", "4");
    json_decref(json);
    fixture_destroy(f);
}

static void
test_dry_run(void **state OVS_UNUSED)
{
    struct fixture *f = fixture_with_namespace();
    json_t *json = do_request(f, "POST " PODS "?dryRun=All", POD("a", ""), 201);
    assert_int_equal(strlen(string_at(json, "metadata/uid")), 36);
    assert_at(json, "metadata/resourceVersion", "(absent)");
    json_decref(json);
    expect(f, "GET " PODS "/a", NULL, 404);
    expect(f, "POST " PODS "?dryRun=All", POD("Bad", ""), 422);

    expect(f, "POST " PODS, POD("a", ""), 201);
    expect(f, "POST " PODS "?dryRun=All", POD("a", ""), 409);
    json = do_request(f, "PUT " PODS "/a?dryRun=All", POD("a", ",\"labels\":{\"v\":\"2\"}"), 200);
    assert_at(json, "metadata/labels/v", "2");
    json_decref(json);
    expect(f, "DELETE " PODS "/a?dryRun=All", NULL, 200);
    expect(f, "DELETE " PODS "/a", "{\"kind\":\"DeleteOptions\",\"dryRun\":[\"All\"]}", 200);
    expect(f, "DELETE " PODS "?dryRun=All", NULL, 200);
    json = do_request(f, "GET " PODS "/a", NULL, 200);
    assert_null(at(json, "metadata/labels"));
    json_decref(json);
    fixture_destroy(f);
}

static void
test_delete(void **state OVS_UNUSED)
{
    struct fixture *f = fixture_with_namespace();
    json_t *json = do_request(f, "POST " POLICIES, POLICY("p", "{\"podSelector\":{}}"), 201);
    char *uid = xstrdup(string_at(json, "metadata/uid"));
    json_decref(json);
    json = do_request(f, "DELETE " POLICIES "/p",
                      "{\"preconditions\":{\"resourceVersion\":\"1\"}}", 409);
    assert_at(json, "reason", "Conflict");
    json_decref(json);
    expect(f, "DELETE " POLICIES "/p", "{\"preconditions\":{\"uid\":\"other\"}}", 409);
    expect(f, "DELETE " POLICIES "/p", "nonsense", 400);

    char *options = xasprintf("{\"preconditions\":{\"uid\":\"%s\",\"resourceVersion\":\"2\"}}",
                              uid);
    json = do_request(f, "DELETE " POLICIES "/p", options, 200);
    assert_at(json, "status", "Success");
    assert_at(json, "details/uid", uid);
    assert_at(json, "details/kind", "networkpolicies");
    json_decref(json);
    free(options);
    free(uid);
    expect(f, "GET " POLICIES "/p", NULL, 404);
    fixture_destroy(f);
}

static void
test_delete_namespace_and_collection(void **state OVS_UNUSED)
{
    struct fixture *f = fixture_with_namespace();
    expect(f, "POST /api/v1/namespaces",
           "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"default\"}}",
           201);
    expect(f, "POST /api/v1/namespaces/default/pods", POD("a", ""), 201);
    expect(f, "POST " PODS, POD("a", ",\"labels\":{\"t\":\"1\"}"), 201);
    expect(f, "POST " PODS, POD("b", ",\"labels\":{\"t\":\"1\"}"), 201);
    expect(f, "POST " PODS, POD("c", ""), 201);
    expect(f, "POST " POLICIES, POLICY("p", "{\"podSelector\":{}}"), 201);

    json_t *json = do_request(f,
                              "DELETE " PODS "?labelSelector=t%3D1&fieldSelector="
                              "metadata.name%3Db",
                              NULL, 200);
    assert_at(json, "kind", "PodList");
    assert_at(json, "items/0/metadata/name", "b");
    assert_int_equal(json_array_size(at(json, "items")), 1);
    json_decref(json);
    assert_int_equal(count_items(f, "GET " PODS), 2);

    expect(f, "DELETE /api/v1/namespaces/x", NULL, 200);
    assert_int_equal(count_items(f, "GET /api/v1/pods"), 1);
    assert_int_equal(count_items(f, "GET /apis/networking.k8s.io/v1/networkpolicies"), 0);
    expect(f, "GET /api/v1/namespaces/x", NULL, 404);

    json = do_request(f, "DELETE /api/v1/namespaces/default", NULL, 403);
    assert_at(json, "reason", "Forbidden");
    json_decref(json);
    fixture_destroy(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_create_fills_in),
        cmocka_unit_test(test_create_twice),
        cmocka_unit_test(test_update),
        cmocka_unit_test(test_status_subresource),
        cmocka_unit_test(test_status_of_a_policy_stays),
        cmocka_unit_test(test_patch),
        cmocka_unit_test(test_dry_run),
        cmocka_unit_test(test_delete),
        cmocka_unit_test(test_delete_namespace_and_collection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
