#include "base/number_set.h"

#include "base/test.h"

static void
test_counts(void **state)
{
    struct number_set set;
    number_set_init(&set);
    assert_true(number_set_is_empty(&set));
    number_set_subtract(&set, 7);
    number_set_add(&set, 7);
    number_set_add(&set, 7);
    number_set_add(&set, 0);
    number_set_subtract(&set, 7);
    assert_true(number_set_has(&set, 7));
    assert_true(number_set_has(&set, 0));
    number_set_subtract(&set, 7);
    assert_false(number_set_has(&set, 7));
    assert_false(number_set_is_empty(&set));

    const struct number *n;
    size_t count = 0;
    NUMBER_SET_FOR_EACH(n, &set)
    {
        assert_int_equal(n->value, 0);
        count++;
    }
    assert_int_equal(count, 1);
    number_set_clear(&set);
    assert_true(number_set_is_empty(&set));
    number_set_uninit(&set);
}

static void
test_many(void **state)
{
    struct number_set set;
    number_set_init(&set);
    for (uint32_t i = 0; i < 10000; i++) {
        number_set_add(&set, i * 2654435761U);
    }
    for (uint32_t i = 0; i < 10000; i++) {
        assert_true(number_set_has(&set, i * 2654435761U));
        number_set_subtract(&set, i * 2654435761U);
    }
    assert_true(number_set_is_empty(&set));
    number_set_uninit(&set);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
