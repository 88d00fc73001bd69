#include "node/endpoint_names.h"

#include "base/test.h"

static struct records *records;
static struct endpoint_names *names;

static void
put(const char *text)
{
    char *error = records_parse(text, records);
    assert_null(error);
    endpoint_names_changed(names);
}

static int
setup(void **state)
{
    records = records_create();
    names = endpoint_names_create(records);
    put("endpoint 7 name=shop/redis-0 uid=u vni=4097 identity=256 node=1 "
        "mac=02:56:0a:80:01:02 ips=10.128.1.2,fd00::2\n");
    return 0;
}

static int
teardown(void **state)
{
    endpoint_names_destroy(names);
    records_destroy(records);
    return 0;
}

static void
assert_owner(const char *text, const char *name, long long int now)
{
    struct in6_addr addr;
    char *error = addr_parse(text, &addr);
    assert_null(error);
    const struct rec_endpoint *ep = endpoint_names_find(names, &addr, now);
    if (name) {
        assert_non_null(ep);
        assert_string_equal(ep->name, name);
    } else {
        assert_null(ep);
    }
}

static void
test_find(void **state)
{
    assert_owner("10.128.1.2", "shop/redis-0", 0);
    assert_owner("fd00::2", "shop/redis-0", 0);
    assert_owner("10.128.1.3", NULL, 0);
}

static void
test_change(void **state)
{
    assert_owner("10.128.1.2", "shop/redis-0", 0);
    put("endpoint 7 name=shop/redis-0 uid=u vni=4097 identity=256 node=1 "
        "mac=02:56:0a:80:01:02 ips=10.128.1.9\n");
    put("endpoint 8 name=shop/web uid=u vni=4097 identity=256 node=1 "
        "mac=02:56:0a:80:01:02 ips=10.128.1.2\n");
    assert_owner("10.128.1.2", NULL, 500); /* Not the wrong one, though it was not looked. */
    assert_owner("10.128.1.2", "shop/web", 1000);
    assert_owner("10.128.1.9", "shop/redis-0", 1000);
    records_remove(records, RECORD_ENDPOINT, 8);
    assert_owner("10.128.1.2", NULL, 1001);
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
    const struct CMUnitTest tests[] = { TEST(test_find), TEST(test_change) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
