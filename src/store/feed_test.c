#include "store/feed.h"

#include <stdlib.h>
#include <string.h>

#include "base/test.h"
#include "openvswitch/dynamic-string.h"
#include "random.h"
#include "util.h"

/* --- A database in memory ------------------------------------------------------ */

enum { MAX_ROWS = 2 * (FEED_FRESH + FEED_JOINED) };

/* One part, which owns its texts. */
struct part {
    struct feed_view view;
    struct feed_row rows[MAX_ROWS];
    size_t written; /* Characters of all rows that were ever made. */
    size_t n_packed;
};

static void
part_init(struct part *p, uint32_t part)
{
    memset(p, 0, sizeof *p);
    p->view = (struct feed_view){ .part = part, .base = xstrdup(""), .rows = p->rows };
}

static void
drop_rows(struct part *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(CONST_CAST(char *, p->rows[--p->view.n_rows].lines));
    }
}

static void
part_uninit(struct part *p)
{
    drop_rows(p, p->view.n_rows);
    free(CONST_CAST(char *, p->view.base));
}

static void
add_row(struct part *p, uint64_t first, uint64_t last, char *lines)
{
    assert_true(p->view.n_rows < MAX_ROWS);
    p->written += strlen(lines);
    p->rows[p->view.n_rows++] = (struct feed_row){ first, last, lines };
}

/* As feed_rows.c does. */
static void
append(struct part *p, const char *lines)
{
    uint64_t last = feed_last(&p->view);
    size_t n;

    switch (feed_step(&p->view, &n)) {
    case FEED_KEEP:
        break;
    case FEED_JOIN: {
        char *joined = feed_join(&p->view, n);
        uint64_t first = p->rows[p->view.n_rows - n].first;
        drop_rows(p, n);
        add_row(p, first, last, joined);
        break;
    }
    case FEED_FOLD: {
        char *base = feed_fold(&p->view);
        drop_rows(p, p->view.n_rows);
        free(CONST_CAST(char *, p->view.base));
        p->view.base = base;
        p->view.base_last = last;
        p->n_packed++;
        break;
    }
    }
    add_row(p, last + 1, last + 1, xstrdup(lines));
}

/* --- Helpers --------------------------------------------------------------------- */

static void
must_not_be(void *aux, const char *message)
{
    fail_msg("%s", message);
}

static void
count_bad(void *n, const char *message)
{
    ++*(int *) n;
}

static void
assert_same(const struct records *a, const struct records *b)
{
    struct ds s = DS_EMPTY_INITIALIZER, t = DS_EMPTY_INITIALIZER;

    records_format_all(a, &s);
    records_format_all(b, &t);
    assert_string_equal(ds_cstr(&s), ds_cstr(&t));
    ds_destroy(&s);
    ds_destroy(&t);
}

/* The 'i'th identity of the part. */
static uint32_t
key_of(enum record_kind kind, uint32_t part, int i)
{
    for (uint32_t key = 256;; key++) {
        if (feed_part(kind, key) == part && !i--) {
            return key;
        }
    }
}

static struct record *
random_set(uint32_t key, const struct records *records)
{
    const struct rec_set *old = records_set(records, key);
    struct rec_set *s = old ? (struct rec_set *) record_clone(&old->r) : rec_set_create(key);

    if (!old || !random_range(5)) {
        free(s->selector);
        s->selector = xasprintf("s%d", random_range(1000));
    }
    if (old && random_range(4)) { /* One of many more or less. */
        if (random_range(2) && s->n_identities) {
            s->n_identities--;
        } else {
            uint32_t last = s->n_identities ? s->identities[s->n_identities - 1] : 0;
            s->identities = xrealloc(s->identities, (s->n_identities + 1) * sizeof last);
            s->identities[s->n_identities++] = last + 1 + random_range(3);
        }
        return &s->r;
    }
    free(s->identities);
    s->n_identities = random_range(20);
    s->identities = xmalloc((s->n_identities + 1) * sizeof *s->identities);
    for (size_t i = 0; i < s->n_identities; i++) {
        s->identities[i] = 10 * i + random_range(10);
    }
    return &s->r;
}

/* Makes some changes; the caller frees their lines. */
static char *
random_change(struct records *records, uint32_t part)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    for (int n = 1 + random_range(random_range(20) ? 3 : 60); n > 0; n--) {
        enum record_kind kind = random_range(2) ? RECORD_IDENTITY : RECORD_SET;
        uint32_t key = key_of(kind, part, random_range(15));
        const struct record *old = records_find(records, kind, key);
        struct record *before = old ? record_clone(old) : NULL;

        if (!random_range(4)) {
            records_remove(records, kind, key);
        } else if (kind == RECORD_SET) {
            records_put(records, random_set(key, records));
        } else {
            struct rec_identity *i = rec_identity_create(key);
            i->vni = 4096;
            i->labels = xasprintf("l%d", random_range(1000));
            records_put(records, &i->r);
        }
        feed_text_put(&ds, kind, key, records_find(records, kind, key), before);
        record_destroy(before);
    }
    return ds_steal_cstr(&ds);
}

/* --- Tests -------------------------------------------------------------------------- */

struct reader {
    struct records *records;
    uint64_t seen;
    int n_loads;
};

static void
catch_up(struct reader *r, const struct feed_view *v)
{
    if (!feed_follow(v, &r->seen, r->records, must_not_be, NULL)) {
        records_destroy(r->records);
        r->records = records_create();
        assert_true(feed_load(v, r->records, must_not_be, NULL));
        r->seen = feed_last(v);
        r->n_loads++;
    }
}

/* What one that looks at each change has, one that looks now and then, one that is late
 * each time, and one that comes anew, is what was written, always. */
static void
test_readers_see_what_was_written(void **state)
{
    enum { STEPS = 20000, PACE = 40 };
    struct records *truth = records_create();
    struct reader each = { records_create(), 0, 0 }, some = { records_create(), 0, 0 };
    struct reader late = { records_create(), 0, 0 };
    struct part p;

    part_init(&p, 5);
    for (int step = 0; step < STEPS; step++) {
        char *lines = random_change(truth, 5);
        append(&p, lines);
        free(lines);
        assert_true(p.view.n_rows <= FEED_FRESH + FEED_JOINED + 1);

        catch_up(&each, &p.view);
        if (step % 10 == 0) {
            assert_same(truth, each.records);
        }
        if (!random_range(PACE)) {
            struct reader fresh = { records_create(), 0, 0 };
            catch_up(&some, &p.view);
            catch_up(&fresh, &p.view);
            assert_same(truth, some.records);
            assert_same(truth, fresh.records);
            records_destroy(fresh.records);
        }
        if (!random_range(20 * PACE)) {
            catch_up(&late, &p.view);
            assert_same(truth, late.records);
        }
    }
    assert_int_equal(each.n_loads, 0);
    assert_true(some.n_loads > 0);
    assert_true(late.n_loads > 0);
    assert_true(p.n_packed > 10);
    part_uninit(&p);
    records_destroy(truth);
    records_destroy(each.records);
    records_destroy(some.records);
    records_destroy(late.records);
}

/* Short changes: each is written twice, and the whole is packed for one in 128. */
static void
test_what_changes_cost(void **state)
{
    enum { CHANGES = 10 * FEED_FRESH * FEED_JOINED };
    uint32_t key = key_of(RECORD_IDENTITY, 9, 0);
    struct part p;
    size_t length = 0;

    part_init(&p, 9);
    for (int i = 0; i < CHANGES; i++) {
        char *line = xasprintf("identity %" PRIu32 " vni=4096 labels=%d\n", key, i);
        append(&p, line);
        length += strlen(line);
        free(line);
    }
    assert_in_range(p.written, length, 2 * length);
    assert_in_range(p.n_packed, 9, 10);
    part_uninit(&p);
}

/* Long ones go to the base as soon as they outgrow it. */
static void
test_long_changes(void **state)
{
    struct part p;
    size_t longest = 0;

    part_init(&p, 9);
    for (int i = 0; i < 200; i++) {
        struct ds ds = DS_EMPTY_INITIALIZER;
        for (int j = 0; j < 100; j++) {
            ds_put_format(&ds, "identity %" PRIu32 " vni=4096 labels=\"%d-%u\"\n",
                          key_of(RECORD_IDENTITY, 9, j), i, random_uint32());
        }
        append(&p, ds_cstr(&ds));
        ds_destroy(&ds);
        size_t sum = 0;
        for (size_t j = 0; j < p.view.n_rows; j++) {
            sum += strlen(p.rows[j].lines);
        }
        longest = MAX(longest, sum);
    }
    assert_in_range(p.n_packed, 20, 100);
    assert_true(longest < 30000);
    part_uninit(&p);
}

#define IDENTITY(LABELS) "identity 256 vni=4096 labels=" LABELS "\n"

/* A view that does not tell what happened since is not followed, nor is half of it. */
static void
test_gaps(void **state)
{
    uint32_t part = feed_part(RECORD_IDENTITY, 256);
    const struct feed_row rows[] = { { 4, 6, IDENTITY("a") },
                                     { 7, 7, IDENTITY("b") },
                                     { 9, 9, IDENTITY("c") } };
    struct feed_view v = { .part = part, .base = "", .rows = rows, .n_rows = 3 };
    struct records *records = records_create();
    uint64_t seen = 7;
    int n_bad = 0;

    assert_false(feed_follow(&v, &seen, records, must_not_be, NULL));
    assert_int_equal(seen, 7);
    assert_null(records_identity(records, 256));
    seen = 8;
    assert_true(feed_follow(&v, &seen, records, must_not_be, NULL));
    assert_int_equal(seen, 9);
    assert_string_equal(records_identity(records, 256)->labels, "c");

    v.n_rows = 2;
    seen = 2;
    assert_false(feed_follow(&v, &seen, records, must_not_be, NULL));
    seen = 5; /* In the middle of a row. */
    assert_true(feed_follow(&v, &seen, records, must_not_be, NULL));
    assert_int_equal(seen, 7);
    v.base_last = 8;
    assert_false(feed_follow(&v, &seen, records, must_not_be, NULL));

    v.base_last = 2;
    assert_false(feed_load(&v, records, count_bad, &n_bad));
    assert_int_equal(n_bad, 1);
    assert_string_equal(records_identity(records, 256)->labels, "b");
    records_destroy(records);
}

static void
test_sane_numbers(void **state)
{
    const struct feed_row rows[] = { { 4, 6, "" }, { 7, 7, "" }, { 8, 9, "" } };
    const struct feed_row gap[] = { { 4, 6, "" }, { 8, 8, "" } };
    const struct feed_row overlap[] = { { 4, 6, "" }, { 6, 7, "" } };
    const struct feed_row backwards[] = { { 4, 6, "" }, { 7, 6, "" } };
    struct feed_view v = { .base_last = 3, .base = "", .rows = rows, .n_rows = 3 };

    assert_true(feed_is_sane(&v, 9));
    assert_false(feed_is_sane(&v, 8));
    v.base_last = 2;
    assert_false(feed_is_sane(&v, 9));
    v.base_last = 4;
    assert_false(feed_is_sane(&v, 9));
    v = (struct feed_view){ .base_last = 3, .base = "", .rows = gap, .n_rows = 2 };
    assert_false(feed_is_sane(&v, 9));
    v.rows = overlap;
    assert_false(feed_is_sane(&v, 9));
    v.rows = backwards;
    assert_false(feed_is_sane(&v, 9));
    v.n_rows = 0;
    assert_true(feed_is_sane(&v, 3));
}

/* A base that cannot be read does not hide what came after it. */
static void
test_bad_base(void **state)
{
    uint32_t part = feed_part(RECORD_IDENTITY, 256);
    const struct feed_row row = { 4, 4, IDENTITY("a") "nonsense\n" };
    struct feed_view v = { .part = part, .base_last = 3, .base = "x", .rows = &row, .n_rows = 1 };
    struct records *records = records_create();
    int n_bad = 0;

    assert_false(feed_load(&v, records, count_bad, &n_bad));
    assert_int_equal(n_bad, 2);
    assert_string_equal(records_identity(records, 256)->labels, "a");
    char *packed = feed_fold(&v);
    char *error, *text = feed_unpack(packed, &error);
    assert_string_equal(text, IDENTITY("a"));
    free(text);
    free(packed);
    records_destroy(records);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_readers_see_what_was_written),
        cmocka_unit_test(test_what_changes_cost),
        cmocka_unit_test(test_long_changes),
        cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_sane_numbers),
        cmocka_unit_test(test_bad_base),
    };

    random_set_seed(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
