/* The node's part of the Open_vSwitch database: the bridge "br-int", its
 * tunnel, the host's own port, and one port per endpoint.
 *
 * The wanted configuration is kept here and the database is made to follow
 * it, also when somebody else changes it.  Touches only the bridge that it
 * made (external_ids:virga-node) or found empty, and ports that carry its
 * external_ids; a bridge with somebody else's ports is refused.  Endpoint
 * ports that are there at the start become wanted: an agent that restarts
 * goes on with them.  Never blocks: run, wait, poll_block(). */
#ifndef VIRGA_OVS_CONFIG_H
#define VIRGA_OVS_CONFIG_H 1

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "openvswitch/types.h"

struct ovs_config_options {
    const char *remote;        /* OVSDB connection method. */
    const char *bridge;        /* "br-int" */
    const char *datapath_type; /* "netdev" or "system" */
    const char *node_name;
    const char *tunnel_port;  /* "vxlan0" */
    struct in6_addr local_ip; /* VTEP address. */
    uint16_t tunnel_udp_port;
    const char *gateway_port; /* "virga0" */
    struct eth_addr gateway_mac;
};

/* One port of an endpoint.  Strings may be NULL when passed in. */
struct ovs_endpoint {
    char *port;         /* Of the bridge, and interface of the node. */
    char *name;         /* NAMESPACE/NAME. */
    char *uid;          /* "" if not known. */
    char *container;    /* Container id. */
    char *ifname;       /* Inside the container. */
    char *netns;        /* Path at the time of ADD. */
    char *network;      /* Name in the CNI configuration. */
    int64_t created_ms; /* Wall clock; the later of two ports of one endpoint counts. */

    /* What Open vSwitch says. */
    ofp_port_t ofport; /* 0: none (yet). */
    char *error;       /* NULL if none. */
};

struct ovs_config *ovs_config_create(const struct ovs_config_options *);
void ovs_config_destroy(struct ovs_config *);
void ovs_config_run(struct ovs_config *);
void ovs_config_wait(struct ovs_config *);

/* The database was read: the endpoint ports are known. */
bool ovs_config_is_loaded(const struct ovs_config *);
/* Bridge, tunnel and gateway port are there and have their numbers. */
bool ovs_config_is_ready(const struct ovs_config *);
/* Why not ready: text borrowed until the next run, "" if ready. */
const char *ovs_config_message(const struct ovs_config *);
/* 0 as long as Open vSwitch gave none. */
ofp_port_t ovs_config_tunnel_ofport(const struct ovs_config *);
ofp_port_t ovs_config_gateway_ofport(const struct ovs_config *);
void ovs_config_set_gateway_mtu(struct ovs_config *, int mtu);

/* Changes when an endpoint's port, number or error changed. */
unsigned int ovs_config_seqno(const struct ovs_config *);

/* Wants a port.  A port of the same name is replaced. */
void ovs_config_add_endpoint(struct ovs_config *, const struct ovs_endpoint *);
/* Wants a port away.  ovs_config_find() finds it no more, but
 * ovs_config_is_removing() says true until the database has done it. */
void ovs_config_remove_endpoint(struct ovs_config *, const char *port);
bool ovs_config_is_removing(const struct ovs_config *, const char *port);

/* Borrowed until the next run, add or remove; NULL if there is none. */
const struct ovs_endpoint *ovs_config_find(const struct ovs_config *, const char *port);
/* All, sorted by port name; the caller frees the array. */
const struct ovs_endpoint **ovs_config_endpoints(const struct ovs_config *, size_t *n);

#endif
