#include "compile/addresses.h"

#include "compile/subnets.h"
#include "hash.h"
#include "util.h"

void
addresses_init(struct addresses *addresses)
{
    hmap_init(&addresses->all);
}

void
addresses_uninit(struct addresses *addresses)
{
    hmap_destroy(&addresses->all);
}

static uint32_t
ip_hash(const struct in6_addr *ip)
{
    return hash_bytes(ip, sizeof *ip, 0);
}

struct address *
addresses_find(const struct addresses *addresses, const struct in6_addr *ip)
{
    struct address *a;

    HMAP_FOR_EACH_WITH_HASH (a, hmap_node, ip_hash(ip), &addresses->all) {
        if (!addr_compare(&a->ip, ip)) {
            return a;
        }
    }
    return NULL;
}

void
addresses_insert(struct addresses *addresses, struct address *a, const struct in6_addr *ip,
                 void *owner)
{
    a->ip = *ip;
    a->owner = owner;
    hmap_insert(&addresses->all, &a->hmap_node, ip_hash(ip));
}

void
addresses_remove(struct addresses *addresses, struct address *a)
{
    hmap_remove(&addresses->all, &a->hmap_node);
}

/* The first free address of 'from'..'to'. */
static bool
free_between(const struct addresses *addresses, struct in6_addr from, const struct in6_addr *to,
             struct in6_addr *free_)
{
    for (; addr_compare(&from, to) <= 0; addr_add(&from, 1)) {
        if (!addresses_find(addresses, &from)) {
            *free_ = from;
            return true;
        }
    }
    return false;
}

bool
addresses_next(const struct addresses *addresses, const struct prefix *subnets, size_t n, bool ip4,
               const struct in6_addr *after, struct in6_addr *free_)
{
    size_t start = 0;
    struct subnet_hosts hosts;

    for (size_t i = 0; i < n; i++) {
        if (prefix_contains(&subnets[i], after) && subnet_hosts(&subnets[i], &hosts)) {
            struct in6_addr from = *after;
            addr_add(&from, 1);
            if (addr_compare(&from, &hosts.first) < 0) {
                from = hosts.first;
            }
            if (free_between(addresses, from, &hosts.last, free_)) {
                return true;
            }
            start = i + 1;
            break;
        }
    }
    for (size_t i = 0; i < n; i++) {
        const struct prefix *p = &subnets[(start + i) % n];
        if (prefix_is_ip4(p) == ip4 && subnet_hosts(p, &hosts)
            && free_between(addresses, hosts.first, &hosts.last, free_)) {
            return true;
        }
    }
    return false;
}
