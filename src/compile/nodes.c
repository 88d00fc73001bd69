#include "compile/state.h"

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
    if (ovs_list_is_empty(&node->pods)) {
        node_entry_destroy(c, node);
    }
}

void
nodes_run(struct compile *c)
{
    size_t n;
    struct entry **work = worklist_take(&c->node_work, &n);

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
