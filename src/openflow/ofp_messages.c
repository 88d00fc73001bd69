#include "openflow/ofp_messages.h"

#include <stdlib.h>
#include <string.h>

#include "byte-order.h"
#include "openflow/openflow.h"
#include "openvswitch/meta-flow.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-connection.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-meter.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-packet.h"
#include "openvswitch/ofp-print.h"
#include "openvswitch/ofp-switch.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "util.h"

ovs_be32
ofp_message_xid(const struct ofpbuf *msg)
{
    return ((const struct ofp_header *) msg->data)->xid;
}

/* Of all asynchronous messages, removed flows and packets that a flow sends. */
static struct ofpbuf *
async_config(void)
{
    struct ofputil_async_cfg async = OFPUTIL_ASYNC_CFG_INIT;
    async.primary[OAM_FLOW_REMOVED] = (1u << OFPRR_IDLE_TIMEOUT) | (1u << OFPRR_HARD_TIMEOUT)
                                      | (1u << OFPRR_DELETE) | (1u << OFPRR_EVICTION);
    async.primary[OAM_PACKET_IN] = 1u << OFPR_ACTION;
    return ofputil_encode_set_async_config(&async, (1u << OAM_N_TYPES) - 1, OFP15_VERSION);
}

/* A connection to a bridge's management socket gets no asynchronous message
 * before it sets a miss length.  A first fragment has its ports: else it, and then
 * the connection, would get round every rule that denies a port. */
static struct ofpbuf *
switch_config(void)
{
    struct ofputil_switch_config config = {
        .frag = OFPUTIL_FRAG_NX_MATCH,
        .invalid_ttl_to_controller = -1,
        .miss_send_len = OFP_DEFAULT_MISS_SEND_LEN,
    };
    return ofputil_encode_set_config(&config, OFP15_VERSION);
}

static const struct ofputil_meter_band bands[] = {
#define METER(NAME, ID, RATE, BURST, HELP) \
    { .type = OFPMBT13_DROP, .rate = RATE, .burst_size = BURST },
#include "ovs-flows/meters.def"
#undef METER
};

static const uint32_t meter_ids[] = {
#define METER(NAME, ID, RATE, BURST, HELP) ID,
#include "ovs-flows/meters.def"
#undef METER
};

/* Added, and if it was there already, changed. */
static struct ofpbuf *
meter_mod(size_t i)
{
    static const uint16_t commands[] = { OFPMC13_ADD, OFPMC13_MODIFY };
    if (i / ARRAY_SIZE(commands) >= ARRAY_SIZE(meter_ids)) {
        return NULL;
    }
    struct ofputil_meter_band band = bands[i / ARRAY_SIZE(commands)];
    struct ofputil_meter_mod mm = {
        .command = commands[i % ARRAY_SIZE(commands)],
        .meter = {
            .meter_id = meter_ids[i / ARRAY_SIZE(commands)],
            .flags = OFPMF13_PKTPS | OFPMF13_BURST,
            .n_bands = 1,
            .bands = &band,
        },
    };
    return ofputil_encode_meter_mod(OFP15_VERSION, &mm);
}

struct ofpbuf *
ofp_message_greeting(size_t i)
{
    switch (i) {
    case 0:
        return async_config();
    case 1:
        return switch_config();
    case 2:
        return ofputil_encode_set_packet_in_format(OFP15_VERSION, OFPUTIL_PACKET_IN_NXT2);
    default:
        return meter_mod(i - 3);
    }
}

bool
ofp_message_is_minor_error(const struct ofp_header *oh)
{
    struct ofpbuf payload;
    enum ofptype type;
    if (!ofperr_decode_msg(oh, &payload)) {
        return false;
    }
    bool is = payload.size >= sizeof *oh && !ofptype_decode(&type, payload.data)
              && (type == OFPTYPE_METER_MOD || type == OFPTYPE_PACKET_OUT
                  || type == OFPTYPE_NXT_RESUME || type == OFPTYPE_FLOW_MOD);
    ofpbuf_uninit(&payload);
    return is;
}

static void
put_tunnel(struct ofpbuf *ofpacts, const struct in6_addr *dst, uint32_t id)
{
    ovs_be64 tun_id = htonll(id);
    ovs_be32 tun_dst = in6_addr_get_mapped_ipv4(dst);
    ofpact_put_set_field(ofpacts, mf_from_id(MFF_TUN_ID), &tun_id, NULL);
    ofpact_put_set_field(ofpacts, mf_from_id(MFF_TUN_DST), &tun_dst, NULL);
}

struct ofpbuf *
ofp_message_packet_out(const void *frame, size_t len, ofp_port_t port,
                       const struct in6_addr *tunnel_dst, uint32_t tunnel_id)
{
    uint64_t stub[32];
    struct ofpbuf ofpacts = OFPBUF_STUB_INITIALIZER(stub);
    if (tunnel_dst) {
        put_tunnel(&ofpacts, tunnel_dst, tunnel_id);
    }
    ofpact_put_OUTPUT(&ofpacts)->port = port;
    struct ofputil_packet_out po = {
        .packet = frame,
        .packet_len = len,
        .buffer_id = UINT32_MAX,
        .flow_metadata = MATCH_CATCHALL_INITIALIZER,
        .ofpacts = ofpacts.data,
        .ofpacts_len = ofpacts.size,
    };
    match_set_in_port(&po.flow_metadata, OFPP_CONTROLLER);
    struct ofpbuf *msg = ofputil_encode_packet_out(&po, OFPUTIL_P_OF15_OXM);
    ofpbuf_uninit(&ofpacts);
    return msg;
}

struct ofpbuf *
ofp_message_table_stats_request(void)
{
    return ofpraw_alloc(OFPRAW_OFPST_TABLE_REQUEST, OFP15_VERSION, 0);
}

char *
ofp_message_error_text(const struct ofp_header *oh)
{
    struct ofpbuf payload;
    enum ofperr error = ofperr_decode_msg(oh, &payload);
    if (!error) {
        return xstrdup("malformed error message");
    }
    char *about = ofp_to_string(payload.data, payload.size, NULL, NULL, 0);
    char *text = xasprintf("%s: %s", ofperr_to_string(error), about);
    free(about);
    ofpbuf_uninit(&payload);
    for (char *p = text; *p; p++) {
        *p = *p == '\n' ? ' ' : *p;
    }
    return text;
}
