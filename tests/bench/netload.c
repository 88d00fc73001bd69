/* What benchmarks send through the data path.
 *
 *   netload [--netns=PATH] serve PORT N
 *       Listens on the N TCP and UDP ports from PORT on, prints "ready", runs
 *       until stdin ends.  TCP: reads a request, answers with as many bytes, and
 *       goes on until the peer closes.  UDP: echoes.
 *   netload [--netns=PATH] connect IPV4 PORT N PARALLEL MILLISECONDS
 *       Connects, asks, reads the answer, closes; PARALLEL at a time, round the
 *       N ports.  Prints "DONE FAILED MILLISECONDS".
 *   netload [--netns=PATH] watch < LINES
 *       Lines "NAME KIND IPV4 PORT": what to do every millisecond until a line
 *       "end" comes.  KIND:
 *         ping    a datagram; the echo is expected
 *         mute    a datagram and the start of a TCP connection; nothing may
 *                 come back
 *         stream  64 bytes on one TCP connection that is never opened again;
 *                 once broken, each report says so, and stderr says how
 *       A line "mark" prints the figures so far and starts new ones, as does
 *       "end":  NAME KIND SENT LOST-OR-ANSWERED LONGEST-GAP-US, then a line
 *       "."; the gap is the longest time without an answer.
 *
 * libc alone, one process and one loop each, like labpod. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum {
    MESSAGE_BYTES = 64,
    CONNECT_PATIENCE_MS = 3000,
    MAX_PARALLEL = 4096,
    MAX_WATCHES = 64,
    WINDOW = 4096,       /* Milliseconds of pings that are remembered. */
    LATE_US = 1000000,   /* An echo that is later than this is lost. */
    MUTE_SOCKETS = 1024, /* Connection attempts kept open, to see a late answer. */
};

static void __attribute__((noreturn, format(printf, 1, 2))) fatal(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("netload: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static int64_t
now_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static long
number(const char *s, long max)
{
    char *end;
    errno = 0;
    long value = strtol(s, &end, 10);
    if (errno || end == s || *end || value < 0 || value > max) {
        fatal("%s: expected a number up to %ld", s, max);
    }
    return value;
}

static struct sockaddr_in
address(const char *ip, long port)
{
    struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };
    if (inet_pton(AF_INET, ip, &sin.sin_addr) != 1) {
        fatal("%s: expected an IPv4 address", ip);
    }
    return sin;
}

static void
add(int epoll_fd, int fd, uint32_t events, void *data)
{
    struct epoll_event event = { .events = events, .data.ptr = data };
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event)) {
        fatal("epoll_ctl: %s", strerror(errno));
    }
}

static int
open_socket(int type)
{
    int one = 1, fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        fatal("socket: %s", strerror(errno));
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (type == SOCK_STREAM) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    }
    return fd;
}

/* --- serve ------------------------------------------------------------ */

enum served_kind { SERVED_STDIN, SERVED_LISTENER, SERVED_CONNECTION, SERVED_DATAGRAMS };

struct served {
    enum served_kind kind;
    int fd;
    size_t owed; /* Bytes of answers that did not fit into the socket yet. */
};

static struct served *
served_create(enum served_kind kind, int fd)
{
    struct served *s = malloc(sizeof *s);
    if (!s) {
        fatal("out of memory");
    }
    *s = (struct served){ .kind = kind, .fd = fd };
    return s;
}

static void
serve_open(int epoll_fd, long port, int type)
{
    struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };
    int fd = open_socket(type);
    if (bind(fd, (struct sockaddr *) &sin, sizeof sin)
        || (type == SOCK_STREAM && listen(fd, 4096))) {
        fatal("port %ld: %s", port, strerror(errno));
    }
    enum served_kind kind = type == SOCK_STREAM ? SERVED_LISTENER : SERVED_DATAGRAMS;
    add(epoll_fd, fd, EPOLLIN, served_create(kind, fd));
}

static void
serve_accept(int epoll_fd, int listener)
{
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        add(epoll_fd, fd, EPOLLIN, served_create(SERVED_CONNECTION, fd));
    }
}

/* Sends what is owed, as far as it fits.  Returns false if the connection is broken. */
static bool
serve_answer(struct served *s)
{
    static const char zeros[16384];
    while (s->owed) {
        size_t len = s->owed < sizeof zeros ? s->owed : sizeof zeros;
        ssize_t n = send(s->fd, zeros, len, MSG_NOSIGNAL);
        if (n < 0) {
            return errno == EAGAIN;
        }
        s->owed -= n;
    }
    return true;
}

/* The next request, whose answer is as long.  Returns false if there is no more. */
static bool
serve_request(struct served *s)
{
    char data[16384];
    ssize_t n = recv(s->fd, data, sizeof data, 0);
    s->owed = n > 0 ? n : 0;
    return n > 0 || (n < 0 && errno == EAGAIN);
}

/* While a part of an answer waits, nothing is read: a connection that comes out of an
 * outage brings more at once than a socket takes back. */
static void
serve_connection(int epoll_fd, struct served *s)
{
    bool waited = s->owed > 0;
    if ((!waited && !serve_request(s)) || !serve_answer(s)) {
        close(s->fd);
        free(s);
    } else if (waited != (s->owed > 0)) {
        struct epoll_event event = { .events = waited ? EPOLLIN : EPOLLOUT, .data.ptr = s };
        epoll_ctl(epoll_fd, EPOLL_CTL_MOD, s->fd, &event);
    }
}

static void
serve_datagrams(int fd)
{
    struct sockaddr_in peer;
    socklen_t len = sizeof peer;
    char data[2048];
    ssize_t n;
    while ((n = recvfrom(fd, data, sizeof data, 0, (struct sockaddr *) &peer, &len)) >= 0) {
        if (sendto(fd, data, n, 0, (struct sockaddr *) &peer, len) < 0) {
            return; /* The peer counts it as lost. */
        }
        len = sizeof peer;
    }
}

static void
do_serve(long port, long n)
{
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    for (long i = 0; i < n; i++) {
        serve_open(epoll_fd, port + i, SOCK_STREAM);
        serve_open(epoll_fd, port + i, SOCK_DGRAM);
    }
    add(epoll_fd, 0, EPOLLIN, served_create(SERVED_STDIN, 0));
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        struct epoll_event events[256];
        int n_events = epoll_wait(epoll_fd, events, 256, -1);
        for (int i = 0; i < n_events; i++) {
            struct served *s = events[i].data.ptr;
            if (s->kind == SERVED_STDIN) {
                return;
            } else if (s->kind == SERVED_LISTENER) {
                serve_accept(epoll_fd, s->fd);
            } else if (s->kind == SERVED_DATAGRAMS) {
                serve_datagrams(s->fd);
            } else {
                serve_connection(epoll_fd, s);
            }
        }
    }
}

/* --- connect ---------------------------------------------------------- */

struct client {
    int fd;
    bool asked;
    int64_t deadline;
};

struct load {
    int epoll_fd;
    struct sockaddr_in to;
    long first_port, n_ports, next_port;
    long done, failed;
};

static void
client_start(struct load *load, struct client *c)
{
    c->fd = open_socket(SOCK_STREAM);
    c->asked = false;
    c->deadline = now_us() + CONNECT_PATIENCE_MS * 1000;
    load->to.sin_port = htons(load->first_port + load->next_port++ % load->n_ports);
    if (connect(c->fd, (struct sockaddr *) &load->to, sizeof load->to) && errno != EINPROGRESS) {
        fatal("connect: %s", strerror(errno));
    }
    add(load->epoll_fd, c->fd, EPOLLOUT, c);
}

static void
client_finish(struct load *load, struct client *c, bool ok, bool again)
{
    if (ok) {
        load->done++;
    } else {
        load->failed++;
    }
    close(c->fd);
    c->fd = -1;
    if (again) {
        client_start(load, c);
    }
}

static void
client_run(struct load *load, struct client *c, bool again)
{
    char data[MESSAGE_BYTES] = "?";
    if (!c->asked) {
        int error = 0;
        socklen_t len = sizeof error;
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
        if (error || send(c->fd, data, sizeof data, MSG_NOSIGNAL) != sizeof data) {
            client_finish(load, c, false, again);
            return;
        }
        c->asked = true;
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
        epoll_ctl(load->epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
        return;
    }
    ssize_t n = recv(c->fd, data, sizeof data, 0);
    if (n < 0 && errno == EAGAIN) {
        return;
    }
    client_finish(load, c, n > 0, again);
}

static void
expire(struct load *load, struct client *clients, long n, int64_t now, bool again)
{
    for (long i = 0; i < n; i++) {
        if (clients[i].fd >= 0 && now >= clients[i].deadline) {
            client_finish(load, &clients[i], false, again);
        }
    }
}

static void
do_connect(char **argv)
{
    struct load load = {
        .epoll_fd = epoll_create1(EPOLL_CLOEXEC),
        .to = address(argv[0], 0),
        .first_port = number(argv[1], 65535),
        .n_ports = number(argv[2], 1024),
    };
    long parallel = number(argv[3], MAX_PARALLEL);
    int64_t began = now_us(), end = began + number(argv[4], 3600000) * 1000, now;
    struct client *clients = calloc(parallel, sizeof *clients);
    if (!clients || !load.n_ports) {
        fatal("nothing to do");
    }
    for (long i = 0; i < parallel; i++) {
        client_start(&load, &clients[i]);
    }
    int64_t next_look = began;
    while ((now = now_us()) < end) {
        struct epoll_event events[256];
        int n = epoll_wait(load.epoll_fd, events, 256, 100);
        for (int i = 0; i < n; i++) {
            client_run(&load, events[i].data.ptr, true);
        }
        if (now >= next_look) {
            expire(&load, clients, parallel, now, true);
            next_look = now + 100000;
        }
    }
    printf("%ld %ld %ld\n", load.done, load.failed, (long) ((now - began) / 1000));
    free(clients);
}

/* --- watch ------------------------------------------------------------ */

enum watch_kind { WATCH_PING, WATCH_MUTE, WATCH_STREAM };
static const char *const watch_words[] = { "ping", "mute", "stream" };

/* What a ping carries, in this host's byte order. */
struct ping {
    uint32_t sequence;
    int64_t sent_us;
};

struct watch {
    char name[64];
    enum watch_kind kind;
    struct sockaddr_in to;
    int fd;
    uint32_t sequence;
    bool waiting[WINDOW]; /* Pings without an echo, by sequence. */
    int64_t sent_at[WINDOW];
    int tries[MUTE_SOCKETS];
    long sent, bad;
    bool broken; /* Of a stream; it stays so. */
    int64_t last_answer, longest_gap;
};

static void
watch_open(struct watch *w)
{
    w->fd = open_socket(w->kind == WATCH_STREAM ? SOCK_STREAM : SOCK_DGRAM);
    if (w->kind == WATCH_STREAM) {
        fcntl(w->fd, F_SETFL, 0); /* The connection must stand before it is watched. */
    }
    if (connect(w->fd, (struct sockaddr *) &w->to, sizeof w->to)) {
        fatal("%s: %s", w->name, strerror(errno));
    }
    fcntl(w->fd, F_SETFL, O_NONBLOCK);
    memset(w->tries, -1, sizeof w->tries);
    w->last_answer = now_us();
}

static void
watch_start(struct watch *w, char *line)
{
    char kind[16], ip[64];
    int port;
    if (sscanf(line, "%63s %15s %63s %d", w->name, kind, ip, &port) != 4) {
        fatal("%s: expected NAME KIND IPV4 PORT", line);
    }
    int i = 0;
    while (strcmp(kind, watch_words[i])) {
        if (++i == sizeof watch_words / sizeof *watch_words) {
            fatal("%s: no such kind", kind);
        }
    }
    w->kind = i;
    w->to = address(ip, port);
    watch_open(w);
}

static void
answered(struct watch *w, int64_t now)
{
    if (now - w->last_answer > w->longest_gap) {
        w->longest_gap = now - w->last_answer;
    }
    w->last_answer = now;
}

static void
ping_send(struct watch *w, int64_t now)
{
    struct ping ping = { ++w->sequence, now };
    size_t slot = ping.sequence % WINDOW;
    w->bad += w->waiting[slot]; /* Four seconds old. */
    w->waiting[slot] = true;
    w->sent_at[slot] = now;
    w->sent++;
    /* An error is a lost packet, or says that an earlier one was. */
    if (send(w->fd, &ping, sizeof ping, MSG_NOSIGNAL) < 0) {
        return;
    }
}

static void
ping_receive(struct watch *w, int64_t now)
{
    struct ping ping;
    while (recv(w->fd, &ping, sizeof ping, 0) == sizeof ping) {
        size_t slot = ping.sequence % WINDOW;
        if (w->waiting[slot] && w->sent_at[slot] == ping.sent_us) {
            w->waiting[slot] = false;
            w->bad += now - ping.sent_us > LATE_US;
            answered(w, now);
        }
    }
}

/* Looks at the oldest attempt, and replaces it. */
static void
mute_try(struct watch *w)
{
    int *fd = &w->tries[w->sequence++ % MUTE_SOCKETS];
    if (*fd >= 0) {
        struct pollfd p = { .fd = *fd, .events = POLLOUT };
        int error = 0;
        socklen_t len = sizeof error;
        if (poll(&p, 1, 0) > 0) {
            getsockopt(*fd, SOL_SOCKET, SO_ERROR, &error, &len);
            w->bad += !error;
        }
        close(*fd);
        *fd = -1;
    }
}

static void
mute_send(struct watch *w, int64_t now)
{
    struct ping ping = { w->sequence, now };
    mute_try(w);
    w->sent++;
    int fd = open_socket(SOCK_STREAM), *slot = &w->tries[(w->sequence - 1) % MUTE_SOCKETS];
    *slot = fd;
    if (connect(fd, (struct sockaddr *) &w->to, sizeof w->to) && errno != EINPROGRESS) {
        close(fd);
        *slot = -1;
    }
    if (send(w->fd, &ping, sizeof ping, MSG_NOSIGNAL) < 0) {
        return; /* As it should be, if it is an ICMP error. */
    }
}

static void
mute_receive(struct watch *w)
{
    char data[MESSAGE_BYTES];
    while (recv(w->fd, data, sizeof data, 0) > 0) {
        w->bad++;
    }
}

static void
stream_break(struct watch *w, const char *how)
{
    w->broken = true;
    fprintf(stderr, "netload: %s: %s\n", w->name, how);
    close(w->fd);
    w->fd = -1;
}

static void
stream_send(struct watch *w)
{
    char data[MESSAGE_BYTES] = "";
    w->sent++;
    if (!w->broken && send(w->fd, data, sizeof data, MSG_NOSIGNAL) < 0 && errno != EAGAIN) {
        stream_break(w, strerror(errno));
    }
}

static void
stream_receive(struct watch *w, int64_t now)
{
    char data[16384];
    while (!w->broken) {
        ssize_t n = recv(w->fd, data, sizeof data, 0);
        if (n > 0) {
            answered(w, now);
        } else if (n == 0) {
            stream_break(w, "the peer closed");
        } else if (errno == EAGAIN) {
            return;
        } else {
            stream_break(w, strerror(errno));
        }
    }
}

static void
watch_send(struct watch *w, int64_t now)
{
    if (w->kind == WATCH_PING) {
        ping_send(w, now);
    } else if (w->kind == WATCH_MUTE) {
        mute_send(w, now);
    } else {
        stream_send(w);
    }
}

static void
watch_receive(struct watch *w, int64_t now)
{
    if (w->kind == WATCH_PING) {
        ping_receive(w, now);
    } else if (w->kind == WATCH_MUTE) {
        mute_receive(w);
    } else {
        stream_receive(w, now);
    }
}

/* What is still on its way belongs to these figures, too: waits for it. */
static void
watches_drain(struct watch *watches, int n)
{
    int64_t end = now_us() + LATE_US, now;
    while ((now = now_us()) < end) {
        struct pollfd fds[MAX_WATCHES];
        for (int i = 0; i < n; i++) {
            fds[i] = (struct pollfd){ .fd = watches[i].fd, .events = POLLIN };
        }
        poll(fds, n, (end - now) / 1000 + 1);
        for (int i = 0; i < n; i++) {
            watch_receive(&watches[i], now_us());
        }
    }
}

static void
watch_report(struct watch *w)
{
    for (int i = 0; i < WINDOW; i++) {
        w->bad += w->kind == WATCH_PING && w->waiting[i];
        w->waiting[i] = false;
    }
    w->bad += w->broken;
    for (int i = 0; w->kind == WATCH_MUTE && i < MUTE_SOCKETS; i++) {
        mute_try(w);
    }
    printf("%s %s %ld %ld %lld\n", w->name, watch_words[w->kind], w->sent, w->bad,
           (long long) w->longest_gap);
    w->sent = w->bad = w->longest_gap = 0;
    w->last_answer = now_us();
}

static void
report(struct watch *watches, int n)
{
    watches_drain(watches, n);
    for (int i = 0; i < n; i++) {
        watch_report(&watches[i]);
    }
    printf(".\n");
    fflush(stdout);
}

static int
start_clock(void)
{
    struct itimerspec every = { .it_interval = { .tv_nsec = 1000000 },
                                .it_value = { .tv_nsec = 1000000 } };
    int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (fd < 0 || timerfd_settime(fd, 0, &every, NULL)) {
        fatal("timerfd: %s", strerror(errno));
    }
    return fd;
}

/* Figures must not suffer from the load that they are taken under. */
static void
be_first(void)
{
    struct sched_param param = { .sched_priority = 1 };
    if (sched_setscheduler(0, SCHED_FIFO, &param)) {
        setpriority(PRIO_PROCESS, 0, -20);
    }
}

/* Returns false after "end". */
static bool
obey(char *line, struct watch *watches, int *n)
{
    line[strcspn(line, "\n")] = '\0';
    if (!strcmp(line, "mark") || !strcmp(line, "end")) {
        report(watches, *n);
        return line[0] == 'm';
    }
    if (*n == MAX_WATCHES) {
        fatal("more than %d lines", MAX_WATCHES);
    }
    watch_start(&watches[(*n)++], line);
    return true;
}

static void
watch_turn(struct watch *watches, int n, int clock)
{
    struct pollfd fds[MAX_WATCHES + 2] = { { .fd = 0, .events = POLLIN },
                                           { .fd = clock, .events = POLLIN } };
    for (int i = 0; i < n; i++) {
        fds[i + 2] = (struct pollfd){ .fd = watches[i].fd, .events = POLLIN };
    }
    poll(fds, n + 2, -1);
    int64_t now = now_us();
    uint64_t ticks;
    for (int i = 0; i < n; i++) {
        watch_receive(&watches[i], now);
    }
    if (read(clock, &ticks, sizeof ticks) == sizeof ticks) {
        for (int i = 0; i < n; i++) {
            watch_send(&watches[i], now);
        }
    }
}

static void
do_watch(void)
{
    struct watch *watches = calloc(MAX_WATCHES, sizeof *watches);
    char line[256], byte;
    size_t length = 0;
    int n = 0, clock = start_clock();
    if (!watches) {
        fatal("out of memory");
    }
    be_first();
    fcntl(0, F_SETFL, O_NONBLOCK);
    for (;;) {
        ssize_t got = read(0, &byte, 1);
        if (got == 0) {
            return;
        } else if (got < 0) {
            watch_turn(watches, n, clock);
        } else if (byte != '\n') {
            line[length] = byte;
            length += length < sizeof line - 1;
        } else {
            line[length] = '\0';
            length = 0;
            if (!obey(line, watches, &n)) {
                return;
            }
        }
    }
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

int
main(int argc, char *argv[])
{
    int i = 1;
    if (i < argc && !strncmp(argv[i], "--netns=", 8)) {
        enter_netns(argv[i++] + 8);
    }
    raise_fd_limit();
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (argc - i == 3 && !strcmp(argv[i], "serve")) {
        do_serve(number(argv[i + 1], 65535), number(argv[i + 2], 1024));
    } else if (argc - i == 6 && !strcmp(argv[i], "connect")) {
        do_connect(argv + i + 1);
    } else if (argc - i == 1 && !strcmp(argv[i], "watch")) {
        do_watch();
    } else {
        fatal("usage: see tests/bench/netload.c");
    }
    return ferror(stdout) || fflush(stdout) ? 1 : 0;
}
