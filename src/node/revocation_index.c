/* What a change does not name is not touched: a set costs the members that come
 * and leave, a rule the sets that it uses.  Many policies with selectors of their
 * own put an identity into as many sets, and may all go at once. */
#include "node/revocation_index.h"

#include <stdlib.h>

#include "hash.h"
#include "util.h"

struct ids {
    uint32_t *a;
    size_t n, allocated;
};

/* The sets of one identity: those that it came to, less those that it left.
 * Lists are sorted, and the second is taken from the first, when somebody asks
 * or when half of the first would go. */
struct member {
    struct hmap_node hmap_node; /* By identity. */
    uint32_t identity;
    struct ids came, left;
    bool settled;
};

/* The networks of the rules that may deny something by such a change of the set. */
struct stake {
    struct hmap_node hmap_node; /* By set and change. */
    uint32_t set;
    enum membership_change change;
    struct number_set networks; /* VNIs; as often as their rules name the set. */
};

bool
rule_loss_denies(const struct rec_rule *rule)
{
    return rule && !rule->dry_run && (rule->action == RULE_ALLOW || rule_passes(rule));
}

bool
rule_coming_denies(const struct rec_rule *rule)
{
    return rule && !rule->dry_run && rule->action != RULE_ALLOW;
}

/* --- Members ------------------------------------------------------------------------------ */

static struct member *
find_member(const struct revocation_index *index, uint32_t identity)
{
    struct member *m;
    HMAP_FOR_EACH_WITH_HASH (m, hmap_node, hash_int(identity, 0), &index->members) {
        if (m->identity == identity) {
            return m;
        }
    }
    return NULL;
}

static void
push(struct ids *ids, uint32_t id)
{
    if (ids->n == ids->allocated) {
        ids->a = x2nrealloc(ids->a, &ids->allocated, sizeof *ids->a);
    }
    ids->a[ids->n++] = id;
}

static int
compare_ids(const void *a_, const void *b_)
{
    uint32_t a = *(const uint32_t *) a_, b = *(const uint32_t *) b_;
    return a < b ? -1 : a > b;
}

static void
sort(struct ids *ids)
{
    if (ids->n) {
        qsort(ids->a, ids->n, sizeof *ids->a, compare_ids);
    }
}

static void
settle(struct member *m)
{
    if (m->settled) {
        return;
    }
    sort(&m->came);
    sort(&m->left);
    size_t n = 0, gone = 0;
    for (size_t i = 0; i < m->came.n; i++) {
        if (gone < m->left.n && m->left.a[gone] == m->came.a[i]) {
            gone++;
        } else {
            m->came.a[n++] = m->came.a[i];
        }
    }
    m->came.n = n;
    m->left.n = 0;
    m->settled = true;
}

static void
come(struct revocation_index *index, uint32_t identity, uint32_t set)
{
    struct member *m = find_member(index, identity);
    if (!m) {
        m = xzalloc(sizeof *m);
        m->identity = identity;
        hmap_insert(&index->members, &m->hmap_node, hash_int(identity, 0));
    }
    push(&m->came, set);
    m->settled = false;
}

static void
free_member(struct revocation_index *index, struct member *m)
{
    hmap_remove(&index->members, &m->hmap_node);
    free(m->came.a);
    free(m->left.a);
    free(m);
}

static void
leave(struct revocation_index *index, uint32_t identity, uint32_t set)
{
    struct member *m = find_member(index, identity);
    if (!m) {
        return;
    }
    push(&m->left, set);
    m->settled = false;
    if (m->left.n == m->came.n) {
        free_member(index, m);
    } else if (2 * m->left.n > m->came.n) {
        settle(m);
    }
}

/* Either may be NULL.  Identities of a set are sorted. */
static void
follow_set(struct revocation_index *index, uint32_t id, const struct rec_set *was,
           const struct rec_set *now)
{
    size_t i = 0, j = 0, n_was = was ? was->n_identities : 0, n_now = now ? now->n_identities : 0;
    while (i < n_was || j < n_now) {
        if (j == n_now || (i < n_was && was->identities[i] < now->identities[j])) {
            leave(index, was->identities[i++], id);
        } else if (i == n_was || now->identities[j] < was->identities[i]) {
            come(index, now->identities[j++], id);
        } else {
            i++;
            j++;
        }
    }
}

const uint32_t *
revocation_index_sets(const struct revocation_index *index, uint32_t identity, size_t *n)
{
    struct member *m = find_member(index, identity);
    if (m) {
        settle(m);
    }
    *n = m ? m->came.n : 0;
    return m ? m->came.a : NULL;
}

/* --- Stakes --------------------------------------------------------------------------------- */

static uint32_t
stake_hash(uint32_t set, enum membership_change change)
{
    return hash_2words(set, change);
}

static struct stake *
find_stake(const struct revocation_index *index, uint32_t set, enum membership_change change)
{
    struct stake *s;
    HMAP_FOR_EACH_WITH_HASH (s, hmap_node, stake_hash(set, change), &index->stakes) {
        if (s->set == set && s->change == change) {
            return s;
        }
    }
    return NULL;
}

static void
add_stake(struct revocation_index *index, uint32_t set, enum membership_change change,
          uint32_t vni)
{
    struct stake *s = find_stake(index, set, change);
    if (!s) {
        s = xzalloc(sizeof *s);
        s->set = set;
        s->change = change;
        number_set_init(&s->networks);
        hmap_insert(&index->stakes, &s->hmap_node, stake_hash(set, change));
    }
    number_set_add(&s->networks, vni);
}

static void
free_stake(struct revocation_index *index, struct stake *s)
{
    hmap_remove(&index->stakes, &s->hmap_node);
    number_set_uninit(&s->networks);
    free(s);
}

static void
subtract_stake(struct revocation_index *index, uint32_t set, enum membership_change change,
               uint32_t vni)
{
    struct stake *s = find_stake(index, set, change);
    if (s) {
        number_set_subtract(&s->networks, vni);
        if (number_set_is_empty(&s->networks)) {
            free_stake(index, s);
        }
    }
}

typedef void stake_op(struct revocation_index *, uint32_t set, enum membership_change,
                      uint32_t vni);

static void
each_stake(struct revocation_index *index, const struct rec_rule *rule, stake_op *op)
{
    bool denies[N_MEMBERSHIP_CHANGES] = {
        [MEMBER_LEAVES] = rule_loss_denies(rule),
        [MEMBER_COMES] = rule_coming_denies(rule),
    };
    for (int change = 0; change < N_MEMBERSHIP_CHANGES; change++) {
        if (!denies[change]) {
            continue;
        }
        op(index, rule->subject, change, rule->vni);
        for (size_t i = 0; i < rule->n_peer_sets; i++) {
            op(index, rule->peer_sets[i], change, rule->vni);
        }
    }
}

static void
add_common(const struct number_set *few, const struct number_set *many, struct number_set *to)
{
    const struct number *n;
    NUMBER_SET_FOR_EACH(n, few)
    {
        if (number_set_has(many, n->value)) {
            number_set_add(to, n->value);
        }
    }
}

void
revocation_index_networks(const struct revocation_index *index, uint32_t set,
                          enum membership_change change, const struct number_set *local,
                          struct number_set *networks)
{
    const struct stake *s = find_stake(index, set, change);
    if (!s) {
        return;
    }
    if (number_set_has(&s->networks, 0)) {
        number_set_add(networks, 0);
    }
    if (hmap_count(&s->networks.numbers) < hmap_count(&local->numbers)) {
        add_common(&s->networks, local, networks);
    } else {
        add_common(local, &s->networks, networks);
    }
}

/* --- Life ----------------------------------------------------------------------------------- */

void
revocation_index_init(struct revocation_index *index)
{
    hmap_init(&index->members);
    hmap_init(&index->stakes);
}

void
revocation_index_uninit(struct revocation_index *index)
{
    struct member *m, *next;
    HMAP_FOR_EACH_SAFE (m, next, hmap_node, &index->members) {
        free_member(index, m);
    }
    struct stake *s, *next_stake;
    HMAP_FOR_EACH_SAFE (s, next_stake, hmap_node, &index->stakes) {
        free_stake(index, s);
    }
    hmap_destroy(&index->members);
    hmap_destroy(&index->stakes);
}

void
revocation_index_fill(struct revocation_index *index, const struct records *records)
{
    const struct record *r;
    for (r = records_first(records, RECORD_SET); r; r = records_next(records, r)) {
        follow_set(index, r->key, NULL, (const struct rec_set *) r);
    }
    for (r = records_first(records, RECORD_RULE); r; r = records_next(records, r)) {
        each_stake(index, (const struct rec_rule *) r, add_stake);
    }
}

static void
follow_sets(struct revocation_index *index, const struct records *records)
{
    size_t n;
    uint32_t *keys = records_changed(records, RECORD_SET, &n);
    for (size_t i = 0; i < n; i++) {
        follow_set(index, keys[i],
                   (const struct rec_set *) records_before(records, RECORD_SET, keys[i]),
                   records_set(records, keys[i]));
    }
    free(keys);
}

static void
follow_rules(struct revocation_index *index, const struct records *records)
{
    size_t n;
    uint32_t *keys = records_changed(records, RECORD_RULE, &n);
    for (size_t i = 0; i < n; i++) {
        each_stake(index, (const struct rec_rule *) records_before(records, RECORD_RULE, keys[i]),
                   subtract_stake);
        each_stake(index, records_rule(records, keys[i]), add_stake);
    }
    free(keys);
}

void
revocation_index_follow(struct revocation_index *index, const struct records *records)
{
    follow_sets(index, records);
    follow_rules(index, records);
}
