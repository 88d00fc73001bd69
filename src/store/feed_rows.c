/* The rows of the feed: Feed_Base and Feed_Log.
 *
 * The leading controller appends to the feed what it writes of records, in the same
 * transaction; the feed holds nothing that the tables of records do not.  When a term
 * begins, the feed is compared with them and made right, whatever happened to it: it
 * may be empty, since the schema is new, or of an earlier version.
 *
 * A part, or a line of it, that cannot be read takes nothing away from a reader: what
 * was read of it before stays. */
#include "store/store_internal.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/vlog.h"
#include "ovsdb-idl-provider.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(feed);

static struct vlog_rate_limit feed_rl = VLOG_RATE_LIMIT_INIT(10, 20);

enum {
    FOLDS_AT_ONCE = 8,  /* Parts, in one transaction. */
    PACKED_ROW = 32768, /* Lines of more characters are packed. */
};

void
feed_setup(struct store *s)
{
    if (s->role == STORE_CONTROLLER) {
        s->base_index = ovsdb_idl_index_create1(s->idl, &virgarec_feed_base_col_part);
        s->log_index = ovsdb_idl_index_create1(s->idl, &virgarec_feed_log_col_part);
        return;
    }
    for (size_t i = 0; i < virgarec_table_feed_base.n_columns; i++) {
        ovsdb_idl_track_add_column(s->idl, &virgarec_feed_base_columns[i]);
    }
    for (size_t i = 0; i < virgarec_table_feed_log.n_columns; i++) {
        ovsdb_idl_track_add_column(s->idl, &virgarec_feed_log_columns[i]);
    }
}

static void
note_bad(void *part_, const char *message)
{
    const uint32_t *part = part_;

    VLOG_WARN_RL(&feed_rl, "the feed, part %" PRIu32 ": skipped: %s", *part, message);
}

/* --- Views ------------------------------------------------------------------------- */

/* Of all parts, or of those that are asked for. */
struct views {
    struct feed_view of[FEED_PARTS];
    bool wanted[FEED_PARTS];
    bool touched[FEED_PARTS]; /* There are new rows. */
    struct feed_row *rows[FEED_PARTS];
    size_t n_allocated[FEED_PARTS];
};

static struct views *
views_create(void)
{
    struct views *v = xzalloc(sizeof *v);

    for (uint32_t part = 0; part < FEED_PARTS; part++) {
        v->of[part] = (struct feed_view){ .part = part, .base = "" };
    }
    return v;
}

static void
views_destroy(struct views *v)
{
    for (uint32_t part = 0; part < FEED_PARTS; part++) {
        free(v->rows[part]);
    }
    free(v);
}

/* The schema keeps the server from other numbers than parts have. */
static bool
is_part(int64_t part)
{
    return part >= 0 && part < FEED_PARTS;
}

static void
add_base(struct views *v, const struct virgarec_feed_base *row)
{
    if (is_part(row->part) && v->wanted[row->part]) {
        v->of[row->part].base_last = row->last;
        v->of[row->part].base = row->records;
        v->touched[row->part] = true;
    }
}

static void
add_log(struct views *v, const struct virgarec_feed_log *row)
{
    if (!is_part(row->part) || !v->wanted[row->part]) {
        return;
    }
    struct feed_view *view = &v->of[row->part];
    struct feed_row **rows = &v->rows[row->part];
    if (view->n_rows == v->n_allocated[row->part]) {
        *rows = x2nrealloc(*rows, &v->n_allocated[row->part], sizeof **rows);
    }
    (*rows)[view->n_rows++] = (struct feed_row){ row->first, row->last, row->lines };
    v->touched[row->part] = true;
}

static int
compare_rows(const void *a_, const void *b_)
{
    const struct feed_row *a = a_, *b = b_;

    return a->first < b->first ? -1 : a->first > b->first;
}

static void
sort_rows(struct views *v)
{
    for (uint32_t part = 0; part < FEED_PARTS; part++) {
        v->of[part].rows = v->rows[part];
        if (v->of[part].n_rows) {
            qsort(v->rows[part], v->of[part].n_rows, sizeof *v->rows[part], compare_rows);
        }
    }
}

/* All rows of the parts that are wanted. */
static struct views *
views_of(struct store *s, const bool wanted[FEED_PARTS])
{
    struct views *v = views_create();
    const struct virgarec_feed_base *base;
    const struct virgarec_feed_log *log;

    memcpy(v->wanted, wanted, sizeof v->wanted);
    VIRGAREC_FEED_BASE_FOR_EACH(base, s->idl)
    {
        add_base(v, base);
    }
    VIRGAREC_FEED_LOG_FOR_EACH(log, s->idl)
    {
        add_log(v, log);
    }
    sort_rows(v);
    return v;
}

/* The rows that are new since the reader looked last. */
static struct views *
new_views(struct store *s)
{
    struct views *v = views_create();
    const struct virgarec_feed_base *base;
    const struct virgarec_feed_log *log;

    memset(v->wanted, true, sizeof v->wanted);
    VIRGAREC_FEED_BASE_FOR_EACH_TRACKED(base, s->idl)
    {
        if (!virgarec_feed_base_is_deleted(base)) {
            add_base(v, base);
        }
    }
    VIRGAREC_FEED_LOG_FOR_EACH_TRACKED(log, s->idl)
    {
        if (!virgarec_feed_log_is_deleted(log)) {
            add_log(v, log);
        }
    }
    sort_rows(v);
    return v;
}

/* --- Reading ------------------------------------------------------------------------- */

static bool
is_empty(const struct records *records)
{
    for (int kind = 0; kind < N_RECORD_KINDS; kind++) {
        if (kind != RECORD_NODE && records_count(records, kind)) {
            return false;
        }
    }
    return true;
}

/* Loads the parts into 'records', which have nothing of them. */
static void
load_parts(struct store *s, const struct views *v, struct records *records)
{
    for (uint32_t part = 0; part < FEED_PARTS; part++) {
        if (v->wanted[part]) {
            s->feed.bad[part] = !feed_load(&v->of[part], records, note_bad, &part);
            s->feed.seen[part] = feed_last(&v->of[part]);
        }
    }
}

/* Removes from 'records' what they have of the parts that 'loaded' do not have. */
static void
remove_missing(struct store *s, const struct views *v, enum record_kind kind,
               const struct records *loaded, struct records *records)
{
    uint32_t *gone = xmalloc((records_count(records, kind) + 1) * sizeof *gone);
    size_t n = 0;

    for (const struct record *r = records_first(records, kind); r; r = records_next(records, r)) {
        uint32_t part = feed_part(kind, r->key);
        if (v->wanted[part] && !s->feed.bad[part] && !records_find(loaded, kind, r->key)) {
            gone[n++] = r->key;
        }
    }
    for (size_t i = 0; i < n; i++) {
        records_remove(records, kind, gone[i]);
    }
    free(gone);
}

static void
read_parts(struct store *s, const bool wanted[FEED_PARTS], struct records *records)
{
    struct views *v = views_of(s, wanted);

    if (is_empty(records)) {
        load_parts(s, v, records);
    } else {
        struct records *loaded = records_create();

        load_parts(s, v, loaded);
        for (int kind = 0; kind < N_RECORD_KINDS; kind++) {
            if (kind == RECORD_NODE) {
                continue;
            }
            remove_missing(s, v, kind, loaded, records);
            for (const struct record *r = records_first(loaded, kind); r;
                 r = records_next(loaded, r)) {
                records_put(records, record_clone(r));
            }
        }
        records_destroy(loaded);
    }
    views_destroy(v);
}

/* The base changed and could not be read before; or what is new is not newer, which no
 * writer does: the part is another one than it was. */
static bool
must_load(const struct store *s, const struct feed_view *news)
{
    return (s->feed.bad[news->part] && news->base_last)
           || feed_last(news) <= s->feed.seen[news->part];
}

void
feed_read(struct store *s, struct records *records, bool whole)
{
    bool wanted[FEED_PARTS], any = whole;

    memset(wanted, whole, sizeof wanted);
    if (!whole) {
        struct views *v = new_views(s);

        for (uint32_t part = 0; part < FEED_PARTS; part++) {
            const struct feed_view *view = &v->of[part];

            if (v->touched[part]
                && (must_load(s, view)
                    || !feed_follow(view, &s->feed.seen[part], records, note_bad, &part))) {
                wanted[part] = any = true;
            }
            interlude_play(&s->interlude);
        }
        views_destroy(v);
    }
    if (any) {
        read_parts(s, wanted, records);
    }
}

/* --- Writing ------------------------------------------------------------------------- */

void
feed_lines_init(struct feed_lines *lines)
{
    for (uint32_t part = 0; part < FEED_PARTS; part++) {
        ds_init(&lines->of[part]);
    }
}

void
feed_lines_uninit(struct feed_lines *lines)
{
    for (uint32_t part = 0; part < FEED_PARTS; part++) {
        ds_destroy(&lines->of[part]);
    }
}

void
feed_lines_put(struct feed_lines *lines, enum record_kind kind, uint32_t key,
               const struct record *now, const struct record *before)
{
    feed_text_put(&lines->of[feed_part(kind, key)], kind, key, now, before);
}

/* The rows of a part, in the order of the view. */
struct part_rows {
    const struct virgarec_feed_base *base; /* Or NULL. */
    const struct virgarec_feed_log **logs;
    struct feed_row *rows;
    struct feed_view view;
};

static int
compare_logs(const void *a_, const void *b_)
{
    const struct virgarec_feed_log *const *a = a_, *const *b = b_;

    return (*a)->first < (*b)->first ? -1 : (*a)->first > (*b)->first;
}

static void
find_logs(struct store *s, uint32_t part, struct part_rows *p)
{
    struct virgarec_feed_log *target = virgarec_feed_log_index_init_row(s->log_index);
    const struct virgarec_feed_log *log;
    size_t allocated = 0;

    virgarec_feed_log_index_set_part(target, part);
    VIRGAREC_FEED_LOG_FOR_EACH_EQUAL(log, target, s->log_index)
    {
        if (p->view.n_rows == allocated) {
            p->logs = x2nrealloc(p->logs, &allocated, sizeof *p->logs);
        }
        p->logs[p->view.n_rows++] = log;
    }
    virgarec_feed_log_index_destroy_row(target);
    if (p->view.n_rows) {
        qsort(p->logs, p->view.n_rows, sizeof *p->logs, compare_logs);
    }
    p->rows = xmalloc((p->view.n_rows + 1) * sizeof *p->rows);
    for (size_t i = 0; i < p->view.n_rows; i++) {
        p->rows[i] = (struct feed_row){ p->logs[i]->first, p->logs[i]->last, p->logs[i]->lines };
    }
    p->view.rows = p->rows;
}

static void
part_rows_init(struct store *s, uint32_t part, struct part_rows *p)
{
    struct virgarec_feed_base *target = virgarec_feed_base_index_init_row(s->base_index);

    *p = (struct part_rows){ .view = { .part = part, .base = "" } };
    virgarec_feed_base_index_set_part(target, part);
    p->base = virgarec_feed_base_index_find(s->base_index, target);
    virgarec_feed_base_index_destroy_row(target);
    if (p->base) {
        p->view.base_last = p->base->last;
        p->view.base = p->base->records;
    }
    find_logs(s, part, p);
}

static void
part_rows_uninit(struct part_rows *p)
{
    free(p->logs);
    free(p->rows);
}

static void
delete_logs(struct part_rows *p, size_t n)
{
    for (size_t i = p->view.n_rows - n; i < p->view.n_rows; i++) {
        virgarec_feed_log_delete(p->logs[i]);
    }
}

static void
insert_log(struct ovsdb_idl_txn *txn, uint32_t part, uint64_t first, uint64_t last,
           const char *lines)
{
    const struct virgarec_feed_log *log = virgarec_feed_log_insert(txn);

    virgarec_feed_log_set_part(log, part);
    virgarec_feed_log_set_first(log, first);
    virgarec_feed_log_set_last(log, last);
    virgarec_feed_log_set_lines(log, lines);
}

/* Takes 'packed', the part as it is after change 'last', which all rows precede. */
static void
set_base(struct ovsdb_idl_txn *txn, struct part_rows *p, uint64_t last, char *packed)
{
    if (!p->base) {
        p->base = virgarec_feed_base_insert(txn);
        virgarec_feed_base_set_part(p->base, p->view.part);
    }
    virgarec_feed_base_set_last(p->base, last);
    virgarec_feed_base_set_records(p->base, packed);
    delete_logs(p, p->view.n_rows);
    free(packed);
}

static bool
fold(struct ovsdb_idl_txn *txn, struct part_rows *p)
{
    char *packed = feed_fold(&p->view);

    if (packed) {
        set_base(txn, p, feed_last(&p->view), packed);
    }
    return packed != NULL;
}

static void
join(struct ovsdb_idl_txn *txn, struct part_rows *p, size_t n)
{
    char *lines = feed_join(&p->view, n);

    delete_logs(p, n);
    insert_log(txn, p->view.part, p->rows[p->view.n_rows - n].first, feed_last(&p->view), lines);
    free(lines);
}

/* Makes few rows of those that are there, if they are many.  Only some parts are folded
 * at a time: changes of all parts would have all of them folded in one transaction. */
static void
make_room(struct ovsdb_idl_txn *txn, struct part_rows *p, int *n_folds)
{
    size_t n;
    enum feed_step step = feed_step(&p->view, &n);

    if (step == FEED_FOLD && *n_folds < FOLDS_AT_ONCE && fold(txn, p)) {
        ++*n_folds;
    } else if (step != FEED_KEEP && n >= FEED_FRESH) {
        join(txn, p, n);
    }
}

static void
append(struct store *s, struct ovsdb_idl_txn *txn, uint32_t part, const char *lines, int *n_folds)
{
    char *packed = strlen(lines) > PACKED_ROW ? feed_pack(lines) : NULL;
    struct part_rows p;

    part_rows_init(s, part, &p);
    uint64_t next = feed_last(&p.view) + 1;
    make_room(txn, &p, n_folds);
    insert_log(txn, part, next, next, packed ? packed : lines);
    part_rows_uninit(&p);
    free(packed);
}

void
feed_write(struct store *s, struct ovsdb_idl_txn *txn, struct feed_lines *lines)
{
    uint32_t start = store_generation(s) % FEED_PARTS; /* Each is the first once. */
    int n_folds = 0;

    for (uint32_t i = 0; i < FEED_PARTS; i++) {
        uint32_t part = (start + i) % FEED_PARTS;
        if (lines->of[part].length) {
            append(s, txn, part, ds_cstr(&lines->of[part]), &n_folds);
        }
    }
}

/* --- Repair --------------------------------------------------------------------------- */

/* Reads the feed, and makes of 'records' what the tables say.  'wrong' are the parts of
 * which the feed says something else, or something that cannot be read. */
static void
compare(struct store *s, struct records *records, bool wrong[FEED_PARTS])
{
    bool all[FEED_PARTS];

    memset(all, true, sizeof all);
    struct views *v = views_of(s, all);
    for (uint32_t part = 0; part < FEED_PARTS; part++) {
        wrong[part] = !feed_load(&v->of[part], records, note_bad, &part)
                      || !feed_is_sane(&v->of[part], store_generation(s));
    }
    views_destroy(v);
    records_clear_changes(records);
    for (int kind = 0; kind < N_RECORD_KINDS; kind++) {
        if (kind == RECORD_NODE) {
            continue;
        }
        records_read_kind(s, kind, records);
        size_t n;
        uint32_t *keys = records_changed(records, kind, &n);
        for (size_t i = 0; i < n; i++) {
            wrong[feed_part(kind, keys[i])] = true;
        }
        free(keys);
    }
}

/* A part has no more changes than there were generations, so no agent has seen more of
 * it, whatever became of the rows: the next generation's number is new to all. */
static bool
rewrite_part(struct store *s, struct ovsdb_idl_txn *txn, uint32_t part,
             const struct records *records)
{
    char *packed = feed_pack_part(records, part);
    struct part_rows p;

    if (packed) {
        part_rows_init(s, part, &p);
        set_base(txn, &p, store_generation(s) + 1, packed);
        part_rows_uninit(&p);
    }
    return packed != NULL;
}

bool
feed_repair(struct store *s, struct ovsdb_idl_txn *txn)
{
    struct records *records = records_create();
    bool wrong[FEED_PARTS];
    size_t n = 0;

    compare(s, records, wrong);
    for (uint32_t part = 0; part < FEED_PARTS; part++) {
        n += wrong[part] && rewrite_part(s, txn, part, records);
    }
    if (n) {
        VLOG_INFO("%" PRIuSIZE " of %d parts of the feed are written anew from the tables", n,
                  FEED_PARTS);
    }
    records_destroy(records);
    return n > 0;
}
