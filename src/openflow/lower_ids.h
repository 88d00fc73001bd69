/* A multiset of 32 bit numbers: what is dirty, what is local, who uses what. */
#ifndef VIRGA_LOWER_IDS_H
#define VIRGA_LOWER_IDS_H 1

#include <stdbool.h>
#include <stdint.h>

#include "openvswitch/hmap.h"

struct lower_id {
    struct hmap_node hmap_node;
    uint32_t id;
    uint32_t n; /* At least 1. */
};

struct lower_ids {
    struct hmap hmap;
};

void lower_ids_init(struct lower_ids *);
void lower_ids_uninit(struct lower_ids *);
void lower_ids_clear(struct lower_ids *);

/* How often 'id' is there. */
uint32_t lower_ids_count(const struct lower_ids *, uint32_t id);
static inline bool
lower_ids_has(const struct lower_ids *ids, uint32_t id)
{
    return lower_ids_count(ids, id) > 0;
}

/* Both return the new count. */
uint32_t lower_ids_add(struct lower_ids *, uint32_t id);
uint32_t lower_ids_remove(struct lower_ids *, uint32_t id); /* It must be there. */
/* Adds 'id' unless it is there. */
void lower_ids_mark(struct lower_ids *, uint32_t id);

/* NODE is a struct lower_id *. */
#define LOWER_IDS_FOR_EACH(NODE, IDS) HMAP_FOR_EACH (NODE, hmap_node, &(IDS)->hmap)

#endif
