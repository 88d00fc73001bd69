#include "openflow/guards.h"

#include <limits.h>
#include <stdlib.h>

#include "base/prefix.h"
#include "base/test.h"
#include "openflow/flow_table.h"
#include "openvswitch/dynamic-string.h"

static struct flow_table *flows;
static struct guards *guards;

static int
setup(void **state)
{
    flows = flow_table_create();
    guards = guards_create(flows);
    return 0;
}

static int
teardown(void **state)
{
    guards_destroy(guards);
    flow_table_destroy(flows);
    return 0;
}

static struct guard_tuple
tuple(const char *src, uint16_t src_port, const char *dst, uint16_t dst_port, uint8_t protocol)
{
    struct guard_tuple t = { .src_port = src_port, .dst_port = dst_port, .protocol = protocol };
    char *error = addr_parse(src, &t.src);
    assert_null(error);
    error = addr_parse(dst, &t.dst);
    assert_null(error);
    return t;
}

static void
add(const char *src, uint16_t src_port, const char *dst, uint16_t dst_port, uint8_t protocol,
    long long int now)
{
    struct guard_tuple t = tuple(src, src_port, dst, dst_port, protocol);
    guards_add(guards, &t, now);
}

static void
assert_flows(const char *wanted)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    flow_table_format(flows, &s);
    assert_string_equal(ds_cstr(&s), wanted);
    ds_destroy(&s);
}

#define GUARD(MATCH)                                                                       \
    "cookie=0x560d000000000000, table=\"ct_state\", priority=400,ct_state=+new+trk," MATCH \
    " actions=drop\n"

static void
test_flows(void **state)
{
    add("10.0.0.1", 80, "10.0.0.2", 4000, IPPROTO_TCP, 0);
    assert_flows(
        GUARD("tcp,nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=80,tp_dst=4000,tcp_flags=-syn"));
    add("10.0.0.1", 80, "10.0.0.2", 4000, IPPROTO_TCP, 5); /* Again. */
    assert_int_equal(flow_table_count(flows), 1);
    guards_run(guards, LLONG_MAX);
    assert_flows("");
    add("10.0.0.1", 53, "10.0.0.2", 4000, IPPROTO_UDP, 0);
    assert_flows(GUARD("udp,nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=53,tp_dst=4000"));
    guards_run(guards, LLONG_MAX);
    add("10.0.0.1", 0, "10.0.0.2", 0, IPPROTO_SCTP, 0);
    assert_flows(GUARD("sctp,nw_src=10.0.0.1,nw_dst=10.0.0.2"));
    guards_run(guards, LLONG_MAX);
    add("fd00::1", 1, "fd00::2", 2, IPPROTO_UDP, 0);
    assert_flows(GUARD("udp6,ipv6_src=fd00::1,ipv6_dst=fd00::2,tp_src=1,tp_dst=2"));
}

/* Both directions, before conntrack sees them. */
static void
test_icmp6(void **state)
{
    add("fd00::1", 0, "fd00::2", 0, IPPROTO_ICMPV6, 1000);
    assert_flows("cookie=0x560d000000000000, table=conntrack, priority=400,icmp6,"
                 "ipv6_src=fd00::1,ipv6_dst=fd00::2,icmp_type=129 actions=drop\n"
                 "cookie=0x560d000000000000, table=conntrack, priority=400,icmp6,"
                 "ipv6_src=fd00::2,ipv6_dst=fd00::1,icmp_type=128 actions=drop\n");
    assert_int_equal(guards_count(guards), 1);
    assert_true(guards_next(guards) == 1000 + GUARD_ICMP6_MS);
    add("10.0.0.1", 53, "10.0.0.2", 1, IPPROTO_UDP, 1000);
    guards_run(guards, 1000 + GUARD_MS);
    assert_int_equal(guards_count(guards), 1);
    guards_run(guards, 1000 + GUARD_ICMP6_MS);
    assert_flows("");
}

static void
test_lifetimes(void **state)
{
    assert_true(guards_next(guards) == LLONG_MAX);
    add("10.0.0.1", 80, "10.0.0.2", 1, IPPROTO_TCP, 1000);
    add("10.0.0.1", 80, "10.0.0.2", 1, IPPROTO_UDP, 1000);
    add("10.0.0.1", 80, "10.0.0.2", 2, IPPROTO_UDP, 2000);
    assert_true(guards_next(guards) == 1000 + GUARD_MS);
    add("10.0.0.1", 80, "10.0.0.2", 1, IPPROTO_UDP, 3000); /* Lasts longer now. */
    assert_true(guards_next(guards) == 2000 + GUARD_MS);
    guards_run(guards, 2000 + GUARD_MS);
    assert_int_equal(guards_count(guards), 2);
    guards_run(guards, 3000 + GUARD_MS);
    assert_int_equal(guards_count(guards), 1);
    assert_true(guards_next(guards) == 1000 + GUARD_TCP_MS);
    guards_run(guards, 1000 + GUARD_TCP_MS);
    assert_int_equal(guards_count(guards), 0);
    assert_int_equal(flow_table_count(flows), 0);
}

static void
test_cap(void **state)
{
    for (int i = 0; i < GUARDS_MAX + 10; i++) {
        add("10.0.0.1", (uint16_t) (i + 1), "10.0.0.2", 1, IPPROTO_TCP, i);
    }
    assert_int_equal(guards_count(guards), GUARDS_MAX);
    assert_int_equal(flow_table_count(flows), GUARDS_MAX);
    assert_int_equal(guards_n_evicted(guards), 10);
    struct guard_tuple t = tuple("10.0.0.1", 10, "10.0.0.2", 1, IPPROTO_TCP);
    assert_false(guards_has(guards, &t));
    t.src_port = 11;
    assert_true(guards_has(guards, &t));
}

static void
test_adopts_its_own_flows(void **state)
{
    add("10.0.0.1", 80, "10.0.0.2", 4000, IPPROTO_TCP, 0);
    add("fd00::1", 1, "fd00::2", 2, IPPROTO_UDP, 0);
    add("10.0.0.1", 0, "10.0.0.2", 0, IPPROTO_SCTP, 0);
    add("fd00::1", 0, "fd00::2", 0, IPPROTO_ICMPV6, 0);
    struct flow_table *again = flow_table_create();
    struct guards *heirs = guards_create(again);
    const struct flow_entry *flow;
    for (flow = flow_table_first(flows); flow; flow = flow_table_next(flows, flow)) {
        struct match match;
        minimatch_expand(&flow->match, &match);
        guards_adopt(heirs, &match, 7);
    }
    struct flow_changes changes = { .n = 0 };
    flow_table_diff(again, flows, &changes);
    assert_int_equal(flow_table_count(again), 5);
    assert_int_equal(guards_count(heirs), 4);
    assert_int_equal(changes.n, 0);
    flow_changes_uninit(&changes);
    guards_destroy(heirs);
    flow_table_destroy(again);
}

static bool
is_even(const struct guard_tuple *t, void *aux)
{
    return t->src_port % 2 == 0;
}

static void
test_filter(void **state)
{
    for (int i = 1; i <= 9; i++) {
        add("10.0.0.1", (uint16_t) i, "10.0.0.2", 1, i < 5 ? IPPROTO_TCP : IPPROTO_UDP, i);
    }
    guards_filter(guards, is_even, NULL);
    assert_int_equal(guards_count(guards), 4);
    assert_int_equal(flow_table_count(flows), 4);
    guards_run(guards, LLONG_MAX);
    assert_int_equal(guards_count(guards), 0);
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_flows), TEST(test_icmp6),  TEST(test_lifetimes),
        TEST(test_cap),   TEST(test_filter), TEST(test_adopts_its_own_flows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
