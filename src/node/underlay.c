#include "node/underlay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(underlay);

enum {
    DISCARD_PORT = 9,
    REPEAT_MS = 240000, /* Open vSwitch forgets what it did not use for 15 minutes. */
    RETRY_MS = 1000,    /* The VTEP address may not be there yet. */
};

struct underlay {
    struct in6_addr vtep;
    int fd; /* -1: not open. */
    struct in6_addr *peers;
    size_t n_peers;
    long long int due_at;
};

struct underlay *
underlay_create(const struct in6_addr *vtep)
{
    struct underlay *u = xzalloc(sizeof *u);
    u->vtep = *vtep;
    u->fd = -1;
    u->due_at = LLONG_MAX;
    return u;
}

void
underlay_destroy(struct underlay *u)
{
    if (u) {
        if (u->fd >= 0) {
            close(u->fd);
        }
        free(u->peers);
        free(u);
    }
}

static int
open_socket(const struct in6_addr *vtep)
{
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_addr = *vtep };
    if (fd >= 0 && bind(fd, (struct sockaddr *) &sin6, sizeof sin6)) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static void
greet(struct underlay *u, const struct in6_addr *peer)
{
    struct sockaddr_in6 sin6 = {
        .sin6_family = AF_INET6,
        .sin6_port = htons(DISCARD_PORT),
        .sin6_addr = *peer,
    };
    if (sendto(u->fd, "", 1, 0, (struct sockaddr *) &sin6, sizeof sin6) < 0) {
        VLOG_DBG("cannot greet a tunnel endpoint: %s", ovs_strerror(errno));
    }
}

static bool
is_among(const struct in6_addr *addr, const struct in6_addr *all, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!memcmp(addr, &all[i], sizeof *addr)) {
            return true;
        }
    }
    return false;
}

void
underlay_set_peers(struct underlay *u, const struct in6_addr *peers, size_t n)
{
    bool any_new = false;
    for (size_t i = 0; i < n; i++) {
        any_new |= !is_among(&peers[i], u->peers, u->n_peers);
    }
    free(u->peers);
    u->peers = n ? xmemdup(peers, n * sizeof *peers) : NULL;
    u->n_peers = n;
    if (any_new) {
        u->due_at = time_msec();
    } else if (!n) {
        u->due_at = LLONG_MAX;
    }
}

void
underlay_run(struct underlay *u)
{
    if (time_msec() < u->due_at) {
        return;
    }
    if (u->fd < 0) {
        u->fd = open_socket(&u->vtep);
    }
    for (size_t i = 0; u->fd >= 0 && i < u->n_peers; i++) {
        greet(u, &u->peers[i]);
    }
    u->due_at = time_msec() + (u->fd >= 0 ? REPEAT_MS : RETRY_MS);
}

void
underlay_wait(struct underlay *u)
{
    if (u->due_at != LLONG_MAX) {
        poll_timer_wait_until(u->due_at);
    }
}
