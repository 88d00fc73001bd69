/* A packet is read byte by byte into 'struct packet', which knows no family any
 * more, and the answer is written from that.  Lengths come from the IP header;
 * what of the packet is there may be less. */
#include "openflow/reject.h"

#include <netinet/in.h>
#include <string.h>

#include "csum.h"
#include "packets.h"
#include "util.h"

enum {
    ETH_LEN = 14,
    IP4_LEN = 20,
    IP6_LEN = 40,
    TCP_LEN = 20,
    ICMP_LEN = 8,
    MAX_EXTENSIONS = 8,
    ANSWER_TTL = 64,
    FLAG_FIN = 0x01,
    FLAG_SYN = 0x02,
    FLAG_RST = 0x04,
    FLAG_ACK = 0x10,
};

struct packet {
    const uint8_t *ip; /* From the IP header on. */
    size_t len;        /* What is there, no padding. */
    bool is_ip6;
    const uint8_t *src, *dst;
    size_t addr_len;
    uint8_t protocol;
    bool is_fragment;     /* The first. */
    size_t payload;       /* Where the transport header is. */
    size_t payload_total; /* Its length with all that follows, if it were all there. */
};

static uint16_t
get16(const uint8_t *p)
{
    return p[0] << 8 | p[1];
}

static uint32_t
get32(const uint8_t *p)
{
    return (uint32_t) get16(p) << 16 | get16(p + 2);
}

static void
put16(uint8_t *p, uint16_t value)
{
    p[0] = value >> 8;
    p[1] = value & 0xff;
}

static void
put32(uint8_t *p, uint32_t value)
{
    put16(p, value >> 16);
    put16(p + 2, value & 0xffff);
}

/* --- Reading --------------------------------------------------------------------- */

/* One host, and not the reader itself. */
static bool
is_host4(const uint8_t *addr)
{
    return addr[0] != 0 && addr[0] != 127 && addr[0] < 224;
}

static bool
is_host6(const uint8_t *addr)
{
    struct in6_addr a;
    memcpy(&a, addr, sizeof a);
    return !IN6_IS_ADDR_UNSPECIFIED(&a) && !IN6_IS_ADDR_LOOPBACK(&a) && !IN6_IS_ADDR_MULTICAST(&a)
           && !IN6_IS_ADDR_V4MAPPED(&a);
}

static bool
read_ip4(struct packet *p)
{
    if (p->len < IP4_LEN || p->ip[0] >> 4 != 4) {
        return false;
    }
    size_t header = (p->ip[0] & 0xf) * 4, total = get16(p->ip + 2);
    uint16_t fragment = get16(p->ip + 6);
    if (header < IP4_LEN || p->len < header || total < header || fragment & 0x1fff) {
        return false;
    }
    p->len = MIN(p->len, total);
    p->is_fragment = fragment & 0x2000;
    p->protocol = p->ip[9];
    p->src = p->ip + 12;
    p->dst = p->ip + 16;
    p->addr_len = 4;
    p->payload = header;
    p->payload_total = total - header;
    return is_host4(p->src) && is_host4(p->dst);
}

static bool
is_extension(uint8_t protocol)
{
    return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING
           || protocol == IPPROTO_DSTOPTS || protocol == IPPROTO_FRAGMENT;
}

/* Goes over one extension header. */
static bool
skip_extension(struct packet *p)
{
    if (p->payload + 8 > p->len) {
        return false;
    }
    const uint8_t *h = p->ip + p->payload;
    bool is_fragment = p->protocol == IPPROTO_FRAGMENT;
    size_t len = is_fragment ? 8 : (h[1] + 1) * 8;
    if (is_fragment && get16(h + 2) & 0xfff8) {
        return false; /* Not the first. */
    }
    p->is_fragment = p->is_fragment || (is_fragment && h[3] & 1);
    if (len > p->payload_total || p->payload + len > p->len) {
        return false;
    }
    p->protocol = h[0];
    p->payload += len;
    p->payload_total -= len;
    return true;
}

static bool
read_ip6(struct packet *p)
{
    if (p->len < IP6_LEN || p->ip[0] >> 4 != 6) {
        return false;
    }
    p->payload_total = get16(p->ip + 4);
    p->len = MIN(p->len, IP6_LEN + p->payload_total);
    p->protocol = p->ip[6];
    p->src = p->ip + 8;
    p->dst = p->ip + 24;
    p->addr_len = 16;
    p->payload = IP6_LEN;
    for (int i = 0; is_extension(p->protocol); i++) {
        if (i == MAX_EXTENSIONS || !skip_extension(p)) {
            return false;
        }
    }
    return is_host6(p->src) && is_host6(p->dst);
}

static bool
read_packet(const uint8_t *frame, size_t len, struct packet *p)
{
    memset(p, 0, sizeof *p);
    if (len < ETH_LEN || frame[0] & 1) { /* To a group. */
        return false;
    }
    p->ip = frame + ETH_LEN;
    p->len = len - ETH_LEN;
    p->is_ip6 = get16(frame + 12) == ETH_TYPE_IPV6;
    if (p->is_ip6) {
        return read_ip6(p);
    }
    return get16(frame + 12) == ETH_TYPE_IP && read_ip4(p);
}

/* --- Writing --------------------------------------------------------------------- */

static size_t
ip_len(const struct packet *p)
{
    return p->is_ip6 ? IP6_LEN : IP4_LEN;
}

/* Ethernet and IP headers of an answer with 'payload_len' bytes of 'protocol'. */
static void
write_headers(const struct packet *p, uint8_t protocol, size_t payload_len,
              struct reject_answer *a)
{
    uint8_t *ip = a->frame + ETH_LEN;
    put16(a->frame + 12, p->is_ip6 ? ETH_TYPE_IPV6 : ETH_TYPE_IP);
    a->len = ETH_LEN + ip_len(p) + payload_len;
    memset(ip, 0, ip_len(p));
    if (p->is_ip6) {
        ip[0] = 6 << 4;
        put16(ip + 4, payload_len);
        ip[6] = protocol;
        ip[7] = ANSWER_TTL;
        memcpy(ip + 8, p->dst, 16);
        memcpy(ip + 24, p->src, 16);
    } else {
        ip[0] = 4 << 4 | IP4_LEN / 4;
        put16(ip + 2, IP4_LEN + payload_len);
        put16(ip + 6, 0x4000); /* Not to be cut in fragments; it needs no number. */
        ip[8] = ANSWER_TTL;
        ip[9] = protocol;
        memcpy(ip + 12, p->dst, 4);
        memcpy(ip + 16, p->src, 4);
        put16(ip + 10, ntohs(csum(ip, IP4_LEN)));
    }
}

/* Over a payload whose checksum field is zero yet. */
static uint16_t
checksum(const struct packet *p, uint8_t protocol, const uint8_t *payload, size_t len,
         bool with_addresses)
{
    uint32_t partial = 0;
    if (with_addresses) {
        partial = csum_continue(partial, p->src, p->addr_len);
        partial = csum_continue(partial, p->dst, p->addr_len);
        partial = csum_add16(partial, htons(protocol));
        partial = csum_add16(partial, htons(len));
    }
    return ntohs(csum_finish(csum_continue(partial, payload, len)));
}

/* --- TCP --------------------------------------------------------------------------- */

/* What the segment takes of the sequence space; false if that is not known. */
static bool
segment_len(const struct packet *p, const uint8_t *tcp, uint32_t *len)
{
    size_t header = (tcp[12] >> 4) * 4;
    if (p->is_fragment || header < TCP_LEN || header > p->payload_total) {
        return false;
    }
    *len = p->payload_total - header + !!(tcp[13] & FLAG_SYN) + !!(tcp[13] & FLAG_FIN);
    return true;
}

static bool
build_reset(const struct packet *p, struct reject_answer *a)
{
    if (p->len < p->payload + TCP_LEN) {
        return false;
    }
    const uint8_t *tcp = p->ip + p->payload;
    uint8_t *reset = a->frame + ETH_LEN + ip_len(p);
    uint32_t len;
    if (tcp[13] & FLAG_RST) {
        return false;
    }
    memset(reset, 0, TCP_LEN);
    if (tcp[13] & FLAG_ACK) {
        put32(reset + 4, get32(tcp + 8));
        reset[13] = FLAG_RST;
    } else if (segment_len(p, tcp, &len)) {
        put32(reset + 8, get32(tcp + 4) + len);
        reset[13] = FLAG_RST | FLAG_ACK;
    } else {
        return false;
    }
    memcpy(reset, tcp + 2, 2);
    memcpy(reset + 2, tcp, 2);
    reset[12] = TCP_LEN / 4 << 4;
    put16(reset + 16, checksum(p, IPPROTO_TCP, reset, TCP_LEN, true));
    write_headers(p, IPPROTO_TCP, TCP_LEN, a);
    return true;
}

/* --- ICMP -------------------------------------------------------------------------- */

/* Only requests: what is not known may be an error of days to come. */
static bool
is_icmp_request(const struct packet *p)
{
    if (p->len < p->payload + ICMP_LEN) {
        return false;
    }
    uint8_t type = p->ip[p->payload];
    if (p->is_ip6) {
        return type == 128;
    }
    return type == 8 || type == 13 || type == 15 || type == 17;
}

static bool
may_answer_icmp(const struct packet *p)
{
    if (p->is_ip6 ? p->protocol == IPPROTO_ICMPV6 : p->protocol == IPPROTO_ICMP) {
        return is_icmp_request(p);
    }
    /* Eight bytes of the transport header say whose packet it was. */
    return p->len >= p->payload + 8;
}

static bool
build_icmp(const struct packet *p, struct reject_answer *a)
{
    if (!may_answer_icmp(p)) {
        return false;
    }
    uint8_t *icmp = a->frame + ETH_LEN + ip_len(p);
    size_t quoted = MIN(p->len, REJECT_ANSWER_MAX - ip_len(p) - ICMP_LEN);
    uint8_t protocol = p->is_ip6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
    memset(icmp, 0, ICMP_LEN);
    icmp[0] = p->is_ip6 ? 1 : 3;
    icmp[1] = p->is_ip6 ? 1 : 13;
    memcpy(icmp + ICMP_LEN, p->ip, quoted);
    put16(icmp + 2, checksum(p, protocol, icmp, ICMP_LEN + quoted, p->is_ip6));
    write_headers(p, protocol, ICMP_LEN + quoted, a);
    return true;
}

bool
reject_build(const uint8_t *frame, size_t len, struct eth_addr eth_src, struct eth_addr eth_dst,
             struct reject_answer *a)
{
    struct packet p;
    if (!read_packet(frame, len, &p)) {
        return false;
    }
    memcpy(a->frame, &eth_dst, sizeof eth_dst);
    memcpy(a->frame + 6, &eth_src, sizeof eth_src);
    return p.protocol == IPPROTO_TCP ? build_reset(&p, a) : build_icmp(&p, a);
}
