/* Node rows, which an agent makes of its own node and the controller numbers,
 * and Node_Status rows, which say how far an agent is.  They are two tables
 * because agents need the nodes of all others, and nobody's status. */
#include "store/store_internal.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "smap.h"
#include "store/row_values.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(store_nodes);

static struct vlog_rate_limit row_rl = VLOG_RATE_LIMIT_INIT(10, 20);

/* A heartbeat alone is written this often at most. */
enum { HEARTBEAT_MIN_MS = 1000 };

static void
add_columns(struct ovsdb_idl *idl, const struct ovsdb_idl_table_class *table)
{
    for (size_t i = 0; i < table->n_columns; i++) {
        ovsdb_idl_add_column(idl, &table->columns[i]);
    }
}

void
store_nodes_setup(struct store *s)
{
    if (s->role == STORE_AGENT) {
        add_columns(s->own_idl, &virgarec_table_node);
        add_columns(s->own_idl, &virgarec_table_node_status);
    }
    s->node_index = ovsdb_idl_index_create1(s->own_idl, &virgarec_node_col_name);
    s->status_index = ovsdb_idl_index_create1(s->own_idl, &virgarec_node_status_col_name);
}

const struct virgarec_node *
node_row_find(const struct store *s, const char *name)
{
    struct virgarec_node *target = virgarec_node_index_init_row(s->node_index);

    virgarec_node_index_set_name(target, name);
    const struct virgarec_node *row = virgarec_node_index_find(s->node_index, target);
    virgarec_node_index_destroy_row(target);
    return row;
}

static const struct virgarec_node_status *
status_row_find(const struct store *s, const char *name)
{
    struct virgarec_node_status *target = virgarec_node_status_index_init_row(s->status_index);

    virgarec_node_status_index_set_name(target, name);
    const struct virgarec_node_status *row = virgarec_node_status_index_find(s->status_index,
                                                                             target);
    virgarec_node_status_index_destroy_row(target);
    return row;
}

/* --- Reading ---------------------------------------------------------- */

static void
join_status(const struct store *s, struct store_node_status *node)
{
    const struct virgarec_node_status *row = status_row_find(s, node->name);

    if (row) {
        node->applied = row->applied;
        node->stats_applied = row->stats_applied;
        node->heartbeat_ms = row->heartbeat;
        node->ready = row->ready;
        node->message = row->message;
        node->n_flows = row->flows;
        node->policy_problems = &row->policy_problems;
    }
}

void
store_each_node(struct store *s, store_node_cb *cb, void *aux)
{
    static char empty[] = "";
    const struct virgarec_node *row;

    VIRGAREC_NODE_FOR_EACH(row, s->idl)
    {
        struct store_node_status node = { .name = row->name, .message = empty };
        char *error = addresses_decode(row->addresses, row->n_addresses, &node.addresses);

        if (!error && !node_row_vtep(row, &node.vtep)) {
            error = xasprintf("\"%.40s\" is not an address", row->vtep);
        }
        if (!error) {
            node.n_addresses = row->n_addresses;
            join_status(s, &node);
            cb(&node, aux);
        } else {
            VLOG_WARN_RL(&row_rl, "node %s is skipped: %s", row->name, error);
        }
        free(error);
        free(node.addresses);
    }
}

/* --- Writing ---------------------------------------------------------- */

static void
free_problems(struct store_node_status *status)
{
    struct smap *problems = CONST_CAST(struct smap *, status->policy_problems);

    smap_destroy(problems);
    free(problems);
}

void
node_status_destroy(struct store_node_status *status)
{
    if (status) {
        free(status->name);
        free(status->addresses);
        free(status->message);
        free_problems(status);
        free(status);
    }
}

static struct store_node_status *
node_status_clone(const struct store_node_status *src)
{
    struct store_node_status *status = xmemdup(src, sizeof *src);

    status->name = xstrdup(src->name);
    status->addresses = src->n_addresses
                            ? xmemdup(src->addresses, src->n_addresses * sizeof *src->addresses)
                            : NULL;
    status->n_addresses = addresses_sort(status->addresses, status->n_addresses);
    status->message = xstrdup(src->message ? src->message : "");
    struct smap *problems = xmalloc(sizeof *problems);
    if (src->policy_problems) {
        smap_clone(problems, src->policy_problems);
    } else {
        smap_init(problems);
    }
    status->policy_problems = problems;
    return status;
}

static bool
problems_equal(const struct smap *a, const struct smap *b)
{
    const struct smap none = SMAP_INITIALIZER(&none);

    return smap_equal(a ? a : &none, b ? b : &none);
}

static bool
node_equal(const struct store_node_status *a, const struct store_node_status *b)
{
    return !strcmp(a->name, b->name) && !memcmp(&a->vtep, &b->vtep, sizeof a->vtep)
           && a->n_addresses == b->n_addresses
           && (!a->n_addresses
               || !memcmp(a->addresses, b->addresses, a->n_addresses * sizeof *a->addresses));
}

static bool
status_equal(const struct store_node_status *a, const struct store_node_status *b)
{
    int64_t age = b->heartbeat_ms - a->heartbeat_ms;

    return a->applied == b->applied && a->stats_applied == b->stats_applied && a->ready == b->ready
           && a->n_flows == b->n_flows && age > -HEARTBEAT_MIN_MS && age < HEARTBEAT_MIN_MS
           && !strcmp(a->message, b->message ? b->message : "")
           && problems_equal(a->policy_problems, b->policy_problems);
}

void
store_set_node_status(struct store *s, const struct store_node_status *status)
{
    if (s->status && node_equal(s->status, status) && status_equal(s->status, status)) {
        return;
    }
    bool new_name = !s->status || strcmp(s->status->name, status->name);
    node_status_destroy(s->status);
    s->status = node_status_clone(status);
    s->status_dirty = true;
    if (new_name) {
        s->own_rows_here = false;
        store_watch_own_rows(s, status->name);
    }
}

static bool
node_row_equal(const struct virgarec_node *row, const struct store_node_status *status)
{
    struct store_node_status node = { .name = row->name, .n_addresses = row->n_addresses };
    char *error = addresses_decode(row->addresses, row->n_addresses, &node.addresses);
    bool equal = !error && node_row_vtep(row, &node.vtep) && node_equal(&node, status);

    free(error);
    free(node.addresses);
    return equal;
}

static bool
status_row_equal(const struct virgarec_node_status *row, const struct store_node_status *status)
{
    const struct store_node_status written = {
        .applied = row->applied,
        .stats_applied = row->stats_applied,
        .heartbeat_ms = row->heartbeat,
        .ready = row->ready,
        .n_flows = row->flows,
        .message = row->message,
        .policy_problems = &row->policy_problems,
    };

    return status_equal(&written, status);
}

bool
status_differs(struct store *s)
{
    const struct virgarec_node *node = node_row_find(s, s->status->name);
    const struct virgarec_node_status *row = status_row_find(s, s->status->name);

    return !node || !row || !node_row_equal(node, s->status) || !status_row_equal(row, s->status);
}

static void
write_node(struct store *s, struct ovsdb_idl_txn *txn)
{
    const struct store_node_status *status = s->status;
    const struct virgarec_node *row = node_row_find(s, status->name);
    char **addresses = xmalloc(MAX(status->n_addresses, 1) * sizeof *addresses);
    struct ds vtep = DS_EMPTY_INITIALIZER;

    if (!row) {
        row = virgarec_node_insert(txn);
        virgarec_node_set_name(row, status->name);
    }
    for (size_t i = 0; i < status->n_addresses; i++) {
        struct ds ds = DS_EMPTY_INITIALIZER;
        addr_format(&status->addresses[i], &ds);
        addresses[i] = ds_steal_cstr(&ds);
    }
    addr_format(&status->vtep, &vtep);
    virgarec_node_set_vtep(row, ds_cstr(&vtep));
    virgarec_node_set_addresses(row, (const char **) addresses, status->n_addresses);
    ds_destroy(&vtep);
    for (size_t i = 0; i < status->n_addresses; i++) {
        free(addresses[i]);
    }
    free(addresses);
}

void
status_write(struct store *s, struct ovsdb_idl_txn *txn)
{
    const struct store_node_status *status = s->status;
    const struct virgarec_node_status *row = status_row_find(s, status->name);

    write_node(s, txn);
    if (!row) {
        row = virgarec_node_status_insert(txn);
        virgarec_node_status_set_name(row, status->name);
    }
    virgarec_node_status_set_applied(row, MIN(status->applied, INT64_MAX));
    virgarec_node_status_set_stats_applied(row, MIN(status->stats_applied, INT64_MAX));
    virgarec_node_status_set_heartbeat(row, MAX(status->heartbeat_ms, 0));
    virgarec_node_status_set_ready(row, status->ready);
    virgarec_node_status_set_message(row, status->message);
    virgarec_node_status_set_flows(row, MIN(status->n_flows, INT64_MAX));
    virgarec_node_status_set_policy_problems(row, status->policy_problems);
}

void
nodes_forget(struct store *s, const struct changes *changes)
{
    const char *name;

    SSET_FOR_EACH (name, &changes->gone_nodes) {
        const struct virgarec_node *node = node_row_find(s, name);
        const struct virgarec_node_status *status = status_row_find(s, name);

        if (node) {
            virgarec_node_delete(node);
        }
        if (status) {
            virgarec_node_status_delete(status);
        }
    }
    if (!sset_is_empty(&changes->gone_nodes)) {
        counters_forget(s, &changes->gone_nodes);
    }
}
