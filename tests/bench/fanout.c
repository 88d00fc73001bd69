/* Many agents without a switch, as the database sees them.
 *
 *   fanout SOCKET AGENTS SPREAD_MS WRITE_MS STATE-REQUEST OWN-REQUEST
 *
 * Each agent has the connections of a real one to SOCKET (unix): one sends
 * STATE-REQUEST, the other OWN-REQUEST, in which each "@NODE@" is the agent's
 * name (both are files with one JSON-RPC request that has id 1).  A real agent
 * would be busy for a second with reading the answers of 100,000 pods; these
 * read them and look at three things only: the end of the first answer, the
 * generation, and the names of pods that are markers.  They write what a real
 * one writes: its rows, a heartbeat, and the generation that it has reached,
 * WRITE_MS apart at least.
 *
 * Agents begin within SPREAD_MS.  Says on standard output, times in
 * microseconds of CLOCK_MONOTONIC:
 *
 *   synced T BYTES      every agent has the snapshot and has said so
 *   seen MARKER AGENT T at the end: when a pod named ".../marker-MARKER" came
 *   bytes N MESSAGES    at the end: received after "synced", writes sent
 *   end
 *
 * and ends when standard input does.  A line there is the number of a marker; it is
 * answered by "all" when every agent has seen it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
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
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
    CHUNK = 1 << 20,
    OVERLAP = 128, /* A word that lies across two chunks is shorter. */
    MAX_MARKERS = 20000,
    HEARTBEAT_US = 5000000,
};

static const char first_done[] = "\"first-done\"";
static const char write_done[] = "\"write-done\"";
static const char generation_word[] = "\"generation\":";
static const char marker_word[] = "/marker-";

struct agent;

struct connection {
    struct agent *agent;
    int fd;
    bool first; /* The first answer is here. */
    char tail[OVERLAP];
    size_t n_tail;
    char *out; /* What the socket did not take. */
    size_t n_out;
};

struct agent {
    int index;
    int64_t start_at;
    bool started, synced, writing;
    struct connection state, own;
    uint64_t generation, written;
    int64_t wrote_at;
    int64_t *seen; /* By marker. */
};

struct fanout {
    struct sockaddr_un server;
    int epoll_fd;
    struct agent *agents;
    int n, n_synced;
    int64_t write_us;
    char *state_request, *own_request;
    uint64_t bytes, writes;
    int max_marker;
    char *buffer; /* OVERLAP + CHUNK + 1 */
    int asked;    /* A marker. */
    bool waits;   /* Somebody does, until all have seen it. */
};

static void __attribute__((noreturn, format(printf, 1, 2))) fatal(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("fanout: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

static void *
zalloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);
    if (!p) {
        fatal("out of memory");
    }
    return p;
}

static int64_t
now_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int64_t
wall_ms(void)
{
    struct timeval tv;
    gettimeofday(&tv, NULL);
    return (int64_t) tv.tv_sec * 1000 + tv.tv_usec / 1000;
}

/* --- Sending ---------------------------------------------------------- */

static void
connection_flush(struct fanout *f, struct connection *c)
{
    ssize_t n = c->n_out ? send(c->fd, c->out, c->n_out, MSG_NOSIGNAL) : 0;
    if (n < 0 && errno != EAGAIN) {
        fatal("the database closed a connection: %s", strerror(errno));
    }
    if (n > 0) {
        c->n_out -= n;
        memmove(c->out, c->out + n, c->n_out);
    }
    struct epoll_event event = { .events = EPOLLIN | (c->n_out ? EPOLLOUT : 0), .data.ptr = c };
    epoll_ctl(f->epoll_fd, EPOLL_CTL_MOD, c->fd, &event);
}

static void
connection_send(struct fanout *f, struct connection *c, const char *text)
{
    size_t n = strlen(text);
    c->out = realloc(c->out, c->n_out + n);
    if (!c->out) {
        fatal("out of memory");
    }
    memcpy(c->out + c->n_out, text, n);
    c->n_out += n;
    connection_flush(f, c);
}

static void
connection_open(struct fanout *f, struct connection *c, struct agent *agent)
{
    c->agent = agent;
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *) &f->server, sizeof f->server)) {
        fatal("%s: %s", f->server.sun_path, strerror(errno));
    }
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
    epoll_ctl(f->epoll_fd, EPOLL_CTL_ADD, c->fd, &event);
}

/* 'request' with the agent's name in it; the caller frees. */
static char *
named(const char *request, int index)
{
    char *result = NULL;
    size_t size;
    FILE *out = open_memstream(&result, &size);
    const char *at;
    while ((at = strstr(request, "@NODE@")) != NULL) {
        fprintf(out, "%.*sfan-%d", (int) (at - request), request, index);
        request = at + strlen("@NODE@");
    }
    fputs(request, out);
    fclose(out);
    return result;
}

static void
request(struct fanout *f, struct connection *c, const char *text)
{
    char *own = named(text, c->agent->index);
    connection_send(f, c, own);
    connection_send(f, c, "{\"method\":\"echo\",\"params\":[],\"id\":\"first-done\"}");
    free(own);
}

static void
agent_start(struct fanout *f, struct agent *a)
{
    a->started = true;
    connection_open(f, &a->state, a);
    connection_open(f, &a->own, a);
    request(f, &a->state, f->state_request);
    request(f, &a->own, f->own_request);
}

/* The node's rows exist: whoever starts us has made them. */
static void
agent_write(struct fanout *f, struct agent *a, int64_t now)
{
    char text[512];
    a->writing = true;
    a->wrote_at = now;
    a->written = a->generation;
    f->writes++;
    snprintf(
        text, sizeof text,
        "{\"method\":\"transact\",\"id\":\"write-done\",\"params\":[\"Virga\","
        "{\"op\":\"update\",\"table\":\"Node_Status\",\"where\":[[\"name\",\"==\",\"fan-%d\"]],"
        "\"row\":{\"applied\":%" PRIu64 ",\"heartbeat\":%" PRId64 ",\"ready\":true}}]}",
        a->index, a->generation, wall_ms());
    connection_send(f, &a->own, text);
}

/* --- Receiving -------------------------------------------------------- */

static void
find_generation(struct agent *a, const char *data, size_t n)
{
    const char *at = data;
    while ((at = memmem(at, data + n - at, generation_word, strlen(generation_word)))) {
        at += strlen(generation_word);
        a->generation = strtoull(at, NULL, 10);
    }
}

static void
find_markers(struct fanout *f, struct agent *a, const char *data, size_t n, int64_t now)
{
    const char *at = data;
    while ((at = memmem(at, data + n - at, marker_word, strlen(marker_word)))) {
        at += strlen(marker_word);
        unsigned long marker = strtoul(at, NULL, 10);
        if (marker < MAX_MARKERS && !a->seen[marker]) {
            a->seen[marker] = now;
            f->max_marker = (int) marker > f->max_marker ? (int) marker : f->max_marker;
        }
    }
}

static void
look(struct fanout *f, struct connection *c, const char *data, size_t n, int64_t now)
{
    struct agent *a = c->agent;
    if (!c->first && memmem(data, n, first_done, strlen(first_done))) {
        c->first = true;
    }
    if (c == &a->state) {
        find_generation(a, data, n);
        if (a->synced) {
            find_markers(f, a, data, n, now);
        }
    } else if (a->writing && memmem(data, n, write_done, strlen(write_done))) {
        a->writing = false;
        if (!a->synced && a->written == a->generation) {
            a->synced = true;
            f->n_synced++;
        }
    }
}

/* The end of what came before is looked at again, without its last words that
 * were whole: those are found twice, which does no harm but to numbers that
 * were cut; so a number counts only when something follows it. */
static void
receive(struct fanout *f, struct connection *c)
{
    memcpy(f->buffer, c->tail, c->n_tail);
    ssize_t n = recv(c->fd, f->buffer + c->n_tail, CHUNK, 0);
    if (n < 0 && errno == EAGAIN) {
        return;
    } else if (n <= 0) {
        fatal("the database closed a connection: %s", n ? strerror(errno) : "end");
    }
    f->bytes += n;
    size_t length = c->n_tail + n, whole = length;
    while (whole && f->buffer[whole - 1] >= '0' && f->buffer[whole - 1] <= '9') {
        whole--;
    }
    char kept = f->buffer[whole];
    f->buffer[whole] = '\0';
    look(f, c, f->buffer, whole, now_us());
    f->buffer[whole] = kept;
    /* Only words that were cut may be found again. */
    c->n_tail = length < OVERLAP ? length : OVERLAP;
    memcpy(c->tail, f->buffer + length - c->n_tail, c->n_tail);
    if (c == &c->agent->own && !c->agent->writing) {
        c->n_tail = 0;
    }
}

/* --- Life ------------------------------------------------------------- */

static void
agent_run(struct fanout *f, struct agent *a, int64_t now)
{
    if (!a->started) {
        if (now >= a->start_at) {
            agent_start(f, a);
        }
        return;
    }
    if (a->state.first && a->own.first && !a->writing
        && (now >= a->wrote_at + HEARTBEAT_US
            || (a->written != a->generation && now >= a->wrote_at + f->write_us))) {
        agent_write(f, a, now);
    }
}

static void
report(const struct fanout *f, uint64_t bytes_before)
{
    for (int m = 0; m <= f->max_marker; m++) {
        for (int i = 0; i < f->n; i++) {
            if (f->agents[i].seen[m]) {
                printf("seen %d %d %" PRId64 "\n", m, i, f->agents[i].seen[m]);
            }
        }
    }
    printf("bytes %" PRIu64 " %" PRIu64 "\nend\n", f->bytes - bytes_before, f->writes);
}

/* Reads the number of a marker, digit by digit; false at the end. */
static bool
read_input(struct fanout *f)
{
    char c;
    ssize_t n;
    while ((n = read(0, &c, 1)) > 0) {
        if (c >= '0' && c <= '9') {
            f->asked = (f->asked * 10 + c - '0') % MAX_MARKERS;
        } else {
            f->waits = true;
        }
    }
    return n < 0;
}

static void
answer(struct fanout *f)
{
    for (int i = 0; i < f->n; i++) {
        if (!f->agents[i].seen[f->asked]) {
            return;
        }
    }
    printf("all\n");
    fflush(stdout);
    f->asked = 0;
    f->waits = false;
}

static void
run(struct fanout *f)
{
    uint64_t bytes_before = 0;
    bool said = false;
    fcntl(0, F_SETFL, O_NONBLOCK);
    while (read_input(f)) {
        struct epoll_event events[256];
        int n = epoll_wait(f->epoll_fd, events, 256, 1);
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            if (events[i].events & EPOLLOUT) {
                connection_flush(f, c);
            }
            if (events[i].events & ~EPOLLOUT) {
                receive(f, c);
            }
        }
        int64_t now = now_us();
        for (int i = 0; i < f->n; i++) {
            agent_run(f, &f->agents[i], now);
        }
        if (!said && f->n_synced == f->n) {
            printf("synced %" PRId64 " %" PRIu64 "\n", now, f->bytes);
            fflush(stdout);
            said = true;
            bytes_before = f->bytes;
            f->writes = 0;
        }
        if (f->waits) {
            answer(f);
        }
    }
    report(f, bytes_before);
}

static char *
read_file(const char *name)
{
    static char text[65536];
    FILE *file = fopen(name, "r");
    size_t n = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (!n) {
        fatal("%s cannot be read", name);
    }
    fclose(file);
    text[n] = '\0';
    return strdup(text);
}

static void
create_agents(struct fanout *f, int64_t spread_us)
{
    int64_t now = now_us();
    f->agents = zalloc(f->n, sizeof *f->agents);
    for (int i = 0; i < f->n; i++) {
        f->agents[i].index = i;
        f->agents[i].start_at = now + spread_us * i / f->n;
        f->agents[i].seen = zalloc(MAX_MARKERS, sizeof *f->agents[i].seen);
    }
}

int
main(int argc, char *argv[])
{
    struct rlimit limit;
    struct fanout f = { .server.sun_family = AF_UNIX, .epoll_fd = epoll_create1(EPOLL_CLOEXEC) };
    if (argc != 7 || strlen(argv[1]) >= sizeof f.server.sun_path) {
        fatal("usage: see tests/bench/fanout.c");
    }
    signal(SIGPIPE, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!getrlimit(RLIMIT_NOFILE, &limit)) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    snprintf(f.server.sun_path, sizeof f.server.sun_path, "%s", argv[1]);
    f.n = strtol(argv[2], NULL, 10);
    f.write_us = strtol(argv[4], NULL, 10) * 1000;
    f.state_request = read_file(argv[5]);
    f.own_request = read_file(argv[6]);
    f.buffer = zalloc(1, OVERLAP + CHUNK + 1);
    create_agents(&f, strtol(argv[3], NULL, 10) * 1000);
    run(&f);
    return 0;
}
