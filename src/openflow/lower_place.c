/* Lowering of what says where things are: nodes, networks, endpoints. */
#include "openflow/lower_flows.h"

#include <string.h>

#include "packets.h"

/* IPv4 part of a mapped address. */
static ovs_be32
ip4(const struct in6_addr *addr)
{
    return in6_addr_get_mapped_ipv4(addr);
}

static void
match_ip4_dst(struct match *match, const struct in6_addr *addr)
{
    match_set_dl_type(match, htons(ETH_TYPE_IP));
    match_set_nw_dst(match, ip4(addr));
}

/* The host's own port. */

static void
lower_gateway_port(const struct lower_context *ctx, const struct flow_sink *sink,
                   struct flow_draft *d)
{
    const uint64_t cookie = VIRGA_COOKIE(COOKIE_GATEWAY, 0);

    match_set_in_port(&d->match, ctx->gateway_port);
    match_set_dl_type(&d->match, htons(ETH_TYPE_IP));
    field_set(&d->actions, FIELD_src_identity, IDENTITY_WORLD);
    field_set(&d->actions, FIELD_origin, SIDE_GATEWAY);
    put_goto(d, TABLE_destination);
    flow_draft_emit(d, sink, TABLE_classify, PRIORITY_subnet, cookie);

    match_set_dl_type(&d->match, htons(ETH_TYPE_ARP));
    field_set(&d->actions, FIELD_origin, SIDE_GATEWAY);
    put_goto(d, TABLE_arp_nd);
    flow_draft_emit(d, sink, TABLE_classify, PRIORITY_subnet, cookie);

    flow_draft_reset(d);
    match_set_in_port(&d->match, ctx->gateway_port);
    flow_draft_emit(d, sink, TABLE_classify, PRIORITY_fallback,
                    VIRGA_COOKIE(COOKIE_DROP, DROP_not_ip));

    /* All that is nowhere in the cluster. */
    flow_draft_reset(d);
    match_set_dl_type(&d->match, htons(ETH_TYPE_IP));
    put_destination(d, IDENTITY_WORLD, 0, SIDE_GATEWAY, ctx->gateway_port,
                    pipeline_mac(MAC_gateway));
    flow_draft_emit(d, sink, TABLE_destination, PRIORITY_fallback, cookie);
}

void
lower_base(const struct lower_context *ctx, const struct flow_sink *sink)
{
    struct flow_draft d;

    flow_draft_init(&d);
    if (ctx->gateway_port) {
        lower_gateway_port(ctx, sink, &d);
    }
    if (ctx->tunnel_port) {
        flow_draft_reset(&d);
        match_set_in_port(&d.match, ctx->tunnel_port);
        flow_draft_emit(&d, sink, TABLE_classify, PRIORITY_fallback,
                        VIRGA_COOKIE(COOKIE_DROP, DROP_unknown_tunnel_source));
    }
    flow_draft_uninit(&d);
}

/* Nodes. */

static void
lower_own_address(const struct lower_context *ctx, const struct flow_sink *sink,
                  const struct in6_addr *addr, uint64_t cookie)
{
    struct flow_draft d;

    flow_draft_init(&d);
    match_set_in_port(&d.match, ctx->gateway_port);
    match_set_dl_type(&d.match, htons(ETH_TYPE_IP));
    match_set_nw_src(&d.match, ip4(addr));
    field_set(&d.actions, FIELD_src_identity, IDENTITY_LOCAL_NODE);
    field_set(&d.actions, FIELD_src_network, NODE_NETWORK);
    field_set(&d.actions, FIELD_origin, SIDE_GATEWAY);
    put_goto(&d, TABLE_destination);
    flow_draft_emit(&d, sink, TABLE_classify, PRIORITY_address, cookie);

    flow_draft_reset(&d);
    match_ip4_dst(&d.match, addr);
    put_destination(&d, IDENTITY_LOCAL_NODE, NODE_NETWORK, SIDE_GATEWAY, ctx->gateway_port,
                    pipeline_mac(MAC_gateway));
    flow_draft_emit(&d, sink, TABLE_destination, PRIORITY_address, cookie);

    /* The host asks whether somebody else has its address: nobody does. */
    flow_draft_reset(&d);
    match_set_dl_type(&d.match, htons(ETH_TYPE_ARP));
    field_match(&d.match, FIELD_origin, SIDE_GATEWAY);
    match_set_nw_dst(&d.match, ip4(addr));
    flow_draft_emit(&d, sink, TABLE_arp_nd, PRIORITY_guard, cookie);
    flow_draft_uninit(&d);
}

static void
lower_remote_address(const struct lower_context *ctx, const struct flow_sink *sink,
                     const struct rec_node *node, const struct in6_addr *addr, uint64_t cookie)
{
    struct flow_draft d;

    flow_draft_init(&d);
    match_ip4_dst(&d.match, addr);
    field_set(&d.actions, FIELD_tunnel_dst, ntohl(ip4(&node->vtep)));
    put_destination(&d, IDENTITY_REMOTE_NODE, NODE_NETWORK, SIDE_TUNNEL, ctx->tunnel_port,
                    pipeline_mac(MAC_gateway));
    flow_draft_emit(&d, sink, TABLE_destination, PRIORITY_address, cookie);
    flow_draft_uninit(&d);
}

/* Packets by the tunnel are taken from VTEPs of nodes only. */
static void
lower_remote_tunnel(const struct lower_context *ctx, const struct flow_sink *sink,
                    const struct rec_node *node, uint64_t cookie)
{
    struct flow_draft d;

    flow_draft_init(&d);
    match_set_in_port(&d.match, ctx->tunnel_port);
    match_set_dl_type(&d.match, htons(ETH_TYPE_IP));
    match_set_tun_src(&d.match, ip4(&node->vtep));
    field_set(&d.actions, FIELD_origin, SIDE_TUNNEL);
    put_goto(&d, TABLE_tunnel);
    flow_draft_emit(&d, sink, TABLE_classify, PRIORITY_address, cookie);
    flow_draft_uninit(&d);
}

static void
lower_node_address(const struct lower_context *ctx, const struct flow_sink *sink,
                   const struct rec_node *node, const struct in6_addr *addr, uint64_t cookie)
{
    if (!addr_is_ip4(addr)) {
        return;
    }
    if (node->r.key == ctx->node) {
        lower_own_address(ctx, sink, addr, cookie);
    } else if (addr_is_ip4(&node->vtep)) {
        lower_remote_address(ctx, sink, node, addr, cookie);
    }
}

/* The VTEP is always one of the addresses: were it a part of the world, a pod's
 * packet to it would leave with this node's address, and an overlay packet
 * inside would be believed. */
void
lower_node(const struct lower_context *ctx, const struct flow_sink *sink,
           const struct rec_node *node)
{
    bool own = node->r.key == ctx->node;
    uint64_t cookie = own ? VIRGA_COOKIE(COOKIE_GATEWAY, 0)
                          : VIRGA_COOKIE(COOKIE_NODE, node->r.key);

    if (!(own ? ctx->gateway_port : ctx->tunnel_port)) {
        return;
    }
    if (!own && addr_is_ip4(&node->vtep)) {
        lower_remote_tunnel(ctx, sink, node, cookie);
    }
    lower_node_address(ctx, sink, node, &node->vtep, cookie);
    for (size_t i = 0; i < node->n_addresses; i++) {
        if (memcmp(&node->addresses[i], &node->vtep, sizeof node->vtep)) {
            lower_node_address(ctx, sink, node, &node->addresses[i], cookie);
        }
    }
}

/* Networks. */

static void
emit_zone(struct flow_draft *d, const struct flow_sink *sink, const struct rec_network *network)
{
    field_set(&d->actions, FIELD_zone, network->zone);
    put_goto(d, TABLE_conntrack);
    flow_draft_emit(d, sink, TABLE_zone, PRIORITY_subnet,
                    VIRGA_COOKIE(COOKIE_NETWORK, network->r.key));
}

/* The network's zone tracks what its local endpoints do with each other, with
 * other nodes and with the host. */
static void
lower_zone(const struct flow_sink *sink, const struct rec_network *network)
{
    static const enum pipeline_side outside[] = { SIDE_TUNNEL, SIDE_GATEWAY };
    struct flow_draft d;

    flow_draft_init(&d);
    match_set_dl_type(&d.match, htons(ETH_TYPE_IP));
    field_match(&d.match, FIELD_target, SIDE_LOCAL);
    field_match(&d.match, FIELD_dst_network, network->r.key);
    field_match(&d.match, FIELD_src_network, network->r.key);
    emit_zone(&d, sink, network);

    flow_draft_reset(&d);
    match_set_dl_type(&d.match, htons(ETH_TYPE_IP));
    field_match(&d.match, FIELD_target, SIDE_LOCAL);
    field_match(&d.match, FIELD_dst_network, network->r.key);
    field_match(&d.match, FIELD_origin, SIDE_GATEWAY);
    emit_zone(&d, sink, network);

    for (size_t i = 0; i < 2; i++) {
        flow_draft_reset(&d);
        match_set_dl_type(&d.match, htons(ETH_TYPE_IP));
        field_match(&d.match, FIELD_origin, SIDE_LOCAL);
        field_match(&d.match, FIELD_target, outside[i]);
        field_match(&d.match, FIELD_src_network, network->r.key);
        emit_zone(&d, sink, network);
    }
    flow_draft_uninit(&d);
}

/* An address of a subnet that no endpoint has is nowhere, not in the world; and
 * none of them can come in by the host, whatever a neighbour of it claims. */
static void
lower_subnet(const struct flow_sink *sink, const struct prefix *subnet)
{
    struct flow_draft d;

    if (!prefix_is_ip4(subnet)) {
        return;
    }
    flow_draft_init(&d);
    match_set_dl_type(&d.match, htons(ETH_TYPE_IP));
    match_set_nw_dst_masked(&d.match, ip4(&subnet->addr), be32_prefix_mask(subnet->plen - 96));
    flow_draft_emit(&d, sink, TABLE_destination, PRIORITY_subnet,
                    VIRGA_COOKIE(COOKIE_DROP, DROP_unknown_destination));

    flow_draft_reset(&d);
    match_set_dl_type(&d.match, htons(ETH_TYPE_IP));
    field_match(&d.match, FIELD_origin, SIDE_GATEWAY);
    match_set_nw_src_masked(&d.match, ip4(&subnet->addr), be32_prefix_mask(subnet->plen - 96));
    flow_draft_emit(&d, sink, TABLE_destination, PRIORITY_guard,
                    VIRGA_COOKIE(COOKIE_DROP, DROP_spoofed));
    flow_draft_uninit(&d);
}

void
lower_network(const struct lower_context *ctx, const struct flow_sink *sink,
              const struct rec_network *network)
{
    for (size_t i = 0; i < network->n_subnets; i++) {
        lower_subnet(sink, &network->subnets[i]);
    }
    if (lower_ids_has(&ctx->local_networks, network->r.key)) {
        lower_zone(sink, network);
    }
}

/* Endpoints. */

static void
lower_attached_port(const struct flow_sink *sink, const struct rec_endpoint *ep, ofp_port_t port)
{
    struct flow_draft d;

    flow_draft_init(&d);
    match_set_in_port(&d.match, port);
    field_set(&d.actions, FIELD_src_identity, ep->identity);
    field_set(&d.actions, FIELD_src_network, ep->vni);
    field_set(&d.actions, FIELD_origin, SIDE_LOCAL);
    put_goto(&d, TABLE_spoof);
    flow_draft_emit(&d, sink, TABLE_classify, PRIORITY_address,
                    VIRGA_COOKIE(COOKIE_ENDPOINT, ep->r.key));
    flow_draft_uninit(&d);
}

/* What the port may say of itself in ARP.  Its own address as the target is
 * duplicate detection or an announcement, which nobody answers (RFC 5227). */
static void
lower_arp_guard(const struct flow_sink *sink, const struct rec_endpoint *ep, ofp_port_t port,
                ovs_be32 ip)
{
    uint64_t cookie = VIRGA_COOKIE(COOKIE_ENDPOINT, ep->r.key);
    struct flow_draft d;

    flow_draft_init(&d);
    match_set_in_port(&d.match, port);
    match_set_dl_type(&d.match, htons(ETH_TYPE_ARP));
    match_set_dl_src(&d.match, ep->mac);
    match_set_arp_sha(&d.match, ep->mac);
    match_set_nw_src(&d.match, ip);
    put_goto(&d, TABLE_arp_nd);
    flow_draft_emit(&d, sink, TABLE_spoof, PRIORITY_address, cookie);

    match_set_nw_dst(&d.match, ip);
    flow_draft_emit(&d, sink, TABLE_spoof, PRIORITY_special, cookie);
    match_set_nw_src(&d.match, htonl(INADDR_ANY));
    flow_draft_emit(&d, sink, TABLE_spoof, PRIORITY_special, cookie);
    flow_draft_uninit(&d);
}

static void
lower_spoof_guard(const struct flow_sink *sink, const struct rec_endpoint *ep, ofp_port_t port,
                  ovs_be32 ip)
{
    struct flow_draft d;

    flow_draft_init(&d);
    match_set_in_port(&d.match, port);
    match_set_dl_type(&d.match, htons(ETH_TYPE_IP));
    match_set_dl_src(&d.match, ep->mac);
    match_set_nw_src(&d.match, ip);
    put_goto(&d, TABLE_destination);
    flow_draft_emit(&d, sink, TABLE_spoof, PRIORITY_address,
                    VIRGA_COOKIE(COOKIE_ENDPOINT, ep->r.key));
    flow_draft_uninit(&d);
    lower_arp_guard(sink, ep, port, ip);
}

/* 'node' is the other node that has the endpoint, NULL if it is here. */
static void
lower_endpoint_address(const struct lower_context *ctx, const struct flow_sink *sink,
                       const struct rec_endpoint *ep, const struct in6_addr *addr,
                       const struct rec_node *node, ofp_port_t port)
{
    struct flow_draft d;

    flow_draft_init(&d);
    match_ip4_dst(&d.match, addr);
    if (node) {
        field_set(&d.actions, FIELD_tunnel_dst, ntohl(ip4(&node->vtep)));
    }
    put_destination(&d, ep->identity, ep->vni, node ? SIDE_TUNNEL : SIDE_LOCAL,
                    node ? ctx->tunnel_port : port, ep->mac);
    flow_draft_emit(&d, sink, TABLE_destination, PRIORITY_address,
                    VIRGA_COOKIE(COOKIE_ENDPOINT, ep->r.key));
    flow_draft_uninit(&d);
}

/* The other node that has 'ep' and can be reached, or NULL. */
static const struct rec_node *
remote_node(const struct lower_context *ctx, const struct rec_endpoint *ep)
{
    const struct rec_node *node = ep->node && ep->node != ctx->node
                                      ? records_node(ctx->records, ep->node)
                                      : NULL;
    return node && addr_is_ip4(&node->vtep) && ctx->tunnel_port ? node : NULL;
}

void
lower_endpoint(const struct lower_context *ctx, const struct flow_sink *sink,
               const struct rec_endpoint *ep, ofp_port_t port)
{
    const struct rec_node *node = port ? NULL : remote_node(ctx, ep);

    if (!port && !node) {
        return;
    }
    if (port) {
        lower_attached_port(sink, ep, port);
    }
    for (size_t i = 0; i < ep->n_ips; i++) {
        if (!addr_is_ip4(&ep->ips[i])) {
            continue;
        }
        lower_endpoint_address(ctx, sink, ep, &ep->ips[i], node, port);
        if (port) {
            lower_spoof_guard(sink, ep, port, ip4(&ep->ips[i]));
        }
    }
}
