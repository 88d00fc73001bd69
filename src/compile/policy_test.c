/* What NetworkPolicies mean: the cases of the Kubernetes end to end tests, by
 * their names, and those that they lack. */
#include "compile/reach_test.h"

struct policy_case {
    const char *name;
    const char *policies[3][2]; /* Namespace, spec. */
    const char *expect[4];      /* TCP 80, TCP 81, UDP 80, SCTP 80; NULL: as TCP 80. */
};

#define ALL_BOTH "'podSelector': {}, 'policyTypes': ['Ingress', 'Egress']"
#define X_A "'podSelector': {'matchLabels': {'pod': 'a'}}"
#define NS(NAME) "{'matchLabels': {'kubernetes.io/metadata.name': '" NAME "'}}"
#define POD(NAME) "{'matchLabels': {'pod': '" NAME "'}}"
#define FROM(...) "'ingress': [{'from': [" __VA_ARGS__ "]}]"
#define TO(...) "'policyTypes': ['Egress'], 'egress': [{'to': [" __VA_ARGS__ "]}]"

static const struct policy_case cases[] = {
    { "default-deny-ingress", { { "x", "'podSelector': {}, 'ingress': []" } }, { "deny * x/*" } },
    { "default-deny-all", { { "x", ALL_BOTH } }, { "deny * x/*, deny x/* *" } },
    { "from pods within the server namespace by podSelector",
      { { "x", X_A ", " FROM("{'podSelector': " POD("b") "}") } },
      { "deny * x/a, allow x/b x/a" } },
    { "ingress for a target",
      { { "x", "'podSelector': {}" }, { "x", X_A ", 'ingress': [{}]" } },
      { "deny * x/*, allow * x/a" } },
    { "ingress from pods in all namespaces, not from outside",
      { { "x", X_A ", " FROM("{'namespaceSelector': {}}") } },
      { "deny world x/a" } },
    { "only from a different namespace",
      { { "x", X_A ", " FROM("{'namespaceSelector': " NS("y") "}") } },
      { "deny * x/a, allow y/* x/a" } },
    { "podSelector with matchExpressions",
      { { "x", X_A ", " FROM("{'podSelector': {'matchExpressions': [{'key': 'pod', 'operator':"
                             " 'In', 'values': ['b']}]}}") } },
      { "deny * x/a, allow x/b x/a" } },
    { "namespaceSelector with matchExpressions",
      { { "x", X_A ", " FROM("{'namespaceSelector': {'matchExpressions': [{'key':"
                             " 'kubernetes.io/metadata.name', 'operator': 'In',"
                             " 'values': ['y']}]}}") } },
      { "deny * x/a, allow y/* x/a" } },
    { "podSelector or namespaceSelector: two peers",
      { { "x", X_A ", " FROM("{'namespaceSelector': {'matchExpressions': [{'key':"
                             " 'kubernetes.io/metadata.name', 'operator': 'NotIn',"
                             " 'values': ['x']}]}}, {'podSelector': " POD("b") "}") } },
      { "deny x/* x/a, allow x/b x/a, deny world x/a" } },
    { "podSelector and namespaceSelector: one peer",
      { { "x", X_A ", " FROM("{'namespaceSelector': {'matchExpressions': [{'key':"
                             " 'kubernetes.io/metadata.name', 'operator': 'NotIn', 'values':"
                             " ['x']}]}, 'podSelector': " POD("b") "}") } },
      { "deny * x/a, allow y/b x/a, allow z/b x/a" } },
    { "multiple podSelectors and namespaceSelectors",
      { { "x", X_A ", " FROM("{'namespaceSelector': {'matchExpressions': [{'key':"
                             " 'kubernetes.io/metadata.name', 'operator': 'NotIn', 'values':"
                             " ['x']}]}, 'podSelector': {'matchExpressions': [{'key': 'pod',"
                             " 'operator': 'In', 'values': ['b', 'c']}]}}") } },
      { "deny * x/a, allow y/b x/a, allow y/c x/a, allow z/b x/a, allow z/c x/a" } },
    { "any of several podSelectors",
      { { "x", X_A ", " FROM("{'podSelector': " POD("b") "}, {'podSelector': " POD("c") "}") } },
      { "deny * x/a, allow x/b x/a, allow x/c x/a" } },
    { "pod in a different namespace",
      { { "x",
          X_A ", " FROM("{'namespaceSelector': " NS("y") ", 'podSelector': " POD("a") "}") } },
      { "deny * x/a, allow y/a x/a" } },
    { "ports",
      { { "x", X_A ", 'ingress': [{'from': [{'namespaceSelector': " NS(
                   "y") "}], 'ports': [{'port': 81}]}]" } },
      { "deny * x/a", "deny * x/a, allow y/* x/a" } },
    { "stacked policies with overlapping podSelectors",
      { { "x", X_A ", 'ingress': [{'from': [{'namespaceSelector': " NS(
                   "y") "}], 'ports': [{'port': 81}]}]" },
        { "x", X_A ", 'ingress': [{'from': [{'namespaceSelector': " NS(
                   "y") "}], 'ports': [{'port': 80, 'protocol': 'TCP'}]}]" } },
      { "deny * x/a, allow y/* x/a", "deny * x/a, allow y/* x/a", "deny * x/a", "deny * x/a" } },
    { "allow-all", { { "x", "'podSelector': {}, 'ingress': [{}]" } }, { "" } },
    { "from own namespace only",
      { { "x", "'podSelector': {}, " FROM("{'podSelector': {}}") } },
      { "deny * x/*, allow x/* x/*" } },
    { "deny egress of pods by podSelector",
      { { "x", X_A ", 'policyTypes': ['Egress']" } },
      { "deny x/a *" } },
    { "deny egress of a namespace",
      { { "x", "'podSelector': {}, 'policyTypes': ['Egress']" } },
      { "deny x/* *" } },
    { "ingress and egress together",
      { { "x", X_A ", 'policyTypes': ['Ingress', 'Egress'], " FROM(
                   "{'podSelector': " POD("b") "}") ", 'egress': [{'ports': [{'port': 80}]}]" } },
      { "deny * x/a, allow x/b x/a", "deny * x/a, deny x/a *, allow x/b x/a",
        "deny * x/a, deny x/a *, allow x/b x/a", "deny * x/a, deny x/a *, allow x/b x/a" } },
    { "denied on the client side though the server allows",
      { { "x", X_A ", " TO("{'namespaceSelector': " NS("y") ", 'podSelector': " POD("a") "}") },
        { "y", "'podSelector': {'matchExpressions': [{'key': 'pod', 'operator': 'In', 'values':"
               " ['a', 'b']}]}, " FROM(
                   "{'namespaceSelector': " NS("x") ", 'podSelector': " POD("a") "}") } },
      { "deny x/a *, deny * y/a, deny * y/b, allow x/a y/a" } },
    { "egress to a pod in a different namespace",
      { { "x", X_A ", " TO("{'namespaceSelector': " NS("y") ", 'podSelector': " POD("a") "}") } },
      { "deny x/a *, allow x/a y/a" } },
    { "any port of a protocol",
      { { "x", X_A ", 'ingress': [{'ports': [{'protocol': 'TCP'}]}]" } },
      { "", "", "deny * x/a", "deny * x/a" } },
    { "allow-all takes precedence over other ingress policies",
      { { "x", X_A ", 'ingress': [{'ports': [{'port': 80}]}]" },
        { "x", X_A ", 'ingress': [{}]" } },
      { "" } },
    { "allow-all takes precedence over other egress policies",
      { { "x", X_A ", 'policyTypes': ['Egress'], 'egress': [{'ports': [{'port': 80}]}]" },
        { "x", X_A ", 'policyTypes': ['Egress'], 'egress': [{}]" } },
      { "" } },
    { "ingress and egress controlled independently",
      { { "x", X_A ", 'policyTypes': ['Egress'], 'egress': [{}]" },
        { "x", X_A ", 'policyTypes': ['Ingress']" } },
      { "deny * x/a" } },
    { "SCTP is not TCP",
      { { "x", "'podSelector': {}" },
        { "x", X_A ", 'ingress': [{'ports': [{'protocol': 'SCTP', 'port': 80}]}]" } },
      { "deny * x/*", "deny * x/*", "deny * x/*", "deny * x/*, allow * x/a" } },
    { "no TCP when only UDP is named",
      { { "x", X_A ", 'ingress': [{'ports': [{'protocol': 'UDP', 'port': 80}]}]" } },
      { "deny * x/a", "deny * x/a", "", "deny * x/a" } },
    { "namespaceSelector with the default label, NotIn, egress",
      { { "x", X_A ", " TO("{'namespaceSelector': {'matchExpressions': [{'key':"
                           " 'kubernetes.io/metadata.name', 'operator': 'NotIn',"
                           " 'values': ['y']}]}}") } },
      { "deny x/a y/*, deny x/a world" } },

    { "ingress on one named port, protocol omitted",
      { { "x", "'podSelector': {}, 'ingress': [{'ports': [{'port': 'serve-81-tcp'}]}]" } },
      { "deny * x/*", "", "deny * x/*", "deny * x/*" } },
    { "ingress from a namespace on one named port",
      { { "x", X_A ", 'ingress': [{'from': [{'namespaceSelector': " NS(
                   "y") "}], 'ports': [{'port': 'serve-80-tcp'}]}]" } },
      { "deny * x/a, allow y/* x/a", "deny * x/a", "deny * x/a", "deny * x/a" } },
    { "egress on one named port, resolved on destinations anywhere",
      { { "x", "'podSelector': {}, 'policyTypes': ['Egress'], 'egress': [{'ports': [{'port':"
               " 'serve-80-tcp'}]}]" } },
      { "deny x/* world", "deny x/* *", "deny x/* *", "deny x/* *" } },
    { "a named port under another protocol matches nothing",
      { { "x", X_A ", 'ingress': [{'ports': [{'port': 'serve-80-tcp', 'protocol': 'UDP'},"
                   " {'port': 'serve-80-sctp', 'protocol': 'SCTP'}]}]" } },
      { "deny * x/a", "deny * x/a", "deny * x/a", "" } },
    { "a name that no pod has leaves the rest of the rule",
      { { "x", X_A ", 'ingress': [{'ports': [{'port': 'absent'}, {'port': 81}]}]" } },
      { "deny * x/a", "", "deny * x/a", "deny * x/a" } },
    { "pods selected by an SCTP policy are isolated",
      { { "x", X_A ", 'ingress': [{'ports': [{'protocol': 'SCTP', 'port': 80}]}]" } },
      { "deny * x/a", "deny * x/a", "deny * x/a", "" } },
    { "UDP ports",
      { { "x", X_A ", 'ingress': [{'from': [{'namespaceSelector': " NS(
                   "y") "}], 'ports': [{'protocol': 'UDP', 'port': 80}]}]" } },
      { "deny * x/a", "deny * x/a", "deny * x/a, allow y/* x/a", "deny * x/a" } },
    { "SCTP ports",
      { { "x", X_A ", 'ingress': [{'from': [{'namespaceSelector': " NS(
                   "y") "}], 'ports': [{'protocol': 'SCTP', 'port': 80}]}]" } },
      { "deny * x/a", "deny * x/a", "deny * x/a", "deny * x/a, allow y/* x/a" } },
    { "SCTP without port is every port of SCTP",
      { { "x", X_A ", 'ingress': [{'ports': [{'protocol': 'SCTP'}]}]" } },
      { "deny * x/a", "deny * x/a", "deny * x/a", "" } },

    { "absent podSelector selects all",
      { { "x", "'policyTypes': ['Ingress']" } },
      { "deny * x/*" } },
    { "NotIn matches pods without the key",
      { { "x", X_A ", " FROM("{'podSelector': {'matchExpressions': [{'key': 'absent',"
                             " 'operator': 'NotIn', 'values': ['v']}]}}") } },
      { "deny * x/a, allow x/* x/a" } },
    { "matchLabels with an empty value needs the key",
      { { "x", X_A ", " FROM("{'podSelector': {'matchLabels': {'absent': ''}}}") } },
      { "deny * x/a" } },
    { "an ingress section under policyTypes Egress does nothing",
      { { "x", X_A ", 'policyTypes': ['Egress'], 'ingress': [{'ports': [{'port': 80}]}],"
                   " 'egress': [{}]" } },
      { "" } },
    { "policyTypes default to Ingress alone without egress rules",
      { { "x", X_A ", 'egress': []" } },
      { "deny * x/a" } },
    { "policyTypes default to both with egress rules",
      { { "x", X_A ", 'egress': [{}]" } },
      { "deny * x/a" } },
    { "empty from means every source, also outside",
      { { "x", X_A ", 'ingress': [{'from': [], 'ports': [{'port': 80}]}]" } },
      { "", "deny * x/a", "deny * x/a", "deny * x/a" } },
    { "empty ports mean every port and protocol",
      { { "x", X_A ", 'ingress': [{'from': [{'podSelector': {}}], 'ports': []}]" } },
      { "deny * x/a, allow x/* x/a" } },
    { "rules of two policies never intersect",
      { { "x", X_A
          ", 'ingress': [{'from': [{'podSelector': " POD("b") "}], 'ports': [{'port': 80}]}]" },
        { "x", X_A ", 'ingress': [{'from': [{'namespaceSelector': " NS(
                   "y") "}], 'ports': [{'port': 81}]}]" } },
      { "deny * x/a, allow x/b x/a", "deny * x/a, allow y/* x/a", "deny * x/a", "deny * x/a" } },
    { "a port range holds its ends",
      { { "x", X_A ", 'ingress': [{'ports': [{'port': 70, 'endPort': 80}]}]" } },
      { "", "deny * x/a", "deny * x/a", "deny * x/a" } },
};

static void
run_case(void **state)
{
    const struct policy_case *pc = *state;
    struct world w;

    reach_init(&w);
    for (size_t i = 0; i < ARRAY_SIZE(pc->policies) && pc->policies[i][0]; i++) {
        char name[8];

        snprintf(name, sizeof name, "p%zu", i);
        reach_set_policy(&w, pc->policies[i][0], name, pc->policies[i][1]);
    }
    world_run(&w);
    for (int i = 0; i < 4; i++) {
        static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP };

        reach_assert(&w, protocols[i], i == 1 ? 81 : 80,
                     pc->expect[i] ? pc->expect[i] : pc->expect[0]);
    }
    world_uninit(&w);
}

int
main(void)
{
    static struct CMUnitTest tests[ARRAY_SIZE(cases)];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        tests[i] = (struct CMUnitTest){
            .name = cases[i].name,
            .test_func = run_case,
            .initial_state = CONST_CAST(struct policy_case *, &cases[i]),
        };
    }
    return _cmocka_run_group_tests("policy", tests, ARRAY_SIZE(tests), NULL, NULL);
}
