/* Packets that flows sent to the agent with controller(userdata=...), decoded
 * (NXT_PACKET_IN2 of Open vSwitch), and the user data itself
 * (include/virga/userdata.h).  Pure; refuses whatever is not of Virga. */
#ifndef VIRGA_PACKET_IN_H
#define VIRGA_PACKET_IN_H 1

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "openvswitch/types.h"
#include "virga/userdata.h"

struct ofp_header;
struct ofpbuf;

struct packet_in {
    uint8_t features; /* enum virga_userdata_feature, at least one. */
    uint32_t id;
    ofp_port_t in_port;
    uint32_t src_identity, dst_identity;
    uint32_t src_network, dst_network;
    uint32_t origin, target;    /* enum pipeline_side */
    struct in6_addr tunnel_src; /* All zeros unless it came by the tunnel. */
    const uint8_t *frame;       /* Borrowed from the message. */
    size_t frame_len;           /* What the message has of it. */
    /* Sent to the switch, it lets a held packet go on; NULL: it is not held. */
    struct ofpbuf *resume;
};

/* False if the message is none of Virga's; nothing is to be freed then. */
bool packet_in_decode(const struct ofp_header *, struct packet_in *);
void packet_in_uninit(struct packet_in *);

struct virga_userdata packet_in_userdata(uint8_t features, uint32_t id);

#endif
