/* The parts are those of all cookies, so flows that are not ours are in one of
 * them, too.  Nothing that we do changes flows while a dump is under way. */
#include "openflow/flow_dump.h"

#include "byte-order.h"
#include "openflow/flow_stats.h"
#include "openflow/flow_table.h"
#include "openflow/ofp_messages.h"
#include "openflow/openflow.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofpbuf.h"

void
flow_dump_clear(struct flow_dump *d)
{
    flow_table_destroy(d->flows);
    *d = (struct flow_dump){ .flows = NULL };
}

static struct ofpbuf *
request_part(struct flow_dump *d)
{
    struct ofpbuf *msg = flow_stats_encode(OFPTT_ALL, NULL, d->part, FLOW_DUMP_PARTS - 1);

    d->xid = ofp_message_xid(msg);
    return msg;
}

struct ofpbuf *
flow_dump_begin(struct flow_dump *d)
{
    flow_dump_clear(d);
    d->flows = flow_table_create();
    return request_part(d);
}

bool
flow_dump_is_complete(const struct flow_dump *d)
{
    return d->part == FLOW_DUMP_PARTS;
}

bool
flow_dump_is_about(const struct flow_dump *d, ovs_be32 xid)
{
    return d->flows && !flow_dump_is_complete(d) && d->xid == xid;
}

static void
put_flow(void *d_, const struct ofputil_flow_stats *fs)
{
    struct flow_dump *d = d_;

    if (!flow_counts_is_open(fs->table_id, ntohll(fs->cookie))) {
        flow_stats_put(d->flows, fs);
        if (fs->table_id < FLOW_BUNDLE_MAX_TABLE) {
            d->counts.n[fs->table_id]++;
        }
    }
}

bool
flow_dump_reply(struct flow_dump *d, struct ofpbuf *reply, struct ofpbuf **request)
{
    bool last = !ofpmp_more(reply->data);

    *request = NULL;
    if (!flow_stats_each(reply, put_flow, d)) {
        return false;
    }
    if (last) {
        d->part++;
        *request = flow_dump_is_complete(d) ? NULL : request_part(d);
    }
    return true;
}
