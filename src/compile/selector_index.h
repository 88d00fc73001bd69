/* Finds the selectors that may match given labels without trying them all.
 *
 * A selector that asks for a value of a key is filed under that key and those
 * values, one that asks for the presence of a key under the key, any other
 * under nothing.  A scope keeps independent families of selectors apart in
 * one table. */
#ifndef VIRGA_SELECTOR_INDEX_H
#define VIRGA_SELECTOR_INDEX_H 1

#include "model/labels.h"
#include "openvswitch/hmap.h"

struct selector_index {
    struct hmap entries; /* struct selector_entry. */
};

struct selector_entry {
    struct hmap_node hmap_node;
    const void *scope;
    const char *key, *value; /* Interned; NULL: any. */
    void *owner;
};

/* Where one selector is filed. */
struct selector_filing {
    struct selector_entry *entries;
    size_t n;
};

void selector_index_init(struct selector_index *);
void selector_index_uninit(struct selector_index *);
void selector_index_insert(struct selector_index *, const void *scope, const struct selector *,
                           void *owner, struct selector_filing *);
void selector_index_remove(struct selector_index *, struct selector_filing *);

/* Calls 'cb' once for each owner whose selector may match; it must not change
 * the index. */
void selector_index_match(const struct selector_index *, const void *scope, const struct labels *,
                          void (*cb)(void *owner, void *aux), void *aux);

/* The requirement that a selector is best found by; NULL if there is none. */
const struct requirement *selector_anchor(const struct selector *);

uint32_t selector_hash(const struct selector *);

#endif
