#include "store/feed_text.h"

#include <stdlib.h>
#include <string.h>

#include "base/test.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

static void
note_bad(void *out_, const char *message)
{
    ds_put_format(out_, "!%s\n", message);
}

/* What 'records' are after 'text', and what was wrong with it. */
static void
assert_applies(struct records *records, const char *text, uint32_t part, const char *wanted)
{
    struct ds bad = DS_EMPTY_INITIALIZER, out = DS_EMPTY_INITIALIZER;
    bool good = feed_text_apply(text, part, records, note_bad, &bad);

    assert_int_equal(good, !bad.length);
    records_format_all(records, &out);
    ds_put_cstr(&out, ds_cstr(&bad));
    assert_string_equal(ds_cstr(&out), wanted);
    ds_destroy(&bad);
    ds_destroy(&out);
}

#define SET(IDENTITIES) "set 7 selector=x identities=" IDENTITIES "\n"

/* Other numbers would take apart what controllers and agents of two versions say to
 * each other. */
static void
test_parts(void **state)
{
    uint32_t seen[FEED_PARTS] = { 0 };

    assert_int_equal(feed_part(RECORD_ENDPOINT, 1), 76);
    assert_int_equal(feed_part(RECORD_IDENTITY, 256), 25);
    assert_int_equal(feed_part(RECORD_RULE, UINT32_MAX), 53);
    for (uint32_t key = 5; key < 5 + 100 * FEED_PARTS; key++) {
        seen[feed_part(RECORD_ENDPOINT, key)]++;
    }
    for (int i = 0; i < FEED_PARTS; i++) {
        assert_in_range(seen[i], 90, 110);
    }
}

static void
test_lines(void **state)
{
    struct records *records = records_create();
    uint32_t part = feed_part(RECORD_SET, 7);

    assert_applies(records, "", part, "");
    assert_applies(records, "-set 7\n", part, "");
    assert_applies(records, SET("1,5,9") "~set 7 add=2,10 remove=1,7", part, SET("2,5,9,10"));
    assert_applies(records, "~set 7 remove=2\n~set 7 add=0\n", part, SET("0,5,9,10"));
    assert_applies(records, "~set 7 add=5 remove=5,9\n", part, SET("0,10"));
    assert_applies(records, SET("4"), part, SET("4"));
    assert_applies(records, SET("5") "-set 7\n", part, "");
    assert_applies(records, "~set 7 add=5\n", part, "");
    records_destroy(records);
}

static void
test_bad_lines(void **state)
{
    static const struct {
        const char *line, *message;
    } bad[] = {
        { "nonsense", "\"node\" or another known word expected" },
        { "set 7 selector=y identities=2,1", "identities must be sorted and unique" },
        { "set 8 selector=y", "set 8 is not of this part" },
        { "node 7 name=n vtep=10.0.0.1 addresses=", "node 7 is not of this part" },
        { "identity 0 vni=1 labels=x", "identity 0 is not of this part" },
        { "set 7", "\"selector=\" expected" },
        { "-node 7", "node 7 is not of this part" },
        { "-set 8", "set 8 is not of this part" },
        { "-set", "\"set\" is not a kind of record" },
        { "-set ", "\"\" is not a number from 0 to 4294967295" },
        { "-set 7 7", "\" 7\" is not expected there" },
        { "-set 4294967296", "\"4294967296\" is not a number from 0 to 4294967295" },
        { "-pod 7", "\"pod 7\" is not a kind of record" },
        { "~set 8 add=1", "set 8 is not of this part" },
        { "~set 7 add=", "\"\" is not a number from 0 to 4294967295" },
        { "~set 7 add=2,2", "identities must be sorted and unique" },
        { "~set 7 add=2,", "\"\" is not a number from 0 to 4294967295" },
        { "~set 7 remove=3,2", "identities must be sorted and unique" },
        { "~set 7 remove=3 add=2", "\" add=2\" is not expected there" },
        { "~set 7 add=1x", "\"x\" is not expected there" },
        { "~net 7 add=1", "\"node\" or another known word expected" },
    };
    uint32_t part = feed_part(RECORD_SET, 7);

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct records *records = records_create();
        char *text = xasprintf(SET("1,3") "%s\n~set 7 add=4\n", bad[i].line);
        char *wanted = xasprintf(SET("1,3,4") "!%s\n", bad[i].message);

        assert_applies(records, text, part, wanted);
        free(text);
        free(wanted);
        records_destroy(records);
    }
}

/* Numbers that the schema would refuse in the tables, and what their decoders would. */
static void
test_out_of_range(void **state)
{
#define ENDPOINT(VNI, MAC) \
    "endpoint 1 name=n uid=u vni=" VNI " identity=1 node=1 mac=" MAC " ips=10.0.0.1\n"
#define NETWORK(VNI, ZONE, GATEWAY) \
    "network " VNI " name=n zone=" ZONE " subnets=10.0.0.0/24 gateways=" GATEWAY "\n"
    static const struct {
        enum record_kind kind;
        uint32_t key;
        const char *good, *bad[3];
    } cases[] = {
        { RECORD_IDENTITY,
          256,
          "identity 256 vni=4096 labels=x\n",
          { "identity 256 vni=4095 labels=x\n", "identity 256 vni=16777216 labels=x\n" } },
        { RECORD_ENDPOINT,
          1,
          ENDPOINT("4096", "02:00:00:00:00:01"),
          { ENDPOINT("4095", "02:00:00:00:00:01"), ENDPOINT("4096", "03:00:00:00:00:01") } },
        { RECORD_NETWORK,
          4096,
          NETWORK("4096", "16", "10.0.0.1"),
          { NETWORK("4096", "15", "10.0.0.1"), NETWORK("4096", "65535", "10.0.0.1"),
            NETWORK("4096", "16", "10.0.1.1") } },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct records *records = records_create();
        uint32_t part = feed_part(cases[i].kind, cases[i].key);

        assert_applies(records, cases[i].good, part, cases[i].good);
        for (size_t j = 0; j < ARRAY_SIZE(cases[i].bad) && cases[i].bad[j]; j++) {
            char *wanted = xasprintf(
                "%s!%s %" PRIu32 " has a number or an address out of its range\n", cases[i].good,
                record_kind_names[cases[i].kind], cases[i].key);
            assert_applies(records, cases[i].bad[j], part, wanted);
            free(wanted);
        }
        records_destroy(records);
    }
}

static char *
put(const char *before_text, const char *now_text)
{
    struct records *before = records_create(), *now = records_create();
    struct ds ds = DS_EMPTY_INITIALIZER;

    assert_null(records_parse(before_text, before));
    assert_null(records_parse(now_text, now));
    feed_text_put(&ds, RECORD_SET, 7, records_find(now, RECORD_SET, 7),
                  records_find(before, RECORD_SET, 7));
    records_destroy(before);
    records_destroy(now);
    return ds_steal_cstr(&ds);
}

static void
assert_puts(const char *before, const char *now, const char *wanted)
{
    char *got = put(before, now);

    assert_string_equal(got, wanted);
    free(got);
}

static void
test_shortest_line(void **state)
{
    assert_puts("", SET("1,2,3,4"), SET("1,2,3,4"));
    assert_puts(SET("1,2,3,4"), "", "-set 7\n");
    assert_puts(SET("1,2,3,4"), SET("1,2,3,4,5"), "~set 7 add=5\n");
    assert_puts(SET("1,2,3,4"), SET("1,3,4"), "~set 7 remove=2\n");
    assert_puts(SET("1,2,3,4"), SET("1,2,3,9"), "~set 7 add=9 remove=4\n");
    assert_puts(SET("1,2,3,4"), SET("6,7,8,9"), SET("6,7,8,9")); /* Most of it. */
    assert_puts(SET("1,2,3,4"), SET("1,2,3 prefixes=10.0.0.0/8"),
                SET("1,2,3 prefixes=10.0.0.0/8"));
    assert_puts(SET("1,2,3,4"), "set 7 selector=y identities=1,2,3\n",
                "set 7 selector=y identities=1,2,3\n");
}

/* Names come from outside; a line is a line whatever is in them. */
static void
test_odd_names(void **state)
{
    static const char name[] = "a \"b\" \\ #c\n\t\x7f\\x41 \xc3\xa9";
    struct records *records = records_create(), *again = records_create();
    struct rec_identity *i = rec_identity_create(256);
    struct ds line = DS_EMPTY_INITIALIZER;

    i->vni = 4096;
    i->labels = xstrdup(name);
    records_put(records, &i->r);
    feed_text_put(&line, RECORD_IDENTITY, 256, &i->r, NULL);
    assert_int_equal(strcspn(ds_cstr(&line), "\n"), line.length - 1);
    assert_true(
        feed_text_apply(ds_cstr(&line), feed_part(RECORD_IDENTITY, 256), again, NULL, NULL));
    assert_string_equal(records_identity(again, 256)->labels, name);
    ds_destroy(&line);
    records_destroy(records);
    records_destroy(again);
}

static void
test_pack(void **state)
{
    char *text = xmalloc(1000001), *error;

    for (unsigned int i = 0; i < 1000000; i++) {
        text[i] = 'a' + i * 7919 % 23;
    }
    for (size_t n = 1000000;; n /= 7) {
        text[n] = '\0';
        char *packed = feed_pack(text);
        assert_true(n < 1000 || strlen(packed) < n / 4);
        char *again = feed_unpack(packed, &error);
        assert_null(error);
        assert_string_equal(text, again);
        free(packed);
        free(again);
        if (!n) {
            break;
        }
    }
    free(text);
    text = xmalloc(FEED_TEXT_MAX + 2);
    memset(text, 'x', FEED_TEXT_MAX + 1);
    text[FEED_TEXT_MAX + 1] = '\0';
    assert_null(feed_pack(text));
    free(text);
}

static void
test_bad_packs(void **state)
{
    /* "5:..." is "hello" as Python's zlib and base64 write it. */
    static const char *const bad[] = {
        "x",
        "5",
        "5:",
        ":eJw=",
        "0:eJw=",
        "99999999:eJw=",
        "99999999999:eJw=",
        "5:nonsense!",
        "5:AAAA",
        "5:eJzLSM3JyQcABiwC", /* Cut short. */
        "4:eJzLSM3JyQcABiwCFQ==",
        "6:eJzLSM3JyQcABiwCFQ==", /* Another length. */
        "5:eJzLSM3JyQcABiwCFg==", /* Another sum. */
        "3:eJxLZEgEAAGHAMM=",     /* "a\0a". */
    };
    char *error;
    char *text = feed_unpack("5:eJzLSM3JyQcABiwCFQ==", &error);

    assert_null(error);
    assert_string_equal(text, "hello");
    free(text);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_null(feed_unpack(bad[i], &error));
        assert_non_null(error);
        free(error);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_bad_lines),    cmocka_unit_test(test_shortest_line),
        cmocka_unit_test(test_out_of_range), cmocka_unit_test(test_odd_names),
        cmocka_unit_test(test_pack),         cmocka_unit_test(test_bad_packs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
