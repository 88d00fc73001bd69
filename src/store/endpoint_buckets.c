/* Endpoints in buckets: rows of Endpoint_Bucket to records and back.
 *
 * There is a bucket for each remainder of an endpoint's id.  ovsdb-server composes
 * what a new session is sent row by row and column by column, for each session anew,
 * and endpoints are most of it: a few thousand rows of text cost it a thirtieth of
 * what a hundred thousand rows of columns do.  An update carries a whole bucket, so
 * there are many of them (docs/scaling.md).
 *
 * A bucket, or a line in it, that cannot be read takes nothing away: what was read
 * of it before stays. */
#include "store/store_internal.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "ovsdb-idl-provider.h"
#include "store/endpoint_text.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(endpoint_buckets);

static struct vlog_rate_limit bucket_rl = VLOG_RATE_LIMIT_INIT(10, 20);

uint32_t
endpoint_bucket(uint32_t id)
{
    return id % ENDPOINT_BUCKETS;
}

/* --- One bucket ----------------------------------------------------------- */

/* What a row says. */
struct contents {
    uint32_t bucket;
    struct rec_endpoint **a; /* By id. */
    size_t n, allocated;
    bool bad; /* Some of it could not be read. */
};

static void
note_bad(void *contents_, const char *message)
{
    struct contents *c = contents_;

    VLOG_WARN_RL(&bucket_rl, "table Endpoint_Bucket, bucket %" PRIu32 ": a line is skipped: %s",
                 c->bucket, message);
    c->bad = true;
}

static void
note_good(void *contents_, struct rec_endpoint *e)
{
    struct contents *c = contents_;

    if (endpoint_bucket(e->r.key) != c->bucket) {
        char *message = xasprintf("endpoint %" PRIu32 " is not of this bucket", e->r.key);
        note_bad(c, message);
        free(message);
        record_destroy(&e->r);
        return;
    }
    if (c->n == c->allocated) {
        c->a = x2nrealloc(c->a, &c->allocated, sizeof *c->a);
    }
    c->a[c->n++] = e;
}

/* 'row' may be NULL. */
static void
contents_read(struct contents *c, uint32_t bucket, const struct virgarec_endpoint_bucket *row)
{
    *c = (struct contents){ .bucket = bucket };
    if (row) {
        endpoint_text_read(row->endpoints, note_good, note_bad, c);
    }
}

/* Endpoints that were put somewhere are NULL. */
static void
contents_uninit(struct contents *c)
{
    for (size_t i = 0; i < c->n; i++) {
        record_destroy(c->a[i] ? &c->a[i]->r : NULL);
    }
    free(c->a);
}

static const struct virgarec_endpoint_bucket *
bucket_row(const struct ovsdb_idl_row *row)
{
    return row ? CONTAINER_OF(row, struct virgarec_endpoint_bucket, header_) : NULL;
}

/* --- Reading ---------------------------------------------------------------- */

void
endpoint_keys_clear(struct endpoint_keys *keys)
{
    for (size_t i = 0; i < ENDPOINT_BUCKETS; i++) {
        free(keys->of[i].a);
        keys->of[i] = (struct bucket_keys){ .n = 0 };
    }
}

static bool
has_key(const uint32_t *keys, size_t n, uint32_t key)
{
    for (size_t i = 0; i < n; i++) {
        if (keys[i] == key) {
            return true;
        }
    }
    return false;
}

static void
add_key(struct bucket_keys *keys, uint32_t key)
{
    keys->a = xrealloc(keys->a, (keys->n + 1) * sizeof *keys->a);
    keys->a[keys->n++] = key;
}

/* Makes 'records' have of the bucket what the row says, and no more of 'before'. */
static void
take_contents(struct contents *c, struct bucket_keys *keys, struct records *records)
{
    struct bucket_keys before = *keys;

    *keys = (struct bucket_keys){ .n = 0 };
    for (size_t i = 0; i < c->n; i++) {
        add_key(keys, c->a[i]->r.key);
    }
    size_t n_read = keys->n;
    for (size_t i = 0; i < before.n; i++) {
        if (has_key(keys->a, n_read, before.a[i])) {
            continue;
        }
        if (c->bad) {
            add_key(keys, before.a[i]);
        } else {
            records_remove(records, RECORD_ENDPOINT, before.a[i]);
        }
    }
    for (size_t i = 0; i < c->n; i++) {
        records_put(records, &c->a[i]->r);
        c->a[i] = NULL;
    }
    free(before.a);
}

/* 'row' may be NULL.  A number out of range is what the schema forbids the server. */
static void
read_bucket(struct store *s, uint32_t bucket, const struct ovsdb_idl_row *row,
            struct records *records)
{
    struct contents c;

    if (bucket >= ENDPOINT_BUCKETS) {
        return;
    }
    contents_read(&c, bucket, bucket_row(row));
    take_contents(&c, &s->endpoint_keys.of[bucket], records);
    contents_uninit(&c);
}

void
endpoints_read_changed(struct store *s, struct records *records)
{
    const struct ovsdb_idl_row *row;
    const struct number *gone;
    struct number_set deleted;

    deleted_keys(s, RECORD_ENDPOINT, &deleted);
    NUMBER_SET_FOR_EACH(gone, &deleted)
    {
        read_bucket(s, gone->value, NULL, records);
    }
    number_set_uninit(&deleted);
    for (row = ovsdb_idl_track_get_first(s->idl, &virgarec_table_endpoint_bucket); row;
         row = ovsdb_idl_track_get_next(row)) {
        if (!row_is_deleted(row)) {
            read_bucket(s, row_key(row, RECORD_ENDPOINT), row, records);
        }
    }
}

/* All that 'records' have counts as read before, whoever put it there. */
void
endpoints_read_whole(struct store *s, struct records *records)
{
    endpoint_keys_clear(&s->endpoint_keys);
    for (const struct record *r = records_first(records, RECORD_ENDPOINT); r;
         r = records_next(records, r)) {
        add_key(&s->endpoint_keys.of[endpoint_bucket(r->key)], r->key);
    }
    const struct ovsdb_idl_row **rows = xcalloc(ENDPOINT_BUCKETS, sizeof *rows);
    const struct ovsdb_idl_row *row;
    for (row = ovsdb_idl_first_row(s->idl, &virgarec_table_endpoint_bucket); row;
         row = ovsdb_idl_next_row(row)) {
        uint32_t bucket = row_key(row, RECORD_ENDPOINT);
        if (bucket < ENDPOINT_BUCKETS) {
            rows[bucket] = row;
        }
    }
    for (uint32_t bucket = 0; bucket < ENDPOINT_BUCKETS; bucket++) {
        read_bucket(s, bucket, rows[bucket], records);
    }
    free(rows);
}

/* --- Writing ------------------------------------------------------------------ */

static int
compare_changes(const void *a_, const void *b_)
{
    const struct record_change *const *a = a_, *const *b = b_;
    uint32_t bucket_a = endpoint_bucket((*a)->key), bucket_b = endpoint_bucket((*b)->key);

    if (bucket_a != bucket_b) {
        return bucket_a < bucket_b ? -1 : 1;
    }
    return (*a)->key < (*b)->key ? -1 : (*a)->key > (*b)->key;
}

static const struct record_change **
sorted_changes(const struct changes *changes, size_t *n)
{
    const struct record_change **a = xmalloc((hmap_count(&changes->records) + 1) * sizeof *a);
    const struct record_change *change;

    *n = 0;
    HMAP_FOR_EACH (change, hmap_node, &changes->records) {
        if (change->kind == RECORD_ENDPOINT) {
            a[(*n)++] = change;
        }
    }
    if (*n) {
        qsort(a, *n, sizeof *a, compare_changes);
    }
    return a;
}

static void
put_line(struct ds *text, const struct rec_endpoint *e)
{
    if (text->length) {
        ds_put_char(text, '\n');
    }
    endpoint_text_put(e, text);
}

/* What the bucket holds after 'n' changes, which are all of this bucket. */
static void
merge(const struct contents *c, const struct record_change **changes, size_t n, struct ds *text)
{
    size_t i = 0, j = 0;

    while (i < c->n || j < n) {
        bool old = j == n || (i < c->n && c->a[i]->r.key < changes[j]->key);
        if (old) {
            put_line(text, c->a[i++]);
            continue;
        }
        i += i < c->n && c->a[i]->r.key == changes[j]->key;
        if (changes[j]->record) {
            put_line(text, (const struct rec_endpoint *) changes[j]->record);
        }
        j++;
    }
}

static bool
write_bucket(struct store *s, struct ovsdb_idl_txn *txn, const struct record_change **changes,
             size_t n)
{
    uint32_t bucket = endpoint_bucket(changes[0]->key);
    const struct virgarec_endpoint_bucket *row = bucket_row(
        record_row_find(s, RECORD_ENDPOINT, bucket));
    struct ds text = DS_EMPTY_INITIALIZER;
    struct contents c;

    contents_read(&c, bucket, row);
    merge(&c, changes, n, &text);
    contents_uninit(&c);
    bool changed = strcmp(ds_cstr(&text), row ? row->endpoints : "");
    if (changed && !text.length) {
        virgarec_endpoint_bucket_delete(row);
    } else if (changed) {
        if (!row) {
            row = virgarec_endpoint_bucket_insert(txn);
            virgarec_endpoint_bucket_set_bucket(row, bucket);
        }
        virgarec_endpoint_bucket_set_endpoints(row, ds_cstr(&text));
    }
    ds_destroy(&text);
    return changed;
}

bool
endpoints_write(struct store *s, struct ovsdb_idl_txn *txn, const struct changes *changes)
{
    size_t n, end;
    const struct record_change **a = sorted_changes(changes, &n);
    bool changed = false;

    for (size_t i = 0; i < n; i = end) {
        for (end = i + 1; end < n && endpoint_bucket(a[end]->key) == endpoint_bucket(a[i]->key);) {
            end++;
        }
        changed |= write_bucket(s, txn, &a[i], end - i);
    }
    free(a);
    return changed;
}
