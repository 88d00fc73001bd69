/* Flow statistics of a switch: requests under way, and the decoding of
 * replies (OpenFlow 1.5 section 7.3.5.2).  Does no I/O: hands out messages
 * and is handed replies. */
#ifndef VIRGA_FLOW_STATS_H
#define VIRGA_FLOW_STATS_H 1

#include <stdbool.h>
#include <stdint.h>

#include "openflow/switch.h"
#include "openvswitch/list.h"
#include "openvswitch/types.h"

struct flow_table;
struct match;
struct ofpbuf;

/* A request for the flows of 'table_id' (0xff: all) that match at least what 'match'
 * does (NULL: all) and whose cookie matches. */
struct ofpbuf *flow_stats_encode(uint8_t table_id, const struct match *match, uint64_t cookie,
                                 uint64_t cookie_mask);

/* Calls 'cb' per flow of one reply; false if the message makes no sense. */
bool flow_stats_each(struct ofpbuf *reply,
                     void (*cb)(void *aux, const struct ofputil_flow_stats *), void *aux);

/* Adds the flow to a table of what the switch has.  No flow of ours times out;
 * one that does is made a different one by its cookie. */
void flow_stats_put(struct flow_table *installed, const struct ofputil_flow_stats *);

/* The requests under way on one connection. */
struct flow_stats_requests {
    struct ovs_list list;
};
void flow_stats_requests_init(struct flow_stats_requests *);
/* Takes 'msg', which flow_stats_requests_next() hands out once. */
void flow_stats_requests_add(struct flow_stats_requests *, struct ofpbuf *msg, ofswitch_stats_cb *,
                             void *aux);
/* The next message to send, or NULL. */
struct ofpbuf *flow_stats_requests_next(struct flow_stats_requests *);
/* False if the reply is to none of the requests. */
bool flow_stats_requests_reply(struct flow_stats_requests *, struct ofpbuf *reply);
/* The switch answered with an error; false if to none of the requests. */
bool flow_stats_requests_error(struct flow_stats_requests *, ovs_be32 xid);
/* Ends all, not complete.  Requests that a callback makes meanwhile stay. */
void flow_stats_requests_fail(struct flow_stats_requests *);

#endif
