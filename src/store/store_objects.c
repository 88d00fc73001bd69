/* Object rows (what the API stores) and the one Global row. */
#include "store/store_internal.h"

#include <stdlib.h>
#include <string.h>

#include "util.h"

void
store_objects_setup(struct store *s)
{
    if (s->role == STORE_AGENT) {
        /* An agent needs to know which state it has and when to count.  The
         * term is never zero, so a new copy of the row is always seen. */
        ovsdb_idl_track_add_column(s->idl, &virgarec_global_col_generation);
        ovsdb_idl_track_add_column(s->idl, &virgarec_global_col_feed);
        ovsdb_idl_track_add_column(s->idl, &virgarec_global_col_stats_request);
        ovsdb_idl_track_add_column(s->idl, &virgarec_global_col_term);
        return;
    }
    const struct ovsdb_idl_index_column columns[] = {
        { .column = &virgarec_object_col_kind },
        { .column = &virgarec_object_col_namespace_ },
        { .column = &virgarec_object_col_name },
    };
    s->object_index = ovsdb_idl_index_create(s->idl, columns, ARRAY_SIZE(columns));
}

/* --- Objects ---------------------------------------------------------- */

void
store_each_object(struct store *s, store_object_cb *cb, void *aux)
{
    const struct virgarec_object *row;

    VIRGAREC_OBJECT_FOR_EACH(row, s->idl)
    {
        const struct store_object object = {
            .kind = row->kind,
            .namespace_ = row->namespace_,
            .name = row->name,
            .resource_version = row->resource_version,
            .json = row->json,
        };
        cb(&object, aux);
    }
}

static const struct virgarec_object *
find_object(const struct store *s, const struct store_object *o)
{
    struct virgarec_object *target = virgarec_object_index_init_row(s->object_index);

    virgarec_object_index_set_kind(target, o->kind);
    virgarec_object_index_set_namespace_(target, o->namespace_);
    virgarec_object_index_set_name(target, o->name);
    const struct virgarec_object *row = virgarec_object_index_find(s->object_index, target);
    virgarec_object_index_destroy_row(target);
    return row;
}

static void
write_object(struct store *s, struct ovsdb_idl_txn *txn, const struct store_object *o)
{
    const struct virgarec_object *row = find_object(s, o);

    if (!o->json) {
        if (row) {
            virgarec_object_delete(row);
        }
        return;
    }
    if (!row) {
        row = virgarec_object_insert(txn);
        virgarec_object_set_kind(row, o->kind);
        virgarec_object_set_namespace_(row, o->namespace_);
        virgarec_object_set_name(row, o->name);
    }
    virgarec_object_set_resource_version(row, MIN(o->resource_version, INT64_MAX));
    virgarec_object_set_json(row, o->json);
}

void
objects_write(struct store *s, struct ovsdb_idl_txn *txn, const struct changes *changes)
{
    const struct object_change *change;

    HMAP_FOR_EACH (change, hmap_node, &changes->objects) {
        write_object(s, txn, &change->object);
    }
}

/* --- Global ----------------------------------------------------------- */

char *
store_counters(struct store *s)
{
    const struct virgarec_global *global = virgarec_global_first(s->idl);

    return global && global->counters[0] ? xstrdup(global->counters) : NULL;
}

uint64_t
store_resource_version(struct store *s)
{
    const struct virgarec_global *global = virgarec_global_first(s->idl);

    return global ? global->resource_version : 0;
}

uint64_t
store_generation(struct store *s)
{
    const struct virgarec_global *global = virgarec_global_first(s->idl);

    return global ? global->generation : 0;
}

uint64_t
store_stats_request(struct store *s)
{
    const struct virgarec_global *global = virgarec_global_first(s->idl);
    uint64_t written = global ? global->stats_request : 0;

    return MAX(written, MAX(s->sent.stats_request, s->next.stats_request));
}

static const struct virgarec_global *
global_row(struct store *s, struct ovsdb_idl_txn *txn)
{
    const struct virgarec_global *global = virgarec_global_first(s->idl);

    if (!global) {
        global = virgarec_global_insert(txn);
        virgarec_global_set_term(global, 1);
    }
    return global;
}

/* A term begins with a transaction.  Its success proves that this snapshot
 * has everything that earlier leaders wrote: a server grants a lock before it
 * sends the last updates, but never answers a transaction before them.  What it
 * writes of the feed follows from the tables, so these have to be the last: if the
 * generation is another one, the server refuses, and it is tried again. */
void
global_begin_term(struct store *s, struct ovsdb_idl_txn *txn, bool records_changed)
{
    const struct virgarec_global *global = virgarec_global_first(s->idl);

    if (global) {
        int64_t generation = global->generation + records_changed;
        virgarec_global_verify_generation(global);
        virgarec_global_set_term(global, global->term + 1);
        virgarec_global_set_generation(global, generation);
        virgarec_global_set_feed(global, generation);
    } else {
        global_row(s, txn);
    }
}

void
global_write(struct store *s, struct ovsdb_idl_txn *txn, const struct changes *changes,
             bool records_changed)
{
    if (!records_changed && !changes->compile_counters && !changes->resource_version
        && !changes->stats_request) {
        return;
    }
    const struct virgarec_global *global = global_row(s, txn);
    if (records_changed) {
        int64_t generation = global->generation + 1;
        virgarec_global_set_generation(global, generation);
        virgarec_global_set_feed(global, generation);
    }
    if (changes->compile_counters) {
        virgarec_global_set_counters(global, changes->compile_counters);
    }
    if (changes->resource_version) {
        virgarec_global_set_resource_version(global, MIN(changes->resource_version, INT64_MAX));
    }
    if (changes->stats_request) {
        virgarec_global_set_stats_request(global, MIN(changes->stats_request, INT64_MAX));
    }
}
