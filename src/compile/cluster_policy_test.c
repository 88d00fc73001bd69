/* ClusterNetworkPolicy by its effect: the shapes that the upstream conformance
 * tests ask for, and what they leave out.  Every verdict is compared with the
 * second opinion, for all pods. */
#include "compile/reach_test.h"

#define ALL "{'namespaces': {}}"
#define NS(NAME) "{'namespaces': {'matchLabels': {'kubernetes.io/metadata.name': '" NAME "'}}}"
#define POD(NS_, NAME)                                                                     \
    "{'pods': {'namespaceSelector': {'matchLabels': {'kubernetes.io/metadata.name': '" NS_ \
    "'}}, 'podSelector': {'matchLabels': {'pod': '" NAME "'}}}}"

static void
set_cnp(struct world *w, const char *name, const char *tier, int priority, const char *subject,
        const char *ingress, const char *egress)
{
    world_set(w,
              "{'apiVersion': 'policy.networking.k8s.io/v1alpha2', 'kind': "
              "'ClusterNetworkPolicy', 'metadata': {'name': '%s'}, 'spec': {'tier': '%s', "
              "'priority': %d, 'subject': %s, 'ingress': [%s], 'egress': [%s]}}",
              name, tier, priority, subject, ingress, egress);
    world_run(w);
}

/* One policy in the tier and direction of the case, on namespace x. */
struct shape {
    const char *tier;
    bool egress;
    uint8_t protocol;
    const char *word; /* Of the protocol in the API. */
};

static void
set_shape(struct world *w, const struct shape *s, const char *rules)
{
    set_cnp(w, "shape", s->tier, 10, NS("x"), s->egress ? "" : rules, s->egress ? rules : "");
}

/* A rule about y; 'port' 0: all protocols. */
static char *
rule(const struct shape *s, const char *action, int port)
{
    char *protocols = port ? xasprintf(", 'protocols': [{'%s': {'destinationPort': {'number': "
                                       "%d}}}]",
                                       s->word, port)
                           : xstrdup("");
    char *text = xasprintf("{'action': '%s', '%s': [" NS("y") "]%s}", action,
                           s->egress ? "to" : "from", protocols);

    free(protocols);
    return text;
}

static void
try(struct world *w, const struct shape *s, const char *action_1, int port_1, const char *action_2,
    int port_2, bool allowed_at_80, bool allowed_at_81)
{
    char *first = rule(s, action_1, port_1), *second = rule(s, action_2, port_2);
    char *rules = xasprintf("%s, %s", first, second);
    const char *denied = s->egress ? "deny x* y*" : "deny y* x*";

    set_shape(w, s, rules);
    reach_assert(w, s->protocol, 80, allowed_at_80 ? "" : denied);
    reach_assert(w, s->protocol, 81, allowed_at_81 ? "" : denied);
    free(first);
    free(second);
    free(rules);
}

/* CNPAdminTier{In,E}gress{TCP,UDP,SCTP}, CNPBaselineTier{In,E}gress{TCP,UDP,SCTP} */
static void
try_shape(const struct shape *s)
{
    struct world w;

    reach_init(&w);
    /* Order. */
    try(&w, s, "Accept", 0, "Deny", 0, true, true);
    try(&w, s, "Deny", 0, "Accept", 0, false, false);
    try(&w, s, "Pass", 0, "Deny", 0, true, true);
    try(&w, s, "Deny", 0, "Pass", 0, false, false);
    /* Ports. */
    try(&w, s, "Accept", 80, "Deny", 0, true, false);
    try(&w, s, "Deny", 80, "Accept", 0, false, true);
    try(&w, s, "Pass", 80, "Deny", 0, true, false);
    try(&w, s, "Deny", 80, "Pass", 0, false, true);
    world_uninit(&w);
}

static void
test_tiers_directions_protocols(void **state)
{
    static const struct {
        uint8_t number;
        const char *word;
    } protocols[] = { { IPPROTO_TCP, "tcp" }, { IPPROTO_UDP, "udp" }, { IPPROTO_SCTP, "sctp" } };

    for (int i = 0; i < 12; i++) {
        const struct shape shape = {
            .tier = i & 1 ? "Admin" : "Baseline",
            .egress = i & 2,
            .protocol = protocols[i / 4].number,
            .word = protocols[i / 4].word,
        };

        try_shape(&shape);
    }
}

/* CNP{Admin,Baseline}TierGress: both directions, protocols mixed. */
static void
test_gress(void **state)
{
    static const char *const tiers[] = { "Admin", "Baseline" };
    struct world w;

    reach_init(&w);
    for (size_t i = 0; i < ARRAY_SIZE(tiers); i++) {
        set_cnp(&w, "p", tiers[i], 10, NS("x"),
                "{'action': 'Accept', 'from': [" NS(
                    "y") "], 'protocols': [{'tcp': "
                         "{'destinationPort': {'number': 80}}}, {'udp': {'destinationPort': "
                         "{'number': "
                         "81}}}, {'sctp': {}}]}, {'action': 'Deny', 'from': [" NS("y") "]}",
                "{'action': 'Accept', 'to': [" NS(
                    "z") "], 'protocols': [{'tcp': "
                         "{'destinationPort': {'range': {'start': 81, 'end': 90}}}}]},"
                         "{'action': 'Deny', 'to': [" NS("z") "]}");
        reach_assert(&w, IPPROTO_TCP, 80, "deny x* z*");
        reach_assert(&w, IPPROTO_TCP, 81, "deny y* x*");
        reach_assert(&w, IPPROTO_UDP, 80, "deny y* x*, deny x* z*");
        reach_assert(&w, IPPROTO_UDP, 81, "deny x* z*");
        reach_assert(&w, IPPROTO_SCTP, 80, "deny x* z*");
        reach_assert(&w, IPPROTO_ICMP, 0, "deny y* x*, deny x* z*");
    }
    world_uninit(&w);
}

/* CNP{Admin,Baseline}TierEgressInlineCIDRPeers */
static void
test_networks_match_pods_too(void **state)
{
    static const char *const tiers[] = { "Admin", "Baseline" };
    struct world w;

    reach_init(&w);
    for (size_t i = 0; i < ARRAY_SIZE(tiers); i++) {
        char *more;

        set_cnp(&w, "p", tiers[i], 10, NS("x"), "",
                "{'action': 'Accept', 'to': [{'namespaces': {'matchLabels': {'open': 'yes'}}}]},"
                "{'action': 'Deny', 'to': [{'networks': ['0.0.0.0/0', '::/0']}]}");
        reach_assert(&w, IPPROTO_TCP, 80, "deny x* *");
        reach_set_namespace(&w, "y", "'open': 'yes'");
        world_run(&w);
        reach_assert(&w, IPPROTO_TCP, 80, "deny x* *, allow x* y*");
        reach_set_namespace(&w, "y", "");
        world_run(&w);
        reach_assert(&w, IPPROTO_TCP, 80, "deny x* *");

        char *address = xstrdup(world_address(&w, "z", "b"));
        more = xasprintf("{'action': 'Accept', 'to': [{'networks': ['%s/32']}]},"
                         "{'action': 'Deny', 'to': [{'networks': ['0.0.0.0/0', '::/0']}]}",
                         address);
        set_cnp(&w, "p", tiers[i], 10, NS("x"), "", more);
        reach_assert(&w, IPPROTO_TCP, 80, "deny x* *, allow x* z/b");
        free(more);
        free(address);
    }
    world_uninit(&w);
}

/* CNPAdminTierPriorityField */
static void
test_priority(void **state)
{
    struct world w;

    reach_init(&w);
    set_cnp(&w, "deny", "Admin", 50, NS("x"), "{'action': 'Deny', 'from': [" ALL "]}",
            "{'action': 'Deny', 'to': [" ALL "]}");
    set_cnp(&w, "pass", "Admin", 60, NS("x"), "{'action': 'Pass', 'from': [" ALL "]}",
            "{'action': 'Pass', 'to': [" ALL "]}");
    set_cnp(&w, "base", "Baseline", 1, NS("x"), "{'action': 'Accept', 'from': [" ALL "]}",
            "{'action': 'Accept', 'to': [" ALL "]}");
    reach_assert(&w, IPPROTO_TCP, 80, "deny x* *, deny * x*, allow x* world, allow world x*");
    set_cnp(&w, "pass", "Admin", 40, NS("x"), "{'action': 'Pass', 'from': [" ALL "]}",
            "{'action': 'Pass', 'to': [" ALL "]}");
    reach_assert(&w, IPPROTO_TCP, 80, "");
    world_uninit(&w);
}

/* CNPAdminTierIntegration */
static void
test_integration(void **state)
{
    struct world w;

    reach_init(&w);
    reach_set_policy(&w, "x", "np",
                     "'podSelector': {}, 'policyTypes': ['Ingress'], 'ingress': [{}]");
    set_cnp(&w, "admin", "Admin", 1, NS("x"), "{'action': 'Deny', 'from': [" NS("y") "]}", "");
    set_cnp(&w, "base", "Baseline", 1, NS("x"), "{'action': 'Deny', 'from': [" ALL "]}", "");
    reach_assert(&w, IPPROTO_TCP, 80, "deny y* x*");
    set_cnp(&w, "admin", "Admin", 1, NS("x"), "{'action': 'Pass', 'from': [" NS("y") "]}", "");
    reach_assert(&w, IPPROTO_TCP, 80, "");
    world_del_policy(&w, "x", "np");
    world_run(&w);
    reach_assert(&w, IPPROTO_TCP, 80, "deny * x*, allow world x*");
    world_uninit(&w);
}

/* CNP{Admin,Baseline}Tier{Ingress,Egress}NamedPort */
static void
test_named_ports(void **state)
{
    static const char *const tiers[] = { "Admin", "Baseline" };
    struct world w;

    reach_init(&w);
    for (size_t i = 0; i < ARRAY_SIZE(tiers); i++) {
        set_cnp(
            &w, "p", tiers[i], 10, NS("x"),
            "{'action': 'Accept', 'from': [" NS(
                "y") "], 'protocols': "
                     "[{'destinationNamedPort': 'serve-80-tcp'}, {'destinationNamedPort': "
                     "'serve-80-sctp'}]}, {'action': 'Deny', 'from': [" NS("y") "]}",
            "{'action': 'Deny', 'to': [" NS("z") "], 'protocols': "
                                                 "[{'destinationNamedPort': 'serve-80-udp'}]}");
        reach_assert(&w, IPPROTO_TCP, 80, "");
        reach_assert(&w, IPPROTO_SCTP, 80, "");
        reach_assert(&w, IPPROTO_TCP, 81, "deny y* x*");
        reach_assert(&w, IPPROTO_UDP, 80, "deny y* x*, deny x* z*");
        reach_assert(&w, IPPROTO_UDP, 81, "deny y* x*");
    }
    world_uninit(&w);
}

/* CNP{Admin,Baseline}TierEgressNodePeers */
static void
test_nodes(void **state)
{
    struct world w;

    reach_init(&w);
    world_set(&w, "{'apiVersion': 'v1', 'kind': 'Node', 'metadata': {'name': 'node-2', 'labels': "
                  "{'a': 'b'}}, 'status': {'addresses': [{'type': 'InternalIP', 'address': "
                  "'172.30.0.2'}, {'type': 'ExternalIP', 'address': '192.0.2.2'}]}}");
    set_cnp(&w, "p", "Admin", 10, NS("x"), "",
            "{'action': 'Accept', 'to': [{'nodes': {'matchLabels': {'a': 'b'}}}], 'protocols': "
            "[{'tcp': {'destinationPort': {'number': 36363}}}]},"
            "{'action': 'Pass', 'to': [{'nodes': {}}], 'protocols': "
            "[{'udp': {'destinationPort': {'number': 34346}}}]},"
            "{'action': 'Deny', 'to': [{'nodes': {}}]}");

    char *pod = xstrdup(world_address(&w, "x", "a"));
    assert_true(reach_allows(&w, pod, "172.30.0.2", IPPROTO_TCP, 36363));
    assert_true(reach_allows(&w, pod, "192.0.2.2", IPPROTO_TCP, 36363));
    assert_false(reach_allows(&w, pod, "172.30.0.1", IPPROTO_TCP, 36363));
    assert_false(reach_allows(&w, pod, "172.30.0.2", IPPROTO_TCP, 80));
    assert_true(reach_allows(&w, pod, "172.30.0.2", IPPROTO_UDP, 34346));
    assert_false(reach_allows(&w, pod, "172.30.0.2", IPPROTO_UDP, 53));
    assert_true(reach_allows(&w, pod, "192.0.2.9", IPPROTO_TCP, 80));

    /* A node that loses the label closes, with the policy as it was. */
    world_set(&w, "{'apiVersion': 'v1', 'kind': 'Node', 'metadata': {'name': 'node-2'}, 'status': "
                  "{'addresses': [{'type': 'InternalIP', 'address': '172.30.0.2'}]}}");
    world_run(&w);
    assert_false(reach_allows(&w, pod, "172.30.0.2", IPPROTO_TCP, 36363));
    free(pod);
    world_uninit(&w);
}

/* What upstream leaves out. */

static void
test_pass_in_baseline(void **state)
{
    struct world w;

    reach_init(&w);
    set_cnp(&w, "a", "Baseline", 1, NS("x"), "{'action': 'Pass', 'from': [" NS("y") "]}", "");
    set_cnp(&w, "b", "Baseline", 2, ALL, "{'action': 'Deny', 'from': [" ALL "]}", "");
    reach_assert(&w, IPPROTO_TCP, 80, "deny * *, allow y* x*, allow world *, allow * world");
    world_uninit(&w);
}

/* Several baselines: the lowest number decides, and the singleton of the
 * older kind comes last. */
static void
test_several_baselines(void **state)
{
    struct world w;

    reach_init(&w);
    world_set(&w, "{'apiVersion': 'policy.networking.k8s.io/v1alpha1', 'kind': "
                  "'BaselineAdminNetworkPolicy', 'metadata': {'name': 'default'}, 'spec': "
                  "{'subject': {'namespaces': {}}, 'ingress': [{'action': 'Deny', 'from': "
                  "[{'namespaces': {}}]}]}}");
    world_run(&w);
    reach_assert(&w, IPPROTO_TCP, 80, "deny * *, allow world *, allow * world");
    set_cnp(&w, "late", "Baseline", 1000, NS("x"), "{'action': 'Accept', 'from': [" NS("y") "]}",
            "");
    reach_assert(&w, IPPROTO_TCP, 80, "deny * *, allow y* x*, allow world *, allow * world");
    set_cnp(&w, "early", "Baseline", 999, NS("x"),
            "{'action': 'Deny', 'from': [" POD("y", "a") "]}", "");
    reach_assert(&w, IPPROTO_TCP, 80,
                 "deny * *, allow y* x*, deny y/a x*, allow world *, allow * world");
    world_uninit(&w);
}

static void
test_range_in_admin(void **state)
{
    struct world w;

    reach_init(&w);
    set_cnp(&w, "p", "Admin", 1, NS("x"),
            "{'action': 'Deny', 'from': [" ALL "], 'protocols': [{'tcp': {'destinationPort': "
            "{'range': {'start': 81, 'end': 1000}}}}]}",
            "");
    reach_assert(&w, IPPROTO_TCP, 80, "");
    reach_assert(&w, IPPROTO_TCP, 81, "deny * x*, allow world x*");
    reach_assert(&w, IPPROTO_TCP, 1000, "deny * x*, allow world x*");
    reach_assert(&w, IPPROTO_TCP, 1001, "");
    reach_assert(&w, IPPROTO_UDP, 81, "");
    world_uninit(&w);
}

static void
test_unknown_fields_fail_closed(void **state)
{
    struct world w;

    reach_init(&w);
    set_cnp(&w, "p", "Admin", 1, NS("x"),
            "{'action': 'Accept', 'from': [{'vms': {}}, " NS(
                "y") "]},"
                     "{'action': 'Deny', 'from': [" NS("y") "]}",
            "");
    reach_assert(&w, IPPROTO_TCP, 80, "deny y* x*");
    set_cnp(&w, "p", "Admin", 1, NS("x"), "{'action': 'Pass', 'from': [{'vms': {}}]}", "");
    reach_assert(&w, IPPROTO_TCP, 80, "deny * x*");
    set_cnp(&w, "p", "Admin", 1, NS("x"), "",
            "{'action': 'Deny', 'to': [" NS("y") "], 'protocols': [{'icmp': {}}]}");
    reach_assert(&w, IPPROTO_TCP, 80, "deny x* *");
    world_uninit(&w);
}

/* They are neither subjects nor pods, but addresses of their node. */
static void
test_host_network_pods(void **state)
{
    struct world w;

    reach_init(&w);
    reach_set_pod(&w, "x", "host", "", ", 'hostNetwork': true", "'podIP': '172.30.0.2'");
    set_cnp(&w, "p", "Admin", 1, ALL, "{'action': 'Deny', 'from': [" NS("x") "]}",
            "{'action': 'Deny', 'to': [" POD("x", "host") "]}");

    char *pod = xstrdup(world_address(&w, "y", "a"));
    assert_true(reach_allows(&w, pod, "172.30.0.2", IPPROTO_TCP, 80));
    assert_true(reach_allows(&w, "172.30.0.2", pod, IPPROTO_TCP, 80));
    free(pod);
    world_uninit(&w);
}

static void
test_self_and_own_node(void **state)
{
    struct world w;

    reach_init(&w);
    set_cnp(&w, "p", "Admin", 1, ALL, "{'action': 'Deny', 'from': [" ALL "]}",
            "{'action': 'Deny', 'to': [{'networks': ['0.0.0.0/0']}]}");

    char *pod = xstrdup(world_address(&w, "x", "a"));
    assert_true(reach_allows(&w, pod, pod, IPPROTO_TCP, 80));
    assert_true(reach_allows(&w, "172.30.0.1", pod, IPPROTO_TCP, 80));
    assert_false(reach_allows(&w, pod, "172.30.0.1", IPPROTO_TCP, 80));
    free(pod);
    world_uninit(&w);
}

/* Without protocols a rule is about all traffic, with protocols never about
 * ICMP. */
static void
test_icmp(void **state)
{
    struct world w;

    reach_init(&w);
    set_cnp(&w, "p", "Admin", 1, NS("x"),
            "{'action': 'Deny', 'from': [" NS("y") "]}, {'action': 'Deny', 'from': [" NS(
                "z") "], 'protocols': [{'tcp': {}}, {'udp': {}}, {'sctp': {}}]}",
            "");
    reach_assert(&w, IPPROTO_ICMP, 0, "deny y* x*");
    reach_assert(&w, IPPROTO_TCP, 80, "deny y* x*, deny z* x*");
    world_uninit(&w);
}

/* A NetworkPolicy that isolates one direction leaves the other to baseline. */
static void
test_network_policy_of_the_other_direction(void **state)
{
    struct world w;

    reach_init(&w);
    reach_set_policy(&w, "x", "np",
                     "'podSelector': {}, 'policyTypes': ['Egress'], 'egress': [{}]");
    set_cnp(&w, "base", "Baseline", 1, NS("x"), "{'action': 'Deny', 'from': [" ALL "]}",
            "{'action': 'Deny', 'to': [" ALL "]}");
    reach_assert(&w, IPPROTO_TCP, 80, "deny * x*, allow world x*");
    world_uninit(&w);
}

/* Accept of the source's egress does not open the destination's ingress. */
static void
test_both_ends(void **state)
{
    struct world w;

    reach_init(&w);
    set_cnp(&w, "out", "Admin", 1, NS("x"), "", "{'action': 'Accept', 'to': [" ALL "]}");
    reach_set_policy(&w, "y", "np", "'podSelector': {}, 'policyTypes': ['Ingress']");
    world_run(&w);
    reach_assert(&w, IPPROTO_TCP, 80, "deny * y*");
    world_uninit(&w);
}

/* No rules, no effect: nothing is isolated by being a subject. */
static void
test_no_isolation(void **state)
{
    struct world w;

    reach_init(&w);
    set_cnp(&w, "a", "Admin", 1, ALL, "", "");
    set_cnp(&w, "b", "Baseline", 1, ALL, "{'action': 'Accept', 'from': [" NS("x") "]}", "");
    reach_assert(&w, IPPROTO_TCP, 80, "");
    world_uninit(&w);
}

static void
test_admin_network_policy(void **state)
{
    struct world w;

    reach_init(&w);
    world_set(
        &w,
        "{'apiVersion': 'policy.networking.k8s.io/v1alpha1', 'kind': "
        "'AdminNetworkPolicy', 'metadata': {'name': 'a'}, 'spec': {'priority': 10, "
        "'subject': " NS("x") ", 'ingress': [{'action': 'Allow', 'from': [" NS(
            "y") "], 'ports': [{'portNumber': {'port': 80}}, {'namedPort': "
                 "'serve-80-udp'}]}, {'action': 'Pass', 'from': [" POD(
                     "z",
                     "a") "]}, {'action': 'Deny', 'from': [{'namespaces': {}}], 'ports': "
                          "[{'portRange': {'start': 80, 'end': 81}}, {'portNumber': {'protocol': "
                          "'UDP', 'port': 80}}]}]}}");
    world_run(&w);
    reach_assert(&w, IPPROTO_TCP, 80, "deny * x*, allow y* x*, allow z/a x*, allow world x*");
    reach_assert(&w, IPPROTO_TCP, 81, "deny * x*, allow z/a x*, allow world x*");
    reach_assert(&w, IPPROTO_UDP, 80, "deny * x*, allow y* x*, allow z/a x*, allow world x*");
    reach_assert(&w, IPPROTO_UDP, 81, "");
    world_uninit(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tiers_directions_protocols),
        cmocka_unit_test(test_gress),
        cmocka_unit_test(test_networks_match_pods_too),
        cmocka_unit_test(test_priority),
        cmocka_unit_test(test_integration),
        cmocka_unit_test(test_named_ports),
        cmocka_unit_test(test_nodes),
        cmocka_unit_test(test_pass_in_baseline),
        cmocka_unit_test(test_several_baselines),
        cmocka_unit_test(test_range_in_admin),
        cmocka_unit_test(test_unknown_fields_fail_closed),
        cmocka_unit_test(test_host_network_pods),
        cmocka_unit_test(test_self_and_own_node),
        cmocka_unit_test(test_icmp),
        cmocka_unit_test(test_network_policy_of_the_other_direction),
        cmocka_unit_test(test_both_ends),
        cmocka_unit_test(test_no_isolation),
        cmocka_unit_test(test_admin_network_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
