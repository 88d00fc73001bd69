#include "node/revocation.h"

#include <stdlib.h>
#include <string.h>

#include "base/learned.h"
#include "base/test.h"
#include "util.h"

/* Node 1 is this node.  redis takes connections of web at TCP 6379 and SCTP
 * 9000; lab/a opens TCP to redis only. */
static const char text[] =
    "node 1 name=n1 vtep=172.30.0.1 addresses=172.30.0.1\n"
    "node 2 name=n2 vtep=172.30.0.2 addresses=172.30.0.2\n"
    "network 4096 name=shop zone=16 subnets=10.128.0.0/24 gateways=10.128.0.1\n"
    "network 4097 name=lab zone=17 subnets=10.128.1.0/24 gateways=10.128.1.1\n"
    "identity 256 vni=4096 labels=shop{app=redis}\n"
    "identity 257 vni=4096 labels=shop{app=web}\n"
    "identity 258 vni=4097 labels=lab{}\n"
    "endpoint 1 name=shop/redis uid=1 vni=4096 identity=256 node=1 mac=02:56:0a:80:00:02"
    " ips=10.128.0.2\n"
    "endpoint 2 name=shop/web uid=2 vni=4096 identity=257 node=2 mac=02:56:0a:80:00:03"
    " ips=10.128.0.3\n"
    "endpoint 3 name=lab/a uid=3 vni=4097 identity=258 node=1 mac=02:56:0a:80:01:02"
    " ips=10.128.1.2\n"
    "endpoint 4 name=shop/far uid=4 vni=4096 identity=256 node=2 mac=02:56:0a:80:00:04"
    " ips=10.128.0.4\n"
    "set 1 selector=redis identities=256\n"
    "set 2 selector=web identities=257\n"
    "set 3 selector=lab identities=258\n"
    "rule 1 ingress tier=networkpolicy priority=0 action=isolate vni=4096 subject=1 peers=any"
    " ports=any policy=NetworkPolicy/shop/p index=-1\n"
    "rule 2 ingress tier=networkpolicy priority=0 action=allow vni=4096 subject=1 peers=set:2"
    " ports=tcp:6379,sctp:9000 policy=NetworkPolicy/shop/p index=0\n"
    "rule 4 egress tier=networkpolicy priority=0 action=isolate vni=4097 subject=3 peers=any"
    " ports=any policy=NetworkPolicy/lab/p index=-1\n"
    "rule 5 egress tier=networkpolicy priority=0 action=allow vni=4097 subject=3"
    " peers=10.128.0.2/32 ports=tcp:0-65535 policy=NetworkPolicy/lab/p index=0\n";

struct fixture {
    struct records *records;
    struct revocation *rev;
};

static int
setup(void **state)
{
    struct fixture *f = xzalloc(sizeof *f);
    f->records = records_create();
    char *error = records_parse(text, f->records);
    assert_null(error);
    f->rev = revocation_create(f->records, NULL, "n1");
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;
    revocation_destroy(f->rev);
    records_destroy(f->records);
    free(f);
    return 0;
}

static enum revocation_verdict
judge_line(const struct revocation *rev, const char *line)
{
    struct conntrack_entry entry;
    if (!conntrack_parse_line(line, strlen(line), &entry)) {
        fail_msg("not a connection: %s", line);
    }
    return revocation_judge(rev, &entry);
}

#define LINE(PROTO, SRC, SPORT, DST, DPORT, REST)                                           \
    PROTO ",orig=(src=" SRC ",dst=" DST ",sport=" SPORT ",dport=" DPORT "),reply=(src=" DST \
          ",dst=" SRC ",sport=" DPORT ",dport=" SPORT ")," REST
#define ICMP(SRC, DST, REST)                                                             \
    "icmp,orig=(src=" SRC ",dst=" DST ",id=1,type=8,code=0),reply=(src=" DST ",dst=" SRC \
    ",id=1,type=0,code=0)," REST
#define REDIS "10.128.0.2"
#define WEB "10.128.0.3"
#define FAR "10.128.0.4"
#define LAB "10.128.1.2"

struct judgement {
    const char *line;
    enum revocation_verdict verdict;
};

static void
test_verdicts(void **state)
{
    const struct fixture *f = *state;
    static const struct judgement judgements[] = {
        { LINE("tcp", WEB, "1000", REDIS, "6379", "zone=16"), REVOCATION_KEEP },
        { LINE("tcp", WEB, "1000", REDIS, "80", "zone=16"), REVOCATION_DENIED },
        { LINE("udp", WEB, "1000", REDIS, "6379", "zone=16"), REVOCATION_DENIED },
        { ICMP(WEB, REDIS, "zone=16"), REVOCATION_DENIED },
        /* Judged by who began it: redis may. */
        { LINE("tcp", REDIS, "6379", WEB, "1000", "zone=16"), REVOCATION_KEEP },
        /* Of two local ends both count. */
        { LINE("tcp", LAB, "1000", REDIS, "6379", "zone=1"), REVOCATION_DENIED },
        { LINE("tcp", LAB, "1000", "192.0.2.1", "80", "zone=17"), REVOCATION_DENIED },
        { LINE("tcp", "192.0.2.1", "1000", LAB, "80", "zone=17"), REVOCATION_KEEP },
        { LINE("tcp", "192.0.2.1", "1000", REDIS, "6379", "zone=16"), REVOCATION_DENIED },
        /* The node reaches its own pods; the other node does not reach them. */
        { LINE("tcp", "172.30.0.1", "1000", REDIS, "80", "zone=16"), REVOCATION_KEEP },
        { LINE("tcp", "172.30.0.2", "1000", REDIS, "80", "zone=16"), REVOCATION_DENIED },
        /* What the other node denies is its business. */
        { LINE("tcp", REDIS, "1000", FAR, "80", "zone=16"), REVOCATION_KEEP },
        /* Nobody has these addresses; nobody here has these. */
        { LINE("tcp", "10.128.0.9", "1000", LAB, "80", "zone=17"), REVOCATION_STALE },
        { LINE("tcp", REDIS, "1000", "10.128.1.99", "80", "zone=16"), REVOCATION_STALE },
        { LINE("tcp", WEB, "1000", FAR, "80", "zone=16"), REVOCATION_STALE },
        /* Zones of somebody else. */
        { LINE("tcp", WEB, "1000", REDIS, "80", "zone=18"), REVOCATION_KEEP },
        { LINE("tcp", WEB, "1000", REDIS, "80", "mark=1"), REVOCATION_KEEP },
    };
    for (size_t i = 0; i < ARRAY_SIZE(judgements); i++) {
        enum revocation_verdict verdict = judge_line(f->rev, judgements[i].line);
        if (verdict != judgements[i].verdict) {
            fail_msg("%d instead of %d: %s", verdict, judgements[i].verdict, judgements[i].line);
        }
    }
}

/* An entry without ports stands for all of them: the rule in the label tells. */
static void
test_no_ports(void **state)
{
    const struct fixture *f = *state;
    static const char allowed[] = LINE("sctp", WEB, "0", REDIS, "0", "zone=16,labels=0x2");
    static const char rule_gone[] = LINE("sctp", WEB, "0", REDIS, "0", "zone=16,labels=0x99");
    static const char other_peer[] = LINE("sctp", LAB, "0", REDIS, "0", "zone=1,labels=0x2");
    assert_int_equal(judge_line(f->rev, allowed), REVOCATION_KEEP);
    assert_int_equal(judge_line(f->rev, rule_gone), REVOCATION_DENIED);
    assert_int_equal(judge_line(f->rev, other_peer), REVOCATION_DENIED);
}

static void
test_reused_address(void **state)
{
    const struct fixture *f = *state;
    static const char line[] = LINE("tcp", WEB, "1000", REDIS, "6379", "zone=16");
    struct in6_addr ip;
    char *error = addr_parse(WEB, &ip);
    assert_null(error);
    assert_int_equal(judge_line(f->rev, line), REVOCATION_KEEP);
    revocation_reused(f->rev, &ip);
    assert_int_equal(judge_line(f->rev, line), REVOCATION_STALE);
}

static void
test_unknown_node_keeps_all(void **state)
{
    const struct fixture *f = *state;
    struct revocation *rev = revocation_create(f->records, NULL, "n3");
    assert_int_equal(judge_line(rev, LINE("tcp", WEB, "1", REDIS, "80", "zone=16")),
                     REVOCATION_KEEP);
    revocation_destroy(rev);
}

static bool
is_6379(const struct conntrack_entry *entry, void *aux)
{
    return entry->orig.dst_port == 6379;
}

static void
test_whole_dump_in_order(void **state)
{
    const struct fixture *f = *state;
    static const char dump[] = LINE("udp", WEB, "7", REDIS, "80", "zone=16") "\n" LINE(
        "tcp", WEB, "9", REDIS, "80",
        "zone=16") "\n"
                   "nonsense\n" LINE("tcp", WEB, "1000", REDIS, "6379", "zone=16") "\n" LINE(
                       "tcp", WEB, "8", REDIS, "80", "zone=16") "\n" LINE("tcp", LAB, "9", REDIS,
                                                                          "80", "zone=1") "\n";
    struct revocation_cuts cuts = { .n = 0 };
    revocation_read(f->rev, dump, strlen(dump), NULL, NULL, &cuts);
    revocation_cuts_sort(&cuts);
    assert_int_equal(cuts.n_seen, 5);
    assert_int_equal(cuts.n_bad, 1);
    assert_int_equal(cuts.n, 4);
    assert_int_equal(cuts.a[0].entry.zone, 1);
    assert_int_equal(cuts.a[1].entry.orig.src_port, 8);
    assert_int_equal(cuts.a[2].entry.orig.src_port, 9);
    assert_int_equal(cuts.a[3].entry.protocol, IPPROTO_UDP);
    revocation_cuts_uninit(&cuts);
    revocation_read(f->rev, dump, strlen(dump), is_6379, NULL, &cuts);
    assert_int_equal(cuts.n, 5);
    revocation_cuts_uninit(&cuts);
}

/* lab/a may open TCP to the addresses of a domain only. */
static const char domain_rules[] =
    "set 9 selector=dns domains=www.example.com\n"
    "rule 5 egress tier=networkpolicy priority=0 action=allow vni=4097 subject=3"
    " peers=set:9 ports=tcp:443 policy=NetworkPolicy/lab/p index=0\n";

/* How many of the lines are cut. */
static size_t
n_cut(const struct revocation *rev, const char *lines)
{
    struct revocation_cuts cuts = { .n = 0 };
    revocation_read(rev, lines, strlen(lines), NULL, NULL, &cuts);
    size_t n = cuts.n;
    revocation_cuts_uninit(&cuts);
    return n;
}

#define OUT(PORT, RULE)                                  \
    LINE("tcp", "10.128.1.2", "4000", "192.0.2.1", PORT, \
         "zone=17,labels=0x" RULE "00000000,protoinfo=(state=ESTABLISHED)\n")

static void
test_domains(void **state)
{
    struct fixture *f = *state;
    char *error = records_parse(domain_rules, f->records);
    assert_null(error);
    struct learned *learned = learned_create();
    struct in6_addr addr;
    error = addr_parse("192.0.2.1", &addr);
    assert_null(error);
    learned_put(learned, 9, &addr, 1);
    struct revocation *rev = revocation_create(f->records, learned, "n1");
    assert_int_equal(n_cut(rev, OUT("443", "5")), 0);
    assert_int_equal(n_cut(rev, OUT("80", "5")), 1);
    revocation_destroy(rev);

    /* Its time is over: what that rule let in stays, and only that. */
    learned_put(learned, 9, NULL, 0);
    rev = revocation_create(f->records, learned, "n1");
    assert_int_equal(n_cut(rev, OUT("443", "5")), 0);
    assert_int_equal(n_cut(rev, OUT("80", "5")), 1);
    assert_int_equal(n_cut(rev, OUT("443", "2")), 1);
    assert_int_equal(n_cut(rev, OUT("443", "0")), 1);
    assert_int_equal(n_cut(rev, OUT("443", "5") OUT("443", "2") OUT("80", "5")), 2);
    revocation_destroy(rev);

    records_remove(f->records, RECORD_RULE, 5);
    rev = revocation_create(f->records, learned, "n1");
    assert_int_equal(n_cut(rev, OUT("443", "5")), 1);
    revocation_destroy(rev);
    learned_destroy(learned);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_verdicts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_ports, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reused_address, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_node_keeps_all, setup, teardown),
        cmocka_unit_test_setup_teardown(test_whole_dump_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_domains, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
