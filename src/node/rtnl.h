/* Requests to the kernel about interfaces, in this network namespace or
 * another one.
 *
 * A socket belongs to the namespace of its birth for good.  So the thread
 * enters a namespace only to make sockets, and comes back before anything
 * else runs. */
#ifndef VIRGA_RTNL_H
#define VIRGA_RTNL_H 1

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "base/prefix.h"

struct ds;
struct nl_sock;
struct ofpbuf;
struct rtmsg;

/* Path of the namespace that the thread is in. */
#define RTNL_OWN_NETNS "/proc/thread-self/ns/net"

/* Sockets in one network namespace. */
struct rtnl {
    struct nl_sock *route;
    int ioctl; /* For SIOC*. */
};

/* 'netns': a descriptor of the namespace, -1 for the caller's own.  0 or a
 * positive errno. */
int rtnl_open(int netns, struct rtnl *) __attribute__((warn_unused_result));
void rtnl_close(struct rtnl *);

/* Begins a request with a zeroed header of 'header' bytes, which it returns. */
void *rtnl_request(struct ofpbuf *, uint16_t type, uint16_t flags, size_t header);
struct rtmsg *rtnl_route_request(struct ofpbuf *, uint16_t type, uint16_t flags, uint8_t family);

/* Sends 'request' (emptied) and waits for the kernel's answer.  'reply' (NULL:
 * not wanted) gets the last message, 'text' (NULL: not wanted) what the
 * kernel says about an error, if anything. */
int rtnl_transact(struct rtnl *, struct ofpbuf *request, struct ofpbuf *reply, struct ds *text);

/* NULL if 'error' is 0; else a malloc'd sentence.  Empties 'text' (or NULL). */
char *rtnl_explain(int error, struct ds *text, const char *what, const char *ifname);

int rtnl_ifindex(const struct rtnl *, const char *ifname); /* 0 if there is none. */
char *rtnl_set_up(struct rtnl *, const char *ifname) __attribute__((warn_unused_result));

void rtnl_put_addr(struct ofpbuf *, uint16_t type, const struct in6_addr *);
uint8_t rtnl_family(const struct in6_addr *);
uint8_t rtnl_plen(const struct prefix *); /* In the prefix's own family. */

#endif
