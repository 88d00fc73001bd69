#include "openflow/ofp_messages.h"

#include <stdlib.h>
#include <string.h>

#include "openflow/openflow.h"
#include "openvswitch/ofp-connection.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-print.h"
#include "openvswitch/ofp-switch.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"

ovs_be32
ofp_message_xid(const struct ofpbuf *msg)
{
    return ((const struct ofp_header *) msg->data)->xid;
}

struct ofpbuf *
ofp_message_async_config(void)
{
    struct ofputil_async_cfg async = OFPUTIL_ASYNC_CFG_INIT;
    async.primary[OAM_FLOW_REMOVED] = (1u << OFPRR_IDLE_TIMEOUT) | (1u << OFPRR_HARD_TIMEOUT)
                                      | (1u << OFPRR_DELETE) | (1u << OFPRR_EVICTION);
    return ofputil_encode_set_async_config(&async, (1u << OAM_N_TYPES) - 1, OFP15_VERSION);
}

struct ofpbuf *
ofp_message_switch_config(void)
{
    struct ofputil_switch_config config = {
        .frag = OFPUTIL_FRAG_NORMAL,
        .invalid_ttl_to_controller = -1,
        .miss_send_len = OFP_DEFAULT_MISS_SEND_LEN,
    };
    return ofputil_encode_set_config(&config, OFP15_VERSION);
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
