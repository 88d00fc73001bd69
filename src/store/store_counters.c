/* Counter rows: an agent writes its own, the controller reads all. */
#include "store/store_internal.h"

#include <stdlib.h>
#include <string.h>

#include "ovsdb-idl-provider.h"
#include "util.h"

static const char *const kind_words[] = {
    [COUNTER_RULE] = "rule",
    [COUNTER_DROP] = "drop",
    [COUNTER_PAIR] = "pair",
};

void
store_counters_setup(struct store *s)
{
    if (s->role == STORE_AGENT) {
        const struct ovsdb_idl_table_class *table = &virgarec_table_counter;
        for (size_t i = 0; i < table->n_columns; i++) {
            ovsdb_idl_add_column(s->own_idl, &table->columns[i]);
            ovsdb_idl_omit_alert(s->own_idl, &table->columns[i]);
        }
        store_watch_own_rows(s, NULL);
    }
    const struct ovsdb_idl_index_column columns[] = {
        { .column = &virgarec_counter_col_node }, { .column = &virgarec_counter_col_kind },
        { .column = &virgarec_counter_col_a },    { .column = &virgarec_counter_col_b },
        { .column = &virgarec_counter_col_c },    { .column = &virgarec_counter_col_d },
    };
    s->counter_index = ovsdb_idl_index_create(s->own_idl, columns, ARRAY_SIZE(columns));
}

bool
store_watch_own_rows(struct store *s, const char *node)
{
    struct ovsdb_idl_condition own, status, counter;

    ovsdb_idl_condition_init(&own);
    ovsdb_idl_condition_init(&status);
    ovsdb_idl_condition_init(&counter);
    if (node) {
        virgarec_node_add_clause_name(&own, OVSDB_F_EQ, node);
        virgarec_node_status_add_clause_name(&status, OVSDB_F_EQ, node);
        virgarec_counter_add_clause_node(&counter, OVSDB_F_EQ, node);
    }
    unsigned int node_seqno = virgarec_node_set_condition(s->own_idl, &own);
    unsigned int status_seqno = virgarec_node_status_set_condition(s->own_idl, &status);
    unsigned int counter_seqno = virgarec_counter_set_condition(s->own_idl, &counter);
    ovsdb_idl_condition_destroy(&own);
    ovsdb_idl_condition_destroy(&status);
    ovsdb_idl_condition_destroy(&counter);

    unsigned int now = ovsdb_idl_get_condition_seqno(s->own_idl);
    return node_seqno == now && status_seqno == now && counter_seqno == now;
}

/* --- Reading ---------------------------------------------------------- */

static bool
decode_kind(const char *word, enum counter_kind *kind)
{
    for (size_t i = 0; i < ARRAY_SIZE(kind_words); i++) {
        if (!strcmp(word, kind_words[i])) {
            *kind = i;
            return true;
        }
    }
    return false;
}

void
store_each_counter(struct store *s, const char *node,
                   void (*cb)(const char *node, const struct counter *, void *aux), void *aux)
{
    const struct virgarec_counter *row;

    VIRGAREC_COUNTER_FOR_EACH(row, s->own_idl)
    {
        struct counter c = {
            .a = row->a,
            .b = row->b,
            .c = row->c,
            .d = row->d,
            .hits = row->hits,
            .packets = row->packets,
            .bytes = row->bytes,
            .raw_hits = row->raw_hits,
            .raw_packets = row->raw_packets,
            .raw_bytes = row->raw_bytes,
        };
        if ((!node || !strcmp(node, row->node)) && decode_kind(row->kind, &c.kind)) {
            cb(row->node, &c, aux);
        }
    }
}

/* --- Writing ---------------------------------------------------------- */

static const struct virgarec_counter *
find_counter(const struct store *s, const char *node, const struct counter *c)
{
    struct virgarec_counter *target = virgarec_counter_index_init_row(s->counter_index);

    virgarec_counter_index_set_node(target, node);
    virgarec_counter_index_set_kind(target, kind_words[c->kind]);
    virgarec_counter_index_set_a(target, c->a);
    virgarec_counter_index_set_b(target, c->b);
    virgarec_counter_index_set_c(target, c->c);
    virgarec_counter_index_set_d(target, c->d);
    const struct virgarec_counter *row = virgarec_counter_index_find(s->counter_index, target);
    virgarec_counter_index_destroy_row(target);
    return row;
}

static const struct virgarec_counter *
insert_counter(struct ovsdb_idl_txn *txn, const char *node, const struct counter *c)
{
    const struct virgarec_counter *row = virgarec_counter_insert(txn);

    virgarec_counter_set_node(row, node);
    virgarec_counter_set_kind(row, kind_words[c->kind]);
    virgarec_counter_set_a(row, c->a);
    virgarec_counter_set_b(row, c->b);
    virgarec_counter_set_c(row, c->c);
    virgarec_counter_set_d(row, c->d);
    return row;
}

static void
write_counter(struct ovsdb_idl_txn *txn, const char *node, const struct counter *c,
              const struct virgarec_counter *row)
{
    row = row ? row : insert_counter(txn, node, c);
    virgarec_counter_set_hits(row, MIN(c->hits, INT64_MAX));
    virgarec_counter_set_packets(row, MIN(c->packets, INT64_MAX));
    virgarec_counter_set_bytes(row, MIN(c->bytes, INT64_MAX));
    virgarec_counter_set_raw_hits(row, MIN(c->raw_hits, INT64_MAX));
    virgarec_counter_set_raw_packets(row, MIN(c->raw_packets, INT64_MAX));
    virgarec_counter_set_raw_bytes(row, MIN(c->raw_bytes, INT64_MAX));
}

void
counters_write(struct store *s, struct ovsdb_idl_txn *txn, const struct changes *changes)
{
    const char *node = s->status->name;
    const struct counter_change *change;

    HMAP_FOR_EACH (change, hmap_node, &changes->counters) {
        const struct counter *c = &change->counter;
        const struct virgarec_counter *row = find_counter(s, node, c);

        if (!counter_is_zero(c)) {
            write_counter(txn, node, c, row);
        } else if (row) {
            virgarec_counter_delete(row);
        }
    }
}

void
counters_forget(struct store *s, const struct sset *nodes)
{
    const struct virgarec_counter *row, *next;

    VIRGAREC_COUNTER_FOR_EACH_SAFE(row, next, s->own_idl)
    {
        if (sset_contains(nodes, row->node)) {
            virgarec_counter_delete(row);
        }
    }
}
