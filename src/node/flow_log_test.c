#include "node/flow_log.h"

#include <string.h>

#include "base/test.h"
#include "openvswitch/dynamic-string.h"

/* A SYN of 10.128.1.2 port 4000 to 10.128.2.3 port 80. */
static uint8_t syn[54] = {
    2, 0,  0,    0, 0,  0xb, 2, 0, 0,  0,   0,    0xa, 8,  0,   0x45, 0, 0,   40,
    0, 0,  0x40, 0, 64, 6,   0, 0, 10, 128, 1,    2,   10, 128, 2,    3, 0xf, 0xa0,
    0, 80, 0,    0, 0,  1,   0, 0, 0,  0,   0x50, 2,   0,  0,   0,    0, 0,   0,
};

static struct records *records;

static const struct rec_rule *
rule(const char *text)
{
    char *error = records_parse(text, records);
    assert_null(error);
    return records_rule(records, 9);
}

static void
assert_line(const struct flow_log_entry *e, const char *wanted)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    flow_log_format(e, &s);
    assert_string_equal(ds_cstr(&s), wanted);
    ds_destroy(&s);
}

static struct flow_log_entry
entry(const struct rec_rule *r)
{
    return (struct flow_log_entry){
        .wall = 1772366400250,
        .node = "node-1",
        .rule = r,
        .rule_id = 9,
        .src_identity = 256,
        .dst_identity = 300,
        .src_endpoint = "shop/web-0",
        .frame = syn,
        .frame_len = sizeof syn,
    };
}

#define START "{\"time\":\"2026-03-01T12:00:00.250Z\",\"node\":\"node-1\","
#define ENDS                                                                                     \
    ",\"protocol\":\"tcp\",\"source\":{\"address\":\"10.128.1.2\",\"port\":4000,"                \
    "\"identity\":256,\"endpoint\":\"shop/web-0\"},\"destination\":{\"address\":\"10.128.2.3\"," \
    "\"port\":80,\"identity\":300}}\n"

static void
test_verdicts(void **state)
{
    struct flow_log_entry e = entry(
        rule("rule 9 ingress tier=group priority=5 rank=3000 action=reject vni=0 subject=3 "
             "peers=any ports=any policy=GroupPolicy//q index=2 flags=log,dry-run\n"));
    assert_line(&e, START "\"verdict\":\"reject\",\"policy\":\"GroupPolicy//q\",\"rule\":2,"
                          "\"tier\":\"group\",\"direction\":\"ingress\",\"dryRun\":true" ENDS);
    e = entry(rule("rule 9 egress tier=networkpolicy priority=0 action=isolate vni=4097 subject=3 "
                   "peers=any ports=any policy=NetworkPolicy/a/p index=-1 flags=log\n"));
    assert_line(&e, START "\"verdict\":\"deny\",\"policy\":\"NetworkPolicy/a/p\","
                          "\"tier\":\"networkpolicy\",\"direction\":\"egress\"" ENDS);
    e = entry(NULL);
    assert_line(&e, START "\"ruleId\":9" ENDS);
}

static void
test_odd_packets(void **state)
{
    struct flow_log_entry e = entry(NULL);
    e.frame_len = 20; /* Nothing to be read. */
    struct ds s = DS_EMPTY_INITIALIZER;
    flow_log_format(&e, &s);
    assert_null(strstr(ds_cstr(&s), "port"));
    ds_clear(&s);
    uint8_t ping[sizeof syn];
    memcpy(ping, syn, sizeof ping);
    ping[23] = IPPROTO_ICMP;
    ping[34] = 8;
    ping[35] = 0;
    e.frame = ping;
    e.frame_len = sizeof ping;
    flow_log_format(&e, &s);
    assert_non_null(strstr(ds_cstr(&s), "\"protocol\":\"icmp\",\"type\":8,\"code\":0"));
    assert_null(strstr(ds_cstr(&s), "port\""));
    ds_clear(&s);
    flow_log_format_suppressed(1772366400250, "n", 12, &s);
    assert_string_equal(
        ds_cstr(&s), "{\"time\":\"2026-03-01T12:00:00.250Z\",\"node\":\"n\",\"suppressed\":12}\n");
    ds_destroy(&s);
}

static void
test_addresses(void **state)
{
    struct in6_addr src, dst;
    assert_true(flow_log_addresses(syn, sizeof syn, &src, &dst));
    assert_int_equal(src.s6_addr[15], 2);
    assert_int_equal(dst.s6_addr[15], 3);
    assert_false(flow_log_addresses(syn, 14, &src, &dst));
}

static int
setup(void **state)
{
    records = records_create();
    return 0;
}

static int
teardown(void **state)
{
    records_destroy(records);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_odd_packets),
        cmocka_unit_test(test_addresses),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
