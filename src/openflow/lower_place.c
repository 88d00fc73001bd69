/* Lowering of what says where things are: nodes, networks, endpoints. */
#include "openflow/lower_flows.h"

#include <netinet/icmp6.h>
#include <string.h>

#include "packets.h"

/* IPv4 part of a mapped address. */
static ovs_be32
ip4(const struct in6_addr *addr)
{
    return in6_addr_get_mapped_ipv4(addr);
}

static void
match_src(struct match *match, const struct in6_addr *addr)
{
    struct prefix host = prefix_host(addr);

    match_ip_src(match, &host);
}

static void
match_dst(struct match *match, const struct in6_addr *addr)
{
    struct prefix host = prefix_host(addr);

    match_ip_dst(match, &host);
}

/* Neighbour solicitation or advertisement; no router lets one through. */
static void
match_nd(struct match *match, uint8_t type)
{
    match_set_dl_type(match, htons(ETH_TYPE_IPV6));
    match_set_nw_proto(match, IPPROTO_ICMPV6);
    match_set_icmp_type(match, type);
    match_set_icmp_code(match, 0);
    match_set_nw_ttl(match, 255);
}

static const uint16_t ip_types[] = { ETH_TYPE_IP, ETH_TYPE_IPV6 };

/* The host's own port. */

/* Questions for the link-layer address of a pod. */
static void
lower_gateway_neighbours(const struct lower_context *ctx, const struct flow_sink *sink,
                         struct flow_draft *d)
{
    const uint64_t cookie = VIRGA_COOKIE(COOKIE_GATEWAY, 0);
    static const struct prefix link_scope = { .addr.s6_addr = { 0xff, 0x02 }, .plen = 16 };

    flow_draft_reset(d);
    match_set_in_port(&d->match, ctx->gateway_port);
    match_set_dl_type(&d->match, htons(ETH_TYPE_ARP));
    field_set(&d->actions, FIELD_origin, SIDE_GATEWAY);
    put_goto(d, TABLE_arp_nd);
    flow_draft_emit(d, sink, TABLE_classify, PRIORITY_subnet, cookie);

    flow_draft_reset(d);
    match_set_in_port(&d->match, ctx->gateway_port);
    match_nd(&d->match, ND_NEIGHBOR_SOLICIT);
    field_set(&d->actions, FIELD_origin, SIDE_GATEWAY);
    put_goto(d, TABLE_arp_nd);
    flow_draft_emit(d, sink, TABLE_classify, PRIORITY_nd, cookie);

    /* What the host tells all its neighbours concerns nobody here. */
    flow_draft_reset(d);
    match_set_in_port(&d->match, ctx->gateway_port);
    match_ip_dst(&d->match, &link_scope);
    flow_draft_emit(d, sink, TABLE_classify, PRIORITY_special, cookie);
}

static void
lower_gateway_port(const struct lower_context *ctx, const struct flow_sink *sink,
                   struct flow_draft *d)
{
    const uint64_t cookie = VIRGA_COOKIE(COOKIE_GATEWAY, 0);

    for (size_t i = 0; i < ARRAY_SIZE(ip_types); i++) {
        flow_draft_reset(d);
        match_set_in_port(&d->match, ctx->gateway_port);
        match_set_dl_type(&d->match, htons(ip_types[i]));
        field_set(&d->actions, FIELD_src_identity, IDENTITY_WORLD);
        field_set(&d->actions, FIELD_origin, SIDE_GATEWAY);
        put_goto(d, TABLE_destination);
        flow_draft_emit(d, sink, TABLE_classify, PRIORITY_subnet, cookie);

        /* All that is nowhere in the cluster. */
        flow_draft_reset(d);
        match_set_dl_type(&d->match, htons(ip_types[i]));
        put_destination(d, IDENTITY_WORLD, 0, SIDE_GATEWAY, ctx->gateway_port,
                        pipeline_mac(MAC_gateway));
        flow_draft_emit(d, sink, TABLE_destination, PRIORITY_fallback, cookie);
    }
    lower_gateway_neighbours(ctx, sink, d);

    flow_draft_reset(d);
    match_set_in_port(&d->match, ctx->gateway_port);
    flow_draft_emit(d, sink, TABLE_classify, PRIORITY_fallback,
                    VIRGA_COOKIE(COOKIE_DROP, DROP_not_ip));
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
    match_src(&d.match, addr);
    field_set(&d.actions, FIELD_src_identity, IDENTITY_LOCAL_NODE);
    field_set(&d.actions, FIELD_src_network, NODE_NETWORK);
    field_set(&d.actions, FIELD_origin, SIDE_GATEWAY);
    put_goto(&d, TABLE_destination);
    flow_draft_emit(&d, sink, TABLE_classify, PRIORITY_address, cookie);

    flow_draft_reset(&d);
    match_dst(&d.match, addr);
    put_destination(&d, IDENTITY_LOCAL_NODE, NODE_NETWORK, SIDE_GATEWAY, ctx->gateway_port,
                    pipeline_mac(MAC_gateway));
    flow_draft_emit(&d, sink, TABLE_destination, PRIORITY_address, cookie);

    if (addr_is_ip4(addr)) {
        /* The host asks whether somebody else has its address: nobody does.
         * IPv6 asks from "::", which arp_nd knows. */
        flow_draft_reset(&d);
        match_set_dl_type(&d.match, htons(ETH_TYPE_ARP));
        field_match(&d.match, FIELD_origin, SIDE_GATEWAY);
        match_set_nw_dst(&d.match, ip4(addr));
        flow_draft_emit(&d, sink, TABLE_arp_nd, PRIORITY_guard, cookie);
    }
    flow_draft_uninit(&d);
}

static void
lower_remote_address(const struct lower_context *ctx, const struct flow_sink *sink,
                     const struct rec_node *node, const struct in6_addr *addr, uint64_t cookie)
{
    struct flow_draft d;

    flow_draft_init(&d);
    match_dst(&d.match, addr);
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
    for (size_t i = 0; i < ARRAY_SIZE(ip_types); i++) {
        match_set_in_port(&d.match, ctx->tunnel_port);
        match_set_dl_type(&d.match, htons(ip_types[i]));
        match_set_tun_src(&d.match, ip4(&node->vtep));
        field_set(&d.actions, FIELD_origin, SIDE_TUNNEL);
        put_goto(&d, TABLE_tunnel);
        flow_draft_emit(&d, sink, TABLE_classify, PRIORITY_address, cookie);
    }
    flow_draft_uninit(&d);
}

static void
lower_node_address(const struct lower_context *ctx, const struct flow_sink *sink,
                   const struct rec_node *node, const struct in6_addr *addr, uint64_t cookie)
{
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
    field_match(&d.match, FIELD_target, SIDE_LOCAL);
    field_match(&d.match, FIELD_dst_network, network->r.key);
    field_match(&d.match, FIELD_src_network, network->r.key);
    emit_zone(&d, sink, network);

    flow_draft_reset(&d);
    field_match(&d.match, FIELD_target, SIDE_LOCAL);
    field_match(&d.match, FIELD_dst_network, network->r.key);
    field_match(&d.match, FIELD_origin, SIDE_GATEWAY);
    emit_zone(&d, sink, network);

    for (size_t i = 0; i < 2; i++) {
        flow_draft_reset(&d);
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

    flow_draft_init(&d);
    match_ip_dst(&d.match, subnet);
    flow_draft_emit(&d, sink, TABLE_destination, PRIORITY_subnet,
                    VIRGA_COOKIE(COOKIE_DROP, DROP_unknown_destination));

    flow_draft_reset(&d);
    match_ip_src(&d.match, subnet);
    field_match(&d.match, FIELD_origin, SIDE_GATEWAY);
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

/* Link-local addresses are a port's own affair: they lead to the router's answers
 * and nowhere else. */
static const struct prefix link_local = { .addr.s6_addr = { 0xfe, 0x80 }, .plen = 10 };

static void
match_nd_target(struct match *match, const struct prefix *p)
{
    struct in6_addr mask = ipv6_create_mask(p->plen);

    match_set_nd_target_masked(match, &p->addr, &mask);
}

/* Solicitations from 'own': the link-layer address in them, if there is one, is
 * the port's. */
static void
lower_solicitation(struct flow_draft *d, const struct flow_sink *sink,
                   const struct rec_endpoint *ep, ofp_port_t port, const struct prefix *own)
{
    const struct eth_addr options[] = { ep->mac, eth_addr_zero };

    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        flow_draft_reset(d);
        match_set_in_port(&d->match, port);
        match_set_dl_src(&d->match, ep->mac);
        match_nd(&d->match, ND_NEIGHBOR_SOLICIT);
        match_ip_src(&d->match, own);
        match_set_arp_sha(&d->match, options[i]);
        put_goto(d, TABLE_arp_nd);
        flow_draft_emit(d, sink, TABLE_spoof, PRIORITY_nd,
                        VIRGA_COOKIE(COOKIE_ENDPOINT, ep->r.key));
    }
}

/* What the port may say of 'own' in neighbour discovery.  An advertisement that is
 * true ends here like all others, but nobody counts it as a lie. */
static void
lower_nd_guard(const struct flow_sink *sink, const struct rec_endpoint *ep, ofp_port_t port,
               const struct prefix *own)
{
    uint64_t cookie = VIRGA_COOKIE(COOKIE_ENDPOINT, ep->r.key);
    struct flow_draft d;

    flow_draft_init(&d);
    lower_solicitation(&d, sink, ep, port, own);

    flow_draft_reset(&d);
    match_set_in_port(&d.match, port);
    match_set_dl_src(&d.match, ep->mac);
    match_nd(&d.match, ND_NEIGHBOR_ADVERT);
    match_ip_src(&d.match, own);
    match_nd_target(&d.match, own);
    match_set_arp_tha(&d.match, ep->mac);
    flow_draft_emit(&d, sink, TABLE_spoof, PRIORITY_nd, cookie);
    flow_draft_uninit(&d);
}

/* Its own address as the target is duplicate detection, which nobody answers. */
static void
lower_nd_silence(const struct flow_sink *sink, const struct rec_endpoint *ep, ofp_port_t port,
                 const struct prefix *own)
{
    static const struct prefix nobody = { .plen = 128 };
    uint64_t cookie = VIRGA_COOKIE(COOKIE_ENDPOINT, ep->r.key);
    struct flow_draft d;

    flow_draft_init(&d);
    match_set_in_port(&d.match, port);
    match_set_dl_src(&d.match, ep->mac);
    match_nd(&d.match, ND_NEIGHBOR_SOLICIT);
    match_nd_target(&d.match, own);
    flow_draft_emit(&d, sink, TABLE_arp_nd, PRIORITY_guard, cookie);

    match_ip_src(&d.match, &nobody);
    flow_draft_emit(&d, sink, TABLE_spoof, PRIORITY_nd, cookie);
    flow_draft_uninit(&d);
}

static void
lower_neighbour_guard(const struct flow_sink *sink, const struct rec_endpoint *ep, ofp_port_t port,
                      const struct in6_addr *addr)
{
    struct prefix own = prefix_host(addr);

    if (addr_is_ip4(addr)) {
        lower_arp_guard(sink, ep, port, ip4(addr));
    } else {
        lower_nd_guard(sink, ep, port, &own);
        lower_nd_guard(sink, ep, port, &link_local);
        lower_nd_silence(sink, ep, port, &own);
    }
}

static void
lower_spoof_guard(const struct flow_sink *sink, const struct rec_endpoint *ep, ofp_port_t port,
                  const struct in6_addr *addr)
{
    struct flow_draft d;

    flow_draft_init(&d);
    match_set_in_port(&d.match, port);
    match_set_dl_src(&d.match, ep->mac);
    match_src(&d.match, addr);
    put_goto(&d, TABLE_destination);
    flow_draft_emit(&d, sink, TABLE_spoof, PRIORITY_address,
                    VIRGA_COOKIE(COOKIE_ENDPOINT, ep->r.key));
    flow_draft_uninit(&d);
    lower_neighbour_guard(sink, ep, port, addr);
}

/* 'node' is the other node that has the endpoint, NULL if it is here. */
static void
lower_endpoint_address(const struct lower_context *ctx, const struct flow_sink *sink,
                       const struct rec_endpoint *ep, const struct in6_addr *addr,
                       const struct rec_node *node, ofp_port_t port)
{
    struct flow_draft d;

    flow_draft_init(&d);
    match_dst(&d.match, addr);
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
        lower_endpoint_address(ctx, sink, ep, &ep->ips[i], node, port);
        if (port) {
            lower_spoof_guard(sink, ep, port, &ep->ips[i]);
        }
    }
}
