#include "programs/virgactl/explain.h"

#include <stdlib.h>

#include "base/records.h"
#include "base/test.h"
#include "openvswitch/dynamic-string.h"
#include "programs/virgactl/words.h"

static const char records_text[] =
    "node 1 name=node-1 vtep=172.30.0.1 addresses=172.30.0.1\n"
    "node 2 name=node-2 vtep=172.30.0.2 addresses=172.30.0.2\n"
    "network 4097 name=shop zone=16 subnets=10.128.1.0/24 gateways=10.128.1.1\n"
    "identity 256 vni=4097 labels=\"shop{app=redis}\"\n"
    "identity 257 vni=4097 labels=\"shop{role=frontend}\"\n"
    "endpoint 7 name=shop/redis-0 uid=u vni=4097 identity=256 node=1 "
    "mac=02:56:0a:80:01:02 ips=10.128.1.2\n"
    "set 3 selector=\"ns{kubernetes.io/metadata.name=shop}/pod{app=redis}\" identities=256\n"
    "set 12 selector=\"ns{kubernetes.io/metadata.name=shop}/pod{role=frontend}\" "
    "identities=257\n"
    "set 13 selector=\"ns{team=blue}/pod{}\" identities=257\n"
    "rule 9 ingress tier=networkpolicy priority=0 action=allow vni=4097 subject=3 "
    "peers=set:12,set:13,192.0.2.0/24 ports=tcp:6379,udp:1000-2000 "
    "policy=NetworkPolicy/shop/redis index=0\n"
    "rule 10 ingress tier=networkpolicy priority=0 action=isolate vni=4097 subject=3 "
    "peers=any ports=any policy=NetworkPolicy/shop/redis index=-1\n"
    "rule 11 egress tier=networkpolicy priority=0 action=allow vni=4097 subject=3 "
    "peers=any ports=any policy=NetworkPolicy/shop/out index=2\n";

static int
setup(void **state)
{
    struct records *records = records_create();
    char *error = records_parse(records_text, records);

    if (error) {
        print_error("%s\n", error);
    }
    assert_null(error);
    *state = records;
    return 0;
}

static int
teardown(void **state)
{
    records_destroy(*state);
    return 0;
}

static void
check_flow(void **state, const char *line, const char *expected)
{
    struct words *words = words_create(*state);
    struct ds out = DS_EMPTY_INITIALIZER;

    assert_true(explain_flow(words, line, &out));
    assert_string_equal(ds_cstr(&out), expected);
    ds_destroy(&out);
    words_destroy(words);
}

static void
check_cookie(void **state, uint64_t cookie, const char *expected)
{
    struct words *words = words_create(*state);
    struct ds out = DS_EMPTY_INITIALIZER;

    explain_cookie(words, cookie, &out);
    assert_string_equal(ds_cstr(&out), expected);
    ds_destroy(&out);
    words_destroy(words);
}

static void
test_rule_cookie_names_policy_and_meaning(void **state)
{
    check_cookie(state, UINT64_C(0x5606000000000009),
                 "rule 9 (ingress[0] of NetworkPolicy/shop/redis): a rule's verdict: counts new "
                 "connections\n"
                 "    pods app=redis of namespace shop accept TCP 6379, UDP 1000-2000 from "
                 "pods role=frontend of namespace shop, all pods of namespaces team=blue, "
                 "192.0.2.0/24\n");
    check_cookie(state, UINT64_C(0x560600000000000b),
                 "rule 11 (egress[2] of NetworkPolicy/shop/out): a rule's verdict: counts new "
                 "connections\n"
                 "    pods app=redis of namespace shop may send everything to anywhere\n");
}

static void
test_default_deny(void **state)
{
    check_cookie(state, UINT64_C(0x560800000000000a),
                 "rule 10 (ingress default deny of NetworkPolicy/shop/redis): default deny of a "
                 "policy\n"
                 "    pods app=redis of namespace shop accept only what a rule allows\n");
}

static void
test_other_cookies(void **state)
{
    check_cookie(state, UINT64_C(0x5605000000000007),
                 "endpoint shop/redis-0 (10.128.1.2 on node-1): an endpoint's port or "
                 "destination\n");
    check_cookie(state, UINT64_C(0x5603000000000002),
                 "node node-2 (172.30.0.2): a remote node's addresses\n");
    check_cookie(state, UINT64_C(0x5604000000001001),
                 "VNI 4097 (network shop): a network's conntrack zone\n");
    check_cookie(state, UINT64_C(0x5607000000000101),
                 "identity 257 shop{role=frontend}: a clause: the conjunctions it belongs to\n");
    check_cookie(state, UINT64_C(0x5602000000000002),
                 "spoofed (source MAC or address is not the port's own): a counted drop of the "
                 "fixed pipeline\n");
    check_cookie(state, UINT64_C(0x5606000000000063),
                 "rule 99 (gone): a rule's verdict: counts new connections\n");
    check_cookie(state, 0, "not a flow of Virga\n");
}

static void
test_clause_flow(void **state)
{
    check_flow(state,
               " cookie=0x5607000000000101, duration=3.5s, table=52, n_packets=4, n_bytes=296, "
               "idle_age=1, priority=20000,reg0=0x101,reg3=0x1001/0xffffff "
               "actions=conjunction(9,2/3),conjunction(77,1/2)",
               "ingress_np, priority 20000, 4 packets, 296 bytes\n"
               "    identity 257 shop{role=frontend}: a clause: the conjunctions it belongs to\n"
               "    if src_identity=257 shop{role=frontend}, dst_network=4097 (network shop)\n"
               "    then clause 2 of 3 of rule 9 (ingress[0] of NetworkPolicy/shop/redis), "
               "clause 1 of 2 of rule 77 (gone)\n");
}

static void
test_registers_addresses_and_jumps(void **state)
{
    check_flow(
        state,
        "cookie=0x5605000000000007, table=destination, priority=200,ip,reg5=0x20010/0x3ffff,"
        "nw_dst=10.128.1.2 actions=load:0x100->NXM_NX_REG1[],set_field:0x80000/0xc0000->"
        "reg5,move:NXM_NX_REG0[]->NXM_NX_REG5[0..15],move:NXM_OF_ETH_SRC[32]->NXM_NX_REG5[20],"
        "goto_table:20",
        "destination, priority 200\n"
        "    endpoint shop/redis-0 (10.128.1.2 on node-1): an endpoint's port or "
        "destination\n"
        "    if ip, zone=16 (network shop), origin=tunnel, nw_dst=10.128.1.2 "
        "(shop/redis-0)\n"
        "    then dst_identity=256 shop{app=redis}, target=tunnel, "
        "move:src_identity->zone, move:NXM_OF_ETH_SRC[32]->pair_known, go to zone\n");
}

static void
test_conntrack_and_tunnel(void **state)
{
    check_flow(
        state,
        "table=\"metrics_ingress\", "
        "priority=200,ct_state=+est+trk,ct_label=0x9/0xffffffff,tun_id=0x1001,"
        "tun_src=172.30.0.2,dl_src=0a:00:00:00:01:01 "
        "actions=ct(commit,zone=NXM_NX_REG5[0..15],exec(move:NXM_NX_REG7[]->"
        "NXM_NX_CT_LABEL[0..31])),resubmit(,\"matrix_learned\"),goto_table:\"matrix_learn\"",
        "metrics_ingress, priority 200\n"
        "    not a flow of Virga\n"
        "    if ct_state=+est+trk, ct_label ingress_rule=rule 9 (ingress[0] of "
        "NetworkPolicy/shop/redis), VNI 4097 (network shop), tun_src=172.30.0.2 (node "
        "node-2), dl_src=0a:00:00:00:01:01 (identity 257 shop{role=frontend})\n"
        "    then ct(commit,zone=zone,exec(move:ingress_rule->NXM_NX_CT_LABEL[0..31])), "
        "go to matrix_learned, go to matrix_learn\n");
}

static void
test_any_pod_and_dry_run(void **state)
{
    check_flow(state,
               "table=egress_admin, priority=64990,reg1=0x100/0x100 actions=conjunction(9,2/3)",
               "egress_admin, priority 64990\n"
               "    not a flow of Virga\n"
               "    if dst_identity=any endpoint's with bit 8\n"
               "    then clause 2 of 3 of rule 9 (ingress[0] of NetworkPolicy/shop/redis)\n");
    check_flow(state,
               "table=egress_admin, priority=64990,reg0=0x100,reg5=0/0x600000 "
               "actions=set_field:0x200000/0xe00000->reg5,resubmit(,egress_admin)",
               "egress_admin, priority 64990\n"
               "    not a flow of Virga\n"
               "    if src_identity=256 shop{app=redis}, egress_dry_run=nobody\n"
               "    then egress_dry_run=decided, go to egress_admin\n");
}

static void
test_packets_to_the_agent(void **state)
{
    check_flow(state,
               "table=ingress_np, priority=20000,conj_id=9 "
               "actions=controller(max_len=192,userdata=56.01.03.00.00.00.00.09,meter_id=1)",
               "ingress_np, priority 20000\n"
               "    not a flow of Virga\n"
               "    if every clause of rule 9 (ingress[0] of NetworkPolicy/shop/redis)\n"
               "    then tell the sender and log, for rule 9 (ingress[0] of "
               "NetworkPolicy/shop/redis)\n");
    check_flow(state,
               "table=dns_hold, priority=200 "
               "actions=controller(userdata=56.01.04.00.00.00.00.00,pause),goto_table:output",
               "dns_hold, priority 200\n"
               "    not a flow of Virga\n"
               "    always\n"
               "    then hold for the agent to learn addresses, go to output\n");
}

static void
test_what_is_no_flow(void **state)
{
    struct words *words = words_create(*state);
    struct ds out = DS_EMPTY_INITIALIZER;

    assert_false(explain_flow(words, "OFPST_FLOW reply (OF1.5) (xid=0x2):", &out));
    assert_false(explain_flow(words, "", &out));
    assert_false(explain_flow(words, "# table=0 actions=drop", &out));
    assert_int_equal(out.length, 0);
    ds_destroy(&out);
    words_destroy(words);
}

/* Text from outside: nothing of it may read past its end or fail. */
static void
test_odd_text(void **state)
{
    static const char *const lines[] = {
        "actions=",
        "table=,priority=,cookie= actions=,,,",
        "reg=1,reg99=0x1,reg0=,reg0=zz,ct_label=0x1/,dl_src=0a:00 actions=conjunction(",
        "table=999 actions=resubmit(,",
        "nw_src=not-an-address actions=load:->NXM_NX_REG0[],load:0x1->NXM_NX_REG0[3..1]",
        "actions=ct(((((",
        "actions=)))),output:NXM_NX_REG",
        "actions=controller(userdata=56.01.",
        "actions=controller(",
    };
    struct words *words = words_create(*state);

    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct ds out = DS_EMPTY_INITIALIZER;

        assert_true(explain_flow(words, lines[i], &out));
        ds_destroy(&out);
    }
    words_destroy(words);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rule_cookie_names_policy_and_meaning),
        cmocka_unit_test(test_default_deny),
        cmocka_unit_test(test_other_cookies),
        cmocka_unit_test(test_clause_flow),
        cmocka_unit_test(test_registers_addresses_and_jumps),
        cmocka_unit_test(test_conntrack_and_tunnel),
        cmocka_unit_test(test_any_pod_and_dry_run),
        cmocka_unit_test(test_packets_to_the_agent),
        cmocka_unit_test(test_what_is_no_flow),
        cmocka_unit_test(test_odd_text),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
