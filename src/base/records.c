#include "base/records.h"

#include <stdlib.h>

#include "hash.h"
#include "util.h"

struct change {
    struct hmap_node hmap_node;
    uint32_t key;
    struct record *before; /* At the last clear; NULL: there was none. */
};

struct records {
    struct hmap by_key[N_RECORD_KINDS];  /* struct record. */
    struct hmap changed[N_RECORD_KINDS]; /* struct change. */
};

struct records *
records_create(void)
{
    struct records *rs = xmalloc(sizeof *rs);

    for (int k = 0; k < N_RECORD_KINDS; k++) {
        hmap_init(&rs->by_key[k]);
        hmap_init(&rs->changed[k]);
    }
    return rs;
}

void
records_destroy(struct records *rs)
{
    if (!rs) {
        return;
    }
    records_clear_changes(rs);
    for (int k = 0; k < N_RECORD_KINDS; k++) {
        struct record *r;

        HMAP_FOR_EACH_POP (r, hmap_node, &rs->by_key[k]) {
            record_destroy(r);
        }
        hmap_destroy(&rs->by_key[k]);
        hmap_destroy(&rs->changed[k]);
    }
    free(rs);
}

static uint32_t
key_hash(uint32_t key)
{
    return hash_int(key, 0);
}

static struct change *
find_change(const struct records *rs, enum record_kind kind, uint32_t key)
{
    struct change *c;

    HMAP_FOR_EACH_WITH_HASH (c, hmap_node, key_hash(key), &rs->changed[kind]) {
        if (c->key == key) {
            return c;
        }
    }
    return NULL;
}

/* Takes 'before', which the key had until now. */
static void
log_change(struct records *rs, enum record_kind kind, uint32_t key, struct record *before)
{
    if (find_change(rs, kind, key)) {
        record_destroy(before);
        return;
    }
    struct change *c = xmalloc(sizeof *c);
    c->key = key;
    c->before = before;
    hmap_insert(&rs->changed[kind], &c->hmap_node, key_hash(key));
}

const struct record *
records_find(const struct records *rs, enum record_kind kind, uint32_t key)
{
    const struct record *r;

    HMAP_FOR_EACH_WITH_HASH (r, hmap_node, key_hash(key), &rs->by_key[kind]) {
        if (r->key == key) {
            return r;
        }
    }
    return NULL;
}

bool
records_put(struct records *rs, struct record *rec)
{
    struct record *old = CONST_CAST(struct record *, records_find(rs, rec->kind, rec->key));

    if (old) {
        if (record_equal(old, rec)) {
            record_destroy(rec);
            return false;
        }
        hmap_replace(&rs->by_key[rec->kind], &old->hmap_node, &rec->hmap_node);
    } else {
        hmap_insert(&rs->by_key[rec->kind], &rec->hmap_node, key_hash(rec->key));
    }
    log_change(rs, rec->kind, rec->key, old);
    return true;
}

bool
records_remove(struct records *rs, enum record_kind kind, uint32_t key)
{
    struct record *r = CONST_CAST(struct record *, records_find(rs, kind, key));

    if (!r) {
        return false;
    }
    hmap_remove(&rs->by_key[kind], &r->hmap_node);
    log_change(rs, kind, key, r);
    return true;
}

size_t
records_count(const struct records *rs, enum record_kind kind)
{
    return hmap_count(&rs->by_key[kind]);
}

static int
compare_keys(const void *a_, const void *b_)
{
    const struct record *const *a = a_, *const *b = b_;

    return (*a)->key < (*b)->key ? -1 : (*a)->key > (*b)->key;
}

const struct record **
records_sorted(const struct records *rs, enum record_kind kind, size_t *n)
{
    const struct record **a = xmalloc((records_count(rs, kind) + 1) * sizeof *a);
    const struct record *r;

    *n = 0;
    HMAP_FOR_EACH (r, hmap_node, &rs->by_key[kind]) {
        a[(*n)++] = r;
    }
    qsort(a, *n, sizeof *a, compare_keys);
    return a;
}

const struct record *
records_first(const struct records *rs, enum record_kind kind)
{
    struct hmap_node *node = hmap_first(&rs->by_key[kind]);

    return node ? CONTAINER_OF(node, struct record, hmap_node) : NULL;
}

const struct record *
records_next(const struct records *rs, const struct record *r)
{
    struct hmap_node *node = hmap_next(&rs->by_key[r->kind], &r->hmap_node);

    return node ? CONTAINER_OF(node, struct record, hmap_node) : NULL;
}

#define RECORDS_LOOKUP(TYPE, KIND)                                                  \
    const struct rec_##TYPE *records_##TYPE(const struct records *rs, uint32_t key) \
    {                                                                               \
        return (const struct rec_##TYPE *) records_find(rs, KIND, key);             \
    }
RECORDS_LOOKUP(node, RECORD_NODE)
RECORDS_LOOKUP(network, RECORD_NETWORK)
RECORDS_LOOKUP(identity, RECORD_IDENTITY)
RECORDS_LOOKUP(endpoint, RECORD_ENDPOINT)
RECORDS_LOOKUP(set, RECORD_SET)
RECORDS_LOOKUP(rule, RECORD_RULE)

uint32_t *
records_changed(const struct records *rs, enum record_kind kind, size_t *n)
{
    uint32_t *keys = xmalloc((hmap_count(&rs->changed[kind]) + 1) * sizeof *keys);
    const struct change *c;

    *n = 0;
    HMAP_FOR_EACH (c, hmap_node, &rs->changed[kind]) {
        keys[(*n)++] = c->key;
    }
    return keys;
}

const struct record *
records_before(const struct records *rs, enum record_kind kind, uint32_t key)
{
    const struct change *c = find_change(rs, kind, key);

    return c ? c->before : records_find(rs, kind, key);
}

bool
records_any_changed(const struct records *rs, enum record_kind kind)
{
    return !hmap_is_empty(&rs->changed[kind]);
}

bool
records_any_changes(const struct records *rs)
{
    for (int k = 0; k < N_RECORD_KINDS; k++) {
        if (!hmap_is_empty(&rs->changed[k])) {
            return true;
        }
    }
    return false;
}

void
records_clear_changes(struct records *rs)
{
    for (int k = 0; k < N_RECORD_KINDS; k++) {
        struct change *c;

        HMAP_FOR_EACH_POP (c, hmap_node, &rs->changed[k]) {
            record_destroy(c->before);
            free(c);
        }
        hmap_shrink(&rs->changed[k]); /* A walk over a few would cross all the room of many. */
    }
}
