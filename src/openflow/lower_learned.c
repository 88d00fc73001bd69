#include "openflow/lower_learned.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "util.h"

void
lower_learned_init(struct lower_learned *learned)
{
    hmap_init(&learned->sets);
}

void
lower_learned_uninit(struct lower_learned *learned)
{
    struct lower_learned_set *s;
    HMAP_FOR_EACH_POP (s, hmap_node, &learned->sets) {
        free(s->addresses);
        free(s);
    }
    hmap_destroy(&learned->sets);
}

static struct lower_learned_set *
find(const struct lower_learned *learned, uint32_t set)
{
    struct lower_learned_set *s;
    HMAP_FOR_EACH_WITH_HASH (s, hmap_node, hash_int(set, 0), &learned->sets) {
        if (s->set == set) {
            return s;
        }
    }
    return NULL;
}

bool
lower_learned_put(struct lower_learned *learned, uint32_t set, const struct in6_addr *addresses,
                  size_t n)
{
    struct lower_learned_set *s = find(learned, set);
    if (s ? s->n == n && !memcmp(s->addresses, addresses, n * sizeof *addresses) : !n) {
        return false;
    }
    if (!s) {
        s = xzalloc(sizeof *s);
        s->set = set;
        hmap_insert(&learned->sets, &s->hmap_node, hash_int(set, 0));
    }
    free(s->addresses);
    s->addresses = n ? xmemdup(addresses, n * sizeof *addresses) : NULL;
    s->n = n;
    if (!n) {
        hmap_remove(&learned->sets, &s->hmap_node);
        free(s);
    }
    return true;
}

const struct in6_addr *
lower_learned_get(const struct lower_learned *learned, uint32_t set, size_t *n)
{
    const struct lower_learned_set *s = find(learned, set);
    *n = s ? s->n : 0;
    return s ? s->addresses : NULL;
}
