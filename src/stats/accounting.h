/* From a switch's flow statistics to counters that only grow.
 *
 * Pure: no I/O, no clock.  It is told the statistics of whole polls and the
 * last words of removed flows, in the order in which the switch sent them, and
 * keeps one monotonic counter (store/store.h) per rule, drop and pair.
 *
 * What a flow adds since it was last seen goes to the counter that its cookie
 * names.  A flow that is new, or whose count went down, starts at zero.  What
 * a flow counted up to its end comes with its removal (perhaps after the same
 * flow has been added again), so a counter loses nothing when one of its flows
 * goes and another comes.
 *
 *     RULE                      hits, packets, bytes of COUNTER_RULE
 *     METRIC_EGRESS, _INGRESS         packets, bytes of COUNTER_RULE
 *     ISOLATE                   hits, packets, bytes of COUNTER_RULE: dropped
 *     DROP                      hits, packets, bytes of COUNTER_DROP
 *     table matrix_learned            packets, bytes of COUNTER_PAIR
 *
 * A packet that crosses two nodes meets the matrix of both; the node that
 * delivers it counts it, so that pairs can be added up over nodes.
 *
 * The account of a rule or pair whose flows are gone stays, for they may come back;
 * of such ACCOUNTING_IDLE_MAX are kept.  One that is forgotten for others' sake,
 * idle the longest, comes out as zeros once, and counts from there if it comes back.
 *
 * Restart.  Counters of an earlier life come back with the sum of the raw
 * values that they include (raw_*).  At a complete poll, two seconds or more
 * after the first one, that sum is compared with what the flows older than
 * this life have, those included that were removed since it began: what they
 * have more is new.  If they have less,
 * the switch counted from zero meanwhile, and all that they have is new.  So
 * counting is exact over a restart of the agent, of the switch, or of both,
 * while nobody removes flows in between.  What such flows counted since the
 * last poll is lost, and if others of the same rule stay, their raw sum is
 * less than the one stored and is counted twice.  Only an agent removes flows
 * of rules, and it stores what they said at once; flows of pairs that time out
 * while no agent listens are the usual case, and each is a pair of its own. */
#ifndef VIRGA_ACCOUNTING_H
#define VIRGA_ACCOUNTING_H 1

#include <stdbool.h>
#include <stdint.h>

#include "openvswitch/match.h"
#include "store/store.h"

/* One flow's statistics. */
struct accounting_flow {
    uint64_t cookie;
    uint8_t table_id;
    uint16_t priority;
    const struct match *match;
    uint64_t packets, bytes;
    int64_t told_ms; /* When we hear of it, on the clock of accounting_create(). */
    int64_t age_ms;  /* How old the switch says it is. */
};

enum { ACCOUNTING_IDLE_MAX = 5000 };

struct accounting;
/* 'now_ms': this life begins; any clock that does not jump. */
struct accounting *accounting_create(int64_t now_ms);
void accounting_destroy(struct accounting *);

/* A counter of an earlier life; before the first poll begins. */
void accounting_restore(struct accounting *, const struct counter *);

/* One poll: begin, each flow, end.  'complete': the switch told all its
 * flows; then those that it did not tell are gone. */
void accounting_poll_begin(struct accounting *, int64_t now_ms);
void accounting_poll_flow(struct accounting *, const struct accounting_flow *);
void accounting_poll_end(struct accounting *, bool complete);

/* The last words of a flow that was removed. */
void accounting_flow_removed(struct accounting *, const struct accounting_flow *);

/* Is the comparison after a restart done?  No counters come out before. */
bool accounting_is_settled(const struct accounting *);

/* Calls for each counter that changed since the last call; all zeros: it is
 * forgotten. */
void accounting_take_changes(struct accounting *, void (*cb)(const struct counter *, void *aux),
                             void *aux);

/* Flows that are followed now, for tests and statistics. */
size_t accounting_n_flows(const struct accounting *);

#endif
