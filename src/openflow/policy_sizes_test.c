#include "openflow/policy_sizes.h"

#include <string.h>

#include "base/number_set.h"
#include "base/test.h"
#include "openflow/lower_ids.h"
#include "openvswitch/dynamic-string.h"

static struct policy_sizes *sizes;
static struct lower_ids dirty;

static int
setup(void **state)
{
    sizes = policy_sizes_create(10);
    lower_ids_init(&dirty);
    return 0;
}

static int
teardown(void **state)
{
    policy_sizes_destroy(sizes);
    lower_ids_uninit(&dirty);
    return 0;
}

static void
print(void *s, const char *policy, size_t size)
{
    ds_put_format(s, "%s=%zu ", policy, size);
}

static void
assert_problems(const char *wanted)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    policy_sizes_each(sizes, print, &s);
    assert_string_equal(ds_cstr(&s), wanted);
    ds_destroy(&s);
}

/* Which of rules 1 to 3 are marked; forgets it. */
static void
assert_dirty(bool one, bool two, bool three)
{
    assert_int_equal(lower_ids_has(&dirty, 1), one);
    assert_int_equal(lower_ids_has(&dirty, 2), two);
    assert_int_equal(lower_ids_has(&dirty, 3), three);
    lower_ids_clear(&dirty);
}

static void
test_limit(void **state)
{
    policy_sizes_set(sizes, 1, "a", 6, &dirty);
    policy_sizes_set(sizes, 2, "a", 4, &dirty);
    policy_sizes_set(sizes, 3, "b", 9, &dirty);
    assert_problems("");
    assert_dirty(false, false, false);
    unsigned int seqno = policy_sizes_seqno(sizes);
    policy_sizes_set(sizes, 2, "a", 5, &dirty);
    assert_problems("a=11 ");
    assert_dirty(true, true, false);
    assert_true(policy_sizes_exceeds(sizes, 1));
    assert_false(policy_sizes_exceeds(sizes, 3));
    assert_int_not_equal(policy_sizes_seqno(sizes), seqno);
    policy_sizes_set(sizes, 2, "a", 7, &dirty);
    assert_problems("a=13 ");
    assert_dirty(false, false, false);
    policy_sizes_set(sizes, 1, NULL, 0, &dirty);
    assert_problems("");
    assert_dirty(false, true, false);
}

static void
test_move(void **state)
{
    policy_sizes_set(sizes, 1, "a", 6, &dirty);
    policy_sizes_set(sizes, 2, "a", 6, &dirty);
    assert_dirty(true, true, false);
    policy_sizes_set(sizes, 3, "b", 6, &dirty);
    policy_sizes_set(sizes, 2, "b", 6, &dirty);
    assert_problems("b=12 ");
    assert_dirty(true, true, true);
    assert_false(policy_sizes_exceeds(sizes, 1));
    assert_false(policy_sizes_exceeds(sizes, 99));
    policy_sizes_set(sizes, 99, NULL, 0, &dirty);
}

/* The rules of 'sizes' that are closed, of 1 to 3; true if that is news. */
static bool
assert_closed(bool one, bool two, bool three)
{
    static unsigned int seen;
    unsigned int seqno;
    const struct number_set *closed = policy_sizes_closed(sizes, &seqno);
    assert_int_equal(number_set_has(closed, 1), one);
    assert_int_equal(number_set_has(closed, 2), two);
    assert_int_equal(number_set_has(closed, 3), three);
    bool news = seqno != seen;
    seen = seqno;
    return news;
}

static void
test_closed(void **state)
{
    assert_false(assert_closed(false, false, false));
    policy_sizes_set(sizes, 1, "a", 6, &dirty);
    policy_sizes_set(sizes, 2, "a", 6, &dirty);
    assert_true(assert_closed(true, true, false));
    policy_sizes_set(sizes, 2, "a", 7, &dirty);
    assert_false(assert_closed(true, true, false));
    policy_sizes_set(sizes, 3, "a", 1, &dirty);
    assert_true(assert_closed(true, true, true));
    policy_sizes_set(sizes, 3, "b", 1, &dirty);
    assert_true(assert_closed(true, true, false));
    policy_sizes_set(sizes, 1, NULL, 0, &dirty);
    assert_true(assert_closed(false, false, false));
    policy_sizes_set(sizes, 1, "a", 11, &dirty);
    policy_sizes_set(sizes, 1, NULL, 0, &dirty);
    policy_sizes_set(sizes, 2, NULL, 0, &dirty);
    assert_true(assert_closed(false, false, false));
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
    const struct CMUnitTest tests[] = { TEST(test_limit), TEST(test_move), TEST(test_closed) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
