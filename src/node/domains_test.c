#include "node/domains.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/prefix.h"
#include "base/test.h"
#include "node/dns_message.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

static struct domains *d;
static struct dns_answer answer;

static int
setup(void **state)
{
    d = domains_create();
    return 0;
}

static int
teardown(void **state)
{
    domains_destroy(d);
    return 0;
}

static void
set(uint32_t id, const char *a, const char *b)
{
    char *patterns[] = { CONST_CAST(char *, a), CONST_CAST(char *, b) };
    domains_set(d, id, patterns, !a ? 0 : b ? 2 : 1);
}

static struct in6_addr
address(const char *text)
{
    struct in6_addr addr;
    char *error = addr_parse(text, &addr);
    assert_null(error);
    return addr;
}

static bool
learn(const char *name, const char *alias, const char *addr, uint32_t ttl, long long int now)
{
    memset(&answer, 0, sizeof answer);
    ovs_strlcpy(answer.names[0], name, DNS_NAME_SIZE);
    ovs_strlcpy(answer.names[1], alias ? alias : "", DNS_NAME_SIZE);
    answer.n_names = alias ? 2 : 1;
    answer.addresses[0] = (struct dns_address){ address(addr), ttl };
    answer.n_addresses = 1;
    return domains_learn(d, &answer, now);
}

static void
print_set(void *s_, uint32_t id, const struct in6_addr *addrs, size_t n)
{
    struct ds *s = s_;
    ds_put_format(s, "%u:", id);
    for (size_t i = 0; i < n; i++) {
        ds_put_char(s, ' ');
        addr_format(&addrs[i], s);
    }
    ds_put_char(s, '\n');
}

static void
ignore_set(void *aux, uint32_t id, const struct in6_addr *addrs, size_t n)
{
}

/* Sets that changed, one a line; one set at a time, for they come in no order. */
static void
assert_changed(const char *wanted)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    domains_changed(d, print_set, &s);
    assert_string_equal(ds_cstr(&s), wanted);
    ds_destroy(&s);
}

static void
test_exact(void **state)
{
    set(1, "www.example.com", NULL);
    assert_changed("1:\n");
    assert_true(learn("www.example.com", NULL, "192.0.2.1", 60, 0));
    assert_changed("1: 192.0.2.1\n");
    assert_changed("");
    assert_false(learn("www.example.com", NULL, "192.0.2.1", 90, 0));
    assert_changed("");
    assert_false(learn("example.com", NULL, "192.0.2.2", 60, 0));
    assert_false(learn("a.www.example.com", NULL, "192.0.2.2", 60, 0));
    assert_true(learn("www.example.com", NULL, "2001:db8::1", 60, 0));
    assert_changed("1: 192.0.2.1 2001:db8::1\n");
}

static void
test_wildcard(void **state)
{
    set(1, "*.example.com", NULL);
    assert_changed("1:\n");
    assert_false(learn("example.com", NULL, "192.0.2.1", 60, 0)); /* Not the apex. */
    assert_false(learn("notexample.com", NULL, "192.0.2.1", 60, 0));
    assert_false(learn("example.com.org", NULL, "192.0.2.1", 60, 0));
    assert_true(learn("a.example.com", NULL, "192.0.2.2", 60, 0));
    assert_true(learn("c.b.a.example.com", NULL, "192.0.2.3", 60, 0));
    assert_changed("1: 192.0.2.2 192.0.2.3\n");
}

static void
test_alias(void **state)
{
    set(1, "www.example.com", "edge.cdn.net");
    assert_true(learn("www.example.com", "edge.cdn.net", "192.0.2.1", 60, 0));
    assert_changed("1: 192.0.2.1\n");
    assert_false(learn("other.example.com", "third.cdn.net", "192.0.2.2", 60, 0));
    assert_true(learn("other.example.com", "edge.cdn.net", "192.0.2.3", 60, 0));
    assert_changed("1: 192.0.2.1 192.0.2.3\n");
}

static void
test_time(void **state)
{
    set(1, "a.x", NULL);
    learn("a.x", NULL, "192.0.2.1", 60, 1000);
    learn("a.x", NULL, "192.0.2.2", 0, 1000);
    learn("a.x", NULL, "192.0.2.3", INT32_MAX, 1000);
    assert_changed("1: 192.0.2.1 192.0.2.2 192.0.2.3\n");
    assert_int_equal(domains_next(d), 1000 + DOMAINS_TTL_MIN_S * 1000);
    domains_run(d, 1000 + DOMAINS_TTL_MIN_S * 1000 - 1);
    assert_changed("");
    domains_run(d, 1000 + DOMAINS_TTL_MIN_S * 1000);
    assert_changed("1: 192.0.2.1 192.0.2.3\n");
    learn("a.x", NULL, "192.0.2.1", 60, 31000); /* Longer. */
    learn("a.x", NULL, "192.0.2.1", 1, 31001);  /* Not shorter. */
    domains_run(d, 90999);
    assert_changed("");
    domains_run(d, 91000);
    assert_changed("1: 192.0.2.3\n");
    domains_run(d, 1000 + DOMAINS_TTL_MAX_S * 1000LL);
    assert_changed("1:\n");
    assert_int_equal(domains_next(d), LLONG_MAX);
}

static void
test_sets_share_patterns(void **state)
{
    set(1, "a.x", NULL);
    set(2, "a.x", "*.x");
    learn("a.x", NULL, "192.0.2.1", 60, 0);
    domains_changed(d, ignore_set, NULL);
    set(1, NULL, NULL);
    set(2, "a.x", NULL); /* What it knows of a.x stays. */
    assert_changed("2: 192.0.2.1\n");
    set(2, "b.x", NULL);
    assert_changed("2:\n");
    set(2, "a.x", NULL); /* Forgotten. */
    assert_changed("2:\n");
    assert_true(domains_any(d));
    set(2, NULL, NULL);
    assert_false(domains_any(d));
    set(3, NULL, NULL);
}

static void
count(void *n_, const char *pattern, const struct in6_addr *addr, long long int until)
{
    size_t *n = n_;
    (*n)++;
}

static void
test_adopt(void **state)
{
    struct in6_addr one = address("192.0.2.1"), two = address("192.0.2.2");
    domains_adopt(d, "*.x", &one, 5000);
    domains_adopt(d, "b.x", &two, 5000);
    set(1, "*.x", NULL);
    domains_settle(d);
    assert_changed("1: 192.0.2.1\n");
    size_t n = 0;
    domains_each(d, count, &n);
    assert_int_equal(n, 1);
    domains_run(d, 5000);
    assert_changed("1:\n");
}

static void
test_many_addresses(void **state)
{
    size_t n = 0;
    set(1, "a.x", NULL);
    for (int i = 0; i < DOMAINS_ADDRESSES_MAX + 50; i++) {
        char *text = xasprintf("10.0.%d.%d", i / 250, i % 250 + 1);
        assert_true(learn("a.x", NULL, text, 100 + i, 0));
        free(text);
    }
    domains_each(d, count, &n);
    assert_int_equal(n, DOMAINS_ADDRESSES_MAX);
    assert_int_equal(domains_next(d), (100 + 50) * 1000); /* The first to end went. */
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_exact),
        TEST(test_wildcard),
        TEST(test_alias),
        TEST(test_time),
        TEST(test_sets_share_patterns),
        TEST(test_adopt),
        TEST(test_many_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
