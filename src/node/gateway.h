/* The host's side of "virga0": routes to pods, forwarding, and masquerade of
 * what leaves the cluster.
 *
 * The routes carry HOST_LINKS_PROTOCOL and the filter rules live in an
 * nftables table of their own, "ip virga", replaced as a whole; nothing else
 * of the host's configuration is touched but net.ipv4.ip_forward and
 * virga0's rp_filter.  Set again whenever the interface was made anew or
 * somebody removed a route.  Never blocks: nft runs beside the loop. */
#ifndef VIRGA_GATEWAY_H
#define VIRGA_GATEWAY_H 1

#include <stdbool.h>
#include <stddef.h>

#include "base/prefix.h"

struct gateway_config {
    struct in6_addr node_ip;      /* Preferred source of the host towards pods. */
    const struct prefix *subnets; /* Of all networks, and the cluster's. */
    size_t n_subnets;
    const struct in6_addr *nodes; /* Addresses of all nodes: reached through the tunnel. */
    size_t n_nodes;
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

/* The nftables commands that replace the table; pure.  The caller frees. */
char *gateway_nft_commands(const char *ifname, const struct gateway_config *);

#endif
