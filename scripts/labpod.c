/* What runs inside the lab's pods: a listener and a prober.
 *
 *   labpod [--netns=PATH] [--pidfile=FILE] listen NAME PROTO:PORT...
 *       Goes to the background once every port is open (with --pidfile; else
 *       stays), for IPv4 and IPv6.  TCP: says NAME and a newline, then echoes.  UDP: answers each
 *       datagram with NAME and a newline.  SCTP: answers each INIT with an
 *       INIT ACK that names NAME (labsctp.h), on raw sockets.
 *   labpod [--netns=PATH] probe TIMEOUT_MS
 *       Reads targets, one a line: "ID PROTO IP PORT [SOURCE-IP]".  Tries
 *       all of them at once and prints "ID RESULT ANSWER" for each: RESULT is
 *       allowed, denied (nothing came back), rejected (a reset or an ICMP
 *       error) or unsupported; ANSWER is what the listener said, or "-".
 *
 * One process and one epoll loop each; no dependency but libc, because it
 * must start hundreds of times in seconds. */
#include "labpod.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

void
fatal(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("labpod: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

int64_t
now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

bool
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

void
watch(int epoll_fd, int op, int fd, uint32_t events, void *data)
{
    struct epoll_event event = { .events = events, .data.ptr = data };
    if (epoll_ctl(epoll_fd, op, fd, &event)) {
        fatal("epoll_ctl: %s", strerror(errno));
    }
}

const uint8_t *
ip_payload(int family, const uint8_t *data, ssize_t *n)
{
    ssize_t header = family == AF_INET && *n > 0 ? (data[0] & 15) * 4 : 0;
    *n -= header;
    return (header >= 20 || family == AF_INET6) && *n > 0 ? data + header : NULL;
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
