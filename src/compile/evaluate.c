/* Rules are found from both ends of a packet.
 *
 * A 'subject' is the rules of one direction for one subject set.  Its rules
 * are filed by what they say of the peer: any, a set, or a prefix.  An
 * identity knows the subjects and the peer sets that it belongs to.  So a
 * packet asks, for each subject of its own end: any? each set of the other
 * end? each prefix length in use, with the other address cut to it?
 *
 * Each answer is a list of rules in order of decision (tier, allow before
 * isolate, priority, id); the first whose ports hold is its candidate, and
 * the first of all candidates decides. */
#include "compile/evaluate.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "openvswitch/hmap.h"
#include "util.h"

/* Rules that agree in direction, subject set and one element of the peer. */
struct bucket {
    struct hmap_node hmap_node; /* In struct evaluate 'buckets'. */
    const struct subject *subject;
    enum { PEER_ANY, PEER_SET, PEER_PREFIX } kind;
    uint32_t set;         /* PEER_SET */
    struct prefix prefix; /* PEER_PREFIX */
    uint32_t *ranks;      /* Indexes in struct evaluate 'rules', ascending. */
    size_t n, allocated;
};

struct subject {
    struct hmap_node hmap_node; /* In struct evaluate 'subjects'. */
    enum rule_direction direction;
    uint32_t set;
    bool plens[129]; /* Prefix lengths in its buckets. */
    uint8_t plen_list[129];
    size_t n_plens;
};

/* What an identity belongs to. */
struct membership {
    struct hmap_node hmap_node; /* In struct evaluate 'memberships'. */
    uint32_t identity;
    uint32_t *peer_sets;
    size_t n_peer_sets, allocated_peer_sets;
    const struct subject **subjects[2]; /* By direction. */
    size_t n_subjects[2], allocated_subjects[2];
};

/* Who has an address. */
struct owner {
    struct hmap_node hmap_node; /* In struct evaluate 'owners'. */
    struct in6_addr ip;
    const struct rec_endpoint *endpoint;
};

struct evaluate {
    const struct records *records;
    const struct rec_rule **rules; /* In order of decision. */
    size_t n_rules;
    struct hmap buckets;
    struct hmap subjects;
    struct hmap memberships;
    struct hmap owners;
};

/* One end of a packet. */
struct end {
    const struct in6_addr *ip;
    const struct rec_endpoint *endpoint; /* NULL unless it is one. */
    const struct membership *membership; /* NULL if in no set. */
};

/* Lookups. */

static uint32_t
ip_hash(const struct in6_addr *ip)
{
    return hash_bytes(ip, sizeof *ip, 0);
}

static const struct rec_endpoint *
find_endpoint(const struct evaluate *e, const struct in6_addr *ip)
{
    const struct owner *owner;

    HMAP_FOR_EACH_WITH_HASH (owner, hmap_node, ip_hash(ip), &e->owners) {
        if (!memcmp(&owner->ip, ip, sizeof *ip)) {
            return owner->endpoint;
        }
    }
    return NULL;
}

static struct membership *
find_membership(const struct evaluate *e, uint32_t identity)
{
    struct membership *m;

    HMAP_FOR_EACH_WITH_HASH (m, hmap_node, hash_int(identity, 0), &e->memberships) {
        if (m->identity == identity) {
            return m;
        }
    }
    return NULL;
}

static struct subject *
find_subject(const struct evaluate *e, enum rule_direction direction, uint32_t set)
{
    struct subject *subject;

    HMAP_FOR_EACH_WITH_HASH (subject, hmap_node, hash_2words(set, direction), &e->subjects) {
        if (subject->set == set && subject->direction == direction) {
            return subject;
        }
    }
    return NULL;
}

static uint32_t
bucket_hash(const struct subject *subject, int kind, uint32_t set, const struct prefix *p)
{
    uint32_t hash = hash_pointer(subject, hash_2words(kind, set));

    return p ? hash_bytes(&p->addr, sizeof p->addr, hash + p->plen) : hash;
}

static struct bucket *
find_bucket(const struct evaluate *e, const struct subject *subject, int kind, uint32_t set,
            const struct prefix *p)
{
    struct bucket *b;

    HMAP_FOR_EACH_WITH_HASH (b, hmap_node, bucket_hash(subject, kind, set, p), &e->buckets) {
        if (b->subject == subject && (int) b->kind == kind && b->set == set
            && (!p || !prefix_compare(&b->prefix, p))) {
            return b;
        }
    }
    return NULL;
}

/* Index. */

static struct subject *
get_subject(struct evaluate *e, enum rule_direction direction, uint32_t set)
{
    struct subject *subject = find_subject(e, direction, set);

    if (!subject) {
        subject = xzalloc(sizeof *subject);
        subject->direction = direction;
        subject->set = set;
        hmap_insert(&e->subjects, &subject->hmap_node, hash_2words(set, direction));
    }
    return subject;
}

static void
file_rule(struct evaluate *e, uint32_t rank, const struct subject *subject, int kind, uint32_t set,
          const struct prefix *p)
{
    struct bucket *b = find_bucket(e, subject, kind, set, p);

    if (!b) {
        b = xzalloc(sizeof *b);
        b->subject = subject;
        b->kind = kind;
        b->set = set;
        if (p) {
            b->prefix = *p;
        }
        hmap_insert(&e->buckets, &b->hmap_node, bucket_hash(subject, kind, set, p));
    }
    if (b->n >= b->allocated) {
        b->ranks = x2nrealloc(b->ranks, &b->allocated, sizeof *b->ranks);
    }
    b->ranks[b->n++] = rank;
}

static void
index_rule(struct evaluate *e, uint32_t rank)
{
    const struct rec_rule *rule = e->rules[rank];
    struct subject *subject = get_subject(e, rule->direction, rule->subject);

    if (rule->any_peer) {
        file_rule(e, rank, subject, PEER_ANY, 0, NULL);
        return;
    }
    for (size_t i = 0; i < rule->n_peer_sets; i++) {
        file_rule(e, rank, subject, PEER_SET, rule->peer_sets[i], NULL);
    }
    for (size_t i = 0; i < rule->n_peer_prefixes; i++) {
        const struct prefix *p = &rule->peer_prefixes[i];

        file_rule(e, rank, subject, PEER_PREFIX, 0, p);
        if (!subject->plens[p->plen]) {
            subject->plens[p->plen] = true;
            subject->plen_list[subject->n_plens++] = p->plen;
        }
    }
}

static int
compare_rules(const void *a_, const void *b_)
{
    const struct rec_rule *const *ap = a_, *const *bp = b_;
    const struct rec_rule *a = *ap, *b = *bp;

    if (a->tier != b->tier) {
        return a->tier < b->tier ? -1 : 1;
    } else if (a->action != b->action) {
        return a->action == RULE_ALLOW ? -1 : 1;
    } else if (a->priority != b->priority) {
        return a->priority < b->priority ? -1 : 1;
    }
    return a->r.key < b->r.key ? -1 : a->r.key > b->r.key;
}

static void
index_rules(struct evaluate *e, const struct records *records)
{
    const struct record *r;

    e->rules = xmalloc((records_count(records, RECORD_RULE) + 1) * sizeof *e->rules);
    for (r = records_first(records, RECORD_RULE); r; r = records_next(records, r)) {
        e->rules[e->n_rules++] = (const struct rec_rule *) r;
    }
    qsort(e->rules, e->n_rules, sizeof *e->rules, compare_rules);
    for (size_t i = 0; i < e->n_rules; i++) {
        index_rule(e, i);
    }
}

static struct membership *
get_membership(struct evaluate *e, uint32_t identity)
{
    struct membership *m = find_membership(e, identity);

    if (!m) {
        m = xzalloc(sizeof *m);
        m->identity = identity;
        hmap_insert(&e->memberships, &m->hmap_node, hash_int(identity, 0));
    }
    return m;
}

static void
index_member(struct evaluate *e, uint32_t identity, uint32_t set)
{
    struct membership *m = get_membership(e, identity);

    if (m->n_peer_sets >= m->allocated_peer_sets) {
        m->peer_sets = x2nrealloc(m->peer_sets, &m->allocated_peer_sets, sizeof *m->peer_sets);
    }
    m->peer_sets[m->n_peer_sets++] = set;
    for (int d = 0; d < 2; d++) {
        const struct subject *subject = find_subject(e, d, set);

        if (!subject) {
            continue;
        }
        if (m->n_subjects[d] >= m->allocated_subjects[d]) {
            m->subjects[d] = x2nrealloc(m->subjects[d], &m->allocated_subjects[d],
                                        sizeof *m->subjects[d]);
        }
        m->subjects[d][m->n_subjects[d]++] = subject;
    }
}

static void
index_sets(struct evaluate *e, const struct records *records)
{
    const struct record *r;

    for (r = records_first(records, RECORD_SET); r; r = records_next(records, r)) {
        const struct rec_set *set = (const struct rec_set *) r;

        for (size_t i = 0; i < set->n_identities; i++) {
            index_member(e, set->identities[i], r->key);
        }
    }
}

static void
index_addresses(struct evaluate *e, const struct records *records)
{
    const struct record *r;

    for (r = records_first(records, RECORD_ENDPOINT); r; r = records_next(records, r)) {
        const struct rec_endpoint *endpoint = (const struct rec_endpoint *) r;

        for (size_t i = 0; i < endpoint->n_ips; i++) {
            struct owner *owner = xmalloc(sizeof *owner);

            owner->ip = endpoint->ips[i];
            owner->endpoint = endpoint;
            hmap_insert(&e->owners, &owner->hmap_node, ip_hash(&owner->ip));
        }
    }
}

struct evaluate *
evaluate_create(const struct records *records)
{
    struct evaluate *e = xzalloc(sizeof *e);

    e->records = records;
    hmap_init(&e->buckets);
    hmap_init(&e->subjects);
    hmap_init(&e->memberships);
    hmap_init(&e->owners);
    index_rules(e, records);
    index_sets(e, records);
    index_addresses(e, records);
    return e;
}

void
evaluate_destroy(struct evaluate *e)
{
    struct bucket *b;
    struct subject *subject;
    struct membership *m;
    struct owner *owner;

    if (!e) {
        return;
    }
    HMAP_FOR_EACH_POP (b, hmap_node, &e->buckets) {
        free(b->ranks);
        free(b);
    }
    HMAP_FOR_EACH_POP (subject, hmap_node, &e->subjects) {
        free(subject);
    }
    HMAP_FOR_EACH_POP (m, hmap_node, &e->memberships) {
        free(m->peer_sets);
        free(m->subjects[0]);
        free(m->subjects[1]);
        free(m);
    }
    HMAP_FOR_EACH_POP (owner, hmap_node, &e->owners) {
        free(owner);
    }
    hmap_destroy(&e->buckets);
    hmap_destroy(&e->subjects);
    hmap_destroy(&e->memberships);
    hmap_destroy(&e->owners);
    free(e->rules);
    free(e);
}

/* Evaluation. */

/* One direction of one packet. */
struct question {
    const struct evaluate *e;
    const struct evaluate_tuple *tuple;
    const struct end *subject, *peer;
    uint32_t best; /* Rank of the rule that decides so far. */
};

static bool
ports_match(const struct rec_rule *rule, const struct evaluate_tuple *tuple)
{
    if (rule->any_port) {
        return true;
    }
    for (size_t i = 0; i < rule->n_ports; i++) {
        const struct rule_port *p = &rule->ports[i];

        if (p->protocol == tuple->protocol && p->first <= tuple->dst_port
            && tuple->dst_port <= p->last) {
            return true;
        }
    }
    return false;
}

static void
ask_bucket(struct question *q, const struct subject *subject, int kind, uint32_t set,
           const struct prefix *p)
{
    const struct bucket *b = find_bucket(q->e, subject, kind, set, p);

    for (size_t i = 0; b && i < b->n && b->ranks[i] < q->best; i++) {
        const struct rec_rule *rule = q->e->rules[b->ranks[i]];

        if ((!rule->vni || rule->vni == q->subject->endpoint->vni)
            && ports_match(rule, q->tuple)) {
            q->best = b->ranks[i];
        }
    }
}

static void
ask_subject(struct question *q, const struct subject *subject)
{
    const struct membership *peer = q->peer->membership;

    ask_bucket(q, subject, PEER_ANY, 0, NULL);
    for (size_t i = 0; peer && i < peer->n_peer_sets; i++) {
        ask_bucket(q, subject, PEER_SET, peer->peer_sets[i], NULL);
    }
    for (size_t i = 0; i < subject->n_plens; i++) {
        struct prefix p = { .addr = *q->peer->ip, .plen = subject->plen_list[i] };

        /* A short prefix is of IPv6, which a mapped address is not. */
        if (p.plen < 96 && addr_is_ip4(&p.addr)) {
            continue;
        }
        prefix_normalize(&p);
        ask_bucket(q, subject, PEER_PREFIX, 0, &p);
    }
}

static const struct rec_rule *
decide(const struct evaluate *e, const struct evaluate_tuple *tuple, enum rule_direction direction,
       const struct end *subject, const struct end *peer)
{
    struct question q = { e, tuple, subject, peer, e->n_rules };
    const struct membership *m = subject->membership;

    for (size_t i = 0; subject->endpoint && m && i < m->n_subjects[direction]; i++) {
        ask_subject(&q, m->subjects[direction][i]);
    }
    return q.best < e->n_rules ? e->rules[q.best] : NULL;
}

static struct end
find_end(const struct evaluate *e, const struct in6_addr *ip)
{
    struct end end = { .ip = ip, .endpoint = find_endpoint(e, ip) };

    if (end.endpoint) {
        end.membership = find_membership(e, end.endpoint->identity);
    }
    return end;
}

static bool
is_own_node(const struct evaluate *e, const struct rec_endpoint *endpoint,
            const struct in6_addr *ip)
{
    const struct rec_node *node = records_node(e->records, endpoint->node);

    for (size_t i = 0; node && i < node->n_addresses; i++) {
        if (!memcmp(&node->addresses[i], ip, sizeof *ip)) {
            return true;
        }
    }
    return false;
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

    if (dst.endpoint
        && (dst.endpoint == src.endpoint || is_own_node(e, dst.endpoint, &tuple->src))) {
        return verdict;
    }
    verdict.egress = decide(e, tuple, RULE_EGRESS, &src, &dst);
    verdict.ingress = decide(e, tuple, RULE_INGRESS, &dst, &src);
    verdict.allow = allows(verdict.egress) && allows(verdict.ingress);
    return verdict;
}

const struct rec_endpoint *
evaluate_endpoint(const struct evaluate *e, const struct in6_addr *ip)
{
    return find_endpoint(e, ip);
}
