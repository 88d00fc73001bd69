#include "store/feed.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "util.h"

enum {
    /* Log rows may be longer than the packed base by this. */
    LOG_SLACK = 16384,
};

uint64_t
feed_last(const struct feed_view *v)
{
    uint64_t last = v->base_last;

    for (size_t i = 0; i < v->n_rows; i++) {
        last = MAX(last, v->rows[i].last);
    }
    return last;
}

bool
feed_is_sane(const struct feed_view *v, uint64_t generation)
{
    uint64_t last = v->base_last;

    for (size_t i = 0; i < v->n_rows; i++) {
        if (v->rows[i].first != last + 1 || v->rows[i].last < v->rows[i].first) {
            return false;
        }
        last = v->rows[i].last;
    }
    return last <= generation;
}

/* --- Reading ---------------------------------------------------------------------- */

/* Lines begin with the name of a kind or a sign, packed ones with their length. */
static bool
is_packed(const char *lines)
{
    return isdigit((unsigned char) *lines);
}

/* Applies what a base or a row holds. */
static bool
apply(const char *what, const char *text, uint32_t part, struct records *records, feed_bad_cb *bad,
      void *aux)
{
    char *error = NULL;
    char *lines = is_packed(text) ? feed_unpack(text, &error) : NULL;

    if (error) {
        char *message = xasprintf("%s: %s", what, error);
        bad(aux, message);
        free(message);
        free(error);
        return false;
    }
    bool good = feed_text_apply(lines ? lines : text, part, records, bad, aux);
    free(lines);
    return good;
}

/* Is there, after change 'seen', a row for each later one? */
static bool
tells_all_after(const struct feed_view *v, uint64_t seen)
{
    for (size_t i = 0; i < v->n_rows; i++) {
        if (v->rows[i].first > seen + 1) {
            return false;
        }
        seen = MAX(seen, v->rows[i].last);
    }
    return true;
}

bool
feed_follow(const struct feed_view *v, uint64_t *seen, struct records *records, feed_bad_cb *bad,
            void *aux)
{
    if (v->base_last > *seen || !tells_all_after(v, *seen)) {
        return false;
    }
    for (size_t i = 0; i < v->n_rows; i++) {
        if (v->rows[i].last > *seen) {
            apply("a row", v->rows[i].lines, v->part, records, bad, aux);
            *seen = v->rows[i].last;
        }
    }
    return true;
}

bool
feed_load(const struct feed_view *v, struct records *records, feed_bad_cb *bad, void *aux)
{
    bool good = apply("the base", v->base, v->part, records, bad, aux);
    uint64_t last = v->base_last;

    for (size_t i = 0; i < v->n_rows; i++) {
        if (v->rows[i].first > last + 1) {
            char *message = xasprintf("changes %" PRIu64 " to %" PRIu64 " are missing", last + 1,
                                      v->rows[i].first - 1);
            bad(aux, message);
            free(message);
            good = false;
        }
        if (v->rows[i].last > last) {
            good &= apply("a row", v->rows[i].lines, v->part, records, bad, aux);
            last = v->rows[i].last;
        }
    }
    return good;
}

/* --- Writing ------------------------------------------------------------------------ */

static bool
is_fresh(const struct feed_row *row)
{
    return row->first == row->last && !is_packed(row->lines)
           && strlen(row->lines) <= FEED_LONG_ROW;
}

enum feed_step
feed_step(const struct feed_view *v, size_t *n)
{
    size_t fresh = 0, length = 0;

    for (size_t i = 0; i < v->n_rows; i++) {
        length += strlen(v->rows[i].lines);
        fresh = is_fresh(&v->rows[i]) ? fresh + 1 : 0;
    }
    *n = fresh;
    if (v->n_rows - fresh >= FEED_JOINED || length > strlen(v->base) + LOG_SLACK) {
        return FEED_FOLD;
    }
    return fresh >= FEED_FRESH ? FEED_JOIN : FEED_KEEP;
}

char *
feed_join(const struct feed_view *v, size_t n)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    for (size_t i = v->n_rows - n; i < v->n_rows; i++) {
        ds_put_cstr(&ds, v->rows[i].lines);
        if (ds.length && ds_last(&ds) != '\n') {
            ds_put_char(&ds, '\n');
        }
    }
    char *packed = feed_pack(ds_cstr(&ds));
    ds_destroy(&ds);
    return packed;
}

static void
ignore_bad(void *aux, const char *message)
{
}

char *
feed_fold(const struct feed_view *v)
{
    struct records *records = records_create();

    feed_load(v, records, ignore_bad, NULL);
    char *packed = feed_pack_part(records, v->part);
    records_destroy(records);
    return packed;
}

static int
compare_keys(const void *a_, const void *b_)
{
    const struct record *const *a = a_, *const *b = b_;

    return (*a)->key < (*b)->key ? -1 : (*a)->key > (*b)->key;
}

static void
put_kind(struct ds *ds, const struct records *records, enum record_kind kind, uint32_t part)
{
    const struct record **a = NULL;
    size_t n = 0, allocated = 0;

    for (const struct record *r = records_first(records, kind); r; r = records_next(records, r)) {
        if (feed_part(kind, r->key) == part) {
            if (n == allocated) {
                a = x2nrealloc(a, &allocated, sizeof *a);
            }
            a[n++] = r;
        }
    }
    if (n) {
        qsort(a, n, sizeof *a, compare_keys);
    }
    for (size_t i = 0; i < n; i++) {
        feed_text_put(ds, kind, a[i]->key, a[i], NULL);
    }
    free(a);
}

char *
feed_pack_part(const struct records *records, uint32_t part)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    for (int kind = 0; kind < N_RECORD_KINDS; kind++) {
        if (kind != RECORD_NODE) {
            put_kind(&ds, records, kind, part);
        }
    }
    char *packed = feed_pack(ds_cstr(&ds));
    ds_destroy(&ds);
    return packed;
}
