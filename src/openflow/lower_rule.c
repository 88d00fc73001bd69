/* Lowering of rules.
 *
 * A rule has up to three clauses: subjects, peers, ports.  A clause that holds
 * for everything is left out.  With two or three, each clause is a set of
 * flows whose action is conjunction(RULE, k/n), and a packet that hits one of
 * each set hits the flow conj_id=RULE, which is the verdict (ovs-fields(7),
 * "Conjunctive Match Fields").  With one, the flows of the subjects are the
 * verdict themselves: in tier networkpolicy at a priority of their own, since
 * one flow cannot be both; in the ordered tiers each rule has its own anyway.
 *
 * Every clause is scoped by the subject's network, so that a packet meets
 * only the clauses of its own namespace's rules.  Only a rule with a subject
 * that is attached to this node has flows.
 *
 * A rule in dry run sets a bit and looks into the table again.  Its subjects'
 * flows ask for that bit to be clear, not its verdict: a conjunction whose
 * conj_id flow does not match hides all conjunctions of lower priority. */
#include "openflow/lower_flows.h"

#include <stdlib.h>

#include "base/learned.h"
#include "openflow/ports.h"
#include "openflow/reject.h"
#include "packets.h"
#include "util.h"
#include "virga/userdata.h"

/* What differs between the directions. */
struct side {
    enum pipeline_table table[N_RULE_TIERS], next;
    enum pipeline_table metrics, metrics_next;
    enum pipeline_field rule, network, subject, peer, dry_run;
    enum virga_cookie_feature metric;
    void (*match_peer_address)(struct match *, const struct prefix *);
};

static const struct side sides[] = {
    [RULE_EGRESS] = {
        .table = { TABLE_egress_admin, TABLE_egress_group, TABLE_egress_np, TABLE_egress_baseline },
        .next = TABLE_ingress_start,
        .metrics = TABLE_metrics_egress, .metrics_next = TABLE_metrics_ingress,
        .rule = FIELD_egress_rule, .network = FIELD_src_network,
        .subject = FIELD_src_identity, .peer = FIELD_dst_identity,
        .dry_run = FIELD_egress_dry_run,
        .metric = COOKIE_METRIC_EGRESS, .match_peer_address = match_ip_dst,
    },
    [RULE_INGRESS] = {
        .table = { TABLE_ingress_admin, TABLE_ingress_group, TABLE_ingress_np,
                   TABLE_ingress_baseline },
        .next = TABLE_commit,
        .metrics = TABLE_metrics_ingress, .metrics_next = TABLE_matrix,
        .rule = FIELD_ingress_rule, .network = FIELD_dst_network,
        .subject = FIELD_dst_identity, .peer = FIELD_src_identity,
        .dry_run = FIELD_ingress_dry_run,
        .metric = COOKIE_METRIC_INGRESS, .match_peer_address = match_ip_src,
    },
};

/* Of the field dry_run; DRY_RUN_PASSED << tier. */
enum { DRY_RUN_FINAL = 1, DRY_RUN_PASSED = 2 };

/* A rule being lowered. */
struct job {
    const struct flow_sink *sink;
    const struct rec_rule *rule;
    const struct side *side;
    enum pipeline_table table;
    uint16_t priority;
    struct flow_draft draft;
    uint8_t clause, n_clauses; /* The one in work, from 0; how many. */
};

static void
begin_match(struct job *j)
{
    flow_draft_reset(&j->draft);
    if (j->rule->vni) {
        field_match(&j->draft.match, j->side->network, j->rule->vni);
    }
}

/* Verdicts. */

static enum pipeline_table
next_tier(const struct job *j)
{
    int next = (int) j->rule->tier + 1;

    return next < N_RULE_TIERS ? j->side->table[next] : j->side->next;
}

static uint32_t
dry_run_passed(const struct rec_rule *rule)
{
    return rule->tier < TIER_NETWORKPOLICY ? DRY_RUN_PASSED << rule->tier : 0;
}

/* Not yet counted by a rule in dry run, in this tier or for good. */
static void
match_no_dry_run(struct job *j)
{
    if (j->rule->dry_run) {
        field_match_masked(&j->draft.match, j->side->dry_run, 0,
                           DRY_RUN_FINAL | dry_run_passed(j->rule));
    }
}

static void
put_dry_run(struct job *j)
{
    uint32_t passed = rule_passes(j->rule) ? dry_run_passed(j->rule) : 0;

    field_set(&j->draft.actions, j->side->dry_run, passed ? passed : DRY_RUN_FINAL);
    put_resubmit(&j->draft, j->table);
}

/* Ends a packet's way through the table, by credit to the rule.  Without
 * actions the packet is dropped. */
static void
put_verdict(struct job *j)
{
    if (j->rule->dry_run) {
        put_dry_run(j);
        return;
    }
    switch (j->rule->action) {
    case RULE_ALLOW:
        field_set(&j->draft.actions, j->side->rule, j->rule->r.key);
        put_goto(&j->draft, j->side->next);
        break;
    case RULE_PASS:
        put_goto(&j->draft, next_tier(j));
        break;
    case RULE_ISOLATE:
    case RULE_DENY:
    case RULE_REJECT:
        break;
    }
}

/* The agent answers the sender of what is rejected, and logs. */
static void
put_news(struct job *j)
{
    const struct rec_rule *rule = j->rule;
    bool rejects = rule->action == RULE_REJECT && !rule->dry_run;
    uint8_t features = (rejects ? VIRGA_USERDATA_REJECT : 0)
                       | (rule->log ? VIRGA_USERDATA_LOG : 0);

    if (features) {
        put_controller(&j->draft, features, rule->r.key, REJECT_FRAME_LEN,
                       rejects ? METER_reject : METER_log);
    }
}

static void
emit_verdict(struct job *j)
{
    put_news(j);
    put_verdict(j);
    flow_draft_emit_counted(&j->draft, j->sink, j->table, j->priority,
                            VIRGA_COOKIE(COOKIE_RULE, j->rule->r.key));
}

static uint32_t
fold(uint32_t hash, const void *p_, size_t n)
{
    const uint8_t *p = p_;

    while (n--) {
        hash = (hash ^ *p++) * UINT32_C(16777619); /* FNV-1a. */
    }
    return hash;
}

/* The id of a clause of addresses or ports: the same for the same match. */
static uint32_t
spread(const struct match *match)
{
    const struct flow *f = &match->flow;
    uint32_t hash = UINT32_C(2166136261);

    hash = fold(hash, &f->nw_src, sizeof f->nw_src);
    hash = fold(hash, &f->nw_dst, sizeof f->nw_dst);
    hash = fold(hash, &f->ipv6_src, sizeof f->ipv6_src);
    hash = fold(hash, &f->ipv6_dst, sizeof f->ipv6_dst);
    hash = fold(hash, &f->nw_proto, sizeof f->nw_proto);
    hash = fold(hash, &f->tp_dst, sizeof f->tp_dst);
    hash ^= hash >> 16;
    return VIRGA_CLAUSE_SPREAD | ((hash ^ hash >> 8) & (VIRGA_CLAUSE_SPREAD - 1));
}

/* 'identity': 0 if it is not about one. */
static void
emit_clause(struct job *j, uint32_t identity)
{
    struct ofpact_conjunction *oc = ofpact_put_CONJUNCTION(&j->draft.actions);
    uint32_t id = identity ? identity : spread(&j->draft.match);

    oc->id = j->rule->r.key;
    oc->clause = j->clause;
    oc->n_clauses = j->n_clauses;
    flow_draft_emit(&j->draft, j->sink, j->table, j->priority, VIRGA_COOKIE(COOKIE_CLAUSE, id));
}

/* Subjects. */

static void
lower_subject(struct job *j, uint32_t identity)
{
    begin_match(j);
    field_match(&j->draft.match, j->side->subject, identity);
    match_no_dry_run(j);
    if (rule_isolates(j->rule)) {
        flow_draft_emit_counted(&j->draft, j->sink, j->table, j->priority,
                                VIRGA_COOKIE(COOKIE_ISOLATE, j->rule->r.key));
    } else if (j->n_clauses == 1) {
        emit_verdict(j);
    } else {
        emit_clause(j, identity);
    }
}

/* True if there are any. */
static bool
lower_subjects(const struct lower_context *ctx, struct job *j)
{
    const struct rec_set *set = records_set(ctx->records, j->rule->subject);
    bool any = false;

    for (size_t i = 0; set && i < set->n_identities; i++) {
        if (lower_ids_has(&ctx->local_identities, set->identities[i])) {
            lower_subject(j, set->identities[i]);
            any = true;
        }
    }
    return any;
}

/* Peers. */

static void
lower_peer_prefix(struct job *j, const struct prefix *prefix)
{
    begin_match(j);
    j->side->match_peer_address(&j->draft.match, prefix);
    emit_clause(j, 0);
}

/* Identities of endpoints are those with a bit above IDENTITY_FIRST - 1. */
static void
lower_peer_pods(struct job *j)
{
    BUILD_ASSERT_DECL(IDENTITY_FIRST == UINT64_C(1) << (32 - N_IDENTITY_BITS));

    for (uint32_t bit = 1u << 31; bit >= IDENTITY_FIRST; bit >>= 1) {
        begin_match(j);
        field_match_masked(&j->draft.match, j->side->peer, bit, bit);
        emit_clause(j, 0);
    }
}

static void
lower_peer_learned(const struct lower_context *ctx, struct job *j, uint32_t set)
{
    size_t n;
    const struct in6_addr *addresses = learned_find(ctx->learned, set, &n);

    for (size_t i = 0; i < n; i++) {
        struct prefix host = prefix_host(&addresses[i]);
        lower_peer_prefix(j, &host);
    }
}

static void
lower_peer_set(const struct lower_context *ctx, struct job *j, const struct rec_set *set)
{
    for (size_t i = 0; i < set->n_identities; i++) {
        begin_match(j);
        field_match(&j->draft.match, j->side->peer, set->identities[i]);
        emit_clause(j, set->identities[i]);
    }
    for (size_t i = 0; i < set->n_prefixes; i++) {
        lower_peer_prefix(j, &set->prefixes[i]);
    }
    if (set->n_domains && j->rule->direction == RULE_EGRESS) {
        lower_peer_learned(ctx, j, set->r.key);
    }
}

static void
lower_peers(const struct lower_context *ctx, struct job *j)
{
    for (size_t i = 0; i < j->rule->n_peer_sets; i++) {
        const struct rec_set *set = records_set(ctx->records, j->rule->peer_sets[i]);
        if (set) {
            lower_peer_set(ctx, j, set);
        }
    }
    for (size_t i = 0; i < j->rule->n_peer_prefixes; i++) {
        lower_peer_prefix(j, &j->rule->peer_prefixes[i]);
    }
    if (j->rule->any_pod) {
        lower_peer_pods(j);
    }
}

/* Ports. */

static bool
has_network(const struct lower_ids *networks, uint32_t vni)
{
    return vni ? lower_ids_has(networks, vni) : !hmap_is_empty(&networks->hmap);
}

unsigned int
lower_families_of(const struct lower_context *ctx, uint32_t vni)
{
    unsigned int families = (has_network(&ctx->ip4_networks, vni) ? FAMILY_IP4 : 0)
                            | (has_network(&ctx->ip6_networks, vni) ? FAMILY_IP6 : 0);

    return families ? families : FAMILY_IP4 | FAMILY_IP6;
}

/* Ports are matched behind a header of one family. */
static void
lower_port_range(struct job *j, const struct rule_port *port, uint16_t ip_type)
{
    struct port_mask masks[PORT_MASKS_MAX];
    size_t n = port_masks(port->first, port->last, masks);

    for (size_t i = 0; i < n; i++) {
        begin_match(j);
        match_set_dl_type(&j->draft.match, htons(ip_type));
        match_set_nw_proto(&j->draft.match, port->protocol);
        match_set_tp_dst_masked(&j->draft.match, htons(masks[i].value), htons(masks[i].mask));
        emit_clause(j, 0);
    }
}

static void
lower_ports(const struct lower_context *ctx, struct job *j)
{
    unsigned int families = lower_families_of(ctx, j->rule->vni);

    for (size_t i = 0; i < j->rule->n_ports; i++) {
        if (families & FAMILY_IP4) {
            lower_port_range(j, &j->rule->ports[i], ETH_TYPE_IP);
        }
        if (families & FAMILY_IP6) {
            lower_port_range(j, &j->rule->ports[i], ETH_TYPE_IPV6);
        }
    }
}

/* The whole. */

static void
lower_conjunction(const struct lower_context *ctx, struct job *j)
{
    if (!j->rule->any_peer) {
        j->clause++;
        lower_peers(ctx, j);
    }
    if (!j->rule->any_port) {
        j->clause++;
        lower_ports(ctx, j);
    }
    flow_draft_reset(&j->draft);
    match_set_conj_id(&j->draft.match, j->rule->r.key);
    emit_verdict(j);
}

/* Packets of established connections that the rule allowed. */
static void
lower_metric(struct job *j)
{
    flow_draft_reset(&j->draft);
    field_match(&j->draft.match, j->side->rule, j->rule->r.key);
    put_goto(&j->draft, j->side->metrics_next);
    flow_draft_emit_counted(&j->draft, j->sink, j->side->metrics, PRIORITY_address,
                            VIRGA_COOKIE(j->side->metric, j->rule->r.key));
}

static bool
matches_nothing(const struct rec_rule *r)
{
    if (r->tier == TIER_NETWORKPOLICY && r->dry_run) {
        return true; /* There is no such thing. */
    }
    return !rule_isolates(r)
           && ((!r->any_peer && !r->any_pod && !r->n_peer_sets && !r->n_peer_prefixes)
               || (!r->any_port && !r->n_ports));
}

/* Who gets the credit if several rules of tier networkpolicy allow a packet:
 * the one with the lowest number.  Two flows with one match cannot be a clause
 * of one rule and the verdict of another, hence one step for each. */
static uint16_t
credit_priority(const struct rec_rule *rule, bool plain)
{
    enum { LAST = 4999 };
    BUILD_ASSERT_DECL(PRIORITY_rule - 2 * LAST > PRIORITY_isolate);

    return rule->priority > 0 ? PRIORITY_rule - 2 * MIN(rule->priority, LAST) + plain
           : plain            ? PRIORITY_rule_plain
                              : PRIORITY_rule;
}

static uint16_t
rule_priority(const struct rec_rule *rule, uint8_t n_clauses)
{
    if (rule->tier != TIER_NETWORKPOLICY) {
        BUILD_ASSERT_DECL(PRIORITY_ordered > PRIORITY_miss + RULE_RANK_MAX);
        return PRIORITY_ordered - rule->rank;
    }
    return rule_isolates(rule) ? PRIORITY_isolate : credit_priority(rule, n_clauses == 1);
}

void
lower_rule(const struct lower_context *ctx, const struct flow_sink *sink,
           const struct rec_rule *rule)
{
    if (matches_nothing(rule)) {
        return;
    }
    const struct side *side = &sides[rule->direction];
    uint8_t n_clauses = 1 + !rule->any_peer + !rule->any_port;
    struct job j = { .sink = sink,
                     .rule = rule,
                     .side = side,
                     .table = side->table[rule->tier],
                     .priority = rule_priority(rule, n_clauses),
                     .n_clauses = n_clauses };

    flow_draft_init(&j.draft);
    if (lower_subjects(ctx, &j) && !rule_isolates(rule)) {
        if (j.n_clauses > 1) {
            lower_conjunction(ctx, &j);
        }
        if (rule->action == RULE_ALLOW && !rule->dry_run) {
            lower_metric(&j);
        }
    }
    flow_draft_uninit(&j.draft);
}
