/* The kinds of virga.dev through the REST API. */
#include "api/rest.h"

#include "api/rest_fixture.h"

#define GROUPS "/apis/virga.dev/v1alpha1/policygroups"
#define GROUP_POLICIES "/apis/virga.dev/v1alpha1/grouppolicies"
#define OBJECT(KIND, NAME, SPEC)                                                  \
    "{\"apiVersion\":\"virga.dev/v1alpha1\",\"kind\":\"" KIND "\",\"metadata\":{" \
    "\"name\":\"" NAME "\"},\"spec\":" SPEC "}"

static void
assert_request(struct fixture *f, const char *line, const char *body, int code, const char *path,
               const char *expected)
{
    bool patch = !strncmp(line, "PATCH", 5);
    json_t *json = do_typed(f, line, patch ? "application/merge-patch+json" : "application/json",
                            body, code);
    assert_at(json, path, expected);
    json_decref(json);
}

static void
test_discovery(void **state OVS_UNUSED)
{
    struct fixture *f = fixture_create(0);
    json_t *json = do_request(f, "GET /apis/virga.dev/v1alpha1", NULL, 200);
    assert_at(json, "resources/0/name", "policygroups");
    assert_at(json, "resources/0/shortNames/0", "pg");
    assert_at(json, "resources/1/name", "policygroups/status");
    assert_at(json, "resources/4/name", "grouppolicies");
    json_decref(json);
    fixture_destroy(f);
}

static void
test_life(void **state OVS_UNUSED)
{
    struct fixture *f = fixture_create(0);
    assert_request(f, "POST " GROUPS, OBJECT("PolicyGroup", "web", "{\"names\":[\"a/b\"]}"), 201,
                   "metadata/name", "web");
    assert_request(f, "POST " GROUPS, OBJECT("PolicyGroup", "web", "{}"), 409, "reason",
                   "AlreadyExists");
    assert_request(f, "PATCH " GROUPS "/web", "{\"spec\":{\"groups\":[\"x\"]}}", 200,
                   "spec/groups/0", "x");
    /* The status is its own part. */
    assert_request(f, "PATCH " GROUPS "/web/status",
                   "{\"spec\":{\"groups\":[]},\"status\":{\"conditions\":[{\"type\":\"T\","
                   "\"status\":\"True\"}]}}",
                   200, "spec/groups/0", "x");
    assert_request(f, "GET " GROUPS "/web", NULL, 200, "status/conditions/0/type", "T");
    assert_request(f, "GET " GROUPS "?labelSelector=a%3Db", NULL, 200, "kind", "PolicyGroupList");
    assert_request(f, "DELETE " GROUPS "/web", NULL, 200, "status", "Success");
    assert_request(f, "GET " GROUPS "/web", NULL, 404, "reason", "NotFound");
    assert_request(f, "POST " GROUPS, OBJECT("PolicyGroup", "a", "{}"), 201, "kind",
                   "PolicyGroup");
    assert_request(f, "DELETE " GROUPS, NULL, 200, "kind", "PolicyGroupList");
    assert_request(f, "GET " GROUPS "/a", NULL, 404, "reason", "NotFound");
    fixture_destroy(f);
}

static void
test_invalid(void **state OVS_UNUSED)
{
    struct fixture *f = fixture_create(0);
    json_t *json = do_request(
        f, "POST " GROUP_POLICIES,
        OBJECT(
            "GroupPolicy", "p",
            "{\"tier\":\"Group\",\"priority\":1,\"subject\":{\"group\":\"web\"},\"ingress\":"
            "[{\"action\":\"Accept\",\"ports\":[{\"port\":80},{\"port\":81,\"endPort\":80}]}]}"),
        422);
    assert_at(json, "reason", "Invalid");
    assert_at(json, "details/group", "virga.dev");
    assert_at(json, "details/causes/0/field", "spec.ingress[0].ports[1].endPort");
    json_decref(json);
    assert_request(f, "POST " GROUP_POLICIES, OBJECT("GroupPolicy", "p", "{}"), 422,
                   "details/causes/1/field", "spec.priority");
    fixture_destroy(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_discovery),
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_invalid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
