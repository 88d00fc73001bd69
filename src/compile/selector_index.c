#include "compile/selector_index.h"

#include <stdlib.h>

#include "hash.h"
#include "util.h"

void
selector_index_init(struct selector_index *index)
{
    hmap_init(&index->entries);
}

void
selector_index_uninit(struct selector_index *index)
{
    hmap_destroy(&index->entries);
}

/* Fewest values first; presence of a key is better than nothing. */
const struct requirement *
selector_anchor(const struct selector *selector)
{
    const struct requirement *best = NULL;

    for (size_t i = 0; i < selector->n; i++) {
        const struct requirement *req = &selector->reqs[i];
        if (req->op == SELECTOR_IN) {
            if (!best || best->op != SELECTOR_IN || req->n_values < best->n_values) {
                best = req;
            }
        } else if (req->op == SELECTOR_EXISTS && !best) {
            best = req;
        }
    }
    return best;
}

static uint32_t
entry_hash(const void *scope, const char *key, const char *value)
{
    return hash_pointer(scope, hash_pointer(key, hash_pointer(value, 0)));
}

void
selector_index_insert(struct selector_index *index, const void *scope,
                      const struct selector *selector, void *owner, struct selector_filing *filing)
{
    const struct requirement *anchor = selector_anchor(selector);
    bool by_value = anchor && anchor->op == SELECTOR_IN;

    filing->n = by_value ? anchor->n_values : 1;
    filing->entries = xmalloc(filing->n * sizeof *filing->entries);
    for (size_t i = 0; i < filing->n; i++) {
        struct selector_entry *entry = &filing->entries[i];

        entry->scope = scope;
        entry->key = anchor ? anchor->key : NULL;
        entry->value = by_value ? anchor->values[i] : NULL;
        entry->owner = owner;
        hmap_insert(&index->entries, &entry->hmap_node,
                    entry_hash(scope, entry->key, entry->value));
    }
}

void
selector_index_remove(struct selector_index *index, struct selector_filing *filing)
{
    for (size_t i = 0; i < filing->n; i++) {
        hmap_remove(&index->entries, &filing->entries[i].hmap_node);
    }
    free(filing->entries);
}

static void
match_one(const struct selector_index *index, const void *scope, const char *key,
          const char *value, void (*cb)(void *owner, void *aux), void *aux)
{
    const struct selector_entry *entry;

    HMAP_FOR_EACH_WITH_HASH (entry, hmap_node, entry_hash(scope, key, value), &index->entries) {
        if (entry->scope == scope && entry->key == key && entry->value == value) {
            cb(entry->owner, aux);
        }
    }
}

void
selector_index_match(const struct selector_index *index, const void *scope,
                     const struct labels *labels, void (*cb)(void *owner, void *aux), void *aux)
{
    match_one(index, scope, NULL, NULL, cb, aux);
    for (size_t i = 0; i < labels->n; i++) {
        match_one(index, scope, labels->a[i].key, NULL, cb, aux);
        match_one(index, scope, labels->a[i].key, labels->a[i].value, cb, aux);
    }
}

uint32_t
selector_hash(const struct selector *selector)
{
    uint32_t hash = selector->n;

    for (size_t i = 0; i < selector->n; i++) {
        const struct requirement *req = &selector->reqs[i];

        hash = hash_pointer(req->key, hash_2words(hash, req->op));
        for (size_t j = 0; j < req->n_values; j++) {
            hash = hash_pointer(req->values[j], hash);
        }
    }
    return hash;
}
