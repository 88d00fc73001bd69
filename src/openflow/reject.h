/* The answer to a packet that a rule rejects.  Pure.
 *
 * TCP gets a reset (RFC 9293 section 3.10.7.1), everything else an ICMP
 * "destination unreachable, administratively prohibited" (RFC 792 and 1812:
 * type 3 code 13; RFC 4443: type 1 code 1).  Nothing that could begin a loop
 * or reach somebody who did not send is ever answered: resets, ICMP but
 * requests, fragments but the first, and packets from or to what is not one
 * host (RFC 1122 section 3.2.2, RFC 4443 section 2.4). */
#ifndef VIRGA_REJECT_H
#define VIRGA_REJECT_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "openvswitch/types.h"

enum {
    /* How much of a packet is needed: all headers that a host sends in earnest,
     * and as much of the rest as ICMP's receiver may ask for. */
    REJECT_FRAME_LEN = 192,
    REJECT_ANSWER_MAX = 576, /* RFC 1812 section 4.3.2.3. */
};

struct reject_answer {
    size_t len;
    uint8_t frame[14 + REJECT_ANSWER_MAX];
};

/* 'frame' is the packet from its Ethernet header on, perhaps cut short.  The
 * answer goes from 'eth_src' to 'eth_dst'.  False: there must be none. */
bool reject_build(const uint8_t *frame, size_t len, struct eth_addr eth_src,
                  struct eth_addr eth_dst, struct reject_answer *);

#endif
