#include "openflow/reject.h"

#include <string.h>

#include "base/test.h"
#include "csum.h"
#include "dp-packet.h"
#include "flow.h"
#include "packets.h"
#include "util.h"

static const struct eth_addr ETH_A = { .ea = { 2, 0, 0, 0, 0, 0xa } };
static const struct eth_addr ETH_B = { .ea = { 2, 0, 0, 0, 0, 0xb } };

struct frame {
    uint8_t b[256];
    size_t len;
};

static void
put16(uint8_t *p, uint16_t value)
{
    p[0] = value >> 8;
    p[1] = value & 0xff;
}

static uint32_t
get32(const uint8_t *p)
{
    return (uint32_t) p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

/* A packet of 10.0.0.1 to 10.0.0.2, or fd00::1 to fd00::2. */
static struct frame
ip_frame(int family, uint8_t protocol, size_t payload_len)
{
    struct frame f = { .len = 14 };
    memcpy(f.b, &ETH_B, 6);
    memcpy(f.b + 6, &ETH_A, 6);
    uint8_t *ip = f.b + 14;
    if (family == 4) {
        put16(f.b + 12, ETH_TYPE_IP);
        ip[0] = 0x45;
        put16(ip + 2, 20 + payload_len);
        ip[8] = 9;
        ip[9] = protocol;
        memcpy(ip + 12, (uint8_t[]){ 10, 0, 0, 1 }, 4);
        memcpy(ip + 16, (uint8_t[]){ 10, 0, 0, 2 }, 4);
        f.len += 20 + payload_len;
    } else {
        put16(f.b + 12, ETH_TYPE_IPV6);
        ip[0] = 0x60;
        put16(ip + 4, payload_len);
        ip[6] = protocol;
        ip[7] = 9;
        ip[8] = ip[24] = 0xfd;
        ip[23] = 1;
        ip[39] = 2;
        f.len += 40 + payload_len;
    }
    return f;
}

static size_t
transport(int family)
{
    return 14 + (family == 4 ? 20 : 40);
}

/* Ports 4000 to 80, sequence number 1000, acknowledged 2000. */
static struct frame
tcp_frame(int family, uint8_t flags, size_t data)
{
    struct frame f = ip_frame(family, IPPROTO_TCP, 20 + data);
    uint8_t *tcp = f.b + transport(family);
    put16(tcp, 4000);
    put16(tcp + 2, 80);
    put16(tcp + 6, 1000);
    put16(tcp + 10, 2000);
    tcp[12] = 5 << 4;
    tcp[13] = flags;
    return f;
}

static bool
build(const struct frame *f, struct reject_answer *a)
{
    memset(a, 0xee, sizeof *a);
    return reject_build(f->b, f->len, ETH_B, ETH_A, a);
}

/* Open vSwitch's own reading of the answer. */
static void
assert_sane(const struct reject_answer *a, int family)
{
    struct dp_packet packet;
    struct flow flow;
    dp_packet_use_const(&packet, a->frame, a->len);
    flow_extract(&packet, &flow);
    assert_int_equal(ntohs(flow.dl_type), family == 4 ? ETH_TYPE_IP : ETH_TYPE_IPV6);
    assert_memory_equal(&flow.dl_src, &ETH_B, 6);
    assert_memory_equal(&flow.dl_dst, &ETH_A, 6);
    if (family == 4) {
        assert_int_equal(ntohl(flow.nw_src), 0x0a000002);
        assert_int_equal(ntohl(flow.nw_dst), 0x0a000001);
        assert_int_equal(csum(a->frame + 14, 20), 0);
    } else {
        assert_int_equal(flow.ipv6_src.s6_addr[15], 2);
        assert_int_equal(flow.ipv6_dst.s6_addr[15], 1);
    }
    assert_int_equal(flow.nw_ttl, 64);
    dp_packet_uninit(&packet);
}

/* Sum over the payload and what of the addresses is summed. */
static bool
is_sum_right(const struct reject_answer *a, int family, bool with_addresses, uint8_t protocol)
{
    size_t at = transport(family);
    uint32_t partial = 0;
    if (with_addresses) {
        size_t addresses = family == 4 ? 8 : 32;
        partial = csum_continue(partial, a->frame + at - addresses, addresses);
        partial = csum_add16(partial, htons(protocol));
        partial = csum_add16(partial, htons(a->len - at));
    }
    return !csum_finish(csum_continue(partial, a->frame + at, a->len - at));
}

static void
assert_reset(const struct frame *f, int family, uint32_t seq, uint32_t ack, uint8_t flags)
{
    struct reject_answer a;
    assert_true(build(f, &a));
    assert_sane(&a, family);
    const uint8_t *tcp = a.frame + transport(family);
    assert_int_equal(a.len, transport(family) + 20);
    assert_int_equal(get32(tcp), 80 << 16 | 4000);
    assert_int_equal(get32(tcp + 4), seq);
    assert_int_equal(get32(tcp + 8), ack);
    assert_int_equal(tcp[13], flags);
    assert_true(is_sum_right(&a, family, true, IPPROTO_TCP));
}

static void
test_reset(void **state)
{
    static const int families[] = { 4, 6 };
    for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
        int family = families[i];
        struct frame f = tcp_frame(family, 0x02, 0); /* SYN */
        assert_reset(&f, family, 0, 1001, 0x14);
        f = tcp_frame(family, 0x02, 10); /* With data, as TCP Fast Open has it. */
        assert_reset(&f, family, 0, 1011, 0x14);
        f = tcp_frame(family, 0x01, 10); /* FIN without ACK. */
        assert_reset(&f, family, 0, 1011, 0x14);
        f = tcp_frame(family, 0x18, 10); /* Data of a connection that is not there. */
        assert_reset(&f, family, 2000, 0, 0x04);
        f = tcp_frame(family, 0x12, 0); /* SYN and ACK. */
        assert_reset(&f, family, 2000, 0, 0x04);
    }
}

/* The message has the first bytes only; lengths are those of the header. */
static void
test_cut_short(void **state)
{
    struct frame f = tcp_frame(4, 0x02, 0);
    put16(f.b + 14 + 2, 20 + 20 + 1400);
    assert_reset(&f, 4, 0, 1000 + 1400 + 1, 0x14);
    /* Padding of a short frame is no data. */
    f = tcp_frame(4, 0x02, 0);
    f.len += 6;
    assert_reset(&f, 4, 0, 1001, 0x14);
}

static void
assert_no_answer(const struct frame *f)
{
    struct reject_answer a;
    assert_false(build(f, &a));
}

static void
test_never_a_reset_for_a_reset(void **state)
{
    static const int families[] = { 4, 6 };
    for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
        struct frame f = tcp_frame(families[i], 0x04, 0);
        assert_no_answer(&f);
        f = tcp_frame(families[i], 0x14, 0);
        assert_no_answer(&f);
        f = tcp_frame(families[i], 0x06, 0);
        assert_no_answer(&f);
    }
}

static void
assert_unreachable(const struct frame *f, int family)
{
    struct reject_answer a;
    assert_true(build(f, &a));
    assert_sane(&a, family);
    const uint8_t *icmp = a.frame + transport(family);
    assert_int_equal(icmp[0], family == 4 ? 3 : 1);
    assert_int_equal(icmp[1], family == 4 ? 13 : 1);
    assert_int_equal(get32(icmp + 4), 0);
    assert_int_equal(a.len, transport(family) + 8 + f->len - 14);
    assert_memory_equal(icmp + 8, f->b + 14, f->len - 14);
    assert_true(is_sum_right(&a, family, family == 6, IPPROTO_ICMPV6));
}

static void
test_unreachable(void **state)
{
    static const uint8_t protocols[] = { IPPROTO_UDP, IPPROTO_SCTP, IPPROTO_GRE };
    for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
        struct frame f = ip_frame(4, protocols[i], 31);
        assert_unreachable(&f, 4);
        f = ip_frame(6, protocols[i], 31);
        assert_unreachable(&f, 6);
    }
    struct frame f = ip_frame(4, IPPROTO_ICMP, 40);
    f.b[transport(4)] = 8; /* Echo request. */
    assert_unreachable(&f, 4);
    f = ip_frame(6, IPPROTO_ICMPV6, 40);
    f.b[transport(6)] = 128;
    assert_unreachable(&f, 6);
}

static void
test_icmp_that_is_no_request(void **state)
{
    for (int type = 0; type < 256; type++) {
        struct reject_answer a;
        struct frame f = ip_frame(4, IPPROTO_ICMP, 40);
        f.b[transport(4)] = type;
        assert_int_equal(build(&f, &a), type == 8 || type == 13 || type == 15 || type == 17);
        f = ip_frame(6, IPPROTO_ICMPV6, 40);
        f.b[transport(6)] = type;
        assert_int_equal(build(&f, &a), type == 128);
    }
}

static void
test_not_one_host(void **state)
{
    static const uint8_t bad4[][4] = {
        { 0, 0, 0, 0 },
        { 127, 0, 0, 1 },
        { 224, 0, 0, 1 },
        { 255, 255, 255, 255 },
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad4); i++) {
        for (size_t at = 12; at <= 16; at += 4) {
            struct frame f = ip_frame(4, IPPROTO_UDP, 20);
            memcpy(f.b + 14 + at, bad4[i], 4);
            assert_no_answer(&f);
        }
    }
    static const uint8_t first_byte[] = { 0, 0xff };
    for (size_t i = 0; i < ARRAY_SIZE(first_byte); i++) {
        for (size_t at = 8; at <= 24; at += 16) {
            struct frame f = ip_frame(6, IPPROTO_UDP, 20);
            f.b[14 + at] = first_byte[i];
            f.b[14 + at + 15] = !!first_byte[i];
            assert_no_answer(&f);
        }
    }
    struct frame f = ip_frame(4, IPPROTO_UDP, 20);
    f.b[0] |= 1; /* To a group of Ethernet. */
    assert_no_answer(&f);
    f = ip_frame(4, IPPROTO_UDP, 20);
    put16(f.b + 12, ETH_TYPE_ARP);
    assert_no_answer(&f);
}

static void
test_fragments(void **state)
{
    struct frame f = ip_frame(4, IPPROTO_UDP, 20);
    put16(f.b + 14 + 6, 0x2000); /* The first. */
    assert_unreachable(&f, 4);
    put16(f.b + 14 + 6, 0x2001);
    assert_no_answer(&f);
    put16(f.b + 14 + 6, 0x0001); /* The last. */
    assert_no_answer(&f);
    f = tcp_frame(4, 0x02, 0); /* How long it is is not known. */
    put16(f.b + 14 + 6, 0x2000);
    assert_no_answer(&f);

    f = ip_frame(6, IPPROTO_FRAGMENT, 28);
    f.b[transport(6)] = IPPROTO_UDP;
    f.b[transport(6) + 3] = 1;
    assert_unreachable(&f, 6);
    put16(f.b + transport(6) + 2, 8 << 3);
    assert_no_answer(&f);
}

static void
test_extensions(void **state)
{
    struct frame f = ip_frame(6, IPPROTO_HOPOPTS, 8 + 16 + 20);
    uint8_t *at = f.b + transport(6);
    at[0] = IPPROTO_DSTOPTS;
    at[8] = IPPROTO_TCP;
    at[9] = 1;
    put16(at + 24, 4000);
    put16(at + 26, 80);
    put16(at + 30, 1000);
    at[36] = 5 << 4;
    at[37] = 0x02;
    assert_reset(&f, 6, 0, 1001, 0x14);
    at[9] = 200; /* Longer than the packet. */
    assert_no_answer(&f);
}

/* Nothing is read beyond the end: ASan looks on. */
static void
test_every_length(void **state)
{
    struct frame frames[] = {
        tcp_frame(4, 0x02, 10),           tcp_frame(6, 0x02, 10),
        ip_frame(4, IPPROTO_UDP, 30),     ip_frame(6, IPPROTO_UDP, 30),
        ip_frame(4, IPPROTO_ICMP, 30),    ip_frame(6, IPPROTO_ICMPV6, 30),
        ip_frame(6, IPPROTO_HOPOPTS, 30),
    };
    for (size_t i = 0; i < ARRAY_SIZE(frames); i++) {
        for (size_t len = 0; len <= frames[i].len; len++) {
            uint8_t *copy = xmemdup(frames[i].b, len ? len : 1);
            struct reject_answer a;
            if (reject_build(copy, len, ETH_B, ETH_A, &a)) {
                assert_true(a.len <= sizeof a.frame);
            }
            free(copy);
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_cut_short),
        cmocka_unit_test(test_never_a_reset_for_a_reset),
        cmocka_unit_test(test_unreachable),
        cmocka_unit_test(test_icmp_that_is_no_request),
        cmocka_unit_test(test_not_one_host),
        cmocka_unit_test(test_fragments),
        cmocka_unit_test(test_extensions),
        cmocka_unit_test(test_every_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
