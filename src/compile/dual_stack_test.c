/* Networks and addresses of both families. */
#include "compile/compile.h"

#include <stdlib.h>
#include <string.h>

#include "compile/reach_test.h"
#include "compile/world_test.h"
#include "openvswitch/dynamic-string.h"

static void
begin(struct world *w, const char *cidrs)
{
    world_init(w);
    compile_destroy(w->c);
    assert_null(compile_config_set_cidrs(&w->config, cidrs));
    w->c = compile_create(&w->config);
    world_set_node(w, "node-1", "172.30.0.1");
}

/* "10.0.0.2,fd00::2", or "none". */
static const char *
addresses(const struct world *w, const char *name)
{
    static char text[2 * INET6_ADDRSTRLEN];
    const struct rec_endpoint *endpoint = world_endpoint(w, "n", name);
    struct ds ds = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; endpoint && i < endpoint->n_ips; i++) {
        ds_put_cstr(&ds, i ? "," : "");
        addr_format(&endpoint->ips[i], &ds);
    }
    ovs_strzcpy(text, endpoint ? ds_cstr(&ds) : "none", sizeof text);
    ds_destroy(&ds);
    return text;
}

static void
set_pod(struct world *w, const char *name)
{
    reach_set_pod(w, "n", name, "", "", "");
}

static void
set_annotated(struct world *w, const char *subnets)
{
    world_set(w,
              "{'apiVersion': 'v1', 'kind': 'Namespace', 'metadata': {'name': 'n',"
              " 'annotations': {'virga.dev/subnets': '%s'}}}",
              subnets);
}

static void
set_static(struct world *w, const char *name, const char *ips)
{
    world_set(w,
              "{'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'namespace': 'n', 'name': '%s',"
              " 'annotations': {'virga.dev/ip': '%s'}},"
              " 'spec': {'nodeName': 'node-1', 'containers': [{'name': 'c'}]}}",
              name, ips);
}

static void
test_one_address_of_each_family(void **state)
{
    struct world w;

    begin(&w, "fd00:10::/48,10.128.0.0/9");
    reach_set_namespace(&w, "n", "");
    set_pod(&w, "a");
    set_pod(&w, "b");
    world_run(&w);
    assert_string_equal(addresses(&w, "a"), "10.128.0.2,fd00:10::2");
    assert_string_equal(addresses(&w, "b"), "10.128.0.3,fd00:10::3");

    /* The next network has the next subnet of each. */
    char *text = world_records(&w);
    assert_non_null(strstr(text, "subnets=10.128.0.0/24,fd00:10::/64 gateways=10.128.0.1,"
                                 "fd00:10::1\n"));
    assert_non_null(strstr(text, "mac=02:56:0a:80:00:02 ips=10.128.0.2,fd00:10::2"));
    free(text);
    world_uninit(&w);
}

static void
test_cluster_of_ip6(void **state)
{
    struct world w;

    begin(&w, "fd00:10::/48");
    reach_set_namespace(&w, "n", "");
    set_pod(&w, "a");
    world_run(&w);
    assert_string_equal(addresses(&w, "a"), "fd00:10::2");
    char *text = world_records(&w);
    assert_non_null(strstr(text, "mac=02:56:00:00:00:02"));
    free(text);
    world_uninit(&w);
}

static void
test_annotation_says_the_families(void **state)
{
    struct world w;

    begin(&w, "10.128.0.0/9,fd00:10::/48");
    set_annotated(&w, "fd00:1::/64");
    set_pod(&w, "a");
    world_run(&w);
    assert_string_equal(addresses(&w, "a"), "fd00:1::2");

    /* A pod that runs keeps what it has; a new one gets both. */
    set_annotated(&w, "fd00:1::/64,10.1.0.0/24");
    set_pod(&w, "b");
    world_run(&w);
    assert_string_equal(addresses(&w, "a"), "fd00:1::2");
    assert_string_equal(addresses(&w, "b"), "10.1.0.2,fd00:1::3");
    world_uninit(&w);
}

static void
test_static_addresses(void **state)
{
    struct world w;

    begin(&w, "10.128.0.0/9,fd00:10::/48");
    reach_set_namespace(&w, "n", "");
    set_static(&w, "a", "fd00:10::77,10.128.0.77");
    set_static(&w, "b", "fd00:10::78");
    set_static(&w, "c", "10.128.0.79,fd00:10::77");
    world_run(&w);
    assert_string_equal(addresses(&w, "a"), "10.128.0.77,fd00:10::77");
    assert_string_equal(addresses(&w, "b"), "fd00:10::78");
    assert_string_equal(addresses(&w, "c"), "none");
    assert_string_equal(world_problem(&w, "Pod", "n", "c"), "AddressTaken");
    world_uninit(&w);
}

/* All or none: a pod with half of its addresses would be half isolated to who
 * thinks in the other family. */
static void
test_exhausted_family(void **state)
{
    struct world w;

    begin(&w, "10.128.0.0/9,fd00:10::/48");
    set_annotated(&w, "10.1.0.0/24,fd00:1::/126");
    set_pod(&w, "a");
    set_pod(&w, "b");
    world_run(&w);
    assert_string_equal(addresses(&w, "a"), "10.1.0.2,fd00:1::2");
    assert_string_equal(addresses(&w, "b"), "none");
    assert_string_equal(world_problem(&w, "Pod", "n", "b"), "SubnetExhausted");
    set_annotated(&w, "10.1.0.0/24,fd00:1::/126,fd00:2::/126");
    world_run(&w);
    assert_string_equal(addresses(&w, "b"), "10.1.0.3,fd00:2::2");
    world_uninit(&w);
}

/* A cluster that gets a second family: networks that are there get a subnet,
 * pods keep the address that they run with. */
static void
test_second_range_comes_later(void **state)
{
    struct world w;

    begin(&w, "10.128.0.0/9");
    reach_set_namespace(&w, "n", "");
    set_pod(&w, "a");
    world_run(&w);
    assert_null(compile_config_set_cidrs(&w.config, "10.128.0.0/9,fd00:10::/48"));
    world_restart(&w);
    set_pod(&w, "b");
    world_run(&w);
    assert_string_equal(addresses(&w, "a"), "10.128.0.2");
    assert_string_equal(addresses(&w, "b"), "10.128.0.3,fd00:10::2");
    world_restart(&w);
    world_run(&w);
    assert_string_equal(addresses(&w, "b"), "10.128.0.3,fd00:10::2");
    world_uninit(&w);
}

static void
test_bad_cidrs(void **state)
{
    static const char *const bad[] = {
        "",
        "10.0.0.0/8,172.16.0.0/12",
        "fd00::/48,fd01::/48",
        "10.0.0.0/8,fd00::/48,10.1.0.0/16",
        "10.0.0.1/8",
        "10.0.0.0/31",
        "x",
    };
    struct compile_config config;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        char *error = compile_config_set_cidrs(&config, bad[i]);
        assert_non_null(error);
        free(error);
    }
    assert_null(compile_config_set_cidrs(&config, "10.0.0.0/28,fd00::/80"));
    assert_int_equal(config.ranges[0].plen, 96 + 28);
    assert_int_equal(config.ranges[1].plen, 80);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_address_of_each_family),
        cmocka_unit_test(test_cluster_of_ip6),
        cmocka_unit_test(test_annotation_says_the_families),
        cmocka_unit_test(test_static_addresses),
        cmocka_unit_test(test_exhausted_family),
        cmocka_unit_test(test_second_range_comes_later),
        cmocka_unit_test(test_bad_cidrs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
