#include "model/ordered_policy.h"

#include "model/object_test.h"
#include "util.h"

static json_t *
policy_json(const char *kind, const char *name, const char *spec)
{
    char *text = xasprintf("{'apiVersion': 'policy.networking.k8s.io/%s', 'kind': '%s', "
                           "'metadata': {'name': '%s'}, 'spec': %s}",
                           strcmp(kind, POLICY_KIND_CLUSTER) ? "v1alpha1" : "v1alpha2", kind, name,
                           spec);
    json_t *json = object_from_text(text);

    free(text);
    return json;
}

static struct ordered_policy *
good(const char *kind, const char *spec)
{
    json_t *json = policy_json(kind, "default", spec);
    struct field_errors errors;

    field_errors_init(&errors);
    struct ordered_policy *policy = ordered_policy_decode(json, &errors);
    assert_errors(&errors, "");
    assert_non_null(policy);
    json_decref(json);
    return policy;
}

static void
assert_bad(const char *kind, const char *name, const char *spec, const char *expected)
{
    json_t *json = policy_json(kind, name, spec);
    struct field_errors errors;

    field_errors_init(&errors);
    assert_null(ordered_policy_decode(json, &errors));
    assert_errors(&errors, expected);
    json_decref(json);
}

#define UNCHECKED                                                                              \
    "\n<nil>: Invalid value: null: some validation rules were not checked because the object " \
    "was invalid; correct the existing errors to complete validation"

static void
bad(const char *spec, const char *expected)
{
    assert_bad(POLICY_KIND_CLUSTER, "bad", spec, expected);
}

/* The same where rules in CEL would have been checked next. */
static void
bad_schema(const char *spec, const char *expected)
{
    char *all = xasprintf("%s" UNCHECKED, expected);

    bad(spec, all);
    free(all);
}

/* A spec of one rule. */
static char *
one_rule(const char *direction, const char *rule)
{
    return xasprintf("{'tier': 'Admin', 'priority': 5, 'subject': {'namespaces': {}}, "
                     "'%s': [%s]}",
                     direction, rule);
}

static void
bad_egress(const char *rule, const char *expected)
{
    char *spec = one_rule("egress", rule);

    bad(spec, expected);
    free(spec);
}

static void
bad_egress_schema(const char *rule, const char *expected)
{
    char *spec = one_rule("egress", rule);

    bad_schema(spec, expected);
    free(spec);
}

/* Whole objects. */

static const char admin_spec[] =
    "{'tier': 'Admin', 'priority': 10,"
    " 'subject': {'namespaces': {'matchExpressions':"
    " [{'key': 'ns', 'operator': 'In', 'values': ['x', 'y']}]}},"
    " 'ingress': ["
    "  {'name': 'allow-monitoring', 'action': 'Accept',"
    "   'from': [{'namespaces': {'matchLabels': {'kubernetes.io/metadata.name': 'z'}}}],"
    "   'protocols': [{'tcp': {'destinationPort': {'number': 80}}},"
    "    {'udp': {'destinationPort': {'range': {'start': 5000, 'end': 5010}}}}]},"
    "  {'name': 'pass-tenant', 'action': 'Pass',"
    "   'from': [{'pods': {'namespaceSelector': {'matchLabels': {'tenant': 'a'}},"
    "    'podSelector': {'matchLabels': {'segment': 'frontend'}}}}],"
    "   'protocols': [{'destinationNamedPort': 'serve-80-tcp'}]},"
    "  {'name': 'deny-rest', 'action': 'Deny', 'from': [{'namespaces': {}}]}],"
    " 'egress': ["
    "  {'action': 'Accept', 'to': [{'nodes': {'matchExpressions':"
    "    [{'key': 'kubernetes.io/os', 'operator': 'Exists'}]}}],"
    "   'protocols': [{'tcp': {}}]},"
    "  {'action': 'Accept', 'to': [{'domainNames': ['registry.Example.', '*.example.com']}]},"
    "  {'action': 'Deny', 'to': [{'networks': ['169.254.169.254/32', 'fd00:ec2::254/128']}]}]}";

static void
assert_port(const struct policy_port *port, int protocol, const char *name, int first, int last)
{
    assert_int_equal(port->protocol, protocol);
    assert_ptr_equal(port->name, name ? intern(name) : NULL);
    assert_int_equal(port->first, first);
    assert_int_equal(port->last, last);
}

static void
check_ingress(const struct ordered_policy *policy)
{
    const struct ordered_rule *rules = policy->ingress;

    assert_int_equal(policy->n_ingress, 3);
    assert_string_equal(rules[0].name, "allow-monitoring");
    assert_int_equal(rules[0].action, ORDERED_ALLOW);
    assert_int_equal(rules[0].n_ports, 2);
    assert_port(&rules[0].ports[0], IPPROTO_TCP, NULL, 80, 80);
    assert_port(&rules[0].ports[1], IPPROTO_UDP, NULL, 5000, 5010);
    assert_int_equal(rules[1].action, ORDERED_PASS);
    assert_int_equal(rules[1].peers[0].kind, ORDERED_PEER_PODS);
    assert_selector(&rules[1].peers[0].namespaces, "tenant=a");
    assert_selector(&rules[1].peers[0].pods, "segment=frontend");
    assert_port(&rules[1].ports[0], 0, "serve-80-tcp", 0, 0);
    assert_int_equal(rules[2].action, ORDERED_DENY);
    assert_selector(&rules[2].peers[0].namespaces, "");
    assert_int_equal(rules[2].n_ports, 0);
}

static void
check_egress(const struct ordered_policy *policy)
{
    const struct ordered_rule *rules = policy->egress;

    assert_int_equal(policy->n_egress, 3);
    assert_int_equal(rules[0].peers[0].kind, ORDERED_PEER_NODES);
    assert_selector(&rules[0].peers[0].nodes, "kubernetes.io/os");
    assert_port(&rules[0].ports[0], IPPROTO_TCP, NULL, 0, 65535);
    assert_int_equal(rules[1].peers[0].kind, ORDERED_PEER_DOMAINS);
    assert_int_equal(rules[1].peers[0].n_domains, 2);
    assert_string_equal(rules[1].peers[0].domains[0], "*.example.com");
    assert_string_equal(rules[1].peers[0].domains[1], "registry.example");
    assert_int_equal(rules[2].peers[0].kind, ORDERED_PEER_NETWORKS);
    assert_int_equal(rules[2].peers[0].n_prefixes, 2);
    assert_prefix(&rules[2].peers[0].prefixes[0], "169.254.169.254/32");
    assert_prefix(&rules[2].peers[0].prefixes[1], "fd00:ec2::254/128");
}

static void
test_cluster_policy(void **state)
{
    struct ordered_policy *policy = good(POLICY_KIND_CLUSTER, admin_spec);

    assert_string_equal(policy->kind, POLICY_KIND_CLUSTER);
    assert_string_equal(policy->meta.name, "default");
    assert_int_equal(policy->tier, ORDERED_TIER_ADMIN);
    assert_int_equal(policy->priority, 10);
    assert_int_equal(policy->subject.kind, ORDERED_PEER_PODS);
    assert_selector(&policy->subject.namespaces, "ns in (x,y)");
    assert_selector(&policy->subject.pods, "");
    check_ingress(policy);
    check_egress(policy);
    assert_null(ordered_policy_doubt(policy));
    ordered_policy_destroy(policy);
    ordered_policy_destroy(NULL);
}

static void
test_baseline_tier(void **state)
{
    struct ordered_policy *policy = good(POLICY_KIND_CLUSTER,
                                         "{'tier': 'Baseline', 'priority': 0, 'subject': {'pods': "
                                         "{'podSelector': {'matchLabels': {'tier': 'db'}}}}}");

    assert_int_equal(policy->tier, ORDERED_TIER_BASELINE);
    assert_int_equal(policy->priority, 0);
    assert_selector(&policy->subject.pods, "tier=db");
    assert_int_equal(policy->n_ingress + policy->n_egress, 0);
    ordered_policy_destroy(policy);
}

static void
test_older_kinds(void **state)
{
    struct ordered_policy *policy = good(
        POLICY_KIND_ADMIN,
        "{'priority': 7, 'subject': {'pods': {'namespaceSelector': {}, 'podSelector': {}}},"
        " 'egress': [{'action': 'Allow', 'to': [{'domainNames': ['a.example']}]},"
        "  {'action': 'Pass', 'to': [{'namespaces': {}}],"
        "   'ports': [{'portNumber': {'port': 53, 'protocol': 'UDP'}}, {'namedPort': 'web'},"
        "    {'portRange': {'start': 1, 'end': 9}}]}]}");

    assert_int_equal(policy->tier, ORDERED_TIER_ADMIN);
    assert_int_equal(policy->priority, 7);
    assert_int_equal(policy->egress[1].action, ORDERED_PASS);
    assert_port(&policy->egress[1].ports[0], IPPROTO_UDP, NULL, 53, 53);
    assert_port(&policy->egress[1].ports[1], 0, "web", 0, 0);
    assert_port(&policy->egress[1].ports[2], IPPROTO_TCP, NULL, 1, 9);
    ordered_policy_destroy(policy);

    policy = good(POLICY_KIND_BASELINE, "{'subject': {'namespaces': {}}, 'ingress': "
                                        "[{'action': 'Deny', 'from': [{'namespaces': {}}]}]}");
    assert_int_equal(policy->tier, ORDERED_TIER_BASELINE);
    assert_int_equal(policy->priority, 1001);
    ordered_policy_destroy(policy);
}

/* What an API server with the experimental definition answered. */

static void
test_recorded_rejections(void **state)
{
    bad_egress("{'action': 'Deny', 'to': [{'networks': ['10.0.0.0/8']}], "
               "'protocols': [{'destinationNamedPort': 'http'}]}",
               "spec.egress[0]: Invalid value: \"object\": networks/nodes/domainNames peer cannot "
               "be set with namedPorts since there are no namedPorts for "
               "networks/nodes/domainNames");
    bad("{'tier': 'Admin', 'priority': 1001, 'subject': {'namespaces': {}, 'pods': "
        "{'podSelector': {}}}, 'egress': [{'action': 'Deny', 'to': [{'networks': "
        "['10.0.0.0/40']}, {'domainNames': ['*.example.com']}], 'protocols': [{'tcp': "
        "{'destinationPort': {'range': {'start': 90, 'end': 80}}}}]}]}",
        "spec.priority: Invalid value: 1001: spec.priority in body should be less than or equal "
        "to 1000\nspec.subject: Too many: 2: must have at most 1 item" UNCHECKED);
    bad("{'tier': 'Admin', 'priority': 5, 'subject': {'namespaces': {}}, 'egress': [{'action': "
        "'Deny', 'to': [{'networks': ['10.0.0.0/40']}], 'protocols': [{'tcp': "
        "{'destinationPort': {'range': {'start': 90, 'end': 80}}}}]}, {'action': 'Deny', 'to': "
        "[{'domainNames': ['*.example.com']}]}]}",
        "spec.egress[0].to[0].networks[0]: Invalid value: \"string\": Invalid CIDR format "
        "provided\nspec.egress[0].protocols[0].tcp.destinationPort.range: Invalid value: "
        "\"object\": Start port must be less than End port");
}

static void
test_required(void **state)
{
    bad_schema("null", "spec: Required value");
    bad_schema("{}", "spec.priority: Required value\nspec.subject: Required value\n"
                     "spec.tier: Required value");
    bad_egress_schema("{}",
                      "spec.egress[0].action: Required value\nspec.egress[0].to: Required value");
    bad_egress_schema("{'action': 'Deny', 'to': [{'pods': {'namespaceSelector': {}}}]}",
                      "spec.egress[0].to[0].pods.podSelector: Required value");
    bad_egress_schema("{'action': 'Deny', 'to': [{'namespaces': {}}], 'protocols': "
                      "[{'tcp': {'destinationPort': {'range': {'start': 9}}}}]}",
                      "spec.egress[0].protocols[0].tcp.destinationPort.range.end: Required value");
    assert_bad(POLICY_KIND_ADMIN, "a", "{'priority': 1, 'subject': {'pods': {}}}",
               "spec.subject.pods.namespaceSelector: Required value\n"
               "spec.subject.pods.podSelector: Required value" UNCHECKED);
}

static void
test_bounds(void **state)
{
    bad("{'tier': 'Admin', 'priority': -1, 'subject': {'namespaces': {}}}",
        "spec.priority: Invalid value: -1: spec.priority in body should be greater than or equal "
        "to 0");
    bad_schema("{'tier': 'Top', 'priority': 1, 'subject': {'namespaces': {}}}",
               "spec.tier: Unsupported value: \"Top\": supported values: \"Admin\", \"Baseline\"");
    bad("{'tier': 'Admin', 'priority': 1, 'subject': {}}",
        "spec.subject: Invalid value: 0: spec.subject in body should have at least 1 properties");
    bad_schema("{'tier': 'Admin', 'priority': 1, 'subject': {'vms': {}}}",
               "spec.subject: Unsupported value: supported fields: \"namespaces\", \"pods\"");
    bad_egress_schema("{'action': 'Allow', 'to': [{'namespaces': {}}]}",
                      "spec.egress[0].action: Unsupported value: \"Allow\": supported values: "
                      "\"Accept\", \"Deny\", \"Pass\"");
    bad_egress("{'action': 'Deny', 'to': []}",
               "spec.egress[0].to: Invalid value: 0: spec.egress[0].to in body should have at "
               "least 1 items");
    bad_egress("{'action': 'Deny', 'to': [{}]}",
               "spec.egress[0].to[0]: Invalid value: 0: spec.egress[0].to[0] in body should have "
               "at least 1 properties");
    bad_egress("{'action': 'Deny', 'to': [{'namespaces': {}}], 'protocols': "
               "[{'udp': {'destinationPort': {'number': 0}}}]}",
               "spec.egress[0].protocols[0].udp.destinationPort.number: Invalid value: 0: "
               "spec.egress[0].protocols[0].udp.destinationPort.number in body should be greater "
               "than or equal to 1");
    bad_egress("{'action': 'Deny', 'to': [{'namespaces': {}}], 'protocols': []}",
               "spec.egress[0].protocols: Invalid value: 0: spec.egress[0].protocols in body "
               "should have at least 1 items");
}

static char *
repeated(const char *item, int n)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    for (int i = 0; i < n; i++) {
        ds_put_format(&ds, "%s%s", i ? ", " : "", item);
    }
    return ds_steal_cstr(&ds);
}

static void
test_sizes(void **state)
{
    char *rules = repeated("{'action': 'Deny', 'to': [{'namespaces': {}}]}", 26);
    char *peers = repeated("{'namespaces': {}}", 26);
    char *letters = repeated("x", 51);
    char *rule;

    bad_egress_schema(rules, "spec.egress: Too many: 26: must have at most 25 items");
    rule = xasprintf("{'action': 'Deny', 'to': [%s]}", peers);
    bad_egress_schema(rule, "spec.egress[0].to: Too many: 26: must have at most 25 items");
    free(rule);
    rule = xasprintf("{'name': '%s', 'action': 'Deny', 'to': [{'namespaces': {}}]}", letters);
    bad_egress_schema(rule, "spec.egress[0].name: Too long: may not be more than 100 bytes");
    free(rule);
    free(rules);
    free(peers);
    free(letters);
}

static void
test_networks_and_domains(void **state)
{
    bad_egress("{'action': 'Deny', 'to': [{'networks': ['10.0.0.0/8', '10.0.0.0/8', '10.0.0.1', "
               "'::ffff:10.0.0.0/104']}]}",
               "spec.egress[0].to[0].networks[1]: Duplicate value: \"10.0.0.0/8\"\n"
               "spec.egress[0].to[0].networks[2]: Invalid value: \"string\": Invalid CIDR format "
               "provided\n"
               "spec.egress[0].to[0].networks[3]: Invalid value: \"string\": Invalid CIDR format "
               "provided");
#define DOMAIN_RULE                                                                   \
    "must be a domain name of two labels or more, which may begin with \"*.\" (e.g. " \
    "'www.example.com' or '*.example.com')"
    bad_egress("{'action': 'Accept', 'to': [{'domainNames': ['com', '*.*.a', 'a..b', '-a.b']}]}",
               "spec.egress[0].to[0].domainNames[0]: Invalid value: \"com\": " DOMAIN_RULE "\n"
               "spec.egress[0].to[0].domainNames[1]: Invalid value: \"*.*.a\": " DOMAIN_RULE "\n"
               "spec.egress[0].to[0].domainNames[2]: Invalid value: \"a..b\": " DOMAIN_RULE "\n"
               "spec.egress[0].to[0].domainNames[3]: Invalid value: \"-a.b\": " DOMAIN_RULE);
}

static void
test_singleton(void **state)
{
    assert_bad(POLICY_KIND_BASELINE, "other", "{'subject': {'namespaces': {}}}",
               "<nil>: Invalid value: \"object\": Only one baseline admin network policy with "
               "metadata.name=\"default\" can be created in the cluster");
    assert_bad(POLICY_KIND_BASELINE, "default",
               "{'subject': {'namespaces': {}}, 'ingress': [{'action': 'Pass', 'from': "
               "[{'namespaces': {}}]}]}",
               "spec.ingress[0].action: Unsupported value: \"Pass\": supported values: "
               "\"Allow\", \"Deny\"" UNCHECKED);
}

static void
bad_status(const char *status, const char *expected)
{
    json_t *json = policy_json(POLICY_KIND_CLUSTER, "a",
                               "{'tier': 'Admin', 'priority': 1, 'subject': {'namespaces': {}}}");
    struct field_errors errors;

    field_errors_init(&errors);
    json_object_set_new(json, "status", object_from_text(status));
    struct ordered_policy *policy = ordered_policy_decode(json, &errors);
    assert_int_equal(policy != NULL, !*expected);
    ordered_policy_destroy(policy);
    assert_errors(&errors, expected);
    json_decref(json);
}

#define CONDITION(TYPE, STATUS, REASON)                                                    \
    "{'type': '" TYPE "', 'status': '" STATUS "', 'reason': '" REASON "', 'message': '', " \
    "'observedGeneration': 1, 'lastTransitionTime': '2026-11-20T18:40:00Z'}"

static void
test_conditions(void **state)
{
    bad_status("{'conditions': [" CONDITION("virga.dev/Realized", "True", "InForce") "]}", "");
    bad_status("{}", "status.conditions: Required value" UNCHECKED);
    bad_status("{'conditions': [{'type': 'Accepted', 'status': 'Maybe', 'message': 'y', "
               "'observedGeneration': 1, 'lastTransitionTime': '2026-11-20T18:40:00Z'}]}",
               "status.conditions[0].status: Unsupported value: \"Maybe\": supported values: "
               "\"True\", \"False\", \"Unknown\"\n"
               "status.conditions[0].reason: Required value" UNCHECKED);
    bad_status(
        "{'conditions': [" CONDITION("A", "True", "a b") ", " CONDITION("A", "True", "a") "]}",
        "status.conditions[0].reason: Invalid value: \"a b\": status.conditions[0].reason in "
        "body should match '^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$'\n"
        "status.conditions[1]: Duplicate value");
    bad_status("{'conditions': [{'type': 'A', 'status': 'True', 'message': '', 'reason': 'a', "
               "'lastTransitionTime': 'now'}]}",
               "status.conditions[0].lastTransitionTime: Invalid value: \"now\": "
               "status.conditions[0].lastTransitionTime in body should be a date-time");
}

/* What is not known is kept, and said. */

static void
assert_doubt(const char *kind, const char *direction, const char *rule, const char *expected)
{
    char *spec = one_rule(direction, rule);
    struct ordered_policy *policy = good(kind, spec);
    const struct ordered_rule *doubt = ordered_policy_doubt(policy);

    assert_non_null(doubt);
    assert_string_equal(doubt->fail_closed, expected);
    ordered_policy_destroy(policy);
    free(spec);
}

static void
test_unknown_fails_closed(void **state)
{
    assert_doubt(POLICY_KIND_CLUSTER, "ingress", "{'action': 'Deny', 'from': [{'vms': {}}]}",
                 "spec.ingress[0].from[0].vms is not known");
    assert_doubt(POLICY_KIND_CLUSTER, "ingress",
                 "{'action': 'Accept', 'from': [{'namespaces': {}}, {'networks': ['::/0']}]}",
                 "spec.ingress[0].from[1].networks is not known");
    assert_doubt(POLICY_KIND_CLUSTER, "egress",
                 "{'action': 'Accept', 'to': [{'namespaces': {}}], 'protocols': [{'icmp': {}}]}",
                 "spec.egress[0].protocols[0].icmp is not known");
    assert_doubt(POLICY_KIND_CLUSTER, "egress",
                 "{'action': 'Accept', 'to': [{'namespaces': {}}], 'protocols': [{'tcp': "
                 "{'destinationPort': {'number': 1}, 'sourcePort': {}}}]}",
                 "spec.egress[0].protocols[0].tcp has fields that are not known");
    assert_doubt(POLICY_KIND_CLUSTER, "egress",
                 "{'action': 'Accept', 'to': [{'namespaces': {}}], 'protocols': [{'tcp': "
                 "{'destinationPort': {'list': []}}}]}",
                 "spec.egress[0].protocols[0].tcp.destinationPort.list is not known");
    assert_doubt(POLICY_KIND_CLUSTER, "egress",
                 "{'action': 'Accept', 'to': [{'namespaces': {}}], 'ports': []}",
                 "spec.egress[0].ports is not known");
    assert_doubt(POLICY_KIND_CLUSTER, "egress",
                 "{'action': 'Pass', 'to': [{'domainNames': ['a.example']}]}",
                 "spec.egress[0].to[0].domainNames can be used in Accept rules only");
    assert_doubt(POLICY_KIND_CLUSTER, "ingress",
                 "{'action': 'Accept', 'from': [{'namespaces': {'matchLabel': {'a': 'b'}}}]}",
                 "spec.ingress[0].from[0].namespaces.matchLabel is not known");
    assert_doubt(POLICY_KIND_CLUSTER, "ingress",
                 "{'action': 'Accept', 'from': [{'pods': {'podSelector': {}, 'namespaceSelecter': "
                 "{'matchLabels': {'a': 'b'}}}}]}",
                 "spec.ingress[0].from[0].pods.namespaceSelecter is not known");
    assert_doubt(POLICY_KIND_CLUSTER, "egress",
                 "{'action': 'Accept', 'to': [{'nodes': {'matchExpressions': [{'key': 'a', "
                 "'operator': 'Exists', 'value': 'b'}]}}]}",
                 "spec.egress[0].to[0].nodes.matchExpressions[0].value is not known");
    assert_doubt(POLICY_KIND_BASELINE, "egress",
                 "{'action': 'Allow', 'to': [{'domainNames': ['a.example']}]}",
                 "spec.egress[0].to[0].domainNames is not known");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cluster_policy),
        cmocka_unit_test(test_baseline_tier),
        cmocka_unit_test(test_older_kinds),
        cmocka_unit_test(test_recorded_rejections),
        cmocka_unit_test(test_required),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_networks_and_domains),
        cmocka_unit_test(test_singleton),
        cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_unknown_fails_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
