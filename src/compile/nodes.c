#include "compile/state.h"

#include <stdlib.h>

#include "util.h"

static bool
node_id_is_used(const void *records, uint32_t id)
{
    return records_node(records, id) != NULL;
}

static void
queue_pods(struct compile *c, struct node_entry *node)
{
    struct pod_entry *pod;

    LIST_FOR_EACH (pod, node_node, &node->pods) {
        worklist_add(&c->pod_work, &pod->entry);
    }
}

static void
node_put(struct compile *c, struct node_entry *node)
{
    if (!node->id
        && !numbers_take(&c->numbers, NUMBER_NODE, node_id_is_used, c->records, &node->id)) {
        ovs_abort(0, "more than 4 billion nodes");
    }
    if (!node->exists) {
        node->exists = true;
        queue_pods(c, node);
    }

    struct rec_node *rec = rec_node_create(node->id);
    rec->name = xstrdup(node->name);
    rec->vtep = node->vtep;
    rec->n_addresses = node->n_addresses;
    if (node->n_addresses) {
        rec->addresses = xmemdup(node->addresses, node->n_addresses * sizeof *node->addresses);
    }
    records_put(c->records, &rec->r);
}

static void
node_remove(struct compile *c, struct node_entry *node)
{
    if (node->exists) {
        records_remove(c->records, RECORD_NODE, node->id);
        node->exists = false;
        node->id = 0;
        queue_pods(c, node);
    }
    if (node_entry_is_idle(node)) {
        node_entry_destroy(c, node);
    }
}

void
nodes_run(struct compile *c)
{
    size_t n;
    struct entry **work = worklist_take(&c->node_work, &n);

    c->nodes_changed |= n > 0;
    for (size_t i = 0; i < n; i++) {
        struct node_entry *node = CONTAINER_OF(work[i], struct node_entry, entry);

        if (node->next_exists) {
            node_put(c, node);
        } else {
            node_remove(c, node);
        }
    }
    free(work);
}

/* Sets of nodes. */

static void
add_addresses(struct prefix **prefixes, size_t *n, const struct in6_addr *addresses, size_t n_more)
{
    *prefixes = xrealloc(*prefixes, (*n + n_more + 1) * sizeof **prefixes);
    for (size_t i = 0; i < n_more; i++) {
        (*prefixes)[(*n)++] = prefix_host(&addresses[i]);
    }
}

struct prefix *
nodes_prefixes(const void *c_, const struct selector *selector, size_t *n)
{
    static const struct labels no_labels = { .n = 0 };
    const struct compile *c = c_;
    const struct shash_node *item;
    struct prefix *prefixes = NULL;

    *n = 0;
    SHASH_FOR_EACH (item, &c->nodes) {
        const struct node_entry *node = item->data;
        const struct k8s_node *object = node->object;

        if ((!object && !node->exists)
            || !selector_matches(selector, object ? &object->meta.labels : &no_labels)) {
            continue;
        }
        if (object) {
            add_addresses(&prefixes, n, object->addresses, object->n_addresses);
        }
        if (node->exists) {
            add_addresses(&prefixes, n, node->addresses, node->n_addresses);
        }
    }
    return prefixes;
}

void
nodes_flush_sets(struct compile *c)
{
    address_sets_flush(&c->address_sets, c->nodes_changed, nodes_prefixes, c);
    c->nodes_changed = false;
}
