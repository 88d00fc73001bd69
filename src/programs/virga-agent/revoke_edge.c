#include "programs/virga-agent/revoke_edge.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "node/conntrack_text.h"
#include "node/vswitchd_ctl.h"
#include "openflow/pipeline.h"
#include "openflow/switch.h"
#include "openvswitch/ofp-ct.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(revoke_edge);

struct revoke_edge {
    struct ofswitch *sw;
    char *settled_file;
    bool was_settled;
    struct vswitchd_ctl *ctl;
    struct revoke *revoke;                      /* Who gets the guards. */
    enum { TO_ASK, ASKED, READY } guards_state; /* Of an earlier life. */
};

/* --- The mark ------------------------------------------------------------------------ */

/* True if there was one; a mark that cannot be taken away is none. */
static bool
remove_mark(const char *file)
{
    if (!unlink(file)) {
        return true;
    }
    if (errno != ENOENT) {
        VLOG_ERR("%s: cannot remove: %s; remove it before an agent starts again", file,
                 ovs_strerror(errno));
    }
    return false;
}

/* Without it the next life looks at all connections. */
static void
make_mark(const char *file)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 1);
        VLOG_WARN_RL(&rl, "%s: cannot create: %s", file, ovs_strerror(errno));
    } else {
        close(fd);
    }
}

struct revoke_edge *
revoke_edge_create(struct ofswitch *sw, const char *ovs_rundir, const char *settled)
{
    struct revoke_edge *edge = xzalloc(sizeof *edge);
    edge->sw = sw;
    edge->settled_file = xstrdup(settled);
    edge->was_settled = remove_mark(settled);
    edge->ctl = vswitchd_ctl_create(ovs_rundir);
    return edge;
}

void
revoke_edge_destroy(struct revoke_edge *edge)
{
    if (edge) {
        vswitchd_ctl_destroy(edge->ctl);
        free(edge->settled_file);
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

static bool
edge_untouched(void *edge)
{
    return !ofswitch_n_flow_mods(((struct revoke_edge *) edge)->sw);
}

static void
edge_set_settled(void *edge_, bool settled)
{
    const struct revoke_edge *edge = edge_;
    if (settled) {
        make_mark(edge->settled_file);
    } else {
        remove_mark(edge->settled_file);
    }
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
        .untouched = edge_untouched,
        .set_settled = edge_set_settled,
        .send = edge_send,
        .cancel = edge_cancel,
        .receive = edge_receive,
    };
}

bool
revoke_edge_was_settled(const struct revoke_edge *edge)
{
    return edge->was_settled;
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
