/* The CNI service with a real Open vSwitch database and real interfaces in
 * network namespaces of the test's own; flows are played by the test.  Needs
 * root. */
#include "node/cni_server.h"

#include "base/test.h"

#include <fcntl.h>
#include <jansson.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>

#include "base/records.h"
#include "flow.h"
#include "node/cni_operation.h"
#include "node/link.h"
#include "node/ovs_config.h"
#include "node/ovs_test.h"

static int home, node, pod;
static char pod_path[64];
static struct ovs_config *cfg;
static struct cni_server *server;
static struct records *records;
static bool records_known;

/* The part of the flows. */
static struct {
    char *name, *uid;
    ofp_port_t port;
    unsigned int n_attached;
    bool realized;
    uint64_t epoch, confirmed;
    const char *not_ready;
} flows;

static void
flows_attach(void *aux, const char *name, const char *uid, ofp_port_t port)
{
    free(flows.name);
    free(flows.uid);
    flows.name = xstrdup(name);
    flows.uid = xstrdup(uid);
    flows.port = port;
    flows.n_attached++;
}

static bool
flows_is_realized(void *aux, const char *name, const char *uid)
{
    return flows.realized && flows.port && !strcmp(flows.name, name) && !strcmp(flows.uid, uid);
}

static uint64_t
flows_epoch(void *aux)
{
    return flows.epoch;
}

static uint64_t
flows_confirmed(void *aux)
{
    return flows.confirmed;
}

static const char *
flows_not_ready(void *aux)
{
    return flows.not_ready;
}

/* --- Setup ----------------------------------------------------------------------- */

static void
start_server(void)
{
    char *remote = xasprintf("unix:%s/db.sock", ovs.dir);
    struct ovs_config_options opt = {
        .remote = remote,
        .bridge = "br-int",
        .datapath_type = "dummy",
        .node_name = "node-1",
        .tunnel_port = "vxlan0",
        .tunnel_udp_port = 4789,
        .gateway_port = "virga0",
        .gateway_mac = ETH_ADDR_C(02, 56, 00, 00, 00, 02),
    };
    cfg = ovs_config_create(&opt);
    free(remote);
    char *socket = xasprintf("%s/cni.sock", ovs.dir);
    struct cni_server_options cni = {
        .socket = socket,
        .node_name = "node-1",
        .flows = {
            .attach = flows_attach,
            .is_realized = flows_is_realized,
            .epoch = flows_epoch,
            .confirmed = flows_confirmed,
            .not_ready = flows_not_ready,
        },
    };
    assert_int_equal(cni_server_create(&cni, cfg, &server), 0);
    cni_server_set_mtu(server, 1450);
    free(socket);
}

static void
stop_server(void)
{
    cni_server_destroy(server);
    ovs_config_destroy(cfg);
}

static int
setup(void **state)
{
    home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    assert_int_equal(unshare(CLONE_NEWNET), 0);
    pod = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    assert_int_equal(unshare(CLONE_NEWNET), 0);
    node = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    snprintf(pod_path, sizeof pod_path, "/proc/%d/fd/%d", (int) getpid(), pod);
    memset(&flows, 0, sizeof flows);
    records = records_create();
    records_known = true;
    if (ovs_test_setup(state)) {
        return -1;
    }
    start_server();
    return 0;
}

static int
teardown(void **state)
{
    stop_server();
    records_destroy(records);
    free(flows.name);
    free(flows.uid);
    assert_int_equal(setns(home, CLONE_NEWNET), 0);
    close(home);
    close(pod);
    close(node);
    return ovs_test_teardown(state);
}

static void
run_once(void)
{
    ovs_config_run(cfg);
    cni_server_run(server, records_known ? records : NULL);
}

static void
wait_once(long long int until)
{
    ovs_config_wait(cfg);
    cni_server_wait(server);
    poll_timer_wait_until(until);
    poll_block();
}

#define until(CONDITION)                                                   \
    for (long long int deadline_ = time_msec() + OVS_TEST_DEADLINE_MS;;) { \
        run_once();                                                        \
        if (CONDITION) {                                                   \
            wait_once(0);                                                  \
            break;                                                         \
        }                                                                  \
        if (time_msec() >= deadline_) {                                    \
            fail_msg("line %d: never happened: %s", __LINE__, #CONDITION); \
        }                                                                  \
        wait_once(deadline_);                                              \
    }

/* Lets everything happen that can: the loop has nothing to do for a while. */
static void
settle(void)
{
    for (int i = 0; i < 20; i++) {
        run_once();
        wait_once(time_msec() + 2);
    }
}

/* --- Clients ---------------------------------------------------------------------- */

struct call {
    int fd;
    struct ds answer;
};

static struct call
call_raw(const char *line)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    snprintf(sun.sun_path, sizeof sun.sun_path, "%s/cni.sock", ovs.dir);
    struct call c = { .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) };
    assert_int_equal(connect(c.fd, (struct sockaddr *) &sun, sizeof sun), 0);
    assert_int_equal(send(c.fd, line, strlen(line), 0), strlen(line));
    fcntl(c.fd, F_SETFL, O_NONBLOCK);
    ds_init(&c.answer);
    return c;
}

static struct call
call_with(const char *command, const char *container, const char *name, int timeout,
          const char *config)
{
    char *line = xasprintf("{\"command\":\"%s\",\"containerID\":\"%s\",\"netns\":\"%s\","
                           "\"ifname\":\"eth0\",\"timeout\":%d,\"args\":\"K8S_POD_NAMESPACE=shop;"
                           "K8S_POD_NAME=%s\",\"config\":{\"cniVersion\":\"1.1.0\","
                           "\"name\":\"net\"%s}}\n",
                           command, container, pod_path, timeout, name, config);
    struct call c = call_raw(line);
    free(line);
    return c;
}

static struct call
call(const char *command, const char *container, const char *name)
{
    return call_with(command, container, name, 20, "");
}

/* Takes what there is of the answer; true at its end, else the loop wakes up
 * when there is more. */
static bool
is_answered(struct call *c)
{
    char chunk[4096];
    ssize_t n;
    while ((n = recv(c->fd, chunk, sizeof chunk, 0)) > 0) {
        ds_put_buffer(&c->answer, chunk, n);
    }
    if (n) {
        poll_fd_wait(c->fd, POLLIN);
    }
    return n == 0;
}

static void
hang_up(struct call *c)
{
    close(c->fd);
    ds_destroy(&c->answer);
}

/* Waits for the answer; 0 for a result, else the error's code. */
static int
finish(struct call *c)
{
    until(is_answered(c));
    json_t *o = json_loads(ds_cstr(&c->answer), 0, NULL);
    assert_non_null(o);
    const json_t *error = json_object_get(o, "error");
    int code = error ? (int) json_integer_value(json_object_get(error, "code")) : 0;
    assert_true(code || json_object_get(o, "result"));
    json_decref(o);
    hang_up(c);
    return code;
}

static int
do_call(const char *command, const char *container, const char *name)
{
    struct call c = call(command, container, name);
    return finish(&c);
}

/* --- Desired state ------------------------------------------------------------------ */

static void
know(const char *text)
{
    char *error = records_parse(text, records);
    assert_null(error);
}

#define NODES                                                   \
    "node 1 name=node-1 vtep=172.30.0.1 addresses=172.30.0.1\n" \
    "node 2 name=node-2 vtep=172.30.0.2 addresses=172.30.0.2\n" \
    "network 4097 name=shop zone=16 subnets=10.128.1.0/24 gateways=10.128.1.1\n"
#define REDIS(UID, NODE)                                                      \
    "endpoint 7 name=shop/redis uid=" UID " vni=4097 identity=256 node=" NODE \
    " mac=02:56:0a:80:01:02 ips=10.128.1.2\n"

static char *
port_of(const char *container)
{
    static char ifname[IFNAMSIZ];
    cni_host_ifname(container, "eth0", ifname);
    return ifname;
}

static void
assert_nothing_left(const char *container)
{
    assert_null(ovs_config_find(cfg, port_of(container)));
    assert_false(link_exists(port_of(container)));
}

/* Adds shop/redis as a container whose flows the switch has. */
static void
add_redis(const char *container)
{
    know(NODES REDIS("u1", "1"));
    flows.realized = true;
    assert_int_equal(do_call("ADD", container, "redis"), 0);
    assert_int_equal(setns(pod, CLONE_NEWNET), 0); /* Room for the next sandbox. */
    free(ovs_test_sh("ip link set eth0 down; ip link set eth0 name old-%s", container));
    assert_int_equal(setns(node, CLONE_NEWNET), 0);
}

/* --- Tests ---------------------------------------------------------------------------- */

static void
test_add_waits_for_each_step(void **state)
{
    struct call c = call("ADD", "c1", "redis");
    until(ovs_config_is_ready(cfg));
    settle();
    assert_false(is_answered(&c));
    assert_nothing_left("c1");

    know(NODES REDIS("u1", "2")); /* On another node. */
    settle();
    assert_nothing_left("c1");

    know(NODES REDIS("u1", "1"));
    until(flows.port);
    assert_string_equal(flows.name, "shop/redis");
    assert_string_equal(flows.uid, "u1");
    settle();
    assert_false(is_answered(&c));

    flows.epoch = 5;
    flows.confirmed = 4;
    flows.realized = true;
    settle();
    assert_false(is_answered(&c)); /* The switch has not said so. */

    flows.confirmed = 5;
    assert_int_equal(finish(&c), 0);
    assert_true(link_exists(port_of("c1")));
    assert_string_equal(ovs_config_find(cfg, port_of("c1"))->container, "c1");
}

static void
test_add_answers_with_the_address(void **state)
{
    know(NODES REDIS("u1", "1"));
    flows.realized = true;
    struct call c = call("ADD", "c1", "redis");
    until(is_answered(&c));
    assert_non_null(strstr(ds_cstr(&c.answer), "\"address\":\"10.128.1.2/24\""));
    assert_non_null(strstr(ds_cstr(&c.answer), "\"mac\":\"02:56:0a:80:01:02\""));
    hang_up(&c);
}

static void
test_add_that_times_out_leaves_nothing(void **state)
{
    know(NODES REDIS("u1", "1"));
    struct call c = call_with("ADD", "c1", "redis", 1, "");
    until(flows.port);
    assert_true(link_exists(port_of("c1")));
    assert_int_equal(finish(&c), 11);
    assert_nothing_left("c1");
    assert_int_equal(ofp_to_u16(flows.port), 0);
}

static void
test_client_that_leaves_is_undone(void **state)
{
    know(NODES REDIS("u1", "1"));
    struct call c = call("ADD", "c1", "redis");
    until(flows.port);
    hang_up(&c);
    until(!link_exists(port_of("c1")));
    assert_nothing_left("c1");
    assert_int_equal(ofp_to_u16(flows.port), 0);
}

static void
test_second_add_of_one_interface_fails(void **state)
{
    know(NODES REDIS("u1", "1"));
    flows.realized = true;
    assert_int_equal(do_call("ADD", "c1", "redis"), 0);
    assert_int_equal(do_call("ADD", "c1", "redis"), 100);
    assert_true(link_exists(port_of("c1"))); /* The first is untouched. */
}

static void
test_add_fails_if_the_interface_is_there(void **state)
{
    know(NODES REDIS("u1", "1"));
    flows.realized = true;
    assert_int_equal(do_call("ADD", "c1", "redis"), 0);
    assert_int_equal(do_call("ADD", "c2", "redis"), 100); /* Same namespace, same name. */
    assert_nothing_left("c2");
    assert_int_equal(ofp_to_u16(flows.port),
                     ofp_to_u16(ovs_config_find(cfg, port_of("c1"))->ofport));
}

static void
test_add_needs_a_network_namespace(void **state)
{
    char *good = xstrdup(pod_path);
    snprintf(pod_path, sizeof pod_path, "/nonexistent");
    assert_int_equal(do_call("ADD", "c1", "redis"), 4);
    snprintf(pod_path, sizeof pod_path, "%s", good);
    free(good);
}

static void
test_del_is_idempotent(void **state)
{
    add_redis("c1");
    assert_int_equal(do_call("DEL", "c1", "redis"), 0);
    assert_nothing_left("c1");
    assert_int_equal(ofp_to_u16(flows.port), 0);
    assert_int_equal(do_call("DEL", "c1", "redis"), 0);
    assert_int_equal(do_call("DEL", "never-seen", "redis"), 0);
}

static void
test_late_del_of_an_old_sandbox(void **state)
{
    add_redis("old");
    add_redis("new");
    ofp_port_t port = ovs_config_find(cfg, port_of("new"))->ofport;
    assert_int_equal(ofp_to_u16(flows.port), ofp_to_u16(port));
    unsigned int n = flows.n_attached;
    assert_int_equal(do_call("DEL", "old", "redis"), 0);
    assert_nothing_left("old");
    assert_true(link_exists(port_of("new")));
    assert_int_equal(flows.n_attached, n); /* Not a word about the new one. */
}

static void
test_restart_adopts_what_is_there(void **state)
{
    add_redis("c1");
    ofp_port_t port = flows.port;
    stop_server();
    flows.port = 0;
    start_server();
    until(ovs_config_is_loaded(cfg));
    cni_server_adopt(server);
    assert_int_equal(ofp_to_u16(flows.port), ofp_to_u16(port));
    assert_string_equal(flows.name, "shop/redis");

    /* After a reboot the database remembers what the kernel does not. */
    stop_server();
    assert_int_equal(link_delete(port_of("c1")), 0);
    flows.port = 0;
    start_server();
    until(ovs_config_is_loaded(cfg));
    cni_server_adopt(server);
    assert_int_equal(ofp_to_u16(flows.port), 0);
    until(!ovs_config_is_removing(cfg, port_of("c1")));
}

static void
test_gc_removes_what_is_not_listed(void **state)
{
    add_redis("c1");
    add_redis("c2");
    struct call c = call_with("GC", "", "", 20,
                              ",\"cni.dev/valid-attachments\":["
                              "{\"containerID\":\"c2\",\"ifname\":\"eth0\"}]");
    assert_int_equal(finish(&c), 0);
    assert_nothing_left("c1");
    assert_true(link_exists(port_of("c2")));
}

static void
test_status(void **state)
{
    assert_int_equal(do_call("STATUS", "", ""), 0);
    flows.not_ready = "the switch is away";
    struct call c = call("STATUS", "", "");
    until(is_answered(&c));
    assert_non_null(strstr(ds_cstr(&c.answer), "\"code\":50"));
    assert_non_null(strstr(ds_cstr(&c.answer), "the switch is away"));
    hang_up(&c);
}

static void
test_bad_requests(void **state)
{
    struct call c = call_raw("nonsense\n");
    assert_int_equal(finish(&c), 6);
    c = call_raw("{\"command\":\"ADD\",\"config\":{\"cniVersion\":\"7\"}}\n");
    assert_int_equal(finish(&c), 1);

    /* A line without end is cut off, and others are served meanwhile. */
    c = call_raw("{");
    assert_int_equal(do_call("STATUS", "", ""), 0);
    char *long_text = xmalloc(65537);
    memset(long_text, 'x', 65536);
    long_text[65536] = '\0';
    bool answered = false;
    for (int i = 0; i < 100 && !answered; i++) {
        ssize_t n = send(c.fd, long_text, 65536, MSG_NOSIGNAL);
        settle();
        answered = n < 0 || is_answered(&c) || c.answer.length;
    }
    assert_true(answered);
    free(long_text);
    hang_up(&c);
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_add_waits_for_each_step),
        TEST(test_add_answers_with_the_address),
        TEST(test_add_that_times_out_leaves_nothing),
        TEST(test_client_that_leaves_is_undone),
        TEST(test_second_add_of_one_interface_fails),
        TEST(test_add_fails_if_the_interface_is_there),
        TEST(test_add_needs_a_network_namespace),
        TEST(test_del_is_idempotent),
        TEST(test_late_del_of_an_old_sandbox),
        TEST(test_restart_adopts_what_is_there),
        TEST(test_gc_removes_what_is_not_listed),
        TEST(test_status),
        TEST(test_bad_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
