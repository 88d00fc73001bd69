/* Interfaces, addresses and routes of the node itself. */
#ifndef VIRGA_HOST_LINKS_H
#define VIRGA_HOST_LINKS_H 1

#include <netinet/in.h>
#include <stddef.h>

#include "base/prefix.h"

/* MTU of the interface that has 'addr'; 0 if none has. */
int host_links_mtu_of_address(const struct in6_addr *addr);
char *host_links_set_up(const char *ifname) __attribute__((warn_unused_result));

/* Keeps the set of routes over 'ifname' that Virga owns (they carry the
 * protocol number HOST_LINKS_PROTOCOL) equal to 'dsts', each with the first of
 * 'srcs' that has its family as preferred source, if there is one. */
enum { HOST_LINKS_PROTOCOL = 0x56 };
char *host_links_sync_routes(const char *ifname, const struct in6_addr *srcs, size_t n_srcs,
                             const struct prefix *dsts, size_t n)
    __attribute__((warn_unused_result));

/* The addresses by which others reach the node: all of its interfaces, but
 * not loopback, link-local ones, those of interface 'except', nor those of a
 * kernel bridge, which are the same on many nodes ("docker0").  The last does
 * not count for the interface with 'vtep'.  Sorted, unique; the caller frees. */
struct in6_addr *host_links_addresses(const struct in6_addr *vtep, const char *except, size_t *n);

#endif
