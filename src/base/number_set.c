#include "base/number_set.h"

#include <stdlib.h>

#include "hash.h"
#include "util.h"

void
number_set_init(struct number_set *set)
{
    hmap_init(&set->numbers);
}

void
number_set_clear(struct number_set *set)
{
    struct number *n;

    HMAP_FOR_EACH_POP (n, hmap_node, &set->numbers) {
        free(n);
    }
}

void
number_set_uninit(struct number_set *set)
{
    number_set_clear(set);
    hmap_destroy(&set->numbers);
}

static struct number *
find(const struct number_set *set, uint32_t value)
{
    struct number *n;

    HMAP_FOR_EACH_WITH_HASH (n, hmap_node, hash_int(value, 0), &set->numbers) {
        if (n->value == value) {
            return n;
        }
    }
    return NULL;
}

bool
number_set_is_empty(const struct number_set *set)
{
    return hmap_is_empty(&set->numbers);
}

bool
number_set_has(const struct number_set *set, uint32_t value)
{
    return find(set, value) != NULL;
}

void
number_set_add(struct number_set *set, uint32_t value)
{
    struct number *n = find(set, value);

    if (!n) {
        n = xzalloc(sizeof *n);
        n->value = value;
        hmap_insert(&set->numbers, &n->hmap_node, hash_int(value, 0));
    }
    n->n++;
}

void
number_set_subtract(struct number_set *set, uint32_t value)
{
    struct number *n = find(set, value);

    if (n && !--n->n) {
        hmap_remove(&set->numbers, &n->hmap_node);
        free(n);
    }
}
