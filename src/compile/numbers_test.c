#include "compile/numbers.h"

#include <stdlib.h>

#include "base/test.h"
#include "openvswitch/dynamic-string.h"

static bool
is_used(const void *aux, uint32_t number)
{
    const uint32_t *used = aux;

    return number == *used;
}

static void
assert_text(const struct numbers *numbers, const char *expected)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    numbers_format(numbers, &ds);
    assert_string_equal(ds_cstr(&ds), expected);
    ds_destroy(&ds);
}

static void
test_take(void **state)
{
    struct numbers numbers;
    uint32_t used = 4097, n;

    numbers_init(&numbers);
    assert_true(numbers_take(&numbers, NUMBER_VNI, is_used, &used, &n));
    assert_int_equal(n, 4096);
    assert_true(numbers_take(&numbers, NUMBER_VNI, is_used, &used, &n));
    assert_int_equal(n, 4098);
}

static bool
all_used_but(const void *aux, uint32_t number)
{
    const uint32_t *free_ = aux;

    return number != *free_;
}

static void
test_goes_round_and_runs_out(void **state)
{
    struct numbers numbers;
    uint32_t free_ = 17, n;

    numbers_init(&numbers);
    numbers.next[NUMBER_ZONE] = 65535; /* Behind the last. */
    assert_true(numbers_take(&numbers, NUMBER_ZONE, all_used_but, &free_, &n));
    assert_int_equal(n, 17);
    free_ = 0;
    assert_false(numbers_take(&numbers, NUMBER_ZONE, all_used_but, &free_, &n));
}

static void
test_text(void **state)
{
    static const char text[] = "node=2 vni=5000 zone=65535 identity=300 endpoint=1 set=9 rule=17"
                               " subnet=0 subnet6=7";
    struct numbers numbers;

    numbers_init(&numbers);
    char *error = numbers_parse(&numbers, text);
    assert_null(error);
    assert_text(&numbers, text);
}

static void
test_bad_text(void **state)
{
    static const char *const bad[] = { "node",       "node=",   "node=x",
                                       "node=1x",    "nod=1",   "vni=1",
                                       "zone=65536", "rule=-1", "rule=99999999999999999999" };
    struct numbers numbers;

    numbers_init(&numbers);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char *error = numbers_parse(&numbers, bad[i]);
        assert_non_null(error);
        free(error);
    }
    assert_text(&numbers, "node=1 vni=4096 zone=16 identity=256 endpoint=1 set=1 rule=1"
                          " subnet=0 subnet6=0");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_take),
        cmocka_unit_test(test_goes_round_and_runs_out),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_bad_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
