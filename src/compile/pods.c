/* Endpoints and their addresses.
 *
 * A pod keeps its address as long as it fits its network and annotation.  All
 * that give addresses back do so first; then pods with an annotation choose,
 * then the others.  A pod that cannot have an address has no endpoint, shows
 * why, and tries again when its network gives a chance. */
#include "compile/state.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "util.h"

bool
pod_wants_endpoint(const struct k8s_pod *pod)
{
    return !pod->host_network && !pod->completed;
}

/* 02:56 and the last four bytes of an address, the IPv4 one if there is one. */
struct eth_addr
pod_mac(const struct in6_addr *ips, size_t n)
{
    const struct in6_addr *ip = &ips[0];
    struct eth_addr mac = { .ea = { 0x02, 0x56 } };

    for (size_t i = 0; i < n; i++) {
        if (addr_is_ip4(&ips[i])) {
            ip = &ips[i];
            break;
        }
    }
    memcpy(&mac.ea[2], &ip->s6_addr[12], 4);
    return mac;
}

/* Problems. */

static void
pod_stop_waiting(struct pod_entry *pod)
{
    if (pod->waits) {
        pod->waits = false;
        ovs_list_remove(&pod->waiting_node);
    }
}

static void
pod_no_problem(struct compile *c, struct pod_entry *pod)
{
    problem_clear(&c->problems, &pod->problem);
    pod_stop_waiting(pod);
}

static void
pod_problem(struct compile *c, struct pod_entry *pod, const char *reason, const char *message)
{
    problem_set(&c->problems, &pod->problem, "Pod", pod->namespace_->name, pod->name, reason, "%s",
                message);
    if (!pod->waits) {
        pod->waits = true;
        ovs_list_push_back(&c->waiting_pods, &pod->waiting_node);
    }
}

/* Addresses. */

static void
release_addresses(struct compile *c, struct pod_entry *pod)
{
    for (size_t i = 0; i < pod->n_ips; i++) {
        addresses_remove(&c->addresses, &pod->ips[i]);
    }
    if (pod->n_ips) {
        pod->namespace_->room_run = c->run;
    }
    free(pod->ips);
    pod->ips = NULL;
    pod->n_ips = 0;
}

static int
compare_ips(const void *a, const void *b)
{
    return addr_compare(a, b);
}

/* 'ips' are free. */
static void
own_addresses(struct compile *c, struct pod_entry *pod, const struct in6_addr *ips, size_t n)
{
    struct in6_addr *sorted = xmemdup(ips, n * sizeof *ips);

    qsort(sorted, n, sizeof *sorted, compare_ips);
    pod->ips = xmalloc(n * sizeof *pod->ips);
    for (size_t i = 0; i < n; i++) {
        if (!i || addr_compare(&sorted[i - 1], &sorted[i])) {
            addresses_insert(&c->addresses, &pod->ips[pod->n_ips++], &sorted[i], pod);
        }
    }
    free(sorted);
}

static bool
owns(const struct pod_entry *pod, const struct in6_addr *ip)
{
    for (size_t i = 0; i < pod->n_ips; i++) {
        if (!addr_compare(&pod->ips[i].ip, ip)) {
            return true;
        }
    }
    return false;
}

static bool
annotated(const struct k8s_pod *object, const struct in6_addr *ip)
{
    for (size_t i = 0; i < object->n_static_ips; i++) {
        if (!addr_compare(&object->static_ips[i], ip)) {
            return true;
        }
    }
    return false;
}

/* Whether the pod may keep the addresses that it has. */
static bool
addresses_fit(const struct pod_entry *pod)
{
    const struct k8s_pod *object = pod->object;

    for (size_t i = 0; i < object->n_static_ips; i++) {
        if (!owns(pod, &object->static_ips[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < pod->n_ips; i++) {
        const struct in6_addr *ip = &pod->ips[i].ip;

        if (!network_has_host(pod->namespace_, ip)
            || (object->n_static_ips && !annotated(object, ip))) {
            return false;
        }
    }
    return true;
}

/* Why the pod cannot have the annotated address; NULL if it can. */
static const char *
refuse_address(const struct compile *c, const struct pod_entry *pod, const struct in6_addr *ip,
               struct ds *message)
{
    const struct namespace_entry *ns = pod->namespace_;
    const struct address *taken = addresses_find(&c->addresses, ip);

    ds_put_cstr(message, "address ");
    addr_format(ip, message);
    if (!network_has_host(ns, ip)) {
        ds_put_format(message, " is no pod address of the network of namespace \"%s\" (",
                      ns->name);
        for (size_t i = 0; i < ns->n_subnets; i++) {
            ds_put_cstr(message, i ? ", " : "");
            prefix_format(&ns->subnets[i], message);
        }
        ds_put_cstr(message, "; the first is the gateway's); change annotation virga.dev/ip, or "
                             "virga.dev/subnets of the namespace");
        return "AddressOutsideSubnet";
    }
    if (taken) {
        const struct pod_entry *owner = taken->owner;

        ds_put_format(message, " belongs to pod %s/%s; choose another in annotation virga.dev/ip",
                      owner->namespace_->name, owner->name);
        return "AddressTaken";
    }
    return NULL;
}

static bool
take_annotated(struct compile *c, struct pod_entry *pod)
{
    const struct k8s_pod *object = pod->object;
    struct ds message = DS_EMPTY_INITIALIZER;
    const char *reason = NULL;

    for (size_t i = 0; i < object->n_static_ips && !reason; i++) {
        ds_clear(&message);
        reason = refuse_address(c, pod, &object->static_ips[i], &message);
    }
    if (reason) {
        pod_problem(c, pod, reason, ds_cstr(&message));
    } else {
        own_addresses(c, pod, object->static_ips, object->n_static_ips);
    }
    ds_destroy(&message);
    return !reason;
}

/* The subnet of the network that the pod's label names; NULL if it names none. */
static const struct prefix *
asked_subnet(const struct pod_entry *pod)
{
    const struct namespace_entry *ns = pod->namespace_;
    const char *label = labels_get(&pod->object->meta.labels, intern(POD_SUBNET_LABEL));
    const struct prefix *asked = NULL;

    for (size_t i = 0; label && !asked && i < ns->n_subnets; i++) {
        struct ds text = DS_EMPTY_INITIALIZER;

        prefix_format(&ns->subnets[i], &text);
        *strchr(ds_cstr(&text), '/') = '-';
        asked = strcmp(ds_cstr(&text), label) ? NULL : &ns->subnets[i];
        ds_destroy(&text);
    }
    return asked;
}

static bool
next_address(struct compile *c, struct namespace_entry *ns, bool ip4, struct in6_addr *ip)
{
    const struct in6_addr *last = &ns->last_addresses[ip4];

    return addresses_next(&c->addresses, ns->subnets, ns->n_subnets, ip4, last, ip)
           || (network_grow(c, ns, ip4)
               && addresses_next(&c->addresses, ns->subnets, ns->n_subnets, ip4, last, ip));
}

/* Was the network found full, and has nothing come free since?  A network of 65,000
 * addresses takes milliseconds to look through, and each new pod would. */
static bool
is_known_full(const struct compile *c, const struct namespace_entry *ns)
{
    uint64_t freed = !network_is_automatic(ns) ? 0 : c->subnets_freed ? c->run : c->freed_run;
    return ns->full_run && (ns->full_run == c->run || ns->full_run > MAX(ns->room_run, freed));
}

/* One address of each family that the network has, IPv4 first.  Returns how many,
 * 0 if there is one to be had too few.  What the pod's label asks for is none of
 * the network's turn. */
static size_t
next_addresses(struct compile *c, const struct pod_entry *pod, struct in6_addr ips[2])
{
    struct namespace_entry *ns = pod->namespace_;
    const struct prefix *asked = asked_subnet(pod);
    struct in6_addr last[2] = { ns->last_addresses[0], ns->last_addresses[1] };
    size_t n = 0;

    if (is_known_full(c, ns)) {
        return 0;
    }
    for (int ip4 = 1; ip4 >= 0; ip4--) {
        if (!network_has_family(ns, ip4)) {
            continue;
        }
        if (!asked || !addresses_next(&c->addresses, asked, 1, ip4, &last[ip4], &ips[n])) {
            if (!next_address(c, ns, ip4, &ips[n])) {
                return 0;
            }
            last[ip4] = ips[n];
        }
        n++;
    }
    memcpy(ns->last_addresses, last, sizeof last);
    return n;
}

static bool
take_next(struct compile *c, struct pod_entry *pod)
{
    struct namespace_entry *ns = pod->namespace_;
    struct in6_addr ips[2];
    size_t n = next_addresses(c, pod, ips);

    if (n) {
        own_addresses(c, pod, ips, n);
        return true;
    }
    ns->full_run = c->run;
    pod_problem(c, pod, "SubnetExhausted",
                network_is_automatic(ns)
                    ? "no address is free, and no subnet for the network to grow; delete pods or "
                      "namespaces"
                    : "no address of the network is free; delete pods, or add a subnet in "
                      "annotation virga.dev/subnets of the namespace");
    return false;
}

/* Endpoints. */

static bool
endpoint_id_is_used(const void *records, uint32_t id)
{
    return records_endpoint(records, id) != NULL;
}

static void
pod_leave_class(struct compile *c, struct pod_entry *pod)
{
    if (pod->identity) {
        classes_leave(&c->classes, pod->identity);
        pod->identity = NULL;
    }
}

void
pod_drop_endpoint(struct compile *c, struct pod_entry *pod)
{
    pod_leave_class(c, pod);
    release_addresses(c, pod);
    if (pod->endpoint) {
        records_remove(c->records, RECORD_ENDPOINT, pod->endpoint);
        pod->endpoint = 0;
    }
}

static void
endpoint_put(struct compile *c, const struct pod_entry *pod)
{
    struct rec_endpoint *rec = rec_endpoint_create(pod->endpoint);

    rec->name = xasprintf("%s/%s", pod->namespace_->name, pod->name);
    rec->uid = xstrdup(pod->object->meta.uid);
    rec->vni = pod->namespace_->vni;
    rec->identity = pod->identity->id;
    rec->node = pod->node ? pod->node->id : 0;
    rec->n_ips = pod->n_ips;
    rec->ips = xmalloc(pod->n_ips * sizeof *rec->ips);
    for (size_t i = 0; i < pod->n_ips; i++) {
        rec->ips[i] = pod->ips[i].ip;
    }
    rec->mac = pod_mac(rec->ips, rec->n_ips);
    records_put(c->records, &rec->r);
}

static void
pod_set_endpoint(struct compile *c, struct pod_entry *pod)
{
    struct identity *identity = classes_join(&c->classes, &pod->namespace_->scope, pod->object);

    pod_leave_class(c, pod);
    pod->identity = identity;
    if (!pod->endpoint
        && !numbers_take(&c->numbers, NUMBER_ENDPOINT, endpoint_id_is_used, c->records,
                         &pod->endpoint)) {
        ovs_abort(0, "more than 4 billion endpoints");
    }
    endpoint_put(c, pod);
}

/* Run. */

static void
pod_leave_node(struct compile *c, struct pod_entry *pod)
{
    struct node_entry *node = pod->node;

    if (node) {
        pod->node = NULL;
        ovs_list_remove(&pod->node_node);
        if (node_entry_is_idle(node) && !node->entry.queued) {
            node_entry_destroy(c, node);
        }
    }
}

static void
pod_take_next(struct compile *c, struct pod_entry *pod)
{
    if (!pod->entry.has_next) {
        return;
    }
    k8s_pod_destroy(pod->object);
    pod->object = pod->next;
    pod->next = NULL;
    pod->entry.has_next = false;

    const char *node_name = pod->object ? pod->object->node_name : "";
    if (pod->node && !strcmp(pod->node->name, node_name)) {
        return;
    }
    pod_leave_node(c, pod);
    if (node_name[0]) {
        pod->node = node_entry_get(c, node_name);
        ovs_list_push_back(&pod->node->pods, &pod->node_node);
    }
}

/* First half: gives back what the pod may not keep.  Pods that want more are
 * queued for the second half. */
static void
pod_release(struct compile *c, struct pod_entry *pod)
{
    const char *reason;
    char *message;

    pod_take_next(c, pod);
    if (!pod->object || !pod_wants_endpoint(pod->object)) {
        pod_drop_endpoint(c, pod);
        pod_no_problem(c, pod);
        if (!pod->object) {
            pod_entry_destroy(c, pod);
        }
    } else if (namespace_entry_is_missing(pod->namespace_, &reason, &message)) {
        pod_drop_endpoint(c, pod);
        pod_stop_waiting(pod);
        problem_set(&c->problems, &pod->problem, "Pod", pod->namespace_->name, pod->name, reason,
                    "%s", message);
        free(message);
    } else {
        if (!addresses_fit(pod)) {
            release_addresses(c, pod);
        }
        worklist_add(&c->pod_work, &pod->entry);
    }
}

static void
queue_waiting(struct compile *c)
{
    struct pod_entry *pod;

    LIST_FOR_EACH (pod, waiting_node, &c->waiting_pods) {
        const struct namespace_entry *ns = pod->namespace_;

        if (ns->room_run == c->run || (c->subnets_freed && network_is_automatic(ns))) {
            worklist_add(&c->pod_work, &pod->entry);
        }
    }
}

bool
pod_waits_for_node(const struct pod_entry *pod)
{
    return pod->node && (!pod->node->exists || pod->node->unready);
}

/* The pod has all that the network can give; what is left is its node. */
static void
pod_note_node(struct compile *c, struct pod_entry *pod)
{
    pod_no_problem(c, pod);
    if (pod_waits_for_node(pod)) {
        problem_set(&c->problems, &pod->problem, "Pod", pod->namespace_->name, pod->name,
                    "NodeNotReady",
                    pod->node->exists ? "node %s is not ready: see the conditions of that Node"
                                      : "node %s is not known: no virga-agent has registered it",
                    pod->node->name);
    }
}

static void
pod_acquire(struct compile *c, struct pod_entry *pod)
{
    if (pod->n_ips || (pod->object->n_static_ips ? take_annotated(c, pod) : take_next(c, pod))) {
        pod_note_node(c, pod);
        pod_set_endpoint(c, pod);
    } else {
        pod_drop_endpoint(c, pod);
    }
}

/* Second half: pods with an annotation choose first. */
static void
acquire_queued(struct compile *c)
{
    size_t n;
    struct entry **work = worklist_take(&c->pod_work, &n);

    for (int annotated_turn = 1; annotated_turn >= 0; annotated_turn--) {
        for (size_t i = 0; i < n; i++) {
            struct pod_entry *pod = CONTAINER_OF(work[i], struct pod_entry, entry);

            if (annotated_turn == (pod->object->n_static_ips > 0)) {
                pod_acquire(c, pod);
            }
        }
    }
    free(work);
}

void
pods_run(struct compile *c)
{
    size_t n;
    struct entry **work = worklist_take(&c->pod_work, &n);

    for (size_t i = 0; i < n; i++) {
        pod_release(c, CONTAINER_OF(work[i], struct pod_entry, entry));
    }
    free(work);
    do {
        /* An annotated address may lie where a network has just grown. */
        c->networks_grew = false;
        queue_waiting(c);
        acquire_queued(c);
    } while (c->networks_grew);
    classes_collect(&c->classes);
}
