/* What a node learned, and policies that are too large for it. */
#include "openflow/lower.h"

#include <stdlib.h>
#include <string.h>

#include "base/test.h"
#include "openflow/flow_table_roundtrip.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

/* web may open TCP 443 to the addresses of a domain, and nothing else. */
static const char text[] =
    "node 1 name=n1 vtep=172.30.0.1 addresses=172.30.0.1\n"
    "network 4096 name=shop zone=16 subnets=10.128.0.0/24 gateways=10.128.0.1\n"
    "identity 256 vni=4096 labels=shop{app=web}\n"
    "endpoint 1 name=shop/web uid=1 vni=4096 identity=256 node=1 mac=02:56:0a:80:00:02"
    " ips=10.128.0.2\n"
    "set 1 selector=web identities=256\n"
    "set 9 selector=dns domains=*.example.com\n"
    "rule 4 egress tier=networkpolicy priority=0 action=isolate vni=4096 subject=1 peers=any"
    " ports=any policy=NetworkPolicy/shop/p index=-1\n"
    "rule 5 egress tier=networkpolicy priority=0 action=allow vni=4096 subject=1"
    " peers=set:9 ports=tcp:443 policy=NetworkPolicy/shop/p index=0\n";

static struct records *records;
static struct lower *lower;

static void
create(size_t policy_flows_max)
{
    struct lower_config config = {
        .node_name = CONST_CAST(char *, "n1"),
        .tunnel_port = 1,
        .gateway_port = 2,
        .policy_flows_max = policy_flows_max,
    };
    records = records_create();
    lower = lower_create(&config);
    char *error = records_parse(text, records);
    assert_null(error);
    lower_attach(lower, "shop/web", "1", 7);
}

static int
setup(void **state)
{
    create(0);
    return 0;
}

static int
setup_small(void **state)
{
    create(20);
    return 0;
}

static int
teardown(void **state)
{
    lower_destroy(lower);
    records_destroy(records);
    return 0;
}

static void
run(void)
{
    lower_run(lower, records);
    records_clear_changes(records);
    char *error = lower_check_full(lower, records);
    if (error) {
        fail_msg("%s", error);
    }
    assert_survives_openflow(lower_flows(lower));
}

/* How many flows have all of the words. */
static size_t
n_flows(const char *a, const char *b)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    flow_table_format(lower_flows(lower), &s);
    char *save = NULL;
    size_t n = 0;
    for (char *line = strtok_r(ds_cstr(&s), "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        n += strstr(line, a) && strstr(line, b);
    }
    ds_destroy(&s);
    return n;
}

/* 192.0.2.1 and so on. */
static void
learn(size_t n)
{
    struct in6_addr *addrs = xcalloc(n + 1, sizeof *addrs);
    for (size_t i = 0; i < n; i++) {
        char *addr = xasprintf("192.0.2.%zu", i + 1);
        char *error = addr_parse(addr, &addrs[i]);
        assert_null(error);
        free(addr);
    }
    lower_set_learned(lower, 9, addrs, n);
    free(addrs);
}

static void
test_learned_addresses(void **state)
{
    run();
    assert_int_equal(n_flows("nw_dst=192.0.2.", "conjunction(5,2/3)"), 0);
    learn(2);
    run();
    assert_int_equal(n_flows("nw_dst=192.0.2.", "conjunction(5,2/3)"), 2);
    learn(1);
    run();
    assert_int_equal(n_flows("nw_dst=192.0.2.", "conjunction(5,2/3)"), 1);
    learn(0);
    run();
    assert_int_equal(n_flows("nw_dst=192.0.2.", "conjunction(5,2/3)"), 0);
}

static void
test_answers_go_to_the_agent(void **state)
{
    run();
    assert_int_equal(n_flows("table=dns,", "udp,reg1=0x100,"), 1);
    assert_int_equal(n_flows("table=dns,", "udp6,reg1=0x100,"), 1);
    lower_attach(lower, "shop/web", "1", 0);
    run();
    assert_int_equal(n_flows("table=dns,", "tp_src=53"), 0);
    lower_attach(lower, "shop/web", "1", 7);
    records_remove(records, RECORD_RULE, 5);
    run();
    assert_int_equal(n_flows("table=dns,", "tp_src=53"), 0);
}

/* What the flows of a verdict send to the agent, and do. */
static void
test_reject_and_log(void **state)
{
    static const struct {
        const char *action, *flags, *expected;
    } cases[] = {
        { "reject", "",
          " actions=controller(max_len=192,userdata=56.01.01.00.00.00.00.06,meter_id=1)" },
        { "reject", " flags=log",
          " actions=controller(max_len=192,userdata=56.01.03.00.00.00.00.06,meter_id=1)" },
        { "deny", " flags=log",
          " actions=controller(max_len=192,userdata=56.01.02.00.00.00.00.06,meter_id=2)" },
        { "allow", " flags=log",
          " actions=controller(max_len=192,userdata=56.01.02.00.00.00.00.06,meter_id=2)," },
        { "reject", " flags=log,dry-run",
          " actions=controller(max_len=192,userdata=56.01.02.00.00.00.00.06,meter_id=2)," },
        { "deny", "", " actions=drop" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char *line = xasprintf("rule 6 egress tier=group priority=0 rank=9 action=%s vni=0 "
                               "subject=1 peers=any ports=any policy=GroupPolicy//g index=0%s\n",
                               cases[i].action, cases[i].flags);
        char *error = records_parse(line, records);
        assert_null(error);
        free(line);
        run();
        assert_int_equal(n_flows("cookie=0x5606000000000006,", cases[i].expected), 1);
    }
}

static void
count(void *n, const char *policy, size_t size)
{
    assert_string_equal(policy, "NetworkPolicy/shop/p");
    (*(size_t *) n)++;
}

static size_t
n_oversized(void)
{
    size_t n = 0;
    lower_each_oversized(lower, count, &n);
    return n;
}

/* It keeps its isolation, and comes back when it fits. */
static void
test_policy_too_large(void **state)
{
    run();
    assert_int_equal(n_oversized(), 0);
    assert_int_equal(n_flows("actions=conjunction(5,", ""), 3 - 1);
    learn(30);
    run();
    assert_int_equal(n_oversized(), 1);
    assert_int_equal(n_flows("conjunction(5,", ""), 0);
    assert_int_equal(n_flows("cookie=0x5608000000000004,", "actions=drop"), 1);
    learn(3);
    run();
    assert_int_equal(n_oversized(), 0);
    assert_int_equal(n_flows("nw_dst=192.0.2.", "conjunction(5,2/3)"), 3);
    learn(30);
    run();
    records_remove(records, RECORD_RULE, 5);
    run();
    assert_int_equal(n_oversized(), 0);
}

/* In an ordered tier what it decides becomes a denial of everything. */
static void
test_ordered_policy_too_large(void **state)
{
    char *error = records_parse("rule 6 egress tier=admin priority=0 rank=9 action=allow vni=0 "
                                "subject=1 peers=set:9 ports=any policy=C//big index=0\n"
                                "rule 7 egress tier=admin priority=0 rank=10 action=pass vni=0 "
                                "subject=1 peers=10.0.0.0/8 ports=tcp:80 policy=C//big index=1\n"
                                "rule 8 egress tier=admin priority=0 rank=11 action=deny vni=0 "
                                "subject=1 peers=10.0.0.0/8 ports=any policy=C//big index=2 "
                                "flags=dry-run\n",
                                records);
    assert_null(error);
    learn(30);
    run();
    assert_int_equal(n_flows("cookie=0x5606000000000006,", ""), 0);
    assert_int_equal(
        n_flows("cookie=0x5606000000000007,", "reg0=0x100,reg5=0x10000/0x30000 actions=drop"), 1);
    assert_int_equal(n_flows("cookie=0x5606000000000008,", ""), 0);
    learn(1);
    run();
    assert_int_equal(n_flows("cookie=0x5606000000000006,", "conj_id=6,"), 1);
    assert_int_equal(
        n_flows("cookie=0x5606000000000007,", "conj_id=7,reg5=0x10000/0x30000 actions=goto_table"),
        1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_learned_addresses, setup, teardown),
        cmocka_unit_test_setup_teardown(test_answers_go_to_the_agent, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reject_and_log, setup, teardown),
        cmocka_unit_test_setup_teardown(test_policy_too_large, setup_small, teardown),
        cmocka_unit_test_setup_teardown(test_ordered_policy_too_large, setup_small, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
