/* The oracle: all records again, from the objects and the numbers alone, by
 * the plainest way.
 *
 * It shares with the incremental compiler what is pure anyway (the rules of
 * one policy, text forms) and none of its indexes, links, counts or caches.
 * Membership is decided by each pod's own labels and ports, so a class that mixes pods
 * that some selector tells apart is found out. */
#include "compile/check.h"

#include <stdlib.h>
#include <string.h>

#include "compile/named_port.h"
#include "compile/pod_name.h"
#include "compile/policy_rules.h"
#include "util.h"

/* What is in use. */

static bool
used_covers(const struct used *used, const struct pod_entry *pod)
{
    return selector_matches(&used->namespaces, &pod->namespace_->object->meta.labels);
}

static bool
used_matches(const struct used *used, const struct seen *seen)
{
    return seen->pod->endpoint && used_covers(used, seen->pod)
           && selector_matches(&used->pods, &seen->labels);
}

struct used *
check_add_used(struct check *k, const struct selector *namespaces, const struct selector *pods,
               uint32_t set)
{
    if (k->n_used >= k->allocated_used) {
        k->used = x2nrealloc(k->used, &k->allocated_used, sizeof *k->used);
    }

    struct used *used = &k->used[k->n_used++];
    selector_clone(&used->namespaces, namespaces);
    selector_clone(&used->pods, pods);
    used->set = set;
    return used;
}

static bool
key_is_used(const struct check *k, const struct pod_entry *pod, const char *key)
{
    for (size_t i = 0; i < k->n_used; i++) {
        const struct selector *pods = &k->used[i].pods;

        for (size_t j = 0; j < pods->n; j++) {
            if (pods->reqs[j].key == key && used_covers(&k->used[i], pod)) {
                return true;
            }
        }
    }
    return false;
}

/* Of ports with one name and protocol the first counts. */
static void
see_pods(struct check *k)
{
    const struct pod_entry *pod;

    k->seen = xcalloc(hmap_count(&k->c->pods) + 1, sizeof *k->seen);
    HMAP_FOR_EACH (pod, hmap_node, &k->c->pods) {
        struct seen *seen = &k->seen[k->n_seen++];

        seen->pod = pod;
        labels_clone(&seen->labels, &pod->object->meta.labels);
        labels_set(&seen->labels, pod_name_key(pod->name), "");
        for (size_t i = pod->object->n_ports; i-- > 0;) {
            const struct pod_port *port = &pod->object->ports[i];

            if (port->name[0]) {
                char *number = xasprintf("%u", port->number);
                labels_set(&seen->labels, named_port_key(port->protocol, port->name), number);
                free(number);
            }
        }
    }
}

/* Numbers of texts. */

static void
collect_texts(struct check *k)
{
    const struct record *r;

    for (r = records_first(k->c->records, RECORD_IDENTITY); r;
         r = records_next(k->c->records, r)) {
        const struct rec_identity *identity = (const struct rec_identity *) r;
        if (!simap_put(&k->identities, identity->labels, r->key)) {
            FAIL(k, "two identities are %s", identity->labels);
        }
    }
    for (r = records_first(k->c->records, RECORD_SET); r; r = records_next(k->c->records, r)) {
        const struct rec_set *set = (const struct rec_set *) r;
        if (!simap_put(&k->sets, set->selector, r->key)) {
            FAIL(k, "two sets are %s", set->selector);
        }
    }
}

uint32_t
check_set_of_text(struct check *k, const char *text)
{
    uint32_t id = simap_get(&k->sets, text);

    if (!id) {
        FAIL(k, "there is no set %s", text);
    }
    return id;
}

static uint32_t
set_of_selectors(struct check *k, const struct selector *namespaces, const struct selector *pods)
{
    struct ds text = DS_EMPTY_INITIALIZER;

    selection_format(namespaces, pods, &text);
    uint32_t id = check_set_of_text(k, ds_cstr(&text));
    ds_destroy(&text);
    return id;
}

/* What policies ask. */

uint32_t
check_use_set(void *k_, const struct selector *namespaces, const struct selector *pods)
{
    struct check *k = k_;
    uint32_t set = set_of_selectors(k, namespaces, pods);

    for (size_t i = 0; i < k->n_used; i++) {
        if (set && k->used[i].set == set) {
            return set;
        }
    }
    check_add_used(k, namespaces, pods, set);
    return set;
}

static int
compare_u16(const void *a_, const void *b_)
{
    const uint16_t *a = a_, *b = b_;

    return *a - *b;
}

uint16_t *
check_use_numbers(void *k_, const struct selector *namespaces, const struct selector *pods,
                  const char *key, size_t *n)
{
    struct check *k = k_;
    struct selector with_port;
    uint16_t *numbers = xmalloc((k->n_seen + 1) * sizeof *numbers);
    size_t n_all = 0;

    named_port_select(&with_port, pods, key);
    const struct used *used = check_add_used(k, namespaces, &with_port, 0);
    selector_uninit(&with_port);
    for (size_t i = 0; i < k->n_seen; i++) {
        if (used_matches(used, &k->seen[i])) {
            numbers[n_all++] = named_port_number(labels_get(&k->seen[i].labels, key));
        }
    }
    qsort(numbers, n_all, sizeof *numbers, compare_u16);
    *n = 0;
    for (size_t i = 0; i < n_all; i++) {
        if (!*n || numbers[*n - 1] != numbers[i]) {
            numbers[(*n)++] = numbers[i];
        }
    }
    return numbers;
}

/* Nodes and networks. */

static void *
copy_array(const void *a, size_t n, size_t size)
{
    return n ? xmemdup(a, n * size) : NULL;
}

static void
want_nodes(struct check *k)
{
    const struct shash_node *item;

    SHASH_FOR_EACH (item, &k->c->nodes) {
        const struct node_entry *node = item->data;

        if (node->next_exists) {
            struct rec_node *rec = rec_node_create(node->id);
            rec->name = xstrdup(node->name);
            rec->vtep = node->vtep;
            rec->n_addresses = node->n_addresses;
            rec->addresses = copy_array(node->addresses, node->n_addresses,
                                        sizeof *node->addresses);
            records_put(k->want, &rec->r);
        } else if (node_entry_is_idle(node)) {
            FAIL(k, "node %s is kept for nothing", node->name);
        }
    }
}

static void
want_network(struct check *k, const struct namespace_entry *ns)
{
    struct rec_network *rec = rec_network_create(ns->vni);

    rec->name = xstrdup(ns->name);
    rec->zone = ns->zone;
    rec->n_subnets = ns->n_subnets;
    rec->subnets = copy_array(ns->subnets, ns->n_subnets, sizeof *ns->subnets);
    rec->gateways = xcalloc(ns->n_subnets + 1, sizeof *rec->gateways);
    for (size_t i = 0; i < ns->n_subnets; i++) {
        rec->gateways[i] = ns->subnets[i].addr;
        addr_add(&rec->gateways[i], 1);
    }
    records_put(k->want, &rec->r);
}

static bool
fits_beside_others(const struct check *k, const struct namespace_entry *ns, size_t i)
{
    const struct prefix *p = &ns->object->subnets[i];
    const struct namespace_entry *other;
    struct subnet_hosts hosts;

    for (size_t j = 0; j < ns->object->n_subnets; j++) {
        const struct prefix *q = &ns->object->subnets[j];
        if (j != i && (prefix_covers(p, q) || prefix_covers(q, p))) {
            return false;
        }
    }
    HMAP_FOR_EACH (other, hmap_node, &k->c->namespaces) {
        for (size_t j = 0; other != ns && j < other->n_subnets; j++) {
            if (prefix_covers(p, &other->subnets[j]) || prefix_covers(&other->subnets[j], p)) {
                return false;
            }
        }
    }
    return subnet_hosts(p, &hosts);
}

/* Whether the network could have now what it lacks. */
static bool
can_have_subnets(const struct check *k, const struct namespace_entry *ns)
{
    uint64_t cursor = 0;
    struct prefix p;

    for (size_t i = 0; i < ns->object->n_subnets; i++) {
        if (!fits_beside_others(k, ns, i)) {
            return false;
        }
    }
    if (ns->object->n_subnets) {
        return true;
    }
    for (size_t i = 0; i < k->c->config.n_ranges; i++) {
        const struct subnet_range *range = &k->c->config.ranges[i];
        if (!network_has_family(ns, prefix_is_ip4(&range->prefix))
            && !subnets_next(&k->c->subnets, range, &cursor, &p)) {
            return false;
        }
    }
    return true;
}

static bool
has_all_families(const struct check *k, const struct namespace_entry *ns)
{
    for (size_t i = 0; i < k->c->config.n_ranges; i++) {
        if (!network_has_family(ns, prefix_is_ip4(&k->c->config.ranges[i].prefix))) {
            return false;
        }
    }
    return true;
}

/* The annotation is followed, or there is a problem to tell why not, which
 * still holds. */
static void
check_subnets(struct check *k, const struct namespace_entry *ns)
{
    const struct k8s_namespace *object = ns->object;
    bool followed = object->n_subnets ? object->n_subnets == ns->n_subnets
                                      : has_all_families(k, ns);

    for (size_t i = 0; followed && i < object->n_subnets; i++) {
        followed = !prefix_compare(&object->subnets[i], &ns->subnets[i]);
    }
    if (followed == (ns->problem != NULL)) {
        FAIL(k, "namespace %s %s", ns->name,
             followed ? "has its subnets and a problem" : "lacks its subnets without a problem");
    }
    if (!followed && ns->vni && can_have_subnets(k, ns)) {
        FAIL(k, "namespace %s waits for nothing", ns->name);
    }
}

static void
check_apart(struct check *k, const struct namespace_entry *a, const struct namespace_entry *b)
{
    if (a->vni == b->vni || a->zone == b->zone) {
        FAIL(k, "namespaces %s and %s share a number", a->name, b->name);
    }
    for (size_t i = 0; i < a->n_subnets; i++) {
        for (size_t j = 0; j < b->n_subnets; j++) {
            if (prefix_covers(&a->subnets[i], &b->subnets[j])) {
                FAIL(k, "subnets of %s and %s overlap", a->name, b->name);
            }
        }
    }
}

static void
want_networks(struct check *k)
{
    const struct namespace_entry *ns, *other;

    HMAP_FOR_EACH (ns, hmap_node, &k->c->namespaces) {
        if (!ns->object) {
            if (ns->vni || (ovs_list_is_empty(&ns->pods) && ovs_list_is_empty(&ns->policies))) {
                FAIL(k, "namespace %s is kept for nothing", ns->name);
            }
            continue;
        }
        check_subnets(k, ns);
        if (ns->vni) {
            want_network(k, ns);
        }
        HMAP_FOR_EACH (other, hmap_node, &k->c->namespaces) {
            if (other != ns && ns->vni && other->vni) {
                check_apart(k, ns, other);
            }
        }
    }
}

/* Identities and endpoints. */

static uint32_t
want_identity(struct check *k, const struct seen *seen)
{
    const struct pod_entry *pod = seen->pod;
    const struct labels *labels = &seen->labels;
    struct labels relevant;
    struct ds text = DS_EMPTY_INITIALIZER;

    labels_init(&relevant);
    for (size_t i = 0; i < labels->n; i++) {
        if (key_is_used(k, pod, labels->a[i].key)) {
            labels_set(&relevant, labels->a[i].key, labels->a[i].value);
        }
    }
    class_format(pod->namespace_->name, &relevant, &text);
    labels_uninit(&relevant);

    uint32_t id = simap_get(&k->identities, ds_cstr(&text));
    if (id) {
        struct rec_identity *rec = rec_identity_create(id);
        rec->vni = pod->namespace_->vni;
        rec->labels = xstrdup(ds_cstr(&text));
        records_put(k->want, &rec->r);
    } else {
        FAIL(k, "there is no identity %s", ds_cstr(&text));
    }
    ds_destroy(&text);
    return id;
}

static void
want_endpoint(struct check *k, const struct seen *seen)
{
    const struct pod_entry *pod = seen->pod;
    struct rec_endpoint *rec = rec_endpoint_create(pod->endpoint);
    const struct node_entry *node = pod->object->node_name[0]
                                        ? shash_find_data(&k->c->nodes, pod->object->node_name)
                                        : NULL;

    rec->name = xasprintf("%s/%s", pod->object->meta.namespace_, pod->object->meta.name);
    rec->uid = xstrdup(pod->object->meta.uid);
    rec->vni = pod->namespace_->vni;
    rec->identity = want_identity(k, seen);
    rec->node = node && node->next_exists ? node->id : 0;
    rec->n_ips = pod->n_ips;
    rec->ips = xcalloc(pod->n_ips + 1, sizeof *rec->ips);
    for (size_t i = 0; i < pod->n_ips; i++) {
        rec->ips[i] = pod->ips[i].ip;
        if (!network_has_host(pod->namespace_, &rec->ips[i])) {
            FAIL(k, "pod %s has an address outside its network", rec->name);
        }
        if (addresses_find(&k->c->addresses, &rec->ips[i]) != &pod->ips[i]) {
            FAIL(k, "pod %s shares an address", rec->name);
        }
    }
    rec->mac = pod_mac(rec->ips, rec->n_ips);
    records_put(k->want, &rec->r);
}

static bool
has_room_for(const struct check *k, const struct namespace_entry *ns, bool ip4)
{
    const struct subnet_range *range = network_range(k->c, ip4);
    uint64_t cursor = 0;
    struct in6_addr ip;
    struct prefix p;

    return addresses_next(&k->c->addresses, ns->subnets, ns->n_subnets, ip4, &in6addr_any, &ip)
           || (network_is_automatic(ns) && range
               && subnets_next(&k->c->subnets, range, &cursor, &p));
}

/* Whether a pod without annotation could have its addresses. */
static bool
has_room(const struct check *k, const struct namespace_entry *ns)
{
    bool any = false;

    for (int ip4 = 0; ip4 < 2; ip4++) {
        if (network_has_family(ns, ip4)) {
            any = true;
            if (!has_room_for(k, ns, ip4)) {
                return false;
            }
        }
    }
    return any;
}

static bool
can_have_annotated(const struct check *k, const struct pod_entry *pod)
{
    for (size_t i = 0; i < pod->object->n_static_ips; i++) {
        const struct in6_addr *ip = &pod->object->static_ips[i];

        if (!network_has_host(pod->namespace_, ip) || addresses_find(&k->c->addresses, ip)) {
            return false;
        }
    }
    return true;
}

/* A pod without the endpoint that it wants has a reason that still holds. */
static void
check_waiting(struct check *k, const struct pod_entry *pod)
{
    const struct namespace_entry *ns = pod->namespace_;

    if (!pod->problem) {
        FAIL(k, "pod %s/%s has neither endpoint nor problem", ns->name, pod->name);
    } else if (ns->vni
               && (pod->object->n_static_ips ? can_have_annotated(k, pod) : has_room(k, ns))) {
        FAIL(k, "pod %s/%s waits for nothing", ns->name, pod->name);
    }
}

static void
want_endpoints(struct check *k)
{
    for (size_t i = 0; i < k->n_seen; i++) {
        const struct pod_entry *pod = k->seen[i].pod;

        if (!pod_wants_endpoint(pod->object)) {
            if (pod->problem || pod->n_ips) {
                FAIL(k, "pod %s keeps what it does not need", pod->name);
            }
        } else if (pod->namespace_->vni && pod->n_ips) {
            want_endpoint(k, &k->seen[i]);
            if (pod_waits_for_node(pod) != (pod->problem != NULL)) {
                FAIL(k, "pod %s has an endpoint and the wrong problem", pod->name);
            }
        } else {
            check_waiting(k, pod);
        }
    }
}

/* Sets. */

static int
compare_u32(const void *a_, const void *b_)
{
    const uint32_t *a = a_, *b = b_;

    return *a < *b ? -1 : *a > *b;
}

static void
want_members(struct check *k, const struct used *used, struct rec_set *rec)
{
    size_t n = 0;

    rec->identities = xmalloc((k->n_seen + 1) * sizeof *rec->identities);
    for (size_t i = 0; i < k->n_seen; i++) {
        if (used_matches(used, &k->seen[i])) {
            rec->identities[n++] = k->seen[i].pod->identity->id;
        }
    }
    qsort(rec->identities, n, sizeof *rec->identities, compare_u32);
    for (size_t i = 0; i < n; i++) {
        if (!i || rec->identities[i] != rec->identities[i - 1]) {
            rec->identities[rec->n_identities++] = rec->identities[i];
        }
    }
}

/* Every pod of a member class must match by itself. */
static void
check_members(struct check *k, const struct used *used, const struct rec_set *rec)
{
    for (size_t i = 0; i < k->n_seen; i++) {
        const struct pod_entry *pod = k->seen[i].pod;

        if (pod->endpoint
            && bsearch(&pod->identity->id, rec->identities, rec->n_identities,
                       sizeof *rec->identities, compare_u32)
            && !used_matches(used, &k->seen[i])) {
            FAIL(k, "set %s tells apart pods of identity %" PRIu32, rec->selector,
                 pod->identity->id);
        }
    }
}

static void
want_sets(struct check *k)
{
    for (size_t i = 0; i < k->n_used; i++) {
        const struct used *used = &k->used[i];
        struct ds text = DS_EMPTY_INITIALIZER;

        if (!used->set) {
            continue;
        }
        struct rec_set *rec = rec_set_create(used->set);
        selection_format(&used->namespaces, &used->pods, &text);
        rec->selector = ds_steal_cstr(&text);
        want_members(k, used, rec);
        check_members(k, used, rec);
        records_put(k->want, &rec->r);
    }
}

/* Rules. */

static bool
policy_counts(const struct policy_entry *policy)
{
    return policy->object && policy->namespace_->object && policy->namespace_->vni;
}

/* Also notes all that the rules use. */
static void
want_rules(struct check *k)
{
    const struct policy_pods pods = { check_use_set, check_use_numbers, k };
    const struct policy_entry *policy;

    HMAP_FOR_EACH (policy, hmap_node, &k->c->policies) {
        size_t n = 0;
        bool too_large;
        struct rec_rule **rules = NULL;

        if (policy_counts(policy)) {
            rules = policy_rules_build(policy->object, policy->namespace_->vni, &pods, &n,
                                       &too_large);
            if (too_large != (policy->problem != NULL)) {
                FAIL(k, "policy %s has a wrong problem or none", policy->name);
            }
        }
        if (n != policy->n_rules) {
            FAIL(k, "policy %s has %" PRIuSIZE " rules instead of %" PRIuSIZE, policy->name,
                 policy->n_rules, n);
        }
        for (size_t i = 0; i < n; i++) {
            rules[i]->r.key = i < policy->n_rules ? policy->rules[i] : 0;
            records_put(k->want, &rules[i]->r);
        }
        free(rules);
    }
}

/* Compare. */

static void
fail_record(struct check *k, const char *what, const struct record *r)
{
    if (!k->error.length) {
        ds_put_format(&k->error, "%s: ", what);
        record_format(r, &k->error);
    }
}

static void
compare_kind(struct check *k, enum record_kind kind)
{
    const struct record *r;

    for (r = records_first(k->want, kind); r; r = records_next(k->want, r)) {
        const struct record *have = records_find(k->c->records, kind, r->key);

        if (!have) {
            fail_record(k, "missing", r);
        } else if (!record_equal(r, have)) {
            fail_record(k, "found", have);
            ds_put_cstr(&k->error, "\nright would be: ");
            record_format(r, &k->error);
            return;
        }
    }
    for (r = records_first(k->c->records, kind); r; r = records_next(k->c->records, r)) {
        if (!records_find(k->want, kind, r->key)) {
            fail_record(k, "left over", r);
        }
    }
}

static void
check_all(struct check *k)
{
    const struct compile *c = k->c;

    if (c->node_work.n || c->namespace_work.n || c->policy_work.n || c->pod_work.n
        || c->named_work.n || c->group_work.n || c->ordered_work.n || c->ordered_named_work.n) {
        FAIL(k, "changes wait for compile_run()");
        return;
    }
    see_pods(k);
    collect_texts(k);
    want_nodes(k);
    want_networks(k);
    want_rules(k);
    check_want_ordered(k);
    check_groups(k);
    want_endpoints(k);
    want_sets(k);
    for (int kind = 0; kind < N_RECORD_KINDS; kind++) {
        compare_kind(k, kind);
    }
}

static void
free_used(struct check *k)
{
    for (size_t i = 0; i < k->n_used; i++) {
        selector_uninit(&k->used[i].namespaces);
        selector_uninit(&k->used[i].pods);
    }
    for (size_t i = 0; i < k->n_seen; i++) {
        labels_uninit(&k->seen[i].labels);
    }
    for (size_t i = 0; i < k->n_choices; i++) {
        free(k->choices[i]);
    }
    free(k->choices);
    free(k->used);
    free(k->seen);
}

char *
compile_check_full(const struct compile *c)
{
    struct check k = { .c = c, .want = records_create(), .error = DS_EMPTY_INITIALIZER };

    simap_init(&k.identities);
    simap_init(&k.sets);
    check_all(&k);
    simap_destroy(&k.identities);
    simap_destroy(&k.sets);
    records_destroy(k.want);
    free_used(&k);
    return k.error.length ? ds_steal_cstr(&k.error) : NULL;
}
