#include "openflow/packet_in.h"

#include <string.h>

#include "openflow/pipeline.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-packet.h"
#include "openvswitch/ofp-util.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"

/* What is held must fit into a message again, with its fields. */
enum { MAX_RESUMED = 60000 };

struct virga_userdata
packet_in_userdata(uint8_t features, uint32_t id)
{
    return (struct virga_userdata){
        .magic = VIRGA_USERDATA_MAGIC,
        .version = VIRGA_USERDATA_VERSION,
        .features = features,
        .id = { id >> 24, id >> 16 & 0xff, id >> 8 & 0xff, id & 0xff },
    };
}

static bool
read_userdata(const uint8_t *bytes, size_t len, struct packet_in *p)
{
    const uint8_t known = VIRGA_USERDATA_REJECT | VIRGA_USERDATA_LOG | VIRGA_USERDATA_DNS;
    struct virga_userdata u;
    if (len != sizeof u) {
        return false;
    }
    memcpy(&u, bytes, sizeof u);
    p->features = u.features;
    p->id = (uint32_t) u.id[0] << 24 | u.id[1] << 16 | u.id[2] << 8 | u.id[3];
    return u.magic == VIRGA_USERDATA_MAGIC && u.version == VIRGA_USERDATA_VERSION && u.features
           && !(u.features & ~known) && !u.zero;
}

/* A register that is zero is not told. */
static uint32_t
read_field(const struct match *metadata, enum pipeline_field field)
{
    uint32_t value;
    return field_matched(metadata, field, &value) ? value : 0;
}

static void
read_metadata(const struct match *m, struct packet_in *p)
{
    p->in_port = m->flow.in_port.ofp_port;
    p->src_identity = read_field(m, FIELD_src_identity);
    p->dst_identity = read_field(m, FIELD_dst_identity);
    p->src_network = read_field(m, FIELD_src_network);
    p->dst_network = read_field(m, FIELD_dst_network);
    p->origin = read_field(m, FIELD_origin);
    p->target = read_field(m, FIELD_target);
    if (m->flow.tunnel.ip_src) {
        p->tunnel_src = in6_addr_mapped_ipv4(m->flow.tunnel.ip_src);
    } else {
        p->tunnel_src = m->flow.tunnel.ipv6_src;
    }
}

bool
packet_in_decode(const struct ofp_header *oh, struct packet_in *p)
{
    struct ofputil_packet_in pin;
    struct ofpbuf continuation;
    size_t total_len;
    uint32_t buffer_id;

    memset(p, 0, sizeof *p);
    if (ofputil_decode_packet_in(oh, true, NULL, NULL, &pin, &total_len, &buffer_id, &continuation)
        || pin.reason != OFPR_ACTION /* The library aborts when it encodes some others. */
        || !read_userdata(pin.userdata, pin.userdata_len, p)) {
        return false;
    }
    read_metadata(&pin.flow_metadata, p);
    p->frame = pin.packet;
    p->frame_len = pin.packet_len;
    if (continuation.size && pin.packet_len + continuation.size <= MAX_RESUMED) {
        p->resume = ofputil_encode_resume(&pin, &continuation, OFPUTIL_P_OF15_OXM);
    }
    return true;
}

void
packet_in_uninit(struct packet_in *p)
{
    ofpbuf_delete(p->resume);
    p->resume = NULL;
}
