#include "node/conntrack_text.h"

#include <string.h>

#include "base/prefix.h"
#include "base/test.h"

static struct conntrack_entry
parse(const char *line)
{
    struct conntrack_entry entry;
    memset(&entry, 0xff, sizeof entry);
    if (!conntrack_parse_line(line, strlen(line), &entry)) {
        fail_msg("refused: %s", line);
    }
    return entry;
}

static void
assert_address(const struct in6_addr *got, const char *wanted)
{
    struct in6_addr addr;
    char *error = addr_parse(wanted, &addr);
    assert_null(error);
    assert_memory_equal(got, &addr, sizeof addr);
}

static void
test_tcp(void **state)
{
    struct conntrack_entry e = parse("tcp,orig=(src=10.128.1.3,dst=10.128.255.2,sport=41096,"
                                     "dport=80),reply=(src=10.128.255.2,dst=10.128.1.3,sport=80,"
                                     "dport=41096),zone=17,labels=0x300000002,"
                                     "protoinfo=(state=ESTABLISHED)");
    assert_int_equal(e.protocol, IPPROTO_TCP);
    assert_int_equal(e.zone, 17);
    assert_address(&e.orig.src, "10.128.1.3");
    assert_address(&e.orig.dst, "10.128.255.2");
    assert_int_equal(e.orig.src_port, 41096);
    assert_int_equal(e.orig.dst_port, 80);
    assert_address(&e.reply.src, "10.128.255.2");
    assert_int_equal(e.reply.dst_port, 41096);
    assert_int_equal(e.label, UINT64_C(0x300000002));
}

static void
test_icmp_and_ip6(void **state)
{
    struct conntrack_entry e = parse("icmpv6,orig=(src=fd00::1,dst=fd00::2,id=700,type=128,"
                                     "code=0),reply=(src=fd00::2,dst=fd00::1,id=700,type=129,"
                                     "code=0),zone=5");
    assert_int_equal(e.protocol, IPPROTO_ICMPV6);
    assert_address(&e.orig.src, "fd00::1");
    assert_int_equal(e.orig.icmp_id, 700);
    assert_int_equal(e.orig.icmp_type, 128);
    assert_int_equal(e.reply.icmp_type, 129);
    assert_int_equal(e.orig.src_port, 0);
    assert_int_equal(e.label, 0);
}

/* What the kernel datapath, -m and -s add. */
static void
test_more_fields(void **state)
{
    struct conntrack_entry e = parse(
        "sctp,orig=(src=10.0.0.1,dst=10.0.0.2,sport=1,dport=2,packets=3,bytes=4),"
        "reply=(src=10.0.0.2,dst=10.0.0.1,sport=2,dport=1),start=2026-01-01T00:00:00.000,id=77,"
        "zone=65535,status=SEEN_REPLY|CONFIRMED,timeout=3600,mark=9,"
        "labels=0x123456789abcdef00112233445566778,protoinfo=(state=ESTABLISHED,vtag_orig=1),"
        "helper=ftp,parent=(src=1.1.1.1,dst=2.2.2.2,sport=1,dport=2)");
    assert_int_equal(e.protocol, IPPROTO_SCTP);
    assert_int_equal(e.zone, 65535);
    assert_int_equal(e.orig.dst_port, 2);
    assert_int_equal(e.label, UINT64_C(0x0112233445566778));
    e = parse("47,orig=(src=1.2.3.4,dst=5.6.7.8,sport=0,dport=0),"
              "reply=(src=5.6.7.8,dst=1.2.3.4,sport=0,dport=0)");
    assert_int_equal(e.protocol, 47);
    assert_int_equal(e.zone, 0);
}

static void
test_refuses(void **state)
{
#define TUPLE "src=1.2.3.4,dst=5.6.7.8,sport=1,dport=2"
    static const char *const lines[] = {
        "",
        "tcp",
        "what,orig=(" TUPLE "),reply=(" TUPLE ")",
        "256,orig=(" TUPLE "),reply=(" TUPLE ")",
        "tcp,orig=(" TUPLE ")",
        "tcp,orig=(" TUPLE "),reply=(" TUPLE,
        "tcp,orig=(" TUPLE "),reply=(" TUPLE ")zone=1",
        "tcp,orig=(" TUPLE "),reply=(" TUPLE "),zone=65536",
        "tcp,orig=(" TUPLE "),reply=(" TUPLE "),zone=",
        "tcp,orig=(" TUPLE "),reply=(" TUPLE "),labels=1",
        "tcp,orig=(" TUPLE "),reply=(" TUPLE "),protoinfo=(state=X",
        "tcp,orig=(src=1.2.3.4,sport=1,dport=2),reply=(" TUPLE ")",
        "tcp,orig=(src=1.2.3.256,dst=5.6.7.8,sport=1,dport=2),reply=(" TUPLE ")",
        "tcp,orig=(src=1.2.3,dst=5.6.7.8,sport=1,dport=2),reply=(" TUPLE ")",
        "tcp,orig=(src=1.2.3.4.5,dst=5.6.7.8,sport=1,dport=2),reply=(" TUPLE ")",
        "tcp,orig=(src=fd00:::1,dst=5.6.7.8,sport=1,dport=2),reply=(" TUPLE ")",
        "tcp,orig=(src=1.2.3.4,dst=5.6.7.8,sport=65536,dport=2),reply=(" TUPLE ")",
        "tcp,orig=(src=1.2.3.4,dst=5.6.7.8,sport=-1,dport=2),reply=(" TUPLE ")",
        "Unsupported address family: 7. HEX:",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct conntrack_entry e;
        if (conntrack_parse_line(lines[i], strlen(lines[i]), &e)) {
            fail_msg("taken: %s", lines[i]);
        }
    }
}

static void
test_reads_a_dump(void **state)
{
    static const char dump[] = "udp,orig=(" TUPLE "),reply=(" TUPLE "),zone=1\n"
                               "nonsense\n"
                               "\n"
                               "udp,orig=(" TUPLE "),reply=(" TUPLE "),zone=2";
    struct conntrack_reader reader = { .pos = dump, .end = dump + strlen(dump) };
    struct conntrack_entry e;
    assert_true(conntrack_read(&reader, &e));
    assert_int_equal(e.zone, 1);
    assert_true(conntrack_read(&reader, &e));
    assert_int_equal(e.zone, 2);
    assert_false(conntrack_read(&reader, &e));
    assert_int_equal(reader.n_bad, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tcp),          cmocka_unit_test(test_icmp_and_ip6),
        cmocka_unit_test(test_more_fields),  cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_reads_a_dump),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
