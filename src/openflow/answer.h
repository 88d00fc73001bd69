/* The answer to a rejected packet, with its way back.  Pure.
 *
 * It leaves by the port that the packet came in by and goes through no table:
 * no rule, no connection tracking of this node concerns it, and it can begin
 * nothing here.
 *
 * sender                 the answer
 * local endpoint         is put out of its port, as if from the router
 * the host, the world    is put out of the host's port, likewise
 * behind a tunnel        goes to the VTEP that the packet came from, with the
 *                        VNI of the sender's network and the identity of the
 *                        endpoint that was asked.  There the connection is
 *                        known, so it passes as a reply or as related. */
#ifndef VIRGA_ANSWER_H
#define VIRGA_ANSWER_H 1

struct ofpbuf;
struct packet_in;
struct records;

/* A packet-out, or NULL if there must or can be no answer. */
struct ofpbuf *answer_encode(const struct packet_in *, const struct records *);

#endif
