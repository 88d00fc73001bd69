#include "node/domains_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/prefix.h"
#include "base/test.h"
#include "node/domains.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

static char path[] = "/tmp/virga-domains-XXXXXX";
static struct domains *d;

static int
setup(void **state)
{
    ovs_strlcpy(path, "/tmp/virga-domains-XXXXXX", sizeof path);
    int fd = mkstemp(path);
    close(fd);
    d = domains_create();
    return fd < 0;
}

static int
teardown(void **state)
{
    domains_destroy(d);
    return unlink(path);
}

static void
adopt(const char *pattern, const char *text, long long int until)
{
    struct in6_addr addr;
    char *error = addr_parse(text, &addr);
    assert_null(error);
    domains_adopt(d, pattern, &addr, until);
}

static void
print(void *s, const char *pattern, const struct in6_addr *addr, long long int until)
{
    ds_put_format(s, "%s ", pattern);
    addr_format(addr, s);
    ds_put_format(s, " %lld\n", until);
}

static void
assert_all(const char *wanted)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    domains_each(d, print, &s);
    assert_string_equal(ds_cstr(&s), wanted);
    ds_destroy(&s);
}

/* Another life has another clock. */
static void
test_next_life(void **state)
{
    adopt("*.example.com", "2001:db8::1", 9000);
    assert_int_equal(domains_file_save(path, d, 1000, 1700000000000), 0);
    domains_destroy(d);
    d = domains_create();
    domains_file_load(path, d, 50, 1700000003000);
    assert_all("*.example.com 2001:db8::1 5050\n");
    domains_destroy(d);
    d = domains_create();
    domains_file_load(path, d, 50, 1700000008000); /* Over. */
    assert_all("");
}

static void
test_nonsense(void **state)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fputs("\nx y z\n1 2\n99999999999999 a.x 10.0.0.300\n99999999999999 a.x 10.0.0.3\n", f);
    for (int i = 0; i < 2000; i++) {
        fputc('x', f);
    }
    fclose(f);
    domains_file_load(path, d, 0, 0);
    char *wanted = xasprintf("a.x 10.0.0.3 %lld\n", DOMAINS_TTL_MAX_S * 1000LL);
    assert_all(wanted);
    free(wanted);
    domains_file_load("/nonexistent/file", d, 0, 0);
    assert_int_equal(domains_file_save("/nonexistent/file", d, 0, 0), ENOENT);
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
    const struct CMUnitTest tests[] = { TEST(test_next_life), TEST(test_nonsense) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
