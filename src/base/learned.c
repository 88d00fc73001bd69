#include "base/learned.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "openvswitch/hmap.h"
#include "util.h"

struct entry {
    struct hmap_node hmap_node;
    uint32_t set;
    struct in6_addr *addresses;
    size_t n;
};

struct learned {
    struct hmap sets; /* struct entry. */
    unsigned int seqno;
};

struct learned *
learned_create(void)
{
    struct learned *l = xmalloc(sizeof *l);

    hmap_init(&l->sets);
    l->seqno = 0;
    return l;
}

static void
entry_destroy(struct entry *e)
{
    free(e->addresses);
    free(e);
}

void
learned_destroy(struct learned *l)
{
    struct entry *e;

    if (!l) {
        return;
    }
    HMAP_FOR_EACH_POP (e, hmap_node, &l->sets) {
        entry_destroy(e);
    }
    hmap_destroy(&l->sets);
    free(l);
}

static struct entry *
find_entry(const struct learned *l, uint32_t set)
{
    struct entry *e;

    HMAP_FOR_EACH_WITH_HASH (e, hmap_node, hash_int(set, 0), &l->sets) {
        if (e->set == set) {
            return e;
        }
    }
    return NULL;
}

static int
compare_addresses(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct in6_addr));
}

static size_t
sort_unique(struct in6_addr *a, size_t n)
{
    size_t n_unique = 0;

    qsort(a, n, sizeof *a, compare_addresses);
    for (size_t i = 0; i < n; i++) {
        if (!n_unique || compare_addresses(&a[n_unique - 1], &a[i])) {
            a[n_unique++] = a[i];
        }
    }
    return n_unique;
}

static bool
forget(struct learned *l, struct entry *e)
{
    if (!e) {
        return false;
    }
    hmap_remove(&l->sets, &e->hmap_node);
    entry_destroy(e);
    return true;
}

static bool
put(struct learned *l, uint32_t set, const struct in6_addr *addresses, size_t n)
{
    struct entry *e = find_entry(l, set);

    if (!n) {
        return forget(l, e);
    }
    struct in6_addr *copy = xmemdup(addresses, n * sizeof *addresses);
    n = sort_unique(copy, n);
    if (!e) {
        e = xzalloc(sizeof *e);
        e->set = set;
        hmap_insert(&l->sets, &e->hmap_node, hash_int(set, 0));
    } else if (e->n == n && !memcmp(e->addresses, copy, n * sizeof *copy)) {
        free(copy);
        return false;
    }
    free(e->addresses);
    e->addresses = copy;
    e->n = n;
    return true;
}

bool
learned_put(struct learned *l, uint32_t set, const struct in6_addr *addresses, size_t n)
{
    bool changed = put(l, set, addresses, n);

    l->seqno += changed;
    return changed;
}

unsigned int
learned_seqno(const struct learned *l)
{
    return l ? l->seqno : 0;
}

const struct in6_addr *
learned_find(const struct learned *l, uint32_t set, size_t *n)
{
    const struct entry *e = l ? find_entry(l, set) : NULL;

    *n = e ? e->n : 0;
    return e ? e->addresses : NULL;
}

void
learned_each(const struct learned *l,
             void (*cb)(void *aux, uint32_t set, const struct in6_addr *, size_t n), void *aux)
{
    const struct entry *e;

    HMAP_FOR_EACH (e, hmap_node, &l->sets) {
        cb(aux, e->set, e->addresses, e->n);
    }
}
