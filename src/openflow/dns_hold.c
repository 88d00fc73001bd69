#include "openflow/dns_hold.h"

#include "byte-order.h"
#include "openflow/openflow.h"
#include "openflow/packet_in.h"
#include "openflow/pipeline.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofpbuf.h"

static void
put_pause(struct ofpbuf *ofpacts)
{
    struct virga_userdata u = packet_in_userdata(VIRGA_USERDATA_DNS, 0);
    struct ofpact_controller *oc = ofpact_put_CONTROLLER(ofpacts);
    oc->max_len = UINT16_MAX;
    oc->reason = OFPR_ACTION;
    oc->meter_id = NX_CTLR_NO_METER;
    oc->pause = true;
    ofpbuf_put(ofpacts, &u, sizeof u);
    oc = ofpacts->header;
    oc->userdata_len = sizeof u;
    ofpact_finish_CONTROLLER(ofpacts, &oc);
}

struct ofpbuf *
dns_hold_encode(bool hold)
{
    uint64_t stub[16];
    struct ofpbuf ofpacts = OFPBUF_STUB_INITIALIZER(stub);
    if (hold) {
        put_pause(&ofpacts);
        ofpact_put_GOTO_TABLE(&ofpacts)->table_id = TABLE_output;
    }
    struct ofputil_flow_mod fm = {
        .priority = PRIORITY_address,
        .table_id = TABLE_dns_hold,
        .new_cookie = htonll(VIRGA_COOKIE(COOKIE_DNS, 0)),
        .command = hold ? OFPFC_ADD : OFPFC_DELETE_STRICT,
        .buffer_id = UINT32_MAX,
        .out_port = OFPP_ANY,
        .out_group = OFPG_ANY,
        .hard_timeout = hold ? DNS_HOLD_S : 0,
        .ofpacts = ofpacts.data,
        .ofpacts_len = ofpacts.size,
    };
    struct match match = MATCH_CATCHALL_INITIALIZER;
    minimatch_init(&fm.match, &match);
    struct ofpbuf *msg = ofputil_encode_flow_mod(&fm, OFPUTIL_P_OF15_OXM);
    minimatch_destroy(&fm.match);
    ofpbuf_uninit(&ofpacts);
    return msg;
}
