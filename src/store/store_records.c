/* Snapshots into records, records into transactions.
 *
 * There is a table for each kind of record, which controllers read, whole, when a term
 * begins.  Agents read the feed (feed_rows.c), and the table of nodes: these are few,
 * their key may change, and they are always read whole.
 *
 * An agent reads the feed's new rows only, unless the Global row was inserted: then the
 * IDL dropped its copy of the database and got a new one (it does not say so, but every
 * row of the new copy counts as inserted, and Global is in every database that a
 * controller ever led).  Or there is no Global row at all: then there is not much else
 * either.  Or the generation went back: behind a relay, another database, such as a
 * backup, looks like changes of rows. */
#include "store/store_internal.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/vlog.h"
#include "ovsdb-idl-provider.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(store_records);

static struct vlog_rate_limit row_rl = VLOG_RATE_LIMIT_INIT(10, 20);

void
store_records_setup(struct store *s)
{
    if (s->role == STORE_AGENT) {
        const struct ovsdb_idl_table_class *table = record_tables[RECORD_NODE];
        for (size_t i = 0; i < table->n_columns; i++) {
            ovsdb_idl_track_add_column(s->idl, &table->columns[i]);
        }
        return;
    }
    for (int kind = 0; kind < N_RECORD_KINDS; kind++) { /* Agents search nothing. */
        s->record_index[kind] = ovsdb_idl_index_create1(s->idl, record_key_columns[kind]);
    }
}

/* --- Reading ---------------------------------------------------------- */

bool
row_is_deleted(const struct ovsdb_idl_row *row)
{
    return ovsdb_idl_row_get_seqno(row, OVSDB_IDL_CHANGE_DELETE) > 0;
}

/* Returns the record of 'row', or NULL after saying why there is none. */
static struct record *
read_row(const struct ovsdb_idl_row *row, enum record_kind kind)
{
    char *error;
    struct record *rec = row_decode(row, kind, &error);

    if (error) {
        VLOG_WARN_RL(&row_rl, "table %s, key %" PRIu32 ", row " UUID_FMT " is skipped: %s",
                     record_tables[kind]->name, row_key(row, kind), UUID_ARGS(&row->uuid), error);
        free(error);
    }
    return rec;
}

/* For a row that cannot be read, what was read under its key before: a default
 * deny that turns bad is still a default deny. */
static struct record *
read_row_or_keep(struct store *s, const struct ovsdb_idl_row *row, enum record_kind kind,
                 const struct records *records)
{
    struct record *rec = read_row(row, kind);
    const struct record *before = NULL;

    if (!rec && !s->tidy) {
        before = records_find(records, kind, row_key(row, kind));
        s->n_kept += before && kind != RECORD_NODE; /* Of what the feed has. */
    }
    return before ? record_clone(before) : rec;
}

static int
compare_keys(const void *a_, const void *b_)
{
    const uint32_t *a = a_, *b = b_;
    return *a < *b ? -1 : *a > *b;
}

/* Removes what is not among the 'n' sorted 'keys'. */
static void
sweep(struct records *records, enum record_kind kind, const uint32_t *keys, size_t n)
{
    uint32_t *gone = xmalloc(MAX(records_count(records, kind), 1) * sizeof *gone);
    size_t n_gone = 0;

    for (const struct record *r = records_first(records, kind); r; r = records_next(records, r)) {
        if (!n || !bsearch(&r->key, keys, n, sizeof *keys, compare_keys)) {
            gone[n_gone++] = r->key;
        }
    }
    for (size_t i = 0; i < n_gone; i++) {
        records_remove(records, kind, gone[i]);
    }
    free(gone);
}

static int
compare_records(const void *a_, const void *b_)
{
    const struct record *const *a = a_, *const *b = b_;

    if ((*a)->key != (*b)->key) {
        return (*a)->key < (*b)->key ? -1 : 1;
    }
    if ((*a)->kind != RECORD_NODE) {
        return 0;
    }
    /* Only nodes can share a key (the schema cannot forbid it); the first by
     * name keeps it. */
    return strcmp(((const struct rec_node *) *a)->name, ((const struct rec_node *) *b)->name);
}

static struct record **
read_all_rows(struct store *s, enum record_kind kind, const struct records *records, size_t *n)
{
    struct record **a = NULL;
    size_t allocated = 0;

    *n = 0;
    for (const struct ovsdb_idl_row *row = ovsdb_idl_first_row(s->idl, record_tables[kind]); row;
         row = ovsdb_idl_next_row(row)) {
        struct record *rec = read_row_or_keep(s, row, kind, records);
        if (rec) {
            if (*n >= allocated) {
                a = x2nrealloc(a, &allocated, sizeof *a);
            }
            a[(*n)++] = rec;
        }
    }
    if (*n) {
        qsort(a, *n, sizeof *a, compare_records);
    }
    return a;
}

static void
read_whole(struct store *s, enum record_kind kind, struct records *records)
{
    size_t n, n_keys = 0;
    struct record **a = read_all_rows(s, kind, records, &n);
    uint32_t *keys = xmalloc(MAX(n, 1) * sizeof *keys);

    for (size_t i = 0; i < n; i++) {
        if (n_keys && keys[n_keys - 1] == a[i]->key) {
            VLOG_WARN_RL(&row_rl, "table %s: a second row with key %" PRIu32 " is skipped",
                         record_tables[kind]->name, a[i]->key);
            record_destroy(a[i]);
            continue;
        }
        keys[n_keys++] = a[i]->key;
        records_put(records, a[i]);
    }
    sweep(records, kind, keys, n_keys);
    free(keys);
    free(a);
}

static bool
copy_is_new(struct store *s)
{
    const struct virgarec_global *global;

    VIRGAREC_GLOBAL_FOR_EACH_TRACKED(global, s->idl)
    {
        if (virgarec_global_row_get_seqno(global, OVSDB_IDL_CHANGE_INSERT)
            && !virgarec_global_is_deleted(global)) {
            return true;
        }
    }
    return !virgarec_global_first(s->idl);
}

void
records_read_kind(struct store *s, enum record_kind kind, struct records *records)
{
    if (kind == RECORD_ENDPOINT) {
        endpoints_read(s, records);
    } else {
        read_whole(s, kind, records);
    }
}

static void
read_as_agent(struct store *s, struct records *records)
{
    uint64_t generation = store_generation(s);
    bool whole = s->reader != records || copy_is_new(s) || generation < s->feed.generation;

    s->reader = records;
    s->feed.generation = generation;
    if (whole || ovsdb_idl_track_get_first(s->idl, record_tables[RECORD_NODE])) {
        read_whole(s, RECORD_NODE, records);
    }
    feed_read(s, records, whole);
    ovsdb_idl_track_clear(s->idl);
}

bool
store_feed_is_behind(const struct store *s)
{
    const struct virgarec_global *global = virgarec_global_first(s->idl);

    return global && global->feed != global->generation;
}

void
store_set_interlude(struct store *s, const struct interlude *interlude)
{
    s->interlude = *interlude;
}

void
store_read_records(struct store *s, struct records *records, uint64_t *generation)
{
    if (s->role == STORE_CONTROLLER) {
        for (int kind = 0; kind < N_RECORD_KINDS; kind++) {
            records_read_kind(s, kind, records);
        }
    } else if (store_feed_is_behind(s)) {
        return;
    } else {
        read_as_agent(s, records);
    }
    *generation = store_generation(s);
}

/* --- Writing ---------------------------------------------------------- */

const struct ovsdb_idl_row *
record_row_find(const struct store *s, enum record_kind kind, uint32_t key)
{
    struct ovsdb_idl_index *index = s->record_index[kind];
    struct ovsdb_idl_row *target = ovsdb_idl_index_init_row(index);
    struct ovsdb_datum datum = { .n = 1, .keys = xmalloc(sizeof *datum.keys) };

    datum.keys[0].integer = key;
    ovsdb_idl_index_write(target, record_key_columns[kind], &datum, record_tables[kind]);
    const struct ovsdb_idl_row *row = ovsdb_idl_index_find(index, target);
    ovsdb_idl_index_destroy_row(target);
    return row;
}

/* A node's row belongs to its agent; the controller writes the id only. */
static bool
write_node(struct store *s, const struct record_change *change)
{
    const struct rec_node *node = (const struct rec_node *) change->record;
    const struct virgarec_node *target = node ? node_row_find(s, node->name) : NULL;
    const struct ovsdb_idl_row *header;

    while ((header = record_row_find(s, RECORD_NODE, change->key))) {
        const struct virgarec_node *row = CONTAINER_OF(header, struct virgarec_node, header_);
        if (row == target) {
            return true;
        }
        virgarec_node_set_id(row, NULL, 0);
    }
    if (target) {
        int64_t id = change->key;
        virgarec_node_set_id(target, &id, 1);
    }
    return true;
}

static bool
write_record(struct store *s, struct ovsdb_idl_txn *txn, const struct record_change *change,
             struct feed_lines *feed)
{
    const struct ovsdb_idl_row *row = record_row_find(s, change->kind, change->key);

    if (!change->record) {
        if (row) {
            ovsdb_idl_txn_delete(row);
            feed_lines_put(feed, change->kind, change->key, NULL, NULL);
        }
        return row != NULL;
    }
    struct record *old = row ? read_row(row, change->kind) : NULL;
    bool changed = !old || !record_equal(old, change->record);
    if (changed) {
        row = row ? row : ovsdb_idl_txn_insert(txn, record_tables[change->kind], NULL);
        row_encode(row, change->record, old);
        feed_lines_put(feed, change->kind, change->key, change->record, old);
    }
    record_destroy(old);
    return changed;
}

bool
records_write(struct store *s, struct ovsdb_idl_txn *txn, const struct changes *changes)
{
    const struct record_change *change;
    struct feed_lines feed;

    feed_lines_init(&feed);
    bool changed = endpoints_write(s, txn, changes, &feed);
    HMAP_FOR_EACH (change, hmap_node, &changes->records) {
        if (change->kind != RECORD_ENDPOINT) {
            changed |= (change->kind == RECORD_NODE ? write_node(s, change)
                                                    : write_record(s, txn, change, &feed));
        }
    }
    feed_write(s, txn, &feed);
    feed_lines_uninit(&feed);
    return changed;
}
