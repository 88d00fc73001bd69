#include "stats/accounting.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "openflow/pipeline.h"
#include "openvswitch/list.h"
#include "util.h"
#include "virga/cookie.h"

/* A counter and its sums of raw values. */
struct account {
    struct hmap_node hmap_node; /* In accounting's 'accounts'. */
    struct ovs_list changed;    /* In accounting's 'changed', or empty. */
    struct ovs_list idle;       /* In accounting's 'idle', or empty. */
    struct counter counter;     /* raw_*: sums over the flows that are there. */
    size_t n_tallies;           /* That refer to it. */

    /* Until the books are settled: the raw_* that the counter includes from an
     * earlier life, and those of the flows that are older than this life. */
    struct counter included;
    struct counter old;
};

/* One life of a flow that counts.
 *
 *     ACTIVE ──not in a complete poll, or another life of it is──> DEPARTING
 *        └────────────last words──────────────> gone <──last words, or time out──┘
 *
 * A switch sends the last words of a flow when nothing in it refers to the
 * flow any more, which may be a second after its end: other polls come
 * before, and an equal flow may have been added again. */
struct tally {
    struct hmap_node hmap_node; /* In accounting's 'tallies'. */
    bool departing;
    uint64_t cookie;
    uint8_t table_id;
    uint16_t priority;
    struct minimatch match;
    struct account *account;
    bool hits;               /* Its packets are hits, too. */
    uint64_t packets, bytes; /* When last seen. */
    int64_t seen_ms;         /* When that was. */
    unsigned int poll;       /* In which poll that was. */
};

enum {
    /* A flow that was added this long after it was last seen is another one.
     * Less may be the time that a message waited for us. */
    ANOTHER_LIFE_MS = 2000,
    DEPART_MS = 60000, /* Last words that have not come until then never come. */
    USUAL_MS = 2000,   /* Usually they have come after this. */
};

struct accounting {
    struct hmap accounts;
    struct hmap tallies;
    struct ovs_list changed;
    struct ovs_list idle; /* Accounts of rules and pairs without flows, the longest first. */
    size_t n_idle;
    int64_t begun_ms;
    bool includes; /* Some counter includes raw values of an earlier life. */
    bool settled;  /* They were compared with what there is. */
    bool listed;   /* A complete poll is over: it began at 'listed_ms'. */
    int64_t listed_ms;
    unsigned int poll; /* The last one that began, and when. */
    int64_t poll_ms;
};

/* --- Accounts --------------------------------------------------------- */

static struct counter
zero_counter(const struct counter *key)
{
    struct counter c = { .kind = key->kind, .a = key->a, .b = key->b, .c = key->c, .d = key->d };

    return c;
}

static struct account *
account_get(struct accounting *acc, const struct counter *key)
{
    uint32_t hash = counter_hash(key);
    struct account *account;

    HMAP_FOR_EACH_WITH_HASH (account, hmap_node, hash, &acc->accounts) {
        if (counter_same_key(&account->counter, key)) {
            return account;
        }
    }
    account = xzalloc(sizeof *account);
    account->counter = zero_counter(key);
    ovs_list_init(&account->changed);
    ovs_list_init(&account->idle);
    hmap_insert(&acc->accounts, &account->hmap_node, hash);
    return account;
}

static void
account_changed(struct accounting *acc, struct account *account)
{
    if (ovs_list_is_empty(&account->changed)) {
        ovs_list_push_back(&acc->changed, &account->changed);
    }
}

static void
note_busy(struct accounting *acc, struct account *account)
{
    if (!ovs_list_is_empty(&account->idle)) {
        ovs_list_remove(&account->idle);
        ovs_list_init(&account->idle);
        acc->n_idle--;
    }
}

static void
account_destroy(struct accounting *acc, struct account *account)
{
    note_busy(acc, account);
    ovs_list_remove(&account->changed);
    hmap_remove(&acc->accounts, &account->hmap_node);
    free(account);
}

/* It has no flow any more.  One that never counted anything goes at once: rules come
 * and go for ever, and their numbers are never used again.  Others wait, and
 * are forgotten when there are too many of them. */
static void
note_idle(struct accounting *acc, struct account *account)
{
    if (ovs_list_is_empty(&account->changed) && counter_is_zero(&account->counter)
        && counter_is_zero(&account->included) && counter_is_zero(&account->old)) {
        account_destroy(acc, account);
    } else if (account->counter.kind != COUNTER_DROP) {
        ovs_list_push_back(&acc->idle, &account->idle);
        acc->n_idle++;
    }
}

/* Adds to the raw sums of 'c' (modulo 2**64, so that it can also take away). */
static void
add_raw(struct counter *c, bool hits, uint64_t packets, uint64_t bytes)
{
    c->raw_hits += hits ? packets : 0;
    c->raw_packets += packets;
    c->raw_bytes += bytes;
}

static void
add_total(struct counter *c, bool hits, uint64_t packets, uint64_t bytes)
{
    c->hits += hits ? packets : 0;
    c->packets += packets;
    c->bytes += bytes;
}

/* --- Flows to accounts ------------------------------------------------ */

static uint32_t
matched(const struct match *match, enum pipeline_field field)
{
    uint32_t value;

    return field_matched(match, field, &value) ? value : 0;
}

/* The pair of a learned flow, if this node delivers its packets. */
static bool
pair_key(const struct match *match, struct counter *key)
{
    uint32_t target;

    *key = (struct counter){
        .kind = COUNTER_PAIR,
        .a = matched(match, FIELD_src_identity),
        .b = matched(match, FIELD_dst_identity),
        .c = matched(match, FIELD_egress_rule),
        .d = matched(match, FIELD_ingress_rule),
    };
    return !field_matched(match, FIELD_target, &target) || target != SIDE_TUNNEL;
}

/* Which counter a flow feeds; false: none. */
static bool
flow_key(const struct accounting_flow *flow, struct counter *key, bool *hits)
{
    *hits = false;
    if (flow->table_id == TABLE_matrix_learned) {
        return pair_key(flow->match, key);
    }
    if (flow->cookie >> 56 != VIRGA_COOKIE_MAGIC) {
        return false;
    }
    *key = (struct counter){ .kind = COUNTER_RULE, .a = VIRGA_COOKIE_ID(flow->cookie) };
    switch (VIRGA_COOKIE_FEATURE(flow->cookie)) {
    case COOKIE_DROP:
        key->kind = COUNTER_DROP;
        *hits = true;
        return true;
    case COOKIE_RULE:
    case COOKIE_ISOLATE:
        *hits = true;
        return true;
    case COOKIE_METRIC_EGRESS:
    case COOKIE_METRIC_INGRESS:
        return true;
    default:
        return false;
    }
}

/* --- Tallies ---------------------------------------------------------- */

static uint32_t
flow_hash(const struct accounting_flow *flow)
{
    return match_hash(flow->match,
                      hash_3words(flow->table_id, flow->priority, hash_uint64(flow->cookie)));
}

static bool
tally_is_of(const struct tally *tally, const struct accounting_flow *flow)
{
    if (tally->cookie != flow->cookie || tally->table_id != flow->table_id
        || tally->priority != flow->priority) {
        return false;
    }
    struct match match;
    minimatch_expand(&tally->match, &match);
    return match_equal(&match, flow->match);
}

static struct tally *
tally_find_active(const struct accounting *acc, const struct accounting_flow *flow)
{
    struct tally *tally;

    HMAP_FOR_EACH_WITH_HASH (tally, hmap_node, flow_hash(flow), &acc->tallies) {
        if (!tally->departing && tally_is_of(tally, flow)) {
            return tally;
        }
    }
    return NULL;
}

static bool
counted_less(const struct accounting_flow *flow, const struct tally *tally)
{
    return flow->packets < tally->packets || flow->bytes < tally->bytes;
}

/* Of which life are these the last words?  One that ended earlier, and has not
 * been seen with more than they say; the nearest of several. */
static struct tally *
tally_find_ended(const struct accounting *acc, const struct accounting_flow *flow)
{
    struct tally *tally, *best = NULL;

    HMAP_FOR_EACH_WITH_HASH (tally, hmap_node, flow_hash(flow), &acc->tallies) {
        if (tally_is_of(tally, flow) && !counted_less(flow, tally)
            && (!best || tally->departing > best->departing
                || (tally->departing == best->departing && tally->packets > best->packets))) {
            best = tally;
        }
    }
    return best;
}

static struct tally *
tally_create(struct accounting *acc, const struct accounting_flow *flow)
{
    struct counter key;
    bool hits;

    if (!flow_key(flow, &key, &hits)) {
        return NULL;
    }
    struct tally *tally = xzalloc(sizeof *tally);

    tally->cookie = flow->cookie;
    tally->table_id = flow->table_id;
    tally->priority = flow->priority;
    minimatch_init(&tally->match, flow->match);
    tally->account = account_get(acc, &key);
    tally->account->n_tallies++;
    note_busy(acc, tally->account);
    tally->hits = hits;
    hmap_insert(&acc->tallies, &tally->hmap_node, flow_hash(flow));
    return tally;
}

/* An agent that restarts now will not see this flow. */
static void
tally_depart(struct accounting *acc, struct tally *tally)
{
    if (!tally->departing) {
        tally->departing = true;
        add_raw(&tally->account->counter, tally->hits, -tally->packets, -tally->bytes);
        if (tally->packets || tally->bytes) {
            account_changed(acc, tally->account);
        }
    }
}

static void
tally_destroy(struct accounting *acc, struct tally *tally)
{
    tally_depart(acc, tally);
    hmap_remove(&acc->tallies, &tally->hmap_node);
    minimatch_destroy(&tally->match);
    if (!--tally->account->n_tallies) {
        note_idle(acc, tally->account);
    }
    free(tally);
}

/* Until the books are settled, a flow of the earlier life only shows what it
 * has: some of that is included in the counter. */
static bool
is_of_earlier_life(const struct accounting *acc, const struct accounting_flow *flow)
{
    return !acc->settled && flow->told_ms - flow->age_ms < acc->begun_ms;
}

/* Brings 'tally' up to date with a flow that has not counted less. */
static void
tally_update(struct accounting *acc, struct tally *tally, const struct accounting_flow *flow)
{
    struct account *account = tally->account;
    uint64_t packets = flow->packets - tally->packets;
    uint64_t bytes = flow->bytes - tally->bytes;

    tally->seen_ms = flow->told_ms;
    tally->poll = acc->poll;
    if (!packets && !bytes) {
        return;
    }
    if (is_of_earlier_life(acc, flow)) {
        add_raw(&account->old, tally->hits, packets, bytes);
    } else {
        add_total(&account->counter, tally->hits, packets, bytes);
    }
    if (!tally->departing) {
        add_raw(&account->counter, tally->hits, packets, bytes);
    }
    tally->packets = flow->packets;
    tally->bytes = flow->bytes;
    account_changed(acc, account);
}

/* Is the flow that is there now another one than was seen last? */
static bool
is_another_life(const struct tally *tally, const struct accounting_flow *flow)
{
    return counted_less(flow, tally)
           || flow->told_ms - flow->age_ms > tally->seen_ms + ANOTHER_LIFE_MS;
}

/* --- Restart ---------------------------------------------------------- */

void
accounting_restore(struct accounting *acc, const struct counter *earlier)
{
    struct account *account = account_get(acc, earlier);

    add_total(&account->counter, false, earlier->packets, earlier->bytes);
    account->counter.hits += earlier->hits;
    account->included = *earlier;
    note_busy(acc, account);
    note_idle(acc, account);
    acc->includes |= earlier->raw_packets > 0;
}

static uint64_t
grown(uint64_t now, uint64_t included)
{
    return now >= included ? now - included : now;
}

/* What is stored already need not be stored again. */
static void
account_settled(struct accounting *acc, struct account *account)
{
    const struct counter *c = &account->counter, *stored = &account->included;

    account_changed(acc, account);
    if (c->hits == stored->hits && c->packets == stored->packets && c->bytes == stored->bytes
        && c->raw_hits == stored->raw_hits && c->raw_packets == stored->raw_packets
        && c->raw_bytes == stored->raw_bytes) {
        ovs_list_remove(&account->changed);
        ovs_list_init(&account->changed);
    }
}

static void
settle(struct accounting *acc)
{
    struct account *account;

    HMAP_FOR_EACH (account, hmap_node, &acc->accounts) {
        const struct counter *old = &account->old, *included = &account->included;
        struct counter *c = &account->counter;

        c->hits += grown(old->raw_hits, included->raw_hits);
        c->packets += grown(old->raw_packets, included->raw_packets);
        c->bytes += grown(old->raw_bytes, included->raw_bytes);
        account_settled(acc, account);
    }
    acc->settled = true;
}

/* Flows that went before the first list of all flows may still have something
 * to say after it. */
static void
settle_if_due(struct accounting *acc)
{
    if (!acc->includes || (acc->listed && acc->poll_ms - acc->listed_ms >= USUAL_MS)) {
        settle(acc);
    } else if (!acc->listed) {
        acc->listed = true;
        acc->listed_ms = acc->poll_ms;
    }
}

bool
accounting_is_settled(const struct accounting *acc)
{
    return acc->settled;
}

/* --- Interface -------------------------------------------------------- */

struct accounting *
accounting_create(int64_t now_ms)
{
    struct accounting *acc = xzalloc(sizeof *acc);

    hmap_init(&acc->accounts);
    hmap_init(&acc->tallies);
    ovs_list_init(&acc->changed);
    ovs_list_init(&acc->idle);
    acc->begun_ms = now_ms;
    return acc;
}

void
accounting_destroy(struct accounting *acc)
{
    if (acc) {
        struct tally *tally;
        HMAP_FOR_EACH_POP (tally, hmap_node, &acc->tallies) {
            minimatch_destroy(&tally->match);
            free(tally);
        }
        struct account *account;
        HMAP_FOR_EACH_POP (account, hmap_node, &acc->accounts) {
            free(account);
        }
        hmap_destroy(&acc->tallies);
        hmap_destroy(&acc->accounts);
        free(acc);
    }
}

void
accounting_poll_begin(struct accounting *acc, int64_t now_ms)
{
    acc->poll++;
    acc->poll_ms = now_ms;
}

void
accounting_poll_flow(struct accounting *acc, const struct accounting_flow *flow)
{
    struct tally *tally = tally_find_active(acc, flow);

    if (tally && is_another_life(tally, flow)) {
        tally_depart(acc, tally);
        tally = NULL;
    }
    tally = tally ? tally : tally_create(acc, flow);
    if (tally) {
        tally_update(acc, tally, flow);
    }
}

void
accounting_poll_end(struct accounting *acc, bool complete)
{
    struct tally *tally;

    if (!complete) {
        return;
    }
    HMAP_FOR_EACH_SAFE (tally, hmap_node, &acc->tallies) {
        if (tally->poll != acc->poll) {
            tally_depart(acc, tally);
            if (acc->poll_ms - tally->seen_ms > DEPART_MS) {
                tally_destroy(acc, tally);
            }
        }
    }
    if (!acc->settled) {
        settle_if_due(acc);
    }
}

void
accounting_flow_removed(struct accounting *acc, const struct accounting_flow *flow)
{
    struct tally *tally = tally_find_ended(acc, flow);

    tally = tally ? tally : tally_create(acc, flow);
    if (tally) {
        tally_update(acc, tally, flow);
        tally_destroy(acc, tally);
    }
}

void
accounting_take_changes(struct accounting *acc, void (*cb)(const struct counter *, void *aux),
                        void *aux)
{
    struct account *account;

    if (!acc->settled) {
        return;
    }
    while (acc->n_idle > ACCOUNTING_IDLE_MAX) {
        account = CONTAINER_OF(ovs_list_front(&acc->idle), struct account, idle);
        const struct counter zero = zero_counter(&account->counter);
        account_destroy(acc, account);
        cb(&zero, aux);
    }
    LIST_FOR_EACH_POP (account, changed, &acc->changed) {
        ovs_list_init(&account->changed);
        cb(&account->counter, aux);
    }
}

size_t
accounting_n_flows(const struct accounting *acc)
{
    return hmap_count(&acc->tallies);
}
