#include "openflow/lower_ids.h"

#include <stdlib.h>

#include "hash.h"
#include "openvswitch/util.h"
#include "util.h"

void
lower_ids_init(struct lower_ids *ids)
{
    hmap_init(&ids->hmap);
}

void
lower_ids_clear(struct lower_ids *ids)
{
    struct lower_id *node;

    HMAP_FOR_EACH_POP (node, hmap_node, &ids->hmap) {
        free(node);
    }
}

void
lower_ids_uninit(struct lower_ids *ids)
{
    lower_ids_clear(ids);
    hmap_destroy(&ids->hmap);
}

static struct lower_id *
find(const struct lower_ids *ids, uint32_t id)
{
    struct lower_id *node;

    HMAP_FOR_EACH_WITH_HASH (node, hmap_node, hash_int(id, 0), &ids->hmap) {
        if (node->id == id) {
            return node;
        }
    }
    return NULL;
}

uint32_t
lower_ids_count(const struct lower_ids *ids, uint32_t id)
{
    const struct lower_id *node = find(ids, id);
    return node ? node->n : 0;
}

uint32_t
lower_ids_add(struct lower_ids *ids, uint32_t id)
{
    struct lower_id *node = find(ids, id);

    if (!node) {
        node = xmalloc(sizeof *node);
        node->id = id;
        node->n = 0;
        hmap_insert(&ids->hmap, &node->hmap_node, hash_int(id, 0));
    }
    return ++node->n;
}

uint32_t
lower_ids_remove(struct lower_ids *ids, uint32_t id)
{
    struct lower_id *node = find(ids, id);

    ovs_assert(node);
    uint32_t n = --node->n;
    if (!n) {
        hmap_remove(&ids->hmap, &node->hmap_node);
        free(node);
    }
    return n;
}

void
lower_ids_mark(struct lower_ids *ids, uint32_t id)
{
    if (!lower_ids_has(ids, id)) {
        lower_ids_add(ids, id);
    }
}
