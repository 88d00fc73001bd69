/* The flows of rules, looked up by OVS's own classifier, decide what evaluate()
 * decides from the same records: random rules, all pairs, many ports. */
#include "base/number_set.h"
#include "base/test.h"

#include "openflow/lower.h"

#include <stdlib.h>
#include <string.h>

#include "classifier.h"
#include "compile/evaluate.h"
#include "compile/random_rules_test.h"
#include "flow.h"
#include "openflow/pipeline.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-actions.h"
#include "packets.h"
#include "util.h"

static void
learn(void *lower, uint32_t set, const struct in6_addr *addresses, size_t n)
{
    lower_set_learned(lower, set, addresses, n);
}

static struct lower *
lower_all(const struct records *records, const struct learned *learned, size_t policy_flows_max)
{
    struct lower_config config = { .node_name = CONST_CAST(char *, "node-1"),
                                   .tunnel_port = 1,
                                   .gateway_port = 2,
                                   .policy_flows_max = policy_flows_max };
    struct lower *lower = lower_create(&config);

    for (int i = 1; i <= N_ENDPOINTS; i++) {
        const struct rec_endpoint *ep = records_endpoint(records, i);
        lower_attach(lower, ep->name, ep->uid, OFP_PORT_C(100 + i));
    }
    learned_each(learned, learn, lower);
    lower_run(lower, records);
    return lower;
}

/* One table as a classifier. */

struct table_rule {
    struct cls_rule cr; /* First: freed as one. */
    const struct flow_entry *flow;
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
            tr->flow = f;
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

/* The tables of one direction, in a packet's order; 'next' is after them. */
struct side {
    struct classifier tables[N_RULE_TIERS];
    uint8_t numbers[N_RULE_TIERS];
    uint8_t next;
};

/* What a packet meets on its way through a side. */
struct walk {
    bool allow;
    const struct rec_rule *rule;                 /* That decides; NULL: by default. */
    const struct rec_rule *passed[N_RULE_TIERS]; /* By tier. */
    const struct rec_rule *dry_run[N_RULE_TIERS];
};

static int
table_index(const struct side *side, uint8_t table)
{
    for (int i = 0; i < N_RULE_TIERS; i++) {
        if (side->numbers[i] == table) {
            return i;
        }
    }
    assert_int_equal(table, side->next);
    return N_RULE_TIERS;
}

/* Does what the actions say; returns the index of the table to go to, -1 if
 * the packet is dropped. */
static int
act(const struct side *side, const struct flow_entry *f, struct flow *flow)
{
    const struct ofpact *a;

    OFPACT_FOR_EACH (a, f->ofpacts, f->ofpacts_len) {
        switch (a->type) {
        case OFPACT_SET_FIELD: {
            const struct ofpact_set_field *sf = ofpact_get_SET_FIELD(a);
            mf_set_flow_value_masked(sf->field, sf->value, ofpact_set_field_mask(sf), flow);
            break;
        }
        case OFPACT_CONTROLLER: /* The agent's news changes nothing here. */
            break;
        case OFPACT_RESUBMIT:
            return table_index(side, ofpact_get_RESUBMIT(a)->table_id);
        case OFPACT_GOTO_TABLE:
            return table_index(side, ofpact_get_GOTO_TABLE(a)->table_id);
        default:
            fail_msg("unexpected action %s", ofpact_name(a->type));
        }
    }
    return -1;
}

static void
note_rule(const struct rec_rule *rule, int from, int to, struct walk *w)
{
    if (from == to) {
        assert_true(rule->dry_run);
        assert_null(w->dry_run[from]);
        w->dry_run[from] = rule;
    } else if (rule->action == RULE_PASS && to >= 0) { /* Else it is closed. */
        assert_int_equal(to, from + 1);
        w->passed[from] = rule;
    } else {
        assert_int_equal(to, rule->action == RULE_ALLOW ? N_RULE_TIERS : -1);
        w->rule = rule;
    }
}

static struct walk
walk_side(struct side *side, const struct records *records, struct flow *flow)
{
    struct walk w = { .allow = true };

    for (int i = 0; i < N_RULE_TIERS;) {
        const struct cls_rule *cr = classifier_lookup(&side->tables[i], OVS_VERSION_MIN, flow,
                                                      NULL);
        assert_non_null(cr);
        const struct flow_entry *f = CONTAINER_OF(cr, struct table_rule, cr)->flow;
        uint8_t feature = VIRGA_COOKIE_FEATURE(f->cookie);
        int to = act(side, f, flow);

        if (feature == COOKIE_RULE || feature == COOKIE_ISOLATE) {
            const struct rec_rule *rule = records_rule(records, VIRGA_COOKIE_ID(f->cookie));
            assert_non_null(rule);
            note_rule(rule, i, to, &w);
        }
        if (to < 0) {
            w.allow = false;
            return w;
        }
        i = to;
    }
    return w;
}

static void
side_load(struct side *side, const struct flow_table *ft, const uint8_t tables[], uint8_t next)
{
    memcpy(side->numbers, tables, sizeof side->numbers);
    side->next = next;
    for (int i = 0; i < N_RULE_TIERS; i++) {
        table_load(&side->tables[i], ft, tables[i]);
    }
}

static void
side_unload(struct side *side)
{
    for (int i = 0; i < N_RULE_TIERS; i++) {
        table_unload(&side->tables[i]);
    }
}

/* Packets. */

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

    struct match sides = MATCH_CATCHALL_INITIALIZER;
    field_match(&sides, FIELD_origin, SIDE_LOCAL);
    field_match(&sides, FIELD_target, SIDE_LOCAL);
    flow->regs[5] = sides.flow.regs[5];
}

struct judges {
    struct records *records;
    struct evaluate *evaluate;
    struct side sides[N_RULE_DIRECTIONS];
    int n_allowed, n_denied, n_dry_run, n_passed, n_closed;
};

/* In an ordered tier the rule is the one that evaluate() names.  In tier
 * networkpolicy a rule that gets the credit must be one that allows, of the
 * lowest priority; which one of several such is up to OVS. */
static void
check_rule(const struct rec_rule *got, const struct rec_rule *expected)
{
    assert_int_equal(!got, !expected);
    if (expected && expected->tier == TIER_NETWORKPOLICY && expected->action == RULE_ALLOW) {
        assert_int_equal(got->action, expected->action);
        assert_int_equal(got->direction, expected->direction);
        assert_int_equal(got->tier, expected->tier);
        assert_int_equal(got->priority, expected->priority);
    } else {
        assert_int_equal(got ? got->r.key : 0, expected ? expected->r.key : 0);
    }
}

static bool
check_side(struct judges *j, enum rule_direction direction, struct flow *flow,
           const struct evaluate_path *expected)
{
    struct walk w = walk_side(&j->sides[direction], j->records, flow);

    assert_int_equal(w.allow, expected->allow);
    check_rule(w.rule, expected->rule);
    for (int tier = 0; tier < N_RULE_TIERS; tier++) {
        assert_ptr_equal(w.passed[tier], expected->passed[tier]);
        assert_ptr_equal(w.dry_run[tier], expected->dry_run[tier]);
        j->n_passed += w.passed[tier] != NULL;
        j->n_dry_run += w.dry_run[tier] != NULL;
    }
    return w.allow;
}

static void
check_packet(struct judges *j, int from, int to, uint8_t protocol, uint16_t port)
{
    struct end src = end_of(j->records, from), dst = end_of(j->records, to);
    struct evaluate_tuple tuple = { src.ip, dst.ip, protocol, port };
    struct evaluate_path paths[N_RULE_DIRECTIONS];
    bool allow = true;
    struct flow flow;

    evaluate_explain(j->evaluate, &tuple, paths);
    fill_flow(&flow, &src, &dst, protocol, port);
    if (from < N_ENDPOINTS) {
        allow = check_side(j, RULE_EGRESS, &flow, &paths[RULE_EGRESS]);
    }
    if (allow && to < N_ENDPOINTS) {
        allow = check_side(j, RULE_INGRESS, &flow, &paths[RULE_INGRESS]);
    }
    assert_int_equal(allow, evaluate(j->evaluate, &tuple).allow);
    *(allow ? &j->n_allowed : &j->n_denied) += 1;
}

static void
check_world(struct judges *j)
{
    for (int from = 0; from < N_ENDS; from++) {
        for (int to = 0; to < N_ENDS; to++) {
            for (size_t i = 0; from != to && i < ARRAY_SIZE(probe_ports); i++) {
                check_packet(j, from, to, probe_ports[i].protocol, probe_ports[i].port);
            }
        }
    }
}

static void
judge_world(struct judges *j, int n_rules, size_t policy_flows_max)
{
    static const uint8_t egress[] = { TABLE_egress_admin, TABLE_egress_group, TABLE_egress_np,
                                      TABLE_egress_baseline };
    static const uint8_t ingress[] = { TABLE_ingress_admin, TABLE_ingress_group, TABLE_ingress_np,
                                       TABLE_ingress_baseline };
    struct learned *learned = learned_addresses();
    unsigned int seqno;

    j->records = random_records(n_rules);
    struct lower *lower = lower_all(j->records, learned, policy_flows_max);
    const struct number_set *closed = lower_closed(lower, &seqno);
    j->evaluate = evaluate_create_closed(j->records, learned, closed);
    j->n_closed += !number_set_is_empty(closed);
    side_load(&j->sides[RULE_EGRESS], lower_flows(lower), egress, TABLE_ingress_start);
    side_load(&j->sides[RULE_INGRESS], lower_flows(lower), ingress, TABLE_commit);
    check_world(j);
    for (int d = 0; d < N_RULE_DIRECTIONS; d++) {
        side_unload(&j->sides[d]);
    }
    lower_destroy(lower);
    evaluate_destroy(j->evaluate);
    records_destroy(j->records);
    learned_destroy(learned);
}

static void
test_flows_decide_as_evaluate(void **state)
{
    struct judges j = { .n_allowed = 0 };

    srand(3);
    for (int world = 0; world < 150; world++) {
        judge_world(&j, 3 + world % 25, world % 3 ? 0 : 30);
    }
    /* The dice are such that all happen often. */
    assert_true(j.n_allowed > 10000);
    assert_true(j.n_denied > 10000);
    assert_true(j.n_passed > 10000);
    assert_true(j.n_dry_run > 10000);
    assert_true(j.n_closed > 10);
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
