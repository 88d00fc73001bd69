#include "openflow/flow_stats.h"

#include <stdlib.h>

#include "byte-order.h"
#include "openflow/flow_table.h"
#include "openflow/openflow.h"
#include "openvswitch/match.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"

struct request {
    struct ovs_list node; /* In flow_stats_requests. */
    struct ofpbuf *msg;   /* NULL once handed out. */
    ovs_be32 xid;
    ofswitch_stats_cb *cb;
    void *aux;
};

struct ofpbuf *
flow_stats_encode(uint8_t table_id, const struct match *match, uint64_t cookie,
                  uint64_t cookie_mask)
{
    struct ofputil_flow_stats_request fsr = {
        .cookie = htonll(cookie),
        .cookie_mask = htonll(cookie_mask),
        .out_port = OFPP_ANY,
        .out_group = OFPG_ANY,
        .table_id = table_id,
    };
    if (match) {
        fsr.match = *match;
    } else {
        match_init_catchall(&fsr.match);
    }
    return ofputil_encode_flow_stats_request(&fsr, OFPUTIL_P_OF15_OXM);
}

bool
flow_stats_each(struct ofpbuf *reply, void (*cb)(void *aux, const struct ofputil_flow_stats *),
                void *aux)
{
    struct ofpbuf ofpacts;
    ofpbuf_init(&ofpacts, 0);
    int retval;
    for (;;) {
        struct ofputil_flow_stats fs;
        ofpbuf_clear(&ofpacts);
        retval = ofputil_decode_flow_stats_reply(&fs, reply, false, &ofpacts);
        if (retval) {
            break;
        }
        cb(aux, &fs);
    }
    ofpbuf_uninit(&ofpacts);
    return retval == EOF;
}

void
flow_stats_put(struct flow_table *installed, const struct ofputil_flow_stats *fs)
{
    struct flow_owner owner = { FLOW_OWNER_STATIC, 0 };
    uint64_t cookie = ntohll(fs->cookie);

    if (fs->idle_timeout || fs->hard_timeout || fs->importance) {
        cookie = ~cookie;
    }
    flow_table_add_flags(installed, owner, fs->table_id, fs->priority, cookie, fs->flags,
                         &fs->match, fs->ofpacts, fs->ofpacts_len);
}

void
flow_stats_requests_init(struct flow_stats_requests *rs)
{
    ovs_list_init(&rs->list);
}

void
flow_stats_requests_add(struct flow_stats_requests *rs, struct ofpbuf *msg, ofswitch_stats_cb *cb,
                        void *aux)
{
    struct request *req = xzalloc(sizeof *req);
    req->msg = msg;
    req->xid = ((const struct ofp_header *) msg->data)->xid;
    req->cb = cb;
    req->aux = aux;
    ovs_list_push_back(&rs->list, &req->node);
}

static void
request_end(struct request *req, bool complete)
{
    ovs_list_remove(&req->node);
    req->cb(NULL, complete, req->aux);
    ofpbuf_delete(req->msg);
    free(req);
}

struct ofpbuf *
flow_stats_requests_next(struct flow_stats_requests *rs)
{
    struct request *req;
    LIST_FOR_EACH (req, node, &rs->list) {
        if (req->msg) {
            struct ofpbuf *msg = req->msg;
            req->msg = NULL;
            return msg;
        }
    }
    return NULL;
}

static struct request *
find(struct flow_stats_requests *rs, ovs_be32 xid)
{
    struct request *req;
    LIST_FOR_EACH (req, node, &rs->list) {
        if (!req->msg && req->xid == xid) {
            return req;
        }
    }
    return NULL;
}

static void
tell_flow(void *req_, const struct ofputil_flow_stats *fs)
{
    struct request *req = req_;
    req->cb(fs, true, req->aux);
}

bool
flow_stats_requests_reply(struct flow_stats_requests *rs, struct ofpbuf *reply)
{
    const struct ofp_header *oh = reply->data;
    struct request *req = find(rs, oh->xid);
    if (!req) {
        return false;
    }
    bool last = !ofpmp_more(oh);
    bool good = flow_stats_each(reply, tell_flow, req);
    if (last || !good) {
        request_end(req, good);
    }
    return true;
}

bool
flow_stats_requests_error(struct flow_stats_requests *rs, ovs_be32 xid)
{
    struct request *req = find(rs, xid);
    if (req) {
        request_end(req, false);
    }
    return req != NULL;
}

void
flow_stats_requests_fail(struct flow_stats_requests *rs)
{
    struct ovs_list old = OVS_LIST_INITIALIZER(&old);
    ovs_list_push_back_all(&old, &rs->list);
    while (!ovs_list_is_empty(&old)) {
        request_end(CONTAINER_OF(ovs_list_front(&old), struct request, node), false);
    }
}
