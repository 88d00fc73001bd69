/* Flows that keep connections cut.
 *
 * Conntrack takes the first packet that it sees of a connection as its start,
 * whatever its direction.  When a connection is cut, the responder may still
 * send: to the rules that would be a new connection of the responder, and if
 * that direction is allowed the cut one would go on, reversed.  A guard is one
 * flow of table ct_state that drops such packets of the responder.  It lets
 * genuine ones pass: for TCP it holds for packets without SYN only.
 *
 * In the first direction no guard is needed; the rules deny it there, and
 * count it.
 *
 * ICMPv6 is another matter: ovs-vswitchd 3.1 aborts when it is asked to forget
 * an ICMPv6 connection (reverse_icmp_type() in its lib/conntrack.c).  So its
 * guards drop both directions, echo requests and their replies, before they
 * reach conntrack, which then forgets the connection by itself. */
#ifndef VIRGA_GUARDS_H
#define VIRGA_GUARDS_H 1

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct flow_table;
struct match;

/* The packets that a guard drops: of the responder. */
struct guard_tuple {
    struct in6_addr src, dst;
    uint16_t src_port, dst_port; /* Both 0: whatever the ports. */
    uint8_t protocol;
};

enum {
    GUARDS_MAX = 10000, /* More: the oldest go. */
    /* As long as conntrack itself would have remembered an idle connection:
     * a TCP peer may send again after hours. */
    GUARD_TCP_MS = 24 * 3600 * 1000,
    GUARD_MS = 60 * 1000,
    GUARD_ICMP6_MS = 90 * 1000, /* Longer than conntrack remembers an idle one: 60 s. */
};

/* The flows go to 'flows', which must outlive the guards, under owners of kind
 * FLOW_OWNER_GUARD. */
struct guards *guards_create(struct flow_table *flows);
/* Leaves the flows in the table. */
void guards_destroy(struct guards *);

/* A guard that is there already lasts longer.  'now' in ms. */
void guards_add(struct guards *, const struct guard_tuple *, long long int now);
/* Takes over the guard of an earlier life, whose flow has this match. */
void guards_adopt(struct guards *, const struct match *, long long int now);
/* Removes those whose time is over. */
void guards_run(struct guards *, long long int now);
/* When the next one is over; LLONG_MAX: never. */
long long int guards_next(const struct guards *);

size_t guards_count(const struct guards *);
/* How many had to go early. */
uint64_t guards_n_evicted(const struct guards *);
bool guards_has(const struct guards *, const struct guard_tuple *);
/* Removes those that 'keep' does not want. */
void guards_filter(struct guards *, bool (*keep)(const struct guard_tuple *, void *aux),
                   void *aux);

#endif
