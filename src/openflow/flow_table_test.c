#include "base/test.h"

#include "openflow/flow_table.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"

/* Building. */

static void
match_reg(struct match *m, uint32_t value)
{
    match_init_catchall(m);
    match_set_reg(m, 0, value);
}

static void
add_goto(struct flow_table *ft, uint32_t owner, uint32_t value, uint64_t cookie, uint8_t next)
{
    struct ofpbuf acts;
    struct match m;

    ofpbuf_init(&acts, 0);
    ofpact_put_GOTO_TABLE(&acts)->table_id = next;
    match_reg(&m, value);
    flow_table_add(ft, (struct flow_owner){ 1, owner }, 36, 100, cookie, &m, acts.data, acts.size);
    ofpbuf_uninit(&acts);
}

static void
add_conjunction(struct flow_table *ft, uint32_t owner, uint32_t value, uint32_t id, uint8_t clause)
{
    struct ofpbuf acts;
    struct match m;

    ofpbuf_init(&acts, 0);
    struct ofpact_conjunction *oc = ofpact_put_CONJUNCTION(&acts);
    oc->id = id;
    oc->clause = clause;
    oc->n_clauses = 3;
    match_reg(&m, value);
    flow_table_add(ft, (struct flow_owner){ 1, owner }, 36, 100, value, &m, acts.data, acts.size);
    ofpbuf_uninit(&acts);
}

/* Expectations. */

static void
assert_text(const struct flow_table *ft, const char *expected)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    flow_table_format(ft, &ds);
    assert_string_equal(ds_cstr(&ds), expected);
    ds_destroy(&ds);
}

/* "+REG", "~REG" and "-REG" for what changed, sorted; clears the log. */
static int
compare_char_pointers(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

static void
assert_changes(struct flow_table *ft, const char *expected)
{
    struct flow_changes fc;
    struct ds ds = DS_EMPTY_INITIALIZER;

    flow_table_changes(ft, &fc);
    char **words = xcalloc(fc.n + 1, sizeof *words);
    for (size_t i = 0; i < fc.n; i++) {
        struct match m;
        minimatch_expand(&fc.a[i].flow->match, &m);
        words[i] = xasprintf("%c%u", "+~-"[fc.a[i].op], m.flow.regs[0]);
    }
    qsort(words, fc.n, sizeof *words, compare_char_pointers);
    for (size_t i = 0; i < fc.n; i++) {
        ds_put_format(&ds, "%s%s", i ? " " : "", words[i]);
        free(words[i]);
    }
    assert_string_equal(ds_cstr(&ds), expected);
    free(words);
    ds_destroy(&ds);
    flow_changes_uninit(&fc);
    flow_table_clear_changes(ft);
}

static void
test_conjunctions_add_up(void **state)
{
    struct flow_table *ft = flow_table_create();

    add_conjunction(ft, 20, 7, 20, 1);
    add_conjunction(ft, 10, 7, 10, 0);
    add_conjunction(ft, 20, 7, 20, 1);
    assert_text(ft, "cookie=0x7, table=\"egress_np\", priority=100,reg0=0x7 "
                    "actions=conjunction(10,1/3),conjunction(20,2/3)\n");
    assert_changes(ft, "+7");

    flow_table_remove_owner(ft, (struct flow_owner){ 1, 10 });
    assert_text(ft, "cookie=0x7, table=\"egress_np\", priority=100,reg0=0x7 "
                    "actions=conjunction(20,2/3)\n");
    assert_changes(ft, "~7");
    flow_table_remove_owner(ft, (struct flow_owner){ 1, 20 });
    assert_int_equal(flow_table_count(ft), 0);
    assert_changes(ft, "-7");
    flow_table_destroy(ft);
}

static void
test_lowest_owner_wins(void **state)
{
    struct flow_table *ft = flow_table_create();

    add_goto(ft, 5, 1, 0x55, 60);
    add_goto(ft, 3, 1, 0x33, 64);
    assert_text(ft, "cookie=0x33, table=\"egress_np\", priority=100,reg0=0x1 "
                    "actions=goto_table:\"metrics_egress\"\n");
    assert_changes(ft, "+1");
    flow_table_remove_owner(ft, (struct flow_owner){ 1, 3 });
    assert_text(ft, "cookie=0x55, table=\"egress_np\", priority=100,reg0=0x1 "
                    "actions=goto_table:commit\n");
    assert_changes(ft, "~1");
    flow_table_remove_owner(ft, (struct flow_owner){ 1, 5 });
    assert_changes(ft, "-1");
    flow_table_destroy(ft);
}

static void
test_replacing_with_the_same_is_no_change(void **state)
{
    struct flow_owner owner = { 1, 4 };
    struct flow_table *ft = flow_table_create();

    add_goto(ft, 4, 1, 1, 60);
    add_goto(ft, 4, 2, 2, 60);
    assert_changes(ft, "+1 +2");

    flow_table_replace_begin(ft, owner);
    add_goto(ft, 4, 2, 2, 60);
    add_goto(ft, 4, 1, 1, 60);
    flow_table_replace_end(ft, owner);
    assert_changes(ft, "");

    flow_table_replace_begin(ft, owner);
    add_goto(ft, 4, 2, 2, 64);
    add_goto(ft, 4, 3, 3, 60);
    flow_table_replace_end(ft, owner);
    assert_changes(ft, "+3 -1 ~2");

    /* There and back before anybody looked. */
    flow_table_replace_begin(ft, owner);
    flow_table_replace_end(ft, owner);
    assert_int_equal(flow_table_count(ft), 0);
    add_goto(ft, 4, 3, 3, 60);
    add_goto(ft, 4, 2, 2, 64);
    assert_changes(ft, "");
    add_goto(ft, 9, 8, 8, 60);
    flow_table_remove_owner(ft, (struct flow_owner){ 1, 9 });
    assert_changes(ft, "");
    flow_table_destroy(ft);
}

static void
test_whether_there_may_be_changes(void **state)
{
    struct flow_table *ft = flow_table_create();

    assert_false(flow_table_may_have_changes(ft));
    add_goto(ft, 4, 1, 1, 60);
    assert_true(flow_table_may_have_changes(ft));
    assert_int_equal(flow_table_count(ft), 1);
    flow_table_clear_changes(ft);
    assert_false(flow_table_may_have_changes(ft));

    flow_table_remove_owner(ft, (struct flow_owner){ 1, 4 });
    assert_int_equal(flow_table_count(ft), 0);
    add_goto(ft, 4, 1, 1, 60);
    assert_changes(ft, "");
    assert_false(flow_table_may_have_changes(ft));
    flow_table_destroy(ft);
}

/* Actions of any size: none, one clause of a rule, more than that, and back. */
static void
test_actions_of_a_claim_change_size(void **state)
{
    struct flow_owner owner = { 1, 4 };
    struct flow_table *ft = flow_table_create();
    struct ofpbuf acts;
    struct match m;

    match_reg(&m, 1);
    ofpbuf_init(&acts, 0);
    for (int i = 0; i < 8; i++) {
        int n = (const int[]){ 0, 1, 5, 1, 2, 0, 3, 0 }[i];
        ofpbuf_clear(&acts);
        for (int k = 0; k < n; k++) {
            ofpact_put_GOTO_TABLE(&acts)->table_id = 60 + k;
        }
        flow_table_replace_begin(ft, owner);
        flow_table_add(ft, owner, 36, 100, 7, &m, acts.data, acts.size);
        flow_table_replace_end(ft, owner);
        const struct flow_entry *f = flow_table_first(ft);
        assert_true(ofpacts_equal(f->ofpacts, f->ofpacts_len, acts.data, acts.size));
        assert_changes(ft, i ? "~1" : "+1");
    }
    ofpbuf_uninit(&acts);
    flow_table_destroy(ft);
}

static void
test_cookie_alone_is_a_change(void **state)
{
    struct flow_table *ft = flow_table_create();

    add_goto(ft, 4, 1, 1, 60);
    flow_table_clear_changes(ft);
    flow_table_replace_begin(ft, (struct flow_owner){ 1, 4 });
    add_goto(ft, 4, 1, 2, 60);
    flow_table_replace_end(ft, (struct flow_owner){ 1, 4 });
    assert_changes(ft, "~1");
    flow_table_destroy(ft);
}

static void
test_diff(void **state)
{
    struct flow_table *desired = flow_table_create(), *installed = flow_table_create();
    struct flow_changes fc;
    int seen[3] = { 0, 0, 0 };

    add_goto(desired, 1, 1, 1, 60);
    add_goto(desired, 1, 2, 2, 60);
    add_goto(desired, 1, 3, 3, 60);
    add_goto(installed, 7, 2, 2, 60);
    add_goto(installed, 7, 3, 3, 64);
    add_goto(installed, 7, 4, 4, 60);
    flow_table_diff(desired, installed, &fc);
    assert_int_equal(fc.n, 3);
    for (size_t i = 0; i < fc.n; i++) {
        seen[fc.a[i].op]++;
        assert_int_not_equal(fc.a[i].flow->cookie, 2);
    }
    assert_int_equal(seen[FLOW_ADD], 1);
    assert_int_equal(seen[FLOW_MODIFY], 1);
    assert_int_equal(seen[FLOW_DELETE], 1);
    flow_changes_uninit(&fc);
    flow_table_destroy(desired);
    flow_table_destroy(installed);
}

/* Random claims: whatever the order, the same set of claims is the same table,
 * and the log leads from each table to the next. */

enum { N_OWNERS = 6, N_KEYS = 8 };

/* What owner 'o' wants at key 'k': 0 nothing, 1..: variants. */
typedef int wishes[N_OWNERS][N_KEYS];

static void
add_wish(struct flow_table *ft, int o, int k, int wish)
{
    if (wish == 1) {
        add_conjunction(ft, o, k, 100 + o, k % 3);
    } else if (wish == 2) {
        add_conjunction(ft, o, k, 100 + o, k % 3);
        add_conjunction(ft, o, k, 200 + o, k % 3);
    } else if (wish) {
        add_goto(ft, o, k, k, 60 + wish);
    }
}

static void
set_owner(struct flow_table *ft, int o, const int *wish)
{
    int start = rand() % N_KEYS;

    flow_table_replace_begin(ft, (struct flow_owner){ 1, o });
    for (int i = 0; i < N_KEYS; i++) {
        int k = (start + i) % N_KEYS;
        add_wish(ft, o, k, wish[k]);
    }
    flow_table_replace_end(ft, (struct flow_owner){ 1, o });
}

static char *
table_text(const struct flow_table *ft)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    flow_table_format(ft, &ds);
    return ds_steal_cstr(&ds);
}

static void
assert_same_table(const struct flow_table *a, const struct flow_table *b)
{
    struct flow_changes fc;
    char *ta = table_text(a), *tb = table_text(b);

    assert_string_equal(ta, tb);
    flow_table_diff(a, b, &fc);
    assert_int_equal(fc.n, 0);
    flow_changes_uninit(&fc);
    free(ta);
    free(tb);
}

static struct flow_table *
table_of(wishes w)
{
    struct flow_table *ft = flow_table_create();

    for (int i = N_OWNERS - 1; i >= 0; i--) {
        set_owner(ft, i, w[i]);
    }
    return ft;
}

/* One flow of the mirror belongs to one owner, by its key. */
static void
apply_changes(struct flow_table *mirror, struct flow_table *ft)
{
    struct flow_changes fc;

    flow_table_changes(ft, &fc);
    for (size_t i = 0; i < fc.n; i++) {
        const struct flow_entry *f = fc.a[i].flow;
        struct match m;

        minimatch_expand(&f->match, &m);
        struct flow_owner owner = { 2, m.flow.regs[0] };
        bool there = flow_table_find(mirror, f->table_id, f->priority, &f->match) != NULL;
        assert_int_equal(there, fc.a[i].op != FLOW_ADD);
        flow_table_replace_begin(mirror, owner);
        if (fc.a[i].op != FLOW_DELETE) {
            flow_table_add(mirror, owner, f->table_id, f->priority, f->cookie, &m, f->ofpacts,
                           f->ofpacts_len);
        }
        flow_table_replace_end(mirror, owner);
    }
    flow_changes_uninit(&fc);
    flow_table_clear_changes(ft);
}

static void
test_random_claims(void **state)
{
    struct flow_table *ft = flow_table_create(), *mirror = flow_table_create();
    wishes w = { { 0 } };

    srand(1);
    for (int step = 0; step < 3000; step++) {
        int o = rand() % N_OWNERS;
        for (int k = 0; k < N_KEYS; k++) {
            w[o][k] = rand() % 3 ? 0 : rand() % 5;
        }
        set_owner(ft, o, w[o]);
        if (rand() % 4) {
            continue;
        }
        struct flow_table *fresh = table_of(w);
        assert_same_table(ft, fresh);
        flow_table_destroy(fresh);
        apply_changes(mirror, ft);
        assert_same_table(mirror, ft);
    }
    flow_table_destroy(mirror);
    flow_table_destroy(ft);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conjunctions_add_up),
        cmocka_unit_test(test_lowest_owner_wins),
        cmocka_unit_test(test_replacing_with_the_same_is_no_change),
        cmocka_unit_test(test_whether_there_may_be_changes),
        cmocka_unit_test(test_actions_of_a_claim_change_size),
        cmocka_unit_test(test_cookie_alone_is_a_change),
        cmocka_unit_test(test_diff),
        cmocka_unit_test(test_random_claims),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
