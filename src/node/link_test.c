/* Works in two network namespaces of its own: "node", where the test runs,
 * and "pod".  Needs root. */
#include "node/link.h"

#include "base/test.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node/host_links.h"
#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "util.h"

static int home, node, pod;
static struct prefix address;
static struct in6_addr gateway;

static int
new_netns(void)
{
    assert_int_equal(unshare(CLONE_NEWNET), 0);
    int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void
enter(int fd)
{
    assert_int_equal(setns(fd, CLONE_NEWNET), 0);
}

static struct in6_addr
addr(const char *s)
{
    struct in6_addr a;
    char *error = addr_parse(s, &a);
    assert_null(error);
    return a;
}

static struct prefix
prefix(const char *s)
{
    struct prefix p;
    char *error = prefix_parse(s, true, &p);
    assert_null(error);
    return p;
}

static int
setup(void **state)
{
    home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    pod = new_netns();
    node = new_netns();
    address = (struct prefix){ .addr = addr("10.128.1.2"), .plen = 96 + 24 };
    gateway = addr("10.128.1.1");
    return 0;
}

static int
teardown(void **state)
{
    enter(home);
    close(home);
    close(node);
    close(pod);
    return 0;
}

/* What a shell command prints in namespace 'fd'. */
static char *
sh_in(int fd, const char *command)
{
    enter(fd);
    struct ds output = DS_EMPTY_INITIALIZER;
    FILE *f = popen(command, "re");
    assert_non_null(f);
    int c;
    while ((c = getc(f)) != EOF) {
        ds_put_char(&output, c);
    }
    int status = pclose(f);
    enter(node);
    if (status) {
        fail_msg("%s: status %d: %s", command, status, ds_cstr(&output));
    }
    return ds_steal_cstr(&output);
}

static void
assert_prints(int fd, const char *command, const char *word, bool there)
{
    char *output = sh_in(fd, command);
    if (!strstr(output, word) == there) {
        fail_msg("%s: \"%s\" %s in: %s", command, word, there ? "is not" : "is", output);
    }
    free(output);
}

static struct link_pod
a_pod(void)
{
    return (struct link_pod){
        .host_ifname = "vp1",
        .pod_ifname = "eth0",
        .netns = pod,
        .mac = ETH_ADDR_C(02, 56, 0a, 80, 01, 02),
        .mtu = 1450,
        .addresses = &address,
        .gateways = &gateway,
        .n_addresses = 1,
    };
}

static void
attach(void)
{
    struct link_pod p = a_pod();
    int error;
    char *text = link_attach_pod(&p, &error);
    if (text) {
        fail_msg("%s", text);
    }
}

static void
assert_broken(const char *word)
{
    struct link_pod p = a_pod();
    char *text = link_check_pod(&p);
    assert_non_null(text);
    if (!strstr(text, word)) {
        fail_msg("\"%s\" does not mention %s", text, word);
    }
    free(text);
}

static void
test_attach(void **state)
{
    attach();
    assert_prints(pod, "ip link show eth0", "02:56:0a:80:01:02", true);
    assert_prints(pod, "ip link show eth0", "mtu 1450", true);
    assert_prints(pod, "ip addr show eth0", "10.128.1.2/24", true);
    assert_prints(pod, "ip route", "default via 10.128.1.1 dev eth0", true);
    assert_prints(pod, "ip link show lo", "UP", true);
    assert_prints(pod, "ethtool -k eth0", "tx-checksumming: off", true);
    assert_prints(pod, "ethtool -k eth0", "tx-tcp-segmentation: off", true);
    assert_prints(node, "ip link show vp1", "mtu 1450", true);
    assert_prints(node, "ip link show vp1", "UP", true);
    struct link_pod p = a_pod();
    assert_null(link_check_pod(&p));
    struct eth_addr mac;
    assert_true(link_get_mac("vp1", &mac));
    assert_false(eth_addr_is_zero(mac));
}

static void
test_checksums_stay_with_offload(void **state)
{
    struct link_pod p = a_pod();
    p.checksum_offload = true;
    int error;
    assert_null(link_attach_pod(&p, &error));
    assert_prints(pod, "ethtool -k eth0", "tx-checksumming: on", true);
}

static void
test_attach_refuses_an_existing_name(void **state)
{
    free(sh_in(pod, "ip link add eth0 type veth peer name other"));
    struct link_pod p = a_pod();
    int error;
    char *text = link_attach_pod(&p, &error);
    assert_non_null(text);
    assert_int_equal(error, EEXIST);
    free(text);
    assert_false(link_exists("vp1"));
}

static void
test_failed_attach_leaves_nothing(void **state)
{
    gateway = addr("192.0.2.1"); /* Not in the subnet. */
    struct link_pod p = a_pod();
    int error;
    char *text = link_attach_pod(&p, &error);
    assert_non_null(strstr(text, "eth0"));
    free(text);
    assert_false(link_exists("vp1"));
    assert_prints(pod, "ip link", "eth0", false);
}

static void
test_check_finds_what_is_broken(void **state)
{
    attach();
    free(sh_in(pod, "ip route del default"));
    assert_broken("route");
    free(sh_in(pod, "ip route add default via 10.128.1.1"));
    free(sh_in(pod, "ip addr add 10.99.0.1/32 dev eth0"));
    struct link_pod p = a_pod();
    assert_null(link_check_pod(&p));
    free(sh_in(pod, "ip addr del 10.128.1.2/24 dev eth0"));
    assert_broken("10.128.1.2");
    free(sh_in(pod, "ip link set eth0 address 02:00:00:00:00:01"));
    assert_broken("MAC");
    assert_int_equal(link_delete("vp1"), 0);
    assert_broken("vp1");
}

static void
test_delete_is_idempotent(void **state)
{
    attach();
    assert_true(link_exists("vp1"));
    assert_int_equal(link_delete("vp1"), 0);
    assert_false(link_exists("vp1"));
    assert_int_equal(link_delete("vp1"), 0);
    assert_prints(pod, "ip link", "eth0", false);
}

static void
test_netns_open(void **state)
{
    int fd;
    assert_int_equal(netns_open("/nonexistent", &fd), ENOENT);
    assert_int_equal(netns_open("/proc/thread-self/ns/net", &fd), EINVAL);
    assert_int_equal(netns_open("/proc/thread-self/ns/uts", &fd), EINVAL);
    char path[] = "/tmp/virga-link-XXXXXX";
    int file = mkstemp(path); /* What is left when a bind mount has gone. */
    assert_true(file >= 0);
    assert_int_equal(netns_open(path, &fd), ENOENT);
    unlink(path);
    close(file);
    char *other = xasprintf("/proc/self/fd/%d", pod);
    assert_int_equal(netns_open(other, &fd), 0);
    free(other);
    close(fd);
}

static void
test_routes_follow(void **state)
{
    free(sh_in(node, "ip link add virga0 type veth peer name other && ip link set virga0 up && "
                     "ip addr add 172.30.0.1/24 dev virga0 && ip link set other up && "
                     "ip route add 10.50.0.0/16 dev virga0"));
    struct in6_addr src = addr("172.30.0.1");
    struct prefix wanted[] = { prefix("10.128.0.0/9"), prefix("192.168.7.0/24") };
    assert_null(host_links_sync_routes("virga0", &src, 1, wanted, 2));
    assert_null(host_links_sync_routes("virga0", &src, 1, wanted, 2));
    assert_prints(node, "ip route", "10.128.0.0/9 dev virga0 proto 86 scope link src 172.30.0.1",
                  true);
    assert_prints(node, "ip route", "192.168.7.0/24", true);
    assert_null(host_links_sync_routes("virga0", &src, 1, wanted, 1));
    assert_prints(node, "ip route", "192.168.7.0/24", false);
    assert_prints(node, "ip route", "10.50.0.0/16", true); /* Somebody else's. */

    /* Of both families, each with the source that it has. */
    free(sh_in(node, "ip addr add fd00:172::1/64 dev virga0 nodad"));
    struct in6_addr srcs[] = { src, addr("fd00:172::1") };
    struct prefix both[] = { prefix("10.128.0.0/9"), prefix("fd00:10::/48"),
                             prefix("fd00:11::/64") };
    assert_null(host_links_sync_routes("virga0", srcs, 2, both, 3));
    assert_null(host_links_sync_routes("virga0", srcs, 2, both, 3));
    assert_prints(node, "ip route", "10.128.0.0/9 dev virga0 proto 86 scope link src 172.30.0.1",
                  true);
    assert_prints(node, "ip -6 route", "fd00:10::/48 dev virga0 proto 86 src fd00:172::1", true);
    assert_null(host_links_sync_routes("virga0", srcs, 1, both, 2));
    assert_prints(node, "ip -6 route", "fd00:11::/64", false);
    assert_prints(node, "ip -6 route", "fd00:10::/48 dev virga0", true);
    assert_null(host_links_sync_routes("virga0", srcs, 1, both, 1));
    assert_prints(node, "ip -6 route", "fd00:10::/48", false);
    assert_prints(node, "ip route", "10.128.0.0/9", true);

    char *text = host_links_sync_routes("none", &src, 1, wanted, 1);
    assert_non_null(text);
    free(text);
}

static void
test_addresses_of_the_node(void **state)
{
    free(sh_in(node, "set -e; ip link set lo up; "
                     "ip link add name u type bridge; ip link add name d type bridge; "
                     "ip link add virga0 type veth peer name other; ip link set u mtu 1400; "
                     "ip addr add 172.30.0.1/24 dev u; ip addr add 172.30.0.9/24 dev u; "
                     "ip addr add 172.17.0.1/24 dev d; ip addr add 10.1.0.1/24 dev virga0; "
                     "ip addr add 10.2.0.1/24 dev other"));
    struct in6_addr vtep = addr("172.30.0.1"), unknown = addr("172.30.0.2");
    size_t n;
    struct in6_addr *all = host_links_addresses(&vtep, "virga0", &n);
    assert_int_equal(n, 3);
    struct in6_addr expected[] = { addr("10.2.0.1"), addr("172.30.0.1"), addr("172.30.0.9") };
    assert_memory_equal(all, expected, sizeof expected);
    free(all);
    assert_int_equal(host_links_mtu_of_address(&vtep), 1400);
    assert_int_equal(host_links_mtu_of_address(&unknown), 0);
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_attach),
        TEST(test_checksums_stay_with_offload),
        TEST(test_attach_refuses_an_existing_name),
        TEST(test_failed_attach_leaves_nothing),
        TEST(test_check_finds_what_is_broken),
        TEST(test_delete_is_idempotent),
        TEST(test_netns_open),
        TEST(test_routes_follow),
        TEST(test_addresses_of_the_node),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
