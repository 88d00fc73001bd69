#include "node/host_links.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "netlink-socket.h"
#include "netlink.h"
#include "node/rtnl.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "util.h"

static struct in6_addr
sockaddr_to_addr(const struct sockaddr *sa)
{
    if (sa->sa_family == AF_INET) {
        return in6_addr_mapped_ipv4(((const struct sockaddr_in *) sa)->sin_addr.s_addr);
    }
    return ((const struct sockaddr_in6 *) sa)->sin6_addr;
}

static bool
has_ip(const struct ifaddrs *ifa)
{
    return ifa->ifa_addr
           && (ifa->ifa_addr->sa_family == AF_INET || ifa->ifa_addr->sa_family == AF_INET6);
}

static int
mtu_of(const char *ifname)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq ifr = { .ifr_mtu = 0 };
    ovs_strzcpy(ifr.ifr_name, ifname, sizeof ifr.ifr_name);
    int mtu = fd >= 0 && !ioctl(fd, SIOCGIFMTU, &ifr) ? ifr.ifr_mtu : 0;
    if (fd >= 0) {
        close(fd);
    }
    return mtu;
}

static int
compare_addrs(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct in6_addr));
}

static bool
is_bridge(const char *ifname)
{
    struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
    struct ifreq ifr = { .ifr_data = (void *) &info };
    ovs_strzcpy(ifr.ifr_name, ifname, sizeof ifr.ifr_name);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool bridge = fd >= 0 && !ioctl(fd, SIOCETHTOOL, &ifr) && !strcmp(info.driver, "bridge");
    if (fd >= 0) {
        close(fd);
    }
    return bridge;
}

/* The name of the interface that has 'addr', "" if none. */
static const char *
interface_of_address(const struct ifaddrs *all, const struct in6_addr *addr)
{
    for (const struct ifaddrs *ifa = all; ifa; ifa = ifa->ifa_next) {
        if (has_ip(ifa)) {
            struct in6_addr a = sockaddr_to_addr(ifa->ifa_addr);
            if (!memcmp(&a, addr, sizeof a)) {
                return ifa->ifa_name;
            }
        }
    }
    return "";
}

static size_t
sort_unique(struct in6_addr *addrs, size_t n)
{
    if (!n) {
        return 0;
    }
    qsort(addrs, n, sizeof *addrs, compare_addrs);
    size_t kept = 1;
    for (size_t i = 1; i < n; i++) {
        if (memcmp(&addrs[kept - 1], &addrs[i], sizeof addrs[i])) {
            addrs[kept++] = addrs[i];
        }
    }
    return kept;
}

int
host_links_mtu_of_address(const struct in6_addr *addr)
{
    struct ifaddrs *all;
    if (getifaddrs(&all)) {
        return 0;
    }
    const char *ifname = interface_of_address(all, addr);
    int mtu = ifname[0] ? mtu_of(ifname) : 0;
    freeifaddrs(all);
    return mtu;
}

struct in6_addr *
host_links_addresses(const struct in6_addr *vtep, const char *except, size_t *np)
{
    struct ifaddrs *all;
    struct in6_addr *addrs = NULL;
    size_t n = 0, allocated = 0;
    *np = 0;
    if (getifaddrs(&all)) {
        return NULL;
    }
    const char *underlay = interface_of_address(all, vtep);
    for (const struct ifaddrs *ifa = all; ifa; ifa = ifa->ifa_next) {
        if (!has_ip(ifa) || ifa->ifa_flags & IFF_LOOPBACK || !strcmp(ifa->ifa_name, except)
            || (strcmp(ifa->ifa_name, underlay) && is_bridge(ifa->ifa_name))) {
            continue;
        }
        struct in6_addr a = sockaddr_to_addr(ifa->ifa_addr);
        if (!IN6_IS_ADDR_LINKLOCAL(&a)) {
            if (n == allocated) {
                addrs = x2nrealloc(addrs, &allocated, sizeof *addrs);
            }
            addrs[n++] = a;
        }
    }
    freeifaddrs(all);
    *np = sort_unique(addrs, n);
    return addrs;
}

char *
host_links_set_up(const char *ifname)
{
    struct rtnl host;
    int error = rtnl_open(-1, &host);
    if (error) {
        return rtnl_explain(error, NULL, "bringing up", ifname);
    }
    char *text = rtnl_set_up(&host, ifname);
    rtnl_close(&host);
    return text;
}

static int
change_route(struct rtnl *s, uint16_t type, uint16_t flags, int ifindex,
             const struct in6_addr *src, const struct prefix *dst, struct ds *text)
{
    struct ofpbuf request;
    struct rtmsg *rtm = rtnl_route_request(&request, type, flags, rtnl_family(&dst->addr));
    rtm->rtm_protocol = HOST_LINKS_PROTOCOL;
    rtm->rtm_scope = RT_SCOPE_LINK;
    rtm->rtm_dst_len = rtnl_plen(dst);
    rtnl_put_addr(&request, RTA_DST, &dst->addr);
    nl_msg_put_u32(&request, RTA_OIF, ifindex);
    if (src) {
        rtnl_put_addr(&request, RTA_PREFSRC, src);
    }
    return rtnl_transact(s, &request, NULL, text);
}

/* The destination of a route of ours over 'ifindex'; false if it is another. */
static bool
parse_own_route(const struct ofpbuf *msg, int ifindex, struct prefix *dst)
{
    const struct rtmsg *rtm = ofpbuf_at(msg, NLMSG_HDRLEN, sizeof *rtm);
    if (!rtm || rtm->rtm_protocol != HOST_LINKS_PROTOCOL || rtm->rtm_table != RT_TABLE_MAIN
        || (rtm->rtm_family != AF_INET && rtm->rtm_family != AF_INET6)) {
        return false;
    }
    bool ip4 = rtm->rtm_family == AF_INET;
    size_t size = ip4 ? 4 : 16;
    size_t header = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof *rtm);
    const struct nlattr *oif = nl_attr_find(msg, header, RTA_OIF);
    const struct nlattr *a = nl_attr_find(msg, header, RTA_DST);
    if (!oif || (int) nl_attr_get_u32(oif) != ifindex || !a || nl_attr_get_size(a) != size) {
        return false;
    }
    *dst = (struct prefix){ .plen = rtm->rtm_dst_len + (ip4 ? 96 : 0) };
    if (ip4) {
        ovs_be32 ip;
        memcpy(&ip, nl_attr_get(a), sizeof ip);
        dst->addr = in6_addr_mapped_ipv4(ip);
    } else {
        memcpy(&dst->addr, nl_attr_get(a), sizeof dst->addr);
    }
    return true;
}

static bool
is_wanted(const struct prefix *p, const struct prefix *dsts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!prefix_compare(p, &dsts[i])) {
            return true;
        }
    }
    return false;
}

struct prefix_array {
    struct prefix *a;
    size_t n, allocated;
};

/* Appends our own routes over 'ifindex' that are not wanted. */
static void
find_stale_routes(uint8_t family, int ifindex, const struct prefix *dsts, size_t n_dsts,
                  struct prefix_array *stale)
{
    struct ofpbuf request;
    struct rtmsg *rtm = rtnl_request(&request, RTM_GETROUTE, 0, sizeof *rtm);
    rtm->rtm_family = family;
    struct nl_dump dump;
    nl_dump_start(&dump, NETLINK_ROUTE, &request);
    ofpbuf_uninit(&request);
    uint64_t stub[NL_DUMP_BUFSIZE / 8];
    struct ofpbuf buf, msg;
    ofpbuf_use_stub(&buf, stub, sizeof stub);
    while (nl_dump_next(&dump, &msg, &buf)) {
        struct prefix p;
        if (parse_own_route(&msg, ifindex, &p) && !is_wanted(&p, dsts, n_dsts)) {
            if (stale->n == stale->allocated) {
                stale->a = x2nrealloc(stale->a, &stale->allocated, sizeof *stale->a);
            }
            stale->a[stale->n++] = p;
        }
    }
    ofpbuf_uninit(&buf);
    nl_dump_done(&dump);
}

static const struct in6_addr *
source_for(const struct prefix *dst, const struct in6_addr *srcs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (addr_is_ip4(&srcs[i]) == prefix_is_ip4(dst)) {
            return &srcs[i];
        }
    }
    return NULL;
}

char *
host_links_sync_routes(const char *ifname, const struct in6_addr *srcs, size_t n_srcs,
                       const struct prefix *dsts, size_t n)
{
    struct rtnl host;
    int error = rtnl_open(-1, &host);
    if (error) {
        return rtnl_explain(error, NULL, "routing by", ifname);
    }
    struct ds text = DS_EMPTY_INITIALIZER;
    int ifindex = rtnl_ifindex(&host, ifname);
    for (size_t i = 0; i < n && !error; i++) {
        error = change_route(&host, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, ifindex,
                             source_for(&dsts[i], srcs, n_srcs), &dsts[i], &text);
    }
    struct prefix_array stale = { .n = 0 };
    find_stale_routes(AF_INET, ifindex, dsts, n, &stale);
    find_stale_routes(AF_INET6, ifindex, dsts, n, &stale);
    for (size_t i = 0; i < stale.n && !error; i++) {
        error = change_route(&host, RTM_DELROUTE, 0, ifindex, NULL, &stale.a[i], &text);
        error = error == ESRCH ? 0 : error;
    }
    free(stale.a);
    rtnl_close(&host);
    return rtnl_explain(error, &text, "routing by", ifname);
}
