/* Counting on a real switch: packets in, counters in the database out, over
 * removed flows and restarts of the agent and of the switch. */
#include "stats/collector.h"

#include <inttypes.h>

#include "node/ovs_test.h"
#include "openflow/flow_table.h"
#include "openflow/pipeline.h"
#include "openflow/switch.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofpbuf.h"
#include "store/ovsdb_test.h"
#include "svec.h"

static struct store *controller;
static struct flow_table *desired;
/* The agent. */
static struct store *store;
static struct ofswitch *sw;
static struct collector *collector;
static uint64_t generation;

/* --- The agent's loop ------------------------------------------------- */

static void
start_agent(void)
{
    char *target = xasprintf("unix:%s/br-int.mgmt", ovs.dir);

    store = lab_open("db", STORE_AGENT);
    sw = ofswitch_create(target);
    collector = collector_create(store, sw, 60000); /* Polls when asked only. */
    free(target);
}

static void
stop_agent(void)
{
    collector_destroy(collector);
    ofswitch_destroy(sw);
    lab_close(store);
    collector = NULL;
    sw = NULL;
}

static void
run_agent(void)
{
    struct store_node_status status = {
        .name = CONST_CAST(char *, "node-1"),
        .message = CONST_CAST(char *, ""),
    };

    ofswitch_run(sw, desired, generation);
    collector_run(collector);
    assert_null(addr_parse("172.30.0.1", &status.vtep));
    status.stats_applied = collector_stats_applied(collector);
    store_set_node_status(store, &status);
    ofswitch_wait(sw);
    collector_wait(collector);
}

#define until(CONDITION) lab_until((run_agent(), CONDITION))

static int
setup(void **state)
{
    if (ovs_test_setup(state) || lab_setup_standalone(state)) {
        return -1;
    }
    free(ovs_test_sh("ovs-vsctl --db=$db -- add-br br-int -- set bridge br-int fail_mode=secure "
                     "protocols=OpenFlow15 -- add-port br-int p1 -- set interface p1 type=dummy "
                     "ofport_request=1"));
    controller = lab_open("db", STORE_CONTROLLER);
    desired = flow_table_create();
    generation = 1;
    start_agent();
    return 0;
}

static int
teardown(void **state)
{
    if (collector) {
        stop_agent();
    }
    flow_table_destroy(desired);
    int error = lab_teardown(state);
    return ovs_test_teardown(state) || error ? -1 : 0;
}

/* --- Flows and packets ------------------------------------------------ */

static void
flow(uint32_t owner, uint8_t table, uint64_t cookie, uint8_t dst, const char *actions)
{
    struct match match = MATCH_CATCHALL_INITIALIZER;
    struct ofpbuf ofpacts;
    enum ofputil_protocol usable;
    struct ofpact_parse_params params = { .ofpacts = &ofpacts, .usable_protocols = &usable };
    char *text = xstrdup(actions);

    match_set_dl_type(&match, htons(0x0800));
    if (dst) {
        match_set_nw_dst(&match, htonl(0x0a000000 + dst));
    }
    if (VIRGA_COOKIE_FEATURE(cookie) != COOKIE_DROP) {
        match_counting(&match, table);
    }
    ofpbuf_init(&ofpacts, 0);
    assert_null(ofpacts_parse_instructions(text, &params));
    free(text);
    struct flow_owner id = { 7, owner };
    flow_table_replace_begin(desired, id);
    flow_table_add_flags(desired, id, table, 100, cookie, OFPUTIL_FF_SEND_FLOW_REM, &match,
                         ofpacts.data, ofpacts.size);
    flow_table_replace_end(desired, id);
    ofpbuf_uninit(&ofpacts);
}

/* Rule 9 by two flows, default deny 10, and a counted drop. */
static void
usual_flows(void)
{
    char *to_rules = xasprintf("set_field:0x40000/0xc0000->reg5,goto_table:%d", TABLE_ingress_np);

    flow(1, TABLE_classify, VIRGA_COOKIE(COOKIE_STATIC, 0), 0, to_rules);
    flow(2, TABLE_ingress_np, VIRGA_COOKIE(COOKIE_RULE, 9), 1, "drop");
    flow(3, TABLE_ingress_np, VIRGA_COOKIE(COOKIE_RULE, 9), 2, "drop");
    flow(4, TABLE_ingress_np, VIRGA_COOKIE(COOKIE_ISOLATE, 10), 3, "drop");
    flow(5, TABLE_ingress_np, VIRGA_COOKIE(COOKIE_DROP, 2), 4, "drop");
    free(to_rules);
}

static void
sync_flows(void)
{
    generation++;
    until(ofswitch_applied(sw) == generation && ofswitch_is_synced(sw));
}

static void
send_packets(int n, uint8_t dst)
{
    for (int i = 0; i < n; i++) {
        free(ovs_test_sh("ovs-appctl -t %s/vswitchd.ctl netdev-dummy/receive p1 "
                         "'in_port(1),eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02),"
                         "eth_type(0x0800),ipv4(src=10.0.0.99,dst=10.0.0.%d,proto=17,tos=0,ttl=64,"
                         "frag=no),udp(src=1,dst=2)' --len 100",
                         ovs.dir, dst));
    }
}

/* Until the switch has brought the packets of its datapath to the flows; twice,
 * for the first may have begun before them. */
static void
credit_packets(void)
{
    for (int i = 0; i < 2; i++) {
        free(ovs_test_sh("ovs-appctl -t %s/vswitchd.ctl revalidator/wait", ovs.dir));
    }
}

/* --- What the controller sees ----------------------------------------- */

static void
see_applied(const struct store_node_status *node, void *applied)
{
    *(uint64_t *) applied = node->stats_applied;
}

static void
list_counter(const char *node, const struct counter *c, void *lines)
{
    svec_add_nocopy(lines, xasprintf("%d:%" PRIu32 " %" PRIu64 " %" PRIu64 " %" PRIu64, c->kind,
                                     c->a, c->hits, c->packets, c->bytes));
}

/* Asks once; what is there when the node says so must be all. */
static void
assert_counters(const char *expected)
{
    struct svec lines = SVEC_EMPTY_INITIALIZER;
    uint64_t applied = 0;

    until(store_is_leader(controller));
    uint64_t request = store_request_stats(controller);
    until((store_each_node(controller, see_applied, &applied), applied >= request));
    store_each_counter(controller, "node-1", list_counter, &lines);
    svec_sort(&lines);
    char *text = svec_join(&lines, ", ", "");
    assert_string_equal(text, expected);
    free(text);
    svec_destroy(&lines);
}

/* --- Tests ------------------------------------------------------------ */

static void
test_counts_are_exact(void **state)
{
    usual_flows();
    sync_flows();
    send_packets(3, 1);
    send_packets(2, 2);
    send_packets(4, 3);
    send_packets(1, 4);
    assert_counters("0:10 4 4 400, 0:9 5 5 500, 1:2 1 1 100");
    send_packets(30, 1);
    assert_counters("0:10 4 4 400, 0:9 35 35 3500, 1:2 1 1 100");
}

/* Packets that no poll saw before the flow went. */
static void
test_removed_flow_keeps_its_packets(void **state)
{
    usual_flows();
    sync_flows();
    send_packets(3, 1);
    assert_counters("0:9 3 3 300");
    send_packets(20, 1);
    send_packets(5, 2);
    credit_packets();
    flow_table_remove_owner(desired, (struct flow_owner){ 7, 2 });
    sync_flows();
    assert_counters("0:9 28 28 2800");

    usual_flows();
    sync_flows();
    send_packets(2, 1);
    assert_counters("0:9 30 30 3000");
}

static void
test_agent_restart(void **state)
{
    usual_flows();
    sync_flows();
    send_packets(3, 1);
    send_packets(2, 3);
    assert_counters("0:10 2 2 200, 0:9 3 3 300");
    stop_agent();
    send_packets(7, 1);
    send_packets(1, 2);
    credit_packets();

    /* The new one removes a flow before it has counted anything. */
    flow_table_remove_owner(desired, (struct flow_owner){ 7, 2 });
    start_agent();
    sync_flows();
    send_packets(1, 2);
    assert_counters("0:10 2 2 200, 0:9 12 12 1200");
}

static void
test_switch_restart(void **state)
{
    usual_flows();
    sync_flows();
    send_packets(3, 1);
    assert_counters("0:9 3 3 300");
    ovs_test_stop(&ovs.vswitchd);
    until(!ofswitch_is_connected(sw));
    ovs_test_start_vswitchd();
    sync_flows();
    send_packets(2, 1);
    assert_counters("0:9 5 5 500");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
        TEST(test_counts_are_exact),
        TEST(test_removed_flow_keeps_its_packets),
        TEST(test_agent_restart),
        TEST(test_switch_restart),
    };

    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
