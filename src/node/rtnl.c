#include "node/rtnl.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netlink-socket.h"
#include "netlink.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"

static int
make_sockets(struct rtnl *s)
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

void
rtnl_close(struct rtnl *s)
{
    nl_sock_destroy(s->route);
    if (s->ioctl >= 0) {
        close(s->ioctl);
    }
}

int
rtnl_open(int netns, struct rtnl *s)
{
    *s = (struct rtnl){ .ioctl = -1 };
    if (netns < 0) {
        return make_sockets(s);
    }
    int home = open(RTNL_OWN_NETNS, O_RDONLY | O_CLOEXEC);
    if (home < 0) {
        return errno;
    }
    int error = setns(netns, CLONE_NEWNET) ? errno : 0;
    if (!error) {
        error = make_sockets(s);
        if (setns(home, CLONE_NEWNET)) {
            ovs_abort(errno, "cannot return to the node's network namespace");
        }
    }
    close(home);
    return error;
}

int
rtnl_transact(struct rtnl *s, struct ofpbuf *request, struct ofpbuf *reply, struct ds *text)
{
    int error = nl_sock_send(s->route, request, true);
    ofpbuf_uninit(request);
    struct ofpbuf buf;
    ofpbuf_init(&buf, 4096);
    while (!error) {
        error = nl_sock_recv(s->route, &buf, NULL, true);
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

void *
rtnl_request(struct ofpbuf *request, uint16_t type, uint16_t flags, size_t header)
{
    ofpbuf_init(request, 512);
    nl_msg_put_nlmsghdr(request, header, type, NLM_F_REQUEST | NLM_F_ACK | flags);
    return ofpbuf_put_zeros(request, header);
}

char *
rtnl_explain(int error, struct ds *text, const char *what, const char *ifname)
{
    char *s = error ? xasprintf("%s %s: %s%s", what, ifname, text ? ds_cstr(text) : "",
                                ovs_strerror(error))
                    : NULL;
    if (text) {
        ds_destroy(text);
    }
    return s;
}

int
rtnl_ifindex(const struct rtnl *s, const char *ifname)
{
    struct ifreq ifr = { .ifr_ifindex = 0 };
    ovs_strzcpy(ifr.ifr_name, ifname, sizeof ifr.ifr_name);
    return ioctl(s->ioctl, SIOCGIFINDEX, &ifr) ? 0 : ifr.ifr_ifindex;
}

void
rtnl_put_addr(struct ofpbuf *request, uint16_t type, const struct in6_addr *addr)
{
    if (addr_is_ip4(addr)) {
        nl_msg_put_unspec(request, type, &addr->s6_addr[12], 4);
    } else {
        nl_msg_put_unspec(request, type, addr, 16);
    }
}

uint8_t
rtnl_family(const struct in6_addr *addr)
{
    return addr_is_ip4(addr) ? AF_INET : AF_INET6;
}

uint8_t
rtnl_plen(const struct prefix *p)
{
    return prefix_is_ip4(p) ? p->plen - 96 : p->plen;
}

char *
rtnl_set_up(struct rtnl *s, const char *ifname)
{
    struct ofpbuf request;
    struct ifinfomsg *ifi = rtnl_request(&request, RTM_NEWLINK, 0, sizeof *ifi);
    ifi->ifi_index = rtnl_ifindex(s, ifname);
    ifi->ifi_flags = IFF_UP;
    ifi->ifi_change = IFF_UP;
    struct ds text = DS_EMPTY_INITIALIZER;
    int error = rtnl_transact(s, &request, NULL, &text);
    return rtnl_explain(error, &text, "bringing up", ifname);
}

struct rtmsg *
rtnl_route_request(struct ofpbuf *request, uint16_t type, uint16_t flags, uint8_t family)
{
    struct rtmsg *rtm = rtnl_request(request, type, flags, sizeof *rtm);
    rtm->rtm_family = family;
    rtm->rtm_table = RT_TABLE_MAIN;
    rtm->rtm_type = RTN_UNICAST;
    return rtm;
}
