/* Which subnet belongs to which network.  Subnets never overlap, of whatever
 * owner: an address names one endpoint of the cluster.
 *
 * Kept as one array sorted by address, so that a question costs a binary
 * search and any family and prefix length will do. */
#ifndef VIRGA_SUBNETS_H
#define VIRGA_SUBNETS_H 1

#include "base/prefix.h"

struct subnet {
    struct prefix prefix;
    const void *owner;
};

/* Where automatic subnets of one family come from. */
struct subnet_range {
    struct prefix prefix;
    uint8_t plen; /* Of a subnet, mapped form (IPv4 /24: 120). */
};

struct subnets {
    struct subnet *a;
    size_t n, allocated;
};

void subnets_init(struct subnets *);
void subnets_uninit(struct subnets *);

/* A subnet that overlaps 'p', or NULL. */
const struct subnet *subnets_overlap(const struct subnets *, const struct prefix *p);
/* 'p' must not overlap. */
void subnets_insert(struct subnets *, const struct prefix *p, const void *owner);
void subnets_remove(struct subnets *, const struct prefix *p);

/* The first free automatic subnet of the range from number *cursor on (going
 * round), which moves behind it; false if all are taken. */
bool subnets_next(const struct subnets *, const struct subnet_range *, uint64_t *cursor,
                  struct prefix *);

/* The addresses of a subnet: its first host is the gateway, 'first' to 'last'
 * are for endpoints; network and broadcast address stay unused.  False if
 * nothing is left for endpoints. */
struct subnet_hosts {
    struct in6_addr gateway, first, last;
};
bool subnet_hosts(const struct prefix *, struct subnet_hosts *);

/* Addresses as numbers. */
void addr_add(struct in6_addr *, uint64_t);
static inline int
addr_compare(const struct in6_addr *a, const struct in6_addr *b)
{
    return __builtin_memcmp(a, b, sizeof *a);
}

#endif
