#include "base/test.h"

#include "openflow/lower.h"

#include <stdlib.h>
#include <string.h>

#include "openflow/flow_dump.h"
#include "openflow/flow_table_roundtrip.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"
#include "virga/cookie.h"

/* Fixtures. */

struct world {
    struct records *records;
    struct lower *lower;
};

static struct world
world_create_limited(const char *text, size_t policy_flows_max)
{
    struct lower_config config = { .node_name = CONST_CAST(char *, "node-1"),
                                   .tunnel_port = 1,
                                   .gateway_port = 2,
                                   .policy_flows_max = policy_flows_max };
    struct world w = { records_create(), lower_create(&config) };

    char *error = records_parse(text, w.records);
    if (error) {
        fail_msg("%s", error);
    }
    return w;
}

static struct world
world_create(const char *text)
{
    return world_create_limited(text, 0);
}

static void
run(struct world *w)
{
    lower_run(w->lower, w->records);
    records_clear_changes(w->records);
    char *error = lower_check_full(w->lower, w->records);
    if (error) {
        fail_msg("%s", error);
    }
}

static void
world_destroy(struct world *w)
{
    lower_destroy(w->lower);
    records_destroy(w->records);
}

static void
change(struct world *w, const char *line)
{
    char *error = records_parse(line, w->records);
    if (error) {
        fail_msg("%s", error);
    }
}

/* The lines that contain 'part', and the change log's: sign and cookie. */
static char *
lines_with(struct world *w, const char *part)
{
    struct ds all = DS_EMPTY_INITIALIZER, found = DS_EMPTY_INITIALIZER;
    char *save = NULL;

    flow_table_format(lower_flows(w->lower), &all);
    for (char *line = strtok_r(ds_cstr(&all), "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        if (strstr(line, part)) {
            ds_put_format(&found, "%s\n", strstr(line, "table="));
        }
    }
    ds_destroy(&all);
    return ds_steal_cstr(&found);
}

static void
assert_lines(struct world *w, const char *part, const char *expected)
{
    char *lines = lines_with(w, part);

    assert_string_equal(lines, expected);
    free(lines);
}

/* Counts the changes; all must carry the feature of 'cookie_feature'. */
static void
assert_n_changes(struct world *w, size_t n, unsigned int cookie_feature)
{
    struct flow_changes fc;

    flow_table_changes(lower_flows(w->lower), &fc);
    assert_int_equal(fc.n, n);
    for (size_t i = 0; i < fc.n; i++) {
        assert_int_equal(fc.a[i].flow->cookie >> 48 & 0xff, cookie_feature);
    }
    flow_changes_uninit(&fc);
    flow_table_clear_changes(lower_flows(w->lower));
}

#define SHOP                                                                                 \
    "node 1 name=node-1 vtep=172.30.0.1 addresses=172.30.0.1\n"                              \
    "node 2 name=node-2 vtep=172.30.0.2 addresses=172.30.0.2,192.0.2.2\n"                    \
    "network 4097 name=shop zone=16 subnets=10.128.1.0/24 gateways=10.128.1.1\n"             \
    "identity 256 vni=4097 labels=\"shop{role=redis}\"\n"                                    \
    "identity 257 vni=4097 labels=\"shop{role=frontend}\"\n"                                 \
    "endpoint 1 name=shop/redis uid=u1 vni=4097 identity=256 node=1 "                        \
    "mac=02:56:0a:80:01:02 ips=10.128.1.2\n"                                                 \
    "endpoint 2 name=shop/front uid=u2 vni=4097 identity=257 node=2 "                        \
    "mac=02:56:0a:80:01:03 ips=10.128.1.3\n"                                                 \
    "set 1 selector=\"redis\" identities=256\n"                                              \
    "set 2 selector=\"frontend\" identities=257\n"                                           \
    "rule 7 ingress tier=networkpolicy priority=0 action=allow vni=4097 subject=1 "          \
    "peers=set:2,192.0.2.0/24 ports=tcp:6379,udp:1000-1001 policy=NetworkPolicy/shop/redis " \
    "index=0\n"                                                                              \
    "rule 8 ingress tier=networkpolicy priority=0 action=isolate vni=4097 subject=1 "        \
    "peers=any ports=any policy=NetworkPolicy/shop/redis index=-1\n"

static void
test_rule_flows(void **state)
{
    struct world w = world_create(SHOP);

    lower_attach(w.lower, "shop/redis", "u1", 10);
    run(&w);
    assert_lines(
        &w, "priority=20000",
        "table=\"ingress_np\", send_flow_rem priority=20000,conj_id=7,reg5=0x40000/0xc0000 "
        "actions=set_field:0x7->reg7,goto_table:commit\n"
        "table=\"ingress_np\", priority=20000,ip,reg3=0x1001/0xffffff,nw_src=192.0.2.0/24 "
        "actions=conjunction(7,2/3)\n"
        "table=\"ingress_np\", priority=20000,reg0=0x101,reg3=0x1001/0xffffff "
        "actions=conjunction(7,2/3)\n"
        "table=\"ingress_np\", priority=20000,reg1=0x100,reg3=0x1001/0xffffff "
        "actions=conjunction(7,1/3)\n"
        "table=\"ingress_np\", priority=20000,tcp,reg3=0x1001/0xffffff,tp_dst=6379 "
        "actions=conjunction(7,3/3)\n"
        "table=\"ingress_np\", priority=20000,udp,reg3=0x1001/0xffffff,tp_dst=0x3e8/0xfffe "
        "actions=conjunction(7,3/3)\n");
    assert_lines(
        &w, "priority=10000",
        "table=\"ingress_np\", send_flow_rem priority=10000,reg1=0x100,reg3=0x1001/0xffffff,"
        "reg5=0x40000/0xc0000 actions=drop\n");
    assert_lines(&w, "cookie=0x560a000000000007",
                 "table=\"metrics_ingress\", send_flow_rem priority=200,reg7=0x7 "
                 "actions=goto_table:matrix\n");
    assert_survives_openflow(lower_flows(w.lower));
    world_destroy(&w);
}

/* Flows are read from a switch in parts, by the low bits of their cookies. */
static void
test_addresses_are_spread_over_cookies(void **state)
{
    enum { N = 4000 };
    size_t parts[FLOW_DUMP_PARTS] = { 0 };
    struct ds text = DS_EMPTY_INITIALIZER;

    ds_put_cstr(&text, SHOP "rule 9 egress tier=networkpolicy priority=0 action=allow vni=4097 "
                            "subject=1 peers=");
    for (uint32_t i = 0; i < N; i++) {
        ds_put_format(&text, "%s100.%" PRIu32 ".%" PRIu32 ".0/24", i ? "," : "", i / 64,
                      i % 64 * 4);
    }
    ds_put_cstr(&text, " ports=any policy=NetworkPolicy/shop/out index=0\n");
    struct world w = world_create(ds_cstr(&text));
    ds_destroy(&text);
    lower_attach(w.lower, "shop/redis", "u1", 10);
    run(&w);

    const struct flow_table *flows = lower_flows(w.lower);
    for (const struct flow_entry *f = flow_table_first(flows); f; f = flow_table_next(flows, f)) {
        if (VIRGA_COOKIE_FEATURE(f->cookie) == COOKIE_CLAUSE) {
            parts[f->cookie % FLOW_DUMP_PARTS]++;
        }
    }
    for (size_t i = 0; i < FLOW_DUMP_PARTS; i++) {
        assert_in_range(parts[i], N / FLOW_DUMP_PARTS / 2, N / FLOW_DUMP_PARTS * 2);
    }
    world_destroy(&w);
}

static void
test_rule_without_local_subject_has_no_flows(void **state)
{
    struct world w = world_create(SHOP);

    run(&w);
    assert_lines(&w, "priority=20000", "");
    assert_lines(&w, "priority=10000", "");
    lower_attach(w.lower, "shop/redis", "u1", 10);
    run(&w);
    lower_attach(w.lower, "shop/redis", "u1", 0);
    run(&w);
    assert_lines(&w, "priority=10000", "");
    world_destroy(&w);
}

static void
test_attachment_needs_the_right_uid_and_node(void **state)
{
    struct world w = world_create(SHOP);

    lower_attach(w.lower, "shop/redis", "other", 10);
    lower_attach(w.lower, "shop/front", "u2", 11);
    run(&w);
    assert_lines(&w, "table=classify, priority=200,in_port=1", "");
    assert_false(lower_is_realized(w.lower, "shop/redis", "other"));
    assert_false(lower_is_realized(w.lower, "shop/front", "u2"));

    lower_attach(w.lower, "shop/redis", "u1", 12);
    assert_false(lower_is_realized(w.lower, "shop/redis", "u1"));
    run(&w);
    assert_true(lower_is_realized(w.lower, "shop/redis", "u1"));
    assert_lines(
        &w, "in_port=12 ",
        "table=classify, priority=200,in_port=12 actions=set_field:0x100->reg0,"
        "set_field:0x1001/0xffffff->reg2,set_field:0x10000/0x30000->reg5,goto_table:spoof\n");

    /* It moves away: its flows go, though it is still plugged in. */
    change(&w, "endpoint 1 name=shop/redis uid=u1 vni=4097 identity=256 node=2 "
               "mac=02:56:0a:80:01:02 ips=10.128.1.2\n");
    run(&w);
    assert_false(lower_is_realized(w.lower, "shop/redis", "u1"));
    assert_lines(&w, "in_port=12", "");
    world_destroy(&w);
}

static void
test_move_of_an_endpoint_costs_its_own_flow(void **state)
{
    struct world w = world_create(SHOP
                                  "identity 258 vni=4097 labels=\"shop{role=api}\"\n"
                                  "endpoint 3 name=shop/api uid=u3 vni=4097 identity=258 node=2 "
                                  "mac=02:56:0a:80:01:04 ips=10.128.1.4\n"
                                  "node 3 name=node-3 vtep=172.30.0.3 addresses=172.30.0.3\n");

    lower_attach(w.lower, "shop/redis", "u1", 10);
    run(&w);
    flow_table_clear_changes(lower_flows(w.lower));
    change(&w, "endpoint 3 name=shop/api uid=u3 vni=4097 identity=257 node=2 "
               "mac=02:56:0a:80:01:04 ips=10.128.1.4\n");
    run(&w);
    assert_n_changes(&w, 1, 0x05);
    change(&w, "endpoint 3 name=shop/api uid=u3 vni=4097 identity=257 node=3 "
               "mac=02:56:0a:80:01:04 ips=10.128.1.4\n");
    run(&w);
    assert_n_changes(&w, 1, 0x05);
    world_destroy(&w);
}

static void
test_endpoint_without_node_is_nowhere(void **state)
{
    struct world w = world_create(SHOP
                                  "endpoint 3 name=shop/api uid=u3 vni=4097 identity=257 node=0 "
                                  "mac=02:56:0a:80:01:04 ips=10.128.1.4\n"
                                  "endpoint 4 name=shop/lost uid=u4 vni=4097 identity=257 node=9 "
                                  "mac=02:56:0a:80:01:05 ips=10.128.1.5\n");

    run(&w);
    assert_lines(&w, "10.128.1.4", "");
    assert_lines(&w, "10.128.1.5", "");
    assert_lines(&w, "nw_dst=10.128.1.0/24",
                 "table=destination, priority=100,ip,nw_dst=10.128.1.0/24 actions=drop\n");
    change(&w, "node 9 name=node-9 vtep=172.30.0.9 addresses=172.30.0.9\n");
    run(&w);
    assert_lines(
        &w, "nw_dst=10.128.1.5 ",
        "table=destination, priority=200,ip,nw_dst=10.128.1.5 actions=set_field:0xac1e0009->reg8,"
        "set_field:0x101->reg1,set_field:0x1001/0xffffff->reg3,set_field:0x80000/0xc0000->reg5,"
        "set_field:0x1->reg4,set_field:02:56:0a:80:01:05->eth_dst,goto_table:zone\n");
    world_destroy(&w);
}

static void
test_ports_come_later(void **state)
{
    struct lower_config config = { .node_name = CONST_CAST(char *, "node-1") };
    struct world w = { records_create(), lower_create(&config) };

    change(&w, SHOP);
    run(&w);
    assert_lines(&w, "in_port=1,", "");
    assert_lines(&w, "nw_dst=10.128.1.3 ", "");
    lower_set_ports(w.lower, 1, 2);
    run(&w);
    assert_lines(&w, "tun_src=172.30.0.2",
                 "table=classify, priority=200,ip,tun_src=172.30.0.2,in_port=1 "
                 "actions=set_field:0x20000/0x30000->reg5,goto_table:tunnel\n"
                 "table=classify, priority=200,ipv6,tun_src=172.30.0.2,in_port=1 "
                 "actions=set_field:0x20000/0x30000->reg5,goto_table:tunnel\n");
    assert_lines(&w, "nw_src=172.30.0.1",
                 "table=classify, priority=200,ip,in_port=2,nw_src=172.30.0.1 "
                 "actions=set_field:0x2->reg0,set_field:0x1/0xffffff->reg2,"
                 "set_field:0x30000/0x30000->reg5,goto_table:destination\n");
    lower_set_ports(w.lower, 0, 0);
    run(&w);
    assert_lines(&w, "tun_src=172.30.0.2", "");
    world_destroy(&w);
}

static void
test_overlapping_isolation_is_credited_to_the_oldest(void **state)
{
    struct world w = world_create(
        SHOP "rule 5 ingress tier=networkpolicy priority=0 action=isolate vni=4097 subject=1 "
             "peers=any ports=any policy=NetworkPolicy/shop/all index=-1\n"
             "rule 9 ingress tier=networkpolicy priority=0 action=isolate vni=4097 subject=1 "
             "peers=any ports=any policy=NetworkPolicy/shop/late index=-1\n");

    lower_attach(w.lower, "shop/redis", "u1", 10);
    run(&w);
    char *lines = lines_with(&w, "cookie=0x5608000000000005");
    assert_string_not_equal(lines, "");
    free(lines);
    records_remove(w.records, RECORD_RULE, 5);
    run(&w);
    lines = lines_with(&w, "cookie=0x5608000000000008");
    assert_string_not_equal(lines, "");
    free(lines);
    world_destroy(&w);
}

/* The lower number has the credit: its flows come first. */
static void
test_order_of_credit(void **state)
{
    struct world w = world_create(
        SHOP "rule 10 egress tier=networkpolicy priority=3 action=allow vni=4097 subject=1 "
             "peers=any ports=any policy=NetworkPolicy/shop/out index=0\n"
             "rule 11 egress tier=networkpolicy priority=3 action=allow vni=4097 subject=1 "
             "peers=any ports=tcp:0-65535 policy=NetworkPolicy/shop/tcp index=0\n"
             "rule 12 egress tier=networkpolicy priority=65535 action=allow vni=4097 subject=1 "
             "peers=any ports=udp:0-65535 policy=NetworkPolicy/shop/udp index=0\n");

    lower_attach(w.lower, "shop/redis", "u1", 10);
    run(&w);
    assert_lines(
        &w, "priority=19995",
        "table=\"egress_np\", send_flow_rem priority=19995,reg0=0x100,reg2=0x1001/0xffffff,"
        "reg5=0x10000/0x30000 actions=set_field:0xa->reg6,goto_table:\"ingress_start\"\n");
    assert_lines(&w, "conjunction(11,2/2)",
                 "table=\"egress_np\", priority=19994,tcp,reg2=0x1001/0xffffff "
                 "actions=conjunction(11,2/2)\n");
    assert_lines(
        &w, "conj_id=12",
        "table=\"egress_np\", send_flow_rem priority=10002,conj_id=12,reg5=0x10000/0x30000 "
        "actions=set_field:0xc->reg6,goto_table:\"ingress_start\"\n");
    world_destroy(&w);
}

static void
test_plain_rules(void **state)
{
    struct world w = world_create(
        SHOP "rule 10 egress tier=networkpolicy priority=0 action=allow vni=4097 subject=1 "
             "peers=any ports=any policy=NetworkPolicy/shop/out index=0\n"
             "rule 11 ingress tier=networkpolicy priority=0 action=allow vni=4097 subject=1 "
             "peers=any ports=tcp:0-65535 policy=NetworkPolicy/shop/tcp index=0\n"
             "rule 12 ingress tier=networkpolicy priority=0 action=allow vni=4097 subject=1 "
             "peers= ports=any policy=NetworkPolicy/shop/nobody index=0\n");

    lower_attach(w.lower, "shop/redis", "u1", 10);
    run(&w);
    assert_lines(
        &w, "priority=20100",
        "table=\"egress_np\", send_flow_rem priority=20100,reg0=0x100,reg2=0x1001/0xffffff,"
        "reg5=0x10000/0x30000 actions=set_field:0xa->reg6,goto_table:\"ingress_start\"\n");
    assert_lines(&w, "conjunction(11,2/2)",
                 "table=\"ingress_np\", priority=20000,tcp,reg3=0x1001/0xffffff "
                 "actions=conjunction(11,2/2)\n");
    assert_lines(&w, "conj_id=12", "");
    world_destroy(&w);
}

/* A second family: rules with ports are in those of their network only, and
 * follow when it gets another. */

#define SHOP_OF(SUBNETS, GATEWAYS) \
    "network 4097 name=shop zone=16 subnets=" SUBNETS " gateways=" GATEWAYS "\n"
#define PORT_FLOW(PROTOCOL)                                                   \
    "table=\"ingress_np\", priority=20000," PROTOCOL ",reg3=0x1001/0xffffff," \
    "tp_dst=6379 actions=conjunction(7,3/3)\n"

static void
test_ports_are_of_the_networks_families(void **state)
{
    struct world w = world_create(SHOP);

    lower_attach(w.lower, "shop/redis", "u1", 10);
    run(&w);
    assert_lines(&w, "tp_dst=6379", PORT_FLOW("tcp"));
    change(&w, SHOP_OF("10.128.1.0/24,fd00:1::/64", "10.128.1.1,fd00:1::1"));
    run(&w);
    assert_lines(&w, "tp_dst=6379", PORT_FLOW("tcp") PORT_FLOW("tcp6"));
    change(&w, SHOP_OF("fd00:1::/64", "fd00:1::1"));
    run(&w);
    assert_lines(&w, "tp_dst=6379", PORT_FLOW("tcp6"));
    assert_survives_openflow(lower_flows(w.lower));
    world_destroy(&w);
}

static void
test_ip6_endpoint(void **state)
{
    struct world w = world_create(SHOP);

    change(&w, "endpoint 1 name=shop/redis uid=u1 vni=4097 identity=256 node=1 "
               "mac=02:56:0a:80:01:02 ips=10.128.1.2,fd00:1::2\n");
    lower_attach(w.lower, "shop/redis", "u1", 10);
    run(&w);
    assert_lines(&w, "ipv6_src=fd00:1::2 actions=goto_table:destination",
                 "table=spoof, priority=200,ipv6,in_port=10,dl_src=02:56:0a:80:01:02,"
                 "ipv6_src=fd00:1::2 actions=goto_table:destination\n");
    assert_lines(&w, "nd_sll=02:56:0a:80:01:02",
                 "table=spoof, priority=350,icmp6,in_port=10,dl_src=02:56:0a:80:01:02,"
                 "ipv6_src=fd00:1::2,nw_ttl=255,icmp_type=135,icmp_code=0,"
                 "nd_sll=02:56:0a:80:01:02 actions=goto_table:\"arp_nd\"\n"
                 "table=spoof, priority=350,icmp6,in_port=10,dl_src=02:56:0a:80:01:02,"
                 "ipv6_src=fe80::/10,nw_ttl=255,icmp_type=135,icmp_code=0,"
                 "nd_sll=02:56:0a:80:01:02 actions=goto_table:\"arp_nd\"\n");
    assert_survives_openflow(lower_flows(w.lower));
    world_destroy(&w);
}

/* The oracle over random lives. */

enum { N_NODES = 4, N_NETWORKS = 3, N_IDENTITIES = 9, N_ENDPOINTS = 14, N_SETS = 7, N_RULES = 10 };

static unsigned int
pick(unsigned int n)
{
    return (unsigned int) rand() % n;
}

static void
random_node(struct ds *s)
{
    int id = 1 + pick(N_NODES);

    ds_put_format(s, "node %d name=node-%d vtep=172.30.%d.%d addresses=172.30.0.%d,192.0.2.%d\n",
                  id, id, pick(2), id, id, 10 * id + pick(2));
}

static void
random_network(struct ds *s)
{
    int i = pick(N_NETWORKS);
    bool ip6 = pick(2), ip4 = !ip6 || pick(2);

    ds_put_format(s, "network %d name=ns%d zone=%d subnets=", 4096 + i, i, 16 + i + 10 * pick(2));
    ds_put_format(s, ip4 ? "10.128.%d.0/24%s" : "", i, ip6 ? "," : "");
    ds_put_format(s, ip6 ? "fd00:%d::/64" : "", i);
    ds_put_format(s, ip4 ? " gateways=10.128.%d.1%s" : " gateways=", i, ip6 ? "," : "");
    ds_put_format(s, ip6 ? "fd00:%d::1\n" : "\n", i);
}

static void
random_endpoint(struct ds *s)
{
    int id = 1 + pick(N_ENDPOINTS), ns = id % N_NETWORKS;

    ds_put_format(s,
                  "endpoint %d name=ns%d/p%d uid=u%d vni=%d identity=%d node=%d "
                  "mac=02:56:0a:80:%02x:%02x ips=10.128.%d.%d%s\n",
                  id, ns, id / 2, pick(2), 4096 + ns,
                  256 + ns + N_NETWORKS * pick(N_IDENTITIES / N_NETWORKS),
                  pick(2) ? 1 : pick(N_NODES + 2), ns, id + 1, ns, id + 1,
                  id % 2   ? ""
                  : id % 4 ? ",fd00::2"
                           : ",fd00::3,fd00::4");
}

static void
random_set(struct ds *s)
{
    static const char *const others[] = {
        "",
        "",
        " prefixes=192.0.2.0/25",
        " prefixes=::/0,10.128.0.0/24 domains=a.example",
        " domains=*.b.example,a.example",
    };

    ds_put_format(s, "set %d selector=\"s%d\" identities=", 1 + pick(N_SETS), pick(1000));
    const char *comma = "";
    for (int i = 0; i < N_IDENTITIES; i++) {
        if (!pick(3)) {
            ds_put_format(s, "%s%d", comma, 256 + i);
            comma = ",";
        }
    }
    ds_put_format(s, "%s\n", others[pick(ARRAY_SIZE(others))]);
}

static void
random_peers(struct ds *s)
{
    static const char *const forms[] = {
        "any",
        "",
        "set:1",
        "set:2,set:3",
        "set:1,set:4,10.0.0.0/8",
        "192.0.2.0/25,198.51.100.0/24",
        "set:2,::/1,2001:db8::/32",
        "pods",
        "pods,set:1",
    };
    ds_put_format(s, " peers=%s", forms[pick(ARRAY_SIZE(forms))]);
}

static void
random_ports(struct ds *s)
{
    static const char *const forms[] = {
        "any", "tcp:80", "tcp:80,udp:53", "tcp:1000-1999,tcp:1500", "udp:0-65535",
    };
    ds_put_format(s, " ports=%s", forms[pick(ARRAY_SIZE(forms))]);
}

/* Any action in any tier, and ranks that are not unique: what comes of it does
 * not depend on the order of changes. */
static void
random_rule(struct ds *s)
{
    ds_put_format(s, "rule %d %s tier=%s priority=%d rank=%d action=%s vni=%d subject=%d",
                  1 + pick(N_RULES), pick(2) ? "ingress" : "egress",
                  rule_tier_names[pick(2) ? TIER_NETWORKPOLICY : (int) pick(N_RULE_TIERS)],
                  pick(3), 1 + pick(N_RULES), rule_action_names[pick(N_RULE_ACTIONS)],
                  pick(4) ? 4096 + (int) pick(N_NETWORKS) : 0, 1 + (int) pick(N_SETS));
    random_peers(s);
    random_ports(s);
    ds_put_format(s, " policy=NetworkPolicy/ns/p%u index=0", pick(3));
    ds_put_cstr(s, pick(4) ? "\n" : pick(2) ? " flags=log,dry-run\n" : " flags=log\n");
}

static void
random_put(struct world *w)
{
    static void (*const makers[])(struct ds *) = {
        random_node, random_network, random_endpoint, random_endpoint, random_endpoint,
        random_set,  random_set,     random_rule,     random_rule,
    };
    struct ds s = DS_EMPTY_INITIALIZER;

    makers[pick(ARRAY_SIZE(makers))](&s);
    change(w, ds_cstr(&s));
    ds_destroy(&s);
}

static void
random_remove(struct world *w)
{
    static const struct {
        enum record_kind kind;
        uint32_t first, n;
    } ranges[] = {
        { RECORD_NODE, 1, N_NODES },         { RECORD_NETWORK, 4096, N_NETWORKS },
        { RECORD_ENDPOINT, 1, N_ENDPOINTS }, { RECORD_SET, 1, N_SETS },
        { RECORD_RULE, 1, N_RULES },
    };
    int i = pick(ARRAY_SIZE(ranges));

    records_remove(w->records, ranges[i].kind, ranges[i].first + pick(ranges[i].n));
}

static void
random_attach(struct world *w)
{
    int id = 1 + pick(N_ENDPOINTS);
    char *name = xasprintf("ns%d/p%d", id % N_NETWORKS, id / 2);

    lower_attach(w->lower, name, pick(2) ? "u1" : "u0", OFP_PORT_C(pick(3) ? 100 + pick(5) : 0));
    free(name);
}

static void
random_learn(struct world *w)
{
    static const char *const texts[] = { "192.0.2.1", "192.0.2.2", "2001:db8::1" };
    struct in6_addr addresses[ARRAY_SIZE(texts)];
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        if (pick(2)) {
            char *error = addr_parse(texts[i], &addresses[n++]);
            assert_null(error);
        }
    }
    lower_set_learned(w->lower, 1 + pick(N_SETS), addresses, n);
}

static void
random_step(struct world *w)
{
    switch (pick(16)) {
    case 15:
        random_learn(w);
        break;
    case 0:
        lower_set_ports(w->lower, OFP_PORT_C(pick(3)), OFP_PORT_C(pick(3) ? 5 : 0));
        break;
    case 1:
    case 2:
    case 3:
        random_attach(w);
        break;
    case 4:
    case 5:
    case 6:
        random_remove(w);
        break;
    default:
        random_put(w);
        break;
    }
}

static void
test_random_lives(void **state)
{
    unsigned int n_limited = 0;

    srand(7);
    for (int life = 0; life < 20; life++) {
        struct world w = world_create_limited(life % 2 ? SHOP : "", life % 3 ? 0 : 25);
        for (int step = 0; step < 200; step++) {
            for (int n = pick(3); n >= 0; n--) {
                random_step(&w);
            }
            run(&w);
        }
        assert_survives_openflow(lower_flows(w.lower));
        n_limited += lower_oversized_seqno(w.lower);
        world_destroy(&w);
    }
    assert_true(n_limited > 100); /* Policies grew past the limit and shrank again. */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rule_flows),
        cmocka_unit_test(test_addresses_are_spread_over_cookies),
        cmocka_unit_test(test_rule_without_local_subject_has_no_flows),
        cmocka_unit_test(test_attachment_needs_the_right_uid_and_node),
        cmocka_unit_test(test_move_of_an_endpoint_costs_its_own_flow),
        cmocka_unit_test(test_endpoint_without_node_is_nowhere),
        cmocka_unit_test(test_ports_come_later),
        cmocka_unit_test(test_overlapping_isolation_is_credited_to_the_oldest),
        cmocka_unit_test(test_order_of_credit),
        cmocka_unit_test(test_plain_rules),
        cmocka_unit_test(test_ports_are_of_the_networks_families),
        cmocka_unit_test(test_ip6_endpoint),
        cmocka_unit_test(test_random_lives),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
