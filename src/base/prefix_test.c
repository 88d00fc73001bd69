/* Prefixes: parsing refuses what is not canonical, subtraction is exact. */
#include "base/prefix.h"

#include <stdlib.h>
#include <string.h>

#include "base/test.h"
#include "openvswitch/dynamic-string.h"
#include "random.h"

static struct prefix
must_parse(const char *s)
{
    struct prefix p;
    char *error = prefix_parse(s, true, &p);

    if (error) {
        fail_msg("%s", error);
    }
    return p;
}

static void
test_text_round_trip(void **state)
{
    static const char *const good[] = { "10.1.0.0/16",   "0.0.0.0/0", "10.1.2.3/32",
                                        "2001:db8::/32", "::/0",      "fe80::1/128" };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct prefix p = must_parse(good[i]);
        struct ds ds = DS_EMPTY_INITIALIZER;

        prefix_format(&p, &ds);
        assert_string_equal(ds_cstr(&ds), good[i]);
        ds_destroy(&ds);
    }
}

static void
test_refuses(void **state)
{
    static const char *const bad[] = {
        "",
        "/",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/08",
        "10.0.0.0/-1",
        "10.0.0/8",
        "010.0.0.0/8",
        "10.0.0.1/8",
        "2001:db8::/129",
        "::ffff:10.0.0.0/104",
        "x",
        "10.0.0.0/8 ",
        "10.0.0.0/8/8",
        "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb/4",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct prefix p;
        char *error = prefix_parse(bad[i], true, &p);

        if (!error) {
            fail_msg("\"%s\" was accepted", bad[i]);
        }
        free(error);
    }
}

static void
test_clears_host_bits(void **state)
{
    struct prefix p, q = must_parse("10.0.0.0/9");

    assert_null(prefix_parse("10.127.255.1/9", false, &p));
    assert_int_equal(prefix_compare(&p, &q), 0);
}

/* The mapped form of every IPv4 address lies in ::/0; it must not count. */
static void
test_families_do_not_mix(void **state)
{
    struct prefix all6 = must_parse("::/0"), all4 = must_parse("0.0.0.0/0");
    struct prefix ten = must_parse("10.0.0.0/8");
    size_t n;

    assert_false(prefix_contains(&all6, &ten.addr));
    assert_false(prefix_covers(&all6, &ten));
    assert_false(prefix_covers(&all6, &all4));
    assert_true(prefix_covers(&all4, &ten));
    free(prefix_subtract(&ten, &all6, 1, &n));
    assert_int_equal(n, 1);
}

/* Each address of a /24 is in exactly one piece, unless a hole has it. */
static void
test_subtract_is_exact(void **state)
{
    struct prefix outer = must_parse("10.0.0.0/24");

    for (int round = 0; round < 200; round++) {
        struct prefix holes[6];
        size_t n_holes = random_range(7), n;

        for (size_t i = 0; i < n_holes; i++) {
            holes[i] = outer;
            holes[i].addr.s6_addr[15] = random_uint8();
            holes[i].plen = 119 + random_range(10);
            prefix_normalize(&holes[i]);
        }
        struct prefix *out = prefix_subtract(&outer, holes, n_holes, &n);
        for (int host = 0; host < 256; host++) {
            struct in6_addr a = outer.addr;
            int in_holes = 0, in_out = 0;

            a.s6_addr[15] = host;
            for (size_t i = 0; i < n_holes; i++) {
                in_holes += prefix_contains(&holes[i], &a);
            }
            for (size_t i = 0; i < n; i++) {
                in_out += prefix_contains(&out[i], &a);
                assert_true(!i || prefix_compare(&out[i - 1], &out[i]) < 0);
            }
            assert_int_equal(in_out, !in_holes);
        }
        free(out);
    }
}

static void
test_subtract_is_minimal(void **state)
{
    struct prefix outer = must_parse("10.0.0.0/8"), hole = must_parse("10.1.2.3/32");
    size_t n;
    struct prefix *out = prefix_subtract(&outer, &hole, 1, &n);

    assert_int_equal(n, 24);
    free(out);
    out = prefix_subtract(&hole, &outer, 1, &n);
    assert_int_equal(n, 0);
    free(out);
}

int
main(void)
{
    random_set_seed(1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_round_trip),     cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_clears_host_bits),    cmocka_unit_test(test_subtract_is_exact),
        cmocka_unit_test(test_subtract_is_minimal), cmocka_unit_test(test_families_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
