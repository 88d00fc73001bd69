/* The flows of rules, looked up by OVS's own classifier, decide what evaluate()
 * decides from the same records: random rules, all pairs, many ports. */
#include "base/test.h"

#include "openflow/lower.h"

#include <stdlib.h>
#include <string.h>

#include "classifier.h"
#include "compile/evaluate.h"
#include "flow.h"
#include "openflow/pipeline.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-actions.h"
#include "packets.h"
#include "util.h"

enum { N_NETWORKS = 2, N_IDENTITIES = 6, N_ENDPOINTS = 8, N_SETS = 5, N_RULES = 8 };

static unsigned int
pick(unsigned int n)
{
    return (unsigned int) rand() % n;
}

/* Random records, all endpoints on this node. */

static void
format_fixed(struct ds *s)
{
    ds_put_cstr(s, "node 1 name=node-1 vtep=172.30.0.1 addresses=172.30.0.1\n");
    for (int i = 0; i < N_NETWORKS; i++) {
        ds_put_format(s,
                      "network %d name=ns%d zone=%d subnets=10.128.%d.0/24 "
                      "gateways=10.128.%d.1\n",
                      4096 + i, i, 16 + i, i, i);
    }
    for (int i = 0; i < N_IDENTITIES; i++) {
        ds_put_format(s, "identity %d vni=%d labels=\"ns{i=%d}\"\n", 256 + i,
                      4096 + i % N_NETWORKS, i);
    }
    for (int i = 0; i < N_ENDPOINTS; i++) {
        int identity = i % N_IDENTITIES, ns = identity % N_NETWORKS;
        ds_put_format(s,
                      "endpoint %d name=ns%d/p%d uid=u vni=%d identity=%d node=1 "
                      "mac=02:56:0a:80:%02x:%02x ips=10.128.%d.%d\n",
                      i + 1, ns, i, 4096 + ns, 256 + identity, ns, i + 2, ns, i + 2);
    }
}

/* Sets 1.. hold identities of any network, sets 101.. of one: subjects. */
static void
format_sets(struct ds *s)
{
    for (int set = 1; set <= 100 + N_NETWORKS * 2; set += set == N_SETS ? 101 - N_SETS : 1) {
        ds_put_format(s, "set %d selector=\"s%d\" identities=", set, set);
        const char *comma = "";
        for (int i = 0; i < N_IDENTITIES; i++) {
            bool fits = set < 100 || i % N_NETWORKS == set % N_NETWORKS;
            if (fits && pick(2)) {
                ds_put_format(s, "%s%d", comma, 256 + i);
                comma = ",";
            }
        }
        ds_put_char(s, '\n');
    }
}

static void
format_rule(struct ds *s, int id)
{
    static const char *const peers[] = {
        "any",
        "set:1",
        "set:2,set:3",
        "set:4,10.128.0.4/31",
        "10.128.1.0/30,192.0.2.0/25",
        "set:5,0.0.0.0/0",
        "192.0.2.128/25",
    };
    static const char *const ports[] = {
        "any", "tcp:80", "tcp:79-81,udp:53", "tcp:1000-1999", "udp:0-65535", "tcp:0-80,tcp:80-90",
    };
    int subject = 101 + (int) pick(N_NETWORKS * 2);
    bool isolate = !pick(3);

    ds_put_format(s,
                  "rule %d %s tier=networkpolicy priority=0 action=%s vni=%d subject=%d "
                  "peers=%s ports=%s policy=NetworkPolicy/ns/p index=%d\n",
                  id, pick(2) ? "ingress" : "egress", isolate ? "isolate" : "allow",
                  4096 + subject % N_NETWORKS, subject,
                  isolate ? "any" : peers[pick(ARRAY_SIZE(peers))],
                  isolate ? "any" : ports[pick(ARRAY_SIZE(ports))], isolate ? -1 : 0);
}

static struct records *
random_records(void)
{
    struct records *records = records_create();
    struct ds s = DS_EMPTY_INITIALIZER;

    format_fixed(&s);
    format_sets(&s);
    for (int i = 0; i < N_RULES; i++) {
        format_rule(&s, 10 + i);
    }
    char *error = records_parse(ds_cstr(&s), records);
    if (error) {
        fail_msg("%s", error);
    }
    ds_destroy(&s);
    return records;
}

static struct lower *
lower_all(const struct records *records)
{
    struct lower_config config = { .node_name = CONST_CAST(char *, "node-1"),
                                   .tunnel_port = 1,
                                   .gateway_port = 2 };
    struct lower *lower = lower_create(&config);

    for (int i = 1; i <= N_ENDPOINTS; i++) {
        const struct rec_endpoint *ep = records_endpoint(records, i);
        lower_attach(lower, ep->name, ep->uid, OFP_PORT_C(100 + i));
    }
    lower_run(lower, records);
    return lower;
}

/* One table as a classifier. */

struct table_rule {
    struct cls_rule cr; /* First: freed as one. */
    uint64_t cookie;
};

static size_t
conjunctions_of(const struct flow_entry *f, struct cls_conjunction conjs[64])
{
    const struct ofpact *a;
    size_t n = 0;

    OFPACT_FOR_EACH (a, f->ofpacts, f->ofpacts_len) {
        if (a->type == OFPACT_CONJUNCTION) {
            const struct ofpact_conjunction *oc = ofpact_get_CONJUNCTION(a);
            assert_true(n < 64);
            conjs[n++] = (struct cls_conjunction){ .id = oc->id,
                                                   .clause = oc->clause,
                                                   .n_clauses = oc->n_clauses };
        }
    }
    return n;
}

static void
table_load(struct classifier *cls, const struct flow_table *ft, uint8_t table)
{
    classifier_init(cls, NULL);
    for (const struct flow_entry *f = flow_table_first(ft); f; f = flow_table_next(ft, f)) {
        struct cls_conjunction conjs[64];
        if (f->table_id == table) {
            struct table_rule *tr = xmalloc(sizeof *tr);
            tr->cookie = f->cookie;
            cls_rule_init_from_minimatch(&tr->cr, &f->match, f->priority);
            classifier_insert(cls, &tr->cr, OVS_VERSION_MIN, conjs, conjunctions_of(f, conjs));
        }
    }
}

static void
table_unload(struct classifier *cls)
{
    struct table_rule *tr;

    CLS_FOR_EACH(tr, cr, cls)
    {
        classifier_remove_assert(cls, &tr->cr);
        cls_rule_destroy(&tr->cr);
        ovsrcu_postpone(free, tr);
    }
    classifier_destroy(cls);
}

/* The rule that 'flow' meets: allow is by NULL too. */
struct decision {
    bool allow;
    const struct rec_rule *rule;
};

static struct decision
decide(const struct classifier *cls, const struct records *records, struct flow *flow)
{
    const struct cls_rule *cr = classifier_lookup(cls, OVS_VERSION_MIN, flow, NULL);

    assert_non_null(cr);
    uint64_t cookie = CONTAINER_OF(cr, struct table_rule, cr)->cookie;
    uint8_t feature = VIRGA_COOKIE_FEATURE(cookie);
    struct decision d = { .allow = feature != COOKIE_ISOLATE };
    if (feature == COOKIE_RULE || feature == COOKIE_ISOLATE) {
        d.rule = records_rule(records, VIRGA_COOKIE_ID(cookie));
        assert_non_null(d.rule);
    }
    return d;
}

/* Packets. */

struct end {
    struct in6_addr ip;
    uint32_t identity, vni;
};

static struct end
end_of(const struct records *records, int i)
{
    static const char *const outside[] = { "192.0.2.1", "192.0.2.200", "8.8.8.8" };
    struct end e = { .identity = IDENTITY_WORLD };

    if (i < N_ENDPOINTS) {
        const struct rec_endpoint *ep = records_endpoint(records, i + 1);
        return (struct end){ ep->ips[0], ep->identity, ep->vni };
    }
    char *error = addr_parse(outside[i - N_ENDPOINTS], &e.ip);
    assert_null(error);
    return e;
}

enum { N_ENDS = N_ENDPOINTS + 3 };

static void
fill_flow(struct flow *flow, const struct end *src, const struct end *dst, uint8_t protocol,
          uint16_t port)
{
    memset(flow, 0, sizeof *flow);
    flow->dl_type = htons(ETH_TYPE_IP);
    flow->nw_src = in6_addr_get_mapped_ipv4(&src->ip);
    flow->nw_dst = in6_addr_get_mapped_ipv4(&dst->ip);
    flow->nw_proto = protocol;
    flow->tp_dst = htons(port);
    flow->regs[0] = src->identity;
    flow->regs[1] = dst->identity;
    flow->regs[2] = src->vni;
    flow->regs[3] = dst->vni;
}

struct judges {
    struct records *records;
    struct evaluate *evaluate;
    struct classifier egress, ingress;
    int n_allowed, n_denied;
};

/* A rule that gets the credit must be one that allows; which one of several is
 * up to OVS, so evaluate()'s choice is not asked for. */
static void
check_credit(const struct decision *d, const struct rec_rule *expected)
{
    assert_int_equal(!d->rule, !expected);
    if (expected) {
        assert_int_equal(d->rule->action, expected->action);
        assert_int_equal(d->rule->direction, expected->direction);
        if (expected->action == RULE_ISOLATE) {
            assert_int_equal(d->rule->r.key, expected->r.key);
        }
    }
}

static void
check_packet(struct judges *j, int from, int to, uint8_t protocol, uint16_t port)
{
    struct end src = end_of(j->records, from), dst = end_of(j->records, to);
    struct evaluate_tuple tuple = { src.ip, dst.ip, protocol, port };
    struct evaluate_verdict v = evaluate(j->evaluate, &tuple);
    struct decision egress = { .allow = true }, ingress = { .allow = true };
    struct flow flow;

    if (from < N_ENDPOINTS) {
        fill_flow(&flow, &src, &dst, protocol, port);
        egress = decide(&j->egress, j->records, &flow);
        check_credit(&egress, v.egress);
    }
    if (egress.allow && to < N_ENDPOINTS) {
        fill_flow(&flow, &src, &dst, protocol, port);
        ingress = decide(&j->ingress, j->records, &flow);
        check_credit(&ingress, v.ingress);
    }
    assert_int_equal(egress.allow && ingress.allow, v.allow);
    *(v.allow ? &j->n_allowed : &j->n_denied) += 1;
}

static void
check_pair(struct judges *j, int from, int to)
{
    static const struct {
        uint8_t protocol;
        uint16_t port;
    } ports[] = {
        { IPPROTO_TCP, 79 },   { IPPROTO_TCP, 80 },   { IPPROTO_TCP, 91 },
        { IPPROTO_TCP, 1024 }, { IPPROTO_TCP, 1999 }, { IPPROTO_TCP, 2000 },
        { IPPROTO_UDP, 53 },   { IPPROTO_UDP, 80 },   { IPPROTO_ICMP, 0 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
        check_packet(j, from, to, ports[i].protocol, ports[i].port);
    }
}

static void
check_world(struct judges *j)
{
    for (int from = 0; from < N_ENDS; from++) {
        for (int to = 0; to < N_ENDS; to++) {
            if (from != to && (from < N_ENDPOINTS || to < N_ENDPOINTS)) {
                check_pair(j, from, to);
            }
        }
    }
}

static void
test_flows_decide_as_evaluate(void **state)
{
    struct judges j = { .n_allowed = 0 };

    srand(3);
    for (int world = 0; world < 150; world++) {
        j.records = random_records();
        j.evaluate = evaluate_create(j.records);
        struct lower *lower = lower_all(j.records);
        table_load(&j.egress, lower_flows(lower), TABLE_egress_np);
        table_load(&j.ingress, lower_flows(lower), TABLE_ingress_np);

        check_world(&j);

        table_unload(&j.egress);
        table_unload(&j.ingress);
        lower_destroy(lower);
        evaluate_destroy(j.evaluate);
        records_destroy(j.records);
    }
    /* The dice are such that both happen often. */
    assert_true(j.n_allowed > 10000);
    assert_true(j.n_denied > 10000);
    ovsrcu_exit();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flows_decide_as_evaluate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
