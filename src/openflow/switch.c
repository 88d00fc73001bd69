/* The story of a flow, from the desired table to the switch.
 *
 * A connection starts in DUMPING: the switch tells every flow that it has
 * (flow_dump.h).  The difference to the desired table is the first bundle.  From
 * then on the desired table's change log is the difference, for nobody else
 * writes to this bridge.
 *
 *      DISCONNECTED --connected--> WAITING --desired known--> DUMPING
 *                                     ^                          |
 *                                     | retry time       dump complete
 *                                     |                          v
 *           any failure ------------> +        +---- no ---- changes? <---+
 *                                              v                 | yes    |
 *                                            IDLE --changes--> FILLING    |
 *                                                                | sent   |
 *                                                                v        |
 *                                                            CHECKING     |
 *                                                                | good   |
 *                                                                v        |
 *                                                            COMMITTING --+
 *
 * A large change is several bundles (flow_stages.h); COMMITTING then leads to
 * FILLING again.  A bundle takes two round trips.  A message that the switch
 * cannot add to a bundle leaves the bundle as it was, without that message; so a
 * barrier (CHECKING) comes between the last message and the commit, and a bundle
 * that met an error is discarded.  A commit is all or nothing.  A single flow mod
 * is that without a bundle, and leads to COMMITTING at once.
 *
 * Somebody with ovs-ofctl may still change flows behind our back.  The number
 * of flows per table is compared now and then; a difference leads back to
 * DUMPING. */
#include "openflow/switch.h"

#include <inttypes.h>
#include <malloc.h>
#include <stdlib.h>

#include "byte-order.h"
#include "openflow/flow_counts.h"
#include "openflow/flow_dump.h"
#include "openflow/flow_stages.h"
#include "openflow/flow_stats.h"
#include "openflow/flow_table.h"
#include "openflow/ofp_messages.h"
#include "openflow/openflow.h"
#include "openflow/packet_in.h"
#include "openvswitch/ofp-ct.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-monitor.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-util.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/rconn.h"
#include "openvswitch/vlog.h"
#include "socket-util.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(switch);

enum {
    PROBE_INTERVAL_S = 15, /* A commit of a full table takes a second or two. */
    MAX_BACKOFF_S = 1,     /* Between attempts to connect. */
    MAX_QUEUED = 500,      /* Messages of a bundle in the rconn at a time. */
    MAX_RECEIVED = 50,     /* Messages taken per run. */
    RETRY_MIN_MS = 1000,   /* After a bundle failed. */
    RETRY_MAX_MS = 30000,
    AUDIT_MIN_MS = 10000, /* Between two counts of the switch's flows. */
    AUDIT_MAX_MS = 600000,
    TRIM_AFTER = 5000, /* Flow mods of a bundle that leave a big heap behind. */
};

enum state { DISCONNECTED, WAITING, DUMPING, IDLE, FILLING, CHECKING, COMMITTING };

struct ofswitch {
    struct rconn *rconn;
    char *target;                        /* Until the first run, which connects. */
    struct rconn_packet_counter *queued; /* Of the bundle's messages. */
    unsigned int seqno;                  /* Of the connection that 'state' is about. */
    enum state state;
    long long int retry_at; /* WAITING. */
    long long int retry_ms;

    struct flow_dump dump; /* DUMPING. */

    /* The bundle under way, and those that follow it. */
    struct flow_stages stages;
    uint32_t bundle_id;
    ovs_be32 barrier_xid;
    bool failed;
    uint64_t bundle_generation;

    bool known;          /* Did the last run have a desired table? */
    bool changes_wait;   /* Might it have had changes that are in no bundle yet? */
    uint64_t generation; /* Of the last run. */
    uint64_t applied;
    uint64_t epoch;     /* Last bundle begun. */
    uint64_t confirmed; /* Last bundle whose commit was confirmed. */
    char *last_error;
    uint64_t n_flow_mods;

    struct flow_counts n_flows; /* Confirmed. */
    ovs_be32 audit_xid;         /* 0: none under way. */
    long long int audit_at;
    long long int audit_ms;

    struct flow_stats_requests stats;
    ofswitch_removed_cb *removed_cb;
    void *removed_aux;
    ofswitch_packet_cb *packet_cb;
    void *packet_aux;
};

struct ofswitch *
ofswitch_create(const char *vconn_target)
{
    struct ofswitch *sw = xzalloc(sizeof *sw);
    sw->rconn = rconn_create(PROBE_INTERVAL_S, MAX_BACKOFF_S, DSCP_DEFAULT, 1u << OFP15_VERSION);
    sw->target = xstrdup(vconn_target);
    sw->queued = rconn_packet_counter_create();
    sw->seqno = rconn_get_connection_seqno(sw->rconn);
    sw->state = DISCONNECTED;
    sw->retry_ms = RETRY_MIN_MS;
    sw->audit_ms = AUDIT_MIN_MS;
    flow_stages_init(&sw->stages);
    flow_stats_requests_init(&sw->stats);
    return sw;
}

static void
drop_bundle(struct ofswitch *sw)
{
    flow_stages_clear(&sw->stages);
    sw->failed = false;
}

void
ofswitch_destroy(struct ofswitch *sw)
{
    if (!sw) {
        return;
    }
    flow_stats_requests_fail(&sw->stats);
    flow_stages_uninit(&sw->stages);
    flow_dump_clear(&sw->dump);
    rconn_destroy(sw->rconn);
    rconn_packet_counter_destroy(sw->queued);
    free(sw->target);
    free(sw->last_error);
    free(sw);
}

/* Returns the message's number, which the answer repeats. */
static ovs_be32
send_msg(struct ofswitch *sw, struct ofpbuf *msg)
{
    ovs_be32 xid = ofp_message_xid(msg);
    /* A failure is a lost connection, which the next run sees. */
    rconn_send(sw->rconn, msg, NULL);
    return xid;
}

static ovs_be32
send_barrier(struct ofswitch *sw)
{
    return send_msg(sw, ofputil_encode_barrier_request(OFP15_VERSION));
}

/* --- Connection ----------------------------------------------------------- */

static void
connection_changed(struct ofswitch *sw)
{
    bool connected = rconn_is_connected(sw->rconn);
    if (sw->state != DISCONNECTED && !connected) {
        VLOG_WARN("%s: connection lost", rconn_get_name(sw->rconn));
    }
    drop_bundle(sw);
    flow_dump_clear(&sw->dump);
    flow_stats_requests_fail(&sw->stats);
    sw->audit_xid = 0;
    sw->applied = 0;
    sw->retry_at = 0;
    sw->state = connected ? WAITING : DISCONNECTED;
    if (connected) {
        struct ofpbuf *msg;
        for (size_t i = 0; (msg = ofp_message_greeting(i)) != NULL; i++) {
            send_msg(sw, msg);
        }
    }
}

static void
track_connection(struct ofswitch *sw)
{
    unsigned int seqno = rconn_get_connection_seqno(sw->rconn);
    bool connected = rconn_is_connected(sw->rconn);
    if (seqno != sw->seqno || connected != (sw->state != DISCONNECTED)) {
        sw->seqno = seqno;
        connection_changed(sw);
    }
}

/* --- Reading what the switch has ------------------------------------------ */

static void
start_dump(struct ofswitch *sw)
{
    flow_counts_clear(&sw->n_flows);
    send_msg(sw, flow_dump_begin(&sw->dump));
    sw->state = DUMPING;
}

static void
retry_later(struct ofswitch *sw)
{
    flow_dump_clear(&sw->dump);
    drop_bundle(sw);
    sw->retry_at = time_msec() + sw->retry_ms;
    sw->retry_ms = MIN(sw->retry_ms * 2, RETRY_MAX_MS);
    sw->state = WAITING;
}

static void
handle_flow_stats(struct ofswitch *sw, struct ofpbuf *msg)
{
    struct ofpbuf *request;
    if (!flow_dump_is_about(&sw->dump, ofp_message_xid(msg))) {
        flow_stats_requests_reply(&sw->stats, msg);
    } else if (!flow_dump_reply(&sw->dump, msg, &request)) {
        VLOG_ERR("%s: cannot read the flows of the switch", rconn_get_name(sw->rconn));
        retry_later(sw);
    } else if (request) {
        send_msg(sw, request);
    }
}

/* --- The bundle ------------------------------------------------------------ */

static void
send_bundle_control(struct ofswitch *sw, uint16_t type)
{
    send_msg(sw, flow_bundle_control(flow_stages_bundle(&sw->stages), type));
}

static void
begin_bundles(struct ofswitch *sw, uint64_t generation, const struct flow_changes *changes)
{
    drop_bundle(sw);
    sw->changes_wait = false;
    sw->epoch++;
    sw->bundle_generation = generation;
    flow_stages_begin(&sw->stages, changes, sw->dump.flows, &sw->bundle_id);
    sw->n_flow_mods += flow_stages_n_mods(&sw->stages);
}

static void
confirm(struct ofswitch *sw)
{
    bool trim = flow_stages_n_mods(&sw->stages) >= TRIM_AFTER;

    sw->confirmed = sw->epoch;
    sw->applied = sw->bundle_generation;
    sw->retry_ms = RETRY_MIN_MS;
    sw->audit_xid = 0;
    sw->audit_at = time_msec() + sw->audit_ms;
    free(sw->last_error);
    sw->last_error = NULL;
    sw->state = IDLE;
    flow_stages_clear(&sw->stages);
    if (trim) {
        malloc_trim(0);
    }
}

/* Opens the current bundle, or the next one that has something in it. */
static void
launch_bundle(struct ofswitch *sw)
{
    while (!flow_stages_bundle(&sw->stages)->n_mods) {
        if (!flow_stages_next(&sw->stages)) {
            confirm(sw);
            return;
        }
    }
    if (flow_stages_bundle(&sw->stages)->n_mods == 1) {
        send_msg(sw, flow_bundle_only(flow_stages_bundle(&sw->stages)));
        sw->barrier_xid = send_barrier(sw);
        sw->state = COMMITTING;
    } else {
        send_bundle_control(sw, OFPBCT_OPEN_REQUEST);
        sw->state = FILLING;
    }
}

static void
bundle_is_committed(struct ofswitch *sw)
{
    flow_counts_add(&sw->n_flows, flow_stages_bundle(&sw->stages));
    if (flow_stages_next(&sw->stages)) {
        launch_bundle(sw);
    } else {
        confirm(sw);
    }
}

static void
bundle_from_dump(struct ofswitch *sw, struct flow_table *desired, uint64_t generation)
{
    struct flow_changes changes = { .n = 0 };
    flow_table_diff(desired, sw->dump.flows, &changes);
    sw->n_flows = sw->dump.counts;
    begin_bundles(sw, generation, &changes);
    VLOG_INFO("%s: %" PRIuSIZE " flows found, %" PRIuSIZE " wanted, %" PRIuSIZE " changes",
              rconn_get_name(sw->rconn), flow_table_count(sw->dump.flows),
              flow_table_count(desired), flow_stages_n_mods(&sw->stages));
    flow_changes_uninit(&changes);
    flow_table_clear_changes(desired);
    flow_dump_clear(&sw->dump);
    launch_bundle(sw);
}

/* Changes that cancelled out while they waited were promised a bundle. */
static void
confirm_promised(struct ofswitch *sw)
{
    if (sw->changes_wait) {
        sw->confirmed = ++sw->epoch;
        sw->changes_wait = false;
    }
}

static void
bundle_from_log(struct ofswitch *sw, struct flow_table *desired, uint64_t generation)
{
    struct flow_changes changes = { .n = 0 };
    flow_table_changes(desired, &changes);
    if (changes.n) {
        begin_bundles(sw, generation, &changes);
        launch_bundle(sw);
    } else {
        sw->applied = generation;
        confirm_promised(sw);
    }
    flow_changes_uninit(&changes);
    flow_table_clear_changes(desired);
}

/* True if nothing is left to send. */
static bool
send_pending(struct ofswitch *sw)
{
    while (rconn_packet_counter_n_packets(sw->queued) < MAX_QUEUED) {
        struct ofpbuf *msg = flow_bundle_next(flow_stages_bundle(&sw->stages));
        if (!msg) {
            return true;
        }
        if (rconn_send(sw->rconn, msg, sw->queued)) {
            return false;
        }
    }
    return false;
}

static void
fill_bundle(struct ofswitch *sw)
{
    if (sw->failed || send_pending(sw)) {
        sw->barrier_xid = send_barrier(sw);
        sw->state = CHECKING;
    }
}

static void
handle_barrier(struct ofswitch *sw, ovs_be32 xid)
{
    if (xid != sw->barrier_xid) {
        return;
    }
    if (sw->state == CHECKING && !sw->failed) {
        send_bundle_control(sw, OFPBCT_COMMIT_REQUEST);
        sw->barrier_xid = send_barrier(sw);
        sw->state = COMMITTING;
    } else if (sw->state == CHECKING) {
        send_bundle_control(sw, OFPBCT_DISCARD_REQUEST);
        retry_later(sw);
    } else if (sw->state == COMMITTING && sw->failed) {
        retry_later(sw);
    } else if (sw->state == COMMITTING) {
        bundle_is_committed(sw);
    }
}

/* --- Errors ----------------------------------------------------------------- */

static void
handle_error(struct ofswitch *sw, const struct ofp_header *oh)
{
    if (flow_stats_requests_error(&sw->stats, oh->xid)) {
        return;
    }
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(20, 20);
    bool minor = ofp_message_is_minor_error(oh);
    char *text = ofp_message_error_text(oh);
    VLOG_RL(&rl, minor ? VLL_DBG : VLL_WARN, "%s: %s", rconn_get_name(sw->rconn), text);
    if (minor) {
        free(text);
        return;
    }
    bool in_bundle = sw->state == FILLING || sw->state == CHECKING || sw->state == COMMITTING;
    if (in_bundle && sw->failed) {
        free(text); /* The first is the cause. */
        return;
    }
    free(sw->last_error);
    sw->last_error = text;
    if (in_bundle) {
        sw->failed = true;
    } else if (flow_dump_is_about(&sw->dump, oh->xid)) {
        retry_later(sw);
    }
}

/* --- The audit --------------------------------------------------------------- */

static void
start_audit(struct ofswitch *sw)
{
    sw->audit_xid = send_msg(sw, ofp_message_table_stats_request());
    sw->audit_at = time_msec() + sw->audit_ms;
}

static void
handle_table_stats(struct ofswitch *sw, struct ofpbuf *msg)
{
    /* A bundle that began meanwhile makes the comparison meaningless;
     * confirm() forgets the request. */
    if (sw->state != IDLE || ofp_message_xid(msg) != sw->audit_xid) {
        return;
    }
    sw->audit_xid = 0;
    if (flow_counts_compare(&sw->n_flows, msg, rconn_get_name(sw->rconn))) {
        sw->audit_ms = AUDIT_MIN_MS;
    } else {
        sw->audit_ms = MIN(sw->audit_ms * 2, AUDIT_MAX_MS);
        sw->retry_at = 0;
        sw->state = WAITING;
    }
}

/* --- Loop -------------------------------------------------------------------- */

static void
handle_removed(struct ofswitch *sw, const struct ofp_header *oh)
{
    struct ofputil_flow_removed fr;
    if (sw->removed_cb && !ofputil_decode_flow_removed(&fr, oh)) {
        sw->removed_cb(&fr, sw->removed_aux);
    }
}

static void
handle_packet(struct ofswitch *sw, const struct ofp_header *oh)
{
    struct packet_in packet;
    if (sw->packet_cb && packet_in_decode(oh, &packet)) {
        sw->packet_cb(&packet, sw->packet_aux);
        packet_in_uninit(&packet);
    }
}

static void
handle_msg(struct ofswitch *sw, struct ofpbuf *msg)
{
    const struct ofp_header *oh = msg->data;
    enum ofptype type;
    if (ofptype_decode(&type, oh)) {
        return;
    }
    if (type == OFPTYPE_ECHO_REQUEST) {
        send_msg(sw, ofputil_encode_echo_reply(oh));
    } else if (type == OFPTYPE_FLOW_STATS_REPLY) {
        handle_flow_stats(sw, msg);
    } else if (type == OFPTYPE_BARRIER_REPLY) {
        handle_barrier(sw, oh->xid);
    } else if (type == OFPTYPE_ERROR) {
        handle_error(sw, oh);
    } else if (type == OFPTYPE_FLOW_REMOVED) {
        handle_removed(sw, oh);
    } else if (type == OFPTYPE_PACKET_IN) {
        handle_packet(sw, oh);
    } else if (type == OFPTYPE_TABLE_STATS_REPLY) {
        handle_table_stats(sw, msg);
    }
}

static void
receive(struct ofswitch *sw)
{
    for (int i = 0; i < MAX_RECEIVED; i++) {
        struct ofpbuf *msg = rconn_recv(sw->rconn);
        if (!msg) {
            return;
        }
        handle_msg(sw, msg);
        ofpbuf_delete(msg);
    }
}

static void
send_stats_requests(struct ofswitch *sw)
{
    struct ofpbuf *msg;
    while ((msg = flow_stats_requests_next(&sw->stats)) != NULL) {
        send_msg(sw, msg);
    }
}

static void
advance(struct ofswitch *sw, struct flow_table *desired, uint64_t generation)
{
    if (sw->state == WAITING && time_msec() >= sw->retry_at) {
        start_dump(sw);
    } else if (sw->state == DUMPING && flow_dump_is_complete(&sw->dump)) {
        bundle_from_dump(sw, desired, generation);
    } else if (sw->state == IDLE) {
        bundle_from_log(sw, desired, generation);
    }
    if (sw->state == FILLING) {
        fill_bundle(sw);
        if (sw->state == CHECKING) {
            flow_table_settle(desired); /* The switch still reads what was sent. */
        }
    }
    if (sw->state == IDLE && !sw->audit_xid && time_msec() >= sw->audit_at) {
        start_audit(sw);
    }
}

void
ofswitch_run(struct ofswitch *sw, struct flow_table *desired, uint64_t generation)
{
    if (sw->target) {
        rconn_connect(sw->rconn, sw->target, sw->target);
        free(sw->target);
        sw->target = NULL;
    }
    rconn_run(sw->rconn);
    track_connection(sw);
    if (sw->state == DISCONNECTED) {
        flow_stats_requests_fail(&sw->stats);
    } else {
        send_stats_requests(sw);
        receive(sw);
    }
    sw->known = desired != NULL;
    sw->generation = generation;
    if (desired && sw->state != DISCONNECTED) {
        advance(sw, desired, generation);
    }
    /* Also if they cancel out later: they were promised a bundle (ofswitch_epoch()). */
    sw->changes_wait = desired && sw->state != IDLE
                       && (sw->changes_wait || flow_table_may_have_changes(desired));
}

void
ofswitch_push(struct ofswitch *sw)
{
    if (sw->state == FILLING) {
        rconn_run(sw->rconn);
        /* Another connection than the bundle's is the next run's to see. */
        if (rconn_is_connected(sw->rconn) && rconn_get_connection_seqno(sw->rconn) == sw->seqno) {
            fill_bundle(sw);
        }
    }
}

void
ofswitch_wait(struct ofswitch *sw)
{
    rconn_run_wait(sw->rconn);
    rconn_recv_wait(sw->rconn);
    if (sw->state == DISCONNECTED || !sw->known) {
        return;
    }
    if (sw->state == WAITING) {
        poll_timer_wait_until(sw->retry_at);
    } else if (sw->state == IDLE) {
        poll_timer_wait_until(sw->audit_at);
    } else if (sw->state == DUMPING && flow_dump_is_complete(&sw->dump)) {
        poll_immediate_wake();
    }
}

bool
ofswitch_is_connected(const struct ofswitch *sw)
{
    return sw->state != DISCONNECTED;
}

bool
ofswitch_is_synced(const struct ofswitch *sw)
{
    return sw->known && sw->state == IDLE && !sw->changes_wait && sw->applied == sw->generation;
}

uint64_t
ofswitch_applied(const struct ofswitch *sw)
{
    return sw->applied;
}

const char *
ofswitch_last_error(const struct ofswitch *sw)
{
    return sw->last_error;
}

uint64_t
ofswitch_n_flow_mods(const struct ofswitch *sw)
{
    return sw->n_flow_mods;
}

uint64_t
ofswitch_n_flows(const struct ofswitch *sw)
{
    return flow_counts_total(&sw->n_flows);
}

uint64_t
ofswitch_epoch(const struct ofswitch *sw)
{
    bool later = sw->changes_wait || sw->state == DISCONNECTED || sw->state == WAITING
                 || sw->state == DUMPING;
    return sw->epoch + (later ? 1 : 0);
}

uint64_t
ofswitch_confirmed(const struct ofswitch *sw)
{
    return sw->confirmed;
}

void
ofswitch_audit(struct ofswitch *sw)
{
    sw->audit_at = time_msec();
    poll_immediate_wake();
}

void
ofswitch_request_stats(struct ofswitch *sw, uint8_t table_id, const struct match *match,
                       uint64_t cookie, uint64_t cookie_mask, ofswitch_stats_cb *cb, void *aux)
{
    struct ofpbuf *msg = flow_stats_encode(table_id, match, cookie, cookie_mask);
    flow_stats_requests_add(&sw->stats, msg, cb, aux);
    poll_immediate_wake();
}

void
ofswitch_set_removed_cb(struct ofswitch *sw, ofswitch_removed_cb *cb, void *aux)
{
    sw->removed_cb = cb;
    sw->removed_aux = aux;
}

void
ofswitch_set_packet_cb(struct ofswitch *sw, ofswitch_packet_cb *cb, void *aux)
{
    sw->packet_cb = cb;
    sw->packet_aux = aux;
}

void
ofswitch_send_take(struct ofswitch *sw, struct ofpbuf *msg)
{
    if (sw->state != DISCONNECTED) {
        send_msg(sw, msg);
    } else {
        ofpbuf_delete(msg);
    }
}

void
ofswitch_flush_connection(struct ofswitch *sw, const struct ofp_ct_match *match, uint16_t zone)
{
    if (sw->state != DISCONNECTED) {
        send_msg(sw, ofp_ct_match_encode(match, &zone, OFP15_VERSION));
    }
}
