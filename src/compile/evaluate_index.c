/* Builds the index of evaluate_index.h from records. */
#include "compile/evaluate_index.h"

#include <stdlib.h>
#include <string.h>

#include "base/learned.h"
#include "base/number_set.h"
#include "hash.h"
#include "util.h"

/* Lookups. */

static uint32_t
ip_hash(const struct in6_addr *ip)
{
    return hash_bytes(ip, sizeof *ip, 0);
}

const struct owner *
find_owner(const struct evaluate *e, const struct in6_addr *ip)
{
    const struct owner *owner, *found = NULL;

    HMAP_FOR_EACH_WITH_HASH (owner, hmap_node, ip_hash(ip), &e->owners) {
        if (!memcmp(&owner->ip, ip, sizeof *ip)) {
            if (owner->endpoint) { /* Before a node. */
                return owner;
            }
            found = owner;
        }
    }
    return found;
}

const struct membership *
find_membership(const struct evaluate *e, uint32_t identity)
{
    const struct membership *m;

    HMAP_FOR_EACH_WITH_HASH (m, hmap_node, hash_int(identity, 0), &e->memberships) {
        if (m->identity == identity) {
            return m;
        }
    }
    return NULL;
}

const struct membership *
owner_membership(const struct evaluate *e, const struct owner *owner_)
{
    struct owner *owner = CONST_CAST(struct owner *, owner_);

    if (owner->renewal != e->renewal) {
        owner->membership = owner->endpoint ? find_membership(e, owner->endpoint->identity) : NULL;
        owner->renewal = e->renewal;
    }
    return owner->membership;
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
bucket_hash(const struct subject *subject, enum bucket_kind kind, uint32_t set,
            const struct prefix *p)
{
    uint32_t hash = hash_pointer(subject, hash_2words(kind, set));

    return p ? hash_bytes(&p->addr, sizeof p->addr, hash + p->plen) : hash;
}

const struct bucket *
find_bucket(const struct evaluate *e, const struct subject *subject, enum bucket_kind kind,
            uint32_t set, const struct prefix *p)
{
    const struct bucket *b;

    HMAP_FOR_EACH_WITH_HASH (b, hmap_node, bucket_hash(subject, kind, set, p), &e->buckets) {
        if (b->subject == subject && b->kind == kind && b->set == set
            && (!p || !prefix_compare(&b->prefix, p))) {
            return b;
        }
    }
    return NULL;
}

static uint32_t
prefix_hash(const struct prefix *p)
{
    return hash_bytes(&p->addr, sizeof p->addr, p->plen);
}

const struct holding *
find_holding(const struct holdings *holdings, const struct prefix *p)
{
    const struct holding *h;

    HMAP_FOR_EACH_WITH_HASH (h, hmap_node, prefix_hash(p), &holdings->hmap) {
        if (!prefix_compare(&h->prefix, p)) {
            return h;
        }
    }
    return NULL;
}

bool
cut_address(const struct in6_addr *ip, uint8_t plen, struct prefix *p)
{
    /* A short prefix is of IPv6, which a mapped address is not. */
    if (plen < 96 && addr_is_ip4(ip)) {
        return false;
    }
    *p = (struct prefix){ .addr = *ip, .plen = plen };
    prefix_normalize(p);
    return true;
}

/* Rules. */

static void
note_plen(struct plens *plens, uint8_t plen)
{
    if (!plens->used[plen]) {
        plens->used[plen] = true;
        plens->list[plens->n++] = plen;
    }
}

static struct subject *
get_subject(struct evaluate *e, enum rule_direction direction, uint32_t set)
{
    struct subject *subject = find_subject(e, direction, set);

    if (!subject) {
        subject = xzalloc(sizeof *subject);
        subject->direction = direction;
        subject->set = set;
        subject->first = UINT32_MAX;
        hmap_insert(&e->subjects, &subject->hmap_node, hash_2words(set, direction));
    }
    return subject;
}

static bool
is_peer_set(const struct evaluate *e, uint32_t set)
{
    const struct peer_set *p;

    HMAP_FOR_EACH_WITH_HASH (p, hmap_node, hash_int(set, 0), &e->peer_sets) {
        if (p->set == set) {
            return true;
        }
    }
    return false;
}

static void
note_peer_set(struct evaluate *e, uint32_t set)
{
    if (!is_peer_set(e, set)) {
        struct peer_set *p = xmalloc(sizeof *p);

        p->set = set;
        hmap_insert(&e->peer_sets, &p->hmap_node, hash_int(set, 0));
    }
}

static void
note_peer_bucket(struct subject *subject, const struct bucket *b)
{
    if (subject->n_sets >= subject->allocated_sets) {
        subject->sets = x2nrealloc(subject->sets, &subject->allocated_sets, sizeof *subject->sets);
    }
    subject->sets[subject->n_sets++] = (struct peer_bucket){ b->set, b };
}

/* What a packet is spared to look up. */
static void
note_bucket(struct evaluate *e, struct subject *subject, const struct bucket *b)
{
    switch (b->kind) {
    case PEER_ANY:
        subject->any = b;
        break;
    case PEER_POD:
        subject->pods = b;
        break;
    case PEER_SET:
        note_peer_bucket(subject, b);
        note_peer_set(e, b->set);
        break;
    case PEER_PREFIX:
        note_plen(&subject->plens, b->prefix.plen);
        break;
    }
}

static void
file_rule(struct evaluate *e, uint32_t place, struct subject *subject, enum bucket_kind kind,
          uint32_t set, const struct prefix *p)
{
    struct bucket *b = CONST_CAST(struct bucket *, find_bucket(e, subject, kind, set, p));

    if (!b) {
        b = xzalloc(sizeof *b);
        b->subject = subject;
        b->kind = kind;
        b->set = set;
        if (p) {
            b->prefix = *p;
        }
        hmap_insert(&e->buckets, &b->hmap_node, bucket_hash(subject, kind, set, p));
        note_bucket(e, subject, b);
    }
    if (b->n >= b->allocated) {
        b->places = x2nrealloc(b->places, &b->allocated, sizeof *b->places);
    }
    b->places[b->n++] = place;
}

static void
index_rule(struct evaluate *e, uint32_t place)
{
    const struct rec_rule *rule = e->rules[place];
    struct subject *subject = get_subject(e, rule->direction, rule->subject);

    subject->first = MIN(subject->first, place);
    if (rule->any_peer || rule_isolates(rule)) {
        file_rule(e, place, subject, PEER_ANY, 0, NULL);
        return;
    }
    if (rule->any_pod) {
        file_rule(e, place, subject, PEER_POD, 0, NULL);
    }
    for (size_t i = 0; i < rule->n_peer_sets; i++) {
        file_rule(e, place, subject, PEER_SET, rule->peer_sets[i], NULL);
    }
    for (size_t i = 0; i < rule->n_peer_prefixes; i++) {
        file_rule(e, place, subject, PEER_PREFIX, 0, &rule->peer_prefixes[i]);
    }
}

static int
compare_u32(uint32_t a, uint32_t b)
{
    return a < b ? -1 : a > b;
}

static int
compare_rules(const void *a_, const void *b_)
{
    const struct rec_rule *const *ap = a_, *const *bp = b_;
    const struct rec_rule *a = *ap, *b = *bp;
    int d = compare_u32(a->tier, b->tier);

    if (!d && a->tier != TIER_NETWORKPOLICY) {
        d = compare_u32(a->rank, b->rank);
    } else if (!d) {
        d = compare_u32(rule_isolates(a), rule_isolates(b));
        if (!d && !rule_isolates(a)) {
            d = a->priority < b->priority ? -1 : a->priority > b->priority;
        }
    }
    return d ? d : compare_u32(a->r.key, b->r.key);
}

static struct brief
brief_of(const struct rec_rule *rule)
{
    struct brief brief = { .vni = rule->vni, .ports = PORTS_MANY, .dry_run = rule->dry_run };

    if (rule->any_port || rule_isolates(rule)) {
        brief.ports = PORTS_ANY;
    } else if (rule->n_ports == 1) {
        brief.ports = PORTS_ONE;
        brief.port = rule->ports[0];
    }
    return brief;
}

static int
compare_peer_buckets(const void *a, const void *b)
{
    return compare_u32(((const struct peer_bucket *) a)->set,
                       ((const struct peer_bucket *) b)->set);
}

static void
sort_peer_buckets(struct evaluate *e)
{
    struct subject *subject;

    HMAP_FOR_EACH (subject, hmap_node, &e->subjects) {
        if (subject->n_sets) {
            qsort(subject->sets, subject->n_sets, sizeof *subject->sets, compare_peer_buckets);
        }
    }
}

static void
add_rule(struct evaluate *e, const struct rec_rule *rule, bool closed)
{
    if (!closed) {
        e->rules[e->n_rules++] = rule;
    } else if (rule_close(rule, &e->closed[e->n_closed])) {
        e->rules[e->n_rules++] = &e->closed[e->n_closed++];
    }
}

static void
index_rules(struct evaluate *e, const struct records *records, const struct number_set *closed)
{
    const struct record *r;

    e->rules = xmalloc((records_count(records, RECORD_RULE) + 1) * sizeof *e->rules);
    e->closed = closed ? xcalloc(hmap_count(&closed->numbers) + 1, sizeof *e->closed) : NULL;
    for (r = records_first(records, RECORD_RULE); r; r = records_next(records, r)) {
        add_rule(e, (const struct rec_rule *) r, closed && number_set_has(closed, r->key));
    }
    qsort(e->rules, e->n_rules, sizeof *e->rules, compare_rules);
    e->briefs = xmalloc((e->n_rules + 1) * sizeof *e->briefs);
    for (size_t i = 0; i < e->n_rules; i++) {
        index_rule(e, i);
        e->briefs[i] = brief_of(e->rules[i]);
        e->any_dry_run |= e->rules[i]->dry_run;
        for (int tier = e->rules[i]->tier; tier < N_RULE_TIERS; tier++) {
            e->tier_end[tier] = i + 1;
        }
    }
    sort_peer_buckets(e);
}

/* Sets. */

static struct membership *
get_membership(struct evaluate *e, uint32_t identity)
{
    struct membership *m = CONST_CAST(struct membership *, find_membership(e, identity));

    if (!m) {
        m = xzalloc(sizeof *m);
        m->identity = identity;
        hmap_insert(&e->memberships, &m->hmap_node, hash_int(identity, 0));
    }
    return m;
}

static void
index_member(struct evaluate *e, uint32_t identity, uint32_t set, bool is_peer)
{
    struct membership *m = get_membership(e, identity);

    if (is_peer && m->n_peer_sets >= m->allocated_peer_sets) {
        m->peer_sets = x2nrealloc(m->peer_sets, &m->allocated_peer_sets, sizeof *m->peer_sets);
    }
    if (is_peer) {
        m->peer_sets[m->n_peer_sets++] = set;
    }
    for (int d = 0; d < N_RULE_DIRECTIONS; d++) {
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
index_holding(struct holdings *holdings, const struct prefix *p, uint32_t set)
{
    struct holding *h = CONST_CAST(struct holding *, find_holding(holdings, p));

    if (!h) {
        h = xzalloc(sizeof *h);
        h->prefix = *p;
        hmap_insert(&holdings->hmap, &h->hmap_node, prefix_hash(p));
        note_plen(&holdings->plens, p->plen);
    }
    if (h->n >= h->allocated) {
        h->sets = x2nrealloc(h->sets, &h->allocated, sizeof *h->sets);
    }
    h->sets[h->n++] = set;
}

static void
index_set(struct evaluate *e, const struct rec_set *set, const struct learned *learned)
{
    bool is_peer = is_peer_set(e, set->r.key);
    size_t n_learned;
    const struct in6_addr *addresses = learned_find(learned, set->r.key, &n_learned);

    for (size_t i = 0; i < set->n_identities; i++) {
        index_member(e, set->identities[i], set->r.key, is_peer);
    }
    for (size_t i = 0; is_peer && i < set->n_prefixes; i++) {
        index_holding(&e->by_prefix, &set->prefixes[i], set->r.key);
    }
    for (size_t i = 0; is_peer && set->n_domains && i < n_learned; i++) {
        struct prefix host = prefix_host(&addresses[i]);
        index_holding(&e->by_learned, &host, set->r.key);
    }
}

/* In the order of their ids, and so are the lists of them. */
static void
index_sets(struct evaluate *e, const struct records *records, const struct learned *learned)
{
    size_t n;
    const struct record **sets = records_sorted(records, RECORD_SET, &n);

    for (size_t i = 0; i < n; i++) {
        index_set(e, (const struct rec_set *) sets[i], learned);
    }
    free(sets);
}

/* Addresses. */

static void
index_address(struct evaluate *e, const struct in6_addr *ip, const struct rec_endpoint *endpoint,
              uint32_t node)
{
    struct owner *owner = xzalloc(sizeof *owner);

    owner->ip = *ip;
    owner->endpoint = endpoint;
    owner->node = node;
    hmap_insert(&e->owners, &owner->hmap_node, ip_hash(ip));
}

static void
index_endpoint(struct evaluate *e, const struct rec_endpoint *endpoint)
{
    for (size_t i = 0; i < endpoint->n_ips; i++) {
        index_address(e, &endpoint->ips[i], endpoint, 0);
    }
}

static void
index_node(struct evaluate *e, const struct rec_node *node)
{
    for (size_t i = 0; i < node->n_addresses; i++) {
        index_address(e, &node->addresses[i], NULL, node->r.key);
    }
}

/* 'endpoint' or 'node' is not NULL and not 0. */
static void
forget_address(struct evaluate *e, const struct in6_addr *ip, const struct rec_endpoint *endpoint,
               uint32_t node)
{
    struct owner *owner;

    HMAP_FOR_EACH_WITH_HASH (owner, hmap_node, ip_hash(ip), &e->owners) {
        if (owner->endpoint == endpoint && owner->node == node
            && !memcmp(&owner->ip, ip, sizeof *ip)) {
            hmap_remove(&e->owners, &owner->hmap_node);
            free(owner);
            return;
        }
    }
}

static void
index_addresses(struct evaluate *e, const struct records *records)
{
    const struct record *r;

    for (r = records_first(records, RECORD_NODE); r; r = records_next(records, r)) {
        index_node(e, (const struct rec_node *) r);
    }
    for (r = records_first(records, RECORD_ENDPOINT); r; r = records_next(records, r)) {
        index_endpoint(e, (const struct rec_endpoint *) r);
    }
}

static void
follow_endpoint(struct evaluate *e, uint32_t key)
{
    const struct rec_endpoint *was = (const struct rec_endpoint *) records_before(
        e->records, RECORD_ENDPOINT, key);
    const struct rec_endpoint *is = records_endpoint(e->records, key);

    for (size_t i = 0; was && i < was->n_ips; i++) {
        forget_address(e, &was->ips[i], was, 0);
    }
    if (is) {
        index_endpoint(e, is);
    }
}

static void
follow_node(struct evaluate *e, uint32_t key)
{
    const struct rec_node *was = (const struct rec_node *) records_before(e->records, RECORD_NODE,
                                                                          key);
    const struct rec_node *is = records_node(e->records, key);

    for (size_t i = 0; was && i < was->n_addresses; i++) {
        forget_address(e, &was->addresses[i], NULL, key);
    }
    if (is) {
        index_node(e, is);
    }
}

static void
follow_each(struct evaluate *e, enum record_kind kind,
            void (*follow)(struct evaluate *, uint32_t key))
{
    size_t n;
    uint32_t *keys = records_changed(e->records, kind, &n);

    for (size_t i = 0; i < n; i++) {
        follow(e, keys[i]);
    }
    free(keys);
}

void
evaluate_follow(struct evaluate *e)
{
    follow_each(e, RECORD_NODE, follow_node);
    follow_each(e, RECORD_ENDPOINT, follow_endpoint);
    e->stale |= (records_any_changed(e->records, RECORD_SET)
                 || records_any_changed(e->records, RECORD_RULE));
}

/* Rules and sets, together. */

static void
policy_init(struct evaluate *e, const struct number_set *closed)
{
    hmap_init(&e->buckets);
    hmap_init(&e->subjects);
    hmap_init(&e->peer_sets);
    hmap_init(&e->memberships);
    e->by_prefix = e->by_learned = (struct holdings){ .plens.n = 0 };
    hmap_init(&e->by_prefix.hmap);
    hmap_init(&e->by_learned.hmap);
    e->n_rules = e->n_closed = 0;
    memset(e->tier_end, 0, sizeof e->tier_end);
    e->any_dry_run = false;
    index_rules(e, e->records, closed);
    index_sets(e, e->records, e->learned);
    e->learned_seqno = learned_seqno(e->learned);
    e->stale = false;
    e->renewal++;
}

static void
holdings_uninit(struct holdings *holdings)
{
    struct holding *h;

    HMAP_FOR_EACH_POP (h, hmap_node, &holdings->hmap) {
        free(h->sets);
        free(h);
    }
    hmap_destroy(&holdings->hmap);
}

static void
memberships_uninit(struct hmap *memberships)
{
    struct membership *m;

    HMAP_FOR_EACH_POP (m, hmap_node, memberships) {
        free(m->peer_sets);
        free(m->subjects[0]);
        free(m->subjects[1]);
        free(m);
    }
    hmap_destroy(memberships);
}

/* Does not look at rules and sets, which may be gone. */
static void
policy_uninit(struct evaluate *e)
{
    struct bucket *b;
    struct subject *subject;
    struct peer_set *peer_set;

    HMAP_FOR_EACH_POP (b, hmap_node, &e->buckets) {
        free(b->places);
        free(b);
    }
    HMAP_FOR_EACH_POP (subject, hmap_node, &e->subjects) {
        free(subject->sets);
        free(subject);
    }
    HMAP_FOR_EACH_POP (peer_set, hmap_node, &e->peer_sets) {
        free(peer_set);
    }
    hmap_destroy(&e->buckets);
    hmap_destroy(&e->subjects);
    hmap_destroy(&e->peer_sets);
    memberships_uninit(&e->memberships);
    holdings_uninit(&e->by_prefix);
    holdings_uninit(&e->by_learned);
    free(e->rules);
    free(e->briefs);
    free(e->closed);
}

bool
evaluate_is_current(const struct evaluate *e)
{
    return !e->stale && e->learned_seqno == learned_seqno(e->learned);
}

void
evaluate_renew(struct evaluate *e, const struct number_set *closed)
{
    policy_uninit(e);
    policy_init(e, closed);
}

struct evaluate *
evaluate_create_closed(const struct records *records, const struct learned *learned,
                       const struct number_set *closed)
{
    struct evaluate *e = xzalloc(sizeof *e);

    e->records = records;
    e->learned = learned;
    policy_init(e, closed);
    hmap_init(&e->owners);
    index_addresses(e, records);
    return e;
}

struct evaluate *
evaluate_create_learned(const struct records *records, const struct learned *learned)
{
    return evaluate_create_closed(records, learned, NULL);
}

struct evaluate *
evaluate_create(const struct records *records)
{
    return evaluate_create_learned(records, NULL);
}

void
evaluate_destroy(struct evaluate *e)
{
    struct owner *owner;

    if (!e) {
        return;
    }
    HMAP_FOR_EACH_POP (owner, hmap_node, &e->owners) {
        free(owner);
    }
    hmap_destroy(&e->owners);
    policy_uninit(e);
    free(e);
}
