#include "node/ovs_config.h"

#include "base/test.h"

#include "base/prefix.h"
#include "flow.h"
#include "node/ovs_test.h"

static struct ovs_config *cfg;

static void
open_config(void)
{
    char *remote = xasprintf("unix:%s/db.sock", ovs.dir);
    struct ovs_config_options opt = {
        .remote = remote,
        .bridge = "br-int",
        .datapath_type = "dummy",
        .node_name = "node-1",
        .tunnel_port = "vxlan0",
        .tunnel_udp_port = 4789,
        .gateway_port = "virga0",
        .gateway_mac = ETH_ADDR_C(02, 56, 00, 00, 00, 02),
    };
    char *error = addr_parse("172.30.0.1", &opt.local_ip);
    assert_null(error);
    cfg = ovs_config_create(&opt);
    free(remote);
}

static void
close_config(void)
{
    ovs_config_destroy(cfg);
    cfg = NULL;
}

static int
setup(void **state)
{
    if (ovs_test_setup(state)) {
        return -1;
    }
    open_config();
    return 0;
}

static int
teardown(void **state)
{
    close_config();
    return ovs_test_teardown(state);
}

#define until(CONDITION)                                                   \
    for (long long int deadline_ = time_msec() + OVS_TEST_DEADLINE_MS;;) { \
        ovs_config_run(cfg);                                               \
        bool done_ = (CONDITION);                                          \
        assert_true(done_ || time_msec() < deadline_);                     \
        ovs_config_wait(cfg);                                              \
        poll_timer_wait_until(done_ ? 0 : deadline_);                      \
        poll_block();                                                      \
        if (done_) {                                                       \
            break;                                                         \
        }                                                                  \
    }

static void
assert_get(const char *what, const char *expected)
{
    char *output = ovs_test_sh("ovs-vsctl --db=$db get %s", what);
    output[strcspn(output, "\n")] = '\0';
    assert_string_equal(output, expected);
    free(output);
}

static void
assert_no_port(const char *port)
{
    char *output = ovs_test_sh("ovs-vsctl --db=$db --if-exists get interface %s name", port);
    assert_string_equal(output, "");
    free(output);
}

static void
add(const char *port, const char *name)
{
    struct ovs_endpoint e = {
        .port = CONST_CAST(char *, port),
        .name = CONST_CAST(char *, name),
        .uid = CONST_CAST(char *, "uid-1"),
        .container = CONST_CAST(char *, "c1"),
        .ifname = CONST_CAST(char *, "eth0"),
        .netns = CONST_CAST(char *, "/run/netns/x"),
        .network = CONST_CAST(char *, "virga"),
        .created_ms = 5,
    };
    ovs_config_add_endpoint(cfg, &e);
}

static ofp_port_t
ofport_of(const char *port)
{
    const struct ovs_endpoint *e = ovs_config_find(cfg, port);
    return e ? e->ofport : 0;
}

static void
test_makes_the_bridge(void **state)
{
    assert_false(ovs_config_is_ready(cfg));
    until(ovs_config_is_ready(cfg));
    assert_string_equal(ovs_config_message(cfg), "");
    assert_get("bridge br-int fail_mode", "secure");
    assert_get("bridge br-int datapath_type", "dummy");
    assert_get("bridge br-int protocols", "[OpenFlow10, OpenFlow13, OpenFlow15]");
    assert_get("interface vxlan0 options",
               "{dst_port=\"4789\", key=flow, local_ip=\"172.30.0.1\", remote_ip=flow}");
    assert_get("interface virga0 mac", "\"02:56:00:00:00:02\"");
    assert_get("interface vxlan0 ofport", "1");
    assert_int_equal(ofp_to_u16(ovs_config_tunnel_ofport(cfg)), 1);
    assert_int_equal(ofp_to_u16(ovs_config_gateway_ofport(cfg)), 2);
}

static void
test_adds_and_removes_endpoints(void **state)
{
    until(ovs_config_is_ready(cfg));
    add("vp1", "shop/redis");
    until(ofport_of("vp1"));
    assert_get("interface vp1 external_ids:virga-endpoint", "\"shop/redis\"");
    unsigned int seqno = ovs_config_seqno(cfg);
    ovs_config_remove_endpoint(cfg, "vp1");
    assert_null(ovs_config_find(cfg, "vp1"));
    assert_true(ovs_config_is_removing(cfg, "vp1"));
    until(!ovs_config_is_removing(cfg, "vp1"));
    assert_true(ovs_config_seqno(cfg) != seqno);
    assert_no_port("vp1");
}

/* Removal while the transaction that adds it is under way. */
static void
test_removed_before_it_was_there(void **state)
{
    until(ovs_config_is_ready(cfg));
    add("vp1", "shop/redis");
    ovs_config_run(cfg);
    ovs_config_wait(cfg);
    poll_immediate_wake();
    poll_block();
    ovs_config_remove_endpoint(cfg, "vp1");
    until(!ovs_config_is_removing(cfg, "vp1"));
    assert_no_port("vp1");
}

static void
test_survives_a_restart(void **state)
{
    until(ovs_config_is_ready(cfg));
    add("vp1", "shop/redis");
    until(ofport_of("vp1"));
    ofp_port_t before = ofport_of("vp1");
    close_config();
    open_config();
    until(ovs_config_is_loaded(cfg));
    size_t n;
    const struct ovs_endpoint **all = ovs_config_endpoints(cfg, &n);
    assert_int_equal(n, 1);
    assert_string_equal(all[0]->name, "shop/redis");
    assert_string_equal(all[0]->uid, "uid-1");
    assert_string_equal(all[0]->container, "c1");
    assert_string_equal(all[0]->network, "virga");
    assert_int_equal(all[0]->created_ms, 5);
    assert_int_equal(ofp_to_u16(all[0]->ofport), ofp_to_u16(before));
    free(all);
}

static void
test_repairs_what_others_change(void **state)
{
    until(ovs_config_is_ready(cfg));
    add("vp1", "shop/redis");
    until(ofport_of("vp1"));
    free(ovs_test_sh("ovs-vsctl --db=$db --no-wait -- del-port br-int vp1 "
                     "-- set bridge br-int fail_mode=standalone"));
    until(!ofport_of("vp1"));
    until(ofport_of("vp1"));
    assert_get("bridge br-int fail_mode", "secure");
}

static void
test_leaves_foreign_ports_alone(void **state)
{
    until(ovs_config_is_ready(cfg));
    free(ovs_test_sh("ovs-vsctl --db=$db add-port br-int other"));
    add("vp1", "shop/redis");
    until(ofport_of("vp1"));
    assert_get("interface other name", "other");
}

static void
test_refuses_a_bridge_of_somebody_else(void **state)
{
    close_config();
    free(ovs_test_sh("ovs-vsctl --db=$db add-br br-int -- add-port br-int other"));
    open_config();
    until(strstr(ovs_config_message(cfg), "not Virga's"));
    assert_false(ovs_config_is_ready(cfg));
    assert_get("bridge br-int fail_mode", "[]");
}

static void
test_sets_a_wrong_port_right(void **state)
{
    until(ovs_config_is_ready(cfg));
    free(ovs_test_sh("ovs-vsctl --db=$db --no-wait set interface vxlan0 type=gre "
                     "options:local_ip=10.9.9.9"));
    until(!ovs_config_is_ready(cfg) || ovs_config_tunnel_ofport(cfg));
    add("vp1", "shop/redis");
    until(ofport_of("vp1"));
    assert_get("interface vxlan0 type", "vxlan");
    assert_get("interface vxlan0 options:local_ip", "\"172.30.0.1\"");
}

static void
test_tells_why_a_port_is_missing(void **state)
{
    close_config();
    free(ovs_test_sh("ovs-vsctl --db=$db add-br br-x -- add-port br-x virga0"));
    open_config();
    until(strstr(ovs_config_message(cfg), "virga0"));
    assert_false(ovs_config_is_ready(cfg));
    free(ovs_test_sh("ovs-vsctl --db=$db --no-wait del-port br-x virga0"));
    until(ovs_config_is_ready(cfg));
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_makes_the_bridge),
        TEST(test_adds_and_removes_endpoints),
        TEST(test_removed_before_it_was_there),
        TEST(test_survives_a_restart),
        TEST(test_repairs_what_others_change),
        TEST(test_leaves_foreign_ports_alone),
        TEST(test_refuses_a_bridge_of_somebody_else),
        TEST(test_sets_a_wrong_port_right),
        TEST(test_tells_why_a_port_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
