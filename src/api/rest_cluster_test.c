/* The kinds of policy.networking.k8s.io through the REST API, after recorded
 * exchanges with a real API server that has the experimental definition. */
#include "api/rest.h"

#include "api/rest_fixture.h"

#define CNPS "/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies"
#define ANPS "/apis/policy.networking.k8s.io/v1alpha1/adminnetworkpolicies"
#define BANPS "/apis/policy.networking.k8s.io/v1alpha1/baselineadminnetworkpolicies"
#define CNP(NAME, SPEC)                                                                        \
    "{\"apiVersion\":\"policy.networking.k8s.io/v1alpha2\",\"kind\":\"ClusterNetworkPolicy\"," \
    "\"metadata\":{\"name\":\"" NAME "\"},\"spec\":" SPEC "}"
#define BASELINE \
    "{\"tier\":\"Baseline\",\"priority\":0,\"subject\":{\"pods\":{\"podSelector\":{}}}}"

static void
test_discovery(void **state OVS_UNUSED)
{
    struct fixture *f = fixture_create(0);
    json_t *json = do_request(f, "GET /apis/policy.networking.k8s.io/v1alpha2", NULL, 200);
    assert_at(json, "resources/0/name", "clusternetworkpolicies");
    assert_at(json, "resources/0/singularName", "clusternetworkpolicy");
    assert_at(json, "resources/0/shortNames/0", "cnp");
    assert_true(json_is_false(at(json, "resources/0/namespaced")));
    assert_at(json, "resources/1/name", "clusternetworkpolicies/status");
    json_decref(json);
    json = do_request(f, "GET /apis/policy.networking.k8s.io/v1alpha1", NULL, 200);
    assert_at(json, "resources/0/shortNames/0", "anp");
    assert_at(json, "resources/2/name", "baselineadminnetworkpolicies");
    assert_at(json, "resources/2/shortNames/0", "banp");
    json_decref(json);
    json = do_request(f, "GET /apis/policy.networking.k8s.io", NULL, 200);
    assert_at(json, "preferredVersion/version", "v1alpha2");
    json_decref(json);
    fixture_destroy(f);
}

static void
assert_refused(struct fixture *f, const char *body, const char *message)
{
    json_t *json = do_request(f, "POST " CNPS, body, 422);
    assert_at(json, "reason", "Invalid");
    assert_at(json, "message", message);
    assert_at(json, "details/group", "policy.networking.k8s.io");
    assert_at(json, "details/kind", "ClusterNetworkPolicy");
    json_decref(json);
}

static void
test_rejections(void **state OVS_UNUSED)
{
    struct fixture *f = fixture_create(0);
    assert_refused(f,
                   CNP("bad", "{\"tier\":\"Admin\",\"priority\":5,\"subject\":{\"namespaces\":{}},"
                              "\"egress\":[{\"action\":\"Deny\",\"to\":[{\"networks\":["
                              "\"10.0.0.0/8\"]}],\"protocols\":[{\"destinationNamedPort\":"
                              "\"http\"}]}]}"),
                   "ClusterNetworkPolicy.policy.networking.k8s.io \"bad\" is invalid: "
                   "spec.egress[0]: Invalid value: \"object\": networks/nodes/domainNames peer "
                   "cannot be set with namedPorts since there are no namedPorts for "
                   "networks/nodes/domainNames");
    assert_refused(f,
                   CNP("bad", "{\"tier\":\"Admin\",\"priority\":1001,\"subject\":{\"namespaces\":"
                              "{},\"pods\":{\"podSelector\":{}}}}"),
                   "ClusterNetworkPolicy.policy.networking.k8s.io \"bad\" is invalid: "
                   "[spec.priority: Invalid value: 1001: spec.priority in body should be less "
                   "than or equal to 1000, spec.subject: Too many: 2: must have at most 1 item, "
                   "<nil>: Invalid value: null: some validation rules were not checked because "
                   "the object was invalid; correct the existing errors to complete validation]");
    json_t *json = do_request(f, "POST " BANPS,
                              "{\"apiVersion\":\"policy.networking.k8s.io/v1alpha1\",\"kind\":"
                              "\"BaselineAdminNetworkPolicy\",\"metadata\":{\"name\":\"x\"},"
                              "\"spec\":{\"subject\":{\"namespaces\":{}}}}",
                              422);
    assert_at(json, "details/causes/0/field", "<nil>");
    json_decref(json);
    fixture_destroy(f);
}

static void
test_status(void **state OVS_UNUSED)
{
    struct fixture *f = fixture_create(0);
    expect(f, "POST " CNPS, CNP("default", BASELINE), 201);
    json_t *json = do_typed(f, "PATCH " CNPS "/default/status", "application/merge-patch+json",
                            "{\"status\":{\"conditions\":[{\"type\":\"Accepted\",\"status\":"
                            "\"Maybe\",\"message\":\"y\",\"lastTransitionTime\":"
                            "\"2026-11-20T18:40:00Z\"}]}}",
                            422);
    assert_at(json, "details/causes/0/field", "status.conditions[0].status");
    assert_at(json, "details/causes/0/reason", "FieldValueNotSupported");
    assert_at(json, "details/causes/1/field", "status.conditions[0].reason");
    json_decref(json);
    json = do_typed(f, "PATCH " CNPS "/default/status", "application/merge-patch+json",
                    "{\"spec\":{\"priority\":7},\"status\":{\"conditions\":[{\"type\":"
                    "\"Accepted\",\"status\":\"True\",\"reason\":\"A\",\"message\":\"\","
                    "\"lastTransitionTime\":\"2026-11-20T18:40:00Z\"}]}}",
                    200);
    assert_at(json, "status/conditions/0/type", "Accepted");
    assert_int_equal(json_integer_value(at(json, "metadata/generation")), 1);
    assert_int_equal(json_integer_value(at(json, "spec/priority")), 0);
    json_decref(json);

    /* A change of the order keeps the status. */
    json = do_typed(f, "PATCH " CNPS "/default", "application/merge-patch+json",
                    "{\"spec\":{\"priority\":7}}", 200);
    assert_at(json, "status/conditions/0/type", "Accepted");
    assert_int_equal(json_integer_value(at(json, "metadata/generation")), 2);
    json_decref(json);
    fixture_destroy(f);
}

static void
test_older_kinds(void **state OVS_UNUSED)
{
    struct fixture *f = fixture_create(0);
    json_t *json = do_request(f, "POST " ANPS,
                              "{\"apiVersion\":\"policy.networking.k8s.io/v1alpha1\",\"kind\":"
                              "\"AdminNetworkPolicy\",\"metadata\":{\"name\":\"a\"},\"spec\":{"
                              "\"priority\":3,\"subject\":{\"namespaces\":{}},\"ingress\":[{"
                              "\"action\":\"Allow\",\"from\":[{\"namespaces\":{}}],\"ports\":[{"
                              "\"portNumber\":{\"port\":80}},{\"portRange\":{\"start\":1,"
                              "\"end\":2}}]}]}}",
                              201);
    /* The default of the schema. */
    assert_at(json, "spec/ingress/0/ports/0/portNumber/protocol", "TCP");
    assert_at(json, "spec/ingress/0/ports/1/portRange/protocol", "TCP");
    json_decref(json);
    fixture_destroy(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_discovery),
        cmocka_unit_test(test_rejections),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_older_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
