/* Network interfaces of the kernel: the veth pair of a pod, addresses,
 * routes, offloads.
 *
 * By rtnetlink and ioctl, never by a command.  Every call is one or a few
 * short requests to the kernel and returns when they are done.  What goes
 * wrong comes back as malloc'd text that names the interface and the request,
 * NULL if all went well. */
#ifndef VIRGA_LINK_H
#define VIRGA_LINK_H 1

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/prefix.h"
#include "openvswitch/types.h"

/* --- Network namespaces ---------------------------------------------------- */

/* Opens a network namespace for the calls below.  0, ENOENT if nothing is
 * there (or what is there is no longer a namespace), EINVAL if it is
 * something else or the caller's own. */
int netns_open(const char *path, int *fd) __attribute__((warn_unused_result));

/* --- The veth pair of a pod -------------------------------------------------- */

struct link_pod {
    const char *host_ifname; /* In the caller's namespace, a port of the bridge. */
    const char *pod_ifname;  /* In the pod's. */
    int netns;               /* From netns_open(). */
    struct eth_addr mac;     /* Of the pod's end. */
    int mtu;
    const struct prefix *addresses; /* With the length of the subnet. */
    const struct in6_addr *gateways; /* Default route of each address. */
    size_t n_addresses;
    bool checksum_offload; /* May the pod leave checksums to the device? */
};

/* Makes both ends, sets up the pod's, sets addresses and routes.  EEXIST in
 * *error (if an interface of that name is in either namespace) and other
 * failures leave nothing behind. */
char *link_attach_pod(const struct link_pod *, int *error)
    __attribute__((warn_unused_result));

/* Is it as link_attach_pod() made it?  Further addresses and routes do not
 * matter. */
char *link_check_pod(const struct link_pod *) __attribute__((warn_unused_result));

/* 0 also if there is none; a veth's other end goes with it. */
int link_delete(const char *ifname) __attribute__((warn_unused_result));

bool link_exists(const char *ifname);
/* False if it is not there. */
bool link_get_mac(const char *ifname, struct eth_addr *);

/* --- Links and routes of the node -------------------------------------------- */

/* MTU of the interface that has 'addr'; 0 if none has. */
int link_mtu_of_address(const struct in6_addr *addr);
char *link_set_up(const char *ifname) __attribute__((warn_unused_result));

/* Keeps the set of routes over 'ifname' that Virga owns (they carry the
 * protocol number LINK_ROUTE_PROTOCOL) equal to 'dsts', each with preferred
 * source 'src'. */
enum { LINK_ROUTE_PROTOCOL = 0x56 };
char *link_sync_routes(const char *ifname, const struct in6_addr *src,
                       const struct prefix *dsts, size_t n)
    __attribute__((warn_unused_result));

/* The addresses by which others reach the node: all of its interfaces, but
 * not loopback, link-local ones, those of interface 'except', nor those of a
 * kernel bridge, which are the same on many nodes ("docker0").  The last does
 * not count for the interface with 'vtep'.  Sorted, unique; the caller frees. */
struct in6_addr *link_addresses(const struct in6_addr *vtep, const char *except, size_t *n);

#endif
