/* Brings the switch's statistics into the store, on one node.
 *
 * Polls every interval, and when the controller asks (store_stats_request());
 * between polls it takes the last words of removed flows.  Open vSwitch brings
 * the packets of its datapath to its flows every half second, so the poll that
 * answers a request begins a little later than that after it: then its answer
 * has every packet from before the request.  Only counters that changed are put.  Starts when the store has the
 * counters of the node's earlier life and the switch is connected, and takes
 * breaks while either is away.  Never blocks.
 *
 * For the same reason, when a flow is removed, the switch may credit the packets
 * of the last half second before that to the flow that takes its place.
 *
 * Is destroyed before the switch.  The flows that it counts must carry
 * OFPUTIL_FF_SEND_FLOW_REM, or what they count after the last poll is lost. */
#ifndef VIRGA_COLLECTOR_H
#define VIRGA_COLLECTOR_H 1

#include <stdint.h>

struct ofswitch;
struct store;

enum { COLLECTOR_INTERVAL_MS = 5000, MAX_COLLECTOR_INTERVAL_MS = 300000 };

struct collector *collector_create(struct store *, struct ofswitch *, int interval_ms);
void collector_destroy(struct collector *);
/* From the next poll on. */
void collector_set_interval(struct collector *, int interval_ms);
void collector_run(struct collector *);
void collector_wait(struct collector *);

/* The highest request whose answer has been put: what the agent reports in
 * store_node_status.stats_applied, after collector_run() in the same loop, so
 * that it goes out together with those counters or after them. */
uint64_t collector_stats_applied(const struct collector *);

#endif
