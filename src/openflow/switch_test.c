#include "openflow/switch.h"

#include "base/test.h"

#include <inttypes.h>

#include "byte-order.h"
#include "coverage.h"
#include "node/ovs_test.h"
#include "openflow/flow_table.h"
#include "openflow/ofp_messages.h"
#include "openflow/packet_in.h"
#include "openflow/pipeline.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-monitor.h"
#include "openvswitch/ofpbuf.h"

static struct ofswitch *sw;
static struct flow_table *desired;
static uint64_t generation;

static int
setup(void **state)
{
    if (ovs_test_setup(state)) {
        return -1;
    }
    free(ovs_test_sh("ovs-vsctl --db=$db -- add-br br-int -- set bridge br-int "
                     "fail_mode=secure protocols=OpenFlow13,OpenFlow15"));
    char *target = xasprintf("unix:%s/br-int.mgmt", ovs.dir);
    sw = ofswitch_create(target);
    free(target);
    desired = flow_table_create();
    generation = 1;
    return 0;
}

static int
teardown(void **state)
{
    ofswitch_destroy(sw);
    flow_table_destroy(desired);
    return ovs_test_teardown(state);
}

static void
run_once(struct flow_table *want, long long int deadline)
{
    ofswitch_run(sw, want, generation);
    ofswitch_wait(sw);
    poll_timer_wait_until(deadline);
}

#define until_with(WANT, CONDITION)                                        \
    for (long long int deadline_ = time_msec() + OVS_TEST_DEADLINE_MS;;) { \
        run_once(WANT, deadline_);                                         \
        if (CONDITION) {                                                   \
            poll_immediate_wake();                                         \
            poll_block();                                                  \
            break;                                                         \
        }                                                                  \
        assert_true(time_msec() < deadline_);                              \
        poll_block();                                                      \
    }
#define until(CONDITION) until_with(desired, CONDITION)

static void
want_match(uint32_t owner, uint8_t table, uint16_t priority, uint64_t cookie,
           const struct match *match, const char *actions)
{
    struct ofpbuf ofpacts;
    ofpbuf_init(&ofpacts, 0);
    enum ofputil_protocol usable;
    struct ofpact_parse_params params = { .ofpacts = &ofpacts, .usable_protocols = &usable };
    char *text = xstrdup(actions);
    char *error = ofpacts_parse_instructions(text, &params);
    assert_null(error);
    free(text);
    struct flow_owner id = { 7, owner };
    flow_table_replace_begin(desired, id);
    flow_table_add(desired, id, table, priority, cookie, match, ofpacts.data, ofpacts.size);
    flow_table_replace_end(desired, id);
    ofpbuf_uninit(&ofpacts);
}

/* A flow of one owner: table, priority, cookie, destination, actions. */
static void
want(uint32_t owner, uint8_t table, uint16_t priority, uint64_t cookie, uint32_t nw_dst,
     const char *actions)
{
    struct match match = MATCH_CATCHALL_INITIALIZER;
    match_set_dl_type(&match, htons(0x0800));
    match_set_nw_dst(&match, htonl(nw_dst));
    match_set_default_packet_type(&match);
    want_match(owner, table, priority, cookie, &match, actions);
}

static void
unwant(uint32_t owner)
{
    flow_table_remove_owner(desired, (struct flow_owner){ 7, owner });
}

static void
assert_n_flows(unsigned int n)
{
    char *output = ovs_test_sh("ovs-ofctl -OOpenFlow15 dump-aggregate br-int");
    char *expected = xasprintf("flow_count=%u\n", n);
    if (!strstr(output, expected)) {
        fail_msg("%s is not in %s", expected, output);
    }
    free(expected);
    free(output);
}

static void
assert_dump(const char *match, const char *expected, bool there)
{
    char *output = ovs_test_sh("ovs-ofctl -OOpenFlow15 --no-names dump-flows br-int '%s'", match);
    if (!strstr(output, expected) != !there) {
        fail_msg("%s %s in %s", expected, there ? "is not" : "is", output);
    }
    free(output);
}

static void
sync_now(void)
{
    generation++;
    until(ofswitch_is_synced(sw));
    assert_int_equal(ofswitch_applied(sw), generation);
}

/* Sends one packet to 10.0.0.1 through table 0. */
static void
send_packet(void)
{
    free(ovs_test_sh("ovs-ofctl -OOpenFlow13 packet-out br-int 'in_port=local "
                     "packet=505400000001505400000002080045000014000000004000"
                     "66e70a0000020a000001 actions=resubmit(,0)'"));
}

static void
test_large_table_and_small_changes(void **state)
{
    enum { N = 20000 };
    for (uint32_t i = 0; i < N; i++) {
        want(i, i % 3, 100 + i % 7, i, 0x0a000000 + i, "drop");
    }
    sync_now();
    assert_n_flows(N);
    assert_int_equal(ofswitch_n_flows(sw), N);
    assert_int_equal(ofswitch_n_flow_mods(sw), N);

    /* One of each kind costs one message each. */
    want(5, 5 % 3, 100 + 5 % 7, 5, 0x0a000005, "set_field:5->reg0,controller");
    unwant(6);
    want(N, 2, 1, 1, 0x0b000000, "drop");
    sync_now();
    assert_int_equal(ofswitch_n_flow_mods(sw), N + 3);
    assert_dump("ip,nw_dst=10.0.0.5", "set_field:0x5->reg0", true);
    assert_dump("ip,nw_dst=10.0.0.6", "10.0.0.6", false);
    assert_dump("ip,nw_dst=11.0.0.0", "table=2", true);
    assert_int_equal(ofswitch_n_flows(sw), N);
}

/* Several bundles, but one change to whoever waits for it. */
static void
test_large_change_in_stages(void **state)
{
    enum { N = 5000 };
    struct match verdict = MATCH_CATCHALL_INITIALIZER, subject = MATCH_CATCHALL_INITIALIZER;
    match_set_default_packet_type(&verdict);
    match_set_conj_id(&verdict, 7);
    match_set_default_packet_type(&subject);
    match_set_reg(&subject, 0, 300);
    sync_now();
    for (uint32_t i = 0; i < N; i++) {
        want(i, 0, 10, 1, 0x0a000000 + i, "conjunction(7,2/2)");
    }
    want_match(N, 0, 10, 2, &verdict, "drop");
    want_match(N + 1, 0, 10, 3, &subject, "conjunction(7,1/2)");
    ofswitch_run(sw, desired, ++generation);
    uint64_t epoch = ofswitch_epoch(sw), applied = ofswitch_applied(sw);
    while (ofswitch_confirmed(sw) < epoch) {
        assert_int_equal(ofswitch_applied(sw), applied);
        ofswitch_run(sw, desired, generation);
        ofswitch_wait(sw);
        poll_block();
    }
    assert_int_equal(ofswitch_applied(sw), generation);
    assert_n_flows(N + 2);
    assert_int_equal(ofswitch_n_flows(sw), N + 2);

    for (uint32_t i = 0; i < N + 2; i++) {
        unwant(i);
    }
    want(0, 0, 10, 1, 0x0b000000, "drop");
    sync_now();
    assert_n_flows(1);
    assert_int_equal(ofswitch_n_flows(sw), 1);
    assert_int_equal(ofswitch_n_flow_mods(sw), 2 * (N + 2) + 1);
    ofswitch_audit(sw);
    until(ofswitch_is_synced(sw));
    assert_int_equal(ofswitch_n_flow_mods(sw), 2 * (N + 2) + 1);
}

extern struct coverage_counter counter_vconn_sent; /* Of libopenvswitch. */

static unsigned long long int
n_sent(void)
{
    coverage_clear();
    return counter_vconn_sent.total;
}

/* Between two runs the bundle goes out, and nothing else happens. */
static void
test_push_sends_the_bundle_under_way(void **state)
{
    enum { N = 3000 };
    sync_now();
    ofswitch_push(sw);
    for (uint32_t i = 0; i < N; i++) {
        want(i, 0, 10, 1, 0x0a000000 + i, "drop");
    }
    unsigned long long int before = n_sent();
    ofswitch_run(sw, desired, ++generation);
    uint64_t epoch = ofswitch_epoch(sw);
    want(N, 0, 10, 1, 0x0b000000, "drop"); /* For the next one. */
    long long int deadline = time_msec() + OVS_TEST_DEADLINE_MS;
    while (n_sent() < before + N) {
        assert_true(time_msec() < deadline);
        ofswitch_push(sw);
        ofswitch_wait(sw);
        poll_timer_wait_until(deadline);
        poll_block();
    }
    ofswitch_push(sw);
    assert_true(ofswitch_confirmed(sw) < epoch);
    assert_n_flows(0);
    sync_now();
    assert_n_flows(N + 1);
    assert_int_equal(ofswitch_n_flow_mods(sw), N + 1);
}

static void
test_push_into_a_switch_that_is_gone(void **state)
{
    enum { N = 3000 };
    sync_now();
    for (uint32_t i = 0; i < N; i++) {
        want(i, 0, 10, 1, 0x0a000000 + i, "drop");
    }
    ofswitch_run(sw, desired, ++generation);
    ovs_test_stop(&ovs.vswitchd);
    for (uint32_t i = 0; i < N; i++) {
        ofswitch_push(sw);
    }
    ovs_test_start_vswitchd();
    until(ofswitch_is_synced(sw));
    assert_n_flows(N);
}

static void
test_nothing_happens_before_desired_is_known(void **state)
{
    free(ovs_test_sh("ovs-ofctl -OOpenFlow15 add-flow br-int 'table=3,actions=drop'"));
    until_with(NULL, ofswitch_is_connected(sw));
    for (int i = 0; i < 20; i++) {
        ofswitch_run(sw, NULL, 0);
    }
    assert_false(ofswitch_is_synced(sw));
    assert_n_flows(1);
}

static void
test_reconnect_changes_nothing(void **state)
{
    for (uint32_t i = 0; i < 100; i++) {
        want(i, 0, 10, i, 0x0a000000 + i, "set_field:1->reg1,resubmit(,4)");
    }
    sync_now();
    uint64_t n = ofswitch_n_flow_mods(sw);
    send_packet();
    free(ovs_test_sh("ovs-appctl -t $OVS_RUNDIR/vswitchd.ctl bridge/reconnect br-int"));
    until(ofswitch_applied(sw) == 0);
    until(ofswitch_is_synced(sw));
    assert_int_equal(ofswitch_n_flow_mods(sw), n);
    assert_dump("ip,nw_dst=10.0.0.1", "n_packets=1", true);
}

static void
test_switch_restart_gets_all_back(void **state)
{
    want(1, 0, 10, 1, 0x0a000001, "drop");
    sync_now();
    ovs_test_stop(&ovs.vswitchd);
    until(!ofswitch_is_connected(sw));
    assert_false(ofswitch_is_synced(sw));
    ovs_test_start_vswitchd();
    until(ofswitch_is_synced(sw));
    assert_n_flows(1);
}

static void
test_resync_repairs_differences(void **state)
{
    want(1, 0, 10, 1, 0x0a000001, "drop");
    want(2, 0, 10, 2, 0x0a000002, "drop");
    want(3, 0, 10, 3, 0x0a000003, "drop");
    sync_now();
    free(ovs_test_sh("ovs-ofctl -OOpenFlow15 add-flow br-int 'table=9,actions=drop'"));
    free(ovs_test_sh("ovs-ofctl -OOpenFlow15 --strict del-flows br-int "
                     "'table=0,priority=10,ip,nw_dst=10.0.0.2'"));
    free(ovs_test_sh("ovs-ofctl -OOpenFlow15 --strict mod-flows br-int "
                     "'table=0,priority=10,ip,nw_dst=10.0.0.3,actions=NORMAL'"));
    free(ovs_test_sh("ovs-ofctl -OOpenFlow15 add-flow br-int "
                     "'table=%d,cookie=0x560b000000000000,tcp,actions=drop'",
                     TABLE_matrix_learned));
    free(ovs_test_sh("ovs-appctl -t $OVS_RUNDIR/vswitchd.ctl bridge/reconnect br-int"));
    until(ofswitch_applied(sw) == 0);
    until(ofswitch_is_synced(sw));
    assert_n_flows(4);
    assert_dump("ip,nw_dst=10.0.0.2", "actions=drop", true);
    assert_dump("ip,nw_dst=10.0.0.3", "actions=drop", true);
    assert_dump("tcp", "cookie=0x560b000000000000", true);
}

/* Flows are read in parts of all cookies there are; none is overlooked, and one that
 * is as desired is left alone. */
static void
test_flows_of_every_cookie_are_read(void **state)
{
    struct ds flows = DS_EMPTY_INITIALIZER;

    for (uint32_t i = 0; i < 100; i++) {
        want(i, 0, 10, i, 0x0a000000 + i, "drop");
        ds_put_format(&flows,
                      "table=0,priority=10,cookie=%" PRIu32 ",ip,nw_dst=10.0.0.%" PRIu32
                      ",actions=drop\n",
                      i, i);
        ds_put_format(&flows,
                      "table=1,cookie=0xffffffffffffff%02x,ip,nw_dst=10.0.1.%" PRIu32
                      ",actions=drop\n",
                      i, i);
    }
    ds_put_cstr(&flows, "table=2,cookie=0xffffffffffffffff,actions=drop\n");
    char *path = xasprintf("%s/flows", ovs.dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(ds_cstr(&flows), file);
    assert_int_equal(fclose(file), 0);
    free(ovs_test_sh("ovs-ofctl -OOpenFlow15 add-flows br-int %s", path));
    free(path);
    ds_destroy(&flows);

    sync_now();
    assert_n_flows(100);
    assert_int_equal(ofswitch_n_flow_mods(sw), 101);
    assert_int_equal(ofswitch_n_flows(sw), 100);
}

static void
test_audit_notices_missing_flow(void **state)
{
    want(1, 0, 10, 1, 0x0a000001, "drop");
    want(2, 4, 10, 2, 0x0a000002, "drop");
    sync_now();
    free(ovs_test_sh("ovs-ofctl -OOpenFlow15 del-flows br-int table=4"));
    uint64_t n = ofswitch_n_flow_mods(sw);
    ofswitch_audit(sw);
    until(ofswitch_n_flow_mods(sw) > n && ofswitch_is_synced(sw));
    assert_n_flows(2);
}

static void
test_counters_stay_unless_the_cookie_changes(void **state)
{
    want(1, 0, 10, 1, 0x0a000001, "drop");
    sync_now();
    send_packet();
    assert_dump("ip,nw_dst=10.0.0.1", "n_packets=1", true);
    want(1, 0, 10, 1, 0x0a000001, "set_field:1->reg1,resubmit(,4)");
    sync_now();
    assert_dump("ip,nw_dst=10.0.0.1", "n_packets=1", true);
    want(1, 0, 10, 2, 0x0a000001, "set_field:1->reg1,resubmit(,4)");
    sync_now();
    assert_dump("ip,nw_dst=10.0.0.1", "cookie=0x2", true);
    assert_dump("ip,nw_dst=10.0.0.1", "n_packets=0", true);
}

static void
check_error_recovers(const char *bad_actions, const char *expected_error)
{
    want(1, 0, 10, 1, 0x0a000001, "drop");
    sync_now();
    uint64_t good = generation;

    /* All or nothing: the valid part of the change waits too. */
    want(2, 0, 10, 2, 0x0a000002, bad_actions);
    want(3, 0, 10, 3, 0x0a000003, "drop");
    generation++;
    until(ofswitch_last_error(sw) != NULL);
    assert_non_null(strstr(ofswitch_last_error(sw), expected_error));
    assert_false(ofswitch_is_synced(sw));
    assert_int_equal(ofswitch_applied(sw), good);
    assert_n_flows(1);

    want(2, 0, 10, 2, 0x0a000002, "drop");
    sync_now();
    assert_null(ofswitch_last_error(sw));
    assert_n_flows(3);
}

/* The switch refuses to take it into the bundle. */
static void
test_error_in_message(void **state)
{
    check_error_recovers("meter:9,resubmit(,4)", "METER");
}

/* The switch refuses to commit. */
static void
test_error_in_commit(void **state)
{
    check_error_recovers("group:9", "GROUP");
}

static void
test_epoch_names_the_bundle(void **state)
{
    want(1, 0, 10, 1, 0x0a000001, "drop");
    uint64_t epoch = ofswitch_epoch(sw);
    assert_true(ofswitch_confirmed(sw) < epoch);
    until(ofswitch_confirmed(sw) >= epoch);
    assert_n_flows(1);

    want(2, 0, 10, 2, 0x0a000002, "drop");
    ofswitch_run(sw, desired, ++generation); /* Takes owner 2 into a bundle ... */
    uint64_t second = ofswitch_epoch(sw);
    want(3, 0, 10, 3, 0x0a000003, "drop");
    ofswitch_run(sw, desired, ++generation); /* ... and 3 has to wait. */
    uint64_t third = ofswitch_epoch(sw);
    assert_true(second > epoch && third > second);
    until(ofswitch_confirmed(sw) >= third);
    assert_n_flows(3);
}

/* Who waits for changes that come to nothing while a bundle is under way. */
static void
test_epoch_of_changes_that_cancel_out(void **state)
{
    sync_now();
    kill(ovs.vswitchd, SIGSTOP); /* No answer before its time. */
    want(1, 0, 10, 1, 0x0a000001, "drop");
    ofswitch_run(sw, desired, ++generation);
    want(2, 0, 10, 2, 0x0a000002, "drop");
    ofswitch_run(sw, desired, ++generation);
    uint64_t epoch = ofswitch_epoch(sw);
    unwant(2);
    generation++;
    kill(ovs.vswitchd, SIGCONT);
    until(ofswitch_confirmed(sw) >= epoch && ofswitch_is_synced(sw));
    assert_n_flows(1);
    assert_int_equal(ofswitch_n_flow_mods(sw), 1);
}

/* The same beside a bundle that takes several runs to send. */
static void
test_epoch_of_changes_that_cancel_out_beside_a_large_bundle(void **state)
{
    enum { N = 3000 };
    sync_now();
    kill(ovs.vswitchd, SIGSTOP);
    for (uint32_t i = 0; i < N; i++) {
        want(i, 0, 10, 1, 0x0a000000 + i, "drop");
    }
    ofswitch_run(sw, desired, ++generation);
    want(N, 0, 10, 1, 0x0b000000, "drop");
    ofswitch_run(sw, desired, ++generation);
    uint64_t epoch = ofswitch_epoch(sw);
    unwant(N);
    generation++;
    kill(ovs.vswitchd, SIGCONT);
    until(ofswitch_confirmed(sw) >= epoch && ofswitch_is_synced(sw));
    assert_n_flows(N);
    assert_int_equal(ofswitch_n_flow_mods(sw), N);
}

struct stats_seen {
    unsigned int n_flows;
    uint64_t n_packets;
    int ended; /* 0: not yet, 1: complete, -1: not complete. */
};

static void
stats_cb(const struct ofputil_flow_stats *fs, bool complete, void *aux)
{
    struct stats_seen *seen = aux;
    if (fs) {
        seen->n_flows++;
        seen->n_packets += fs->packet_count;
    } else {
        seen->ended = complete ? 1 : -1;
    }
}

static void
test_statistics(void **state)
{
    want(1, 0, 10, 0x5600000000000001, 0x0a000001, "drop");
    want(2, 0, 10, 0x5700000000000001, 0x0a000002, "drop");
    sync_now();
    send_packet();
    struct stats_seen seen = { .ended = 0 };
    ofswitch_request_stats(sw, 0xff, NULL, UINT64_C(0x56) << 56, UINT64_C(0xff) << 56, stats_cb,
                           &seen);
    until(seen.ended);
    assert_int_equal(seen.ended, 1);
    assert_int_equal(seen.n_flows, 1);
    assert_int_equal(seen.n_packets, 1);

    ovs_test_stop(&ovs.vswitchd);
    seen.ended = 0;
    ofswitch_request_stats(sw, 0xff, NULL, 0, 0, stats_cb, &seen);
    until(seen.ended);
    assert_int_equal(seen.ended, -1);
}

static void
removed_cb(const struct ofputil_flow_removed *fr, void *aux)
{
    *(uint64_t *) aux = ntohll(fr->cookie);
}

static void
test_removed_flows_are_told(void **state)
{
    uint64_t cookie = 0;
    ofswitch_set_removed_cb(sw, removed_cb, &cookie);
    sync_now();
    free(ovs_test_sh("ovs-ofctl -OOpenFlow15 add-flow br-int "
                     "'table=%d,cookie=0x560b000000000000,send_flow_rem,tcp,actions=drop'",
                     TABLE_matrix_learned));
    free(ovs_test_sh("ovs-ofctl -OOpenFlow15 del-flows br-int table=%d", TABLE_matrix_learned));
    until(cookie == UINT64_C(0x560b000000000000));
}

/* --- Packets -------------------------------------------------------------------- */

static struct {
    int n;
    struct packet_in last; /* Without what it borrowed. */
} packets;

static void
packet_cb(struct packet_in *p, void *aux)
{
    packets.n++;
    ofpbuf_delete(packets.last.resume);
    packets.last = *p;
    p->resume = NULL;
}

/* UDP to 10.0.0.2, put into table 0. */
static void
inject(void)
{
    free(ovs_test_sh("ovs-ofctl -OOpenFlow15 packet-out br-int 'in_port=CONTROLLER packet="
                     "020000000002020000000001080045000020000000004011"
                     "66c90a0000010a0000020fa00050000c0000deadbeef actions=resubmit(,0)'"));
}

static void
assert_packets(uint32_t nw_dst, int n)
{
    char *match = xasprintf("table=1,ip,nw_dst=10.0.0.%u", nw_dst & 0xff);
    char *expected = xasprintf("n_packets=%d,", n);
    assert_dump(match, expected, true);
    free(match);
    free(expected);
}

static void
test_packets(void **state)
{
    memset(&packets, 0, sizeof packets);
    ofswitch_set_packet_cb(sw, packet_cb, NULL);
    want(1, 0, 10, 1, 0x0a000002,
         "controller(max_len=128,userdata=56.01.01.00.00.00.01.09,meter_id=1)");
    sync_now();
    inject();
    until(packets.n == 1);
    assert_int_equal(packets.last.features, VIRGA_USERDATA_REJECT);
    assert_int_equal(packets.last.id, 0x109);
    assert_null(packets.last.resume);
    assert_null(ofswitch_last_error(sw)); /* Meters that were there are no error. */
    char *meters = ovs_test_sh("ovs-ofctl -OOpenFlow15 dump-meters br-int");
    assert_non_null(strstr(meters, "meter=1 pktps burst"));
    free(meters);
}

/* A packet that is held goes on when it is told to, and not before. */
static void
test_held_packet(void **state)
{
    memset(&packets, 0, sizeof packets);
    ofswitch_set_packet_cb(sw, packet_cb, NULL);
    want(1, 0, 10, 1, 0x0a000002,
         "controller(userdata=56.01.04.00.00.00.00.00,pause),goto_table:1");
    want(2, 1, 10, 1, 0x0a000002, "drop");
    sync_now();
    inject();
    until(packets.n == 1);
    assert_packets(0x0a000002, 0);
    assert_non_null(packets.last.resume);
    ofswitch_send_take(sw, packets.last.resume);
    packets.last.resume = NULL;
    want(3, 1, 10, 1, 0x0a000003, "drop");
    sync_now(); /* A barrier. */
    assert_packets(0x0a000002, 1);
}

static void
test_packet_out(void **state)
{
    static const uint8_t frame[60] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45 };
    struct in6_addr vtep = { .s6_addr = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0,
                                          9 } };
    sync_now();
    ofswitch_send_take(sw, ofp_message_packet_out(frame, sizeof frame, 1, NULL, 0));
    ofswitch_send_take(sw, ofp_message_packet_out(frame, sizeof frame, 1, &vtep, 4097));
    want(1, 0, 10, 1, 0x0a000002, "drop");
    sync_now();
    assert_null(ofswitch_last_error(sw));
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_large_table_and_small_changes),
        TEST(test_large_change_in_stages),
        TEST(test_push_sends_the_bundle_under_way),
        TEST(test_push_into_a_switch_that_is_gone),
        TEST(test_nothing_happens_before_desired_is_known),
        TEST(test_reconnect_changes_nothing),
        TEST(test_switch_restart_gets_all_back),
        TEST(test_resync_repairs_differences),
        TEST(test_flows_of_every_cookie_are_read),
        TEST(test_audit_notices_missing_flow),
        TEST(test_counters_stay_unless_the_cookie_changes),
        TEST(test_error_in_message),
        TEST(test_error_in_commit),
        TEST(test_epoch_names_the_bundle),
        TEST(test_epoch_of_changes_that_cancel_out),
        TEST(test_epoch_of_changes_that_cancel_out_beside_a_large_bundle),
        TEST(test_statistics),
        TEST(test_removed_flows_are_told),
        TEST(test_packets),
        TEST(test_held_packet),
        TEST(test_packet_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
