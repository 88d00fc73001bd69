#include "base/learned.h"

#include "base/test.h"
#include "base/prefix.h"

static struct in6_addr
address(const char *text)
{
    struct in6_addr a;
    char *error = addr_parse(text, &a);

    assert_null(error);
    return a;
}

static void
add_up(void *aux, uint32_t set, const struct in6_addr *a, size_t n)
{
    *(size_t *) aux += set * n;
}

static void
test_put_and_find(void **state)
{
    struct learned *l = learned_create();
    struct in6_addr a[] = { address("192.0.2.9"), address("192.0.2.1"), address("192.0.2.9") };
    size_t n, sum = 0;

    assert_null(learned_find(NULL, 7, &n));
    assert_false(learned_put(l, 7, NULL, 0));
    assert_true(learned_put(l, 7, a, 3));
    assert_false(learned_put(l, 7, a, 2));
    const struct in6_addr *found = learned_find(l, 7, &n);
    assert_int_equal(n, 2);
    assert_memory_equal(&found[0], &a[1], sizeof *a);
    assert_memory_equal(&found[1], &a[0], sizeof *a);
    assert_true(learned_put(l, 8, a, 1));
    learned_each(l, add_up, &sum);
    assert_int_equal(sum, 7 * 2 + 8);
    assert_true(learned_put(l, 7, a, 0));
    assert_null(learned_find(l, 7, &n));
    assert_int_equal(n, 0);
    learned_destroy(l);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_and_find),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
