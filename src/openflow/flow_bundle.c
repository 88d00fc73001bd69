/* A change of actions alone is an OFPFC_MODIFY_STRICT, which keeps counters
 * and age.  A flow whose cookie or flags change stands for something else; it
 * is deleted and added, so that it counts from zero and its last count is
 * told. */
#include "openflow/flow_bundle.h"

#include <string.h>

#include "byte-order.h"
#include "openflow/flow_table.h"
#include "openflow/openflow.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-bundle.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"

enum { BUNDLE_FLAGS = OFPBF_ATOMIC | OFPBF_ORDERED };

void
flow_bundle_init(struct flow_bundle *b)
{
    memset(b, 0, sizeof *b);
    ovs_list_init(&b->pending);
}

void
flow_bundle_drop_pending(struct flow_bundle *b)
{
    ofpbuf_list_delete(&b->pending);
    ovs_list_init(&b->pending);
}

void
flow_bundle_uninit(struct flow_bundle *b)
{
    flow_bundle_drop_pending(b);
}

void
flow_bundle_begin(struct flow_bundle *b, uint32_t id)
{
    flow_bundle_drop_pending(b);
    b->id = id;
    b->n_mods = 0;
    memset(b->n_added, 0, sizeof b->n_added);
}

static struct ofpbuf *
encode_flow_mod(const struct flow_entry *flow, uint16_t command)
{
    struct ofputil_flow_mod fm = {
        .match = flow->match,
        .priority = flow->priority,
        .new_cookie = OVS_BE64_MAX,
        .table_id = flow->table_id,
        .command = command,
        .buffer_id = UINT32_MAX,
        .out_port = OFPP_ANY,
        .out_group = OFPG_ANY,
    };
    if (command == OFPFC_ADD) {
        fm.new_cookie = htonll(flow->cookie);
        fm.flags = flow->flags;
    }
    if (command != OFPFC_DELETE_STRICT) {
        fm.ofpacts = flow->ofpacts;
        fm.ofpacts_len = flow->ofpacts_len;
    }
    return ofputil_encode_flow_mod(&fm, OFPUTIL_P_OF15_OXM);
}

static void
queue(struct flow_bundle *b, const struct flow_entry *flow, uint16_t command)
{
    struct ofpbuf *msg = encode_flow_mod(flow, command);
    ofpmsg_update_length(msg);
    ovs_list_push_back(&b->pending, &msg->list_node);
    b->n_mods++;
    if (flow->table_id < FLOW_BUNDLE_MAX_TABLE && command != OFPFC_MODIFY_STRICT) {
        b->n_added[flow->table_id] += command == OFPFC_ADD ? 1 : -1;
    }
}

static bool
same_meaning(const struct flow_entry *a, const struct flow_entry *b)
{
    return a->cookie == b->cookie && a->flags == b->flags;
}

static bool
same_flow(const struct flow_entry *a, const struct flow_entry *b)
{
    return same_meaning(a, b)
           && ofpacts_equal(a->ofpacts, a->ofpacts_len, b->ofpacts, b->ofpacts_len);
}

static void
queue_modification(struct flow_bundle *b, const struct flow_change *change)
{
    if (same_flow(change->was, change->flow)) {
        return;
    }
    if (same_meaning(change->was, change->flow)) {
        queue(b, change->flow, OFPFC_MODIFY_STRICT);
    } else {
        queue(b, change->flow, OFPFC_DELETE_STRICT);
        queue(b, change->flow, OFPFC_ADD);
    }
}

/* Deletions first: two keys that we tell apart may be one to the switch, and
 * then the flow that is added must be the one that stays. */
void
flow_bundle_add(struct flow_bundle *b, const struct flow_changes *changes)
{
    for (size_t i = 0; i < changes->n; i++) {
        if (changes->a[i].op == FLOW_DELETE) {
            queue(b, changes->a[i].flow, OFPFC_DELETE_STRICT);
        }
    }
    for (size_t i = 0; i < changes->n; i++) {
        if (changes->a[i].op == FLOW_ADD) {
            queue(b, changes->a[i].flow, OFPFC_ADD);
        } else if (changes->a[i].op == FLOW_MODIFY) {
            queue_modification(b, &changes->a[i]);
        }
    }
}

struct ofpbuf *
flow_bundle_control(const struct flow_bundle *b, uint16_t type)
{
    struct ofputil_bundle_ctrl_msg msg = {
        .bundle_id = b->id,
        .type = type,
        .flags = BUNDLE_FLAGS,
    };
    return ofputil_encode_bundle_ctrl_request(OFP15_VERSION, &msg);
}

static struct ofpbuf *
pop_flow_mod(struct flow_bundle *b)
{
    return ovs_list_is_empty(&b->pending) ? NULL
                                          : ofpbuf_from_list(ovs_list_pop_front(&b->pending));
}

struct ofpbuf *
flow_bundle_next(struct flow_bundle *b)
{
    struct ofpbuf *msg = pop_flow_mod(b);
    if (!msg) {
        return NULL;
    }
    struct ofputil_bundle_add_msg add = {
        .bundle_id = b->id,
        .flags = BUNDLE_FLAGS,
        .msg = msg->data,
    };
    struct ofpbuf *wrapped = ofputil_encode_bundle_add(OFP15_VERSION, &add);
    ofpmsg_update_length(wrapped);
    ofpbuf_delete(msg);
    return wrapped;
}

struct ofpbuf *
flow_bundle_only(struct flow_bundle *b)
{
    ovs_assert(b->n_mods == 1);
    return pop_flow_mod(b);
}
