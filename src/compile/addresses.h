/* Which address belongs to which endpoint, over all networks. */
#ifndef VIRGA_ADDRESSES_H
#define VIRGA_ADDRESSES_H 1

#include "base/prefix.h"
#include "openvswitch/hmap.h"

struct address {
    struct hmap_node hmap_node;
    struct in6_addr ip;
    void *owner;
};

struct addresses {
    struct hmap all; /* struct address; the memory is their owners'. */
};

void addresses_init(struct addresses *);
void addresses_uninit(struct addresses *);

/* NULL if nobody has it. */
struct address *addresses_find(const struct addresses *, const struct in6_addr *);
/* Must be free. */
void addresses_insert(struct addresses *, struct address *, const struct in6_addr *, void *owner);
void addresses_remove(struct addresses *, struct address *);

/* The next free address of the family behind 'after' in these subnets, going
 * round, so that an address rests as long as possible before it comes back;
 * false if all are taken. */
bool addresses_next(const struct addresses *, const struct prefix *subnets, size_t n, bool ip4,
                    const struct in6_addr *after, struct in6_addr *free_);

#endif
