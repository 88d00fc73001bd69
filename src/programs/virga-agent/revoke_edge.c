#include "programs/virga-agent/revoke_edge.h"

#include <stdlib.h>

#include "node/conntrack_text.h"
#include "node/vswitchd_ctl.h"
#include "openflow/pipeline.h"
#include "openflow/switch.h"
#include "openvswitch/ofp-ct.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/poll-loop.h"
#include "timeval.h"
#include "util.h"

struct revoke_edge {
    struct ofswitch *sw;
    struct vswitchd_ctl *ctl;
    struct revoke *revoke;                      /* Who gets the guards. */
    enum { TO_ASK, ASKED, READY } guards_state; /* Of an earlier life. */
};

struct revoke_edge *
revoke_edge_create(struct ofswitch *sw, const char *ovs_rundir)
{
    struct revoke_edge *edge = xzalloc(sizeof *edge);
    edge->sw = sw;
    edge->ctl = vswitchd_ctl_create(ovs_rundir);
    return edge;
}

void
revoke_edge_destroy(struct revoke_edge *edge)
{
    if (edge) {
        vswitchd_ctl_destroy(edge->ctl);
        free(edge);
    }
}

static uint64_t
edge_applied(void *edge)
{
    return ofswitch_applied(((struct revoke_edge *) edge)->sw);
}

static uint64_t
edge_epoch(void *edge)
{
    return ofswitch_epoch(((struct revoke_edge *) edge)->sw);
}

static uint64_t
edge_confirmed(void *edge)
{
    return ofswitch_confirmed(((struct revoke_edge *) edge)->sw);
}

static void
edge_flush(void *edge, const struct conntrack_entry *entry)
{
    const struct conntrack_tuple *orig = &entry->orig;
    struct ofp_ct_match match = {
        .ip_proto = entry->protocol,
        .l3_type = IN6_IS_ADDR_V4MAPPED(&orig->src) ? AF_INET : AF_INET6,
        .tuple_orig = { .src = orig->src, .dst = orig->dst },
    };
    if (entry->protocol == IPPROTO_ICMP || entry->protocol == IPPROTO_ICMPV6) {
        match.tuple_orig.icmp_id = htons(orig->icmp_id);
        match.tuple_orig.icmp_type = orig->icmp_type;
        match.tuple_orig.icmp_code = orig->icmp_code;
    } else {
        match.tuple_orig.src_port = htons(orig->src_port);
        match.tuple_orig.dst_port = htons(orig->dst_port);
    }
    ofswitch_flush_connection(((struct revoke_edge *) edge)->sw, &match, entry->zone);
}

static void
edge_send(void *edge, const char *command, const char *const args[])
{
    vswitchd_ctl_send(((struct revoke_edge *) edge)->ctl, command, args);
}

static void
edge_cancel(void *edge)
{
    vswitchd_ctl_cancel(((struct revoke_edge *) edge)->ctl);
}

static int
edge_receive(void *edge, char **text, size_t *len)
{
    return vswitchd_ctl_run(((struct revoke_edge *) edge)->ctl, text, len);
}

struct revoke_seam
revoke_edge_seam(struct revoke_edge *edge)
{
    return (struct revoke_seam){
        .aux = edge,
        .applied = edge_applied,
        .epoch = edge_epoch,
        .confirmed = edge_confirmed,
        .flush = edge_flush,
        .send = edge_send,
        .cancel = edge_cancel,
        .receive = edge_receive,
    };
}

static void
adopt_guard(const struct ofputil_flow_stats *fs, bool complete, void *edge_)
{
    struct revoke_edge *edge = edge_;
    if (fs) {
        revoke_adopt_guard(edge->revoke, &fs->match, time_msec());
    } else {
        edge->guards_state = complete ? READY : TO_ASK;
        poll_immediate_wake();
    }
}

void
revoke_edge_run(struct revoke_edge *edge, struct revoke *revoke)
{
    if (edge->guards_state == TO_ASK && ofswitch_is_connected(edge->sw)) {
        edge->revoke = revoke;
        edge->guards_state = ASKED;
        ofswitch_request_stats(edge->sw, TABLE_ct_state, NULL, VIRGA_COOKIE(COOKIE_CUT, 0),
                               UINT64_MAX, adopt_guard, edge);
    }
}

bool
revoke_edge_is_ready(const struct revoke_edge *edge)
{
    return edge->guards_state == READY;
}

void
revoke_edge_wait(struct revoke_edge *edge, const struct revoke *revoke)
{
    if (revoke_is_receiving(revoke)) {
        vswitchd_ctl_wait(edge->ctl);
    }
    poll_timer_wait_until(revoke_wake_at(revoke));
}
