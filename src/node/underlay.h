/* Keeps the way to the other nodes' tunnel endpoints warm.
 *
 * A switch in user space looks up the MAC address of a tunnel's next hop when
 * the first packet needs it, and drops that packet; for a TCP connection that
 * is a second.  A datagram to each endpoint (UDP port 9, discard, RFC 863),
 * sent before and repeated now and then, makes the kernel ask instead, and
 * the switch learns from the answer. */
#ifndef VIRGA_UNDERLAY_H
#define VIRGA_UNDERLAY_H 1

#include <netinet/in.h>
#include <stddef.h>

struct underlay *underlay_create(const struct in6_addr *vtep);
void underlay_destroy(struct underlay *);
/* The endpoints of the other nodes; copied.  New ones are greeted at once. */
void underlay_set_peers(struct underlay *, const struct in6_addr *, size_t n);
void underlay_run(struct underlay *);
void underlay_wait(struct underlay *);

#endif
