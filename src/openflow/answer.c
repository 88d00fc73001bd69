#include "openflow/answer.h"

#include <string.h>

#include "base/records.h"
#include "openflow/ofp_messages.h"
#include "openflow/packet_in.h"
#include "openflow/pipeline.h"
#include "openflow/reject.h"

struct way {
    struct eth_addr src, dst;
    bool by_tunnel;
    uint32_t tunnel_id;
};

/* 0a:00:IDENTITY, as table output writes it. */
static struct eth_addr
identity_mac(uint32_t identity)
{
    return (struct eth_addr){
        .ea = { 0x0a, 0, identity >> 24, identity >> 16 & 0xff, identity >> 8 & 0xff,
                identity & 0xff },
    };
}

/* The network that the sender is in; 0: not known. */
static uint32_t
network_of(const struct records *records, uint32_t identity)
{
    if (identity == IDENTITY_REMOTE_NODE) {
        return NODE_NETWORK;
    }
    const struct rec_identity *rec = records_identity(records, identity);
    return rec ? rec->vni : 0;
}

static bool
find_way(const struct packet_in *p, const struct records *records, struct way *way)
{
    memset(way, 0, sizeof *way);
    if (!p->in_port || p->frame_len < 12) {
        return false;
    }
    if (p->origin != SIDE_TUNNEL) {
        way->src = pipeline_mac(MAC_router);
        memcpy(&way->dst, p->frame + 6, sizeof way->dst);
        return p->origin == SIDE_LOCAL || p->origin == SIDE_GATEWAY;
    }
    way->by_tunnel = true;
    way->src = identity_mac(p->dst_identity);
    way->dst = pipeline_mac(MAC_router); /* The other node puts in the right one. */
    way->tunnel_id = network_of(records, p->src_identity);
    return way->tunnel_id && p->dst_identity >= IDENTITY_FIRST && addr_is_ip4(&p->tunnel_src);
}

struct ofpbuf *
answer_encode(const struct packet_in *p, const struct records *records)
{
    struct way way;
    struct reject_answer answer;
    if (!find_way(p, records, &way)
        || !reject_build(p->frame, p->frame_len, way.src, way.dst, &answer)) {
        return NULL;
    }
    return ofp_message_packet_out(answer.frame, answer.len, p->in_port,
                                  way.by_tunnel ? &p->tunnel_src : NULL, way.tunnel_id);
}
