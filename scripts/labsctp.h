/* As much of SCTP as tells whether it gets through: INIT and its answers, over
 * raw sockets, since many kernels have no SCTP of their own.
 *
 * An INIT ACK carries the listener's name as its state cookie.  No association
 * is ever set up: to a firewall the first packet and its answer say all.
 * Formats: RFC 9260, sections 3.1 to 3.3; checksum: its appendix A. */
#ifndef LABSCTP_H
#define LABSCTP_H 1

#include <stddef.h>
#include <stdint.h>

enum {
    SCTP_INIT = 1,
    SCTP_INIT_ACK = 2,
    SCTP_ABORT = 6,
    SCTP_MAX_PACKET = 512,
};

/* The common header and what matters of the first chunk. */
struct sctp_packet {
    uint16_t src_port, dst_port;
    uint32_t tag;          /* Verification tag: who receives it chose that. */
    uint8_t type;          /* Of the first chunk. */
    uint32_t initiate_tag; /* INIT, INIT ACK: for 'tag' of what is answered. */
    char cookie[256];      /* INIT ACK; "" if there is none. */
};

/* Reads what comes behind the IP header; returns 0, or -1 if it is no whole
 * SCTP packet with a right checksum. */
int sctp_parse(const uint8_t *data, size_t size, struct sctp_packet *);

/* Writes a packet of at most SCTP_MAX_PACKET bytes; returns its size. */
size_t sctp_format(const struct sctp_packet *, uint8_t *data);

#endif
