#include "node/link.h"

#include <errno.h>
#include <fcntl.h>
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
#include "node/rtnl.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(link);

/* --- Network namespaces ---------------------------------------------------- */

static bool
is_own_netns(int fd)
{
    struct stat a, b;
    return !fstat(fd, &a) && !stat(RTNL_OWN_NETNS, &b) && a.st_ino == b.st_ino
           && a.st_dev == b.st_dev;
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

/* --- The veth pair of a pod ------------------------------------------------ */

static char *
add_address(struct rtnl *s, const char *ifname, const struct prefix *address)
{
    struct ofpbuf request;
    struct ifaddrmsg *ifa = rtnl_request(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE,
                                         sizeof *ifa);
    ifa->ifa_family = rtnl_family(&address->addr);
    ifa->ifa_prefixlen = rtnl_plen(address);
    ifa->ifa_flags = IFA_F_NODAD;
    ifa->ifa_index = rtnl_ifindex(s, ifname);
    rtnl_put_addr(&request, IFA_LOCAL, &address->addr);
    rtnl_put_addr(&request, IFA_ADDRESS, &address->addr);
    struct ds text = DS_EMPTY_INITIALIZER;
    int error = rtnl_transact(s, &request, NULL, &text);
    return rtnl_explain(error, &text, "adding the address of", ifname);
}

static char *
add_default_route(struct rtnl *s, const char *ifname, const struct in6_addr *gateway)
{
    struct ofpbuf request;
    struct rtmsg *rtm = rtnl_route_request(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE,
                                           rtnl_family(gateway));
    rtm->rtm_protocol = RTPROT_STATIC;
    rtm->rtm_scope = RT_SCOPE_UNIVERSE;
    nl_msg_put_u32(&request, RTA_OIF, rtnl_ifindex(s, ifname));
    rtnl_put_addr(&request, RTA_GATEWAY, gateway);
    struct ds text = DS_EMPTY_INITIALIZER;
    int error = rtnl_transact(s, &request, NULL, &text);
    return rtnl_explain(error, &text, "adding the default route of", ifname);
}

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
create_veth(struct rtnl *host, const struct link_pod *pod, int *errorp)
{
    struct ofpbuf request;
    rtnl_request(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(struct ifinfomsg));
    nl_msg_put_string(&request, IFLA_IFNAME, pod->host_ifname);
    nl_msg_put_u32(&request, IFLA_MTU, pod->mtu);
    size_t info = nl_msg_start_nested(&request, IFLA_LINKINFO);
    nl_msg_put_string(&request, IFLA_INFO_KIND, "veth");
    size_t data = nl_msg_start_nested(&request, IFLA_INFO_DATA);
    put_peer(&request, pod);
    nl_msg_end_nested(&request, data);
    nl_msg_end_nested(&request, info);
    struct ds text = DS_EMPTY_INITIALIZER;
    *errorp = rtnl_transact(host, &request, NULL, &text);
    return rtnl_explain(*errorp, &text, "creating", pod->pod_ifname);
}

static char *
ethtool_set(struct rtnl *s, const char *ifname, uint32_t command, uint32_t value)
{
    struct ethtool_value ev = { .cmd = command, .data = value };
    struct ifreq ifr = { .ifr_data = (void *) &ev };
    ovs_strzcpy(ifr.ifr_name, ifname, sizeof ifr.ifr_name);
    int error = ioctl(s->ioctl, SIOCETHTOOL, &ifr) ? errno : 0;
    return rtnl_explain(error, NULL, "setting offloads of", ifname);
}

static void
write_disable_ip6(const char *ifname, const char *value)
{
    char *path = xasprintf("/proc/sys/net/ipv6/conf/%s/disable_ipv6", ifname);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (write(fd, value, 1) != 1) {
            VLOG_DBG("%s: %s", path, ovs_strerror(errno));
        }
        close(fd);
    }
    free(path);
}

/* Some runtimes switch IPv6 off in new namespaces. */
static void
enable_ip6(int netns, const char *ifname)
{
    int home = open(RTNL_OWN_NETNS, O_RDONLY | O_CLOEXEC);
    if (home >= 0 && !setns(netns, CLONE_NEWNET)) {
        write_disable_ip6(ifname, "0");
        if (setns(home, CLONE_NEWNET)) {
            ovs_abort(errno, "cannot return to the node's network namespace");
        }
    }
    if (home >= 0) {
        close(home);
    }
}

static bool
wants_ip6(const struct link_pod *pod)
{
    for (size_t i = 0; i < pod->n_addresses; i++) {
        if (!prefix_is_ip4(&pod->addresses[i])) {
            return true;
        }
    }
    return false;
}

/* A switch in user space gets packets as the pod sends them: whole, with
 * their checksums, and no longer than the MTU. */
static char *
drop_offloads(struct rtnl *s, const char *ifname)
{
    char *error = ethtool_set(s, ifname, ETHTOOL_STXCSUM, 0);
    return error ? error : ethtool_set(s, ifname, ETHTOOL_STSO, 0);
}

static char *
setup_pod_end(struct rtnl *s, const struct link_pod *pod)
{
    char *error = pod->checksum_offload ? NULL : drop_offloads(s, pod->pod_ifname);
    if (!error) {
        error = rtnl_set_up(s, "lo");
    }
    if (!error) {
        error = rtnl_set_up(s, pod->pod_ifname);
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
setup_both_ends(struct rtnl *host, const struct link_pod *pod)
{
    /* A port of a bridge has no use for an address of its own. */
    write_disable_ip6(pod->host_ifname, "1");
    if (wants_ip6(pod)) {
        enable_ip6(pod->netns, pod->pod_ifname);
    }
    char *error = rtnl_set_up(host, pod->host_ifname);
    if (error) {
        return error;
    }
    struct rtnl inside;
    int retval = rtnl_open(pod->netns, &inside);
    if (retval) {
        return rtnl_explain(retval, NULL, "entering the namespace of", pod->pod_ifname);
    }
    error = setup_pod_end(&inside, pod);
    rtnl_close(&inside);
    return error;
}

char *
link_attach_pod(const struct link_pod *pod, int *errorp)
{
    struct rtnl host;
    *errorp = rtnl_open(-1, &host);
    if (*errorp) {
        return rtnl_explain(*errorp, NULL, "creating", pod->pod_ifname);
    }
    char *error = create_veth(&host, pod, errorp);
    if (!error) {
        error = setup_both_ends(&host, pod);
        if (error) {
            *errorp = EIO;
            ignore(link_delete(pod->host_ifname));
        }
    }
    rtnl_close(&host);
    return error;
}

static bool
get_mac_in(struct rtnl *s, const char *ifname, struct eth_addr *mac)
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
is_up_in(struct rtnl *s, const char *ifname)
{
    struct ifreq ifr = { .ifr_ifindex = 0 };
    ovs_strzcpy(ifr.ifr_name, ifname, sizeof ifr.ifr_name);
    return !ioctl(s->ioctl, SIOCGIFFLAGS, &ifr) && ifr.ifr_flags & IFF_UP;
}

/* Any address of the outside will do to learn where the default route goes. */
static bool
routes_by(struct rtnl *s, const char *ifname, const struct in6_addr *gateway)
{
    struct in6_addr outside;
    char *error = addr_parse(addr_is_ip4(gateway) ? "198.51.100.1" : "2001:db8::1", &outside);
    ovs_assert(!error);
    struct ofpbuf request;
    struct rtmsg *rtm = rtnl_request(&request, RTM_GETROUTE, 0, sizeof *rtm);
    rtm->rtm_family = rtnl_family(gateway);
    rtm->rtm_dst_len = addr_is_ip4(gateway) ? 32 : 128;
    rtnl_put_addr(&request, RTA_DST, &outside);
    struct ofpbuf reply;
    ofpbuf_init(&reply, 0);
    bool good = false;
    if (!rtnl_transact(s, &request, &reply, NULL) && reply.size) {
        size_t header = NLMSG_HDRLEN + NLMSG_ALIGN(sizeof *rtm);
        const struct nlattr *oif = nl_attr_find(&reply, header, RTA_OIF);
        const struct nlattr *via = nl_attr_find(&reply, header, RTA_GATEWAY);
        size_t offset = addr_is_ip4(gateway) ? 12 : 0;
        good = oif && via && (int) nl_attr_get_u32(oif) == rtnl_ifindex(s, ifname)
               && nl_attr_get_size(via) == 16 - offset
               && !memcmp(nl_attr_get(via), &gateway->s6_addr[offset], 16 - offset);
    }
    ofpbuf_uninit(&reply);
    return good;
}

/* SIOCGIFADDR sees one IPv4 address; binding a socket sees them all. */
static bool
has_address(int netns, const struct in6_addr *addr)
{
    int home = open(RTNL_OWN_NETNS, O_RDONLY | O_CLOEXEC);
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
check_pod_end(struct rtnl *s, const struct link_pod *pod)
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
    struct rtnl inside;
    int retval = rtnl_open(pod->netns, &inside);
    if (retval) {
        return rtnl_explain(retval, NULL, "entering the namespace of", pod->pod_ifname);
    }
    char *error = check_pod_end(&inside, pod);
    rtnl_close(&inside);
    return error;
}

int
link_delete(const char *ifname)
{
    struct ofpbuf request;
    rtnl_request(&request, RTM_DELLINK, 0, sizeof(struct ifinfomsg));
    nl_msg_put_string(&request, IFLA_IFNAME, ifname);
    struct rtnl host;
    int error = rtnl_open(-1, &host);
    if (error) {
        ofpbuf_uninit(&request);
        return error;
    }
    error = rtnl_transact(&host, &request, NULL, NULL);
    rtnl_close(&host);
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
    struct rtnl host;
    if (rtnl_open(-1, &host)) {
        return false;
    }
    bool found = get_mac_in(&host, ifname, mac);
    rtnl_close(&host);
    return found;
}
