/* Policies, pods and namespaces that change; addresses as peers; nodes. */
#include "compile/reach_test.h"

#define X_A "'podSelector': {'matchLabels': {'pod': 'a'}}"

static void
assert_tcp(struct world *w, const char *expect)
{
    world_run(w);
    reach_assert(w, IPPROTO_TCP, 80, expect);
}

static void
test_policy_updated_and_deleted(void **state)
{
    struct world w;

    reach_init(&w);
    reach_set_policy(&w, "x", "p", "'podSelector': {}, 'ingress': [{}]");
    assert_tcp(&w, "");
    reach_set_policy(&w, "x", "p", "'podSelector': {}, 'ingress': []");
    assert_tcp(&w, "deny * x/*");
    world_del_policy(&w, "x", "p");
    assert_tcp(&w, "");
    assert_int_equal(records_count(compile_records(w.c), RECORD_RULE), 0);
    assert_int_equal(records_count(compile_records(w.c), RECORD_SET), 0);
    world_uninit(&w);
}

static void
test_namespace_relabelled_as_peer(void **state)
{
    struct world w;

    reach_init(&w);
    reach_set_policy(&w, "x", "p",
                     X_A ", 'ingress': [{'from': [{'namespaceSelector':"
                         " {'matchLabels': {'ns2': 'updated'}}}]}]");
    assert_tcp(&w, "deny * x/a");
    reach_set_namespace(&w, "y", "'ns2': 'updated'");
    assert_tcp(&w, "deny * x/a, allow y/* x/a");
    reach_set_namespace(&w, "y", "");
    assert_tcp(&w, "deny * x/a");
    world_uninit(&w);
}

static void
test_pod_relabelled_as_peer(void **state)
{
    struct world w;

    reach_init(&w);
    reach_set_policy(&w, "x", "p",
                     X_A ", 'ingress': [{'from': [{'podSelector':"
                         " {'matchLabels': {'pod2': 'updated'}}}]}]");
    assert_tcp(&w, "deny * x/a");
    reach_set_pod(&w, "x", "b", ", 'pod2': 'updated'", "", "");
    assert_tcp(&w, "deny * x/a, allow x/b x/a");
    reach_set_pod(&w, "x", "b", "", "", "");
    assert_tcp(&w, "deny * x/a");
    world_uninit(&w);
}

static void
test_pod_relabelled_as_subject(void **state)
{
    struct world w;

    reach_init(&w);
    reach_set_policy(&w, "x", "p", "'podSelector': {'matchLabels': {'target': 'isolated'}}");
    assert_tcp(&w, "");
    reach_set_pod(&w, "x", "a", ", 'target': 'isolated'", "", "");
    assert_tcp(&w, "deny * x/a");
    world_uninit(&w);
}

/* An irrelevant label changes no record at all; a relevant one only what
 * depends on it. */
static void
test_relabel_changes_little(void **state)
{
    struct world w;
    size_t n;

    reach_init(&w);
    reach_set_policy(&w, "x", "p",
                     "'podSelector': {'matchLabels': {'pod': 'a'}}, 'ingress':"
                     " [{'from': [{'podSelector': {'matchLabels': {'role': 'r'}}}]}]");
    world_run(&w);
    reach_set_pod(&w, "x", "b", ", 'noise': '1'", "", "");
    compile_run(w.c);
    assert_false(records_any_changes(compile_records(w.c)));

    reach_set_pod(&w, "x", "b", ", 'noise': '1', 'role': 'r'", "", "");
    compile_run(w.c);
    free(records_changed(compile_records(w.c), RECORD_ENDPOINT, &n));
    assert_int_equal(n, 1);
    free(records_changed(compile_records(w.c), RECORD_SET, &n));
    assert_int_equal(n, 1);
    free(records_changed(compile_records(w.c), RECORD_RULE, &n));
    assert_int_equal(n, 0);
    world_uninit(&w);
}

static void
test_ip_block(void **state)
{
    struct world w;
    char *spec;

    reach_init(&w);
    spec = xasprintf(X_A ", 'policyTypes': ['Egress'], 'egress': [{'to': [{'ipBlock': {'cidr':"
                         " '%s/32'}}]}]",
                     world_address(&w, "y", "b"));
    reach_set_policy(&w, "x", "p", spec);
    assert_tcp(&w, "deny x/a *, allow x/a y/b");
    free(spec);

    spec = xasprintf(X_A ", 'policyTypes': ['Egress'], 'egress': [{'to': [{'ipBlock': {'cidr':"
                         " '0.0.0.0/0', 'except': ['%s/32']}}]}]",
                     world_address(&w, "x", "b"));
    reach_set_policy(&w, "x", "p", spec);
    assert_tcp(&w, "deny x/a x/b");
    free(spec);

    /* Another peer gives back what the exception took. */
    spec = xasprintf(X_A ", 'policyTypes': ['Egress'], 'egress': [{'to': [{'ipBlock': {'cidr':"
                         " '0.0.0.0/0', 'except': ['10.128.0.0/9', '%s/32']}}, {'ipBlock':"
                         " {'cidr': '%s/32'}}]}]",
                     REACH_WORLD, world_address(&w, "x", "b"));
    reach_set_policy(&w, "x", "p", spec);
    assert_tcp(&w, "deny x/a *, allow x/a x/b");
    free(spec);
    world_uninit(&w);
}

static void
test_world_by_ip_block(void **state)
{
    struct world w;

    reach_init(&w);
    reach_set_policy(&w, "x", "p",
                     X_A ", 'ingress': [{'from': [{'ipBlock': {'cidr':"
                         " '192.0.2.0/24'}}]}]");
    assert_tcp(&w, "deny * x/a, allow world x/a");
    world_uninit(&w);
}

static void
test_local_node_always_reaches_its_pods(void **state)
{
    struct world w;

    reach_init(&w);
    reach_set_policy(&w, "x", "p", "'podSelector': {}");
    world_run(&w);
    char *pod = xstrdup(world_address(&w, "x", "a"));
    assert_true(reach_allows(&w, "172.30.0.1", pod, IPPROTO_TCP, 80));
    assert_true(reach_allows(&w, "172.30.0.1", pod, IPPROTO_ICMP, 0));
    assert_false(reach_allows(&w, "172.30.0.2", pod, IPPROTO_TCP, 80));

    /* Another node is an ordinary address... */
    reach_set_policy(&w, "x", "p",
                     "'podSelector': {}, 'ingress': [{'from': [{'ipBlock':"
                     " {'cidr': '172.30.0.2/32'}}]}]");
    world_run(&w);
    assert_true(reach_allows(&w, "172.30.0.2", pod, IPPROTO_TCP, 80));
    /* ...that no selector matches. */
    reach_set_policy(&w, "x", "p",
                     "'podSelector': {}, 'ingress': [{'from':"
                     " [{'namespaceSelector': {}}]}]");
    world_run(&w);
    assert_false(reach_allows(&w, "172.30.0.2", pod, IPPROTO_TCP, 80));
    free(pod);
    world_uninit(&w);
}

static void
test_protocols_without_ports(void **state)
{
    struct world w;

    reach_init(&w);
    reach_set_policy(&w, "x", "p",
                     X_A ", 'ingress': [{'ports': [{'protocol': 'TCP'},"
                         " {'protocol': 'UDP'}, {'protocol': 'SCTP'}]}]");
    world_run(&w);
    reach_assert(&w, IPPROTO_ICMP, 0, "deny * x/a");
    reach_set_policy(&w, "x", "p", X_A ", 'ingress': [{'from': [{'podSelector': {}}]}]");
    world_run(&w);
    reach_assert(&w, IPPROTO_ICMP, 0, "deny * x/a, allow x/* x/a");
    world_uninit(&w);
}

static void
test_pod_reaches_itself(void **state)
{
    struct world w;

    reach_init(&w);
    reach_set_policy(&w, "x", "p", "'podSelector': {}, 'policyTypes': ['Ingress', 'Egress']");
    world_run(&w);
    char *pod = xstrdup(world_address(&w, "x", "a"));
    assert_true(reach_allows(&w, pod, pod, IPPROTO_TCP, 80));
    free(pod);
    world_uninit(&w);
}

static void
test_completed_pod_is_nobody(void **state)
{
    struct world w;

    reach_init(&w);
    reach_set_policy(&w, "x", "p",
                     X_A ", 'ingress': [{'from': [{'podSelector': {'matchLabels':"
                         " {'pod': 'b'}}}]}]");
    world_run(&w);
    char *address = xstrdup(world_address(&w, "x", "b"));
    char *a = xstrdup(world_address(&w, "x", "a"));
    assert_true(reach_allows(&w, address, a, IPPROTO_TCP, 80));

    reach_set_pod(&w, "x", "b", "", "", "'phase': 'Succeeded'");
    world_run(&w);
    assert_int_equal(compile_endpoint_of(w.c, "x", "b"), 0);
    assert_false(reach_allows(&w, address, a, IPPROTO_TCP, 80));

    /* Whoever gets the address is itself. */
    world_set(&w,
              "{'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'namespace': 'x', 'name':"
              " 'heir', 'annotations': {'virga.dev/ip': '%s'}}, 'spec': {'containers':"
              " [{'name': 'c'}]}}",
              address);
    world_run(&w);
    assert_string_equal(world_address(&w, "x", "heir"), address);
    assert_false(reach_allows(&w, address, a, IPPROTO_TCP, 80));
    free(address);
    free(a);
    world_uninit(&w);
}

static void
test_host_network_pod_is_its_node(void **state)
{
    struct world w;

    reach_init(&w);
    reach_set_policy(&w, "x", "p", "'podSelector': {}");
    reach_set_pod(&w, "x", "b", "", ", 'hostNetwork': true", "");
    world_run(&w);
    assert_int_equal(compile_endpoint_of(w.c, "x", "b"), 0);
    assert_true(reach_allows(&w, "192.0.2.1", "172.30.0.1", IPPROTO_TCP, 80));
    world_uninit(&w);
}

static void
test_deciding_rules(void **state)
{
    struct world w;

    reach_init(&w);
    reach_set_policy(&w, "x", "p",
                     X_A ", 'ingress': [{'ports': [{'port': 1}]},"
                         " {'ports': [{'port': 80}]}]");
    world_run(&w);
    struct evaluate *e = evaluate_create(compile_records(w.c));
    struct evaluate_tuple tuple = {
        .src = reach_address(&w, "y/a"),
        .dst = reach_address(&w, "x/a"),
        .protocol = IPPROTO_TCP,
        .dst_port = 80,
    };
    struct evaluate_verdict v = evaluate(e, &tuple);
    assert_true(v.allow);
    assert_null(v.egress);
    assert_int_equal(v.ingress->action, RULE_ALLOW);
    assert_int_equal(v.ingress->index, 1);
    assert_string_equal(v.ingress->policy, "NetworkPolicy/x/p");

    tuple.dst_port = 2;
    v = evaluate(e, &tuple);
    assert_false(v.allow);
    assert_int_equal(v.ingress->action, RULE_ISOLATE);
    assert_int_equal(v.ingress->index, -1);
    evaluate_destroy(e);
    world_uninit(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_policy_updated_and_deleted),
        cmocka_unit_test(test_namespace_relabelled_as_peer),
        cmocka_unit_test(test_pod_relabelled_as_peer),
        cmocka_unit_test(test_pod_relabelled_as_subject),
        cmocka_unit_test(test_relabel_changes_little),
        cmocka_unit_test(test_ip_block),
        cmocka_unit_test(test_world_by_ip_block),
        cmocka_unit_test(test_local_node_always_reaches_its_pods),
        cmocka_unit_test(test_protocols_without_ports),
        cmocka_unit_test(test_pod_reaches_itself),
        cmocka_unit_test(test_completed_pod_is_nobody),
        cmocka_unit_test(test_host_network_pod_is_its_node),
        cmocka_unit_test(test_deciding_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
