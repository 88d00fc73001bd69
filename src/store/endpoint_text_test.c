#include "store/endpoint_text.h"

#include <stdlib.h>
#include <string.h>

#include "base/test.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

/* What was read: endpoints as records print, messages behind "!". */
static void
note_good(void *out_, struct rec_endpoint *e)
{
    struct ds *out = out_;

    record_format(&e->r, out);
    ds_put_char(out, '\n');
    record_destroy(&e->r);
}

static void
note_bad(void *out_, const char *message)
{
    ds_put_format(out_, "!%s\n", message);
}

static void
assert_reads(const char *text, const char *wanted)
{
    struct ds out = DS_EMPTY_INITIALIZER;

    endpoint_text_read(text, note_good, note_bad, &out);
    assert_string_equal(ds_cstr(&out), wanted);
    ds_destroy(&out);
}

#define GOOD "7 shop/a u-1 4097 256 1 02:56:0a:80:01:02 10.128.1.2,fd00::2"
#define GOOD_RECORD                                                                      \
    "endpoint 7 name=shop/a uid=u-1 vni=4097 identity=256 node=1 mac=02:56:0a:80:01:02 " \
    "ips=10.128.1.2,fd00::2\n"

static void
test_lines(void **state)
{
    assert_reads("", "");
    assert_reads(GOOD, GOOD_RECORD);
    assert_reads(GOOD "\n8   4096 0 0 02:00:00:00:00:01 10.0.0.1",
                 GOOD_RECORD "endpoint 8 name=\"\" uid=\"\" vni=4096 identity=0 node=0 "
                             "mac=02:00:00:00:00:01 ips=10.0.0.1\n");
    assert_reads("4294967295 a%20b%25 %c3%A9 16777215 4294967295 4294967295 02:00:00:00:00:01 ::1",
                 "endpoint 4294967295 name=\"a b%\" uid=\xc3\xa9 vni=16777215 identity=4294967295 "
                 "node=4294967295 mac=02:00:00:00:00:01 ips=::1\n");
}

static void
test_bad_lines(void **state)
{
    static const struct {
        const char *line, *message;
    } bad[] = {
        { " ", "id \"\" is not a number from 1 to 4294967295" },
        { "0"
          " a u 4097 0 0 02:00:00:00:00:01 10.0.0.1",
          "id \"0\"" },
        { "4294967296 a u 4097 0 0 02:00:00:00:00:01 10.0.0.1", "id \"4294967296\"" },
        { "18446744073709551617 a u 4097 0 0 02:00:00:00:00:01 10.0.0.1", "id \"1844" },
        { "-1 a u 4097 0 0 02:00:00:00:00:01 10.0.0.1", "id \"-1\"" },
        { "9", "it has no name" },
        { "9 a", "it has no uid" },
        { "9 a% u 4097 0 0 02:00:00:00:00:01 10.0.0.1", "name has a character" },
        { "9 a%0 u 4097 0 0 02:00:00:00:00:01 10.0.0.1", "name has a character" },
        { "9 a%00 u 4097 0 0 02:00:00:00:00:01 10.0.0.1", "name has a character" },
        { "9 a u\t 4097 0 0 02:00:00:00:00:01 10.0.0.1", "uid has a character" },
        { "9 a u 4095 0 0 02:00:00:00:00:01 10.0.0.1", "vni \"4095\"" },
        { "9 a u 16777216 0 0 02:00:00:00:00:01 10.0.0.1", "vni \"16777216\"" },
        { "9 a u 4097 x 0 02:00:00:00:00:01 10.0.0.1", "identity \"x\"" },
        { "9 a u 4097 0 1x 02:00:00:00:00:01 10.0.0.1", "node \"1x\"" },
        { "9 a u 4097 0 0", "\"\" is not a unicast Ethernet address" },
        { "9 a u 4097 0 0 02:00 10.0.0.1", "\"02:00\" is not a unicast" },
        { "9 a u 4097 0 0 01:00:00:00:00:01 10.0.0.1", "is not a unicast" },
        { "9 a u 4097 0 0 02:00:00:00:00:01", "it has no address" },
        { "9 a u 4097 0 0 02:00:00:00:00:01 ", "it has no address" },
        { "9 a u 4097 0 0 02:00:00:00:00:01 10.0.0.300", "10.0.0.300" },
        { "9 a u 4097 0 0 02:00:00:00:00:01 10.0.0.1,", "" },
        { "9 a u 4097 0 0 02:00:00:00:00:01 10.0.0.1 ", "there is more behind" },
        { "7 a u 4097 0 0 02:00:00:00:00:01 10.0.0.1", "id 7 comes after 7" },
        { "6 a u 4097 0 0 02:00:00:00:00:01 10.0.0.1", "id 6 comes after 7" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        char *text = xasprintf("%s\n%s\n10 a u 4097 0 0 02:00:00:00:00:01 10.0.0.1", GOOD,
                               bad[i].line);
        struct ds out = DS_EMPTY_INITIALIZER;

        endpoint_text_read(text, note_good, note_bad, &out);
        assert_memory_equal(ds_cstr(&out), GOOD_RECORD "!", strlen(GOOD_RECORD "!"));
        assert_non_null(strstr(ds_cstr(&out), bad[i].message));
        assert_non_null(strstr(ds_cstr(&out), "\nendpoint 10 ")); /* The rest is read. */
        ds_destroy(&out);
        free(text);
    }
}

static void
test_too_many_addresses(void **state)
{
    struct ds text = DS_EMPTY_INITIALIZER;

    ds_put_cstr(&text, "9 a u 4097 0 0 02:00:00:00:00:01 10.0.0.1");
    for (int i = 0; i < ENDPOINT_TEXT_MAX_IPS; i++) {
        ds_put_format(&text, ",10.0.1.%d", i);
    }
    assert_reads(ds_cstr(&text), "!it has more than 64 addresses\n");
    *strrchr(ds_cstr(&text), ',') = '\0';
    struct ds out = DS_EMPTY_INITIALIZER;
    endpoint_text_read(ds_cstr(&text), note_good, note_bad, &out);
    assert_non_null(strstr(ds_cstr(&out), "endpoint 9 "));
    ds_destroy(&out);
    ds_destroy(&text);
}

static void
put_and_compare(void *wanted, struct rec_endpoint *e)
{
    struct ds line = DS_EMPTY_INITIALIZER;

    endpoint_text_put(e, &line);
    assert_string_equal(ds_cstr(&line), (const char *) wanted);
    ds_destroy(&line);
    record_destroy(&e->r);
}

static void
fail_bad(void *aux, const char *message)
{
    fail_msg("%s", message);
}

static void
test_put(void **state)
{
    static const char *const lines[] = {
        GOOD,
        "8   4096 0 0 02:00:00:00:00:01 10.0.0.1",
        "9 a%20%09b%7f%25 \xc3\xa9 16777215 1 2 02:00:00:00:00:01 10.0.0.1,fd00::1",
    };

    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        endpoint_text_read(lines[i], put_and_compare, fail_bad, CONST_CAST(char *, lines[i]));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_bad_lines),
        cmocka_unit_test(test_too_many_addresses),
        cmocka_unit_test(test_put),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
