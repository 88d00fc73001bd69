#include "compile/policy_rules.h"

#include <stdlib.h>

#include "model/object_test.h"
#include "model/objects.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

/* Sets are numbered in the order in which they are asked for, and noted. */
struct asked {
    struct ds text;
    uint32_t n;
};

static uint32_t
ask(void *aux, const struct selector *namespaces, const struct selector *pods)
{
    struct asked *asked = aux;

    ds_put_format(&asked->text, "%s", asked->n ? " " : "");
    selector_format(namespaces, &asked->text);
    ds_put_char(&asked->text, '/');
    selector_format(pods, &asked->text);
    return ++asked->n;
}

static struct network_policy *
policy_of(const char *spec)
{
    char *text = xasprintf("{'apiVersion': 'networking.k8s.io/v1', 'kind': 'NetworkPolicy',"
                           " 'metadata': {'namespace': 'shop', 'name': 'p'}, 'spec': {%s}}",
                           spec);
    json_t *json = object_from_text(text);
    struct field_errors errors;

    field_errors_init(&errors);
    struct network_policy *policy = network_policy_decode(json, &errors);
    assert_errors(&errors, "");
    json_decref(json);
    free(text);
    return policy;
}

static struct rec_rule **
build(const char *spec, struct asked *asked, size_t *n)
{
    struct network_policy *policy = policy_of(spec);

    *asked = (struct asked){ .text = DS_EMPTY_INITIALIZER };
    struct rec_rule **rules = policy_rules_build(policy, 4096, ask, asked, n);
    network_policy_destroy(policy);
    return rules;
}

static void
destroy(struct rec_rule **rules, size_t n, struct asked *asked)
{
    for (size_t i = 0; i < n; i++) {
        record_destroy(&rules[i]->r);
    }
    free(rules);
    ds_destroy(&asked->text);
}

static void
assert_rules(const char *spec, const char *sets, const char *expected)
{
    struct ds ds = DS_EMPTY_INITIALIZER;
    struct asked asked;
    size_t n;
    struct rec_rule **rules = build(spec, &asked, &n);

    for (size_t i = 0; i < n; i++) {
        record_format(&rules[i]->r, &ds);
        ds_put_char(&ds, '\n');
    }
    assert_string_equal(ds_cstr(&ds), expected);
    assert_string_equal(ds_cstr(&asked.text), sets);
    ds_destroy(&ds);
    destroy(rules, n, &asked);
}

#define INGRESS "rule 0 ingress tier=networkpolicy priority=0 "
#define EGRESS "rule 0 egress tier=networkpolicy priority=0 "
#define POLICY " policy=NetworkPolicy/shop/p index="

static void
test_both_directions(void **state)
{
    assert_rules("'podSelector': {'matchLabels': {'app': 'a'}}, 'policyTypes': ['Ingress',"
                 " 'Egress'], 'egress': [{}]",
                 "kubernetes.io/metadata.name=shop/app=a",
                 INGRESS
                 "action=isolate vni=4096 subject=1 peers=any ports=any" POLICY "-1\n" EGRESS
                 "action=isolate vni=4096 subject=1 peers=any ports=any" POLICY "-1\n" EGRESS
                 "action=allow vni=4096 subject=1 peers=any ports=any" POLICY "0\n");
}

static void
test_peers(void **state)
{
    assert_rules("'podSelector': {}, 'ingress': [{'from': [{'podSelector': {}},"
                 " {'namespaceSelector': {}}, {'ipBlock': {'cidr': '10.0.0.0/30', 'except':"
                 " ['10.0.0.1/32']}}, {'ipBlock': {'cidr': '10.0.0.2/32'}}, {'ipBlock':"
                 " {'cidr': '9.0.0.0/8'}}]}]",
                 "kubernetes.io/metadata.name=shop/ kubernetes.io/metadata.name=shop/ /",
                 INGRESS "action=isolate vni=4096 subject=1 peers=any ports=any" POLICY
                         "-1\n" INGRESS "action=allow vni=4096 subject=1"
                         " peers=set:2,set:3,9.0.0.0/8,10.0.0.0/32,10.0.0.2/31 ports=any" POLICY
                         "0\n");
}

static void
test_ports(void **state)
{
    assert_rules("'podSelector': {}, 'ingress': [{'ports': [{'protocol': 'UDP', 'port': 53},"
                 " {'port': 90, 'endPort': 99}, {'port': 80}, {'port': 81, 'endPort': 85},"
                 " {'port': 83, 'endPort': 84}, {'protocol': 'SCTP'}]}]",
                 "kubernetes.io/metadata.name=shop/",
                 INGRESS "action=isolate vni=4096 subject=1 peers=any ports=any" POLICY
                         "-1\n" INGRESS "action=allow vni=4096 subject=1 peers=any"
                         " ports=tcp:80-85,tcp:90-99,udp:53,sctp:0-65535" POLICY "0\n");
}

/* Empty clauses match nothing: they must not read as "any". */
static void
test_nothing_is_not_any(void **state)
{
    struct asked asked;
    size_t n;
    struct rec_rule **rules = build(
        "'podSelector': {}, 'ingress': [{'from': [{'ipBlock': {'cidr': '10.0.0.0/31', 'except':"
        " ['10.0.0.0/32', '10.0.0.1/32']}}], 'ports': [{'port': 'http'}]}]",
        &asked, &n);

    assert_int_equal(n, 2);
    assert_false(rules[1]->any_peer);
    assert_int_equal(rules[1]->n_peer_sets + rules[1]->n_peer_prefixes, 0);
    assert_false(rules[1]->any_port);
    assert_int_equal(rules[1]->n_ports, 0);
    destroy(rules, n, &asked);
}

static void
test_named_ports_are_told(void **state)
{
    struct network_policy *policy = policy_of(
        "'podSelector': {}, 'ingress': [{}, {'ports': [{'port': 80}, {'port': 'http'}]}]");
    struct ds ds = DS_EMPTY_INITIALIZER;

    assert_true(policy_rules_named_ports(policy, &ds));
    assert_string_equal(ds_cstr(&ds), "spec.ingress[1].ports[1] \"http\"");
    ds_destroy(&ds);
    network_policy_destroy(policy);
}

/* Numbers 100, 101, ... by position. */
static void
number(struct rec_rule **rules, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        rules[i]->r.key = 100 + i;
    }
}

static void
test_keep_keys(void **state)
{
    struct asked asked_old, asked;
    size_t n_old, n;
    struct rec_rule **old = build("'podSelector': {}, 'ingress': [{'ports': [{'port': 1}]},"
                                  " {'ports': [{'port': 2}]}, {'ports': [{'port': 2}]}]",
                                  &asked_old, &n_old);
    struct rec_rule **rules = build("'podSelector': {}, 'ingress': [{'ports': [{'port': 3}]},"
                                    " {'ports': [{'port': 2}]}, {'ports': [{'port': 2}]},"
                                    " {'ports': [{'port': 2}]}]",
                                    &asked, &n);
    const struct rec_rule *left[] = { old[0], old[1], old[2], old[3] };

    number(old, n_old);
    policy_rules_keep_keys(rules, n, left, n_old);
    assert_int_equal(rules[0]->r.key, 100);
    assert_int_equal(rules[1]->r.key, 0);
    assert_int_equal(rules[2]->r.key, 102);
    assert_int_equal(rules[3]->r.key, 103);
    assert_int_equal(rules[4]->r.key, 0);
    assert_null(left[0]);
    assert_ptr_equal(left[1], old[1]);
    assert_null(left[2]);
    assert_null(left[3]);
    destroy(old, n_old, &asked_old);
    destroy(rules, n, &asked);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_directions),
        cmocka_unit_test(test_peers),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_nothing_is_not_any),
        cmocka_unit_test(test_named_ports_are_told),
        cmocka_unit_test(test_keep_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
