#include "compile/subnets.h"

#include <stdlib.h>

#include "base/test.h"
#include "compile/addresses.h"
#include "openvswitch/dynamic-string.h"

static struct prefix
prefix(const char *text)
{
    struct prefix p;
    char *error = prefix_parse(text, true, &p);

    assert_null(error);
    return p;
}

static void
assert_prefix(const struct prefix *p, const char *expected)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    prefix_format(p, &ds);
    assert_string_equal(ds_cstr(&ds), expected);
    ds_destroy(&ds);
}

static void
assert_addr(const struct in6_addr *ip, const char *expected)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    addr_format(ip, &ds);
    assert_string_equal(ds_cstr(&ds), expected);
    ds_destroy(&ds);
}

static void
insert(struct subnets *subnets, const char *text)
{
    struct prefix p = prefix(text);

    assert_null(subnets_overlap(subnets, &p));
    subnets_insert(subnets, &p, NULL);
}

static bool
overlaps(const struct subnets *subnets, const char *text)
{
    struct prefix p = prefix(text);

    return subnets_overlap(subnets, &p) != NULL;
}

static void
test_overlap(void **state)
{
    struct subnets subnets;

    subnets_init(&subnets);
    insert(&subnets, "10.1.2.0/24");
    insert(&subnets, "10.1.0.0/24");
    insert(&subnets, "192.168.0.0/16");
    assert_true(overlaps(&subnets, "10.1.2.0/24"));
    assert_true(overlaps(&subnets, "10.1.2.128/25"));
    assert_true(overlaps(&subnets, "10.1.2.255/32"));
    assert_true(overlaps(&subnets, "10.0.0.0/8"));
    assert_true(overlaps(&subnets, "192.168.0.0/16"));
    assert_false(overlaps(&subnets, "10.1.1.0/24"));
    assert_false(overlaps(&subnets, "10.1.3.0/24"));
    assert_false(overlaps(&subnets, "2001:db8::/32"));

    struct prefix p = prefix("10.1.2.0/24");
    subnets_remove(&subnets, &p);
    assert_false(overlaps(&subnets, "10.1.2.0/24"));
    subnets_uninit(&subnets);
}

static void
assert_next(const struct subnets *subnets, const struct subnet_range *range, uint64_t *cursor,
            const char *expected)
{
    struct prefix p;

    assert_true(subnets_next(subnets, range, cursor, &p));
    assert_prefix(&p, expected);
}

static void
test_next(void **state)
{
    struct subnet_range range = { prefix("10.0.0.0/21"), 96 + 24 }; /* Eight. */
    struct prefix p;
    struct subnets subnets;
    uint64_t cursor = 0;

    subnets_init(&subnets);
    insert(&subnets, "10.0.0.0/23");
    insert(&subnets, "10.0.3.8/29");
    assert_next(&subnets, &range, &cursor, "10.0.2.0/24");
    assert_next(&subnets, &range, &cursor, "10.0.4.0/24");
    insert(&subnets, "10.0.4.0/22");
    assert_next(&subnets, &range, &cursor, "10.0.2.0/24"); /* Round. */
    insert(&subnets, "10.0.2.0/24");
    assert_false(subnets_next(&subnets, &range, &cursor, &p));
    cursor = 1000; /* Of another range, in an earlier life. */
    assert_false(subnets_next(&subnets, &range, &cursor, &p));
    subnets_uninit(&subnets);

    subnets_init(&subnets);
    insert(&subnets, "0.0.0.0/0");
    assert_false(subnets_next(&subnets, &range, &cursor, &p));
    subnets_uninit(&subnets);
}

static void
test_next_of_ipv6(void **state)
{
    struct subnet_range range = { prefix("fd00::/16"), 64 };
    struct subnets subnets;
    uint64_t cursor = 258;

    subnets_init(&subnets);
    assert_next(&subnets, &range, &cursor, "fd00:0:0:102::/64");
    subnets_uninit(&subnets);
}

static void
test_hosts(void **state)
{
    struct prefix p = prefix("10.0.1.0/24");
    struct subnet_hosts hosts;

    assert_true(subnet_hosts(&p, &hosts));
    assert_addr(&hosts.gateway, "10.0.1.1");
    assert_addr(&hosts.first, "10.0.1.2");
    assert_addr(&hosts.last, "10.0.1.254");
    p = prefix("10.0.1.4/30");
    assert_true(subnet_hosts(&p, &hosts));
    assert_addr(&hosts.first, "10.0.1.6");
    assert_addr(&hosts.last, "10.0.1.6");
    p = prefix("10.0.1.4/31");
    assert_false(subnet_hosts(&p, &hosts));
    p = prefix("fd00::/64");
    assert_true(subnet_hosts(&p, &hosts));
    assert_addr(&hosts.last, "fd00::ffff:ffff:ffff:fffe");
}

static void
test_next_address(void **state)
{
    struct prefix subnets[] = { prefix("10.0.0.0/30"), prefix("10.0.1.0/29") };
    struct address owned[6];
    struct addresses addresses;
    struct in6_addr ip = IN6ADDR_ANY_INIT;
    static const char *const expected[] = { "10.0.0.2", "10.0.1.2", "10.0.1.3",
                                            "10.0.1.4", "10.0.1.5", "10.0.1.6" };

    addresses_init(&addresses);
    for (int i = 0; i < 6; i++) {
        assert_true(addresses_next(&addresses, subnets, 2, true, &ip, &ip));
        assert_addr(&ip, expected[i]);
        addresses_insert(&addresses, &owned[i], &ip, NULL);
    }
    assert_false(addresses_next(&addresses, subnets, 2, true, &ip, &ip));

    /* Goes round to what was freed, wherever it went last. */
    addresses_remove(&addresses, &owned[2]);
    assert_null(addresses_find(&addresses, &owned[2].ip));
    assert_true(addresses_next(&addresses, subnets, 2, true, &ip, &ip));
    assert_addr(&ip, "10.0.1.3");
    addresses_remove(&addresses, &owned[0]);
    ip = owned[5].ip;
    assert_true(addresses_next(&addresses, subnets, 2, true, &ip, &ip));
    assert_addr(&ip, "10.0.0.2");
    addresses_uninit(&addresses);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_overlap),      cmocka_unit_test(test_next),
        cmocka_unit_test(test_next_of_ipv6), cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_next_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
