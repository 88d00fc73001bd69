#include "compile/compile.h"

#include <stdlib.h>
#include <string.h>

#include "bitmap.h"
#include "compile/state.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

enum { N_ZONES = 65536 };

void
compile_config_default(struct compile_config *config)
{
    char *error = compile_config_set_cidrs(config, "10.128.0.0/9");

    ovs_assert(!error);
}

static char *
add_range(struct compile_config *config, const char *cidr)
{
    struct subnet_range range;
    char *error = prefix_parse(cidr, true, &range.prefix);

    if (error) {
        return error;
    }
    bool ip4 = prefix_is_ip4(&range.prefix);
    struct subnet_hosts hosts;
    if (!subnet_hosts(&range.prefix, &hosts)) {
        return xasprintf("\"%s\" has no room for a gateway and a pod", cidr);
    }
    range.plen = MAX(range.prefix.plen, ip4 ? 96 + 24 : 64);
    if (config->n_ranges == 1 && prefix_is_ip4(&config->ranges[0].prefix) == ip4) {
        return xasprintf("\"%s\" is the second of its family", cidr);
    }
    if (config->n_ranges == 2) {
        return xasprintf("\"%s\" is one too many: there are two families", cidr);
    }
    config->ranges[config->n_ranges++] = range;
    return NULL;
}

char *
compile_config_set_cidrs(struct compile_config *config, const char *cidrs)
{
    char *copy = xstrdup(cidrs), *save = NULL, *error = NULL;

    memset(config, 0, sizeof *config);
    for (char *cidr = strtok_r(copy, ",", &save); cidr && !error;
         cidr = strtok_r(NULL, ",", &save)) {
        error = add_range(config, cidr);
    }
    free(copy);
    if (!error && !config->n_ranges) {
        error = xstrdup("no CIDR is given");
    }
    if (config->n_ranges == 2 && !prefix_is_ip4(&config->ranges[0].prefix)) {
        struct subnet_range ip6 = config->ranges[0];
        config->ranges[0] = config->ranges[1];
        config->ranges[1] = ip6;
    }
    return error;
}

struct compile *
compile_create(const struct compile_config *config)
{
    struct compile *c = xzalloc(sizeof *c);

    c->config = *config;
    c->records = records_create();
    numbers_init(&c->numbers);
    subnets_init(&c->subnets);
    addresses_init(&c->addresses);
    c->zones = bitmap_allocate(N_ZONES);
    selection_init(&c->selection, c->records, &c->numbers);
    address_sets_init(&c->address_sets, &c->selection);
    classes_init(&c->classes, &c->selection);
    for (int tier = 0; tier < N_RULE_TIERS; tier++) {
        for (int direction = 0; direction < N_RULE_DIRECTIONS; direction++) {
            ranks_init(&c->ranks[tier][direction]);
        }
    }
    problems_init(&c->problems);
    groups_init(&c->groups);
    shash_init(&c->nodes);
    hmap_init(&c->namespaces);
    hmap_init(&c->policies);
    hmap_init(&c->ordered);
    hmap_init(&c->pods);
    ovs_list_init(&c->waiting_namespaces);
    ovs_list_init(&c->waiting_pods);
    return c;
}

static void
destroy_ordered(struct compile *c)
{
    struct ordered_entry *policy, *next;

    HMAP_FOR_EACH_SAFE (policy, next, hmap_node, &c->ordered) {
        ordered_drop_rules(c, policy);
        ordered_entry_destroy(c, policy);
    }
    for (int tier = 0; tier < N_RULE_TIERS; tier++) {
        for (int direction = 0; direction < N_RULE_DIRECTIONS; direction++) {
            ranks_uninit(&c->ranks[tier][direction]);
        }
    }
    address_sets_uninit(&c->address_sets);
}

static void
destroy_entries(struct compile *c)
{
    struct pod_entry *pod, *next_pod;
    struct policy_entry *policy, *next_policy;
    struct namespace_entry *ns, *next_ns;
    struct shash_node *node, *next_node;

    HMAP_FOR_EACH_SAFE (pod, next_pod, hmap_node, &c->pods) {
        pod_drop_endpoint(c, pod);
        pod_entry_destroy(c, pod);
    }
    HMAP_FOR_EACH_SAFE (policy, next_policy, hmap_node, &c->policies) {
        policy_drop_rules(c, policy);
        policy_entry_destroy(c, policy);
    }
    destroy_ordered(c);
    groups_uninit(c);
    classes_uninit(&c->classes);
    HMAP_FOR_EACH_SAFE (ns, next_ns, hmap_node, &c->namespaces) {
        network_drop(c, ns);
    }
    selection_uninit(&c->selection);
    HMAP_FOR_EACH_SAFE (ns, next_ns, hmap_node, &c->namespaces) {
        namespace_entry_destroy(c, ns);
    }
    SHASH_FOR_EACH_SAFE (node, next_node, &c->nodes) {
        node_entry_destroy(c, node->data);
    }
}

void
compile_destroy(struct compile *c)
{
    if (!c) {
        return;
    }
    destroy_entries(c);
    shash_destroy(&c->nodes);
    hmap_destroy(&c->namespaces);
    hmap_destroy(&c->policies);
    hmap_destroy(&c->ordered);
    hmap_destroy(&c->pods);
    worklist_uninit(&c->node_work);
    worklist_uninit(&c->namespace_work);
    worklist_uninit(&c->policy_work);
    worklist_uninit(&c->group_work);
    worklist_uninit(&c->pod_work);
    worklist_uninit(&c->named_work);
    worklist_uninit(&c->ordered_work);
    worklist_uninit(&c->ordered_named_work);
    problems_uninit(&c->problems);
    subnets_uninit(&c->subnets);
    addresses_uninit(&c->addresses);
    bitmap_free(c->zones);
    records_destroy(c->records);
    free(c);
}

/* An earlier life. */

void
compile_restore(struct compile *c, struct record *rec)
{
    ovs_assert(!c->run);
    records_put(c->records, rec);
}

char *
compile_counters_parse(struct compile *c, const char *text)
{
    char *error = numbers_parse(&c->numbers, text);

    c->has_counters = !error;
    return error;
}

void
compile_counters_format(const struct compile *c, struct ds *ds)
{
    numbers_format(&c->numbers, ds);
}

/* Objects. */

void
compile_set_namespace(struct compile *c, struct k8s_namespace *object)
{
    struct namespace_entry *ns = namespace_entry_get(c, object->meta.name);

    k8s_namespace_destroy(ns->next);
    ns->next = object;
    ns->entry.has_next = true;
    worklist_add(&c->namespace_work, &ns->entry);
    if (object->isolated) {
        compile_set_policy(c, isolation_policy_create(ns->name));
    } else {
        compile_del_policy(c, POLICY_KIND_ISOLATION, ns->name, ns->name);
    }
}

void
compile_del_namespace(struct compile *c, const char *name)
{
    struct namespace_entry *ns = namespace_entry_find(c, name);

    if (ns) {
        k8s_namespace_destroy(ns->next);
        ns->next = NULL;
        ns->entry.has_next = true;
        worklist_add(&c->namespace_work, &ns->entry);
        compile_del_policy(c, POLICY_KIND_ISOLATION, ns->name, ns->name);
    }
}

void
compile_set_pod(struct compile *c, struct k8s_pod *object)
{
    struct pod_entry *pod = pod_entry_get(c, object->meta.namespace_, object->meta.name);

    k8s_pod_destroy(pod->next);
    pod->next = object;
    pod->entry.has_next = true;
    worklist_add(&c->pod_work, &pod->entry);
}

void
compile_del_pod(struct compile *c, const char *ns, const char *name)
{
    struct pod_entry *pod = pod_entry_find(c, ns, name);

    if (pod) {
        k8s_pod_destroy(pod->next);
        pod->next = NULL;
        pod->entry.has_next = true;
        worklist_add(&c->pod_work, &pod->entry);
    }
}

void
compile_set_policy(struct compile *c, struct network_policy *object)
{
    struct policy_entry *policy = policy_entry_get(c, object->kind, object->meta.namespace_,
                                                   object->meta.name);

    network_policy_destroy(policy->next);
    policy->next = object;
    policy->entry.has_next = true;
    worklist_add(&c->policy_work, &policy->entry);
}

void
compile_del_policy(struct compile *c, const char *kind, const char *ns, const char *name)
{
    struct policy_entry *policy = policy_entry_find(c, kind, ns, name);

    if (policy) {
        network_policy_destroy(policy->next);
        policy->next = NULL;
        policy->entry.has_next = true;
        worklist_add(&c->policy_work, &policy->entry);
    }
}

void
compile_set_ordered_policy(struct compile *c, struct ordered_policy *object)
{
    struct ordered_entry *policy = ordered_entry_get(c, object->kind, object->meta.name);

    ordered_policy_destroy(policy->next);
    policy->next = object;
    policy->entry.has_next = true;
    worklist_add(&c->ordered_work, &policy->entry);
}

void
compile_del_ordered_policy(struct compile *c, const char *kind, const char *name)
{
    struct ordered_entry *policy = ordered_entry_find(c, kind, name);

    if (policy) {
        ordered_policy_destroy(policy->next);
        policy->next = NULL;
        policy->entry.has_next = true;
        worklist_add(&c->ordered_work, &policy->entry);
    }
}

static int
compare_ips(const void *a, const void *b)
{
    return addr_compare(a, b);
}

void
compile_set_node(struct compile *c, const char *name, const struct in6_addr *vtep,
                 const struct in6_addr *addresses, size_t n)
{
    struct node_entry *node = node_entry_get(c, name);

    node->next_exists = true;
    node->vtep = *vtep;
    free(node->addresses);
    node->addresses = n ? xmemdup(addresses, n * sizeof *addresses) : NULL;
    node->n_addresses = n;
    if (n) {
        qsort(node->addresses, n, sizeof *node->addresses, compare_ips);
    }
    worklist_add(&c->node_work, &node->entry);
}

void
compile_del_node(struct compile *c, const char *name)
{
    struct node_entry *node = shash_find_data(&c->nodes, name);

    if (node) {
        node->next_exists = false;
        worklist_add(&c->node_work, &node->entry);
    }
}

bool
compile_set_node_ready(struct compile *c, const char *name, bool ready)
{
    struct node_entry *node = shash_find_data(&c->nodes, name);
    struct pod_entry *pod;

    if (!node || node->unready != ready) {
        return false;
    }
    node->unready = !ready;
    LIST_FOR_EACH (pod, node_node, &node->pods) {
        worklist_add(&c->pod_work, &pod->entry);
    }
    return true;
}

static bool
same_node(const struct k8s_node *a, const struct k8s_node *b)
{
    return a && b && labels_equal(&a->meta.labels, &b->meta.labels)
           && a->n_addresses == b->n_addresses
           && (!a->n_addresses
               || !memcmp(a->addresses, b->addresses, a->n_addresses * sizeof *a->addresses));
}

/* Nodes report often, and mostly nothing that matters here. */
void
compile_set_node_object(struct compile *c, struct k8s_node *object)
{
    struct node_entry *node = node_entry_get(c, object->meta.name);

    c->nodes_changed |= !same_node(node->object, object);
    k8s_node_destroy(node->object);
    node->object = object;
}

void
compile_del_node_object(struct compile *c, const char *name)
{
    struct node_entry *node = shash_find_data(&c->nodes, name);

    if (node && node->object) {
        c->nodes_changed = true;
        k8s_node_destroy(node->object);
        node->object = NULL;
        worklist_add(&c->node_work, &node->entry);
    }
}

/* Run. */

void
compile_run(struct compile *c)
{
    c->freed_run = c->subnets_freed ? c->run : c->freed_run;
    c->subnets_freed = false;
    bool first = !c->run++;

    if (first) {
        restore_begin(c);
    }
    nodes_run(c);
    networks_run(c);
    groups_run(c);
    ordered_run(c);
    policies_run(c);
    pods_run(c);
    policies_run_named(c);
    ordered_run_named(c);
    networks_collect(c);
    nodes_flush_sets(c);
    if (first) {
        restore_end(c);
    }
    selection_flush(&c->selection);
}

struct records *
compile_records(struct compile *c)
{
    return c->records;
}

const struct compile_problem *
compile_problems(const struct compile *c, size_t *n)
{
    struct problems *problems = CONST_CAST(struct problems *, &c->problems);

    problems_sort(problems);
    *n = problems->n;
    return problems->sorted;
}

const struct compile_problem *
compile_find_problem(const struct compile *c, const char *key)
{
    return problem_find(&c->problems, key);
}

void
compile_take_problem_changes(struct compile *c, struct sset *keys)
{
    const char *key;

    SSET_FOR_EACH (key, &c->problems.touched) {
        sset_add(keys, key);
    }
    sset_clear(&c->problems.touched);
}

uint32_t
compile_endpoint_of(const struct compile *c, const char *ns, const char *name)
{
    const struct pod_entry *pod = pod_entry_find(c, ns, name);

    return pod ? pod->endpoint : 0;
}
