/* Small OpenFlow 1.5 messages, encoded and decoded. */
#ifndef VIRGA_OFP_MESSAGES_H
#define VIRGA_OFP_MESSAGES_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "openvswitch/types.h"

struct in6_addr;
struct ofp_header;
struct ofpbuf;

ovs_be32 ofp_message_xid(const struct ofpbuf *);

/* The messages to begin a connection with, from 0 on until NULL: which
 * asynchronous messages are wanted, and the meters (ovs-flows/meters.def).
 * Meters are no part of a bundle and may be there already, which is an error. */
struct ofpbuf *ofp_message_greeting(size_t i);
/* Is this error message about something without which the flows are good: a
 * meter, a packet, a flow that holds packets? */
bool ofp_message_is_minor_error(const struct ofp_header *);

/* Sends 'frame' out of 'port', from nowhere.  By a tunnel: 'tunnel_dst' is the
 * other end (IPv4) and 'tunnel_id' the VNI; else NULL. */
struct ofpbuf *ofp_message_packet_out(const void *frame, size_t len, ofp_port_t port,
                                      const struct in6_addr *tunnel_dst, uint32_t tunnel_id);
struct ofpbuf *ofp_message_table_stats_request(void);

/* What an error message says, on one line; the caller frees. */
char *ofp_message_error_text(const struct ofp_header *);

#endif
