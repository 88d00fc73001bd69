#include "programs/virga-agent/host_side.h"

#include <stdlib.h>
#include <string.h>

#include "base/records.h"
#include "compile/compile.h"
#include "node/gateway.h"
#include "util.h"

static int
compare_addresses(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct in6_addr));
}

static struct in6_addr *
all_node_addresses(const struct records *records, size_t *n)
{
    struct in6_addr *all = NULL;
    size_t allocated = 0;
    *n = 0;
    const struct record *r;
    for (r = records_first(records, RECORD_NODE); r; r = records_next(records, r)) {
        const struct rec_node *node = (const struct rec_node *) r;
        for (size_t i = 0; i < node->n_addresses; i++) {
            if (*n == allocated) {
                all = x2nrealloc(all, &allocated, sizeof *all);
            }
            all[(*n)++] = node->addresses[i];
        }
    }
    if (*n) {
        qsort(all, *n, sizeof *all, compare_addresses);
    }
    return all;
}

static bool
is_in_range(const struct compile_config *cluster, const struct prefix *p)
{
    for (size_t i = 0; i < cluster->n_ranges; i++) {
        if (prefix_covers(&cluster->ranges[i].prefix, p)) {
            return true;
        }
    }
    return false;
}

/* The cluster's ranges, and the subnets of networks that lie elsewhere. */
static struct prefix *
all_subnets(const struct records *records, const struct compile_config *cluster, size_t *n)
{
    size_t allocated = 4;
    struct prefix *all = xcalloc(allocated, sizeof *all);
    *n = 0;
    for (size_t i = 0; i < cluster->n_ranges; i++) {
        all[(*n)++] = cluster->ranges[i].prefix;
    }
    size_t n_networks;
    const struct record **networks = records_sorted(records, RECORD_NETWORK, &n_networks);
    for (size_t i = 0; i < n_networks; i++) {
        const struct rec_network *net = (const struct rec_network *) networks[i];
        for (size_t j = 0; j < net->n_subnets; j++) {
            if (is_in_range(cluster, &net->subnets[j])) {
                continue;
            }
            if (*n == allocated) {
                all = x2nrealloc(all, &allocated, sizeof *all);
            }
            all[(*n)++] = net->subnets[j];
        }
    }
    free(networks);
    return all;
}

static const struct rec_node *
find_node(const struct records *records, const char *name)
{
    const struct record *r;
    for (r = records_first(records, RECORD_NODE); r; r = records_next(records, r)) {
        const struct rec_node *node = (const struct rec_node *) r;
        if (!strcmp(node->name, name)) {
            return node;
        }
    }
    return NULL;
}

/* What the host speaks to pods with: the VTEP, and the node's first IPv6 address
 * that the others know. */
static size_t
choose_sources(const struct rec_node *own, const struct in6_addr *vtep, struct in6_addr sources[2])
{
    size_t n = 0;
    sources[n++] = *vtep;
    for (size_t i = 0; own && i < own->n_addresses && n < 2; i++) {
        if (!addr_is_ip4(&own->addresses[i])) {
            sources[n++] = own->addresses[i];
        }
    }
    return n;
}

void
host_side_configure(struct gateway *gateway, const struct records *records,
                    const struct compile_config *cluster, const char *node,
                    const struct in6_addr *vtep, uint16_t tunnel_udp_port)
{
    struct in6_addr sources[2];
    struct gateway_config config = { .sources = sources, .tunnel_udp_port = tunnel_udp_port };
    const struct rec_node *own = find_node(records, node);
    config.n_sources = choose_sources(own, vtep, sources);
    config.own = own ? own->addresses : NULL;
    config.n_own = own ? own->n_addresses : 0;
    struct prefix *subnets = all_subnets(records, cluster, &config.n_subnets);
    struct in6_addr *nodes = all_node_addresses(records, &config.n_nodes);
    config.subnets = subnets;
    config.nodes = nodes;
    gateway_set_config(gateway, &config);
    free(subnets);
    free(nodes);
}
