/* Any object: its kind is known, and the rules of that kind are asked. */
#include "model/objects.h"

#include "model/object_test.h"

static void
check(const char *text, const char *expected)
{
    json_t *json = object_from_text(text);
    struct field_errors errors;

    field_errors_init(&errors);
    object_validate(json, &errors);
    json_decref(json);
    assert_errors(&errors, expected);
}

static void
test_good_objects(void **state)
{
    check("{'apiVersion': 'v1', 'kind': 'Namespace', 'metadata': {'name': 'a'}}", "");
    check("{'apiVersion': 'v1', 'kind': 'Node', 'metadata': {'name': 'a'}}", "");
    check("{'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'name': 'a'}, "
          "'spec': {'containers': [{'name': 'c'}]}}",
          "");
    check("{'apiVersion': 'networking.k8s.io/v1', 'kind': 'NetworkPolicy', "
          "'metadata': {'name': 'a'}}",
          "");
}

static void
test_the_kind_is_asked(void **state)
{
    check("{'apiVersion': 'v1', 'kind': 'Namespace', 'metadata': {'name': 'a', 'namespace': 'b'}}",
          "metadata.namespace: Forbidden: not allowed on this type");
    check("{'apiVersion': 'v1', 'kind': 'Node'}",
          "metadata.name: Required value: name is required");
    check("{'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'name': 'a'}}",
          "spec.containers: Required value");
    check("{'apiVersion': 'networking.k8s.io/v1', 'kind': 'NetworkPolicy', "
          "'metadata': {'name': 'a'}, 'spec': {'policyTypes': ['x']}}",
          "spec.policyTypes[0]: Unsupported value: \"x\": supported values: \"Ingress\", "
          "\"Egress\"");
}

static void
test_unknown_kinds(void **state)
{
    check("[]", "Invalid value: must be an object");
    check("null", "Invalid value: must be an object");
    check("{}", "apiVersion: Required value\nkind: Required value");
    check("{'apiVersion': 1, 'kind': ''}",
          "apiVersion: Invalid value: 1: must be a string\nkind: Required value");
    check("{'apiVersion': 'apps/v1', 'kind': 'Deployment'}",
          "kind: Unsupported value: \"Deployment\": no matches for kind \"Deployment\" in version "
          "\"apps/v1\"");
    check("{'apiVersion': 'v1', 'kind': 'NetworkPolicy'}",
          "apiVersion: Unsupported value: \"v1\": supported values: \"networking.k8s.io/v1\", "
          "\"net.alpha.kubernetes.io/v1alpha1\", \"extensions/v1beta1\"");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_objects),
        cmocka_unit_test(test_the_kind_is_asked),
        cmocka_unit_test(test_unknown_kinds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
