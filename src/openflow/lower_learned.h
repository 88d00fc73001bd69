/* Addresses that this node learned for the domains of sets (node/domains.h):
 * an input of the lowering beside the records. */
#ifndef VIRGA_LOWER_LEARNED_H
#define VIRGA_LOWER_LEARNED_H 1

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "openvswitch/hmap.h"

struct lower_learned_set {
    struct hmap_node hmap_node;
    uint32_t set;
    struct in6_addr *addresses;
    size_t n;
};

struct lower_learned {
    struct hmap sets;
};

void lower_learned_init(struct lower_learned *);
void lower_learned_uninit(struct lower_learned *);
/* Copies; false if nothing changed. */
bool lower_learned_put(struct lower_learned *, uint32_t set, const struct in6_addr *, size_t n);
/* Borrowed. */
const struct in6_addr *lower_learned_get(const struct lower_learned *, uint32_t set, size_t *n);

#endif
