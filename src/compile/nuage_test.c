/* Labels of Nuage, as docs/legacy.md promises.  Membership by
 * nuage.io/policy-group is in group_rules_test.c. */
#include "compile/reach_test.h"

static void
set_network(struct world *w, const char *subnets)
{
    world_set(w,
              "{'apiVersion': 'v1', 'kind': 'Namespace', 'metadata': {'name': 'n',"
              " 'annotations': {'virga.dev/subnets': '%s'}}}",
              subnets);
}

static void
set_pod(struct world *w, const char *name, const char *subnet)
{
    world_set(w,
              "{'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'namespace': 'n', 'name': '%s',"
              " 'labels': {'nuage.io/subnet': '%s', 'nuage.io/zone': 'z', 'nuage.io/domain':"
              " 'd'}}, 'spec': {'containers': [{'name': 'c'}]}}",
              name, subnet);
}

static void
assert_ip(struct world *w, const char *pod, const char *expected)
{
    const struct rec_endpoint *endpoint = world_endpoint(w, "n", pod);
    struct ds ds = DS_EMPTY_INITIALIZER;

    assert_non_null(endpoint);
    addr_format(&endpoint->ips[0], &ds);
    assert_string_equal(ds_cstr(&ds), expected);
    ds_destroy(&ds);
}

static void
test_subnet_label(void **state)
{
    struct world w;

    world_init(&w);
    set_network(&w, "10.7.0.0/24,10.8.0.0/29");
    set_pod(&w, "a", "10.8.0.0-29");
    set_pod(&w, "b", "10.7.0.0-24");
    set_pod(&w, "c", "elsewhere");
    world_run(&w);
    assert_ip(&w, "a", "10.8.0.2");
    assert_ip(&w, "b", "10.7.0.2");
    assert_ip(&w, "c", "10.7.0.3");

    /* What a pod has it keeps; where there is nothing free it goes elsewhere. */
    set_pod(&w, "a", "10.7.0.0-24");
    for (int i = 0; i < 6; i++) {
        char name[16];

        snprintf(name, sizeof name, "p%d", i);
        set_pod(&w, name, "10.8.0.0-29");
    }
    world_run(&w);
    assert_ip(&w, "a", "10.8.0.2");
    assert_ip(&w, "p0", "10.8.0.3");
    assert_ip(&w, "p3", "10.8.0.6");
    assert_ip(&w, "p4", "10.7.0.4");
    world_uninit(&w);
}

/* The lowest number gets the credit; no verdict changes. */
static void
test_priority_label(void **state)
{
    static const char *const priorities[] = { "20", "3", "" };
    struct world w;

    reach_init(&w);
    for (int i = 0; i < 3; i++) {
        world_set(&w,
                  "{'apiVersion': 'networking.k8s.io/v1', 'kind': 'NetworkPolicy', 'metadata':"
                  " {'namespace': 'x', 'name': 'p%d', 'labels': {'nuage.io/priority': '%s'}},"
                  " 'spec': {'podSelector': {'matchLabels': {'pod': 'a'}}, 'ingress': [{%s}]}}",
                  i, priorities[i], i < 2 ? "" : "'from': [{'podSelector': {}}]");
    }
    world_run(&w);
    reach_assert(&w, IPPROTO_TCP, 80, "");

    struct evaluate *e = evaluate_create(compile_records(w.c));
    struct evaluate_tuple tuple = {
        .src = reach_address(&w, "y/b"),
        .dst = reach_address(&w, "x/a"),
        .protocol = IPPROTO_TCP,
        .dst_port = 80,
    };
    struct evaluate_verdict verdict = evaluate(e, &tuple);
    assert_non_null(verdict.ingress);
    assert_string_equal(verdict.ingress->policy, "NetworkPolicy/x/p1");
    evaluate_destroy(e);
    world_uninit(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_subnet_label),
        cmocka_unit_test(test_priority_label),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
