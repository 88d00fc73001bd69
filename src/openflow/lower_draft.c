#include "openflow/lower_flows.h"

#include <string.h>

#include "openvswitch/meta-flow.h"
#include "openvswitch/ofp-flow.h"
#include "openflow/packet_in.h"
#include "flow.h"
#include "packets.h"

void
flow_draft_init(struct flow_draft *d)
{
    ofpbuf_use_stub(&d->actions, d->stub, sizeof d->stub);
    flow_draft_reset(d);
}

void
flow_draft_uninit(struct flow_draft *d)
{
    ofpbuf_uninit(&d->actions);
}

void
flow_draft_reset(struct flow_draft *d)
{
    match_init_catchall(&d->match);
    ofpbuf_clear(&d->actions);
}

/* A match on headers means Ethernet packets; OVS says so when it reads the flow
 * back, so we say so too (match_add_ethernet_prereq() in match.c of OVS). */
static void
say_ethernet(struct match *match)
{
    const struct flow *mask = &match->wc.masks;

    if (mask->dl_type || !eth_addr_is_zero(mask->dl_src) || !eth_addr_is_zero(mask->dl_dst)) {
        match_set_default_packet_type(match);
    }
}

static void
emit(struct flow_draft *d, const struct flow_sink *sink, enum pipeline_table table,
     uint16_t priority, uint64_t cookie, uint16_t flags)
{
    say_ethernet(&d->match);
    flow_table_add_flags(sink->flows, sink->owner, table, priority, cookie, flags, &d->match,
                         d->actions.data, d->actions.size);
    ofpbuf_clear(&d->actions);
}

void
flow_draft_emit(struct flow_draft *d, const struct flow_sink *sink, enum pipeline_table table,
                uint16_t priority, uint64_t cookie)
{
    emit(d, sink, table, priority, cookie, 0);
}

void
flow_draft_emit_counted(struct flow_draft *d, const struct flow_sink *sink,
                        enum pipeline_table table, uint16_t priority, uint64_t cookie)
{
    match_counting(&d->match, table);
    emit(d, sink, table, priority, cookie, OFPUTIL_FF_SEND_FLOW_REM);
}

void
match_ip_src(struct match *match, const struct prefix *p)
{
    if (prefix_is_ip4(p)) {
        match_set_dl_type(match, htons(ETH_TYPE_IP));
        match_set_nw_src_masked(match, in6_addr_get_mapped_ipv4(&p->addr),
                                be32_prefix_mask(p->plen - 96));
    } else {
        struct in6_addr mask = ipv6_create_mask(p->plen);

        match_set_dl_type(match, htons(ETH_TYPE_IPV6));
        match_set_ipv6_src_masked(match, &p->addr, &mask);
    }
}

void
match_ip_dst(struct match *match, const struct prefix *p)
{
    if (prefix_is_ip4(p)) {
        match_set_dl_type(match, htons(ETH_TYPE_IP));
        match_set_nw_dst_masked(match, in6_addr_get_mapped_ipv4(&p->addr),
                                be32_prefix_mask(p->plen - 96));
    } else {
        struct in6_addr mask = ipv6_create_mask(p->plen);

        match_set_dl_type(match, htons(ETH_TYPE_IPV6));
        match_set_ipv6_dst_masked(match, &p->addr, &mask);
    }
}

void
put_goto(struct flow_draft *d, enum pipeline_table table)
{
    ofpact_put_GOTO_TABLE(&d->actions)->table_id = table;
}

void
put_resubmit(struct flow_draft *d, enum pipeline_table table)
{
    struct ofpact_resubmit *resubmit = ofpact_put_RESUBMIT(&d->actions);

    resubmit->in_port = OFPP_IN_PORT;
    resubmit->table_id = table;
}

void
put_controller(struct flow_draft *d, uint8_t features, uint32_t id, uint16_t max_len,
               enum pipeline_meter meter)
{
    struct virga_userdata u = packet_in_userdata(features, id);
    struct ofpact_controller *oc = ofpact_put_CONTROLLER(&d->actions);
    oc->max_len = max_len;
    oc->reason = OFPR_ACTION;
    oc->meter_id = meter;
    ofpbuf_put(&d->actions, &u, sizeof u);
    oc = d->actions.header;
    oc->userdata_len = sizeof u;
    ofpact_finish_CONTROLLER(&d->actions, &oc);
}

void
put_eth_dst(struct flow_draft *d, struct eth_addr mac)
{
    struct ofpact_set_field *sf;

    sf = ofpact_put_set_field(&d->actions, mf_from_id(MFF_ETH_DST), NULL, NULL);
    memcpy(sf->value, &mac, sizeof mac);
    memset(ofpact_set_field_mask(sf), 0xff, sizeof mac);
}

void
put_destination(struct flow_draft *d, uint32_t identity, uint32_t network,
                enum pipeline_side target, ofp_port_t out_port, struct eth_addr mac)
{
    field_set(&d->actions, FIELD_dst_identity, identity);
    field_set(&d->actions, FIELD_dst_network, network);
    field_set(&d->actions, FIELD_target, target);
    field_set(&d->actions, FIELD_out_port, ofp_to_u16(out_port));
    put_eth_dst(d, mac);
    put_goto(d, TABLE_zone);
}
