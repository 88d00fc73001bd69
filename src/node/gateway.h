/* The host's side of "virga0": routes to pods, forwarding, and masquerade of
 * what leaves the cluster.
 *
 * The routes carry HOST_LINKS_PROTOCOL and the filter rules live in nftables
 * tables of their own, "ip virga" and "ip6 virga", replaced as a whole; nothing
 * else of the host's configuration is touched but virga0's own sysctls,
 * net.ipv4.ip_forward and, if pods have IPv6 addresses,
 * net.ipv6.conf.all.forwarding.  A host that forwards IPv6 no longer heeds
 * router advertisements, so interfaces that did go on to by accept_ra=2.  Set again whenever the interface was made anew or
 * somebody removed a route.  Never blocks: nft runs beside the loop. */
#ifndef VIRGA_GATEWAY_H
#define VIRGA_GATEWAY_H 1

#include <stdbool.h>
#include <stddef.h>

#include "base/prefix.h"

struct gateway_config {
    /* Preferred sources of the host towards pods, at most one of each family. */
    const struct in6_addr *sources;
    size_t n_sources;
    const struct prefix *subnets; /* Of all networks, and the cluster's. */
    size_t n_subnets;
    const struct in6_addr *nodes; /* Addresses of all nodes: reached through the tunnel. */
    size_t n_nodes;
    const struct in6_addr *own; /* Those of this node: nobody else sends from them. */
    size_t n_own;
    uint16_t tunnel_udp_port; /* Of VXLAN: pods may not send to it outside the cluster. */
};

struct gateway *gateway_create(const char *ifname);
void gateway_destroy(struct gateway *);

/* Copies. */
void gateway_set_config(struct gateway *, const struct gateway_config *);
void gateway_run(struct gateway *);
void gateway_wait(struct gateway *);

/* The last configuration is in place. */
bool gateway_is_ready(const struct gateway *);
/* Why not; "" if it is.  Borrowed until the next run. */
const char *gateway_message(const struct gateway *);

/* The nftables commands that replace the tables; pure.  The caller frees. */
char *gateway_nft_commands(const char *ifname, const struct gateway_config *);

#endif
