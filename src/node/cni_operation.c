/* ADD waits for four things, one after the other:
 *
 *   ENDPOINT --record says this node--> PORT --Open vSwitch gave a number-->
 *   FLOWS --lowered--> CONFIRM --barrier--> answer
 *
 * The port is wanted from PORT on; until the answer is out, leaving the
 * sequence removes it and the veth pair.  DEL and GC remove ports and wait
 * (GONE) until the database has done it.  A port's name follows from container
 * and interface, so DEL finds what is left of an ADD that no one remembers,
 * and an old sandbox's DEL never means the new one's port. */
#include "node/cni_operation.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/records.h"
#include "node/attachments.h"
#include "node/cni_protocol.h"
#include "node/link.h"
#include "node/ovs_config.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "sha1.h"
#include "sset.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(cni);

enum phase { START, ENDPOINT, PORT, FLOWS, CONFIRM, GONE, DONE };

static const char *const waiting_for[] = {
    [START] = "the start",
    [ENDPOINT] = "the controller to give the pod an address on this node",
    [PORT] = "Open vSwitch to make the port",
    [FLOWS] = "the flows of the endpoint",
    [CONFIRM] = "the switch to confirm the flows",
    [GONE] = "Open vSwitch to remove the port",
    [DONE] = "nothing",
};

struct cni_operation {
    const struct cni_node *node;
    struct cni_request *request;
    enum phase phase;
    long long int started, deadline;
    char host_ifname[IFNAMSIZ];
    bool attached; /* ADD made a veth pair and wants a port. */
    char *uid;     /* Of the endpoint's record. */
    uint64_t epoch;
    struct sset removed; /* DEL, GC: names of ports. */
    char *answer;
};

void
cni_host_ifname(const char *container, const char *pod_ifname, char *ifname)
{
    char *key = xasprintf("%s/%s", container, pod_ifname);
    uint8_t digest[SHA1_DIGEST_SIZE];
    sha1_bytes(key, strlen(key), digest);
    free(key);
    snprintf(ifname, IFNAMSIZ, "vp%02x%02x%02x%02x%02x%02x", digest[0], digest[1], digest[2],
             digest[3], digest[4], digest[5]);
}

struct cni_operation *
cni_operation_create(const struct cni_node *node, struct cni_request *take)
{
    struct cni_operation *op = xzalloc(sizeof *op);
    op->node = node;
    op->request = take;
    op->started = time_msec();
    op->deadline = op->started + take->timeout_s * 1000LL;
    op->uid = xstrdup(take->uid);
    sset_init(&op->removed);
    cni_host_ifname(take->container, take->ifname, op->host_ifname);
    return op;
}

static void
delete_link(const char *ifname)
{
    int error = link_delete(ifname);
    if (error) {
        VLOG_WARN("cannot delete interface %s: %s", ifname, ovs_strerror(error));
    }
}

static void
remove_port(const struct cni_node *node, const char *port)
{
    ovs_config_remove_endpoint(node->ovs_config, port);
    attachments_sync(node->attachments, node->ovs_config);
}

void
cni_operation_undo(struct cni_operation *op)
{
    if (op->attached) {
        VLOG_INFO("%s: undoing ADD of container %s", op->request->pod, op->request->container);
        remove_port(op->node, op->host_ifname);
        delete_link(op->host_ifname);
        op->attached = false;
    }
}

void
cni_operation_destroy(struct cni_operation *op)
{
    if (!op) {
        return;
    }
    if (op->phase != DONE) {
        cni_operation_undo(op);
    }
    cni_request_destroy(op->request);
    sset_destroy(&op->removed);
    free(op->uid);
    free(op->answer);
    free(op);
}

/* --- Answers -------------------------------------------------------------------- */

static void
finish(struct cni_operation *op, char *answer_take)
{
    op->answer = answer_take;
    op->phase = DONE;
}

/* Consumes 'error'; an ADD is undone. */
static void
fail(struct cni_operation *op, struct cni_error *error)
{
    VLOG_WARN("%s %s (container %s) failed: %s%s%s", cni_command_name(op->request->command),
              op->request->pod, op->request->container, error->msg, error->details ? ": " : "",
              error->details ? error->details : "");
    if (op->request->command == CNI_ADD) {
        cni_operation_undo(op);
    }
    finish(op, cni_answer_error(op->request->version, error));
    cni_error_uninit(error);
}

static void
fail_with(struct cni_operation *op, enum cni_code code, const char *msg, char *details_take)
{
    struct cni_error error = { .code = CNI_OK };
    cni_error_set(&error, code, details_take, "%s", msg);
    free(details_take);
    fail(op, &error);
}

/* --- The endpoint ----------------------------------------------------------------- */

static const struct rec_node *
this_node(const struct cni_node *node)
{
    const struct record *r;
    for (r = records_first(node->records, RECORD_NODE); r; r = records_next(node->records, r)) {
        const struct rec_node *n = (const struct rec_node *) r;
        if (!strcmp(n->name, node->node_name)) {
            return n;
        }
    }
    return NULL;
}

/* The endpoint of the pod on this node; NULL if there is none (yet). */
static const struct rec_endpoint *
find_endpoint(const struct cni_operation *op, const char *name, const char *uid)
{
    const struct records *records = op->node->records;
    const struct rec_node *here = records ? this_node(op->node) : NULL;
    if (!here) {
        return NULL;
    }
    const struct record *r;
    for (r = records_first(records, RECORD_ENDPOINT); r; r = records_next(records, r)) {
        const struct rec_endpoint *ep = (const struct rec_endpoint *) r;
        if (ep->node == here->r.key && !strcmp(ep->name, name)
            && (!uid[0] || !ep->uid[0] || !strcmp(ep->uid, uid))) {
            return ep;
        }
    }
    return NULL;
}

/* An endpoint's addresses as the pod sees them. */
struct addressing {
    struct prefix *addresses;
    struct in6_addr *gateways;
    size_t n;
};

static void
addressing_uninit(struct addressing *a)
{
    free(a->addresses);
    free(a->gateways);
}

static bool
add_addressing(struct addressing *a, const struct rec_network *network, const struct in6_addr *ip)
{
    for (size_t i = 0; i < network->n_subnets; i++) {
        if (prefix_contains(&network->subnets[i], ip)) {
            a->addresses[a->n] = (struct prefix){ .addr = *ip, .plen = network->subnets[i].plen };
            a->gateways[a->n] = network->gateways[i];
            a->n++;
            return true;
        }
    }
    return false;
}

/* False as long as the network's record does not agree. */
static bool
get_addressing(const struct cni_operation *op, const struct rec_endpoint *ep, struct addressing *a)
{
    const struct rec_network *network = records_network(op->node->records, ep->vni);
    *a = (struct addressing){ .n = 0 };
    if (!network || !ep->n_ips) {
        return false;
    }
    a->addresses = xcalloc(ep->n_ips, sizeof *a->addresses);
    a->gateways = xcalloc(ep->n_ips, sizeof *a->gateways);
    for (size_t i = 0; i < ep->n_ips; i++) {
        if (!add_addressing(a, network, &ep->ips[i])) {
            addressing_uninit(a);
            return false;
        }
    }
    return true;
}

static void
make_link_pod(const struct cni_operation *op, const struct rec_endpoint *ep,
              const struct addressing *a, int netns, struct link_pod *pod)
{
    *pod = (struct link_pod){
        .host_ifname = op->host_ifname,
        .pod_ifname = op->request->ifname,
        .netns = netns,
        .mac = ep->mac,
        .mtu = op->node->mtu,
        .addresses = a->addresses,
        .gateways = a->gateways,
        .n_addresses = a->n,
        .checksum_offload = op->node->checksum_offload,
    };
}

static void
make_result(const struct cni_operation *op, const struct rec_endpoint *ep,
            const struct addressing *a, struct cni_result *result)
{
    *result = (struct cni_result){
        .host_ifname = op->host_ifname,
        .ifname = op->request->ifname,
        .mac = ep->mac,
        .netns = op->request->netns,
        .mtu = op->node->mtu,
        .addresses = a->addresses,
        .gateways = a->gateways,
        .n_addresses = a->n,
    };
    link_get_mac(op->host_ifname, &result->host_mac);
}

/* Opens the pod's network namespace, or fails the operation. */
static bool
open_netns(struct cni_operation *op, int *fd)
{
    int error = netns_open(op->request->netns, fd);
    if (error) {
        fail_with(op, CNI_BAD_ENVIRONMENT, "CNI_NETNS is not a network namespace of a container",
                  xasprintf("%s: %s", op->request->netns, ovs_strerror(error)));
    }
    return !error;
}

/* --- ADD --------------------------------------------------------------------------- */

static void
want_port(struct cni_operation *op, const struct rec_endpoint *ep)
{
    struct cni_request *r = op->request;
    struct ovs_endpoint e = {
        .port = op->host_ifname,
        .name = ep->name,
        .uid = ep->uid,
        .container = r->container,
        .ifname = r->ifname,
        .netns = r->netns,
        .network = r->network,
        .created_ms = time_wall_msec(),
    };
    free(op->uid);
    op->uid = xstrdup(ep->uid);
    ovs_config_add_endpoint(op->node->ovs_config, &e);
    op->attached = true;
    op->phase = PORT;
}

static void
attach(struct cni_operation *op, const struct rec_endpoint *ep, const struct addressing *a)
{
    int netns;
    if (!open_netns(op, &netns)) {
        return;
    }
    struct link_pod pod;
    make_link_pod(op, ep, a, netns, &pod);
    int error;
    char *text = link_attach_pod(&pod, &error);
    close(netns);
    if (!text) {
        want_port(op, ep);
    } else if (error == EEXIST) {
        fail_with(op, CNI_ALREADY_ATTACHED, "the interface exists already", text);
    } else {
        fail_with(op, CNI_IO, "cannot make the pod's interface", text);
    }
}

static void
run_start(struct cni_operation *op)
{
    if (ovs_config_find(op->node->ovs_config, op->host_ifname)) {
        fail_with(op, CNI_ALREADY_ATTACHED,
                  "this interface of the container is attached; DEL it first", NULL);
        return;
    }
    int netns;
    if (open_netns(op, &netns)) { /* Better now than after the wait. */
        close(netns);
        op->phase = ENDPOINT;
    }
}

static void
run_endpoint(struct cni_operation *op)
{
    const struct rec_endpoint *ep = find_endpoint(op, op->request->pod, op->request->uid);
    struct addressing a;
    if (!ep || !op->node->mtu || ovs_config_is_removing(op->node->ovs_config, op->host_ifname)
        || !get_addressing(op, ep, &a)) {
        return;
    }
    attach(op, ep, &a);
    addressing_uninit(&a);
}

static void
run_port(struct cni_operation *op)
{
    const struct ovs_endpoint *e = ovs_config_find(op->node->ovs_config, op->host_ifname);
    if (!e) {
        fail_with(op, CNI_IO, "the port was removed meanwhile", NULL);
    } else if (e->error) {
        fail_with(op, CNI_IO, "Open vSwitch cannot make the port", xstrdup(e->error));
    } else if (e->ofport && attachments_is_at(op->node->attachments, e->name, e->port)) {
        op->phase = FLOWS;
    }
}

static void
run_flows(struct cni_operation *op)
{
    const struct cni_flows *f = &op->node->flows;
    if (!ovs_config_find(op->node->ovs_config, op->host_ifname)) {
        fail_with(op, CNI_IO, "the port was removed meanwhile", NULL);
    } else if (!op->node->flows_pending && f->is_realized(f->aux, op->request->pod, op->uid)) {
        op->epoch = f->epoch(f->aux);
        op->phase = CONFIRM;
    }
}

static void
run_confirm(struct cni_operation *op)
{
    const struct cni_flows *f = &op->node->flows;
    if (f->confirmed(f->aux) < op->epoch) {
        return;
    }
    const struct rec_endpoint *ep = find_endpoint(op, op->request->pod, op->uid);
    struct addressing a;
    if (!ep || !get_addressing(op, ep, &a)) {
        fail_with(op, CNI_TRY_AGAIN, "the pod was moved or deleted meanwhile", NULL);
        return;
    }
    struct cni_result result;
    make_result(op, ep, &a, &result);
    VLOG_INFO("%s: attached container %s as %s in %lld ms", ep->name, op->request->container,
              op->host_ifname, time_msec() - op->started);
    finish(op, cni_answer_result(op->request, &result));
    addressing_uninit(&a);
}

/* --- DEL and GC --------------------------------------------------------------------- */

static void
start_remove(struct cni_operation *op, const char *port)
{
    sset_add(&op->removed, port);
    if (ovs_config_find(op->node->ovs_config, port)) {
        VLOG_INFO("%s: detaching port %s", cni_command_name(op->request->command), port);
        remove_port(op->node, port);
    }
}

static bool
is_valid(const struct cni_request *r, const struct ovs_endpoint *e)
{
    for (size_t i = 0; i < r->n_valid; i++) {
        if (!strcmp(r->valid[i].container, e->container)
            && !strcmp(r->valid[i].ifname, e->ifname)) {
            return true;
        }
    }
    return false;
}

static void
start_gc(struct cni_operation *op)
{
    size_t n;
    const struct ovs_endpoint **all = ovs_config_endpoints(op->node->ovs_config, &n);
    for (size_t i = 0; i < n; i++) {
        if (!strcmp(all[i]->network, op->request->network) && !is_valid(op->request, all[i])) {
            sset_add(&op->removed, all[i]->port);
        }
    }
    free(all);
    const char *port;
    SSET_FOR_EACH (port, &op->removed) {
        start_remove(op, port);
    }
    op->phase = GONE;
}

static void
run_gone(struct cni_operation *op)
{
    const char *port;
    SSET_FOR_EACH (port, &op->removed) {
        if (ovs_config_is_removing(op->node->ovs_config, port)) {
            return;
        }
    }
    SSET_FOR_EACH (port, &op->removed) {
        delete_link(port);
    }
    finish(op, cni_answer_nothing());
}

/* --- CHECK and STATUS ---------------------------------------------------------------- */

static char *
check_endpoint(struct cni_operation *op, const struct ovs_endpoint *e,
               const struct rec_endpoint *ep, const struct addressing *a, int netns)
{
    const struct cni_flows *f = &op->node->flows;
    if (!e->ofport) {
        return xasprintf("port %s of Open vSwitch does not work: %s", e->port,
                         e->error ? e->error : "no OpenFlow port number");
    }
    if (!f->is_realized(f->aux, e->name, e->uid)) {
        return xstrdup("the flows of the endpoint are missing");
    }
    struct cni_result result;
    make_result(op, ep, a, &result);
    char *error = cni_check_prev_result(op->request, &result);
    if (!error) {
        struct link_pod pod;
        make_link_pod(op, ep, a, netns, &pod);
        error = link_check_pod(&pod);
    }
    return error;
}

static void
run_check(struct cni_operation *op)
{
    const struct ovs_endpoint *e = ovs_config_find(op->node->ovs_config, op->host_ifname);
    if (!e) {
        fail_with(op, CNI_UNKNOWN_CONTAINER, "this interface of the container is not attached",
                  NULL);
        return;
    }
    const struct rec_endpoint *ep = find_endpoint(op, e->name, e->uid);
    struct addressing a;
    int netns;
    if (!open_netns(op, &netns)) {
        return;
    }
    if (!ep || !get_addressing(op, ep, &a)) {
        fail_with(op, CNI_CHECK_FAILED, "the pod is not on this node", xstrdup(e->name));
    } else {
        char *error = check_endpoint(op, e, ep, &a, netns);
        if (error) {
            fail_with(op, CNI_CHECK_FAILED, "the attachment is broken", error);
        } else {
            finish(op, cni_answer_nothing());
        }
        addressing_uninit(&a);
    }
    close(netns);
}

static void
run_status(struct cni_operation *op)
{
    const struct cni_flows *f = &op->node->flows;
    const char *why = f->not_ready(f->aux);
    if (why) {
        fail_with(op, CNI_NOT_AVAILABLE, "the node cannot attach pods", xstrdup(why));
    } else {
        finish(op, cni_answer_nothing());
    }
}

/* --- The machine ------------------------------------------------------------------------ */

static void
start(struct cni_operation *op)
{
    if (op->request->command != CNI_STATUS && !ovs_config_is_loaded(op->node->ovs_config)) {
        return; /* The ports that are there are not known yet. */
    }
    switch (op->request->command) {
    case CNI_ADD:
        run_start(op);
        break;
    case CNI_DEL:
        start_remove(op, op->host_ifname);
        op->phase = GONE;
        break;
    case CNI_GC:
        start_gc(op);
        break;
    case CNI_CHECK:
        run_check(op);
        break;
    case CNI_STATUS:
        run_status(op);
        break;
    }
}

static void
step(struct cni_operation *op)
{
    switch (op->phase) {
    case START:
        start(op);
        break;
    case ENDPOINT:
        run_endpoint(op);
        break;
    case PORT:
        run_port(op);
        break;
    case FLOWS:
        run_flows(op);
        break;
    case CONFIRM:
        run_confirm(op);
        break;
    case GONE:
        run_gone(op);
        break;
    case DONE:
        break;
    }
}

char *
cni_operation_run(struct cni_operation *op)
{
    enum phase before;
    do {
        before = op->phase;
        step(op);
    } while (op->phase != before && op->phase != DONE);
    if (op->phase != DONE && time_msec() >= op->deadline) {
        const char *why = op->node->flows.not_ready(op->node->flows.aux);
        fail_with(op, CNI_TRY_AGAIN, "timed out",
                  xasprintf("waited %d s for %s%s%s", op->request->timeout_s,
                            waiting_for[op->phase], why ? "; " : "", why ? why : ""));
    }
    char *answer = op->answer;
    op->answer = NULL;
    return answer;
}

long long int
cni_operation_deadline(const struct cni_operation *op)
{
    return op->deadline;
}

void
cni_operation_format(const struct cni_operation *op, struct ds *s)
{
    ds_put_format(s, "%s %s container=%s ifname=%s waits for %s since %lld ms\n",
                  cni_command_name(op->request->command), op->request->pod, op->request->container,
                  op->request->ifname, waiting_for[op->phase], time_msec() - op->started);
}
