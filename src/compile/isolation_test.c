/* The older forms: isolated namespaces, and policies that open only these. */
#include "compile/reach_test.h"

#define ALPHA_ANNOTATION "net.alpha.kubernetes.io/network-isolation"

static void
set_isolation(struct world *w, const char *ns, const char *isolation)
{
    world_set(w,
              "{'apiVersion': 'v1', 'kind': 'Namespace', 'metadata': {'name': '%s',"
              " 'annotations': {'" ALPHA_ANNOTATION "': '%s'}}}",
              ns, isolation);
}

static void
set_alpha(struct world *w, const char *ns, const char *name, const char *spec)
{
    world_set(w,
              "{'apiVersion': 'net.alpha.kubernetes.io/v1alpha1', 'kind': 'NetworkPolicy',"
              " 'metadata': {'namespace': '%s', 'name': '%s'}, 'spec': {%s}}",
              ns, name, spec);
}

#define FROM_B_TO_A \
    "'podSelector': {'pod': 'a'}, 'allowIncoming': {'from': [{'pods': {'pod': 'b'}}]}"

static void
run_and_assert(struct world *w, const char *expect)
{
    world_run(w);
    world_assert_mirror(w);
    reach_assert(w, IPPROTO_TCP, 80, expect);
}

static void
test_isolation_goes_on_and_off(void **state)
{
    struct world w;

    reach_init(&w);
    set_isolation(&w, "x", "on");
    run_and_assert(&w, "deny * x/*");
    set_isolation(&w, "x", "off");
    run_and_assert(&w, "");
    set_isolation(&w, "x", "on");
    run_and_assert(&w, "deny * x/*");
    reach_set_namespace(&w, "x", "");
    run_and_assert(&w, "");
    world_uninit(&w);
}

/* A policy of either form opens; each by itself. */
static void
test_policies_open(void **state)
{
    struct world w;

    reach_init(&w);
    set_isolation(&w, "x", "on");
    set_alpha(&w, "x", "p", FROM_B_TO_A);
    run_and_assert(&w, "deny * x/*, allow x/b x/a");
    reach_set_policy(&w, "x", "p",
                     "'podSelector': {'matchLabels': {'pod': 'c'}}, 'ingress': [{'from':"
                     " [{'namespaceSelector': {'matchLabels': {'kubernetes.io/metadata.name':"
                     " 'y'}}}]}]");
    run_and_assert(&w, "deny * x/*, allow x/b x/a, allow y/* x/c");
    world_del_policy_of(&w, POLICY_KIND_ALPHA, "x", "p");
    run_and_assert(&w, "deny * x/*, allow y/* x/c");
    world_uninit(&w);
}

/* In a namespace that is not isolated it neither isolates nor opens what
 * another policy closes. */
static void
test_alpha_policy_needs_isolation(void **state)
{
    struct world w;

    reach_init(&w);
    set_alpha(&w, "x", "p", FROM_B_TO_A);
    run_and_assert(&w, "");
    reach_set_policy(&w, "x", "deny", "'podSelector': {}");
    run_and_assert(&w, "deny * x/*");
    set_isolation(&w, "x", "on");
    run_and_assert(&w, "deny * x/*, allow x/b x/a");
    set_isolation(&w, "y", "on");
    run_and_assert(&w, "deny * x/*, deny * y/*, allow x/b x/a");
    set_isolation(&w, "x", "off");
    run_and_assert(&w, "deny * x/*, deny * y/*");
    world_uninit(&w);
}

static void
test_alpha_peers_and_ports(void **state)
{
    struct world w;

    reach_init(&w);
    reach_set_namespace(&w, "y", "'team': 'blue'");
    set_isolation(&w, "x", "on");
    set_alpha(&w, "x", "p",
              "'podSelector': {'pod': 'a'}, 'allowIncoming': {'from': [{'namespaces':"
              " {'team': 'blue'}}], 'toPorts': [{'port': 80, 'protocol': 'tcp'}]}");
    run_and_assert(&w, "deny * x/*, allow y/* x/a");
    reach_assert(&w, IPPROTO_TCP, 81, "deny * x/*");
    reach_assert(&w, IPPROTO_UDP, 80, "deny * x/*");

    set_alpha(&w, "x", "p",
              "'allowIncoming': {'from': [{'namespaces': {'team': 'blue'}, 'pods':"
              " {'pod': 'b'}}]}");
    run_and_assert(&w, "deny * x/*, allow y/b x/*");
    set_alpha(&w, "x", "p", "'allowIncoming': {}");
    run_and_assert(&w, "");
    set_alpha(&w, "x", "p", "'podSelector': {}");
    run_and_assert(&w, "deny * x/*");
    set_alpha(&w, "x", "p",
              "'podSelector': {'pod': 'b'}, 'allowIncoming': {'toPorts': [{'port':"
              " 'serve-81-tcp'}]}");
    run_and_assert(&w, "deny * x/*");
    reach_assert(&w, IPPROTO_TCP, 81, "deny * x/*, allow * x/b");
    set_isolation(&w, "x", "off");
    run_and_assert(&w, "");
    world_uninit(&w);
}

/* The forms have names of their own, and keep their numbers over a restart. */
static void
test_names_and_restart(void **state)
{
    struct world w;

    reach_init(&w);
    set_isolation(&w, "x", "on");
    set_alpha(&w, "x", "x", FROM_B_TO_A);
    reach_set_policy(&w, "x", "x", "'podSelector': {}");
    world_run(&w);
    char *before = world_records(&w);
    assert_non_null(strstr(before, " policy=Namespace//x "));
    assert_non_null(strstr(before, " policy=NetworkPolicy/x/x "));
    assert_non_null(strstr(before, " policy=NetworkPolicy.net.alpha.kubernetes.io/x/x "));

    world_restart(&w);
    world_run(&w);
    char *after = world_records(&w);
    assert_string_equal(after, before);
    free(before);
    free(after);

    world_del_policy(&w, "x", "x");
    run_and_assert(&w, "deny * x/*, allow x/b x/a");
    world_uninit(&w);
}

/* It goes and comes with the namespace; what is wrong shows once. */
static void
test_isolated_namespace_goes(void **state)
{
    struct world w;
    size_t n;

    reach_init(&w);
    set_isolation(&w, "x", "on");
    set_alpha(&w, "x", "p", FROM_B_TO_A);
    world_run(&w);
    world_del_namespace(&w, "x");
    world_run(&w);
    assert_string_equal(world_problem(&w, POLICY_KIND_ALPHA, "x", "p"), "NamespaceMissing");
    char *records = world_records(&w);
    assert_null(strstr(records, "Namespace//x"));
    free(records);

    world_set(&w, "{'apiVersion': 'v1', 'kind': 'Namespace', 'metadata': {'name': 'q',"
                  " 'annotations': {'" ALPHA_ANNOTATION "': 'on',"
                  " 'virga.dev/subnets': '10.128.1.0/24'}}}");
    world_run(&w);
    compile_problems(w.c, &n);
    const struct compile_problem *p = compile_problems(w.c, &n);
    for (size_t i = 0; i < n; i++) {
        assert_false(!strcmp(p[i].kind, "Namespace") && !strcmp(p[i].namespace_, "q"));
    }
    assert_string_equal(world_problem(&w, "Namespace", "", "q"), "SubnetOverlap");
    set_isolation(&w, "x", "on");
    run_and_assert(&w, "deny * x/*, allow x/b x/a");
    world_uninit(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_isolation_goes_on_and_off),
        cmocka_unit_test(test_policies_open),
        cmocka_unit_test(test_alpha_policy_needs_isolation),
        cmocka_unit_test(test_alpha_peers_and_ports),
        cmocka_unit_test(test_names_and_restart),
        cmocka_unit_test(test_isolated_namespace_goes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
