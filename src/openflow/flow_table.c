#include "openflow/flow_table.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "openflow/conjunctions.h"
#include "openflow/small_actions.h"
#include "openvswitch/list.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/util.h"
#include "util.h"

/* An entry is one key; a claim is what one owner wants there.
 *
 *   owner ----< claim >---- entry
 *
 * Claims come and go at any rate and in any order; what the flow of an entry
 * is follows from the set of its claims alone and is worked out when somebody
 * asks (settle()), once per entry however many claims moved.  That keeps a
 * thousand rules that share one clause from costing a thousand merges each.
 *
 * The log is the list of entries that moved since flow_table_clear_changes().
 * Such an entry remembers the flow that it had then ('was'), so that a change
 * and its reverse cancel out.  An entry lives while it has claims or is in the
 * log. */

struct claim {
    struct hmap_node hmap_node; /* In flow_table's 'claims', by entry and owner. */
    struct ovs_list owner_node; /* In owner's 'claims'. */
    struct claim *next;         /* In entry's 'claims'. */
    struct claim **pprev;       /* What points to this one there. */
    struct entry *entry;
    struct owner *owner;
    uint64_t cookie;
    struct small_actions actions;
    uint16_t flags;
    bool stale; /* Not added again since flow_table_replace_begin(). */
};

struct entry {
    struct flow_entry flow; /* Right unless 'dirty'; live if 'n_claims'. */
    struct claim *claims;
    uint32_t n_claims;
    bool live;   /* 'flow' stands for something. */
    bool merged; /* flow.ofpacts is our own, not the winner's. */
    bool dirty;
    bool logged;
    struct ovs_list dirty_node; /* If 'dirty'. */
    struct ovs_list log_node;   /* If 'logged'. */
    struct flow_entry *was;     /* If 'logged': the flow then, NULL if none. */
};

struct owner {
    struct hmap_node hmap_node;
    struct flow_owner id;
    struct ovs_list claims;
    bool replacing;
};

struct flow_table {
    struct hmap entries; /* struct entry, by flow.hmap_node. */
    struct hmap claims;
    struct hmap owners;
    struct ovs_list dirty;
    struct ovs_list log;
    size_t n_claimed; /* Entries with claims. */
};

/* Keys and contents. */

static uint32_t
key_hash(uint8_t table_id, uint16_t priority, const struct minimatch *match)
{
    return minimatch_hash(match, hash_2words(table_id, priority));
}

bool
flow_entry_same_key(const struct flow_entry *a, const struct flow_entry *b)
{
    return a->table_id == b->table_id && a->priority == b->priority
           && minimatch_equal(&a->match, &b->match);
}

/* What the switch gives back may differ in how an action was once encoded,
 * which its text does not show. */
static bool
same_actions(const struct flow_entry *a, const struct flow_entry *b)
{
    return ofpacts_equal(a->ofpacts, a->ofpacts_len, b->ofpacts, b->ofpacts_len)
           || ofpacts_equal_stringwise(a->ofpacts, a->ofpacts_len, b->ofpacts, b->ofpacts_len);
}

bool
flow_entry_same_content(const struct flow_entry *a, const struct flow_entry *b)
{
    return a->cookie == b->cookie && a->flags == b->flags && same_actions(a, b);
}

static struct flow_entry *
flow_entry_clone(const struct flow_entry *f)
{
    struct flow_entry *copy = xmemdup(f, sizeof *f);

    copy->ofpacts = f->ofpacts_len ? xmemdup(f->ofpacts, f->ofpacts_len) : NULL;
    return copy; /* 'match' stays that of the entry. */
}

static void
flow_entry_destroy(struct flow_entry *f)
{
    if (f) {
        free(f->ofpacts);
        free(f);
    }
}

static bool
is_conjunctions(const struct claim *c)
{
    return conjunctions_are_all(small_actions_get(&c->actions), c->actions.len);
}

/* What the claims of one entry amount to. */

static int
owner_compare(const struct flow_owner *a, const struct flow_owner *b)
{
    if (a->kind != b->kind) {
        return a->kind < b->kind ? -1 : 1;
    }
    return a->key < b->key ? -1 : a->key > b->key;
}

/* The claim of the lowest owner; also whether all are conjunctions. */
static const struct claim *
entry_winner(const struct entry *e, bool *all_conjunctions)
{
    const struct claim *winner = e->claims;

    *all_conjunctions = is_conjunctions(winner);
    for (const struct claim *c = winner->next; c; c = c->next) {
        *all_conjunctions = *all_conjunctions && is_conjunctions(c);
        if (owner_compare(&c->owner->id, &winner->owner->id) < 0) {
            winner = c;
        }
    }
    return winner;
}

static void
entry_merge_conjunctions(struct entry *e)
{
    struct conjunctions all = CONJUNCTIONS_INITIALIZER;
    struct ofpbuf out;

    for (const struct claim *c = e->claims; c; c = c->next) {
        conjunctions_add(&all, small_actions_get(&c->actions), c->actions.len);
    }
    ofpbuf_init(&out, all.n * sizeof(struct ofpact_conjunction));
    conjunctions_put(&all, &out);
    e->flow.ofpacts_len = out.size;
    e->flow.ofpacts = ofpbuf_steal_data(&out);
    e->merged = true;
}

static void
entry_forget_flow(struct entry *e)
{
    if (e->merged) {
        free(e->flow.ofpacts);
        e->merged = false;
    }
    e->flow.ofpacts = NULL;
    e->flow.ofpacts_len = 0;
}

static void
entry_work_out(struct entry *e)
{
    bool all_conjunctions;
    const struct claim *winner = entry_winner(e, &all_conjunctions);

    e->flow.cookie = winner->cookie;
    e->flow.flags = winner->flags;
    if (e->n_claims > 1 && all_conjunctions) {
        entry_merge_conjunctions(e);
    } else {
        e->flow.ofpacts = small_actions_get(&winner->actions);
        e->flow.ofpacts_len = winner->actions.len;
    }
}

/* Settling. */

static void
entry_destroy(struct flow_table *ft, struct entry *e)
{
    hmap_remove(&ft->entries, &e->flow.hmap_node);
    minimatch_destroy(&e->flow.match);
    free(e);
}

static void
log_remove(struct flow_table *ft, struct entry *e)
{
    ovs_list_remove(&e->log_node);
    e->logged = false;
    flow_entry_destroy(e->was);
    e->was = NULL;
    if (!e->n_claims) {
        entry_destroy(ft, e);
    }
}

/* True if the entry is again what it was when it entered the log. */
/* Both flows are ours: what is encoded otherwise is another flow. */
static bool
entry_is_unchanged(const struct entry *e)
{
    const struct flow_entry *now = &e->flow, *was = e->was;

    return e->live ? was && now->cookie == was->cookie && now->flags == was->flags
                         && ofpacts_equal(now->ofpacts, now->ofpacts_len, was->ofpacts,
                                          was->ofpacts_len)
                   : !was;
}

static void
entry_settle(struct flow_table *ft, struct entry *e)
{
    ovs_list_remove(&e->dirty_node);
    e->dirty = false;
    e->live = e->n_claims > 0;
    if (e->live) {
        entry_work_out(e);
    }
    if (entry_is_unchanged(e)) {
        log_remove(ft, e);
    }
}

/* Readers take a const table: settling shows them nothing new. */
static void
settle(const struct flow_table *ft_)
{
    struct flow_table *ft = CONST_CAST(struct flow_table *, ft_);
    struct entry *e;

    LIST_FOR_EACH_SAFE (e, dirty_node, &ft->dirty) {
        entry_settle(ft, e);
    }
}

/* Must be called before any change to the claims of 'e'. */
static void
entry_touch(struct flow_table *ft, struct entry *e)
{
    if (e->dirty) {
        return;
    }
    if (!e->logged) {
        e->was = e->live ? flow_entry_clone(&e->flow) : NULL;
        e->logged = true;
        ovs_list_push_back(&ft->log, &e->log_node);
    }
    e->live = false;
    entry_forget_flow(e);
    e->dirty = true;
    ovs_list_push_back(&ft->dirty, &e->dirty_node);
}

/* Lookups. */

static struct entry *
entry_find(const struct flow_table *ft, uint32_t hash, uint8_t table_id, uint16_t priority,
           const struct minimatch *match)
{
    struct entry *e;

    HMAP_FOR_EACH_WITH_HASH (e, flow.hmap_node, hash, &ft->entries) {
        if (e->flow.table_id == table_id && e->flow.priority == priority
            && minimatch_equal(&e->flow.match, match)) {
            return e;
        }
    }
    return NULL;
}

static struct entry *
entry_get(struct flow_table *ft, uint8_t table_id, uint16_t priority, const struct match *match)
{
    struct minimatch mm;

    minimatch_init(&mm, match);
    uint32_t hash = key_hash(table_id, priority, &mm);
    struct entry *e = entry_find(ft, hash, table_id, priority, &mm);
    if (e) {
        minimatch_destroy(&mm);
        return e;
    }
    e = xzalloc(sizeof *e);
    e->flow.table_id = table_id;
    e->flow.priority = priority;
    minimatch_move(&e->flow.match, &mm);
    hmap_insert(&ft->entries, &e->flow.hmap_node, hash);
    return e;
}

static struct owner *
owner_find(const struct flow_table *ft, struct flow_owner id)
{
    struct owner *o;

    HMAP_FOR_EACH_WITH_HASH (o, hmap_node, hash_2words(id.kind, id.key), &ft->owners) {
        if (!owner_compare(&o->id, &id)) {
            return o;
        }
    }
    return NULL;
}

static struct owner *
owner_get(struct flow_table *ft, struct flow_owner id)
{
    struct owner *o = owner_find(ft, id);

    if (!o) {
        o = xzalloc(sizeof *o);
        o->id = id;
        ovs_list_init(&o->claims);
        hmap_insert(&ft->owners, &o->hmap_node, hash_2words(id.kind, id.key));
    }
    return o;
}

static void
owner_free_if_idle(struct flow_table *ft, struct owner *o)
{
    if (!o->replacing && ovs_list_is_empty(&o->claims)) {
        hmap_remove(&ft->owners, &o->hmap_node);
        free(o);
    }
}

static uint32_t
claim_hash(const struct entry *e, const struct owner *o)
{
    return hash_2words(e->flow.hmap_node.hash, hash_2words(o->id.kind, o->id.key));
}

static struct claim *
claim_find(const struct flow_table *ft, const struct entry *e, const struct owner *o)
{
    struct claim *c;

    HMAP_FOR_EACH_WITH_HASH (c, hmap_node, claim_hash(e, o), &ft->claims) {
        if (c->entry == e && c->owner == o) {
            return c;
        }
    }
    return NULL;
}

/* Claims. */

static struct claim *
claim_create(struct flow_table *ft, struct entry *e, struct owner *o)
{
    struct claim *c = xzalloc(sizeof *c);

    entry_touch(ft, e);
    c->entry = e;
    c->owner = o;
    c->next = e->claims;
    c->pprev = &e->claims;
    if (c->next) {
        c->next->pprev = &c->next;
    }
    e->claims = c;
    ft->n_claimed += !e->n_claims;
    e->n_claims++;
    ovs_list_push_back(&o->claims, &c->owner_node);
    hmap_insert(&ft->claims, &c->hmap_node, claim_hash(e, o));
    return c;
}

/* Leaves 'e' in the log: only settling may free an entry. */
static void
claim_destroy(struct flow_table *ft, struct claim *c)
{
    struct entry *e = c->entry;

    entry_touch(ft, e);
    *c->pprev = c->next;
    if (c->next) {
        c->next->pprev = c->pprev;
    }
    e->n_claims--;
    ft->n_claimed -= !e->n_claims;
    ovs_list_remove(&c->owner_node);
    hmap_remove(&ft->claims, &c->hmap_node);
    small_actions_uninit(&c->actions);
    free(c);
}

static void
claim_set(struct claim *c, uint64_t cookie, uint16_t flags, const struct ofpact *ofpacts,
          size_t len)
{
    small_actions_set(&c->actions, ofpacts, len);
    c->cookie = cookie;
    c->flags = flags;
    c->stale = false;
}

static bool
claim_equals(const struct claim *c, uint64_t cookie, uint16_t flags, const struct ofpact *ofpacts,
             size_t len)
{
    return c->cookie == cookie && c->flags == flags
           && ofpacts_equal(small_actions_get(&c->actions), c->actions.len, ofpacts, len);
}

static void
claim_add_conjunctions(struct claim *c, const struct ofpact *ofpacts, size_t len)
{
    struct conjunctions all = CONJUNCTIONS_INITIALIZER;
    struct ofpbuf out;

    conjunctions_add(&all, small_actions_get(&c->actions), c->actions.len);
    conjunctions_add(&all, ofpacts, len);
    ofpbuf_init(&out, all.n * sizeof(struct ofpact_conjunction));
    conjunctions_put(&all, &out);
    small_actions_set(&c->actions, out.data, out.size);
    ofpbuf_uninit(&out);
}

/* Is the claim larger than these? */
static bool
claim_exceeds(const struct claim *c, uint64_t cookie, const struct ofpact *ofpacts, size_t len)
{
    if (c->cookie != cookie) {
        return c->cookie > cookie;
    }
    if (c->actions.len != len) {
        return c->actions.len > len;
    }
    return len && memcmp(small_actions_get(&c->actions), ofpacts, len) > 0;
}

/* One owner that claims a key twice: conjunctions add up; of other claims the
 * smaller stays, so that the order does not matter. */
static void
claim_add_more(struct claim *c, uint64_t cookie, uint16_t flags, const struct ofpact *ofpacts,
               size_t len)
{
    if (is_conjunctions(c) && conjunctions_are_all(ofpacts, len)) {
        claim_add_conjunctions(c, ofpacts, len);
        c->cookie = MIN(c->cookie, cookie);
    } else if (claim_exceeds(c, cookie, ofpacts, len)) {
        claim_set(c, cookie, flags, ofpacts, len);
    }
}

void
flow_table_add_flags(struct flow_table *ft, struct flow_owner id, uint8_t table_id,
                     uint16_t priority, uint64_t cookie, uint16_t flags, const struct match *match,
                     const struct ofpact *ofpacts, size_t len)
{
    struct owner *o = owner_get(ft, id);
    struct entry *e = entry_get(ft, table_id, priority, match);
    struct claim *c = claim_find(ft, e, o);

    if (!c) {
        c = claim_create(ft, e, o);
        claim_set(c, cookie, flags, ofpacts, len);
    } else if (claim_equals(c, cookie, flags, ofpacts, len)) {
        c->stale = false;
    } else if (c->stale) {
        entry_touch(ft, e);
        claim_set(c, cookie, flags, ofpacts, len);
    } else {
        entry_touch(ft, e);
        claim_add_more(c, cookie, flags, ofpacts, len);
    }
}

void
flow_table_add(struct flow_table *ft, struct flow_owner id, uint8_t table_id, uint16_t priority,
               uint64_t cookie, const struct match *match, const struct ofpact *ofpacts,
               size_t len)
{
    flow_table_add_flags(ft, id, table_id, priority, cookie, 0, match, ofpacts, len);
}

void
flow_table_replace_begin(struct flow_table *ft, struct flow_owner id)
{
    struct owner *o = owner_get(ft, id);
    struct claim *c;

    o->replacing = true;
    LIST_FOR_EACH (c, owner_node, &o->claims) {
        c->stale = true;
    }
}

void
flow_table_replace_end(struct flow_table *ft, struct flow_owner id)
{
    struct owner *o = owner_get(ft, id);
    struct claim *c;

    LIST_FOR_EACH_SAFE (c, owner_node, &o->claims) {
        if (c->stale) {
            claim_destroy(ft, c);
        }
    }
    o->replacing = false;
    owner_free_if_idle(ft, o);
}

void
flow_table_remove_owner(struct flow_table *ft, struct flow_owner id)
{
    if (owner_find(ft, id)) {
        flow_table_replace_begin(ft, id);
        flow_table_replace_end(ft, id);
    }
}

/* The table. */

struct flow_table *
flow_table_create(void)
{
    struct flow_table *ft = xzalloc(sizeof *ft);

    hmap_init(&ft->entries);
    hmap_init(&ft->claims);
    hmap_init(&ft->owners);
    ovs_list_init(&ft->dirty);
    ovs_list_init(&ft->log);
    return ft;
}

void
flow_table_destroy(struct flow_table *ft)
{
    struct owner *o;

    if (!ft) {
        return;
    }
    HMAP_FOR_EACH_SAFE (o, hmap_node, &ft->owners) {
        flow_table_remove_owner(ft, o->id);
    }
    flow_table_clear_changes(ft);
    hmap_destroy(&ft->entries);
    hmap_destroy(&ft->claims);
    hmap_destroy(&ft->owners);
    free(ft);
}

size_t
flow_table_count(const struct flow_table *ft)
{
    return ft->n_claimed;
}

const struct flow_entry *
flow_table_find(const struct flow_table *ft, uint8_t table_id, uint16_t priority,
                const struct minimatch *match)
{
    settle(ft);
    const struct entry *e = entry_find(ft, key_hash(table_id, priority, match), table_id, priority,
                                       match);
    return e && e->live ? &e->flow : NULL;
}

static const struct flow_entry *
first_live(const struct flow_table *ft, struct hmap_node *node)
{
    for (; node; node = hmap_next(&ft->entries, node)) {
        struct entry *e = CONTAINER_OF(node, struct entry, flow.hmap_node);
        if (e->live) {
            return &e->flow;
        }
    }
    return NULL;
}

const struct flow_entry *
flow_table_first(const struct flow_table *ft)
{
    settle(ft);
    return first_live(ft, hmap_first(&ft->entries));
}

const struct flow_entry *
flow_table_next(const struct flow_table *ft, const struct flow_entry *f)
{
    return first_live(ft, hmap_next(&ft->entries, &f->hmap_node));
}

/* Changes. */

static void
flow_changes_add(struct flow_changes *fc, enum flow_change_op op, const struct flow_entry *f,
                 const struct flow_entry *was)
{
    if (fc->n >= fc->allocated) {
        fc->a = x2nrealloc(fc->a, &fc->allocated, sizeof *fc->a);
    }
    fc->a[fc->n++] = (struct flow_change){ .op = op, .flow = f, .was = was };
}

void
flow_changes_uninit(struct flow_changes *fc)
{
    if (fc) {
        free(fc->a);
        *fc = (struct flow_changes){ NULL, 0, 0 };
    }
}

bool
flow_table_may_have_changes(const struct flow_table *ft)
{
    return !ovs_list_is_empty(&ft->log);
}

void
flow_table_settle(const struct flow_table *ft)
{
    settle(ft);
}

void
flow_table_changes(const struct flow_table *ft, struct flow_changes *fc)
{
    const struct entry *e;

    *fc = (struct flow_changes){ NULL, 0, 0 };
    settle(ft);
    LIST_FOR_EACH (e, log_node, &ft->log) {
        if (!e->live) {
            flow_changes_add(fc, FLOW_DELETE, e->was, e->was);
        } else {
            flow_changes_add(fc, e->was ? FLOW_MODIFY : FLOW_ADD, &e->flow, e->was);
        }
    }
}

void
flow_table_clear_changes(struct flow_table *ft)
{
    struct entry *e;

    settle(ft);
    LIST_FOR_EACH_SAFE (e, log_node, &ft->log) {
        log_remove(ft, e);
    }
}

void
flow_table_diff(const struct flow_table *desired, const struct flow_table *installed,
                struct flow_changes *fc)
{
    const struct flow_entry *f, *other;

    *fc = (struct flow_changes){ NULL, 0, 0 };
    for (f = flow_table_first(desired); f; f = flow_table_next(desired, f)) {
        other = flow_table_find(installed, f->table_id, f->priority, &f->match);
        if (!other) {
            flow_changes_add(fc, FLOW_ADD, f, NULL);
        } else if (!flow_entry_same_content(f, other)) {
            flow_changes_add(fc, FLOW_MODIFY, f, other);
        }
    }
    for (f = flow_table_first(installed); f; f = flow_table_next(installed, f)) {
        if (!flow_table_find(desired, f->table_id, f->priority, &f->match)) {
            flow_changes_add(fc, FLOW_DELETE, f, f);
        }
    }
}
