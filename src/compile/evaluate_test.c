/* Verdicts from records alone. */
#include "compile/evaluate.h"

#include <netinet/in.h>
#include <stdlib.h>

#include "base/number_set.h"
#include "base/test.h"
#include "openvswitch/dynamic-string.h"

static const char text[] =
    "node 1 name=n1 vtep=172.30.0.1 addresses=172.30.0.1,172.30.1.1\n"
    "node 2 name=n2 vtep=172.30.0.2 addresses=172.30.0.2\n"
    "network 4096 name=shop zone=16 subnets=10.128.0.0/24 gateways=10.128.0.1\n"
    "network 4097 name=lab zone=17 subnets=10.128.1.0/24 gateways=10.128.1.1\n"
    "identity 256 vni=4096 labels=shop{app=redis}\n"
    "identity 257 vni=4096 labels=shop{}\n"
    "identity 258 vni=4097 labels=lab{}\n"
    "endpoint 1 name=shop/redis uid=1 vni=4096 identity=256 node=1 mac=02:56:0a:80:00:02"
    " ips=10.128.0.2\n"
    "endpoint 2 name=shop/web uid=2 vni=4096 identity=257 node=2 mac=02:56:0a:80:00:03"
    " ips=10.128.0.3\n"
    "endpoint 3 name=lab/a uid=3 vni=4097 identity=258 node=1 mac=02:56:0a:80:01:02"
    " ips=10.128.1.2\n"
    "set 1 selector=redis identities=256\n"
    "set 2 selector=web identities=257\n"
    "set 3 selector=all identities=256,257,258\n"
    "set 4 selector=none identities=\n"
    "rule 1 ingress tier=networkpolicy priority=0 action=isolate vni=4096 subject=1 peers=any"
    " ports=any policy=NetworkPolicy/shop/p index=-1\n"
    "rule 2 ingress tier=networkpolicy priority=0 action=allow vni=4096 subject=1"
    " peers=set:2,set:4,192.0.2.0/25,172.30.0.0/16 ports=tcp:6379,udp:1000-2000"
    " policy=NetworkPolicy/shop/p index=0\n"
    "rule 3 ingress tier=networkpolicy priority=0 action=allow vni=4096 subject=1 peers=set:2"
    " ports=any policy=NetworkPolicy/shop/q index=0\n"
    "rule 4 egress tier=networkpolicy priority=0 action=isolate vni=4097 subject=3 peers=any"
    " ports=any policy=NetworkPolicy/lab/p index=-1\n"
    "rule 5 egress tier=networkpolicy priority=0 action=allow vni=4097 subject=3"
    " peers=10.128.0.2/32 ports=tcp:0-65535 policy=NetworkPolicy/lab/p index=0\n";

struct fixture {
    struct records *records;
    struct evaluate *evaluate;
};

static int
setup(void **state)
{
    struct fixture *f = malloc(sizeof *f);

    f->records = records_create();
    char *error = records_parse(text, f->records);
    assert_null(error);
    f->evaluate = evaluate_create(f->records);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;

    evaluate_destroy(f->evaluate);
    records_destroy(f->records);
    free(f);
    return 0;
}

/* 'egress' and 'ingress': the deciding rules, 0 for none. */
static void
assert_verdict(void **state, const char *src, const char *dst, uint8_t protocol, uint16_t port,
               bool allow, uint32_t egress, uint32_t ingress)
{
    const struct fixture *f = *state;
    struct evaluate_tuple tuple = { .protocol = protocol, .dst_port = port };
    char *error = addr_parse(src, &tuple.src);

    assert_null(error);
    error = addr_parse(dst, &tuple.dst);
    assert_null(error);
    struct evaluate_verdict v = evaluate(f->evaluate, &tuple);
    assert_int_equal(v.allow, allow);
    assert_int_equal(v.egress ? v.egress->r.key : 0, egress);
    assert_int_equal(v.ingress ? v.ingress->r.key : 0, ingress);
}

static void
test_peer_sets(void **state)
{
    assert_verdict(state, "10.128.0.3", "10.128.0.2", IPPROTO_TCP, 6379, true, 0, 2);
    assert_verdict(state, "10.128.0.3", "10.128.0.2", IPPROTO_TCP, 6380, true, 0, 3);
    assert_verdict(state, "10.128.0.3", "10.128.0.2", IPPROTO_ICMP, 0, true, 0, 3);
    assert_verdict(state, "192.0.2.200", "10.128.0.2", IPPROTO_TCP, 6379, false, 0, 1);
}

static void
test_both_directions_must_allow(void **state)
{
    assert_verdict(state, "10.128.1.2", "10.128.0.2", IPPROTO_TCP, 6379, false, 5, 1);
    assert_verdict(state, "10.128.1.2", "10.128.0.3", IPPROTO_TCP, 6379, false, 4, 0);
    assert_verdict(state, "10.128.1.2", "192.0.2.1", IPPROTO_TCP, 80, false, 4, 0);
    assert_verdict(state, "10.128.0.3", "10.128.1.2", IPPROTO_TCP, 80, true, 0, 0);
}

static void
test_prefixes_and_port_ranges(void **state)
{
    assert_verdict(state, "192.0.2.127", "10.128.0.2", IPPROTO_TCP, 6379, true, 0, 2);
    assert_verdict(state, "192.0.2.128", "10.128.0.2", IPPROTO_TCP, 6379, false, 0, 1);
    assert_verdict(state, "192.0.2.1", "10.128.0.2", IPPROTO_UDP, 1000, true, 0, 2);
    assert_verdict(state, "192.0.2.1", "10.128.0.2", IPPROTO_UDP, 2000, true, 0, 2);
    assert_verdict(state, "192.0.2.1", "10.128.0.2", IPPROTO_UDP, 2001, false, 0, 1);
    assert_verdict(state, "192.0.2.1", "10.128.0.2", IPPROTO_SCTP, 6379, false, 0, 1);
}

static void
test_nodes(void **state)
{
    assert_verdict(state, "172.30.0.1", "10.128.0.2", IPPROTO_TCP, 1, true, 0, 0);
    assert_verdict(state, "172.30.1.1", "10.128.0.2", IPPROTO_TCP, 1, true, 0, 0);
    assert_verdict(state, "172.30.0.2", "10.128.0.2", IPPROTO_TCP, 1, false, 0, 1);
    assert_verdict(state, "172.30.0.2", "10.128.0.2", IPPROTO_TCP, 6379, true, 0, 2);
    assert_verdict(state, "10.128.1.2", "172.30.0.1", IPPROTO_TCP, 80, false, 4, 0);
}

static void
test_self_and_strangers(void **state)
{
    assert_verdict(state, "10.128.1.2", "10.128.1.2", IPPROTO_TCP, 1, true, 0, 0);
    assert_verdict(state, "192.0.2.1", "192.0.2.2", IPPROTO_TCP, 1, true, 0, 0);
    assert_verdict(state, "2001:db8::1", "10.128.0.2", IPPROTO_TCP, 6379, false, 0, 1);
}

/* A rule says of whose network its subjects are, whatever the set holds. */
static void
test_rules_stay_in_their_network(void **state)
{
    assert_verdict(state, "10.128.0.3", "192.0.2.1", IPPROTO_TCP, 80, true, 0, 0);
}

/* One packet through tiers; the rules are about a source 10.128.0.3. */
static struct evaluate_path
path_of(struct records *records, const char *dst, uint16_t port)
{
    struct evaluate *e = evaluate_create(records);
    struct evaluate_tuple tuple = { .protocol = IPPROTO_TCP, .dst_port = port };
    struct evaluate_path paths[N_RULE_DIRECTIONS];
    char *error = addr_parse("10.128.0.3", &tuple.src);

    assert_null(error);
    error = addr_parse(dst, &tuple.dst);
    assert_null(error);
    evaluate_explain(e, &tuple, paths);
    evaluate_destroy(e);
    return paths[RULE_EGRESS];
}

static void
test_tiers(void **state)
{
    const struct fixture *f = *state;
    static const char tiers[] =
        "rule 20 egress tier=admin priority=5 rank=30 action=pass vni=0 subject=2 peers=any"
        " ports=tcp:80-82 policy=p index=0\n"
        "rule 21 egress tier=admin priority=5 rank=40 action=deny vni=0 subject=2 peers=any"
        " ports=tcp:80-90 policy=p index=1\n"
        "rule 22 egress tier=admin priority=5 rank=20 action=deny vni=0 subject=2 peers=pods"
        " ports=tcp:82 policy=p index=1 flags=dry-run\n"
        "rule 23 egress tier=networkpolicy priority=0 action=isolate vni=4096 subject=2 peers=any"
        " ports=any policy=p index=-1\n"
        "rule 24 egress tier=networkpolicy priority=0 action=allow vni=4096 subject=2 peers=pods"
        " ports=any policy=p index=0\n"
        "rule 25 egress tier=baseline priority=0 rank=1 action=reject vni=4096 subject=2 peers=any"
        " ports=any policy=p index=0\n";
    char *error = records_parse(tiers, f->records);

    assert_null(error);
    struct evaluate_path p = path_of(f->records, "10.128.0.2", 80);
    assert_true(p.allow);
    assert_int_equal(p.passed[TIER_ADMIN]->r.key, 20);
    assert_int_equal(p.rule->r.key, 24);
    assert_null(p.dry_run[TIER_ADMIN]);
    p = path_of(f->records, "10.128.0.2", 82);
    assert_true(p.allow);
    assert_int_equal(p.dry_run[TIER_ADMIN]->r.key, 22);
    assert_false(path_of(f->records, "10.128.0.2", 83).allow);
    p = path_of(f->records, "192.0.2.1", 80);
    assert_int_equal(p.rule->r.key, 23);
    assert_false(p.allow);

    /* Not isolated, the subject goes on to the baseline. */
    records_remove(f->records, RECORD_RULE, 23);
    p = path_of(f->records, "192.0.2.1", 80);
    assert_int_equal(p.reason, EVALUATE_RULE);
    assert_int_equal(p.rule->r.key, 25);
    assert_false(p.allow);
    assert_int_equal(path_of(f->records, "10.128.0.2", 80).rule->r.key, 24);
    records_remove(f->records, RECORD_RULE, 25);
    p = path_of(f->records, "192.0.2.1", 80);
    assert_int_equal(p.reason, EVALUATE_DEFAULT);
    assert_true(p.allow);
}

static void
test_paths_that_no_policy_decides(void **state)
{
    const struct fixture *f = *state;
    struct evaluate_tuple tuple = { .protocol = IPPROTO_TCP, .dst_port = 1 };
    struct evaluate_path paths[N_RULE_DIRECTIONS];
    char *error = addr_parse("172.30.0.1", &tuple.src);

    assert_null(error);
    error = addr_parse("10.128.0.2", &tuple.dst);
    assert_null(error);
    evaluate_explain(f->evaluate, &tuple, paths);
    assert_int_equal(paths[RULE_EGRESS].reason, EVALUATE_NO_SUBJECT);
    assert_int_equal(paths[RULE_INGRESS].reason, EVALUATE_OWN_NODE);
    assert_true(paths[RULE_EGRESS].allow && paths[RULE_INGRESS].allow);
    tuple.src = tuple.dst;
    evaluate_explain(f->evaluate, &tuple, paths);
    assert_int_equal(paths[RULE_INGRESS].reason, EVALUATE_SELF);
}

static void
test_closed_rules(void **state)
{
    struct fixture *f = *state;
    struct number_set closed;
    char *error = records_parse(
        "rule 30 egress tier=admin priority=1 rank=10 action=allow vni=0 subject=1 peers=any"
        " ports=any policy=ClusterNetworkPolicy//big index=0\n"
        "rule 31 egress tier=admin priority=1 rank=20 action=pass vni=0 subject=2"
        " peers=198.51.100.1/32 ports=tcp:80 policy=ClusterNetworkPolicy//big index=1\n"
        "rule 32 egress tier=admin priority=1 rank=30 action=deny vni=0 subject=1 peers=any"
        " ports=any policy=ClusterNetworkPolicy//big index=2 flags=dry-run\n",
        f->records);

    assert_null(error);
    number_set_init(&closed);
    for (uint32_t id = 1; id < 40; id++) {
        if (id != 3) {
            number_set_add(&closed, id);
        }
    }
    evaluate_destroy(f->evaluate);
    f->evaluate = evaluate_create_closed(f->records, NULL, &closed);
    number_set_uninit(&closed);
    /* What is allowed is not there, isolation is, and so is all of other policies. */
    assert_verdict(state, "192.0.2.1", "10.128.0.2", IPPROTO_TCP, 6379, false, 0, 1);
    assert_verdict(state, "10.128.0.2", "10.128.1.2", IPPROTO_TCP, 80, true, 0, 0);
    /* What passes denies, whoever the peer is. */
    assert_verdict(state, "10.128.0.3", "10.128.0.2", IPPROTO_UDP, 53, false, 31, 3);
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_peer_sets),
        TEST(test_both_directions_must_allow),
        TEST(test_prefixes_and_port_ranges),
        TEST(test_nodes),
        TEST(test_self_and_strangers),
        TEST(test_rules_stay_in_their_network),
        TEST(test_tiers),
        TEST(test_closed_rules),
        TEST(test_paths_that_no_policy_decides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
