/* Endpoints in buckets: rows of Endpoint_Bucket to records and back.
 *
 * There is a bucket for each remainder of an endpoint's id, so that the most numerous of
 * all records are a few thousand rows.
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

/* What the reader had of a bucket. */
struct bucket_keys {
    uint32_t *a;
    size_t n;
};

static bool
contents_have(const struct contents *c, uint32_t key)
{
    for (size_t i = 0; i < c->n; i++) {
        if (c->a[i]->r.key == key) {
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
take_contents(struct store *s, struct contents *c, const struct bucket_keys *before,
              struct records *records)
{
    for (size_t i = 0; i < before->n; i++) {
        if (contents_have(c, before->a[i])) {
            continue;
        }
        if (c->bad && !s->tidy) {
            s->n_kept++;
        } else {
            records_remove(records, RECORD_ENDPOINT, before->a[i]);
        }
    }
    for (size_t i = 0; i < c->n; i++) {
        records_put(records, &c->a[i]->r);
        c->a[i] = NULL;
    }
}

static const struct ovsdb_idl_row **
rows_by_bucket(struct store *s)
{
    const struct ovsdb_idl_row **rows = xcalloc(ENDPOINT_BUCKETS, sizeof *rows);
    const struct ovsdb_idl_row *row;

    for (row = ovsdb_idl_first_row(s->idl, &virgarec_table_endpoint_bucket); row;
         row = ovsdb_idl_next_row(row)) {
        uint32_t bucket = row_key(row, RECORD_ENDPOINT);
        if (bucket < ENDPOINT_BUCKETS) { /* Others the schema forbids the server. */
            rows[bucket] = row;
        }
    }
    return rows;
}

void
endpoints_read(struct store *s, struct records *records)
{
    struct bucket_keys *before = xcalloc(ENDPOINT_BUCKETS, sizeof *before);
    const struct ovsdb_idl_row **rows = rows_by_bucket(s);

    for (const struct record *r = records_first(records, RECORD_ENDPOINT); r;
         r = records_next(records, r)) {
        add_key(&before[endpoint_bucket(r->key)], r->key);
    }
    for (uint32_t bucket = 0; bucket < ENDPOINT_BUCKETS; bucket++) {
        struct contents c;

        contents_read(&c, bucket, bucket_row(rows[bucket]));
        take_contents(s, &c, &before[bucket], records);
        contents_uninit(&c);
        free(before[bucket].a);
    }
    free(before);
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

static void
put_change(struct ds *text, const struct record_change *change, const struct record *before,
           struct feed_lines *feed)
{
    if (change->record) {
        put_line(text, (const struct rec_endpoint *) change->record);
    }
    if (change->record ? !before || !record_equal(before, change->record) : before != NULL) {
        feed_lines_put(feed, RECORD_ENDPOINT, change->key, change->record, before);
    }
}

/* What the bucket holds after 'n' changes, which are all of this bucket. */
static void
merge(const struct contents *c, const struct record_change **changes, size_t n, struct ds *text,
      struct feed_lines *feed)
{
    size_t i = 0, j = 0;

    while (i < c->n || j < n) {
        bool old = j == n || (i < c->n && c->a[i]->r.key < changes[j]->key);
        if (old) {
            put_line(text, c->a[i++]);
            continue;
        }
        bool there = i < c->n && c->a[i]->r.key == changes[j]->key;
        put_change(text, changes[j], there ? &c->a[i]->r : NULL, feed);
        i += there;
        j++;
    }
}

static bool
write_bucket(struct store *s, struct ovsdb_idl_txn *txn, const struct record_change **changes,
             size_t n, struct feed_lines *feed)
{
    uint32_t bucket = endpoint_bucket(changes[0]->key);
    const struct virgarec_endpoint_bucket *row = bucket_row(
        record_row_find(s, RECORD_ENDPOINT, bucket));
    struct ds text = DS_EMPTY_INITIALIZER;
    struct contents c;

    contents_read(&c, bucket, row);
    merge(&c, changes, n, &text, feed);
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
endpoints_write(struct store *s, struct ovsdb_idl_txn *txn, const struct changes *changes,
                struct feed_lines *feed)
{
    size_t n, end;
    const struct record_change **a = sorted_changes(changes, &n);
    bool changed = false;

    for (size_t i = 0; i < n; i = end) {
        for (end = i + 1; end < n && endpoint_bucket(a[end]->key) == endpoint_bucket(a[i]->key);) {
            end++;
        }
        changed |= write_bucket(s, txn, &a[i], end - i, feed);
    }
    free(a);
    return changed;
}
