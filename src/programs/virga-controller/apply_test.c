/* Objects of the store in the compiler: the forms of policies, and what is
 * stored though the API would refuse it. */
#include "programs/virga-controller/apply.h"

#include <stdlib.h>
#include <string.h>

#include "compile/compile.h"
#include "model/object_test.h"
#include "model/objects.h"
#include "sources/object_store.h"
#include "util.h"

static struct compile *
create(void)
{
    struct compile_config config;

    compile_config_default(&config);
    return compile_create(&config);
}

static void
apply(struct compile *c, const char *key, const char *text)
{
    const struct resource_kind *kind = resource_kind_by_word(key);
    json_t *json = object_from_text(text);

    assert_non_null(kind);
    apply_object(c, kind, json);
    json_decref(json);
}

static void
assert_policies(struct compile *c, bool network, bool alpha, bool isolation)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    compile_run(c);
    records_format_all(compile_records(c), &ds);
    assert_int_equal(strstr(ds_cstr(&ds), "policy=NetworkPolicy/a/p ") != NULL, network);
    assert_int_equal(
        strstr(ds_cstr(&ds), "policy=NetworkPolicy.net.alpha.kubernetes.io/a/p ") != NULL, alpha);
    assert_int_equal(strstr(ds_cstr(&ds), "policy=Namespace//a ") != NULL, isolation);
    ds_destroy(&ds);
}

#define NETWORK "networkpolicies.networking.k8s.io"
#define ALPHA "networkpolicys.net.alpha.kubernetes.io"
#define META "'metadata': {'namespace': 'a', 'name': 'p'}"

static void
test_policies_of_one_name(void **state)
{
    struct compile *c = create();

    apply(c, "namespaces", "{'metadata': {'name': 'a'}}");
    apply(c, NETWORK, "{'apiVersion': 'networking.k8s.io/v1', " META ", 'spec': {}}");
    apply(c, ALPHA,
          "{'apiVersion': 'net.alpha.kubernetes.io/v1alpha1', " META
          ", 'spec': {'allowIncoming': {}}}");
    assert_policies(c, true, true, false);
    apply_deletion(c, resource_kind_by_word(NETWORK), "a", "p");
    assert_policies(c, false, true, false);
    apply_deletion(c, resource_kind_by_word(ALPHA), "a", "p");
    assert_policies(c, false, false, false);
    compile_destroy(c);
}

static void
assert_has(struct compile *c, const char *text, bool expected)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    compile_run(c);
    records_format_all(compile_records(c), &ds);
    if ((strstr(ds_cstr(&ds), text) != NULL) != expected) {
        fail_msg("%s is %s: %s", text, expected ? "not there" : "there", ds_cstr(&ds));
    }
    ds_destroy(&ds);
}

/* Node objects are for policies that select nodes. */
static void
test_ordered_policies_and_nodes(void **state)
{
    struct compile *c = create();

    apply(c, "nodes",
          "{'metadata': {'name': 'n', 'labels': {'a': 'b'}}, 'status': {'addresses': "
          "[{'type': 'InternalIP', 'address': '172.30.0.9'}]}}");
    apply(c, "clusternetworkpolicies",
          "{'apiVersion': 'policy.networking.k8s.io/v1alpha2', 'kind': 'ClusterNetworkPolicy', "
          "'metadata': {'name': 'p'}, 'spec': {'tier': 'Admin', 'priority': 1, 'subject': "
          "{'namespaces': {}}, 'egress': [{'action': 'Deny', 'to': [{'nodes': {'matchLabels': "
          "{'a': 'b'}}}]}]}}");
    apply(c, "banp",
          "{'apiVersion': 'policy.networking.k8s.io/v1alpha1', 'kind': "
          "'BaselineAdminNetworkPolicy', 'metadata': {'name': 'default'}, 'spec': {'subject': "
          "{'namespaces': {}}, 'ingress': [{'action': 'Deny', 'from': [{'namespaces': {}}]}]}}");
    assert_has(c, "prefixes=172.30.0.9", true);
    assert_has(c, "tier=admin", true);
    assert_has(c, "policy=BaselineAdminNetworkPolicy//default ", true);
    apply_deletion(c, resource_kind_by_word("nodes"), "", "n");
    assert_has(c, "prefixes=", false);
    apply_deletion(c, resource_kind_by_word("cnp"), "", "p");
    assert_has(c, "tier=admin", false);
    apply_deletion(c, resource_kind_by_word("banp"), "", "default");
    assert_has(c, "rule ", false);
    compile_destroy(c);
}

static void
test_status_keeps_no_policy_from_its_effect(void **state)
{
    struct compile *c = create();

    apply(c, "clusternetworkpolicies",
          "{'apiVersion': 'policy.networking.k8s.io/v1alpha2', 'kind': 'ClusterNetworkPolicy', "
          "'metadata': {'name': 'p'}, 'spec': {'tier': 'Admin', 'priority': 1, 'subject': "
          "{'namespaces': {}}, 'ingress': [{'action': 'Deny', 'from': [{'namespaces': {}}]}]}, "
          "'status': {'conditions': [{'type': 'odd'}]}}");
    assert_has(c, "tier=admin", true);
    compile_destroy(c);
}

#define CNP(RULE)                                                                               \
    "{'apiVersion': 'policy.networking.k8s.io/v1alpha2', 'kind': 'ClusterNetworkPolicy', "      \
    "'metadata': {'name': 'p'}, 'spec': {'tier': 'Baseline', 'priority': 1, 'subject': "        \
    "{'namespaces': {}}, 'ingress': [{'action': 'Accept', 'from': [{'namespaces': {}}]}, " RULE \
    "]}}"

/* It was stored, so another version could; what it denied stays denied. */
static void
test_policies_that_cannot_be_read_fail_closed(void **state)
{
    struct compile *c = create();

    apply(c, "namespaces", "{'metadata': {'name': 'a'}}");
    apply(c, NETWORK,
          "{'apiVersion': 'networking.k8s.io/v1', " META ", 'spec': {'podSelector': "
          "{'matchLabels': {'b': 'c'}}, 'policyTypes': ['Ingress'], 'ingress': [{'ports': "
          "[{'port': 70000}]}, {}]}}");
    assert_has(c, "pod{b=c}", true);
    assert_has(c, "ingress tier=networkpolicy priority=0 action=isolate", true);
    assert_has(c, "egress tier=networkpolicy", false);
    assert_has(c, "action=allow", false);
    apply(c, NETWORK,
          "{'apiVersion': 'networking.k8s.io/v1', " META ", 'spec': {'podSelector': 1}}");
    assert_has(c, "egress tier=networkpolicy", true);

    apply(c, "cnp", CNP("{'action': 'Accept', 'from': [{'namespaces': 7}]}"));
    assert_has(c, "tier=baseline", false);
    assert_non_null(compile_find_problem(c, "ClusterNetworkPolicy//p"));
    apply(c, "cnp", CNP("{'action': 'Burn', 'from': [{'namespaces': {}}]}"));
    assert_has(c, "action=deny", true);
    assert_has(c, "peers=any ports=any policy=ClusterNetworkPolicy//p", true);
    assert_has(c, "action=allow", false);
    assert_string_equal(compile_find_problem(c, "ClusterNetworkPolicy//p")->reason,
                        "UnknownField");
    compile_destroy(c);
}

/* Fail closed: a value that nobody knows is no reason to open a namespace. */
static void
test_doubtful_isolation_isolates(void **state)
{
    struct compile *c = create();

    apply(c, "namespaces",
          "{'metadata': {'name': 'a', 'annotations':"
          " {'net.alpha.kubernetes.io/network-isolation': 'yes'}}}");
    assert_policies(c, false, false, true);
    apply(c, "namespaces",
          "{'metadata': {'name': 'a', 'annotations':"
          " {'net.alpha.kubernetes.io/network-isolation': 'off'}}}");
    assert_policies(c, false, false, false);
    apply(c, "namespaces",
          "{'metadata': {'name': 'a', 'annotations':"
          " {'net.beta.kubernetes.io/network-policy': 'DefaultDeny'}}}");
    assert_policies(c, false, false, true);
    apply_deletion(c, resource_kind_by_word("namespaces"), "", "a");
    assert_policies(c, false, false, false);
    compile_destroy(c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policies_of_one_name),
        cmocka_unit_test(test_ordered_policies_and_nodes),
        cmocka_unit_test(test_status_keeps_no_policy_from_its_effect),
        cmocka_unit_test(test_policies_that_cannot_be_read_fail_closed),
        cmocka_unit_test(test_doubtful_isolation_isolates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
