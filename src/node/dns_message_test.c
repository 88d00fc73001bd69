#include "node/dns_message.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/test.h"
#include "util.h"

static uint8_t msg[2048];
static size_t len;
static struct dns_answer answer;

enum { A = 1, NS = 2, CNAME = 5, AAAA = 28 };

static void
put16(uint16_t value)
{
    msg[len++] = value >> 8;
    msg[len++] = value & 0xff;
}

static void
put_name(const char *name)
{
    while (*name) {
        size_t n = strcspn(name, ".");
        msg[len++] = n;
        memcpy(msg + len, name, n);
        len += n;
        name += n + (name[n] == '.');
    }
    msg[len++] = 0;
}

/* A response with one question; more records raise the count. */
static void
begin(const char *name, uint16_t type)
{
    memset(msg, 0, sizeof msg);
    len = 0;
    put16(77);
    put16(0x8180);
    put16(1);
    len += 6;
    put_name(name);
    put16(type);
    put16(1);
}

static size_t
begin_record(const char *name, uint16_t type, uint16_t ttl)
{
    msg[7]++;
    put_name(name);
    put16(type);
    put16(1);
    put16(0);
    put16(ttl);
    len += 2;
    return len;
}

static void
end_record(size_t start)
{
    msg[start - 2] = (len - start) >> 8;
    msg[start - 1] = (len - start) & 0xff;
}

static void
address(const char *name, const char *addr, uint16_t ttl)
{
    bool ip6 = strchr(addr, ':');
    size_t start = begin_record(name, ip6 ? AAAA : A, ttl);
    assert_int_equal(inet_pton(ip6 ? AF_INET6 : AF_INET, addr, msg + len), 1);
    len += ip6 ? 16 : 4;
    end_record(start);
}

static void
alias(const char *name, const char *to, uint16_t ttl)
{
    size_t start = begin_record(name, CNAME, ttl);
    put_name(to);
    end_record(start);
}

/* A copy of the exact size: ASan sees what is read beyond the end. */
static bool
decode(void)
{
    uint8_t *copy = xmemdup(msg, len ? len : 1);
    bool ok = dns_answer_decode(copy, len, &answer);
    free(copy);
    return ok;
}

static void
assert_address(size_t i, const char *text, uint32_t ttl)
{
    struct in6_addr want;
    char *mapped = strchr(text, ':') ? xstrdup(text) : xasprintf("::ffff:%s", text);
    assert_int_equal(inet_pton(AF_INET6, mapped, &want), 1);
    free(mapped);
    assert_true(i < answer.n_addresses);
    assert_memory_equal(&answer.addresses[i].addr, &want, sizeof want);
    assert_int_equal(answer.addresses[i].ttl, ttl);
}

static void
test_addresses(void **state)
{
    begin("WWW.Example.com", A);
    address("www.example.COM", "192.0.2.1", 300);
    address("www.example.com", "192.0.2.2", 60);
    address("other.example.com", "192.0.2.3", 60); /* Not asked for. */
    address("www.example.com", "2001:db8::1", 7);
    address("www.example.com", "127.0.0.1", 7); /* Nobody's. */
    assert_true(decode());
    assert_int_equal(answer.n_names, 1);
    assert_string_equal(answer.names[0], "www.example.com");
    assert_int_equal(answer.n_addresses, 3);
    assert_address(0, "192.0.2.1", 300);
    assert_address(1, "192.0.2.2", 60);
    assert_address(2, "2001:db8::1", 7);
}

static void
test_chain(void **state)
{
    begin("www.example.com", A);
    address("edge.cdn.net", "192.0.2.9", 300); /* In any order. */
    alias("b.example.com", "edge.cdn.net", 20);
    alias("www.example.com", "b.example.com", 600);
    alias("c.example.com", "d.example.com", 600);
    address("d.example.com", "192.0.2.10", 300);
    address("www.example.com", "192.0.2.11", 300); /* An alias has no address. */
    assert_true(decode());
    assert_int_equal(answer.n_names, 3);
    assert_string_equal(answer.names[1], "b.example.com");
    assert_string_equal(answer.names[2], "edge.cdn.net");
    assert_int_equal(answer.n_addresses, 1);
    assert_address(0, "192.0.2.9", 20);
}

static void
test_chain_that_bites_its_tail(void **state)
{
    begin("a.x", A);
    alias("a.x", "b.x", 5);
    alias("b.x", "a.x", 5);
    address("a.x", "192.0.2.1", 5);
    assert_true(decode());
    assert_int_equal(answer.n_names, 2);
    assert_int_equal(answer.n_addresses, 0);
    begin("n0.x", A);
    for (int i = 0; i < 40; i++) {
        char from[16], to[16];
        snprintf(from, sizeof from, "n%d.x", i);
        snprintf(to, sizeof to, "n%d.x", i + 1);
        alias(from, to, 5);
    }
    address("n40.x", "192.0.2.1", 5);
    assert_true(decode());
    assert_int_equal(answer.n_names, DNS_NAMES_MAX);
    assert_int_equal(answer.n_addresses, 0);
}

/* A record whose name is the two bytes 'pointer'. */
static void
pointed(uint16_t pointer)
{
    msg[7]++;
    put16(pointer);
    put16(A);
    put16(1);
    put16(0);
    put16(9);
    put16(4);
    memcpy(msg + len, (uint8_t[]){ 192, 0, 2, 1 }, 4);
    len += 4;
}

static void
test_compression(void **state)
{
    begin("www.example.com", A);
    pointed(0xc00c);
    assert_true(decode());
    assert_int_equal(answer.n_addresses, 1);

    begin("www.example.com", A);
    pointed(0xc000 | len); /* To itself. */
    assert_false(decode());
    begin("www.example.com", A);
    pointed(0xc000 | (len + 4)); /* Forward. */
    assert_false(decode());
    begin("www.example.com", A);
    pointed(0xffff);
    assert_false(decode());
    begin("www.example.com", A);
    pointed(0x8000); /* No such label. */
    assert_false(decode());

    begin("x.y", A);
    msg[12] = 0xc0; /* The question points to itself. */
    msg[13] = 12;
    assert_false(decode());
}

static void
test_names(void **state)
{
    char name[300];
    begin("a_b-c.example.com", A);
    assert_true(decode());
    begin("a b.example.com", A);
    assert_false(decode());
    begin("w\xc3\xa4.example.com", A);
    assert_false(decode());
    memset(name, 'x', sizeof name);
    for (size_t i = 0; i < sizeof name; i += 10) {
        name[i] = '.';
    }
    name[0] = 'x';
    name[249] = '\0';
    begin(name, A);
    assert_true(decode());
    assert_string_equal(answer.names[0], name);
    name[249] = 'x';
    name[260] = '\0';
    begin(name, A);
    assert_false(decode());
}

static void
test_not_an_answer(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
    } changes[] = {
        { 2, 0x01 },              /* A query. */
        { 2, 0x89 },              /* Another opcode. */
        { 3, 0x83 },              /* NXDOMAIN. */
        { 5, 2 },                 /* Two questions. */
        { 5, 0 },    { 6, 0xff }, /* More records than there are. */
    };
    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        begin("a.x", A);
        address("a.x", "192.0.2.1", 5);
        msg[changes[i].at] = changes[i].value;
        assert_false(decode());
    }
    begin("a.x", NS);
    assert_false(decode());
    begin("a.x", A);
    msg[len - 1] = 3; /* Class CHAOS. */
    assert_false(decode());
}

static void
test_every_length(void **state)
{
    begin("www.example.com", A);
    alias("www.example.com", "b.example.com", 600);
    address("b.example.com", "192.0.2.9", 300);
    pointed(0xc00c);
    size_t whole = len;
    for (len = 0; len < whole; len++) {
        assert_false(decode());
    }
    assert_true(decode());
    len += 10; /* What follows the answers is of no interest. */
    assert_true(decode());
}

static void
test_odd_records(void **state)
{
    begin("a.x", A);
    size_t start = begin_record("a.x", A, 5);
    len += 5; /* Too long for an address. */
    end_record(start);
    start = begin_record("a.x", AAAA, 5);
    memcpy(msg + len, (uint8_t[16]){ [10] = 0xff, 0xff, 10, 0, 0, 1 }, 16);
    len += 16;
    end_record(start);
    start = begin_record("a.x", CNAME, 5);
    put_name("b.x");
    len++; /* And something more. */
    end_record(start);
    address("b.x", "192.0.2.1", 5);
    assert_true(decode());
    assert_int_equal(answer.n_names, 1);
    assert_int_equal(answer.n_addresses, 0);
}

static void
test_frame(void **state)
{
    uint8_t frame[512] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45 };
    struct in6_addr server;
    begin("a.x", A);
    address("a.x", "192.0.2.1", 5);
    size_t total = 20 + 8 + len;
    frame[16] = total >> 8;
    frame[17] = total & 0xff;
    frame[22] = 64;
    frame[23] = IPPROTO_UDP;
    memcpy(frame + 26, (uint8_t[]){ 10, 0, 0, 53 }, 4);
    memcpy(frame + 30, (uint8_t[]){ 10, 0, 0, 2 }, 4);
    frame[35] = 53;
    frame[37] = 99;
    frame[38] = (8 + len) >> 8;
    frame[39] = (8 + len) & 0xff;
    memcpy(frame + 42, msg, len);
    assert_true(dns_frame_decode(frame, 14 + total, &answer, &server));
    assert_int_equal(answer.n_addresses, 1);
    assert_int_equal(server.s6_addr[15], 53);
    assert_false(dns_frame_decode(frame, 14 + total - 1, &answer, &server));
    assert_false(dns_frame_decode(frame, 41, &answer, &server));
    frame[35] = 54; /* Another port. */
    assert_false(dns_frame_decode(frame, 14 + total, &answer, &server));
    frame[35] = 53;
    frame[20] = 0x20; /* A fragment. */
    assert_false(dns_frame_decode(frame, 14 + total, &answer, &server));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_chain_that_bites_its_tail),
        cmocka_unit_test(test_compression),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_not_an_answer),
        cmocka_unit_test(test_every_length),
        cmocka_unit_test(test_odd_records),
        cmocka_unit_test(test_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
