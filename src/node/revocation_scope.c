/* A connection is allowed by a rule, or since no rule denies it.  So an allow
 * goes away when
 *
 *   a rule that allows or passes goes, or one that does not allow comes
 *   an identity in use, an address or a name leaves a set of such a rule,
 *                   or enters a set of one of those
 *   an endpoint changes to an identity that is not in such a set,
 *                   or that is in one of those
 *   addresses of nodes change (a node always reaches its own pods)
 *   a node comes that was the world, and a set tells them apart
 *
 * A rule that passes counts both ways: what comes after it, in its tier or in
 * the next, may deny.  One that changes its place goes and comes.  Rules in dry
 * run say nothing.
 *
 * Each of these ends at a rule, and a rule at the network of its subjects,
 * whose connections are in the network's zone or in zone 1.
 *
 * An address that changes hands is the other case: who has it now must not
 * inherit connections.  Addresses that are given up are remembered until
 * somebody takes them; only then is there anything to do. */
#include "node/revocation_scope.h"

#include <stdlib.h>
#include <string.h>

#include "base/number_set.h"
#include "bitmap.h"
#include "hash.h"
#include "node/revocation_index.h"
#include "openvswitch/hmap.h"
#include "util.h"

enum {
    ZONE_BETWEEN = 1,       /* ovs-flows/README.md, "Zones". */
    MAX_GIVEN_UP = 1 << 16, /* More: all zones, and start afresh. */
};

struct given_up {
    struct hmap_node hmap_node; /* By address. */
    struct in6_addr ip;
};

struct revocation_scope {
    char *node_name;
    bool looked;
    bool may_allow; /* The last look. */
    struct hmap given_up;
    struct revocation_index index;
    uint32_t own_node;        /* Its id; 0: no record. */
    struct number_set local;  /* VNIs of the endpoints on it, counted. */
    struct number_set in_use; /* Identities of all endpoints, counted. */

    /* The answer. */
    bool all;
    unsigned long *zones;
    struct in6_addr *reused;
    size_t n_reused, allocated_reused;
};

/* One look. */
struct look {
    struct revocation_scope *scope;
    const struct records *now; /* And, by its log, what was. */
    /* Sets that an address, a name or an identity in use has left or come to. */
    struct number_set changed[N_MEMBERSHIP_CHANGES];
    struct hmap moves;          /* struct move: what endpoints did. */
    struct number_set networks; /* VNIs of rules that take something away. */
};

/* --- Life --------------------------------------------------------------------------- */

struct revocation_scope *
revocation_scope_create(const char *node_name)
{
    struct revocation_scope *scope = xzalloc(sizeof *scope);
    scope->node_name = xstrdup(node_name);
    hmap_init(&scope->given_up);
    revocation_index_init(&scope->index);
    number_set_init(&scope->local);
    number_set_init(&scope->in_use);
    scope->zones = bitmap_allocate(UINT16_MAX + 1);
    return scope;
}

static void
forget_given_up(struct revocation_scope *scope)
{
    struct given_up *g;
    HMAP_FOR_EACH_POP (g, hmap_node, &scope->given_up) {
        free(g);
    }
}

void
revocation_scope_destroy(struct revocation_scope *scope)
{
    if (scope) {
        forget_given_up(scope);
        hmap_destroy(&scope->given_up);
        revocation_index_uninit(&scope->index);
        number_set_uninit(&scope->local);
        number_set_uninit(&scope->in_use);
        bitmap_free(scope->zones);
        free(scope->reused);
        free(scope->node_name);
        free(scope);
    }
}

void
revocation_scope_clear(struct revocation_scope *scope)
{
    if (scope->all) {
        forget_given_up(scope);
    }
    scope->all = false;
    scope->n_reused = 0;
    bitmap_set_multiple(scope->zones, 0, UINT16_MAX + 1, false);
}

/* --- Addresses that change hands ------------------------------------------------------ */

static struct given_up *
find_given_up(const struct revocation_scope *scope, const struct in6_addr *ip)
{
    struct given_up *g;
    HMAP_FOR_EACH_WITH_HASH (g, hmap_node, hash_bytes(ip, sizeof *ip, 0), &scope->given_up) {
        if (!memcmp(&g->ip, ip, sizeof *ip)) {
            return g;
        }
    }
    return NULL;
}

static bool
has_ip(const struct rec_endpoint *endpoint, const struct in6_addr *ip)
{
    for (size_t i = 0; endpoint && i < endpoint->n_ips; i++) {
        if (!memcmp(&endpoint->ips[i], ip, sizeof *ip)) {
            return true;
        }
    }
    return false;
}

static bool
is_same_endpoint(const struct rec_endpoint *a, const struct rec_endpoint *b)
{
    return a && b && !strcmp(a->uid, b->uid);
}

static void
give_up(struct revocation_scope *scope, const struct rec_endpoint *was,
        const struct rec_endpoint *now)
{
    for (size_t i = 0; was && i < was->n_ips; i++) {
        const struct in6_addr *ip = &was->ips[i];
        if ((!is_same_endpoint(was, now) || !has_ip(now, ip)) && !find_given_up(scope, ip)) {
            struct given_up *g = xmalloc(sizeof *g);
            g->ip = *ip;
            hmap_insert(&scope->given_up, &g->hmap_node, hash_bytes(ip, sizeof *ip, 0));
        }
    }
}

static void
take_over(struct revocation_scope *scope, const struct rec_endpoint *now)
{
    for (size_t i = 0; now && i < now->n_ips; i++) {
        struct given_up *g = find_given_up(scope, &now->ips[i]);
        if (!g) {
            continue;
        }
        hmap_remove(&scope->given_up, &g->hmap_node);
        if (scope->n_reused == scope->allocated_reused) {
            scope->reused = x2nrealloc(scope->reused, &scope->allocated_reused,
                                       sizeof *scope->reused);
        }
        scope->reused[scope->n_reused++] = g->ip;
        scope->all = true; /* Its connections may be in any zone. */
        scope->may_allow = true;
        free(g);
    }
}

/* --- What identities lose and gain ------------------------------------------------------ */

static int
compare_ids(const void *a_, const void *b_)
{
    uint32_t a = *(const uint32_t *) a_, b = *(const uint32_t *) b_;
    return a < b ? -1 : a > b;
}

static bool
set_has(const struct rec_set *set, uint32_t identity)
{
    return set && set->n_identities
           && bsearch(&identity, set->identities, set->n_identities, sizeof identity, compare_ids);
}

static const struct rec_endpoint *
endpoint_before(const struct records *now, uint32_t key)
{
    return (const struct rec_endpoint *) records_before(now, RECORD_ENDPOINT, key);
}

static const struct rec_set *
set_before(const struct records *now, uint32_t key)
{
    return (const struct rec_set *) records_before(now, RECORD_SET, key);
}

/* Did an endpoint have it?  Only those have connections.  What endpoints do in this
 * look is not counted yet (look_at_endpoints()). */
static bool
is_in_use(const struct look *look, uint32_t identity)
{
    return identity < IDENTITY_FIRST || number_set_has(&look->scope->in_use, identity);
}

static bool
set_covers(const struct rec_set *set, const struct prefix *prefix)
{
    for (size_t i = 0; set && i < set->n_prefixes; i++) {
        if (prefix_covers(&set->prefixes[i], prefix)) {
            return true;
        }
    }
    return false;
}

static bool
set_names(const struct rec_set *set, const char *domain)
{
    for (size_t i = 0; set && i < set->n_domains; i++) {
        if (!strcmp(set->domains[i], domain)) {
            return true;
        }
    }
    return false;
}

/* Is an address or a name in 'a' and not in 'b'? */
static bool
differs_in_addresses(const struct rec_set *a, const struct rec_set *b)
{
    for (size_t i = 0; a && i < a->n_prefixes; i++) {
        if (!set_covers(b, &a->prefixes[i])) {
            return true;
        }
    }
    for (size_t i = 0; a && i < a->n_domains; i++) {
        if (!set_names(b, a->domains[i])) {
            return true;
        }
    }
    return false;
}

/* Is somebody in 'a' and not in 'b'? */
static bool
differs(const struct look *look, const struct rec_set *a, const struct rec_set *b)
{
    if (differs_in_addresses(a, b)) {
        return true;
    }
    for (size_t i = 0; a && i < a->n_identities; i++) {
        if (!set_has(b, a->identities[i]) && is_in_use(look, a->identities[i])) {
            return true;
        }
    }
    return false;
}

static void
look_at_sets(struct look *look)
{
    size_t n;
    uint32_t *keys = records_changed(look->now, RECORD_SET, &n);
    for (size_t i = 0; i < n; i++) {
        const struct rec_set *was = set_before(look->now, keys[i]);
        const struct rec_set *now = records_set(look->now, keys[i]);
        if (differs(look, was, now)) {
            number_set_add(&look->changed[MEMBER_LEAVES], keys[i]);
        }
        if (differs(look, now, was)) {
            number_set_add(&look->changed[MEMBER_COMES], keys[i]);
        }
    }
    free(keys);
}

/* --- The kinds of records ------------------------------------------------------------------ */

/* An endpoint went from one identity to another. */
struct move {
    struct hmap_node hmap_node;
    uint32_t from, to;
    uint32_t *sets; /* Of 'from', before the change; sorted. */
    size_t n_sets;
};

static void
add_move(struct look *look, uint32_t from, uint32_t to)
{
    struct move *m;
    uint32_t hash = hash_2words(from, to);
    HMAP_FOR_EACH_WITH_HASH (m, hmap_node, hash, &look->moves) {
        if (m->from == from && m->to == to) {
            return;
        }
    }
    m = xmalloc(sizeof *m);
    m->from = from;
    m->to = to;
    const uint32_t *sets = revocation_index_sets(&look->scope->index, from, &m->n_sets);
    m->sets = m->n_sets ? xmemdup(sets, m->n_sets * sizeof *sets) : NULL;
    hmap_insert(&look->moves, &m->hmap_node, hash);
}

/* Keeps the count of this node's networks. */
static void
count_local(struct revocation_scope *scope, const struct rec_endpoint *was,
            const struct rec_endpoint *now)
{
    if (was && was->node && was->node == scope->own_node) {
        number_set_subtract(&scope->local, was->vni);
    }
    if (now && now->node && now->node == scope->own_node) {
        number_set_add(&scope->local, now->vni);
    }
}

static void
count_in_use(struct revocation_scope *scope, const struct rec_endpoint *was,
             const struct rec_endpoint *now)
{
    if (was && now && was->identity == now->identity) {
        return;
    }
    if (was) {
        number_set_subtract(&scope->in_use, was->identity);
    }
    if (now) {
        number_set_add(&scope->in_use, now->identity);
    }
}

static void
look_at_endpoint(struct look *look, uint32_t key)
{
    const struct rec_endpoint *was = endpoint_before(look->now, key);
    const struct rec_endpoint *now = records_endpoint(look->now, key);
    count_local(look->scope, was, now);
    count_in_use(look->scope, was, now);
    look->scope->may_allow = look->scope->may_allow || was;
    if (!is_same_endpoint(was, now)) {
        return; /* Gone, or new: see give_up() and take_over(). */
    }
    if (was->vni != now->vni || was->node != now->node) {
        look->scope->all = true;
    } else if (was->identity != now->identity) {
        add_move(look, was->identity, now->identity);
    }
}

static void
look_at_endpoints(struct look *look)
{
    size_t n;
    uint32_t *keys = records_changed(look->now, RECORD_ENDPOINT, &n);
    for (size_t i = 0; i < n; i++) {
        look_at_endpoint(look, keys[i]);
        give_up(look->scope, endpoint_before(look->now, keys[i]),
                records_endpoint(look->now, keys[i]));
    }
    for (size_t i = 0; i < n; i++) {
        take_over(look->scope, records_endpoint(look->now, keys[i]));
    }
    free(keys);
    if (hmap_count(&look->scope->given_up) > MAX_GIVEN_UP) {
        look->scope->all = true;
    }
}

/* Does a set hold the world, or nodes, by their identity? */
static bool
strangers_are_told_apart(const struct records *now)
{
    const struct record *r;
    for (r = records_first(now, RECORD_SET); r; r = records_next(now, r)) {
        const struct rec_set *set = (const struct rec_set *) r;
        if (set->n_identities && set->identities[0] < IDENTITY_FIRST) {
            return true;
        }
    }
    return false;
}

/* May the node or network take something away?  One that is new does not, but
 * for a node whose address was the world's; nor does a network, unless it
 * changes. */
static bool
place_denies(const struct records *now, const struct record *was, const struct record *is)
{
    if (!was) {
        return is && is->kind == RECORD_NODE && strangers_are_told_apart(now);
    }
    return (is || was->kind == RECORD_NODE) && !(is && record_equal(was, is));
}

static void
look_at_places(struct look *look)
{
    static const enum record_kind kinds[] = { RECORD_NODE, RECORD_NETWORK };
    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
        size_t n;
        uint32_t *keys = records_changed(look->now, kinds[k], &n);
        for (size_t i = 0; i < n; i++) {
            const struct record *was = records_before(look->now, kinds[k], keys[i]);
            const struct record *now = records_find(look->now, kinds[k], keys[i]);
            look->scope->all = look->scope->all || place_denies(look->now, was, now);
        }
        free(keys);
    }
}

static void
look_at_rules(struct look *look)
{
    size_t n;
    uint32_t *keys = records_changed(look->now, RECORD_RULE, &n);
    for (size_t i = 0; i < n; i++) {
        const struct rec_rule *was = (const struct rec_rule *) records_before(
            look->now, RECORD_RULE, keys[i]);
        const struct rec_rule *now = records_rule(look->now, keys[i]);
        if (was && now && record_equal(&was->r, &now->r)) {
            continue;
        }
        if (rule_loss_denies(was)) {
            number_set_add(&look->networks, was->vni);
        }
        if (rule_coming_denies(now)) {
            number_set_add(&look->networks, now->vni);
        }
    }
    free(keys);
}

static void
add_networks(struct look *look, uint32_t set, enum membership_change change)
{
    const struct revocation_scope *scope = look->scope;
    revocation_index_networks(&scope->index, set, change, &scope->local, &look->networks);
}

/* Both lists are sorted: what only one of them has. */
static void
look_at_move(struct look *look, const struct move *m)
{
    size_t n, i = 0, j = 0;
    const uint32_t *now = revocation_index_sets(&look->scope->index, m->to, &n);
    while (i < m->n_sets || j < n) {
        if (j == n || (i < m->n_sets && m->sets[i] < now[j])) {
            add_networks(look, m->sets[i++], MEMBER_LEAVES);
        } else if (i == m->n_sets || now[j] < m->sets[i]) {
            add_networks(look, now[j++], MEMBER_COMES);
        } else {
            i++;
            j++;
        }
    }
}

/* The index knows the sets as they are now; a move knows what they were. */
static void
look_at_users_of_sets(struct look *look)
{
    const struct move *m;
    HMAP_FOR_EACH (m, hmap_node, &look->moves) {
        look_at_move(look, m);
    }
    for (int change = 0; change < N_MEMBERSHIP_CHANGES; change++) {
        const struct number *set;
        NUMBER_SET_FOR_EACH(set, &look->changed[change])
        {
            add_networks(look, set->value, change);
        }
    }
}

/* --- The answer ----------------------------------------------------------------------------- */

static void
add_zone_of(struct revocation_scope *scope, const struct rec_network *net)
{
    if (net) {
        bitmap_set1(scope->zones, net->zone);
        bitmap_set1(scope->zones, ZONE_BETWEEN);
    }
}

/* Rules are enforced where their subjects are. */
static void
add_zones(struct look *look)
{
    struct revocation_scope *scope = look->scope;
    if (number_set_has(&look->networks, 0)) {
        scope->all = true;
        return;
    }
    const struct number *n;
    NUMBER_SET_FOR_EACH(n, &look->networks)
    {
        if (number_set_has(&scope->local, n->value)) {
            add_zone_of(scope, records_network(look->now, n->value));
        }
    }
}

/* --- This node ------------------------------------------------------------------------------ */

static uint32_t
find_own_node(const struct revocation_scope *scope, const struct records *now)
{
    const struct record *r;
    for (r = records_first(now, RECORD_NODE); r; r = records_next(now, r)) {
        if (!strcmp(((const struct rec_node *) r)->name, scope->node_name)) {
            return r->key;
        }
    }
    return 0;
}

typedef void count_op(struct revocation_scope *, const struct rec_endpoint *was,
                      const struct rec_endpoint *now);

/* As if the endpoints of this look had not changed yet. */
static void
count_before(struct revocation_scope *scope, const struct records *now, count_op *count)
{
    const struct record *r;
    for (r = records_first(now, RECORD_ENDPOINT); r; r = records_next(now, r)) {
        count(scope, NULL, (const struct rec_endpoint *) r);
    }
    size_t n;
    uint32_t *changed = records_changed(now, RECORD_ENDPOINT, &n);
    for (size_t i = 0; i < n; i++) {
        count(scope, records_endpoint(now, changed[i]), endpoint_before(now, changed[i]));
    }
    free(changed);
}

static void
follow_own_node(struct revocation_scope *scope, const struct records *now)
{
    uint32_t own = find_own_node(scope, now);
    if (own != scope->own_node) {
        scope->own_node = own;
        number_set_clear(&scope->local);
        count_before(scope, now, count_local);
    }
}

/* --- Looks ---------------------------------------------------------------------------------- */

static void
look_uninit(struct look *look)
{
    struct move *m;
    HMAP_FOR_EACH_POP (m, hmap_node, &look->moves) {
        free(m->sets);
        free(m);
    }
    hmap_destroy(&look->moves);
    number_set_uninit(&look->changed[MEMBER_LEAVES]);
    number_set_uninit(&look->changed[MEMBER_COMES]);
    number_set_uninit(&look->networks);
}

/* What was before the first look is not known, and it says "all zones". */
static void
follow_index(struct revocation_scope *scope, const struct records *now)
{
    if (scope->looked) {
        revocation_index_follow(&scope->index, now);
    } else {
        revocation_index_fill(&scope->index, now);
    }
}

static void
look_at_changes(struct revocation_scope *scope, const struct records *now)
{
    struct look look = { .scope = scope, .now = now };
    number_set_init(&look.changed[MEMBER_LEAVES]);
    number_set_init(&look.changed[MEMBER_COMES]);
    hmap_init(&look.moves);
    number_set_init(&look.networks);
    look_at_sets(&look);
    look_at_endpoints(&look);
    look_at_places(&look);
    look_at_rules(&look);
    follow_index(scope, now);
    look_at_users_of_sets(&look);
    if (!number_set_is_empty(&look.networks)) {
        add_zones(&look);
    }
    look_uninit(&look);
}

void
revocation_scope_look(struct revocation_scope *scope, const struct records *now)
{
    scope->may_allow = records_any_changed(now, RECORD_RULE)
                       || records_any_changed(now, RECORD_SET)
                       || records_any_changed(now, RECORD_NODE);
    if (!records_any_changes(now) && scope->looked) {
        return;
    }
    if (!scope->looked || records_any_changed(now, RECORD_NODE)) {
        follow_own_node(scope, now);
    }
    if (!scope->looked) {
        count_before(scope, now, count_in_use);
    }
    look_at_changes(scope, now);
    scope->all = scope->all || !scope->looked;
    scope->looked = true;
}

bool
revocation_scope_may_allow(const struct revocation_scope *scope)
{
    return scope->may_allow;
}

bool
revocation_scope_any(const struct revocation_scope *scope)
{
    return scope->all || bitmap_scan(scope->zones, true, 0, UINT16_MAX + 1) <= UINT16_MAX;
}

bool
revocation_scope_all(const struct revocation_scope *scope)
{
    return scope->all;
}

uint16_t *
revocation_scope_zones(const struct revocation_scope *scope, size_t *n)
{
    uint16_t *zones = NULL;
    size_t allocated = 0, zone;
    *n = 0;
    BITMAP_FOR_EACH_1 (zone, UINT16_MAX + 1, scope->zones) {
        if (*n == allocated) {
            zones = x2nrealloc(zones, &allocated, sizeof *zones);
        }
        zones[(*n)++] = (uint16_t) zone;
    }
    return zones;
}

const struct in6_addr *
revocation_scope_reused(const struct revocation_scope *scope, size_t *n)
{
    *n = scope->n_reused;
    return scope->reused;
}

void
revocation_scope_add_all(struct revocation_scope *scope)
{
    scope->all = true;
}
