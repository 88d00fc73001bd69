/* A request to another network namespace goes through a socket that was made
 * inside it: a socket belongs to the namespace of its birth for good.  So the
 * thread enters the namespace only to make sockets, and comes back before
 * anything else runs. */
#include "node/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/nsfs.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netlink-socket.h"
#include "netlink.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(link);

/* --- Network namespaces ---------------------------------------------------- */

#define OWN_NETNS "/proc/thread-self/ns/net"

static bool
is_own_netns(int fd)
{
    struct stat a, b;
    return !fstat(fd, &a) && !stat(OWN_NETNS, &b) && a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

int
netns_open(const char *path, int *fdp)
{
    *fdp = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno;
    }
    int type = ioctl(fd, NS_GET_NSTYPE);
    int error = 0;
    if (type < 0) {
        error = ENOENT; /* The empty file that a bind mount left behind. */
    } else if (type != CLONE_NEWNET || is_own_netns(fd)) {
        error = EINVAL;
    }
    if (error) {
        close(fd);
        return error;
    }
    *fdp = fd;
    return 0;
}

/* Sockets in one network namespace. */
struct ns_socks {
    struct nl_sock *route;
    int ioctl; /* For SIOC*. */
};

static int
ns_socks_make(struct ns_socks *s)
{
    s->ioctl = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (s->ioctl < 0) {
        return errno;
    }
    int error = nl_sock_create(NETLINK_ROUTE, &s->route);
    if (error) {
        close(s->ioctl);
        s->ioctl = -1;
    }
    return error;
}

static void
ns_socks_close(struct ns_socks *s)
{
    nl_sock_destroy(s->route);
    if (s->ioctl >= 0) {
        close(s->ioctl);
    }
}

/* 'netns' -1: the caller's own. */
static int
ns_socks_open(int netns, struct ns_socks *s)
{
    *s = (struct ns_socks){ .ioctl = -1 };
    if (netns < 0) {
        return ns_socks_make(s);
    }
    int home = open(OWN_NETNS, O_RDONLY | O_CLOEXEC);
    if (home < 0) {
        return errno;
    }
    int error = setns(netns, CLONE_NEWNET) ? errno : 0;
    if (!error) {
        error = ns_socks_make(s);
        if (setns(home, CLONE_NEWNET)) {
            ovs_abort(errno, "cannot return to the node's network namespace");
        }
    }
    close(home);
    return error;
}

/* --- rtnetlink ---------------------------------------------------------------- */

/* Sends 'request' (emptied) and waits for the kernel's answer.  'text' gets
 * what the kernel says about an error, if anything. */
static int
transact(struct nl_sock *sock, struct ofpbuf *request, struct ofpbuf *reply, struct ds *text)
{
    int error = nl_sock_send(sock, request, true);
    ofpbuf_uninit(request);
    struct ofpbuf buf;
    ofpbuf_init(&buf, 4096);
    while (!error) {
        error = nl_sock_recv(sock, &buf, NULL, true);
        const char *message = NULL;
        if (!error && nl_msg_nlmsgerr(&buf, &error, &message)) {
            if (error && message && text) {
                ds_put_format(text, "%s: ", message);
            }
            break;
        }
        if (!error && reply) {
            ofpbuf_clear(reply);
            ofpbuf_put(reply, buf.data, buf.size);
        }
    }
    ofpbuf_uninit(&buf);
    return error;
}

static void *
start_request(struct ofpbuf *request, uint16_t type, uint16_t flags, size_t header)
{
    ofpbuf_init(request, 512);
    nl_msg_put_nlmsghdr(request, header, type, NLM_F_REQUEST | NLM_F_ACK | flags);
    return ofpbuf_put_zeros(request, header);
}

static char *
explain(int error, struct ds *text, const char *what, const char *ifname)
{
    char *s = error ? xasprintf("%s %s: %s%s", what, ifname, text ? ds_cstr(text) : "",
                                ovs_strerror(error))
                    : NULL;
    if (text) {
        ds_destroy(text);
    }
    return s;
}

static int
ifindex_in(const struct ns_socks *s, const char *ifname)
{
    struct ifreq ifr = { .ifr_ifindex = 0 };
    ovs_strzcpy(ifr.ifr_name, ifname, sizeof ifr.ifr_name);
    return ioctl(s->ioctl, SIOCGIFINDEX, &ifr) ? 0 : ifr.ifr_ifindex;
}

static void
put_addr(struct ofpbuf *request, uint16_t type, const struct in6_addr *addr)
{
    if (addr_is_ip4(addr)) {
        nl_msg_put_unspec(request, type, &addr->s6_addr[12], 4);
    } else {
        nl_msg_put_unspec(request, type, addr, 16);
    }
}

static uint8_t
family_of(const struct in6_addr *addr)
{
    return addr_is_ip4(addr) ? AF_INET : AF_INET6;
}

static uint8_t
plen_of(const struct prefix *p)
{
    return prefix_is_ip4(p) ? p->plen - 96 : p->plen;
}

static char *
set_up(const struct ns_socks *s, const char *ifname)
{
    struct ofpbuf request;
    struct ifinfomsg *ifi = start_request(&request, RTM_NEWLINK, 0, sizeof *ifi);
    ifi->ifi_index = ifindex_in(s, ifname);
    ifi->ifi_flags = IFF_UP;
    ifi->ifi_change = IFF_UP;
    struct ds text = DS_EMPTY_INITIALIZER;
    int error = transact(s->route, &request, NULL, &text);
    return explain(error, &text, "bringing up", ifname);
}

static char *
add_address(const struct ns_socks *s, const char *ifname, const struct prefix *address)
{
    struct ofpbuf request;
    struct ifaddrmsg *ifa = start_request(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE,
                                          sizeof *ifa);
    ifa->ifa_family = family_of(&address->addr);
    ifa->ifa_prefixlen = plen_of(address);
    ifa->ifa_flags = IFA_F_NODAD;
    ifa->ifa_index = ifindex_in(s, ifname);
    put_addr(&request, IFA_LOCAL, &address->addr);
    put_addr(&request, IFA_ADDRESS, &address->addr);
    struct ds text = DS_EMPTY_INITIALIZER;
    int error = transact(s->route, &request, NULL, &text);
    return explain(error, &text, "adding the address of", ifname);
}

static struct rtmsg *
start_route(struct ofpbuf *request, uint16_t type, uint16_t flags, uint8_t family)
{
    struct rtmsg *rtm = start_request(request, type, flags, sizeof *rtm);
    rtm->rtm_family = family;
    rtm->rtm_table = RT_TABLE_MAIN;
    rtm->rtm_type = RTN_UNICAST;
    return rtm;
}

static char *
add_default_route(const struct ns_socks *s, const char *ifname, const struct in6_addr *gateway)
{
    struct ofpbuf request;
    struct rtmsg *rtm = start_route(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE,
                                    family_of(gateway));
    rtm->rtm_protocol = RTPROT_STATIC;
    rtm->rtm_scope = RT_SCOPE_UNIVERSE;
    nl_msg_put_u32(&request, RTA_OIF, ifindex_in(s, ifname));
    put_addr(&request, RTA_GATEWAY, gateway);
    struct ds text = DS_EMPTY_INITIALIZER;
    int error = transact(s->route, &request, NULL, &text);
    return explain(error, &text, "adding the default route of", ifname);
}

/* --- The veth pair of a pod ---------------------------------------------------- */

static void
put_peer(struct ofpbuf *request, const struct link_pod *pod)
{
    size_t peer = nl_msg_start_nested(request, VETH_INFO_PEER);
    ofpbuf_put_zeros(request, sizeof(struct ifinfomsg));
    nl_msg_put_string(request, IFLA_IFNAME, pod->pod_ifname);
    nl_msg_put_unspec(request, IFLA_ADDRESS, &pod->mac, sizeof pod->mac);
    nl_msg_put_u32(request, IFLA_MTU, pod->mtu);
    nl_msg_put_u32(request, IFLA_NET_NS_FD, pod->netns);
    nl_msg_end_nested(request, peer);
}

static char *
create_veth(const struct ns_socks *host, const struct link_pod *pod, int *errorp)
{
    struct ofpbuf request;
    start_request(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(struct ifinfomsg));
    nl_msg_put_string(&request, IFLA_IFNAME, pod->host_ifname);
    nl_msg_put_u32(&request, IFLA_MTU, pod->mtu);
    size_t info = nl_msg_start_nested(&request, IFLA_LINKINFO);
    nl_msg_put_string(&request, IFLA_INFO_KIND, "veth");
    size_t data = nl_msg_start_nested(&request, IFLA_INFO_DATA);
    put_peer(&request, pod);
    nl_msg_end_nested(&request, data);
    nl_msg_end_nested(&request, info);
    struct ds text = DS_EMPTY_INITIALIZER;
    *errorp = transact(host->route, &request, NULL, &text);
    return explain(*errorp, &text, "creating", pod->pod_ifname);
}

static char *
ethtool_set(const struct ns_socks *s, const char *ifname, uint32_t command, uint32_t value)
{
    struct ethtool_value ev = { .cmd = command, .data = value };
    struct ifreq ifr = { .ifr_data = (void *) &ev };
    ovs_strzcpy(ifr.ifr_name, ifname, sizeof ifr.ifr_name);
    int error = ioctl(s->ioctl, SIOCETHTOOL, &ifr) ? errno : 0;
    return explain(error, NULL, "setting offloads of", ifname);
}

/* A bridge of the kernel has no use for an address of its own on the port. */
static void
quiet_ip6(const char *ifname)
{
    char *path = xasprintf("/proc/sys/net/ipv6/conf/%s/disable_ipv6", ifname);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (write(fd, "1", 1) != 1) {
            VLOG_DBG("%s: %s", path, ovs_strerror(errno));
        }
        close(fd);
    }
    free(path);
}

/* A switch in user space gets packets as the pod sends them: whole, with
 * their checksums, and no longer than the MTU. */
static char *
drop_offloads(const struct ns_socks *s, const char *ifname)
{
    char *error = ethtool_set(s, ifname, ETHTOOL_STXCSUM, 0);
    return error ? error : ethtool_set(s, ifname, ETHTOOL_STSO, 0);
}

static char *
setup_pod_end(const struct ns_socks *s, const struct link_pod *pod)
{
    char *error = pod->checksum_offload ? NULL : drop_offloads(s, pod->pod_ifname);
    if (!error) {
        error = set_up(s, "lo");
    }
    if (!error) {
        error = set_up(s, pod->pod_ifname);
    }
    for (size_t i = 0; i < pod->n_addresses && !error; i++) {
        error = add_address(s, pod->pod_ifname, &pod->addresses[i]);
        if (!error) {
            error = add_default_route(s, pod->pod_ifname, &pod->gateways[i]);
        }
    }
    return error;
}

static char *
setup_both_ends(const struct ns_socks *host, const struct link_pod *pod)
{
    quiet_ip6(pod->host_ifname);
    char *error = set_up(host, pod->host_ifname);
    if (error) {
        return error;
    }
    struct ns_socks inside;
    int retval = ns_socks_open(pod->netns, &inside);
    if (retval) {
        return explain(retval, NULL, "entering the namespace of", pod->pod_ifname);
    }
    error = setup_pod_end(&inside, pod);
    ns_socks_close(&inside);
    return error;
}

char *
link_attach_pod(const struct link_pod *pod, int *errorp)
{
    struct ns_socks host;
    *errorp = ns_socks_open(-1, &host);
    if (*errorp) {
        return explain(*errorp, NULL, "creating", pod->pod_ifname);
    }
    char *error = create_veth(&host, pod, errorp);
    if (!error) {
        error = setup_both_ends(&host, pod);
        if (error) {
            *errorp = EIO;
            ignore(link_delete(pod->host_ifname));
        }
    }
    ns_socks_close(&host);
    return error;
}

static bool
get_mac_in(const struct ns_socks *s, const char *ifname, struct eth_addr *mac)
{
    struct ifreq ifr = { .ifr_ifindex = 0 };
    ovs_strzcpy(ifr.ifr_name, ifname, sizeof ifr.ifr_name);
    if (ioctl(s->ioctl, SIOCGIFHWADDR, &ifr)) {
        return false;
    }
    memcpy(mac, ifr.ifr_hwaddr.sa_data, sizeof *mac);
    return true;
}

static bool
is_up_in(const struct ns_socks *s, const char *ifname)
{
    struct ifreq ifr = { .ifr_ifindex = 0 };
    ovs_strzcpy(ifr.ifr_name, ifname, sizeof ifr.ifr_name);
    return !ioctl(s->ioctl, SIOCGIFFLAGS, &ifr) && ifr.ifr_flags & IFF_UP;
}

/* Any address of the outside will do to learn where the default route goes. */
static bool
routes_by(const struct ns_socks *s, const char *ifname, const struct in6_addr *gateway)
{
    struct in6_addr outside;
    char *error = addr_parse(addr_is_ip4(gateway) ? "198.51.100.1" : "2001:db8::1", &outside);
    ovs_assert(!error);
    struct ofpbuf request;
    struct rtmsg *rtm = start_request(&request, RTM_GETROUTE, 0, sizeof *rtm);
    rtm->rtm_family = family_of(gateway);
    rtm->rtm_dst_len = addr_is_ip4(gateway) ? 32 : 128;
    put_addr(&request, RTA_DST, &outside);
    struct ofpbuf reply;
    ofpbuf_init(&reply, 0);
    bool good = false;
    if (!transact(s->route, &request, &reply, NULL) && reply.size) {
        size_t header = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof *rtm);
        const struct nlattr *oif = nl_attr_find(&reply, header, RTA_OIF);
        const struct nlattr *via = nl_attr_find(&reply, header, RTA_GATEWAY);
        size_t offset = addr_is_ip4(gateway) ? 12 : 0;
        good = oif && via && (int) nl_attr_get_u32(oif) == ifindex_in(s, ifname)
               && nl_attr_get_size(via) == 16 - offset
               && !memcmp(nl_attr_get(via), &gateway->s6_addr[offset], 16 - offset);
    }
    ofpbuf_uninit(&reply);
    return good;
}

static struct in6_addr
sockaddr_to_addr(const struct sockaddr *sa)
{
    if (sa->sa_family == AF_INET) {
        return in6_addr_mapped_ipv4(((const struct sockaddr_in *) sa)->sin_addr.s_addr);
    }
    return ((const struct sockaddr_in6 *) sa)->sin6_addr;
}

/* SIOCGIFADDR sees one IPv4 address; binding a socket sees them all. */
static bool
has_address(int netns, const struct in6_addr *addr)
{
    int home = open(OWN_NETNS, O_RDONLY | O_CLOEXEC);
    bool found = false;
    if (home >= 0 && !setns(netns, CLONE_NEWNET)) {
        int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_addr = *addr };
        found = fd >= 0 && !bind(fd, (struct sockaddr *) &sin6, sizeof sin6);
        if (fd >= 0) {
            close(fd);
        }
        if (setns(home, CLONE_NEWNET)) {
            ovs_abort(errno, "cannot return to the node's network namespace");
        }
    }
    if (home >= 0) {
        close(home);
    }
    return found;
}

static char *
check_pod_end(const struct ns_socks *s, const struct link_pod *pod)
{
    struct eth_addr mac;
    if (!get_mac_in(s, pod->pod_ifname, &mac)) {
        return xasprintf("interface %s is gone", pod->pod_ifname);
    }
    if (!eth_addr_equals(mac, pod->mac)) {
        return xasprintf("interface %s has MAC address " ETH_ADDR_FMT " instead of " ETH_ADDR_FMT,
                         pod->pod_ifname, ETH_ADDR_ARGS(mac), ETH_ADDR_ARGS(pod->mac));
    }
    if (!is_up_in(s, pod->pod_ifname)) {
        return xasprintf("interface %s is down", pod->pod_ifname);
    }
    for (size_t i = 0; i < pod->n_addresses; i++) {
        struct ds text = DS_EMPTY_INITIALIZER;
        addr_format(&pod->addresses[i].addr, &text);
        char *error = NULL;
        if (!has_address(pod->netns, &pod->addresses[i].addr)) {
            error = xasprintf("address %s is gone from %s", ds_cstr(&text), pod->pod_ifname);
        } else if (!routes_by(s, pod->pod_ifname, &pod->gateways[i])) {
            error = xasprintf("the default route by %s is gone", pod->pod_ifname);
        }
        ds_destroy(&text);
        if (error) {
            return error;
        }
    }
    return NULL;
}

char *
link_check_pod(const struct link_pod *pod)
{
    if (!link_exists(pod->host_ifname)) {
        return xasprintf("interface %s of the node is gone", pod->host_ifname);
    }
    struct ns_socks inside;
    int retval = ns_socks_open(pod->netns, &inside);
    if (retval) {
        return explain(retval, NULL, "entering the namespace of", pod->pod_ifname);
    }
    char *error = check_pod_end(&inside, pod);
    ns_socks_close(&inside);
    return error;
}

int
link_delete(const char *ifname)
{
    struct ofpbuf request;
    start_request(&request, RTM_DELLINK, 0, sizeof(struct ifinfomsg));
    nl_msg_put_string(&request, IFLA_IFNAME, ifname);
    struct ns_socks host;
    int error = ns_socks_open(-1, &host);
    if (error) {
        ofpbuf_uninit(&request);
        return error;
    }
    error = transact(host.route, &request, NULL, NULL);
    ns_socks_close(&host);
    return error == ENODEV ? 0 : error;
}

bool
link_exists(const char *ifname)
{
    return if_nametoindex(ifname) != 0;
}

bool
link_get_mac(const char *ifname, struct eth_addr *mac)
{
    struct ns_socks host;
    if (ns_socks_open(-1, &host)) {
        return false;
    }
    bool found = get_mac_in(&host, ifname, mac);
    ns_socks_close(&host);
    return found;
}

/* --- Links and routes of the node ----------------------------------------------- */

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
link_mtu_of_address(const struct in6_addr *addr)
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
link_addresses(const struct in6_addr *vtep, const char *except, size_t *np)
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
link_set_up(const char *ifname)
{
    struct ns_socks host;
    int error = ns_socks_open(-1, &host);
    if (error) {
        return explain(error, NULL, "bringing up", ifname);
    }
    char *text = set_up(&host, ifname);
    ns_socks_close(&host);
    return text;
}

static int
change_route(const struct ns_socks *s, uint16_t type, uint16_t flags, int ifindex,
             const struct in6_addr *src, const struct prefix *dst, struct ds *text)
{
    struct ofpbuf request;
    struct rtmsg *rtm = start_route(&request, type, flags, family_of(&dst->addr));
    rtm->rtm_protocol = LINK_ROUTE_PROTOCOL;
    rtm->rtm_scope = RT_SCOPE_LINK;
    rtm->rtm_dst_len = plen_of(dst);
    put_addr(&request, RTA_DST, &dst->addr);
    nl_msg_put_u32(&request, RTA_OIF, ifindex);
    if (src) {
        put_addr(&request, RTA_PREFSRC, src);
    }
    return transact(s->route, &request, NULL, text);
}

/* The destination of a route of ours over 'ifindex'; false if it is another. */
static bool
parse_own_route(const struct ofpbuf *msg, int ifindex, struct prefix *dst)
{
    const struct rtmsg *rtm = ofpbuf_at(msg, NLMSG_HDRLEN, sizeof *rtm);
    if (!rtm || rtm->rtm_protocol != LINK_ROUTE_PROTOCOL || rtm->rtm_table != RT_TABLE_MAIN
        || rtm->rtm_family != AF_INET) {
        return false;
    }
    size_t header = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof *rtm);
    const struct nlattr *oif = nl_attr_find(msg, header, RTA_OIF);
    const struct nlattr *a = nl_attr_find(msg, header, RTA_DST);
    if (!oif || (int) nl_attr_get_u32(oif) != ifindex || !a || nl_attr_get_size(a) != 4) {
        return false;
    }
    ovs_be32 ip;
    memcpy(&ip, nl_attr_get(a), sizeof ip);
    *dst = (struct prefix){ .addr = in6_addr_mapped_ipv4(ip), .plen = 96 + rtm->rtm_dst_len };
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

static struct prefix *
stale_routes(int ifindex, const struct prefix *dsts, size_t n_dsts, size_t *n)
{
    struct prefix *stale = NULL;
    size_t allocated = 0;
    *n = 0;
    struct ofpbuf request;
    struct rtmsg *rtm = start_request(&request, RTM_GETROUTE, 0, sizeof *rtm);
    rtm->rtm_family = AF_INET;
    struct nl_dump dump;
    nl_dump_start(&dump, NETLINK_ROUTE, &request);
    ofpbuf_uninit(&request);
    uint64_t stub[NL_DUMP_BUFSIZE / 8];
    struct ofpbuf buf, msg;
    ofpbuf_use_stub(&buf, stub, sizeof stub);
    while (nl_dump_next(&dump, &msg, &buf)) {
        struct prefix p;
        if (parse_own_route(&msg, ifindex, &p) && !is_wanted(&p, dsts, n_dsts)) {
            if (*n == allocated) {
                stale = x2nrealloc(stale, &allocated, sizeof *stale);
            }
            stale[(*n)++] = p;
        }
    }
    ofpbuf_uninit(&buf);
    nl_dump_done(&dump);
    return stale;
}

char *
link_sync_routes(const char *ifname, const struct in6_addr *src, const struct prefix *dsts,
                 size_t n)
{
    struct ns_socks host;
    int error = ns_socks_open(-1, &host);
    if (error) {
        return explain(error, NULL, "routing by", ifname);
    }
    struct ds text = DS_EMPTY_INITIALIZER;
    int ifindex = ifindex_in(&host, ifname);
    for (size_t i = 0; i < n && !error; i++) {
        error = change_route(&host, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, ifindex, src,
                             &dsts[i], &text);
    }
    size_t n_stale;
    struct prefix *stale = stale_routes(ifindex, dsts, n, &n_stale);
    for (size_t i = 0; i < n_stale && !error; i++) {
        error = change_route(&host, RTM_DELROUTE, 0, ifindex, NULL, &stale[i], &text);
        error = error == ESRCH ? 0 : error;
    }
    free(stale);
    ns_socks_close(&host);
    return explain(error, &text, "routing by", ifname);
}
