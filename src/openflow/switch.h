/* One OpenFlow switch: keeps the flows of a bridge equal to a flow table.
 *
 * Speaks OpenFlow 1.5 over an rconn to "unix:RUNDIR/BRIDGE.mgmt".  On each
 * (re)connection it reads what the switch has, sends the difference to the
 * desired table as a bundle (a large one in stages, flow_stages.h), and goes on
 * from there; it never clears first.
 * Flows of open tables (flow_counts.h) are left alone.  One bundle is in
 * flight; changes that come meanwhile wait for its barrier.  Never blocks. */
#ifndef VIRGA_SWITCH_H
#define VIRGA_SWITCH_H 1

#include <stdbool.h>
#include <stdint.h>

struct flow_table;

struct ofswitch *ofswitch_create(const char *vconn_target);
void ofswitch_destroy(struct ofswitch *);

/* 'desired' carries its change log, which the switch consumes; 'generation'
 * names the state that it stands for.  NULL: what should be there is not
 * known (yet); the flows of the switch are left as they are. */
void ofswitch_run(struct ofswitch *, struct flow_table *desired, uint64_t generation);
void ofswitch_wait(struct ofswitch *);
/* Sends more of the bundle under way, if the switch takes more; begins nothing and reads
 * nothing.  For who computes for long between two runs, lest the switch have nothing
 * to do meanwhile. */
void ofswitch_push(struct ofswitch *);

bool ofswitch_is_connected(const struct ofswitch *);
/* Everything of the last run's 'desired' is in the switch and confirmed. */
bool ofswitch_is_synced(const struct ofswitch *);
/* The last generation whose barrier reply came; 0: none since connecting. */
uint64_t ofswitch_applied(const struct ofswitch *);
/* Borrowed text of the last error that the switch sent, or NULL if the last
 * bundle went well. */
const char *ofswitch_last_error(const struct ofswitch *);
/* Flow mods sent so far, for statistics and tests. */
uint64_t ofswitch_n_flow_mods(const struct ofswitch *);
/* Flows in the switch's tables without the learned ones, as confirmed. */
uint64_t ofswitch_n_flows(const struct ofswitch *);

/* Numbers the bundles.  The changes that a run took over are in the switch
 * when ofswitch_confirmed() has reached the value of ofswitch_epoch() after
 * that run. */
uint64_t ofswitch_epoch(const struct ofswitch *);
uint64_t ofswitch_confirmed(const struct ofswitch *);

/* Compares the number of flows per table with the switch now, as is done now
 * and then anyway; a difference makes it read all flows again. */
void ofswitch_audit(struct ofswitch *);

/* Asks for the statistics of all flows of 'table_id' (0xff: all) that match at
 * least what 'match' does (NULL: all) and whose cookie matches under mask; 'cb' is
 * called once per flow and last with NULL when the reply is complete (or the
 * connection was lost: 'complete' false).  Open vSwitch finds a whole cookie by an
 * index, and looks at no flow that leaves open what 'match' wants; otherwise it
 * looks at each flow of the table, and forwards nothing meanwhile. */
struct match;
struct ofputil_flow_stats;
typedef void ofswitch_stats_cb(const struct ofputil_flow_stats *, bool complete, void *aux);
void ofswitch_request_stats(struct ofswitch *, uint8_t table_id, const struct match *match,
                            uint64_t cookie, uint64_t cookie_mask, ofswitch_stats_cb *, void *aux);
/* Called for each flow-removed message (learned flows carry the flag). */
struct ofputil_flow_removed;
typedef void ofswitch_removed_cb(const struct ofputil_flow_removed *, void *aux);
void ofswitch_set_removed_cb(struct ofswitch *, ofswitch_removed_cb *, void *aux);

/* Called for each packet that a flow of ours sends to the agent; may take the
 * packet's 'resume'.  What is sent here exceeds no meter of ovs-flows/meters.def;
 * Open vSwitch holds a hundred and drops the rest while nobody reads. */
struct packet_in;
typedef void ofswitch_packet_cb(struct packet_in *, void *aux);
void ofswitch_set_packet_cb(struct ofswitch *, ofswitch_packet_cb *, void *aux);
/* Sends one message, if there is a connection. */
struct ofpbuf;
void ofswitch_send_take(struct ofswitch *, struct ofpbuf *);

/* Makes conntrack forget the connection whose original direction 'match' says,
 * in full, in one zone (NXT_CT_FLUSH).  Nothing is sent without a connection
 * to the switch, and nothing tells when it is done. */
struct ofp_ct_match;
void ofswitch_flush_connection(struct ofswitch *, const struct ofp_ct_match *, uint16_t zone);

#endif
