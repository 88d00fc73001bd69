/* Lowering of rules.
 *
 * A rule has up to three clauses: subjects, peers, ports.  A clause that holds
 * for everything is left out.  With two or three, each clause is a set of
 * flows whose action is conjunction(RULE, k/n), and a packet that hits one of
 * each set hits the flow conj_id=RULE, which is the verdict (ovs-fields(7),
 * "Conjunctive Match Fields").  With one, the flows of the subjects are the
 * verdict themselves, at a priority of their own: one flow cannot be both.
 *
 * Every clause is scoped by the subject's network, so that a packet meets
 * only the clauses of its own namespace's rules.  Only a rule with a subject
 * that is attached to this node has flows. */
#include "openflow/lower_flows.h"

#include <stdlib.h>

#include "openflow/ports.h"
#include "packets.h"
#include "util.h"

/* What differs between the directions. */
struct side {
    enum pipeline_table table, next;
    enum pipeline_table metrics, metrics_next;
    enum pipeline_field rule, network, subject, peer;
    enum virga_cookie_feature metric;
    void (*match_peer_address)(struct match *, const struct prefix *);
};

static const struct side sides[] = {
    [RULE_EGRESS] = {
        .table = TABLE_egress_np, .next = TABLE_ingress_start,
        .metrics = TABLE_metrics_egress, .metrics_next = TABLE_metrics_ingress,
        .rule = FIELD_egress_rule, .network = FIELD_src_network,
        .subject = FIELD_src_identity, .peer = FIELD_dst_identity,
        .metric = COOKIE_METRIC_EGRESS, .match_peer_address = match_ip_dst,
    },
    [RULE_INGRESS] = {
        .table = TABLE_ingress_np, .next = TABLE_commit,
        .metrics = TABLE_metrics_ingress, .metrics_next = TABLE_matrix,
        .rule = FIELD_ingress_rule, .network = FIELD_dst_network,
        .subject = FIELD_dst_identity, .peer = FIELD_src_identity,
        .metric = COOKIE_METRIC_INGRESS, .match_peer_address = match_ip_src,
    },
};

/* A rule being lowered. */
struct job {
    const struct flow_sink *sink;
    const struct rec_rule *rule;
    const struct side *side;
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

/* Ends a packet's way through the table, by credit to the rule. */
static void
emit_verdict(struct job *j, enum pipeline_priority priority)
{
    field_set(&j->draft.actions, j->side->rule, j->rule->r.key);
    put_goto(&j->draft, j->side->next);
    flow_draft_emit_counted(&j->draft, j->sink, j->side->table, priority,
                            VIRGA_COOKIE(COOKIE_RULE, j->rule->r.key));
}

static void
emit_clause(struct job *j, uint32_t identity)
{
    struct ofpact_conjunction *oc = ofpact_put_CONJUNCTION(&j->draft.actions);

    oc->id = j->rule->r.key;
    oc->clause = j->clause;
    oc->n_clauses = j->n_clauses;
    flow_draft_emit(&j->draft, j->sink, j->side->table, PRIORITY_rule,
                    VIRGA_COOKIE(COOKIE_CLAUSE, identity));
}

/* Subjects. */

static void
lower_subject(struct job *j, uint32_t identity)
{
    begin_match(j);
    field_match(&j->draft.match, j->side->subject, identity);
    if (j->rule->action != RULE_ALLOW) {
        flow_draft_emit_counted(&j->draft, j->sink, j->side->table, PRIORITY_isolate,
                                VIRGA_COOKIE(COOKIE_ISOLATE, j->rule->r.key));
    } else if (j->n_clauses == 1) {
        emit_verdict(j, PRIORITY_rule_plain);
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
lower_peer_set(struct job *j, const struct rec_set *set)
{
    for (size_t i = 0; set && i < set->n_identities; i++) {
        begin_match(j);
        field_match(&j->draft.match, j->side->peer, set->identities[i]);
        emit_clause(j, set->identities[i]);
    }
}

static void
lower_peer_prefix(struct job *j, const struct prefix *prefix)
{
    begin_match(j);
    j->side->match_peer_address(&j->draft.match, prefix);
    emit_clause(j, 0);
}

static void
lower_peers(const struct lower_context *ctx, struct job *j)
{
    for (size_t i = 0; i < j->rule->n_peer_sets; i++) {
        lower_peer_set(j, records_set(ctx->records, j->rule->peer_sets[i]));
    }
    for (size_t i = 0; i < j->rule->n_peer_prefixes; i++) {
        lower_peer_prefix(j, &j->rule->peer_prefixes[i]);
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
    emit_verdict(j, PRIORITY_rule);
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
    return r->action == RULE_ALLOW
           && ((!r->any_peer && !r->n_peer_sets && !r->n_peer_prefixes)
               || (!r->any_port && !r->n_ports));
}

void
lower_rule(const struct lower_context *ctx, const struct flow_sink *sink,
           const struct rec_rule *rule)
{
    if (rule->tier != TIER_NETWORKPOLICY || rule->dry_run || matches_nothing(rule)) {
        return;
    }
    struct job j = { .sink = sink,
                     .rule = rule,
                     .side = &sides[rule->direction],
                     .n_clauses = 1 + !rule->any_peer + !rule->any_port };

    flow_draft_init(&j.draft);
    if (lower_subjects(ctx, &j) && rule->action == RULE_ALLOW) {
        if (j.n_clauses > 1) {
            lower_conjunction(ctx, &j);
        }
        lower_metric(&j);
    }
    flow_draft_uninit(&j.draft);
}
