/* Reading all flows that a switch has.  Does no I/O: hands out requests and is
 * handed replies.
 *
 * ovs-vswitchd composes the answer to one request as a whole, in the thread that
 * also polls ports of veth type: 100,000 flows at once are a gap of a tenth of a
 * second or more for every packet.  So it is asked for a part at a time, by the low
 * bits of the cookie, and for the next one when the answer is here.  Cookies are
 * made so that flows are spread over the parts (include/virga/cookie.h). */
#ifndef VIRGA_FLOW_DUMP_H
#define VIRGA_FLOW_DUMP_H 1

#include <stdbool.h>

#include "openflow/flow_counts.h"
#include "openvswitch/types.h"

struct flow_table;
struct ofpbuf;

enum { FLOW_DUMP_PARTS = 32 }; /* A power of two. */

struct flow_dump {
    struct flow_table *flows;  /* NULL: no dump under way. */
    struct flow_counts counts; /* Of 'flows'. */
    unsigned int part;         /* The one in work; FLOW_DUMP_PARTS: all are here. */
    ovs_be32 xid;              /* Of its request. */
};

/* Forgets what it has.  All zeros is an empty one. */
void flow_dump_clear(struct flow_dump *);
/* The first request. */
struct ofpbuf *flow_dump_begin(struct flow_dump *) __attribute__((warn_unused_result));
bool flow_dump_is_complete(const struct flow_dump *);
/* Is a message with this number about the request under way? */
bool flow_dump_is_about(const struct flow_dump *, ovs_be32 xid);
/* Takes over a reply that is.  False if it makes no sense; '*request' is the
 * next one to send, or NULL. */
bool flow_dump_reply(struct flow_dump *, struct ofpbuf *reply, struct ofpbuf **request);

#endif
