#include "labpod.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "labsctp.h"

enum {
    MAX_TARGETS = 65536,
    ANSWER_WAIT_MS = 1000, /* For the greeting of a connection that is open. */
    RETRY_MS = 200,        /* UDP and SCTP; TCP does it by itself. */
};

enum target_state { CONNECTING, ANSWERING, DONE };

struct target {
    char *id;
    int family;
    int protocol; /* IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP. */
    enum target_state state;
    int fd;
    uint16_t port;
    int64_t deadline;
    int64_t next_send;       /* UDP, SCTP. */
    struct sctp_packet init; /* SCTP. */
    const char *result;
    char answer[ANSWER_BYTES];
};

struct prober {
    int epoll_fd;
    struct target *targets;
    size_t n, n_done;
};

static void
target_finish(struct prober *p, struct target *t, const char *result)
{
    t->result = result;
    t->state = DONE;
    p->n_done++;
    if (t->fd >= 0) {
        close(t->fd);
        t->fd = -1;
    }
}

/* True if an ICMP message, not this host's own patience, ended the attempt. */
static bool
icmp_says_no(const struct target *t)
{
    char control[512];
    uint8_t sent[SCTP_MAX_PACKET];
    struct iovec iov = { sent, sizeof sent };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control
    };
    ssize_t n = recvmsg(t->fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT);
    if (n < 0) {
        return false;
    }
    /* A raw socket hears of every packet to its peer. */
    if (t->protocol == IPPROTO_SCTP
        && (n < 4 || (sent[0] << 8 | sent[1]) != t->init.src_port
            || (sent[2] << 8 | sent[3]) != t->init.dst_port)) {
        return false;
    }
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
        if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR)
            || (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR)) {
            struct sock_extended_err err;
            memcpy(&err, CMSG_DATA(c), sizeof err);
            return err.ee_origin == SO_EE_ORIGIN_ICMP || err.ee_origin == SO_EE_ORIGIN_ICMP6;
        }
    }
    return false;
}

static void
target_error(struct prober *p, struct target *t, int error)
{
    if (t->protocol == IPPROTO_SCTP) {
        if (icmp_says_no(t)) {
            target_finish(p, t, "rejected");
        }
        return;
    }
    bool refused = error == ECONNREFUSED || error == ECONNRESET || icmp_says_no(t);
    target_finish(p, t, refused ? "rejected" : "denied");
}

/* Sends the packet that must be repeated by hand. */
static void
target_ask(struct prober *p, struct target *t, int64_t now)
{
    uint8_t data[SCTP_MAX_PACKET] = "?";
    size_t n = t->protocol == IPPROTO_SCTP ? sctp_format(&t->init, data) : 1;
    if (send(t->fd, data, n, MSG_NOSIGNAL) < 0 && errno != EAGAIN) {
        target_error(p, t, errno);
    }
    t->next_send = now + RETRY_MS;
}

/* Reads the name up to its newline; the rest of the answer is not needed. */
static void
target_read(struct prober *p, struct target *t)
{
    ssize_t n = recv(t->fd, t->answer, sizeof t->answer - 1, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n < 0 && t->protocol != IPPROTO_TCP) {
        target_error(p, t, errno);
        return;
    }
    t->answer[n > 0 ? n : 0] = '\0';
    t->answer[strcspn(t->answer, "\r\n \t")] = '\0';
    target_finish(p, t, "allowed");
}

static void
sctp_read(struct prober *p, struct target *t)
{
    uint8_t data[65536];
    ssize_t n = recv(t->fd, data, sizeof data, 0);
    const uint8_t *payload = ip_payload(t->family, data, &n);
    struct sctp_packet in;
    if (n < 0) {
        target_error(p, t, errno);
        return;
    }
    if (!payload || sctp_parse(payload, n, &in) || in.tag != t->init.initiate_tag
        || in.src_port != t->init.dst_port || in.dst_port != t->init.src_port) {
        return;
    }
    if (in.type == SCTP_INIT_ACK) {
        in.cookie[strcspn(in.cookie, "\r\n \t")] = '\0';
        memcpy(t->answer, in.cookie, sizeof t->answer);
        target_finish(p, t, "allowed");
    } else if (in.type == SCTP_ABORT) {
        target_finish(p, t, "rejected");
    }
}

static void
target_run(struct prober *p, struct target *t)
{
    if (t->state == DONE) {
        return;
    }
    if (t->protocol == IPPROTO_SCTP) {
        sctp_read(p, t);
        return;
    }
    if (t->protocol == IPPROTO_TCP && t->state == CONNECTING) {
        int error = 0;
        socklen_t len = sizeof error;
        getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &error, &len);
        if (error) {
            target_error(p, t, error);
            return;
        }
        t->state = ANSWERING;
        int64_t patience = now_ms() + ANSWER_WAIT_MS;
        t->deadline = patience > t->deadline ? patience : t->deadline;
        watch(p->epoll_fd, EPOLL_CTL_MOD, t->fd, EPOLLIN, t);
        return;
    }
    target_read(p, t);
}

/* An INIT that no other prober in this namespace sends. */
static void
sctp_prepare(struct target *t)
{
    uint32_t random[2];
    if (getrandom(random, sizeof random, 0) != sizeof random) {
        fatal("getrandom: %s", strerror(errno));
    }
    t->init = (struct sctp_packet){ .src_port = 1024 + random[0] % 64512,
                                    .dst_port = t->port,
                                    .type = SCTP_INIT,
                                    .initiate_tag = random[1] | 1 };
}

union address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

static bool
address_parse(union address *a, const char *text)
{
    memset(a, 0, sizeof *a);
    a->any.sa_family = strchr(text, ':') ? AF_INET6 : AF_INET;
    return inet_pton(a->any.sa_family, text,
                     a->any.sa_family == AF_INET6 ? (void *) &a->in6.sin6_addr
                                                  : (void *) &a->in.sin_addr)
           == 1;
}

static socklen_t
address_len(const union address *a)
{
    return a->any.sa_family == AF_INET6 ? sizeof a->in6 : sizeof a->in;
}

static void
address_set_port(union address *a, uint16_t port)
{
    if (a->any.sa_family == AF_INET6) {
        a->in6.sin6_port = htons(port);
    } else {
        a->in.sin_port = htons(port);
    }
}

static int
target_socket(const struct target *t)
{
    int type = t->protocol == IPPROTO_TCP   ? SOCK_STREAM
               : t->protocol == IPPROTO_UDP ? SOCK_DGRAM
                                            : SOCK_RAW;
    int one = 1, fd = socket(t->family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, t->protocol);
    if (fd < 0) {
        fatal("socket: %s", strerror(errno));
    }
    if (t->family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &one, sizeof one);
    } else {
        setsockopt(fd, IPPROTO_IP, IP_RECVERR, &one, sizeof one);
    }
    return fd;
}

static void
target_start(struct prober *p, struct target *t, union address *to, const union address *from,
             int64_t timeout)
{
    bool tcp = t->protocol == IPPROTO_TCP;
    t->fd = target_socket(t);
    if (from->any.sa_family && bind(t->fd, &from->any, address_len(from))) {
        fatal("%s: cannot use that source address: %s", t->id, strerror(errno));
    }
    if (t->protocol == IPPROTO_SCTP) {
        sctp_prepare(t);
        address_set_port(to, 0);
    }
    t->deadline = now_ms() + timeout;
    watch(p->epoll_fd, EPOLL_CTL_ADD, t->fd, tcp ? EPOLLOUT : EPOLLIN, t);
    if (connect(t->fd, &to->any, address_len(to)) && errno != EINPROGRESS) {
        target_error(p, t, errno);
    } else if (!tcp) {
        target_ask(p, t, now_ms());
    }
}

static int
parse_protocol(const char *word)
{
    return !strcmp(word, "tcp")    ? IPPROTO_TCP
           : !strcmp(word, "udp")  ? IPPROTO_UDP
           : !strcmp(word, "sctp") ? IPPROTO_SCTP
                                   : 0;
}

static void
target_parse(struct prober *p, struct target *t, char *line, int64_t timeout)
{
    char *save = NULL, *word[5];
    for (int i = 0; i < 5; i++) {
        word[i] = strtok_r(i ? NULL : line, " \t\n", &save);
    }
    union address to, from = { .any.sa_family = AF_UNSPEC };
    long port;
    if (!word[3] || !address_parse(&to, word[2]) || !parse_number(word[3], 65535, &port)
        || (word[4] && !address_parse(&from, word[4]))) {
        fatal("target \"%s\": expected ID PROTO IP PORT [SOURCE]", word[0] ? word[0] : "");
    }
    address_set_port(&to, port);
    t->family = to.any.sa_family;
    t->id = strdup(word[0]);
    t->fd = -1;
    t->port = port;
    t->protocol = parse_protocol(word[1]);
    if (t->protocol) {
        target_start(p, t, &to, &from, timeout);
    } else {
        target_finish(p, t, "unsupported");
    }
}

static void
read_targets(struct prober *p, int64_t timeout)
{
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, stdin) > 0) {
        if (p->n >= MAX_TARGETS) {
            fatal("more than %d targets", MAX_TARGETS);
        }
        target_parse(p, &p->targets[p->n++], line, timeout);
    }
    free(line);
}

/* Runs the clocks; returns how long to wait for the network. */
static int
targets_tick(struct prober *p)
{
    int64_t now = now_ms(), wake = now + 1000;
    for (struct target *t = p->targets; t < p->targets + p->n; t++) {
        if (t->state != DONE && now >= t->deadline) {
            target_finish(p, t, t->state == ANSWERING ? "allowed" : "denied");
        }
        if (t->state == DONE) {
            continue;
        }
        if (t->protocol != IPPROTO_TCP && t->state != DONE && now >= t->next_send) {
            target_ask(p, t, now);
        }
        if (t->state == DONE) {
            continue;
        }
        bool again = t->protocol != IPPROTO_TCP && t->next_send < t->deadline;
        int64_t next = again ? t->next_send : t->deadline;
        wake = next < wake ? next : wake;
    }
    return wake > now ? (int) (wake - now) : 0;
}

int
do_probe(const char *timeout_text)
{
    long timeout;
    if (!parse_number(timeout_text, 3600000, &timeout)) {
        fatal("%s: expected a timeout in ms", timeout_text);
    }
    struct prober p = { .epoll_fd = epoll_create1(EPOLL_CLOEXEC) };
    p.targets = calloc(MAX_TARGETS, sizeof *p.targets);
    if (!p.targets) {
        fatal("out of memory");
    }
    read_targets(&p, timeout);
    for (;;) {
        struct epoll_event events[64];
        int patience = targets_tick(&p);
        if (p.n_done == p.n) {
            break;
        }
        int n = epoll_wait(p.epoll_fd, events, 64, patience);
        for (int i = 0; i < n; i++) {
            target_run(&p, events[i].data.ptr);
        }
    }
    for (struct target *t = p.targets; t < p.targets + p.n; t++) {
        printf("%s %s %s\n", t->id, t->result, *t->answer ? t->answer : "-");
        free(t->id);
    }
    free(p.targets);
    return ferror(stdout) || fflush(stdout) ? 1 : 0;
}
