/* Asks the index of evaluate_index.h.
 *
 * One search finds the first rule from a position on, in order of decision,
 * that matches.  If that is a pass, the next search begins with the next tier.
 * Rules in dry run are searched apart, and only when somebody wants to know. */
#include "compile/evaluate.h"

#include <string.h>

#include "compile/evaluate_index.h"
#include "util.h"

/* One end of a packet. */
struct end {
    const struct in6_addr *ip;
    const struct rec_endpoint *endpoint; /* NULL unless it is one. */
    uint32_t node;                       /* Whose address it is; 0: no node's. */
    const struct membership *membership; /* As a subject; NULL if in no set. */
};

/* The sets that a peer is in. */
struct peer {
    const struct end *end;
    const struct membership *membership; /* By identity; NULL: in none. */
    const struct holding *by_address[2 * 129];
    size_t n_by_address;
};

/* One direction of one packet. */
struct question {
    const struct evaluate *e;
    const struct evaluate_tuple *tuple;
    enum rule_direction direction;
    const struct end *subject;
    struct peer peer;
    bool dry_run;         /* Which rules are asked. */
    uint32_t first, best; /* From where on; the first that matches so far. */
};

/* Peers. */

static void
add_holdings(struct peer *peer, const struct holdings *holdings)
{
    for (size_t i = 0; i < holdings->plens.n; i++) {
        struct prefix p;
        const struct holding *h = (cut_address(peer->end->ip, holdings->plens.list[i], &p)
                                       ? find_holding(holdings, &p)
                                       : NULL);
        if (h) {
            peer->by_address[peer->n_by_address++] = h;
        }
    }
}

/* Nodes may share addresses, such as those of a bridge within. */
static bool
is_own_node(const struct evaluate *e, const struct rec_endpoint *endpoint, const struct end *end)
{
    const struct rec_node *node = end->node ? records_node(e->records, endpoint->node) : NULL;

    for (size_t i = 0; node && i < node->n_addresses; i++) {
        if (!memcmp(&node->addresses[i], end->ip, sizeof *end->ip)) {
            return true;
        }
    }
    return false;
}

/* Who is no endpoint has one of the fixed identities. */
static const struct membership *
stranger_membership(const struct evaluate *e, const struct end *subject, const struct end *end)
{
    uint32_t identity = (!end->node                               ? IDENTITY_WORLD
                         : is_own_node(e, subject->endpoint, end) ? IDENTITY_LOCAL_NODE
                                                                  : IDENTITY_REMOTE_NODE);
    return find_membership(e, identity);
}

static void
find_peer(struct question *q, const struct end *end)
{
    struct peer *peer = &q->peer;

    peer->end = end;
    peer->n_by_address = 0;
    peer->membership = (end->endpoint ? end->membership
                                      : stranger_membership(q->e, q->subject, end));
    add_holdings(peer, &q->e->by_prefix);
    if (q->direction == RULE_EGRESS) {
        add_holdings(peer, &q->e->by_learned);
    }
}

/* Rules. */

static bool
port_matches(const struct rule_port *port, const struct evaluate_tuple *tuple)
{
    return port->protocol == tuple->protocol && port->first <= tuple->dst_port
           && tuple->dst_port <= port->last;
}

static bool
ports_match(const struct question *q, uint32_t place)
{
    const struct brief *brief = &q->e->briefs[place];
    const struct rec_rule *rule;

    if (brief->ports != PORTS_MANY) {
        return brief->ports == PORTS_ANY || port_matches(&brief->port, q->tuple);
    }
    rule = q->e->rules[place];
    for (size_t i = 0; i < rule->n_ports; i++) {
        if (port_matches(&rule->ports[i], q->tuple)) {
            return true;
        }
    }
    return false;
}

/* The first of the bucket's rules that is not before q->first. */
static size_t
bucket_start(const struct bucket *b, uint32_t first)
{
    size_t low = 0, high = b->n;

    while (first && low < high) {
        size_t middle = low + (high - low) / 2;

        if (b->places[middle] < first) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void
ask_bucket(struct question *q, const struct bucket *b)
{
    for (size_t i = b ? bucket_start(b, q->first) : 0; b && i < b->n && b->places[i] < q->best;
         i++) {
        const struct brief *brief = &q->e->briefs[b->places[i]];

        if (brief->dry_run == q->dry_run
            && (!brief->vni || brief->vni == q->subject->endpoint->vni)
            && ports_match(q, b->places[i])) {
            q->best = b->places[i];
        }
    }
}

/* The first of the subject's sets from 'low' on that is not before 'set'. */
static size_t
find_peer_bucket(const struct subject *subject, size_t low, uint32_t set)
{
    size_t high = subject->n_sets;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (subject->sets[middle].set < set) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The first of the sets from 'low' on that is not before 'set'. */
static size_t
find_set(const uint32_t *sets, size_t n, size_t low, uint32_t set)
{
    while (low < n) {
        size_t middle = low + (n - low) / 2;

        if (sets[middle] < set) {
            low = middle + 1;
        } else {
            n = middle;
        }
    }
    return low;
}

/* Asks what both lists have; each jumps to the other's next. */
static void
ask_sets(struct question *q, const struct subject *subject, const uint32_t *sets, size_t n)
{
    size_t i = 0, j = 0;

    while (i < n && j < subject->n_sets) {
        if (sets[i] == subject->sets[j].set) {
            ask_bucket(q, subject->sets[j].bucket);
            i++;
            j++;
        } else if (sets[i] < subject->sets[j].set) {
            i = find_set(sets, n, i + 1, subject->sets[j].set);
        } else {
            j = find_peer_bucket(subject, j + 1, sets[i]);
        }
    }
}

static void
ask_subject(struct question *q, const struct subject *subject)
{
    const struct peer *peer = &q->peer;
    struct prefix p;

    if (subject->first >= q->best) {
        return;
    }
    ask_bucket(q, subject->any);
    if (peer->end->endpoint && peer->end->endpoint->identity >= IDENTITY_FIRST) {
        ask_bucket(q, subject->pods);
    }
    if (peer->membership) {
        ask_sets(q, subject, peer->membership->peer_sets, peer->membership->n_peer_sets);
    }
    for (size_t i = 0; subject->n_sets && i < peer->n_by_address; i++) {
        ask_sets(q, subject, peer->by_address[i]->sets, peer->by_address[i]->n);
    }
    for (size_t i = 0; i < subject->plens.n; i++) {
        if (cut_address(peer->end->ip, subject->plens.list[i], &p)) {
            ask_bucket(q, find_bucket(q->e, subject, PEER_PREFIX, 0, &p));
        }
    }
}

/* The first rule that matches at positions first..end-1; NULL: none. */
static const struct rec_rule *
search(struct question *q, bool dry_run, uint32_t first, uint32_t end)
{
    const struct membership *m = q->subject->membership;

    q->dry_run = dry_run;
    q->first = first;
    q->best = end;
    for (size_t i = 0; m && first < end && i < m->n_subjects[q->direction]; i++) {
        ask_subject(q, m->subjects[q->direction][i]);
    }
    return q->best < end ? q->e->rules[q->best] : NULL;
}

/* Decisions. */

static void
ask(struct question *q, const struct evaluate *e, const struct evaluate_tuple *tuple,
    enum rule_direction direction, const struct end *subject, const struct end *peer)
{
    q->e = e;
    q->tuple = tuple;
    q->direction = direction;
    q->subject = subject;
    find_peer(q, peer);
}

static const struct rec_rule *
decide(const struct evaluate *e, const struct evaluate_tuple *tuple, enum rule_direction direction,
       const struct end *subject, const struct end *peer)
{
    const struct rec_rule *rule;
    struct question q;

    if (!subject->endpoint || !subject->membership
        || !subject->membership->n_subjects[direction]) {
        return NULL;
    }
    ask(&q, e, tuple, direction, subject, peer);
    rule = search(&q, false, 0, e->n_rules);
    while (rule && rule_passes(rule)) {
        rule = search(&q, false, e->tier_end[rule->tier], e->n_rules);
    }
    return rule;
}

static struct end
find_end(const struct evaluate *e, const struct in6_addr *ip)
{
    const struct owner *owner = find_owner(e, ip);
    struct end end = { .ip = ip };

    if (owner) {
        end.endpoint = owner->endpoint;
        end.node = owner->node;
        end.membership = owner_membership(e, owner);
    }
    return end;
}

static bool
allows(const struct rec_rule *rule)
{
    return !rule || rule->action == RULE_ALLOW;
}

struct evaluate_verdict
evaluate(const struct evaluate *e, const struct evaluate_tuple *tuple)
{
    struct end src = find_end(e, &tuple->src), dst = find_end(e, &tuple->dst);
    struct evaluate_verdict verdict = { .allow = true };

    ovs_assert(!e->stale);
    if (dst.endpoint && (dst.endpoint == src.endpoint || is_own_node(e, dst.endpoint, &src))) {
        return verdict;
    }
    verdict.egress = decide(e, tuple, RULE_EGRESS, &src, &dst);
    verdict.ingress = decide(e, tuple, RULE_INGRESS, &dst, &src);
    verdict.allow = allows(verdict.egress) && allows(verdict.ingress);
    return verdict;
}

/* Explanation. */

static uint32_t
tier_start(const struct evaluate *e, int tier)
{
    return tier ? e->tier_end[tier - 1] : 0;
}

/* Notes the rule in dry run that comes before the end of the tier or the rule
 * in force at q->best; true if it would be final. */
static bool
explain_dry_run(struct question *q, int tier, struct evaluate_path *path)
{
    const struct rec_rule *rule = NULL;

    if (q->e->any_dry_run && tier != TIER_NETWORKPOLICY) {
        rule = search(q, true, tier_start(q->e, tier), q->best);
    }
    path->dry_run[tier] = rule;
    return rule && rule->action != RULE_PASS;
}

static void
explain_tiers(struct question *q, struct evaluate_path *path)
{
    bool counted = false;

    for (int tier = 0; tier < N_RULE_TIERS; tier++) {
        const struct rec_rule *rule = search(q, false, tier_start(q->e, tier),
                                             q->e->tier_end[tier]);

        counted = counted || explain_dry_run(q, tier, path);
        if (rule && rule_passes(rule)) {
            path->passed[tier] = rule;
        } else if (rule) {
            path->reason = EVALUATE_RULE;
            path->rule = rule;
            path->allow = allows(rule);
            return;
        }
    }
}

static void
explain_direction(const struct evaluate *e, const struct evaluate_tuple *tuple,
                  enum rule_direction direction, const struct end *subject, const struct end *peer,
                  struct evaluate_path *path)
{
    struct question q;

    *path = (struct evaluate_path){ .allow = true, .reason = EVALUATE_NO_SUBJECT };
    if (subject->endpoint) {
        path->reason = EVALUATE_DEFAULT;
        ask(&q, e, tuple, direction, subject, peer);
        explain_tiers(&q, path);
    }
}

void
evaluate_explain(const struct evaluate *e, const struct evaluate_tuple *tuple,
                 struct evaluate_path paths[N_RULE_DIRECTIONS])
{
    struct end src = find_end(e, &tuple->src), dst = find_end(e, &tuple->dst);

    ovs_assert(!e->stale);
    if (dst.endpoint && dst.endpoint == src.endpoint) {
        for (int d = 0; d < N_RULE_DIRECTIONS; d++) {
            paths[d] = (struct evaluate_path){ .allow = true, .reason = EVALUATE_SELF };
        }
        return;
    }
    explain_direction(e, tuple, RULE_EGRESS, &src, &dst, &paths[RULE_EGRESS]);
    explain_direction(e, tuple, RULE_INGRESS, &dst, &src, &paths[RULE_INGRESS]);
    if (dst.endpoint && is_own_node(e, dst.endpoint, &src)) {
        paths[RULE_INGRESS] = (struct evaluate_path){ .allow = true, .reason = EVALUATE_OWN_NODE };
    }
}

const struct rec_endpoint *
evaluate_endpoint(const struct evaluate *e, const struct in6_addr *ip)
{
    const struct owner *owner = find_owner(e, ip);

    return owner ? owner->endpoint : NULL;
}
