/* Network interfaces of pods: veth pairs with addresses, routes, offloads.
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
    const struct prefix *addresses;  /* With the length of the subnet. */
    const struct in6_addr *gateways; /* Default route of each address. */
    size_t n_addresses;
    bool checksum_offload; /* May the pod leave checksums to the device? */
};

/* Makes both ends, sets up the pod's, sets addresses and routes.  EEXIST in
 * *error (if an interface of that name is in either namespace) and other
 * failures leave nothing behind. */
char *link_attach_pod(const struct link_pod *, int *error) __attribute__((warn_unused_result));

/* Is it as link_attach_pod() made it?  Further addresses and routes do not
 * matter. */
char *link_check_pod(const struct link_pod *) __attribute__((warn_unused_result));

/* 0 also if there is none; a veth's other end goes with it. */
int link_delete(const char *ifname) __attribute__((warn_unused_result));

bool link_exists(const char *ifname);
/* False if it is not there. */
bool link_get_mac(const char *ifname, struct eth_addr *);

#endif
