/* Records: the change log says what changed and nothing else, and the text
 * form loses nothing. */
#include "base/records.h"

#include <stdlib.h>
#include <string.h>

#include "base/test.h"
#include "openvswitch/dynamic-string.h"
#include "random.h"
#include "util.h"

/* One record of each kind with every field away from its default. */
static const char sample[] =
    "node 1 name=node-1 vtep=172.30.0.1 addresses=10.9.0.1,172.30.0.1\n"
    "network 4097 name=shop zone=16 subnets=10.128.1.0/24,10.128.9.0/24 "
    "gateways=10.128.1.1,10.128.9.1\n"
    "identity 256 vni=4097 labels=shop{app=redis}\n"
    "endpoint 7 name=shop/redis-0 uid=5e1f vni=4097 identity=256 node=1 "
    "mac=02:56:0a:80:01:02 ips=10.128.1.2\n"
    "set 12 selector=\"ns{a in (x,y)}/pod{say=\\\"hi\\\"} \" identities=256,300\n"
    "set 13 selector=\"\"\n"
    "set 14 selector=nets identities=256 prefixes=::/0,10.0.0.0/8 "
    "domains=*.b.example,a.example\n"
    "set 15 selector=names domains=c.example\n"
    "rule 9 ingress tier=networkpolicy priority=-5 action=allow vni=4097 subject=12 "
    "peers=set:12,set:13,10.0.0.0/8,2001:db8::/32 ports=tcp:6379,udp:1000-2000,sctp:0-65535 "
    "policy=NetworkPolicy/shop/redis index=3\n"
    "rule 10 egress tier=admin priority=7 action=isolate vni=0 subject=13 peers=any ports=any "
    "policy=NetworkPolicy/shop/redis index=-1\n"
    "rule 11 egress tier=baseline priority=8 rank=60000 action=deny vni=0 subject=13 "
    "peers=pods,set:14 ports=any policy=ClusterNetworkPolicy//x index=0 flags=log,dry-run\n"
    "rule 12 egress tier=group priority=8 rank=1 action=reject vni=0 subject=13 peers=any,pods "
    "ports=any policy=p index=0 flags=log\n"
    "rule 13 egress tier=group priority=8 rank=2 action=pass vni=0 subject=13 peers=pods "
    "ports=any policy=p index=0 flags=dry-run\n";

static struct records *
must_parse(const char *text)
{
    struct records *rs = records_create();
    char *error = records_parse(text, rs);

    if (error) {
        fail_msg("%s", error);
    }
    return rs;
}

static void
test_text_round_trip(void **state)
{
    struct records *rs = must_parse(sample);
    struct ds ds = DS_EMPTY_INITIALIZER;

    records_format_all(rs, &ds);
    assert_string_equal(ds_cstr(&ds), sample);
    ds_destroy(&ds);
    records_destroy(rs);
}

static void
test_comments_and_blank_lines(void **state)
{
    struct records *rs = must_parse("# nothing\n\n  # here\nidentity 300 vni=1 labels=a{}");

    assert_string_equal(records_identity(rs, 300)->labels, "a{}");
    records_destroy(rs);
}

static void
assert_refused(const char *text, const char *reason)
{
    struct records *rs = records_create();
    char *error = records_parse(text, rs);

    if (!error || !strstr(error, reason)) {
        fail_msg("\"%s\": got \"%s\", not \"%s\"", text, error ? error : "no error", reason);
    }
    free(error);
    records_destroy(rs);
}

static void
test_refuses(void **state)
{
    assert_refused("pod 1", "line 1: \"node\" or another known word expected");
    assert_refused("\nnode x", "line 2: \"x\" is not a number");
    assert_refused("node", "a key expected");
    assert_refused("node 4294967296 name=a vtep=1.1.1.1 addresses=", "is not a number");
    assert_refused("node 1 name=a vtep= addresses=", "one vtep address expected");
    assert_refused("identity 1 vni=2 labels=x extra", "nothing more expected");
    assert_refused("identity 1 vni=2 labels=\"x", "quote is not closed");
    assert_refused("set 1 selector=x identities=5,4", "sorted and unique");
    assert_refused("set 1 selector=x prefixes=10.1.0.0/16,10.0.0.0/8", "must be sorted");
    assert_refused("set 1 selector=x prefixes=10.0.0.0/8,10.1.0.0/16", "none within another");
    assert_refused("set 1 selector=x prefixes=::/0,10.0.0.0/8,2001:db8::/32", "none within");
    assert_refused("set 1 selector=x domains=A.example", "not a domain name in lower case");
    assert_refused("set 1 selector=x domains=b,a", "domains must be sorted");
    assert_refused("set 1 selector=x domains=b identities=1", "nothing more expected");
    assert_refused("rule 1 egress tier=admin priority=0 rank=60001 action=deny vni=0 subject=1 "
                   "peers=any ports=any policy=p index=0",
                   "is not a number of 0 to 60000");
    assert_refused("rule 1 egress tier=admin priority=0 action=deny vni=0 subject=1 peers=any "
                   "ports=any policy=p index=0 flags=lag",
                   "\"lag\" is not a flag");
    assert_refused("network 1 name=x zone=65536 subnets= gateways=", "is not a number");
    assert_refused("network 1 name=x zone=1 subnets=10.0.0.0/8 gateways=", "as many gateways");
    assert_refused("endpoint 1 name=x uid= vni=1 identity=1 node=1 mac=zz ips=1.1.1.1",
                   "not an Ethernet address");
}

static void
test_clone_is_equal_and_apart(void **state)
{
    struct records *rs = must_parse(sample);

    for (int kind = 0; kind < N_RECORD_KINDS; kind++) {
        const struct record *r;

        for (r = records_first(rs, kind); r; r = records_next(rs, r)) {
            struct record *copy = record_clone(r);

            assert_true(record_equal(r, copy));
            record_destroy(copy); /* The sanitizer sees shared memory. */
        }
    }
    records_destroy(rs);
}

/* Changing any single word of a record's text makes it unequal. */
static void
test_equal_sees_every_field(void **state)
{
    static const char *const edits[][2] = {
        { "name=node-1", "name=node-2" },
        { "vtep=172.30.0.1", "vtep=172.30.0.2" },
        { "addresses=10.9.0.1,", "addresses=" },
        { "zone=16", "zone=17" },
        { "10.128.9.0/24", "10.128.9.0/25" },
        { ",10.128.9.1\n", ",10.128.9.2\n" },
        { "vni=4097 labels", "vni=4098 labels" },
        { "app=redis", "app=mysql" },
        { "uid=5e1f", "uid=5e1e" },
        { "identity=256", "identity=257" },
        { "node=1 ", "node=2 " },
        { "mac=02", "mac=06" },
        { "ips=10.128.1.2", "ips=10.128.1.3" },
        { "256,300", "256,301" },
        { "(x,y)", "(x,z)" },
        { "rule 9 ingress", "rule 9 egress" },
        { "tier=networkpolicy", "tier=group" },
        { "priority=-5", "priority=5" },
        { "action=allow", "action=isolate" },
        { "subject=12", "subject=13" },
        { "peers=set:12,", "peers=" },
        { "10.0.0.0/8", "10.0.0.0/9" },
        { "tcp:6379", "udp:6379" },
        { "udp:1000-2000", "udp:1000-2001" },
        { "prefixes=::/0,", "prefixes=" },
        { "domains=*.b.example,", "domains=" },
        { "a.example\n", "b.example\n" },
        { "rank=60000", "rank=59999" },
        { "action=deny", "action=reject" },
        { "peers=pods,", "peers=" },
        { "flags=log,", "flags=" },
        { "flags=log,dry-run", "flags=log" },
        { "peers=any", "peers=" },
        { "ports=any", "ports=" },
        { "index=3", "index=4" },
        { "shop/redis index=3", "x index=3" },
    };
    struct records *rs = must_parse(sample);

    for (size_t i = 0; i < ARRAY_SIZE(edits); i++) {
        const char *at = strstr(sample, edits[i][0]);
        assert_non_null(at);
        char *text = xasprintf("%.*s%s%s", (int) (at - sample), sample, edits[i][1],
                               at + strlen(edits[i][0]));
        char *error = records_parse(text, rs);

        assert_null(error);
        records_clear_changes(rs);
        assert_null(records_parse(sample, rs));
        if (!records_any_changes(rs)) {
            fail_msg("%s to %s was not seen", edits[i][0], edits[i][1]);
        }
        free(text);
    }
    records_destroy(rs);
}

static size_t
n_changed(const struct records *rs, enum record_kind kind)
{
    size_t n;

    free(records_changed(rs, kind, &n));
    return n;
}

static void
test_change_log(void **state)
{
    struct records *rs = must_parse(sample);

    assert_int_equal(n_changed(rs, RECORD_SET), 4);
    records_clear_changes(rs);
    assert_false(records_any_changes(rs));

    assert_null(records_parse(sample, rs)); /* Equal records are no change. */
    assert_false(records_any_changes(rs));

    assert_true(records_remove(rs, RECORD_RULE, 9));
    assert_false(records_remove(rs, RECORD_RULE, 9));
    assert_null(records_rule(rs, 9));
    assert_int_equal(n_changed(rs, RECORD_RULE), 1);
    assert_true(records_any_changed(rs, RECORD_RULE));
    assert_false(records_any_changed(rs, RECORD_SET));
    assert_int_equal(records_before(rs, RECORD_RULE, 9)->key, 9);
    assert_null(records_parse(sample, rs)); /* Back again: still one key. */
    assert_int_equal(n_changed(rs, RECORD_RULE), 1);
    assert_ptr_not_equal(records_before(rs, RECORD_RULE, 9), records_find(rs, RECORD_RULE, 9));
    records_clear_changes(rs);
    assert_ptr_equal(records_before(rs, RECORD_RULE, 9), records_find(rs, RECORD_RULE, 9));
    assert_true(records_put(rs, &rec_identity_create(7777)->r));
    assert_null(records_before(rs, RECORD_IDENTITY, 7777));
    records_clear_changes(rs);
    assert_int_equal(n_changed(rs, RECORD_NODE), 0);
    records_destroy(rs);
}

static void
test_sorted(void **state)
{
    struct records *rs = records_create();
    size_t n;

    for (uint32_t i = 0; i < 1000; i++) {
        records_put(rs, &rec_identity_create(i * 7919 % 1000)->r);
    }
    const struct record **a = records_sorted(rs, RECORD_IDENTITY, &n);
    assert_int_equal(n, 1000);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(a[i]->key, i);
    }
    free(a);
    records_destroy(rs);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_round_trip),
        cmocka_unit_test(test_comments_and_blank_lines),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_clone_is_equal_and_apart),
        cmocka_unit_test(test_equal_sees_every_field),
        cmocka_unit_test(test_change_log),
        cmocka_unit_test(test_sorted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
