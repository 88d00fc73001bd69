/* GroupPolicy: what the schema of its CRD accepts and refuses, and what a rule
 * that asks for more than is known becomes. */
#include <netinet/in.h>

#include "model/groups.h"
#include "model/object_test.h"
#include "util.h"

#define group_policy ordered_policy
#define group_policy_destroy ordered_policy_destroy
OBJECT_TEST_FUNCTIONS(group_policy)

#define NOT_CHECKED                                                                          \
    "<nil>: Invalid value: null: some validation rules were not checked because the object " \
    "was invalid; correct the existing errors to complete validation"

static char *
policy_text(const char *rules)
{
    return xasprintf("{'metadata': {'name': 'p'}, 'spec': {'tier': 'Group', 'priority': 10, "
                     "'subject': {'group': 'web'}, %s}}",
                     rules);
}

static struct ordered_policy *
good(const char *rules)
{
    char *text = policy_text(rules);
    struct ordered_policy *policy = good_group_policy(text);

    free(text);
    return policy;
}

static void
bad(const char *rules, const char *expected)
{
    char *text = policy_text(rules);

    bad_group_policy(text, expected);
    free(text);
}

static void
test_a_full_policy(void **state)
{
    struct ordered_policy *policy = good(
        "'ingress': [{'name': 'from front', 'action': 'Accept', 'log': true, 'stats': true,"
        "  'from': [{'group': 'front'}, {'networkGroup': 'offices'},"
        "           {'namespaces': {'matchLabels': {'team': 'a'}}}, {'world': true}],"
        "  'ports': [{'port': 80}, {'protocol': 'UDP', 'port': 'dns'},"
        "            {'port': 1000, 'endPort': 2000}, {'protocol': 'SCTP'}]},"
        " {'action': 'Reject', 'dryRun': true}],"
        "'egress': [{'action': 'Pass', 'to': [{'group': 'db'}]}, {'action': 'Deny'}]");
    const struct ordered_rule *rule = &policy->ingress[0];

    assert_string_equal(policy->kind, POLICY_KIND_GROUP);
    assert_int_equal(policy->tier, ORDERED_TIER_GROUP);
    assert_int_equal(policy->priority, 10);
    assert_int_equal(policy->subject.kind, ORDERED_PEER_GROUP);
    assert_string_equal(policy->subject.name, "web");

    assert_string_equal(rule->name, "from front");
    assert_int_equal(rule->action, ORDERED_ALLOW);
    assert_true(rule->log);
    assert_false(rule->dry_run);
    assert_null(rule->fail_closed);
    assert_int_equal(rule->n_peers, 4);
    assert_int_equal(rule->peers[0].kind, ORDERED_PEER_GROUP);
    assert_string_equal(rule->peers[0].name, "front");
    assert_int_equal(rule->peers[1].kind, ORDERED_PEER_NETWORK_GROUP);
    assert_int_equal(rule->peers[2].kind, ORDERED_PEER_PODS);
    assert_selector(&rule->peers[2].namespaces, "team=a");
    assert_int_equal(rule->peers[3].kind, ORDERED_PEER_WORLD);
    assert_int_equal(rule->n_ports, 4);
    assert_int_equal(rule->ports[0].protocol, IPPROTO_TCP);
    assert_int_equal(rule->ports[0].last, 80);
    assert_string_equal(rule->ports[1].name, "dns");
    assert_int_equal(rule->ports[2].last, 2000);
    assert_int_equal(rule->ports[3].protocol, IPPROTO_SCTP);
    assert_int_equal(rule->ports[3].last, 65535);

    assert_int_equal(policy->ingress[1].action, ORDERED_REJECT);
    assert_true(policy->ingress[1].dry_run);
    assert_int_equal(policy->ingress[1].n_peers, 0);
    assert_int_equal(policy->egress[0].action, ORDERED_PASS);
    assert_int_equal(policy->egress[1].action, ORDERED_DENY);
    ordered_policy_destroy(policy);
}

static void
test_allow_is_accept(void **state)
{
    struct ordered_policy *policy = good("'ingress': [{'action': 'Allow'}]");

    assert_int_equal(policy->ingress[0].action, ORDERED_ALLOW);
    ordered_policy_destroy(policy);
}

static void
test_flags_of_the_policy_are_those_of_its_rules(void **state)
{
    struct ordered_policy *policy = good(
        "'log': true, 'dryRun': true, 'ingress': [{'action': 'Deny', 'log': false}]");

    assert_true(policy->ingress[0].log);
    assert_true(policy->ingress[0].dry_run);
    ordered_policy_destroy(policy);
}

static void
test_required_fields(void **state)
{
    bad_group_policy("{'metadata': {'name': 'p'}}", "spec: Required value\n" NOT_CHECKED);
    bad_group_policy("{'metadata': {'name': 'p'}, 'spec': {}}",
                     "spec.tier: Required value\n"
                     "spec.priority: Required value\n"
                     "spec.subject: Required value\n" NOT_CHECKED);
    bad_group_policy("{'metadata': {'name': 'p'}, 'spec': {'tier': 'Top', 'priority': 1001, "
                     "'subject': {}}}",
                     "spec.tier: Unsupported value: \"Top\": supported values: \"Admin\", "
                     "\"Group\", \"Baseline\"\n"
                     "spec.priority: Invalid value: 1001: spec.priority in body should be less "
                     "than or equal to 1000\n"
                     "spec.subject.group: Required value\n" NOT_CHECKED);
}

static void
test_bad_rules(void **state)
{
    bad("'ingress': [{}]", "spec.ingress[0].action: Required value\n" NOT_CHECKED);
    bad("'egress': [{'action': 'Drop'}]",
        "spec.egress[0].action: Unsupported value: \"Drop\": supported values: \"Accept\", "
        "\"Allow\", \"Deny\", \"Reject\", \"Pass\"\n" NOT_CHECKED);
    /* Everybody is who is not named, never an empty list. */
    bad("'ingress': [{'action': 'Accept', 'from': []}]",
        "spec.ingress[0].from: Invalid value: 0: spec.ingress[0].from in body should have at "
        "least 1 items");
    bad("'ingress': [{'action': 'Accept', 'ports': []}]",
        "spec.ingress[0].ports: Invalid value: 0: spec.ingress[0].ports in body should have at "
        "least 1 items");
}

static void
test_bad_peers(void **state)
{
    bad("'ingress': [{'action': 'Accept', 'from': [{}]}]",
        "spec.ingress[0].from[0]: Invalid value: 0: spec.ingress[0].from[0] in body should have "
        "at least 1 properties");
    bad("'ingress': [{'action': 'Accept', 'from': [{'group': 'a', 'world': true}]}]",
        "spec.ingress[0].from[0]: Too many: 2: must have at most 1 item\n" NOT_CHECKED);
    bad("'ingress': [{'action': 'Accept', 'from': [{'world': false}]}]",
        "spec.ingress[0].from[0].world: Unsupported value: false: supported values: "
        "true\n" NOT_CHECKED);
}

static void
test_bad_ports(void **state)
{
    bad("'ingress': [{'action': 'Accept', 'ports': [{'port': 0}]}]",
        "spec.ingress[0].ports[0].port: Invalid value: 0: spec.ingress[0].ports[0].port in body "
        "should be greater than or equal to 1");
    bad("'ingress': [{'action': 'Accept', 'ports': [{'endPort': 80}, {'port': 'a', 'endPort': 1},"
        " {'port': 2, 'endPort': 1}]}]",
        "spec.ingress[0].ports[0].endPort: Invalid value: \"object\": needs a port that is a "
        "number, and not above it\n"
        "spec.ingress[0].ports[1].endPort: Invalid value: \"object\": needs a port that is a "
        "number, and not above it\n"
        "spec.ingress[0].ports[2].endPort: Invalid value: \"object\": needs a port that is a "
        "number, and not above it");
    bad("'egress': [{'action': 'Deny', 'to': [{'world': true}], 'ports': [{'port': 'web'}]}]",
        "spec.egress[0]: Invalid value: \"object\": a named port cannot be asked of "
        "networkGroup or world");
}

/* What a newer version may have added. */
static void
test_unknown_parts_fail_closed(void **state)
{
    struct ordered_policy *policy = good(
        "'ingress': [{'action': 'Accept', 'from': [{'galaxy': {}}]},"
        "            {'action': 'Accept', 'ports': [{'port': 1, 'when': 'night'}]},"
        "            {'action': 'Deny', 'until': 'noon'}, {'action': 'Accept', 'until': null},"
        "            {'action': 'Accept', 'from': [{'namespaces': {'labels': {}}}]}]");

    assert_string_equal(policy->ingress[0].fail_closed,
                        "spec.ingress[0].from[0].galaxy is not known");
    assert_string_equal(policy->ingress[1].fail_closed,
                        "spec.ingress[1].ports[0].when is not known");
    assert_string_equal(policy->ingress[2].fail_closed, "spec.ingress[2].until is not known");
    assert_null(policy->ingress[3].fail_closed);
    assert_string_equal(policy->ingress[4].fail_closed,
                        "spec.ingress[4].from[0].namespaces.labels is not known");
    ordered_policy_destroy(policy);

    policy = good_group_policy(
        "{'apiVersion': 'virga.dev/v1alpha1', 'kind': 'GroupPolicy', 'metadata': {'name': 'p'}, "
        "'spec': {'tier': 'Group', 'priority': 1, 'subject': {'group': 'a', 'namespaces': {}}, "
        "'egress': [{'action': 'Accept'}]}}");
    assert_string_equal(policy->egress[0].fail_closed, "spec.subject.namespaces is not known");
    ordered_policy_destroy(policy);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_full_policy),
        cmocka_unit_test(test_allow_is_accept),
        cmocka_unit_test(test_flags_of_the_policy_are_those_of_its_rules),
        cmocka_unit_test(test_required_fields),
        cmocka_unit_test(test_bad_rules),
        cmocka_unit_test(test_bad_peers),
        cmocka_unit_test(test_bad_ports),
        cmocka_unit_test(test_unknown_parts_fail_closed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
