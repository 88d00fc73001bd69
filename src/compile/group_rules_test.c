/* Groups and the policies about them: who reaches whom, what stays when a
 * group changes, what fails closed. */
#include "compile/reach_test.h"

#include "random.h"

static void
set_group(struct world *w, const char *name, const char *spec)
{
    world_set(w,
              "{'apiVersion': 'virga.dev/v1alpha1', 'kind': 'PolicyGroup', 'metadata': {'name': "
              "'%s'}, 'spec': {%s}}",
              name, spec);
}

static void
set_networks(struct world *w, const char *name, const char *networks)
{
    world_set(w,
              "{'apiVersion': 'virga.dev/v1alpha1', 'kind': 'NetworkGroup', 'metadata': {'name': "
              "'%s'}, 'spec': {'networks': [%s]}}",
              name, networks);
}

static void
set_policy(struct world *w, const char *name, const char *tier, const char *subject,
           const char *rules)
{
    world_set(w,
              "{'apiVersion': 'virga.dev/v1alpha1', 'kind': 'GroupPolicy', 'metadata': {'name': "
              "'%s'}, 'spec': {'tier': '%s', 'priority': 10, 'subject': {'group': '%s'}, %s}}",
              name, tier, subject, rules);
}

#define POD(NAME) "{'podSelector': {'matchLabels': {'pod': '" NAME "'}}}"
#define NS(NAME) \
    "{'namespaceSelector': {'matchLabels': {'kubernetes.io/metadata.name': '" NAME "'}}}"

/* Runs, and gives the rules that changed. */
static size_t
rules_changed(struct world *w)
{
    size_t n;

    compile_run(w->c);
    free(records_changed(compile_records(w->c), RECORD_RULE, &n));
    world_run(w);
    return n;
}

static void
test_accept_and_deny(void **state)
{
    struct world w;

    reach_init(&w);
    set_group(&w, "server",
              "'selectors': [{'podSelector': {'matchLabels': {'pod': 'a'}}, "
              "'namespaceSelector': {'matchLabels': "
              "{'kubernetes.io/metadata.name': 'x'}}}]");
    set_group(&w, "client", "'selectors': [" POD("b") "]");
    set_policy(&w, "p", "Group", "server",
               "'ingress': [{'action': 'Accept', 'from': [{'group': 'client'}], 'ports': "
               "[{'port': 80}]}, {'action': 'Deny'}]");
    world_run(&w);
    reach_assert(&w, IPPROTO_TCP, 80, "deny * x/a, allow x/b x/a, allow y/b x/a, allow z/b x/a");
    reach_assert(&w, IPPROTO_TCP, 81, "deny * x/a");
    assert_string_equal(world_problem(&w, POLICY_KIND_GROUP, "", "p"), "none");
    world_del_ordered(&w, POLICY_KIND_GROUP, "p");
    world_run(&w);
    reach_assert(&w, IPPROTO_TCP, 81, "");
    world_uninit(&w);
}

/* By name, by Nuage's label, by a selector, by a group below. */
static void
test_all_ways_into_a_group(void **state)
{
    struct world w;

    reach_init(&w);
    set_group(&w, "top", "'names': ['y/a'], 'groups': ['middle']");
    set_group(&w, "middle", "'groups': ['low', 'low2']");
    set_group(&w, "low",
              "'selectors': [{'namespaceSelector': {'matchLabels': {'team': 'z'}}, "
              "'podSelector': {'matchLabels': {'pod': 'c'}}}]");
    set_group(&w, "low2", "");
    set_policy(&w, "p", "Admin", "top", "'ingress': [{'action': 'Deny'}]");
    world_run(&w);
    reach_assert(&w, IPPROTO_TCP, 80, "deny * y/a");
    reach_set_namespace(&w, "z", "'team': 'z'");
    assert_int_equal(rules_changed(&w), 0);
    reach_assert(&w, IPPROTO_TCP, 80, "deny * y/a, deny * z/c");
    reach_set_pod(&w, "x", "b", ", 'nuage.io/policy-group': 'low2'", "", "");
    assert_int_equal(rules_changed(&w), 0);
    reach_assert(&w, IPPROTO_TCP, 80, "deny * y/a, deny * z/c, deny * x/b");
    reach_set_pod(&w, "x", "b", "", "", "");
    assert_int_equal(rules_changed(&w), 0);
    reach_assert(&w, IPPROTO_TCP, 80, "deny * y/a, deny * z/c");
    world_uninit(&w);
}

/* A name splits off the pod that has it, and none else. */
static void
test_names_split_no_more_than_they_must(void **state)
{
    struct world w;

    reach_init(&w);
    size_t before = records_count(compile_records(w.c), RECORD_IDENTITY);
    set_group(&w, "g", "'names': ['x/a', 'x/nobody']");
    world_run(&w);
    assert_int_equal(records_count(compile_records(w.c), RECORD_IDENTITY), before);
    set_policy(&w, "p", "Admin", "g", "'ingress': [{'action': 'Deny'}]");
    world_run(&w);
    assert_int_equal(records_count(compile_records(w.c), RECORD_IDENTITY), before + 1);
    reach_set_pod(&w, "x", "nobody", "", "", "");
    world_run(&w);
    assert_int_equal(records_count(compile_records(w.c), RECORD_IDENTITY), before + 2);
    world_del_ordered(&w, POLICY_KIND_GROUP, "p");
    world_run(&w);
    assert_int_equal(records_count(compile_records(w.c), RECORD_IDENTITY), before);
    world_uninit(&w);
}

static void
test_edits_change_no_rule(void **state)
{
    struct world w;

    reach_init(&w);
    set_group(&w, "server", "'names': ['x/a']");
    set_group(&w, "client", "'selectors': [" POD("b") "]");
    set_networks(&w, "net", "{'cidr': '192.0.2.0/24'}");
    set_policy(&w, "p", "Group", "server",
               "'ingress': [{'action': 'Accept', 'from': [{'group': 'client'}, {'networkGroup': "
               "'net'}]}, {'action': 'Deny'}]");
    world_run(&w);
    reach_assert(&w, IPPROTO_TCP, 80,
                 "deny * x/a, allow x/b x/a, allow y/b x/a, allow z/b x/a, allow world x/a");
    set_group(&w, "client", "'selectors': [" POD("c") "], 'names': ['y/a']");
    set_group(&w, "server", "'names': ['x/a', 'z/a']");
    set_networks(&w, "net",
                 "{'cidr': '192.0.2.0/24', 'except': ['192.0.2.0/28']}, "
                 "{'cidr': '10.128.0.0/9', 'except': ['10.128.0.0/10']}");
    assert_int_equal(rules_changed(&w), 0);
    reach_assert(&w, IPPROTO_TCP, 80,
                 "deny * x/a, deny * z/a, allow x/c x/a, allow y/c x/a, allow z/c x/a, allow y/a "
                 "x/a, allow x/c z/a, allow y/c z/a, allow z/c z/a, allow y/a z/a");
    world_uninit(&w);
}

static void
test_world_namespaces_and_pass(void **state)
{
    struct world w;

    reach_init(&w);
    set_group(&w, "g", "'selectors': [" NS("x") "]");
    set_policy(&w, "p", "Admin", "g",
               "'ingress': [{'action': 'Pass', 'from': [{'namespaces': {'matchLabels': "
               "{'kubernetes.io/metadata.name': 'y'}}}]}, {'action': 'Deny'}],"
               "'egress': [{'action': 'Reject', 'to': [{'world': true}]}]");
    set_policy(&w, "q", "Baseline", "g",
               "'ingress': [{'action': 'Deny', 'from': [{'group': 'g2'}]}]");
    set_group(&w, "g2", "'names': ['y/a']");
    world_run(&w);
    reach_assert(&w, IPPROTO_TCP, 80, "deny * x*, allow y* x*, deny y/a x*, deny x* world");
    assert_true(reach_allows(&w, "10.128.0.2", "172.30.0.1", IPPROTO_TCP, 80));
    world_uninit(&w);
}

static void
test_named_ports(void **state)
{
    struct world w;

    reach_init(&w);
    set_group(&w, "g", "'names': ['x/a', 'y/b'], 'selectors': [" NS("x") "]");
    set_policy(&w, "in", "Group", "g",
               "'ingress': [{'action': 'Accept', 'ports': [{'port': 'serve-80-tcp'}]}, "
               "{'action': 'Deny'}]");
    world_run(&w);
    reach_assert(&w, IPPROTO_TCP, 80, "");
    reach_assert(&w, IPPROTO_TCP, 81, "deny * x*, deny * y/b");
    world_del_ordered(&w, POLICY_KIND_GROUP, "in");
    set_group(&w, "all", "'selectors': [{'podSelector': {}}]");
    set_policy(&w, "out", "Group", "all",
               "'egress': [{'action': 'Deny', 'to': [{'group': 'g'}], 'ports': [{'port': "
               "'serve-81-tcp'}]}]");
    world_run(&w);
    reach_assert(&w, IPPROTO_TCP, 81, "deny * x*, deny * y/b, allow world *");
    set_group(&w, "g", "'names': ['z/c']");
    world_run(&w);
    reach_assert(&w, IPPROTO_TCP, 81, "deny * z/c, allow world *");
    world_uninit(&w);
}

static void
test_unknown_groups_fail_closed(void **state)
{
    struct world w;

    reach_init(&w);
    set_group(&w, "g", "'selectors': [" NS("x") "]");
    set_policy(&w, "p", "Admin", "g",
               "'ingress': [{'action': 'Accept', 'from': [{'group': 'no'}, {'namespaces': {}}], "
               "'ports': [{'port': 80}]},"
               "{'action': 'Pass', 'from': [{'networkGroup': 'no'}], 'ports': [{'port': 81}]}]");
    world_run(&w);
    reach_assert(&w, IPPROTO_TCP, 80, "deny * x*");
    assert_string_equal(world_problem(&w, POLICY_KIND_GROUP, "", "p"), "GroupNotResolved");
    set_networks(&w, "no", "");
    world_run(&w);
    reach_assert(&w, IPPROTO_TCP, 80, "");
    assert_string_equal(world_problem(&w, POLICY_KIND_GROUP, "", "p"), "GroupNotResolved");
    set_group(&w, "no", "");
    world_run(&w);
    assert_string_equal(world_problem(&w, POLICY_KIND_GROUP, "", "p"), "none");
    world_del_network_group(&w, "no");
    world_run(&w);
    reach_assert(&w, IPPROTO_TCP, 80, "deny world x*");
    world_uninit(&w);
}

/* A slip of the pen makes a group larger than it was meant. */
static void
test_unknown_fields_fail_closed(void **state)
{
    struct world w;

    reach_init(&w);
    set_group(&w, "g", "'selectors': [" NS("x") "]");
    set_group(&w, "odd", "'selectors': [{'namespaceSelector': {}, 'podSelecter': {}}]");
    set_group(&w, "above", "'groups': ['odd']");
    set_policy(&w, "p", "Admin", "g",
               "'ingress': [{'action': 'Accept', 'from': [{'group': 'above'}], 'ports': "
               "[{'port': 80}]}, {'action': 'Accept', 'from': [{'networkGroup': 'n'}], 'ports': "
               "[{'port': 81}]}, {'action': 'Deny'}]");
    world_set(&w, "{'apiVersion': 'virga.dev/v1alpha1', 'kind': 'NetworkGroup', 'metadata': "
                  "{'name': 'n'}, 'spec': {'networks': [{'cidr': '0.0.0.0/0', 'excepts': []}]}}");
    world_run(&w);
    reach_assert(&w, IPPROTO_TCP, 80, "deny * x*, deny world x*");
    reach_assert(&w, IPPROTO_TCP, 81, "deny * x*, deny world x*");
    assert_string_equal(world_problem(&w, "PolicyGroup", "", "odd"), "GroupNotResolved");
    assert_string_equal(world_problem(&w, "NetworkGroup", "", "n"), "UnknownField");
    set_group(&w, "odd", "'selectors': [{'namespaceSelector': {}}]");
    set_networks(&w, "n", "{'cidr': '0.0.0.0/0'}");
    world_run(&w);
    reach_assert(&w, IPPROTO_TCP, 80, "deny world x*");
    reach_assert(&w, IPPROTO_TCP, 81, "");
    assert_string_equal(world_problem(&w, "NetworkGroup", "", "n"), "none");
    world_uninit(&w);
}

static void
test_cycles_fail_closed(void **state)
{
    struct world w;

    reach_init(&w);
    set_group(&w, "g", "'selectors': [" NS("x") "]");
    set_group(&w, "a", "'groups': ['b'], 'names': ['y/a']");
    set_group(&w, "b", "'groups': ['c']");
    set_group(&w, "c", "");
    set_group(&w, "above", "'groups': ['a']");
    set_policy(&w, "p", "Admin", "g",
               "'ingress': [{'action': 'Accept', 'from': [{'group': 'above'}]}, {'action': "
               "'Deny', 'from': [{'group': 'b'}]}]");
    world_run(&w);
    reach_assert(&w, IPPROTO_TCP, 80, "");
    set_group(&w, "c", "'groups': ['b']");
    world_run(&w);
    reach_assert(&w, IPPROTO_TCP, 80, "deny * x*");
    assert_string_equal(world_problem(&w, "PolicyGroup", "", "a"), "GroupNotResolved");
    assert_string_equal(world_problem(&w, "PolicyGroup", "", "above"), "GroupNotResolved");
    assert_string_equal(world_problem(&w, "PolicyGroup", "", "g"), "none");
    assert_string_equal(world_problem(&w, POLICY_KIND_GROUP, "", "p"), "GroupNotResolved");
    set_group(&w, "c", "'groups': ['c']");
    world_run(&w);
    assert_string_equal(world_problem(&w, "PolicyGroup", "", "c"), "GroupNotResolved");
    set_group(&w, "c", "'names': ['z/a']");
    world_run(&w);
    reach_assert(&w, IPPROTO_TCP, 80, "deny z/a x*, allow y/a x*, allow z/a x*");
    assert_string_equal(world_problem(&w, "PolicyGroup", "", "a"), "none");
    world_uninit(&w);
}

/* Subjects are those that can be found. */
static void
test_subject_in_doubt(void **state)
{
    struct world w;

    reach_init(&w);
    set_policy(&w, "p", "Admin", "g", "'ingress': [{'action': 'Deny'}]");
    world_run(&w);
    reach_assert(&w, IPPROTO_TCP, 80, "");
    assert_string_equal(world_problem(&w, POLICY_KIND_GROUP, "", "p"), "GroupNotResolved");
    set_group(&w, "g", "'names': ['x/a'], 'groups': ['none']");
    world_run(&w);
    reach_assert(&w, IPPROTO_TCP, 80, "deny * x/a");
    assert_string_equal(world_problem(&w, POLICY_KIND_GROUP, "", "p"), "GroupNotResolved");
    set_group(&w, "g", "'names': ['x/a']");
    world_run(&w);
    assert_string_equal(world_problem(&w, POLICY_KIND_GROUP, "", "p"), "none");
    world_del_policy_group(&w, "g");
    world_run(&w);
    reach_assert(&w, IPPROTO_TCP, 80, "");
    world_uninit(&w);
}

static void
test_dry_run_decides_nothing(void **state)
{
    struct world w;

    reach_init(&w);
    set_group(&w, "g", "'selectors': [" NS("x") "]");
    set_policy(&w, "p", "Admin", "g",
               "'dryRun': true, 'log': true, 'ingress': [{'action': 'Deny'}]");
    world_run(&w);
    reach_assert(&w, IPPROTO_TCP, 80, "");
    char *records = world_records(&w);
    assert_non_null(strstr(records, "flags=log,dry-run"));
    free(records);
    world_uninit(&w);
}

static void
test_restart(void **state)
{
    struct world w;

    reach_init(&w);
    set_group(&w, "g",
              "'selectors': [" NS("x") ", " POD("b") "], 'names': ['y/a'], 'groups': "
                                                     "['h']");
    set_group(&w, "h", "'names': ['z/c']");
    set_networks(&w, "n", "{'cidr': '10.0.0.0/8', 'except': ['10.1.0.0/16']}");
    set_policy(&w, "p", "Group", "g",
               "'ingress': [{'action': 'Accept', 'from': [{'group': 'h'}, {'networkGroup': "
               "'n'}], 'ports': [{'port': 'serve-80-tcp'}]}, {'action': 'Reject'}]");
    world_run(&w);
    char *before = world_records(&w);
    world_restart(&w);
    world_run(&w);
    char *after = world_records(&w);
    assert_string_equal(after, before);
    free(before);
    free(after);
    world_uninit(&w);
}

/* Random changes; world_run() compares with the full result each time.
 * VIRGA_SEED and VIRGA_STEPS repeat or lengthen the script. */

static const char *const names[] = { "a", "b", "c", "d", "e" };
#define ANY() names[random_range(ARRAY_SIZE(names))]

static void
random_group(struct world *w)
{
    char *spec = xasprintf("'selectors': [%s], 'names': ['%s/%s'], 'groups': [%s]",
                           random_range(3)   ? ""
                           : random_range(2) ? POD("a")
                                             : NS("x"),
                           reach_namespaces[random_range(3)], ANY(),
                           random_range(3)   ? ""
                           : random_range(2) ? "'b'"
                                             : "'c', 'd'");
    set_group(w, ANY(), spec);
    free(spec);
}

static void
random_policy(struct world *w)
{
    static const char *const actions[] = { "Accept", "Deny", "Reject", "Pass" };
    static const char *const tiers[] = { "Admin", "Group", "Baseline" };
    static const char *const ports[] = { "", ", 'ports': [{'port': 'serve-80-tcp'}]",
                                         ", 'ports': [{'port': 81}]" };
    char *rules = xasprintf(
        "'ingress': [{'action': '%s', 'from': [{'group': '%s'}, {'networkGroup': '%s'}]%s}], "
        "'egress': [{'action': '%s', 'to': [{'group': '%s'}]%s, 'dryRun': %s}]",
        actions[random_range(4)], ANY(), ANY(), ports[random_range(3)], actions[random_range(4)],
        ANY(), ports[random_range(3)], random_range(4) ? "false" : "true");

    set_policy(w, ANY(), tiers[random_range(3)], ANY(), rules);
    free(rules);
}

static void
random_step(struct world *w)
{
    switch (random_range(8)) {
    case 0:
    case 1:
        random_group(w);
        break;
    case 2:
        world_del_policy_group(w, ANY());
        break;
    case 3:
    case 4:
        random_policy(w);
        break;
    case 5:
        world_del_ordered(w, POLICY_KIND_GROUP, ANY());
        break;
    case 6:
        if (random_range(3)) {
            set_networks(w, ANY(),
                         random_range(2) ? "{'cidr': '192.0.2.0/24'}"
                                         : "{'cidr': '10.128.0.0/16', 'except': "
                                           "['10.128.1.0/24']}");
        } else {
            world_del_network_group(w, ANY());
        }
        break;
    case 7:
        reach_set_pod(w, reach_namespaces[random_range(3)], ANY(),
                      random_range(2) ? "" : ", 'nuage.io/policy-group': 'c'", "", "");
        break;
    }
}

static void
verdicts(struct world *w)
{
    struct evaluate *e = evaluate_create(compile_records(w->c));

    for (int i = 0; i < 81; i++) {
        struct evaluate_tuple tuple = { .protocol = IPPROTO_TCP, .dst_port = 80 + i % 2 };
        char from[8], to[8];

        snprintf(from, sizeof from, "%s/%s", reach_namespaces[i / 27], reach_pods[i / 9 % 3]);
        snprintf(to, sizeof to, "%s/%s", reach_namespaces[i / 3 % 3], reach_pods[i % 3]);
        tuple.src = reach_address(w, i % 9 ? from : "world");
        tuple.dst = reach_address(w, to);
        world_verdict(w, e, &tuple);
    }
    evaluate_destroy(e);
}

static uint32_t
setting(const char *name, uint32_t otherwise)
{
    const char *text = getenv(name);

    return text ? strtoul(text, NULL, 0) : otherwise;
}

static void
test_random(void **state)
{
    struct world w;

    int n = setting("VIRGA_STEPS", 400);

    random_set_seed(setting("VIRGA_SEED", 20260726));
    reach_init(&w);
    for (int i = 0; i < n; i++) {
        random_step(&w);
        if (random_range(3)) {
            world_run(&w);
            verdicts(&w);
        }
        if (!random_range(50)) {
            world_run(&w);
            char *before = world_records(&w);
            world_restart(&w);
            world_run(&w);
            char *after = world_records(&w);
            assert_string_equal(after, before);
            free(before);
            free(after);
        }
    }
    world_run(&w);
    world_uninit(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accept_and_deny),
        cmocka_unit_test(test_all_ways_into_a_group),
        cmocka_unit_test(test_names_split_no_more_than_they_must),
        cmocka_unit_test(test_edits_change_no_rule),
        cmocka_unit_test(test_world_namespaces_and_pass),
        cmocka_unit_test(test_named_ports),
        cmocka_unit_test(test_unknown_groups_fail_closed),
        cmocka_unit_test(test_unknown_fields_fail_closed),
        cmocka_unit_test(test_cycles_fail_closed),
        cmocka_unit_test(test_subject_in_doubt),
        cmocka_unit_test(test_dry_run_decides_nothing),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
