#include "labpod.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "labsctp.h"

enum { ECHO_BYTES = 16384, MAX_SCTP_PORTS = 64 };

enum endpoint_kind { TCP_LISTENER, TCP_CONNECTION, UDP_LISTENER, SCTP_LISTENER };

struct endpoint {
    enum endpoint_kind kind;
    int family; /* Of listeners. */
    int fd;
    size_t n_pending; /* Bytes of 'pending' still to be written. */
    char pending[];   /* ECHO_BYTES, for connections only. */
};

struct listener {
    int epoll_fd;
    char answer[ANSWER_BYTES];
    size_t answer_len;
    uint16_t sctp_ports[MAX_SCTP_PORTS];
    size_t n_sctp_ports;
};

static struct endpoint *
endpoint_create(enum endpoint_kind kind, int family, int fd)
{
    size_t extra = kind == TCP_CONNECTION ? ECHO_BYTES : 0;
    struct endpoint *ep = calloc(1, sizeof *ep + extra);
    if (!ep) {
        fatal("out of memory");
    }
    ep->kind = kind;
    ep->family = family;
    ep->fd = fd;
    return ep;
}

static void
connection_close(struct endpoint *ep)
{
    close(ep->fd);
    free(ep);
}

/* Writes what is pending; false if the connection is dead. */
static bool
connection_flush(struct listener *l, struct endpoint *ep)
{
    ssize_t n = send(ep->fd, ep->pending, ep->n_pending, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) {
        return false;
    }
    if (n > 0) {
        ep->n_pending -= n;
        memmove(ep->pending, ep->pending + n, ep->n_pending);
    }
    watch(l->epoll_fd, EPOLL_CTL_MOD, ep->fd, ep->n_pending ? EPOLLOUT : EPOLLIN, ep);
    return true;
}

static void
connection_run(struct listener *l, struct endpoint *ep)
{
    if (!ep->n_pending) {
        ssize_t n = recv(ep->fd, ep->pending, ECHO_BYTES, 0);
        if (n < 0 && errno == EAGAIN) {
            return;
        }
        if (n <= 0) {
            connection_close(ep);
            return;
        }
        ep->n_pending = n;
    }
    if (!connection_flush(l, ep)) {
        connection_close(ep);
    }
}

static void
tcp_accept(struct listener *l, int listen_fd)
{
    int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        return;
    }
    struct endpoint *ep = endpoint_create(TCP_CONNECTION, AF_UNSPEC, fd);
    memcpy(ep->pending, l->answer, l->answer_len);
    ep->n_pending = l->answer_len;
    watch(l->epoll_fd, EPOLL_CTL_ADD, fd, EPOLLOUT, ep);
}

/* Let the route choose the interface. */
static void
forget_interface(struct cmsghdr *c)
{
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
        struct in_pktinfo info;
        memcpy(&info, CMSG_DATA(c), sizeof info);
        info.ipi_ifindex = 0;
        memcpy(CMSG_DATA(c), &info, sizeof info);
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
        struct in6_pktinfo info;
        memcpy(&info, CMSG_DATA(c), sizeof info);
        info.ipi6_ifindex = 0;
        memcpy(CMSG_DATA(c), &info, sizeof info);
    }
}

/* Answers from the address that the datagram was sent to. */
static void
udp_answer(struct listener *l, int fd)
{
    char data[65536], control[CMSG_SPACE(sizeof(struct in6_pktinfo))];
    struct sockaddr_storage peer;
    struct iovec iov = { data, sizeof data };
    struct msghdr msg = { .msg_name = &peer,
                          .msg_namelen = sizeof peer,
                          .msg_iov = &iov,
                          .msg_iovlen = 1,
                          .msg_control = control,
                          .msg_controllen = sizeof control };
    if (recvmsg(fd, &msg, 0) < 0) {
        return;
    }
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    if (c) {
        forget_interface(c);
    }
    iov.iov_base = l->answer;
    iov.iov_len = l->answer_len;
    if (sendmsg(fd, &msg, MSG_NOSIGNAL) < 0) {
        return; /* The peer will ask again. */
    }
}

static bool
has_ip6(void)
{
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

static bool
sctp_is_listened(const struct listener *l, uint16_t port)
{
    for (size_t i = 0; i < l->n_sctp_ports; i++) {
        if (l->sctp_ports[i] == port) {
            return true;
        }
    }
    return false;
}

/* An INIT for a port that nobody listens on is answered with ABORT. */
static void
sctp_answer(struct listener *l, const struct endpoint *ep)
{
    uint8_t data[65536];
    struct sockaddr_storage peer;
    socklen_t len = sizeof peer;
    ssize_t n = recvfrom(ep->fd, data, sizeof data, 0, (struct sockaddr *) &peer, &len);
    const uint8_t *payload = ip_payload(ep->family, data, &n);
    struct sctp_packet in;
    if (!payload || sctp_parse(payload, n, &in) || in.type != SCTP_INIT) {
        return;
    }
    struct sctp_packet out = { .src_port = in.dst_port,
                               .dst_port = in.src_port,
                               .tag = in.initiate_tag,
                               .initiate_tag = in.initiate_tag,
                               .type = SCTP_ABORT };
    if (sctp_is_listened(l, in.dst_port)) {
        out.type = SCTP_INIT_ACK;
        memcpy(out.cookie, l->answer, l->answer_len);
    }
    n = sctp_format(&out, data);
    if (ep->family == AF_INET6) {
        ((struct sockaddr_in6 *) &peer)->sin6_port = 0;
    }
    if (sendto(ep->fd, data, n, MSG_NOSIGNAL, (struct sockaddr *) &peer, len) < 0) {
        return; /* The peer will ask again. */
    }
}

/* One raw socket hears all of SCTP. */
static void
sctp_open(struct listener *l, int family)
{
    int fd = socket(family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_SCTP);
    if (fd < 0) {
        fatal("raw socket: %s", strerror(errno));
    }
    watch(l->epoll_fd, EPOLL_CTL_ADD, fd, EPOLLIN, endpoint_create(SCTP_LISTENER, family, fd));
}

static void
sctp_listen(struct listener *l, uint16_t port)
{
    if (l->n_sctp_ports >= MAX_SCTP_PORTS) {
        fatal("more than %d SCTP ports", MAX_SCTP_PORTS);
    }
    if (!l->n_sctp_ports) {
        sctp_open(l, AF_INET);
        if (has_ip6()) {
            sctp_open(l, AF_INET6);
        }
    }
    l->sctp_ports[l->n_sctp_ports++] = port;
}

static void
listen_bind(struct listener *l, const char *spec, bool tcp, int family, long port)
{
    bool ip6 = family == AF_INET6;
    int type = (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
    int one = 1, fd = socket(family, type, 0);
    struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };
    struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
    struct sockaddr *any = ip6 ? (struct sockaddr *) &sin6 : (struct sockaddr *) &sin;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (ip6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
        setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof one);
    } else {
        setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof one);
    }
    if (fd < 0 || bind(fd, any, ip6 ? sizeof sin6 : sizeof sin) || (tcp && listen(fd, 1024))) {
        fatal("%s: %s", spec, strerror(errno));
    }
    watch(l->epoll_fd, EPOLL_CTL_ADD, fd, EPOLLIN,
          endpoint_create(tcp ? TCP_LISTENER : UDP_LISTENER, family, fd));
}

static void
listen_open(struct listener *l, const char *spec)
{
    bool tcp = !strncmp(spec, "tcp:", 4);
    long port;
    if (!strncmp(spec, "sctp:", 5) && parse_number(spec + 5, 65535, &port)) {
        sctp_listen(l, port);
        return;
    }
    if ((!tcp && strncmp(spec, "udp:", 4)) || !parse_number(spec + 4, 65535, &port)) {
        fatal("%s: expected tcp:PORT, udp:PORT or sctp:PORT", spec);
    }
    listen_bind(l, spec, tcp, AF_INET, port);
    if (has_ip6()) {
        listen_bind(l, spec, tcp, AF_INET6, port);
    }
}

/* Writes the pid before the parent may say that all is ready. */
static void
go_to_background(const char *pidfile)
{
    int ready[2];
    if (pipe(ready)) {
        fatal("pipe: %s", strerror(errno));
    }
    pid_t pid = fork();
    if (pid < 0) {
        fatal("fork: %s", strerror(errno));
    }
    if (pid) {
        char byte;
        close(ready[1]);
        _exit(read(ready[0], &byte, 1) == 1 ? 0 : 1);
    }
    setsid();
    FILE *file = fopen(pidfile, "w");
    if (!file || fprintf(file, "%ld\n", (long) getpid()) < 0 || fclose(file)) {
        fatal("%s: %s", pidfile, strerror(errno));
    }
    int null = open("/dev/null", O_RDWR);
    for (int fd = 0; fd < 3; fd++) {
        dup2(null, fd);
    }
    if (chdir("/") || write(ready[1], "", 1) != 1) {
        _exit(1);
    }
    close(ready[0]);
    close(ready[1]);
    close(null);
}

static void __attribute__((noreturn)) listen_run(struct listener *l)
{
    for (;;) {
        struct epoll_event events[64];
        int n = epoll_wait(l->epoll_fd, events, 64, -1);
        for (int i = 0; i < n; i++) {
            struct endpoint *ep = events[i].data.ptr;
            if (ep->kind == TCP_LISTENER) {
                tcp_accept(l, ep->fd);
            } else if (ep->kind == UDP_LISTENER) {
                udp_answer(l, ep->fd);
            } else if (ep->kind == SCTP_LISTENER) {
                sctp_answer(l, ep);
            } else {
                connection_run(l, ep);
            }
        }
    }
}

void
do_listen(const char *pidfile, const char *name, char **specs)
{
    struct listener l = { .epoll_fd = epoll_create1(EPOLL_CLOEXEC) };
    int len = snprintf(l.answer, sizeof l.answer, "%s\n", name);
    if (len < 0 || (size_t) len >= sizeof l.answer) {
        fatal("name is too long");
    }
    l.answer_len = len;
    while (*specs) {
        listen_open(&l, *specs++);
    }
    if (pidfile) {
        go_to_background(pidfile);
    }
    listen_run(&l);
}
