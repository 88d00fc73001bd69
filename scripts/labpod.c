/* What runs inside the lab's pods: a listener and a prober.
 *
 *   labpod [--netns=PATH] [--pidfile=FILE] listen NAME PROTO:PORT...
 *       Goes to the background once every port is open (with --pidfile; else
 *       stays).  TCP: says NAME and a newline, then echoes.  UDP: answers each
 *       datagram with NAME and a newline.
 *   labpod [--netns=PATH] probe TIMEOUT_MS
 *       Reads targets, one a line: "ID PROTO IPV4 PORT [SOURCE-IPV4]".  Tries
 *       all of them at once and prints "ID RESULT ANSWER" for each: RESULT is
 *       allowed, denied (nothing came back), rejected (a reset or an ICMP
 *       error) or unsupported; ANSWER is what the listener said, or "-".
 *
 * One process and one epoll loop each; no dependency but libc, because it
 * must start hundreds of times in seconds. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    MAX_TARGETS = 65536,
    ECHO_BYTES = 16384,
    ANSWER_BYTES = 256,
    ANSWER_WAIT_MS = 1000, /* For the greeting of a connection that is open. */
    UDP_RETRY_MS = 200,
};

static void __attribute__((noreturn, format(printf, 1, 2))) fatal(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("labpod: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static int64_t
now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static bool
parse_number(const char *s, long max, long *value)
{
    char *end;
    errno = 0;
    *value = strtol(s, &end, 10);
    return !errno && end != s && !*end && *value >= 0 && *value <= max;
}

static void
enter_netns(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || setns(fd, CLONE_NEWNET)) {
        fatal("%s: %s", path, strerror(errno));
    }
    close(fd);
}

static void
raise_fd_limit(void)
{
    struct rlimit limit;
    if (!getrlimit(RLIMIT_NOFILE, &limit)) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void
watch(int epoll_fd, int op, int fd, uint32_t events, void *data)
{
    struct epoll_event event = { .events = events, .data.ptr = data };
    if (epoll_ctl(epoll_fd, op, fd, &event)) {
        fatal("epoll_ctl: %s", strerror(errno));
    }
}

/* --- listen ----------------------------------------------------------- */

enum endpoint_kind { TCP_LISTENER, TCP_CONNECTION, UDP_LISTENER };

struct endpoint {
    enum endpoint_kind kind;
    int fd;
    size_t n_pending; /* Bytes of 'pending' still to be written. */
    char pending[];   /* ECHO_BYTES, for connections only. */
};

struct listener {
    int epoll_fd;
    char answer[ANSWER_BYTES];
    size_t answer_len;
};

static struct endpoint *
endpoint_create(enum endpoint_kind kind, int fd)
{
    size_t extra = kind == TCP_CONNECTION ? ECHO_BYTES : 0;
    struct endpoint *ep = calloc(1, sizeof *ep + extra);
    if (!ep) {
        fatal("out of memory");
    }
    ep->kind = kind;
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
    struct endpoint *ep = endpoint_create(TCP_CONNECTION, fd);
    memcpy(ep->pending, l->answer, l->answer_len);
    ep->n_pending = l->answer_len;
    watch(l->epoll_fd, EPOLL_CTL_ADD, fd, EPOLLOUT, ep);
}

/* Answers from the address that the datagram was sent to. */
static void
udp_answer(struct listener *l, int fd)
{
    char data[65536], control[CMSG_SPACE(sizeof(struct in_pktinfo))];
    struct sockaddr_in peer;
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
    if (c && c->cmsg_type == IP_PKTINFO) {
        struct in_pktinfo info;
        memcpy(&info, CMSG_DATA(c), sizeof info);
        info.ipi_ifindex = 0; /* Let the route choose the interface. */
        memcpy(CMSG_DATA(c), &info, sizeof info);
    }
    iov.iov_base = l->answer;
    iov.iov_len = l->answer_len;
    if (sendmsg(fd, &msg, MSG_NOSIGNAL) < 0) {
        return; /* The peer will ask again. */
    }
}

static void
listen_open(struct listener *l, const char *spec)
{
    bool tcp = !strncmp(spec, "tcp:", 4);
    long port;
    if ((!tcp && strncmp(spec, "udp:", 4)) || !parse_number(spec + 4, 65535, &port)) {
        fatal("%s: expected tcp:PORT or udp:PORT", spec);
    }
    int type = (tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
    int one = 1, fd = socket(AF_INET, type, 0);
    struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof one);
    if (fd < 0 || bind(fd, (struct sockaddr *) &sin, sizeof sin) || (tcp && listen(fd, 1024))) {
        fatal("%s: %s", spec, strerror(errno));
    }
    watch(l->epoll_fd, EPOLL_CTL_ADD, fd, EPOLLIN,
          endpoint_create(tcp ? TCP_LISTENER : UDP_LISTENER, fd));
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
            } else {
                connection_run(l, ep);
            }
        }
    }
}

static void __attribute__((noreturn))
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

/* --- probe ------------------------------------------------------------ */

enum target_state { CONNECTING, ANSWERING, DONE };

struct target {
    char *id;
    bool tcp;
    enum target_state state;
    int fd;
    int64_t deadline;
    int64_t next_send; /* UDP. */
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
icmp_says_no(int fd)
{
    char control[512];
    struct msghdr msg = { .msg_control = control, .msg_controllen = sizeof control };
    if (recvmsg(fd, &msg, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) {
        return false;
    }
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) {
            struct sock_extended_err err;
            memcpy(&err, CMSG_DATA(c), sizeof err);
            return err.ee_origin == SO_EE_ORIGIN_ICMP;
        }
    }
    return false;
}

static void
target_error(struct prober *p, struct target *t, int error)
{
    bool refused = error == ECONNREFUSED || error == ECONNRESET || icmp_says_no(t->fd);
    target_finish(p, t, refused ? "rejected" : "denied");
}

static void
udp_ask(struct prober *p, struct target *t, int64_t now)
{
    if (send(t->fd, "?", 1, MSG_NOSIGNAL) < 0 && errno != EAGAIN) {
        target_error(p, t, errno);
    }
    t->next_send = now + UDP_RETRY_MS;
}

/* Reads the name up to its newline; the rest of the answer is not needed. */
static void
target_read(struct prober *p, struct target *t)
{
    ssize_t n = recv(t->fd, t->answer, sizeof t->answer - 1, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n < 0 && !t->tcp) {
        target_error(p, t, errno);
        return;
    }
    t->answer[n > 0 ? n : 0] = '\0';
    t->answer[strcspn(t->answer, "\r\n \t")] = '\0';
    target_finish(p, t, "allowed");
}

static void
target_run(struct prober *p, struct target *t)
{
    if (t->state == DONE) {
        return;
    }
    if (t->tcp && t->state == CONNECTING) {
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

static void
target_start(struct prober *p, struct target *t, const struct sockaddr_in *to,
             const struct sockaddr_in *from, int64_t timeout)
{
    int one = 1, type = (t->tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
    t->fd = socket(AF_INET, type, 0);
    if (t->fd < 0) {
        fatal("socket: %s", strerror(errno));
    }
    setsockopt(t->fd, IPPROTO_IP, IP_RECVERR, &one, sizeof one);
    if (from->sin_addr.s_addr && bind(t->fd, (const struct sockaddr *) from, sizeof *from)) {
        fatal("%s: cannot use that source address: %s", t->id, strerror(errno));
    }
    t->deadline = now_ms() + timeout;
    watch(p->epoll_fd, EPOLL_CTL_ADD, t->fd, t->tcp ? EPOLLOUT : EPOLLIN, t);
    if (connect(t->fd, (const struct sockaddr *) to, sizeof *to) && errno != EINPROGRESS) {
        target_error(p, t, errno);
    } else if (!t->tcp) {
        udp_ask(p, t, now_ms());
    }
}

static void
target_parse(struct prober *p, struct target *t, char *line, int64_t timeout)
{
    char *save = NULL, *word[5];
    for (int i = 0; i < 5; i++) {
        word[i] = strtok_r(i ? NULL : line, " \t\n", &save);
    }
    struct sockaddr_in to = { .sin_family = AF_INET }, from = to;
    long port;
    if (!word[3] || inet_pton(AF_INET, word[2], &to.sin_addr) != 1
        || !parse_number(word[3], 65535, &port)
        || (word[4] && inet_pton(AF_INET, word[4], &from.sin_addr) != 1)) {
        fatal("target \"%s\": expected ID PROTO IPV4 PORT [SOURCE]", word[0] ? word[0] : "");
    }
    to.sin_port = htons(port);
    t->id = strdup(word[0]);
    t->fd = -1;
    t->tcp = !strcmp(word[1], "tcp");
    if (t->tcp || !strcmp(word[1], "udp")) {
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
        if (!t->tcp && now >= t->next_send) {
            udp_ask(p, t, now);
        }
        int64_t next = !t->tcp && t->next_send < t->deadline ? t->next_send : t->deadline;
        wake = next < wake ? next : wake;
    }
    return wake > now ? (int) (wake - now) : 0;
}

static int
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

static void __attribute__((noreturn)) usage(int status)
{
    fputs("usage: labpod [--netns=PATH] [--pidfile=FILE] listen NAME PROTO:PORT...\n"
          "       labpod [--netns=PATH] probe TIMEOUT_MS < TARGETS\n",
          status ? stderr : stdout);
    exit(status);
}

int
main(int argc, char *argv[])
{
    const char *pidfile = NULL;
    int i = 1;
    for (; i < argc && !strncmp(argv[i], "--", 2); i++) {
        if (!strncmp(argv[i], "--netns=", 8)) {
            enter_netns(argv[i] + 8);
        } else if (!strncmp(argv[i], "--pidfile=", 10)) {
            pidfile = argv[i] + 10;
        } else {
            usage(strcmp(argv[i], "--help") ? 1 : 0);
        }
    }
    raise_fd_limit();
    signal(SIGPIPE, SIG_IGN);
    if (argc - i >= 3 && !strcmp(argv[i], "listen")) {
        do_listen(pidfile, argv[i + 1], argv + i + 2);
    } else if (argc - i == 2 && !strcmp(argv[i], "probe")) {
        return do_probe(argv[i + 1]);
    }
    usage(1);
}
