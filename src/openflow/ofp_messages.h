/* Small OpenFlow 1.5 messages, encoded and decoded. */
#ifndef VIRGA_OFP_MESSAGES_H
#define VIRGA_OFP_MESSAGES_H 1

#include <stdint.h>

#include "openvswitch/types.h"

struct ofp_header;
struct ofpbuf;

ovs_be32 ofp_message_xid(const struct ofpbuf *);

/* Of all asynchronous messages, the removed flows only. */
struct ofpbuf *ofp_message_async_config(void);
/* A connection to a bridge's management socket gets no asynchronous message
 * before it sets a miss length. */
struct ofpbuf *ofp_message_switch_config(void);
struct ofpbuf *ofp_message_table_stats_request(void);

/* What an error message says, on one line; the caller frees. */
char *ofp_message_error_text(const struct ofp_header *);

#endif
