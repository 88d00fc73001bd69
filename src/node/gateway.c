/* A change of configuration or of any interface sets 'due'; apply() then does
 * it all again, in an order that opens nothing early: masquerade first, so
 * that no pod's address leaves the cluster, then routes, then forwarding. */
#include "node/gateway.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "if-notifier.h"
#include "node/host_links.h"
#include "node/link.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(gateway);

enum {
    RETRY_MS = 2000,
    SETTLE_MS = 100, /* Interfaces come and go in crowds. */
};

struct gateway {
    char *ifname;
    struct gateway_config config; /* Arrays are our own. */
    bool configured;
    bool due;             /* Not yet as 'config' says, */
    long long int due_at; /* and to be tried then. */
    bool nft_due;         /* The table too. */
    int nft;              /* Process descriptor of a running nft, or -1. */
    int nft_output;       /* What it says; a file without a name, or -1. */
    struct if_notifier *notifier;
    char *message;
};

static void
interfaces_changed(void *gw_)
{
    struct gateway *gw = gw_;
    if (!gw->due) {
        gw->due = true;
        gw->due_at = time_msec() + SETTLE_MS;
    }
}

struct gateway *
gateway_create(const char *ifname)
{
    struct gateway *gw = xzalloc(sizeof *gw);
    gw->ifname = xstrdup(ifname);
    gw->nft = -1;
    gw->nft_output = -1;
    gw->notifier = if_notifier_create(interfaces_changed, gw);
    gw->message = xstrdup("the host's port is not configured yet");
    return gw;
}

static void
close_nft(struct gateway *gw)
{
    if (gw->nft >= 0) {
        close(gw->nft);
    }
    if (gw->nft_output >= 0) {
        close(gw->nft_output);
    }
    gw->nft = gw->nft_output = -1;
}

static void
config_uninit(struct gateway_config *c)
{
    free(CONST_CAST(struct in6_addr *, c->sources));
    free(CONST_CAST(struct prefix *, c->subnets));
    free(CONST_CAST(struct in6_addr *, c->nodes));
    free(CONST_CAST(struct in6_addr *, c->own));
}

void
gateway_destroy(struct gateway *gw)
{
    if (gw) {
        if_notifier_destroy(gw->notifier);
        close_nft(gw);
        config_uninit(&gw->config);
        free(gw->ifname);
        free(gw->message);
        free(gw);
    }
}

static bool
arrays_equal(const void *a, size_t n_a, const void *b, size_t n_b, size_t size)
{
    return n_a == n_b && (!n_a || !memcmp(a, b, n_a * size));
}

static bool
config_equal(const struct gateway_config *a, const struct gateway_config *b)
{
    return arrays_equal(a->sources, a->n_sources, b->sources, b->n_sources, sizeof *a->sources)
           && arrays_equal(a->subnets, a->n_subnets, b->subnets, b->n_subnets, sizeof *a->subnets)
           && arrays_equal(a->nodes, a->n_nodes, b->nodes, b->n_nodes, sizeof *a->nodes)
           && arrays_equal(a->own, a->n_own, b->own, b->n_own, sizeof *a->own);
}

void
gateway_set_config(struct gateway *gw, const struct gateway_config *c)
{
    if (gw->configured && config_equal(&gw->config, c)) {
        return;
    }
    config_uninit(&gw->config);
    gw->config = *c;
    gw->config.sources = xmemdup(c->sources, c->n_sources * sizeof *c->sources);
    gw->config.subnets = xmemdup(c->subnets, c->n_subnets * sizeof *c->subnets);
    gw->config.nodes = xmemdup(c->nodes, c->n_nodes * sizeof *c->nodes);
    gw->config.own = xmemdup(c->own, c->n_own * sizeof *c->own);
    gw->configured = true;
    gw->due = true;
    gw->nft_due = true;
    gw->due_at = time_msec();
}

static void
set_message(struct gateway *gw, char *take)
{
    if (take[0] && strcmp(take, gw->message)) {
        VLOG_WARN("%s", take);
    }
    free(gw->message);
    gw->message = take;
}

static void
fail(struct gateway *gw, char *take)
{
    set_message(gw, take);
    gw->due = true;
    gw->due_at = time_msec() + RETRY_MS;
}

/* --- nftables --------------------------------------------------------------- */

static void
put_subnets(struct ds *s, const struct gateway_config *c, bool ip4)
{
    ds_put_format(s, "\tset pods {\n\t\ttype %s\n\t\tflags interval\n\t\tauto-merge\n",
                  ip4 ? "ipv4_addr" : "ipv6_addr");
    const char *separator = "\t\telements = { ";
    for (size_t i = 0; i < c->n_subnets; i++) {
        if (prefix_is_ip4(&c->subnets[i]) == ip4) {
            ds_put_cstr(s, separator);
            prefix_format(&c->subnets[i], s);
            separator = ", ";
        }
    }
    ds_put_cstr(s, separator[0] == ',' ? " }\n\t}\n" : "\t}\n");
}

static void
put_addresses(struct ds *s, const char *name, const struct in6_addr *addrs, size_t n, bool ip4)
{
    ds_put_format(s, "\tset %s {\n\t\ttype %s\n", name, ip4 ? "ipv4_addr" : "ipv6_addr");
    const char *separator = "\t\telements = { ";
    for (size_t i = 0; i < n; i++) {
        if (addr_is_ip4(&addrs[i]) == ip4) {
            ds_put_cstr(s, separator);
            addr_format(&addrs[i], s);
            separator = ", ";
        }
    }
    ds_put_cstr(s, separator[0] == ',' ? " }\n\t}\n" : "\t}\n");
}

/* Other nodes believe VXLAN packets from this node's address, which masquerade
 * gives to pods: so no pod sends any through the host.  In the forward hook a
 * fragmented packet is whole, since masquerade tracks connections.
 *
 * To its own pods the node may speak whatever policy says, and it is known by its
 * addresses.  What it says itself is not forwarded; with IPv6 the kernel forwards
 * what others say from them. */
static void
put_table(struct ds *s, const char *ifname, const struct gateway_config *c, bool ip4)
{
    const char *ip = ip4 ? "ip" : "ip6";

    ds_put_format(s, "table %s virga {\n", ip);
    put_subnets(s, c, ip4);
    put_addresses(s, "nodes", c->nodes, c->n_nodes, ip4);
    put_addresses(s, "own", c->own, c->n_own, ip4);
    ds_put_format(s,
                  "\tchain postrouting {\n"
                  "\t\ttype nat hook postrouting priority srcnat; policy accept;\n"
                  "\t\toifname != \"%s\" %s saddr @pods %s daddr != @pods"
                  " %s daddr != @nodes counter masquerade\n"
                  "\t}\n"
                  "\tchain forward {\n"
                  "\t\ttype filter hook forward priority filter; policy accept;\n"
                  "\t\tiifname \"%s\" %s saddr @pods udp dport %d counter drop\n"
                  "\t\toifname \"%s\" %s saddr @own counter drop\n"
                  "\t}\n}\n",
                  ifname, ip, ip, ip, ifname, ip, c->tunnel_udp_port, ifname, ip);
}

static bool
has_ip6(const struct gateway_config *c)
{
    for (size_t i = 0; i < c->n_subnets; i++) {
        if (!prefix_is_ip4(&c->subnets[i])) {
            return true;
        }
    }
    return false;
}

/* "add" before "delete": deleting what is not there is an error. */
char *
gateway_nft_commands(const char *ifname, const struct gateway_config *c)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    ds_put_cstr(&s, "add table ip virga\ndelete table ip virga\n");
    put_table(&s, ifname, c, true);
    ds_put_cstr(&s, "add table ip6 virga\ndelete table ip6 virga\n");
    if (has_ip6(c)) {
        put_table(&s, ifname, c, false);
    }
    return ds_steal_cstr(&s);
}

/* A file without a name, read from its start; -1 with errno on failure. */
static int
text_as_file(const char *text)
{
    int fd = memfd_create("gateway.nft", MFD_CLOEXEC);
    size_t len = strlen(text);
    if (fd >= 0 && (write(fd, text, len) != (ssize_t) len || lseek(fd, 0, SEEK_SET))) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Runs "nft -f -".  Returns a process descriptor, or -1 with errno. */
static int
spawn_nft(int input, int output)
{
    char nft[] = "nft", option[] = "-f", file[] = "-";
    char *argv[] = { nft, option, file, NULL };
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
    pid_t pid;
    errno = posix_spawnp(&pid, "nft", &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return errno ? -1 : pidfd_open(pid, 0);
}

static void
start_nft(struct gateway *gw)
{
    char *text = gateway_nft_commands(gw->ifname, &gw->config);
    int input = text_as_file(text);
    free(text);
    gw->nft_due = false;
    gw->nft_output = text_as_file("");
    gw->nft = input >= 0 && gw->nft_output >= 0 ? spawn_nft(input, gw->nft_output) : -1;
    if (gw->nft < 0) {
        gw->nft_due = true;
        fail(gw, xasprintf("cannot run nft (package nftables): %s", ovs_strerror(errno)));
        close_nft(gw);
    }
    if (input >= 0) {
        close(input);
    }
}

static void
reap_nft(struct gateway *gw)
{
    siginfo_t info = { .si_pid = 0 };
    if (gw->nft < 0 || waitid(P_PIDFD, gw->nft, &info, WEXITED | WNOHANG) || !info.si_pid) {
        return;
    }
    if (info.si_code != CLD_EXITED || info.si_status) {
        char said[256];
        ssize_t n = pread(gw->nft_output, said, sizeof said - 1, 0);
        said[n > 0 ? n : 0] = '\0';
        said[strcspn(said, "\n")] = '\0';
        gw->nft_due = true;
        fail(gw, xasprintf("nft refused the tables \"virga\": %s", said));
    }
    close_nft(gw);
}

/* --- Routes and forwarding ---------------------------------------------------- */

static char *
write_sysctl(const char *name, const char *value)
{
    char *path = xasprintf("/proc/sys/%s", name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool good = fd >= 0 && write(fd, value, strlen(value)) == (ssize_t) strlen(value);
    char *error = good ? NULL : xasprintf("cannot write %s: %s", path, ovs_strerror(errno));
    if (fd >= 0) {
        close(fd);
    }
    free(path);
    return error;
}

static char *
write_own_sysctl(const struct gateway *gw, const char *family, const char *name, const char *value)
{
    char *full = xasprintf("net/%s/conf/%s/%s", family, gw->ifname, name);
    char *error = write_sysctl(full, value);
    free(full);
    return error;
}

static bool
read_sysctl_is(const char *path, char value)
{
    char text[2] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool is = fd >= 0 && read(fd, text, 1) == 1 && text[0] == value;
    if (fd >= 0) {
        close(fd);
    }
    return is;
}

/* accept_ra=1 means "unless this host forwards". */
static void
keep_router_advertisements(void)
{
    DIR *dir = opendir("/proc/sys/net/ipv6/conf");
    for (struct dirent *de; dir && (de = readdir(dir));) {
        char *name = xasprintf("net/ipv6/conf/%s/accept_ra", de->d_name);
        char *path = xasprintf("/proc/sys/%s", name);
        if (de->d_name[0] != '.' && read_sysctl_is(path, '1')) {
            char *error = write_sysctl(name, "2");
            if (error) {
                VLOG_WARN("%s", error);
                free(error);
            }
        }
        free(path);
        free(name);
    }
    if (dir) {
        closedir(dir);
    }
}

static char *
forward_ip6(void)
{
    const char *all = "net/ipv6/conf/all/forwarding";
    if (read_sysctl_is("/proc/sys/net/ipv6/conf/all/forwarding", '1')) {
        return NULL;
    }
    keep_router_advertisements();
    return write_sysctl(all, "1");
}

/* Packets from pods come in by virga0 whatever route their source has. */
static char *
write_sysctls(struct gateway *gw)
{
    char *error = write_own_sysctl(gw, "ipv4", "rp_filter", "2");
    error = error ? error : write_sysctl("net/ipv4/ip_forward", "1");
    return error || !has_ip6(&gw->config) ? error : forward_ip6();
}

/* The host asks for pods by neighbour discovery from its link-local address, which
 * nobody else can have: without duplicate detection it may do so at once.  Before
 * the interface is up, whether or not there are such pods yet; a host without IPv6
 * is none the worse for it. */
static char *
prepare_ip6(const struct gateway *gw)
{
    char *error = write_own_sysctl(gw, "ipv6", "disable_ipv6", "0");
    error = error ? error : write_own_sysctl(gw, "ipv6", "accept_dad", "0");
    if (error && !has_ip6(&gw->config)) {
        free(error);
        error = NULL;
    }
    return error;
}

static char *
route_pods(struct gateway *gw)
{
    const struct gateway_config *c = &gw->config;
    char *error = prepare_ip6(gw);
    error = error ? error : host_links_set_up(gw->ifname);
    return error ? error
                 : host_links_sync_routes(gw->ifname, c->sources, c->n_sources, c->subnets,
                                          c->n_subnets);
}

static void
apply(struct gateway *gw)
{
    gw->due = false;
    if (!link_exists(gw->ifname)) {
        set_message(gw, xasprintf("interface %s is not there yet", gw->ifname));
        return; /* The notifier tells when it is. */
    }
    char *error = route_pods(gw);
    if (!error) {
        error = write_sysctls(gw);
    }
    if (error) {
        fail(gw, error);
    } else {
        set_message(gw, xstrdup(""));
    }
}

void
gateway_run(struct gateway *gw)
{
    if_notifier_run();
    reap_nft(gw);
    if (!gw->configured || !gw->due || gw->nft >= 0 || time_msec() < gw->due_at) {
        return;
    }
    if (gw->nft_due) {
        start_nft(gw);
    } else {
        apply(gw);
    }
}

void
gateway_wait(struct gateway *gw)
{
    if_notifier_wait();
    if (gw->nft >= 0) {
        poll_fd_wait(gw->nft, POLLIN);
    } else if (gw->configured && gw->due) {
        poll_timer_wait_until(gw->due_at);
    }
}

bool
gateway_is_ready(const struct gateway *gw)
{
    return gw->configured && !gw->due && gw->nft < 0 && !gw->message[0];
}

const char *
gateway_message(const struct gateway *gw)
{
    return gw->message;
}
