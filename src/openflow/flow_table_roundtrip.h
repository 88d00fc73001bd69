/* For tests: sends a table through the encoding that the switch sees and
 * checks that nothing changes, as a difference that never goes away would. */
#ifndef VIRGA_FLOW_TABLE_ROUNDTRIP_H
#define VIRGA_FLOW_TABLE_ROUNDTRIP_H 1

#include <stdlib.h>

#include "openflow/flow_table.h"
#include "openflow/openflow.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-util.h"
#include "openvswitch/ofpbuf.h"
#include "byte-order.h"
#include "util.h"

static inline struct ofpbuf *
roundtrip_encode(const struct flow_entry *f)
{
    struct ofputil_flow_mod fm = {
        .priority = f->priority,
        .table_id = f->table_id,
        .new_cookie = htonll(f->cookie),
        .command = OFPFC_ADD,
        .buffer_id = UINT32_MAX,
        .out_port = OFPP_ANY,
        .out_group = OFPG_ANY,
        .flags = f->flags,
        .ofpacts = f->ofpacts,
        .ofpacts_len = f->ofpacts_len,
    };

    minimatch_clone(&fm.match, &f->match);
    struct ofpbuf *msg = ofputil_encode_flow_mod(&fm, OFPUTIL_P_OF15_OXM);
    minimatch_destroy(&fm.match);
    return msg;
}

static inline void
roundtrip_decode(const struct ofpbuf *msg, struct flow_table *ft)
{
    struct ofputil_flow_mod fm;
    struct ofpbuf ofpacts;
    struct match match;

    ofpbuf_init(&ofpacts, 0);
    enum ofperr error = ofputil_decode_flow_mod(&fm, msg->data, OFPUTIL_P_OF15_OXM, NULL, NULL,
                                                &ofpacts, OFP_PORT_C(65279), 255);
    if (error) {
        fail_msg("flow mod: %s", ofperr_to_string(error));
    }
    minimatch_expand(&fm.match, &match);
    flow_table_add_flags(ft, (struct flow_owner){ FLOW_OWNER_STATIC, 0 }, fm.table_id, fm.priority,
                         ntohll(fm.new_cookie), fm.flags, &match, fm.ofpacts, fm.ofpacts_len);
    minimatch_destroy(&fm.match);
    ofpbuf_uninit(&ofpacts);
}

static inline void
assert_survives_openflow(const struct flow_table *ft)
{
    struct flow_table *back = flow_table_create();
    struct flow_changes changes;
    struct ds ds = DS_EMPTY_INITIALIZER;

    for (const struct flow_entry *f = flow_table_first(ft); f; f = flow_table_next(ft, f)) {
        struct ofpbuf *msg = roundtrip_encode(f);
        roundtrip_decode(msg, back);
        ofpbuf_delete(msg);
    }
    flow_table_diff(ft, back, &changes);
    if (changes.n) {
        ds_put_format(&ds, "%zu differences, first (%d): ", changes.n, changes.a[0].op);
        flow_entry_format(changes.a[0].flow, &ds);
        fail_msg("%s", ds_cstr(&ds));
    }
    ds_destroy(&ds);
    flow_changes_uninit(&changes);
    flow_table_destroy(back);
}

#endif
