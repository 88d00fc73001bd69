/* Ordered policies as records: what stays, what moves, what fails closed. */
#include "compile/reach_test.h"

static void
set_cnp(struct world *w, const char *name, const char *tier, int priority, const char *subject,
        const char *rules)
{
    world_set(w,
              "{'apiVersion': 'policy.networking.k8s.io/v1alpha2', 'kind': "
              "'ClusterNetworkPolicy', 'metadata': {'name': '%s'}, 'spec': {'tier': '%s', "
              "'priority': %d, 'subject': %s, %s}}",
              name, tier, priority, subject, rules);
}

#define ALL "{'namespaces': {}}"
#define IN_NS(NS) "{'namespaces': {'matchLabels': {'kubernetes.io/metadata.name': '" NS "'}}}"

/* The rules of a policy, in order of rank; one line each without its id. */
static char *
rules_of(struct world *w, const char *policy)
{
    struct ds ds = DS_EMPTY_INITIALIZER;
    const struct records *rs = compile_records(w->c);

    for (uint32_t rank = 0, next; rank <= RULE_RANK_MAX; rank = next + 1) {
        const struct record *r;
        const struct rec_rule *best = NULL;

        for (r = records_first(rs, RECORD_RULE); r; r = records_next(rs, r)) {
            const struct rec_rule *rule = (const struct rec_rule *) r;

            if (!strcmp(rule->policy, policy) && rule->rank >= rank
                && (!best || rule->rank < best->rank
                    || (rule->rank == best->rank && r->key < best->r.key))) {
                best = rule;
            }
        }
        if (!best) {
            break;
        }
        next = best->rank;
        for (r = records_first(rs, RECORD_RULE); r; r = records_next(rs, r)) {
            const struct rec_rule *rule = (const struct rec_rule *) r;

            if (!strcmp(rule->policy, policy) && rule->rank == best->rank) {
                struct rec_rule *copy = (struct rec_rule *) record_clone(r);
                copy->rank = 0;
                record_format(&copy->r, &ds);
                ds_put_char(&ds, '\n');
                record_destroy(&copy->r);
            }
        }
    }
    return ds_steal_cstr(&ds);
}

static const struct rec_rule *
rule_at(struct world *w, const char *policy, enum rule_direction direction, int32_t index)
{
    const struct record *r;

    for (r = records_first(compile_records(w->c), RECORD_RULE); r;
         r = records_next(compile_records(w->c), r)) {
        const struct rec_rule *rule = (const struct rec_rule *) r;

        if (!strcmp(rule->policy, policy) && rule->direction == direction
            && rule->index == index) {
            return rule;
        }
    }
    fail_msg("%s has no rule %d", policy, index);
    return NULL;
}

static void
assert_rule(struct world *w, const char *policy, enum rule_direction direction, int32_t index,
            const char *expected)
{
    const struct rec_rule *rule = rule_at(w, policy, direction, index);
    struct ds ds = DS_EMPTY_INITIALIZER;

    record_format(&rule->r, &ds);
    if (!strstr(ds_cstr(&ds), expected)) {
        fail_msg("\"%s\" is not in: %s", expected, ds_cstr(&ds));
    }
    ds_destroy(&ds);
}

static void
test_records(void **state)
{
    struct world w;

    reach_init(&w);
    set_cnp(
        &w, "p", "Admin", 7, IN_NS("x"),
        "'ingress': [{'action': 'Pass', 'from': [" ALL "]},"
        " {'action': 'Deny', 'from': [" IN_NS(
            "y") "], 'protocols': [{'tcp': {}}, "
                 "{'udp': {'destinationPort': {'range': {'start': 5, 'end': 9}}}}]}],"
                 "'egress': [{'action': 'Accept', 'to': [{'networks': ['10.0.0.0/8', '0.0.0.0/0', "
                 "'::/0']}]}]");
    world_run(&w);
    assert_rule(&w, "ClusterNetworkPolicy//p", RULE_INGRESS, 0, "tier=admin priority=7");
    assert_rule(&w, "ClusterNetworkPolicy//p", RULE_INGRESS, 0, "action=pass vni=0");
    assert_rule(&w, "ClusterNetworkPolicy//p", RULE_INGRESS, 0, "peers=pods ports=any");
    assert_rule(&w, "ClusterNetworkPolicy//p", RULE_INGRESS, 1, "ports=tcp:0-65535,udp:5-9");
    assert_rule(&w, "ClusterNetworkPolicy//p", RULE_INGRESS, 1, "action=deny");
    assert_rule(&w, "ClusterNetworkPolicy//p", RULE_EGRESS, 0, "peers=::/0,0.0.0.0/0 ports=any");
    world_uninit(&w);
}

/* A policy between two others, or a rule in front of others, changes no
 * record but its own. */
static void
test_insertion_touches_nothing_else(void **state)
{
    struct world w;
    size_t n;

    reach_init(&w);
    set_cnp(&w, "a", "Admin", 10, ALL, "'egress': [{'action': 'Deny', 'to': [" IN_NS("x") "]}]");
    set_cnp(&w, "c", "Admin", 12, ALL, "'egress': [{'action': 'Deny', 'to': [" IN_NS("x") "]}]");
    world_run(&w);
    set_cnp(&w, "b", "Admin", 11, ALL, "'egress': [{'action': 'Pass', 'to': [" IN_NS("x") "]}]");
    compile_run(w.c);
    free(records_changed(compile_records(w.c), RECORD_RULE, &n));
    assert_int_equal(n, 1);
    world_run(&w);

    uint32_t id = rule_at(&w, "ClusterNetworkPolicy//b", RULE_EGRESS, 0)->r.key;
    uint16_t rank = rule_at(&w, "ClusterNetworkPolicy//b", RULE_EGRESS, 0)->rank;
    set_cnp(&w, "b", "Admin", 11, ALL,
            "'egress': [{'action': 'Accept', 'to': [" IN_NS(
                "y") "]},"
                     " {'action': 'Pass', 'to': [" IN_NS("x") "]}]");
    world_run(&w);
    assert_int_equal(rule_at(&w, "ClusterNetworkPolicy//b", RULE_EGRESS, 1)->r.key, id);
    assert_int_equal(rule_at(&w, "ClusterNetworkPolicy//b", RULE_EGRESS, 1)->rank, rank);

    /* Another priority moves the rule; it stays the same rule. */
    set_cnp(&w, "c", "Admin", 5, ALL, "'egress': [{'action': 'Deny', 'to': [" IN_NS("x") "]}]");
    world_run(&w);
    assert_true(rule_at(&w, "ClusterNetworkPolicy//c", RULE_EGRESS, 0)->rank
                < rule_at(&w, "ClusterNetworkPolicy//a", RULE_EGRESS, 0)->rank);
    world_uninit(&w);
}

/* One rule of several names has several records at one rank. */
static void
test_named_ports_share_a_rank(void **state)
{
    struct world w;

    reach_init(&w);
    set_cnp(&w, "p", "Admin", 1, IN_NS("x"),
            "'ingress': [{'action': 'Deny', 'from': [" ALL "], 'protocols': "
            "[{'destinationNamedPort': 'serve-80-tcp'}, {'destinationNamedPort': "
            "'serve-80-sctp'}, {'tcp': {'destinationPort': {'number': 81}}}]},"
            " {'action': 'Accept', 'from': [" ALL "]}]");
    world_run(&w);
    char *rules = rules_of(&w, "ClusterNetworkPolicy//p");
    assert_non_null(strstr(rules, "ports=tcp:80 "));
    assert_non_null(strstr(rules, "ports=sctp:80 "));
    assert_non_null(strstr(rules, "ports=tcp:81 "));
    free(rules);

    /* A pod with another number adds one, and moves none. */
    uint16_t rank = rule_at(&w, "ClusterNetworkPolicy//p", RULE_INGRESS, 1)->rank;
    world_set(&w, "{'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'namespace': 'x', 'name': "
                  "'a'}, 'spec': {'containers': [{'name': 'c', 'ports': [{'name': "
                  "'serve-80-tcp', 'containerPort': 8080}]}]}}");
    world_run(&w);
    rules = rules_of(&w, "ClusterNetworkPolicy//p");
    assert_non_null(strstr(rules, "ports=tcp:8080 "));
    assert_int_equal(rule_at(&w, "ClusterNetworkPolicy//p", RULE_INGRESS, 1)->rank, rank);
    free(rules);
    world_uninit(&w);
}

static const char *
set_text(struct world *w, const char *selector)
{
    static char text[512];
    const struct record *r;

    for (r = records_first(compile_records(w->c), RECORD_SET); r;
         r = records_next(compile_records(w->c), r)) {
        const struct rec_set *set = (const struct rec_set *) r;
        struct ds ds = DS_EMPTY_INITIALIZER;

        if (!strcmp(set->selector, selector)) {
            record_format(r, &ds);
            ovs_strzcpy(text, strstr(ds_cstr(&ds), "selector="), sizeof text);
            ds_destroy(&ds);
            return text;
        }
    }
    return "none";
}

/* Labels and addresses of nodes change a set, and no rule. */
static void
test_nodes(void **state)
{
    struct world w;
    size_t n;

    reach_init(&w);
    set_cnp(&w, "p", "Admin", 1, ALL,
            "'egress': [{'action': 'Deny', 'to': [{'nodes': {'matchLabels': {'role': 'db'}}}]},"
            " {'action': 'Accept', 'to': [{'nodes': {}}]}]");
    world_run(&w);
    assert_string_equal(set_text(&w, "nodes{role=db}"), "selector=nodes{role=db}");
    assert_string_equal(set_text(&w, "nodes{}"),
                        "selector=nodes{} prefixes=172.30.0.1/32,172.30.0.2/32");

    world_set(&w, "{'apiVersion': 'v1', 'kind': 'Node', 'metadata': {'name': 'node-1', 'labels': "
                  "{'role': 'db'}}, 'status': {'addresses': [{'type': 'InternalIP', 'address': "
                  "'172.30.0.1'}, {'type': 'ExternalIP', 'address': '192.0.2.77'}, {'type': "
                  "'InternalIP', 'address': 'fd00::1'}, {'type': 'Hostname', 'address': 'n'}]}}");
    compile_run(w.c);
    free(records_changed(compile_records(w.c), RECORD_RULE, &n));
    assert_int_equal(n, 0);
    world_run(&w);
    assert_string_equal(set_text(&w, "nodes{role=db}"),
                        "selector=nodes{role=db} "
                        "prefixes=172.30.0.1/32,192.0.2.77/32,fd00::1/128");
    world_del_node(&w, "node-1");
    world_run(&w);
    assert_non_null(strstr(set_text(&w, "nodes{role=db}"), "172.30.0.1/32"));
    world_del_node_object(&w, "node-1");
    world_run(&w);
    assert_string_equal(set_text(&w, "nodes{role=db}"), "selector=nodes{role=db}");
    assert_string_equal(set_text(&w, "nodes{}"), "selector=nodes{} prefixes=172.30.0.2/32");
    world_del_ordered(&w, POLICY_KIND_CLUSTER, "p");
    world_run(&w);
    assert_string_equal(set_text(&w, "nodes{}"), "none");
    world_uninit(&w);
}

static void
test_domains(void **state)
{
    struct world w;

    reach_init(&w);
    set_cnp(&w, "p", "Admin", 1, ALL,
            "'egress': [{'action': 'Accept', 'to': [{'domainNames': ['b.example', "
            "'*.A.example.']}]}]");
    world_run(&w);
    assert_string_equal(set_text(&w, "domains{*.a.example,b.example}"),
                        "selector=domains{*.a.example,b.example} "
                        "domains=*.a.example,b.example");
    world_uninit(&w);
}

static void
test_fail_closed(void **state)
{
    struct world w;

    reach_init(&w);
    set_cnp(&w, "p", "Admin", 1, IN_NS("x"),
            "'ingress': [{'action': 'Accept', 'from': [{'vms': {}}, " ALL "]},"
            " {'action': 'Pass', 'from': [{'vms': {}}]},"
            " {'action': 'Deny', 'from': [" IN_NS("y") "], 'protocols': [{'icmp': {}}]}]");
    world_run(&w);
    char *rules = rules_of(&w, "ClusterNetworkPolicy//p");
    assert_null(strstr(rules, "index=0"));
    assert_null(strstr(rules, "action=pass"));
    free(rules);
    assert_rule(&w, "ClusterNetworkPolicy//p", RULE_INGRESS, 1, "action=deny vni=0");
    assert_rule(&w, "ClusterNetworkPolicy//p", RULE_INGRESS, 1, "peers=any ports=any");
    assert_rule(&w, "ClusterNetworkPolicy//p", RULE_INGRESS, 2, "peers=any ports=any");
    assert_string_equal(world_problem(&w, POLICY_KIND_CLUSTER, "", "p"), "UnknownField");
    set_cnp(&w, "p", "Admin", 1, IN_NS("x"), "'ingress': []");
    world_run(&w);
    assert_string_equal(world_problem(&w, POLICY_KIND_CLUSTER, "", "p"), "none");
    world_uninit(&w);
}

static void
set_egress_of_group(struct world *w, const char *name, int n, const char *rule)
{
    struct ds rules = DS_EMPTY_INITIALIZER;

    for (int i = 0; i < n; i++) {
        ds_put_format(&rules, "%s%s", i ? ", " : "", rule);
    }
    world_set(w,
              "{'apiVersion': 'virga.dev/v1alpha1', 'kind': 'GroupPolicy', 'metadata': {'name': "
              "'%s'}, 'spec': {'tier': 'Admin', 'priority': 1, 'subject': {'group': 'all'}, "
              "'egress': [%s]}}",
              name, ds_cstr(&rules));
    ds_destroy(&rules);
}

/* 99 ranks are left.  What decides nothing goes on so, and who cannot keep
 * its ranks leaves them to others. */
static void
check_last_ranks(struct world *w)
{
    static const char dry[] = "{'action': 'Deny', 'dryRun': true}";

    world_set(w, "{'apiVersion': 'virga.dev/v1alpha1', 'kind': 'PolicyGroup', 'metadata': "
                 "{'name': 'all'}, 'spec': {'selectors': [{'podSelector': {}}]}}");
    set_egress_of_group(w, "dry", 100, dry);
    world_run(w);
    assert_string_equal(world_problem(w, POLICY_KIND_GROUP, "", "dry"), "TooManyRules");
    assert_rule(w, "GroupPolicy//dry", RULE_EGRESS, -1, "flags=dry-run");

    set_egress_of_group(w, "dry", 50, dry);
    set_egress_of_group(w, "wet", 60, "{'action': 'Deny'}");
    world_run(w);
    assert_string_equal(world_problem(w, POLICY_KIND_GROUP, "", "dry"), "none");
    assert_string_equal(world_problem(w, POLICY_KIND_GROUP, "", "wet"), "TooManyRules");
    set_egress_of_group(w, "dry", 100, dry);
    world_run(w);
    assert_string_equal(world_problem(w, POLICY_KIND_GROUP, "", "dry"), "TooManyRules");
    assert_string_equal(world_problem(w, POLICY_KIND_GROUP, "", "wet"), "none");
}

/* More rules than ranks: who comes too late denies, and gets in when there is
 * room. */
static void
test_too_many_rules(void **state)
{
    struct world w;
    struct ds rules = DS_EMPTY_INITIALIZER;
    int n_policies = RULE_RANK_MAX / 100;

    reach_init(&w);
    ds_put_cstr(&rules, "'egress': [");
    for (int i = 0; i < 100; i++) {
        ds_put_format(&rules, "%s{'action': 'Allow', 'to': [{'namespaces': {}}]}", i ? ", " : "");
    }
    ds_put_cstr(&rules, "]");
    for (int i = 0; i < n_policies; i++) {
        char *text = xasprintf("{'apiVersion': 'policy.networking.k8s.io/v1alpha1', 'kind': "
                               "'AdminNetworkPolicy', 'metadata': {'name': 'p%04d'}, 'spec': "
                               "{'priority': 5, 'subject': {'namespaces': {}}, %s}}",
                               i, ds_cstr(&rules));
        json_t *json = object_from_text(text);
        struct field_errors errors;

        field_errors_init(&errors);
        compile_set_ordered_policy(w.c, ordered_policy_decode(json, &errors));
        assert_errors(&errors, "");
        json_decref(json);
        free(text);
    }
    ds_destroy(&rules);
    world_run(&w);
    assert_string_equal(world_problem(&w, POLICY_KIND_ADMIN, "", "p0599"), "TooManyRules");
    assert_string_equal(world_problem(&w, POLICY_KIND_ADMIN, "", "p0598"), "none");
    assert_rule(&w, "AdminNetworkPolicy//p0599", RULE_EGRESS, -1, "rank=60000 action=deny");
    assert_rule(&w, "AdminNetworkPolicy//p0599", RULE_EGRESS, -1, "peers=any ports=any");
    compile_del_ordered_policy(w.c, POLICY_KIND_ADMIN, "p0003");
    world_run(&w);
    assert_string_equal(world_problem(&w, POLICY_KIND_ADMIN, "", "p0599"), "none");
    check_last_ranks(&w);
    world_uninit(&w);
}

/* Ids and ranks come back, also of policies that were renamed about. */
static void
test_restart(void **state)
{
    struct world w;

    reach_init(&w);
    for (int i = 0; i < 40; i++) {
        char name[8];

        snprintf(name, sizeof name, "p%d", i * 7 % 40);
        set_cnp(&w, name, i % 2 ? "Admin" : "Baseline", i * 13 % 9, ALL,
                "'ingress': [{'action': 'Deny', 'from': [" IN_NS(
                    "x") "]},"
                         " {'action': 'Pass', 'from': [" ALL "], 'protocols': "
                         "[{'destinationNamedPort': 'serve-80-tcp'}, {'destinationNamedPort': "
                         "'none'}]},"
                         " {'action': 'Accept', 'from': [" ALL "], 'protocols': "
                         "[{'destinationNamedPort': 'none'}]}]");
        world_run(&w);
    }
    char *before = world_records(&w);
    world_restart(&w);
    world_run(&w);
    char *after = world_records(&w);
    assert_string_equal(after, before);
    free(before);
    free(after);
    world_uninit(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_insertion_touches_nothing_else),
        cmocka_unit_test(test_named_ports_share_a_rank),
        cmocka_unit_test(test_nodes),
        cmocka_unit_test(test_domains),
        cmocka_unit_test(test_fail_closed),
        cmocka_unit_test(test_too_many_rules),
        cmocka_unit_test(test_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
