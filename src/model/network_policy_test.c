/* NetworkPolicy: what the Kubernetes API accepts, defaults and refuses. */
#include "model/objects.h"

#include "model/object_test.h"

OBJECT_TEST_FUNCTIONS(network_policy)

#define META "'metadata': {'namespace': 'shop', 'name': 'redis'}"

static struct network_policy *
good_spec(const char *spec)
{
    char text[2048];

    snprintf(text, sizeof text, "{" META ", 'spec': %s}", spec);
    return good_network_policy(text);
}

static void
bad_spec(const char *spec, const char *expected)
{
    char text[2048];

    snprintf(text, sizeof text, "{" META ", 'spec': %s}", spec);
    bad_network_policy(text, expected);
}

static void
test_a_full_policy(void **state)
{
    struct network_policy *np = good_spec(
        "{'podSelector': {'matchLabels': {'app': 'redis'}},"
        " 'ingress': ["
        "  {'from': [{'podSelector': {'matchExpressions': ["
        "               {'key': 'role', 'operator': 'In', 'values': ['b', 'a']},"
        "               {'key': 'old', 'operator': 'DoesNotExist'}]}},"
        "            {'namespaceSelector': {}},"
        "            {'ipBlock': {'cidr': '10.1.2.3/16', 'except': ['10.1.4.0/24']}}],"
        "   'ports': [{'port': 6379}, {'protocol': 'UDP'}, {'port': 'web'},"
        "             {'protocol': 'SCTP', 'port': 1000, 'endPort': 1000}]},"
        "  {}]}");
    const struct policy_rule *rule = &np->ingress[0];

    assert_selector(&np->pod_selector, "app=redis");
    assert_true(np->isolates_ingress);
    assert_false(np->isolates_egress);
    assert_int_equal(np->n_ingress, 2);
    assert_int_equal(np->n_egress, 0);

    assert_int_equal(rule->n_peers, 3);
    assert_false(rule->peers[0].is_ip_block);
    assert_false(rule->peers[0].has_namespace_selector);
    assert_selector(&rule->peers[0].pod_selector, "!old,role in (a,b)");
    assert_true(rule->peers[1].has_namespace_selector);
    assert_selector(&rule->peers[1].namespace_selector, "");
    assert_selector(&rule->peers[1].pod_selector, "");
    assert_true(rule->peers[2].is_ip_block);
    assert_prefix(&rule->peers[2].cidr, "10.1.0.0/16");
    assert_int_equal(rule->peers[2].n_excepts, 1);
    assert_prefix(&rule->peers[2].excepts[0], "10.1.4.0/24");

    static const struct policy_port expected[] = {
        { IPPROTO_TCP, NULL, 6379, 6379 },
        { IPPROTO_UDP, NULL, 0, 65535 },
        { IPPROTO_TCP, "web", 0, 0 },
        { IPPROTO_SCTP, NULL, 1000, 1000 },
    };

    assert_int_equal(rule->n_ports, 4);
    for (size_t i = 0; i < 4; i++) {
        const struct policy_port *port = &rule->ports[i];

        assert_int_equal(port->protocol, expected[i].protocol);
        assert_ptr_equal(port->name, expected[i].name ? intern(expected[i].name) : NULL);
        assert_int_equal(port->first, expected[i].first);
        assert_int_equal(port->last, expected[i].last);
    }
    assert_int_equal(np->ingress[1].n_peers, 0);
    assert_int_equal(np->ingress[1].n_ports, 0);
    network_policy_destroy(np);
    network_policy_destroy(NULL);
}

static void
check_types(const char *spec, bool ingress, bool egress, size_t n_ingress, size_t n_egress)
{
    struct network_policy *np = good_spec(spec);

    if (np->isolates_ingress != ingress || np->isolates_egress != egress
        || np->n_ingress != n_ingress || np->n_egress != n_egress) {
        fail_msg("%s: ingress %d (%zu rules), egress %d (%zu rules)", spec, np->isolates_ingress,
                 np->n_ingress, np->isolates_egress, np->n_egress);
    }
    network_policy_destroy(np);
}

static void
test_policy_types(void **state)
{
    check_types("null", true, false, 0, 0);
    check_types("{}", true, false, 0, 0);
    check_types("{'policyTypes': []}", true, false, 0, 0);
    check_types("{'policyTypes': null, 'egress': []}", true, false, 0, 0);
    check_types("{'egress': [{}]}", true, true, 0, 1);
    check_types("{'ingress': [{}], 'egress': [{}]}", true, true, 1, 1);
    check_types("{'policyTypes': ['Ingress', 'Egress']}", true, true, 0, 0);
    check_types("{'policyTypes': ['Egress']}", false, true, 0, 0);
    /* Rules of the other direction are inert. */
    check_types("{'policyTypes': ['Egress'], 'ingress': [{}]}", false, true, 0, 0);
    check_types("{'policyTypes': ['Ingress'], 'egress': [{}], 'ingress': [{}, {}]}", true, false,
                2, 0);
    /* As the API server reads it: an empty rule. */
    check_types("{'ingress': [null]}", true, false, 1, 0);

    bad_spec("{'policyTypes': ['Ingress', 'ingress']}",
             "spec.policyTypes[1]: Unsupported value: \"ingress\": supported values: \"Ingress\", "
             "\"Egress\"");
    bad_spec("{'policyTypes': ['Ingress', 'Egress', 'Ingress']}",
             "spec.policyTypes: Invalid value: may not specify more than two policyTypes");
    bad_spec("{'policyTypes': 'Ingress'}",
             "spec.policyTypes: Invalid value: \"Ingress\": must be a list");
}

static void
bad_port(const char *port, const char *expected)
{
    char spec[512];

    snprintf(spec, sizeof spec, "{'egress': [{}, {'ports': [%s]}]}", port);
    bad_spec(spec, expected);
}

static void
test_bad_ports(void **state)
{
#define AT "spec.egress[1].ports[0]."
#define RANGE "must be between 1 and 65535, inclusive"
    bad_port("{'port': 0}", AT "port: Invalid value: 0: " RANGE);
    bad_port("{'port': 65536}", AT "port: Invalid value: 65536: " RANGE);
    bad_port("{'port': 80.5}",
             AT "port: Invalid value: 80.5: must be a number or the name of a port");
    bad_port("{'port': '80'}",
             AT "port: Invalid value: \"80\": must contain at least one letter (a-z)");
    bad_port("{'port': ''}", AT "port: Invalid value: \"\": must contain at least one letter "
                                "(a-z)");
    bad_port("{'port': 'sixteen-letters-'}",
             AT "port: Invalid value: \"sixteen-letters-\": must be no more than 15 bytes");
    bad_port("{'port': 'a--b'}",
             AT "port: Invalid value: \"a--b\": must not contain consecutive hyphens");
    bad_port("{'port': 'Web'}", AT "port: Invalid value: \"Web\": must contain only alpha-numeric "
                                   "characters (a-z, 0-9), and hyphens (-)");
    bad_port("{'port': '-a'}",
             AT "port: Invalid value: \"-a\": must not begin or end with a hyphen");
    bad_port("{'protocol': 'tcp'}", AT "protocol: Unsupported value: \"tcp\": supported values: "
                                       "\"TCP\", \"UDP\", \"SCTP\"");
    bad_port("{'endPort': 90}",
             AT "endPort: Invalid value: 90: may not be specified when `port` is not specified");
    bad_port("{'port': 'web', 'endPort': 90}",
             AT "endPort: Invalid value: 90: may not be specified when `port` is non-numeric");
    bad_port("{'port': 91, 'endPort': 90}",
             AT "endPort: Invalid value: 90: must be greater than or equal to `port`");
    bad_port("{'port': 91, 'endPort': 65536}", AT "endPort: Invalid value: 65536: " RANGE);
    bad_port("3", "spec.egress[1].ports[0]: Invalid value: 3: must be an object");
#undef AT
#undef RANGE
}

static void
bad_peer(const char *peer, const char *expected)
{
    char spec[1024];

    snprintf(spec, sizeof spec, "{'ingress': [{'from': [%s]}]}", peer);
    bad_spec(spec, expected);
}

static void
test_bad_peers(void **state)
{
#define AT "spec.ingress[0].from[0]"
    bad_peer("{}", AT ": Required value: must specify a peer");
    bad_peer("null", AT ": Required value: must specify a peer");
    bad_peer("{'ipBlock': {'cidr': '10.0.0.0/8'}, 'podSelector': {}}",
             AT ": Forbidden: may not specify both ipBlock and another peer");
    bad_peer("{'ipBlock': {}}", AT ".ipBlock.cidr: Required value");
    bad_peer("{'ipBlock': {'cidr': ''}}", AT ".ipBlock.cidr: Required value");
    bad_peer("{'ipBlock': {'cidr': '10.0.0.0'}}",
             AT ".ipBlock.cidr: Invalid value: \"10.0.0.0\": must be a valid CIDR value, (e.g. "
                "10.9.8.0/24 or 2001:db8::/64)");
    bad_peer("{'ipBlock': {'cidr': '10.0.0.0/33', 'except': ['x']}}",
             AT ".ipBlock.cidr: Invalid value: \"10.0.0.0/33\": must be a valid CIDR value, (e.g. "
                "10.9.8.0/24 or 2001:db8::/64)\n" AT
                ".ipBlock.except[0]: Invalid value: \"x\": must be a valid CIDR value, (e.g. "
                "10.9.8.0/24 or 2001:db8::/64)");
    bad_peer("{'ipBlock': {'cidr': '10.0.0.0/8', 'except': ['10.0.0.0/8', '11.0.0.0/16', "
             "'10.1.0.0/16', '2001:db8::/64']}}",
             AT ".ipBlock.except[0]: Invalid value: \"10.0.0.0/8\": must be a strict subset of "
                "`cidr`\n" AT
                ".ipBlock.except[1]: Invalid value: \"11.0.0.0/16\": must be a strict subset of "
                "`cidr`\n" AT
                ".ipBlock.except[3]: Invalid value: \"2001:db8::/64\": must be a strict subset of "
                "`cidr`");
    /* IPv4 lies inside ::/0 only in our form of addresses. */
    bad_peer("{'ipBlock': {'cidr': '::/0', 'except': ['10.0.0.0/8']}}",
             AT ".ipBlock.except[0]: Invalid value: \"10.0.0.0/8\": must be a strict subset of "
                "`cidr`");
#undef AT
}

static void
test_bad_selectors(void **state)
{
#define AT "spec.podSelector.matchExpressions[0]."
    bad_spec("{'podSelector': {'matchExpressions': [{'key': 'a', 'operator': 'In'}]}}",
             AT "values: Required value: must be specified when `operator` is 'In' or 'NotIn'");
    bad_spec("{'podSelector': {'matchExpressions': [{'key': 'a', 'operator': 'Exists', 'values': "
             "['x']}]}}",
             AT "values: Forbidden: may not be specified when `operator` is 'Exists' or "
                "'DoesNotExist'");
    bad_spec("{'podSelector': {'matchExpressions': [{'key': 'a', 'operator': 'in', 'values': "
             "['x']}]}}",
             AT "operator: Invalid value: \"in\": not a valid selector operator");
    bad_spec("{'podSelector': {'matchExpressions': [{'operator': 'Exists'}]}}",
             AT "key: Invalid value: \"\": name part must be non-empty");
    bad_spec("{'podSelector': {'matchExpressions': [{'key': 'a', 'operator': 'In', 'values': "
             "['x', 2]}]}}",
             AT "values[1]: Invalid value: 2: must be a string");
    bad_spec("{'podSelector': {'matchLabels': {'a/': 'b'}}}",
             "spec.podSelector.matchLabels: Invalid value: \"a/\": name part must be non-empty");
    bad_spec("{'podSelector': 'app=redis'}",
             "spec.podSelector: Invalid value: \"app=redis\": must be an object");
#undef AT
}

static void
test_sizes_are_capped(void **state)
{
    json_t *rules = json_array();
    json_t *json = object_from_text("{" META ", 'spec': {}}");
    struct field_errors errors;

    for (int i = 0; i <= OBJECTS_MAX_RULES; i++) {
        json_array_append_new(rules, json_object());
    }
    json_object_set_new(json_object_get(json, "spec"), "ingress", rules);
    field_errors_init(&errors);
    assert_null(network_policy_decode(json, &errors));
    assert_errors(&errors, "spec.ingress: Too many: 4097: must have at most 4096 items");
    json_decref(json);
}

/* extensions/v1beta1: the same but for protocols in any letters. */
static void
test_extensions(void **state)
{
    struct network_policy *p = good_network_policy(
        "{'apiVersion': 'extensions/v1beta1', " META ", 'spec': {'podSelector': {},"
        " 'ingress': [{'ports': [{'protocol': 'tcp', 'port': 6379}]}]}}");

    assert_string_equal(p->kind, POLICY_KIND_NETWORK);
    assert_true(p->isolates_ingress);
    assert_false(p->isolates_egress);
    assert_false(p->needs_isolation);
    assert_int_equal(p->ingress[0].ports[0].protocol, IPPROTO_TCP);
    network_policy_destroy(p);

    p = good_network_policy("{'apiVersion': 'extensions/v1beta1', " META ", 'spec': {"
                            "'egress': [{'ports': [{'protocol': 'sctp'}]}]}}");
    assert_true(p->isolates_egress);
    assert_int_equal(p->egress[0].ports[0].protocol, IPPROTO_SCTP);
    network_policy_destroy(p);

    bad_network_policy("{'apiVersion': 'networking.k8s.io/v1', " META ", 'spec': {"
                       "'ingress': [{'ports': [{'protocol': 'tcp'}]}]}}",
                       "spec.ingress[0].ports[0].protocol: Unsupported value: \"tcp\": supported "
                       "values: \"TCP\", \"UDP\", \"SCTP\"");
}

static int
priority_of(const char *labels)
{
    char text[512];

    snprintf(text, sizeof text,
             "{'metadata': {'namespace': 'a', 'name': 'b', 'labels': %s}, 'spec': {}}", labels);

    struct network_policy *policy = good_network_policy(text);
    int priority = policy->priority;

    network_policy_destroy(policy);
    return priority;
}

static void
test_priority_label(void **state)
{
    assert_int_equal(priority_of("{}"), 0);
    assert_int_equal(priority_of("{'nuage.io/priority': '17'}"), 17);
    assert_int_equal(priority_of("{'nuage.io/priority': '65535'}"), 65535);
    assert_int_equal(priority_of("{'nuage.io/priority': '65536'}"), 0);
    assert_int_equal(priority_of("{'nuage.io/priority': '99999999999999999999'}"), 0);
    assert_int_equal(priority_of("{'nuage.io/priority': 'high'}"), 0);
    assert_int_equal(priority_of("{'nuage.io/priority': ''}"), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_full_policy), cmocka_unit_test(test_policy_types),
        cmocka_unit_test(test_bad_ports),     cmocka_unit_test(test_bad_peers),
        cmocka_unit_test(test_bad_selectors), cmocka_unit_test(test_sizes_are_capped),
        cmocka_unit_test(test_extensions),    cmocka_unit_test(test_priority_label),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
