/* The networks of namespaces.
 *
 * A network has the subnets that the namespace's annotation names, else
 * automatic ones: one to begin with, more as they fill.  Subnets that were
 * handed out stay until the annotation says otherwise or the namespace goes,
 * also when a new annotation cannot be followed: pods that run keep running
 * while the problem shows. */
#include "compile/state.h"

#include <stdlib.h>
#include <string.h>

#include "bitmap.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

static bool
vni_is_used(const void *records, uint32_t vni)
{
    return records_network(records, vni) != NULL;
}

static bool
zone_is_used(const void *zones, uint32_t zone)
{
    return bitmap_is_set(zones, zone);
}

static void
network_problem(struct compile *c, struct namespace_entry *ns, const char *reason,
                const char *message)
{
    problem_set(&c->problems, &ns->problem, "Namespace", "", ns->name, reason, "%s", message);
    if (!ns->waits) {
        ns->waits = true;
        ovs_list_push_back(&c->waiting_namespaces, &ns->waiting_node);
    }
}

static void
network_no_problem(struct compile *c, struct namespace_entry *ns)
{
    problem_clear(&c->problems, &ns->problem);
    if (ns->waits) {
        ns->waits = false;
        ovs_list_remove(&ns->waiting_node);
    }
}

bool
network_is_automatic(const struct namespace_entry *ns)
{
    return !ns->object->n_subnets;
}

bool
network_has_host(const struct namespace_entry *ns, const struct in6_addr *ip)
{
    for (size_t i = 0; i < ns->n_subnets; i++) {
        struct subnet_hosts hosts;

        if (prefix_contains(&ns->subnets[i], ip) && subnet_hosts(&ns->subnets[i], &hosts)) {
            return addr_compare(ip, &hosts.first) >= 0 && addr_compare(ip, &hosts.last) <= 0;
        }
    }
    return false;
}

/* The record. */

static void
network_put(struct compile *c, const struct namespace_entry *ns)
{
    struct rec_network *rec = rec_network_create(ns->vni);

    rec->name = xstrdup(ns->name);
    rec->zone = ns->zone;
    rec->n_subnets = ns->n_subnets;
    if (ns->n_subnets) {
        rec->subnets = xmemdup(ns->subnets, ns->n_subnets * sizeof *ns->subnets);
        rec->gateways = xcalloc(ns->n_subnets, sizeof *rec->gateways);
    }
    for (size_t i = 0; i < ns->n_subnets; i++) {
        struct subnet_hosts hosts;

        if (subnet_hosts(&ns->subnets[i], &hosts)) {
            rec->gateways[i] = hosts.gateway;
        }
    }
    records_put(c->records, &rec->r);
}

/* Subnets. */

static void
add_subnet(struct compile *c, struct namespace_entry *ns, const struct prefix *p)
{
    subnets_insert(&c->subnets, p, ns);
    ns->subnets = xrealloc(ns->subnets, (ns->n_subnets + 1) * sizeof *ns->subnets);
    ns->subnets[ns->n_subnets++] = *p;
}

static void
free_subnets(struct compile *c, struct namespace_entry *ns)
{
    for (size_t i = 0; i < ns->n_subnets; i++) {
        subnets_remove(&c->subnets, &ns->subnets[i]);
    }
    free(ns->subnets);
    ns->subnets = NULL;
    ns->n_subnets = 0;
}

/* Why 'p' cannot become a subnet of 'ns'; NULL if it can. */
static const char *
refuse_subnet(const struct compile *c, const struct namespace_entry *ns, const struct prefix *p,
              struct ds *message)
{
    const struct subnet *other = subnets_overlap(&c->subnets, p);
    struct subnet_hosts hosts;

    ds_put_cstr(message, "subnet ");
    prefix_format(p, message);
    if (other) {
        const struct namespace_entry *owner = other->owner;

        ds_put_cstr(message, " overlaps ");
        prefix_format(&other->prefix, message);
        ds_put_format(message,
                      " of namespace \"%s\"; name another one in annotation "
                      "virga.dev/subnets",
                      owner->name);
        return "SubnetOverlap";
    }
    if (!subnet_hosts(p, &hosts)) {
        ds_put_cstr(message, " has no room for a gateway and a pod; name a larger one in "
                             "annotation virga.dev/subnets");
        return "SubnetTooSmall";
    }
    return NULL;
}

/* Takes over the annotated subnets, all or none. */
static bool
annotate(struct compile *c, struct namespace_entry *ns)
{
    struct prefix *old = ns->subnets;
    size_t n_old = ns->n_subnets;
    const char *reason = NULL;
    struct ds message = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < n_old; i++) {
        subnets_remove(&c->subnets, &old[i]);
    }
    ns->subnets = NULL;
    ns->n_subnets = 0;
    for (size_t i = 0; i < ns->object->n_subnets && !reason; i++) {
        const struct prefix *p = &ns->object->subnets[i];

        ds_clear(&message);
        reason = refuse_subnet(c, ns, p, &message);
        if (!reason) {
            add_subnet(c, ns, p);
        }
    }
    if (reason) {
        free_subnets(c, ns);
        for (size_t i = 0; i < n_old; i++) {
            add_subnet(c, ns, &old[i]);
        }
        network_problem(c, ns, reason, ds_cstr(&message));
    } else {
        c->subnets_freed |= n_old > 0;
        network_no_problem(c, ns);
    }
    ds_destroy(&message);
    free(old);
    return !reason;
}

static bool
annotation_is_followed(const struct namespace_entry *ns)
{
    if (ns->n_subnets != ns->object->n_subnets) {
        return false;
    }
    for (size_t i = 0; i < ns->n_subnets; i++) {
        if (prefix_compare(&ns->subnets[i], &ns->object->subnets[i])) {
            return false;
        }
    }
    return true;
}

const struct subnet_range *
network_range(const struct compile *c, bool ip4)
{
    for (size_t i = 0; i < c->config.n_ranges; i++) {
        if (prefix_is_ip4(&c->config.ranges[i].prefix) == ip4) {
            return &c->config.ranges[i];
        }
    }
    return NULL;
}

bool
network_has_family(const struct namespace_entry *ns, bool ip4)
{
    for (size_t i = 0; i < ns->n_subnets; i++) {
        if (prefix_is_ip4(&ns->subnets[i]) == ip4) {
            return true;
        }
    }
    return false;
}

static bool
next_subnet(struct compile *c, struct namespace_entry *ns, bool ip4)
{
    const struct subnet_range *range = network_range(c, ip4);
    uint64_t *cursor = &c->numbers.next[ip4 ? NUMBER_SUBNET : NUMBER_SUBNET6];
    struct prefix p;

    if (!range || !subnets_next(&c->subnets, range, cursor, &p)) {
        return false;
    }
    add_subnet(c, ns, &p);
    return true;
}

bool
network_grow(struct compile *c, struct namespace_entry *ns, bool ip4)
{
    if (!network_is_automatic(ns) || !next_subnet(c, ns, ip4)) {
        return false;
    }
    network_put(c, ns);
    ns->room_run = c->run;
    c->networks_grew = true;
    return true;
}

static void
no_automatic_subnet(struct compile *c, struct namespace_entry *ns,
                    const struct subnet_range *range)
{
    struct ds message = DS_EMPTY_INITIALIZER;

    ds_put_cstr(&message, "no subnet of ");
    prefix_format(&range->prefix, &message);
    ds_put_cstr(&message, " is free; delete a namespace, or name a subnet in annotation "
                          "virga.dev/subnets");
    network_problem(c, ns, "SubnetExhausted", ds_cstr(&message));
    ds_destroy(&message);
}

/* One subnet of each family that the cluster has.  Returns true if the subnets
 * changed. */
static bool
set_automatic_subnets(struct compile *c, struct namespace_entry *ns)
{
    const struct subnet_range *lacks = NULL;
    size_t n_before = ns->n_subnets;

    for (size_t i = 0; i < c->config.n_ranges; i++) {
        const struct subnet_range *range = &c->config.ranges[i];
        bool ip4 = prefix_is_ip4(&range->prefix);

        if (!network_has_family(ns, ip4) && !next_subnet(c, ns, ip4)) {
            lacks = lacks ? lacks : range;
        }
    }
    if (lacks) {
        no_automatic_subnet(c, ns, lacks);
    } else {
        network_no_problem(c, ns);
    }
    return ns->n_subnets != n_before;
}

/* Returns true if the subnets changed. */
static bool
set_subnets(struct compile *c, struct namespace_entry *ns)
{
    if (network_is_automatic(ns)) {
        return set_automatic_subnets(c, ns);
    }
    if (annotation_is_followed(ns)) {
        network_no_problem(c, ns);
        return false;
    }
    return annotate(c, ns);
}

/* Namespaces. */

static void
queue_pods(struct compile *c, struct namespace_entry *ns)
{
    struct pod_entry *pod;

    LIST_FOR_EACH (pod, namespace_node, &ns->pods) {
        worklist_add(&c->pod_work, &pod->entry);
    }
}

static void
queue_policies(struct compile *c, struct namespace_entry *ns)
{
    struct policy_entry *policy;

    LIST_FOR_EACH (policy, namespace_node, &ns->policies) {
        worklist_add(&c->policy_work, &policy->entry);
    }
}

static bool
take_numbers(struct compile *c, struct namespace_entry *ns)
{
    uint32_t vni, zone;

    if (ns->vni) {
        return true;
    }
    if (!numbers_take(&c->numbers, NUMBER_ZONE, zone_is_used, c->zones, &zone)
        || !numbers_take(&c->numbers, NUMBER_VNI, vni_is_used, c->records, &vni)) {
        network_problem(c, ns, "NetworksExhausted",
                        "all conntrack zones are in use; delete a namespace");
        return false;
    }
    bitmap_set1(c->zones, zone);
    ns->zone = zone;
    ns->vni = vni;
    return true;
}

void
network_drop(struct compile *c, struct namespace_entry *ns)
{
    if (ns->scope.attached) {
        selection_detach(&c->selection, &ns->scope);
    }
    if (ns->vni) {
        records_remove(c->records, RECORD_NETWORK, ns->vni);
        bitmap_set0(c->zones, ns->zone);
        free_subnets(c, ns);
        c->subnets_freed = true;
    }
    ns->vni = ns->zone = 0;
    ns->scope.vni = 0;
    memset(ns->last_addresses, 0, sizeof ns->last_addresses);
}

static void
network_set(struct compile *c, struct namespace_entry *ns)
{
    struct labels *labels = &ns->object->meta.labels;

    if (!take_numbers(c, ns)) {
        return;
    }
    bool appears = !ns->scope.attached;
    ns->scope.vni = ns->vni;
    if (appears || !labels_equal(labels, &ns->scope.labels)) {
        selection_attach(&c->selection, &ns->scope, labels);
    }
    if (appears) {
        queue_policies(c, ns);
    }
    ns->room_run = c->run;
    if (set_subnets(c, ns) || appears) {
        queue_pods(c, ns);
    }
    network_put(c, ns);
}

static void
network_run(struct compile *c, struct namespace_entry *ns)
{
    if (ns->entry.has_next) {
        k8s_namespace_destroy(ns->object);
        ns->object = ns->next;
        ns->next = NULL;
        ns->entry.has_next = false;
    }
    if (ns->object) {
        network_set(c, ns);
    } else {
        network_drop(c, ns);
        network_no_problem(c, ns);
        queue_pods(c, ns);
        queue_policies(c, ns);
        namespace_entry_left(c, ns);
    }
}

/* Those that wait come again when others have given subnets back, and so on
 * until nobody gives any. */
static void
retry_waiting(struct compile *c)
{
    for (bool freed = c->subnets_freed; freed;) {
        struct namespace_entry *ns, *next;

        c->subnets_freed = false;
        LIST_FOR_EACH_SAFE (ns, next, waiting_node, &c->waiting_namespaces) {
            network_run(c, ns);
        }
        freed = c->subnets_freed;
        c->subnets_freed = true;
    }
}

void
networks_run(struct compile *c)
{
    size_t n;
    struct entry **work = worklist_take(&c->namespace_work, &n);

    for (size_t i = 0; i < n; i++) {
        network_run(c, CONTAINER_OF(work[i], struct namespace_entry, entry));
    }
    free(work);
    retry_waiting(c);
}

void
networks_collect(struct compile *c)
{
    size_t n;
    struct entry **work = worklist_take(&c->namespace_work, &n);

    for (size_t i = 0; i < n; i++) {
        namespace_entry_destroy(c, CONTAINER_OF(work[i], struct namespace_entry, entry));
    }
    free(work);
}
