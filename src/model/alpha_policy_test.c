/* The third-party resource of 2016, net.alpha.kubernetes.io/v1alpha1. */
#include "model/objects.h"

#include "model/object_test.h"
#include "util.h"

OBJECT_TEST_FUNCTIONS(network_policy)

#define HEAD                                                                      \
    "'apiVersion': 'net.alpha.kubernetes.io/v1alpha1', 'kind': 'NetworkPolicy', " \
    "'metadata': {'namespace': 'tenant-a', 'name': 'pol1'}"

static void
test_policy_of_the_article(void **state)
{
    struct network_policy *p = good_network_policy(
        "{" HEAD ", 'spec': {'allowIncoming': {'from': [{'pods': {'segment': 'frontend'}}],"
        " 'toPorts': [{'port': 80, 'protocol': 'TCP'}]}, 'podSelector': {'segment': 'backend'}}}");

    assert_string_equal(p->kind, POLICY_KIND_ALPHA);
    assert_true(p->needs_isolation);
    assert_false(p->isolates_ingress);
    assert_false(p->isolates_egress);
    assert_selector(&p->pod_selector, "segment=backend");
    assert_int_equal(p->n_ingress, 1);
    assert_int_equal(p->n_egress, 0);
    assert_int_equal(p->ingress[0].n_peers, 1);
    assert_false(p->ingress[0].peers[0].has_namespace_selector);
    assert_selector(&p->ingress[0].peers[0].pod_selector, "segment=frontend");
    assert_int_equal(p->ingress[0].n_ports, 1);
    assert_int_equal(p->ingress[0].ports[0].protocol, IPPROTO_TCP);
    assert_int_equal(p->ingress[0].ports[0].first, 80);
    assert_int_equal(p->ingress[0].ports[0].last, 80);
    network_policy_destroy(p);
}

static void
test_peers(void **state)
{
    struct network_policy *p = good_network_policy(
        "{" HEAD ", 'spec': {'allowIncoming': {'from': [{'pods': {}}, {'namespaces': {}},"
        " {'namespaces': {'team': 'a'}, 'pods': {'app': 'b', 'x': 'y'}}],"
        " 'toPorts': [{'protocol': 'udp'}, {'port': 'web'}]}}}");
    const struct policy_peer *peers = p->ingress[0].peers;

    assert_selector(&p->pod_selector, "");
    assert_int_equal(p->ingress[0].n_peers, 3);
    assert_false(peers[0].has_namespace_selector);
    assert_selector(&peers[0].pod_selector, "");
    assert_true(peers[1].has_namespace_selector);
    assert_selector(&peers[1].namespace_selector, "");
    assert_true(peers[2].has_namespace_selector);
    assert_selector(&peers[2].namespace_selector, "team=a");
    assert_selector(&peers[2].pod_selector, "app=b,x=y");
    assert_int_equal(p->ingress[0].ports[0].protocol, IPPROTO_UDP);
    assert_int_equal(p->ingress[0].ports[0].first, 0);
    assert_int_equal(p->ingress[0].ports[0].last, 65535);
    assert_string_equal(p->ingress[0].ports[1].name, "web");
    network_policy_destroy(p);
}

/* Absent "from" and "toPorts" are all; absent "allowIncoming" is nothing. */
static void
test_absent_parts(void **state)
{
    struct network_policy *p = good_network_policy("{" HEAD ", 'spec': {'allowIncoming': {}}}");

    assert_int_equal(p->n_ingress, 1);
    assert_int_equal(p->ingress[0].n_peers, 0);
    assert_int_equal(p->ingress[0].n_ports, 0);
    network_policy_destroy(p);

    p = good_network_policy("{" HEAD ", 'spec': {'podSelector': {'a': 'b'}}}");
    assert_int_equal(p->n_ingress, 0);
    assert_true(p->needs_isolation);
    network_policy_destroy(p);
}

static void
bad_spec(const char *spec, const char *expected)
{
    char *text = xasprintf("{" HEAD ", 'spec': %s}", spec);

    bad_network_policy(text, expected);
    free(text);
}

static void
test_errors(void **state)
{
    bad_spec("'text'", "spec: Invalid value: \"text\": must be an object");
    bad_spec("{'podSelector': {'matchLabels': {'a': 'b'}}}",
             "spec.podSelector[matchLabels]: Invalid value: must be a string");
    bad_spec("{'podSelector': {'a': '-'}}",
             "spec.podSelector: Invalid value: \"-\": a valid label must be an empty string or "
             "consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
             "alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
             "validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')");
    bad_spec("{'allowIncoming': []}", "spec.allowIncoming: Invalid value: must be an object");
    bad_spec("{'allowIncoming': {'from': {}}}",
             "spec.allowIncoming.from: Invalid value: must be a list");
    bad_spec(
        "{'allowIncoming': {'from': [{}, 5]}}",
        "spec.allowIncoming.from[0]: Required value: must specify a peer: pods, namespaces or "
        "both\n"
        "spec.allowIncoming.from[1]: Invalid value: 5: must be an object");
    bad_spec(
        "{'allowIncoming': {'from': [{'pods': {'a/': 'b'}}]}}",
        "spec.allowIncoming.from[0].pods: Invalid value: \"a/\": name part must be non-empty");
    bad_spec("{'allowIncoming': {'toPorts': [{'port': 0}, {'port': 1, 'protocol': 'ICMP'}]}}",
             "spec.allowIncoming.toPorts[0].port: Invalid value: 0: must be between 1 and 65535, "
             "inclusive\n"
             "spec.allowIncoming.toPorts[1].protocol: Unsupported value: \"ICMP\": supported "
             "values: \"TCP\", \"UDP\", \"SCTP\"");
    bad_network_policy("{'apiVersion': 'net.alpha.kubernetes.io/v1alpha1', 'metadata': {}}",
                       "metadata.name: Required value: name is required");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policy_of_the_article),
        cmocka_unit_test(test_peers),
        cmocka_unit_test(test_absent_parts),
        cmocka_unit_test(test_errors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
