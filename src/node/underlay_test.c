/* Works in a network namespace of its own.  Needs root. */
#include "node/underlay.h"

#include "base/test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/prefix.h"
#include "openvswitch/poll-loop.h"
#include "util.h"

static int home;

static int
setup(void **state)
{
    home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    return unshare(CLONE_NEWNET) || system("ip link set lo up") ? -1 : 0;
}

static int
teardown(void **state)
{
    int error = setns(home, CLONE_NEWNET);
    close(home);
    return error;
}

static struct in6_addr
addr(const char *s)
{
    struct in6_addr a;
    char *error = addr_parse(s, &a);
    assert_null(error);
    return a;
}

/* A socket on the discard port of 'ip'. */
static int
listen_at(const char *ip)
{
    struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(9) };
    assert_int_equal(inet_pton(AF_INET, ip, &sin.sin_addr), 1);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (struct sockaddr *) &sin, sizeof sin), 0);
    return fd;
}

/* Loopback delivers a moment after the send if the machine is busy. */
static void
await(int fd)
{
    struct pollfd pfd = { .fd = fd, .events = POLLIN };
    assert_int_equal(poll(&pfd, 1, 30000), 1);
}

/* How many datagrams arrived, all from 'from'. */
static int
count(int fd, const char *from)
{
    struct sockaddr_in sin;
    socklen_t len = sizeof sin;
    char c;
    int n = 0;
    while (recvfrom(fd, &c, 1, 0, (struct sockaddr *) &sin, &len) >= 0) {
        char text[INET_ADDRSTRLEN];
        assert_string_equal(inet_ntop(AF_INET, &sin.sin_addr, text, sizeof text), from);
        n++;
    }
    return n;
}

static void
test_greets_new_peers(void **state)
{
    int a = listen_at("127.0.0.2"), b = listen_at("127.0.0.3");
    struct in6_addr vtep = addr("127.0.0.1");
    struct underlay *u = underlay_create(&vtep);
    underlay_run(u);
    struct in6_addr peers[] = { addr("127.0.0.2"), addr("127.0.0.3") };
    underlay_set_peers(u, peers, 1);
    underlay_run(u);
    await(a);
    assert_int_equal(count(a, "127.0.0.1"), 1);
    assert_int_equal(count(b, "127.0.0.1"), 0);

    underlay_set_peers(u, peers, 1); /* Nothing new. */
    underlay_run(u);
    assert_int_equal(count(a, "127.0.0.1"), 0);

    underlay_set_peers(u, peers, 2);
    underlay_run(u);
    await(b);
    assert_int_equal(count(b, "127.0.0.1"), 1);
    underlay_destroy(u);
    close(a);
    close(b);
}

/* The address may come after the agent; until then nothing is sent. */
static void
test_waits_for_the_address(void **state)
{
    int a = listen_at("127.0.0.2");
    struct in6_addr vtep = addr("192.0.2.1"), peer = addr("127.0.0.2");
    struct underlay *u = underlay_create(&vtep);
    underlay_set_peers(u, &peer, 1);
    underlay_run(u);
    assert_int_equal(count(a, "192.0.2.1"), 0);
    assert_int_equal(system("ip addr add 192.0.2.1/32 dev lo"), 0);
    while (!count(a, "192.0.2.1")) {
        underlay_run(u);
        underlay_wait(u);
        poll_fd_wait(a, POLLIN);
        poll_block();
    }
    underlay_destroy(u);
    close(a);
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_greets_new_peers),
        TEST(test_waits_for_the_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
