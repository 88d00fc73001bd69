#include "compile/policy_rules.h"

#include <stdlib.h>
#include <string.h>

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

/* Pods of each set have "web" over TCP as 80 and as 8000 + how many letters
 * their selectors have; nobody has anything else. */
static uint16_t *
tell_numbers(void *aux, const struct selector *namespaces, const struct selector *pods,
             const char *port_key, size_t *n)
{
    struct ds text = DS_EMPTY_INITIALIZER;
    uint16_t *numbers = xmalloc(2 * sizeof *numbers);

    selector_format(namespaces, &text);
    selector_format(pods, &text);
    numbers[0] = 80;
    numbers[1] = 8000 + text.length;
    *n = strcmp(port_key, "port:tcp/web") ? 0 : 2;
    ds_destroy(&text);
    return numbers;
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
    const struct policy_pods pods = { ask, tell_numbers, asked };
    bool too_large;
    struct rec_rule **rules = policy_rules_build(policy, 4096, &pods, n, &too_large);
    assert_false(too_large);
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
                 "kubernetes.io/metadata.name=shop/ kubernetes.io/metadata.name=shop/",
                 INGRESS "action=isolate vni=4096 subject=1 peers=any ports=any" POLICY
                         "-1\n" INGRESS "action=allow vni=4096 subject=1"
                         " peers=pods,set:2,9.0.0.0/8,10.0.0.0/32,10.0.0.2/31 ports=any" POLICY
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

/* Peers that come to nothing match nothing: they must not read as "any". */
static void
test_nothing_is_not_any(void **state)
{
    struct asked asked;
    size_t n;
    struct rec_rule **rules = build(
        "'podSelector': {}, 'ingress': [{'from': [{'ipBlock': {'cidr': '10.0.0.0/31', 'except':"
        " ['10.0.0.0/32', '10.0.0.1/32']}}], 'ports': []}]",
        &asked, &n);

    assert_int_equal(n, 2);
    assert_false(rules[1]->any_peer);
    assert_int_equal(rules[1]->n_peer_sets + rules[1]->n_peer_prefixes, 0);
    assert_true(rules[1]->any_port);
    destroy(rules, n, &asked);
}

#define OWN "kubernetes.io/metadata.name=shop/"
#define ISOLATE "action=isolate vni=4096 subject=1 peers=any ports=any" POLICY "-1\n"

/* Ingress: who holds the number is the subject; the peers stay. */
static void
test_named_port_of_subjects(void **state)
{
    assert_rules(
        "'podSelector': {'matchLabels': {'app': 'a'}}, 'ingress': [{'from':"
        " [{'podSelector': {}}, {'ipBlock': {'cidr': '10.0.0.0/8'}}], 'ports':"
        " [{'port': 'web'}, {'port': 443}, {'port': 'web'}, {'port': 'absent'},"
        " {'port': 'web', 'protocol': 'UDP'}]}]",
        OWN "app=a " OWN " " OWN " " OWN "app=a,port:tcp/web=80 " OWN "app=a,port:tcp/web=8037",
        INGRESS ISOLATE INGRESS
        "action=allow vni=4096 subject=1 peers=set:2,10.0.0.0/8 ports=tcp:443" POLICY "0\n" INGRESS
        "action=allow vni=4096 subject=4 peers=set:3,10.0.0.0/8 ports=tcp:80" POLICY "0\n" INGRESS
        "action=allow vni=4096 subject=5 peers=set:3,10.0.0.0/8 ports=tcp:8037" POLICY "0\n");
}

/* Egress: the peers that hold the number; an ipBlock holds none. */
static void
test_named_port_of_peers(void **state)
{
    assert_rules(
        "'podSelector': {}, 'policyTypes': ['Egress'], 'egress': [{'to':"
        " [{'podSelector': {}}, {'namespaceSelector': {}}, {'ipBlock': {'cidr':"
        " '10.0.0.0/8'}}], 'ports': [{'port': 'web'}]}]",
        OWN " " OWN "port:tcp/web=80 /port:tcp/web=80 /port:tcp/web=8000 " OWN "port:tcp/web=8032",
        EGRESS ISOLATE EGRESS
        "action=allow vni=4096 subject=1 peers=set:2,set:3 ports=tcp:80" POLICY "0\n" EGRESS
        "action=allow vni=4096 subject=1 peers=set:4 ports=tcp:8000" POLICY "0\n" EGRESS
        "action=allow vni=4096 subject=1 peers=set:5 ports=tcp:8032" POLICY "0\n");
}

/* Without peers: all pods that hold it, not anybody. */
static void
test_named_port_of_all_pods(void **state)
{
    assert_rules("'podSelector': {}, 'policyTypes': ['Egress'], 'egress': [{'ports': [{'port':"
                 " 'web'}]}]",
                 OWN " /port:tcp/web=80 /port:tcp/web=8000",
                 EGRESS ISOLATE EGRESS
                 "action=allow vni=4096 subject=1 peers=set:2 ports=tcp:80" POLICY "0\n" EGRESS
                 "action=allow vni=4096 subject=1 peers=set:3 ports=tcp:8000" POLICY "0\n");
}

/* A name that nobody has, or that only an ipBlock is asked for, adds no rule. */
static void
test_named_port_of_nobody(void **state)
{
    assert_rules("'podSelector': {}, 'policyTypes': ['Ingress', 'Egress'], 'ingress': [{'ports':"
                 " [{'port': 'absent'}]}], 'egress': [{'to': [{'ipBlock': {'cidr':"
                 " '10.0.0.0/8'}}], 'ports': [{'port': 'web'}]}]",
                 OWN, INGRESS ISOLATE EGRESS ISOLATE);
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
        cmocka_unit_test(test_named_port_of_subjects),
        cmocka_unit_test(test_named_port_of_peers),
        cmocka_unit_test(test_named_port_of_all_pods),
        cmocka_unit_test(test_named_port_of_nobody),
        cmocka_unit_test(test_keep_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
