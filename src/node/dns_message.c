/* Two passes: the first checks the whole answer section and notes where its
 * records are, the second follows the chain from the question.  Servers put
 * the records in that order, but do not have to. */
#include "node/dns_message.h"

#include <ctype.h>
#include <string.h>

#include "dp-packet.h"
#include "flow.h"
#include "packets.h"
#include "util.h"

enum {
    HEADER_LEN = 12,
    MAX_JUMPS = 64, /* Each goes back; more than a name has labels is malice. */
    MAX_RECORDS = 512,
    TYPE_A = 1,
    TYPE_CNAME = 5,
    TYPE_AAAA = 28,
    CLASS_IN = 1,
    DNS_PORT = 53,
};

struct message {
    const uint8_t *data;
    size_t len, pos;
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

/* --- Names ------------------------------------------------------------------------ */

static bool
put_label(const uint8_t *label, size_t n, char name[DNS_NAME_SIZE], size_t *used)
{
    if (*used + n + 1 >= DNS_NAME_SIZE) {
        return false;
    }
    if (*used) {
        name[(*used)++] = '.';
    }
    for (size_t i = 0; i < n; i++) {
        unsigned char c = label[i];
        if (c >= 0x80 || (!isalnum(c) && c != '-' && c != '_')) {
            return false;
        }
        name[(*used)++] = tolower(c);
    }
    return true;
}

/* A pointer leads to before where its own part of the name began, so that no
 * chain of them can come back. */
static bool
read_name(struct message *m, char name[DNS_NAME_SIZE])
{
    size_t pos = m->pos, part = m->pos, used = 0;
    int jumps = 0;
    for (;;) {
        if (pos >= m->len) {
            return false;
        }
        uint8_t n = m->data[pos];
        if (n >= 0xc0) {
            if (pos + 2 > m->len || ++jumps > MAX_JUMPS) {
                return false;
            }
            m->pos = jumps == 1 ? pos + 2 : m->pos;
            pos = get16(m->data + pos) & 0x3fff;
            if (pos >= part) {
                return false;
            }
            part = pos;
        } else if (n >= 0x40 || pos + 1 + n > m->len) {
            return false;
        } else if (n) {
            if (!put_label(m->data + pos + 1, n, name, &used)) {
                return false;
            }
            pos += 1 + n;
        } else {
            m->pos = jumps ? m->pos : pos + 1;
            name[used] = '\0';
            return true;
        }
    }
}

/* --- Records ------------------------------------------------------------------------ */

struct resource {
    char name[DNS_NAME_SIZE];
    uint16_t type, class;
    uint32_t ttl;
    const uint8_t *data;
    size_t len;
};

static bool
read_resource(struct message *m, struct resource *r)
{
    if (!read_name(m, r->name) || m->pos + 10 > m->len) {
        return false;
    }
    const uint8_t *p = m->data + m->pos;
    r->type = get16(p);
    r->class = get16(p + 2);
    r->ttl = get32(p + 4);
    r->len = get16(p + 8);
    r->data = p + 10;
    m->pos += 10;
    if (m->pos + r->len > m->len) {
        return false;
    }
    m->pos += r->len;
    r->ttl = r->ttl > INT32_MAX ? 0 : r->ttl; /* RFC 2181 section 8. */
    return true;
}

/* The name that a CNAME record gives. */
static bool
read_alias(const struct message *m, const struct resource *r, char name[DNS_NAME_SIZE])
{
    struct message at = { .data = m->data, .len = m->len, .pos = r->data - m->data };
    return read_name(&at, name) && at.pos == (size_t) (r->data - m->data) + r->len;
}

static bool
is_useful(const struct in6_addr *addr)
{
    if (IN6_IS_ADDR_V4MAPPED(addr)) {
        uint8_t first = addr->s6_addr[12];
        return first != 0 && first != 127 && first < 224;
    }
    return !IN6_IS_ADDR_UNSPECIFIED(addr) && !IN6_IS_ADDR_LOOPBACK(addr)
           && !IN6_IS_ADDR_MULTICAST(addr) && !IN6_IS_ADDR_LINKLOCAL(addr);
}

static bool
read_address(const struct resource *r, struct in6_addr *addr)
{
    if (r->type == TYPE_A && r->len == 4) {
        memset(addr, 0, sizeof *addr);
        addr->s6_addr[10] = addr->s6_addr[11] = 0xff;
        memcpy(addr->s6_addr + 12, r->data, 4);
    } else if (r->type == TYPE_AAAA && r->len == 16) {
        memcpy(addr, r->data, 16);
        if (IN6_IS_ADDR_V4MAPPED(addr)) {
            return false; /* Not an IPv4 address by the back door. */
        }
    } else {
        return false;
    }
    return is_useful(addr);
}

/* --- The chain ------------------------------------------------------------------------ */

static bool
has_name(const struct dns_answer *a, const char *name)
{
    for (size_t i = 0; i < a->n_names; i++) {
        if (!strcmp(a->names[i], name)) {
            return true;
        }
    }
    return false;
}

/* Walks the 'n' records at 'm', which were found good. */
static void
add_addresses(struct message m, size_t n, uint32_t ttl, struct dns_answer *a)
{
    const char *last = a->names[a->n_names - 1];
    for (size_t i = 0; i < n; i++) {
        struct resource r;
        struct in6_addr addr;
        if (!read_resource(&m, &r) || a->n_addresses == DNS_ADDRESSES_MAX) {
            return;
        }
        if (r.class == CLASS_IN && !strcmp(r.name, last) && read_address(&r, &addr)) {
            a->addresses[a->n_addresses++] = (struct dns_address){ addr, MIN(ttl, r.ttl) };
        }
    }
}

/* The next alias of the chain, if there is one that is new. */
static bool
add_alias(struct message m, size_t n, uint32_t *ttl, struct dns_answer *a)
{
    for (size_t i = 0; i < n; i++) {
        struct resource r;
        char *next = a->names[a->n_names];
        if (!read_resource(&m, &r)) {
            return false;
        }
        if (r.class == CLASS_IN && r.type == TYPE_CNAME
            && !strcmp(r.name, a->names[a->n_names - 1]) && read_alias(&m, &r, next)
            && !has_name(a, next)) {
            a->n_names++;
            *ttl = MIN(*ttl, r.ttl);
            return true;
        }
    }
    return false;
}

static bool
are_good(struct message m, size_t n)
{
    struct resource r;
    for (size_t i = 0; i < n; i++) {
        if (!read_resource(&m, &r)) {
            return false;
        }
    }
    return true;
}

/* --- The message ------------------------------------------------------------------------ */

/* A response, of a standard query, without an error, to one question. */
static bool
is_answer(const uint8_t *header)
{
    uint16_t flags = get16(header + 2);
    return (flags & 0xf80f) == 0x8000 && get16(header + 4) == 1;
}

static bool
read_question(struct message *m, struct dns_answer *a)
{
    if (!read_name(m, a->names[0]) || m->pos + 4 > m->len) {
        return false;
    }
    uint16_t type = get16(m->data + m->pos), class = get16(m->data + m->pos + 2);
    m->pos += 4;
    a->n_names = 1;
    return class == CLASS_IN && (type == TYPE_A || type == TYPE_AAAA);
}

bool
dns_answer_decode(const uint8_t *data, size_t len, struct dns_answer *a)
{
    struct message m = { .data = data, .len = len, .pos = HEADER_LEN };
    a->n_names = a->n_addresses = 0;
    if (len < HEADER_LEN || !is_answer(data) || !read_question(&m, a)) {
        return false;
    }
    size_t n = get16(data + 6);
    if (n > MAX_RECORDS || !are_good(m, n)) {
        return false;
    }
    uint32_t ttl = UINT32_MAX;
    while (a->n_names < DNS_NAMES_MAX && add_alias(m, n, &ttl, a)) {
    }
    add_addresses(m, n, ttl, a);
    return true;
}

bool
dns_frame_decode(const uint8_t *frame, size_t len, struct dns_answer *a, struct in6_addr *server)
{
    struct dp_packet packet;
    struct flow flow;
    dp_packet_use_const(&packet, frame, len);
    flow_extract(&packet, &flow);
    const void *payload = dp_packet_get_udp_payload(&packet);
    bool is_datagram = is_ip_any(&flow) && flow.nw_proto == IPPROTO_UDP && !flow.nw_frag
                       && flow.tp_src == htons(DNS_PORT) && payload;
    if (!is_datagram) {
        return false;
    }
    *server = flow.dl_type == htons(ETH_TYPE_IP) ? in6_addr_mapped_ipv4(flow.nw_src)
                                                 : flow.ipv6_src;
    size_t size = (const char *) dp_packet_tail(&packet) - (const char *) payload;
    size = MIN(size, dp_packet_l4_size(&packet) - UDP_HEADER_LEN);
    return dns_answer_decode(payload, size, a);
}
