#include "node/endpoint_names.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "openvswitch/hmap.h"
#include "util.h"

enum { LOOK_MS = 1000 };

struct owner {
    struct hmap_node hmap_node;
    struct in6_addr addr;
    uint32_t endpoint;
};

struct endpoint_names {
    const struct records *records;
    struct hmap owners;
    bool stale;
    long long int look_at;
};

struct endpoint_names *
endpoint_names_create(const struct records *records)
{
    struct endpoint_names *names = xzalloc(sizeof *names);
    names->records = records;
    names->stale = true;
    names->look_at = LLONG_MIN;
    hmap_init(&names->owners);
    return names;
}

static void
clear(struct endpoint_names *names)
{
    struct owner *o;
    HMAP_FOR_EACH_POP (o, hmap_node, &names->owners) {
        free(o);
    }
}

void
endpoint_names_destroy(struct endpoint_names *names)
{
    if (names) {
        clear(names);
        hmap_destroy(&names->owners);
        free(names);
    }
}

void
endpoint_names_changed(struct endpoint_names *names)
{
    names->stale = true;
}

static void
look(struct endpoint_names *names)
{
    clear(names);
    const struct record *r;
    for (r = records_first(names->records, RECORD_ENDPOINT); r;
         r = records_next(names->records, r)) {
        const struct rec_endpoint *ep = (const struct rec_endpoint *) r;
        for (size_t i = 0; i < ep->n_ips; i++) {
            struct owner *o = xmalloc(sizeof *o);
            o->addr = ep->ips[i];
            o->endpoint = r->key;
            hmap_insert(&names->owners, &o->hmap_node, hash_bytes(&o->addr, sizeof o->addr, 0));
        }
    }
}

static bool
has_address(const struct rec_endpoint *ep, const struct in6_addr *addr)
{
    for (size_t i = 0; ep && i < ep->n_ips; i++) {
        if (!memcmp(&ep->ips[i], addr, sizeof *addr)) {
            return true;
        }
    }
    return false;
}

const struct rec_endpoint *
endpoint_names_find(struct endpoint_names *names, const struct in6_addr *addr, long long int now)
{
    if (names->stale && now >= names->look_at) {
        look(names);
        names->stale = false;
        names->look_at = now + LOOK_MS;
    }
    const struct owner *o;
    HMAP_FOR_EACH_WITH_HASH (o, hmap_node, hash_bytes(addr, sizeof *addr, 0), &names->owners) {
        const struct rec_endpoint *ep = records_endpoint(names->records, o->endpoint);
        if (!memcmp(&o->addr, addr, sizeof *addr) && has_address(ep, addr)) {
            return ep;
        }
    }
    return NULL;
}
