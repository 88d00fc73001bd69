#include "node/conntrack_text.h"

#include <arpa/inet.h>
#include <string.h>

/* What is left of a line. */
struct scan {
    const char *p, *end;
};

/* Where words end.  A dump has tens of megabytes; this is its speed. */
enum { EQUALS = 1, COMMA = 2, OPEN = 4, CLOSE = 8 };
static const uint8_t stop_of[UINT8_MAX + 1] = {
    ['='] = EQUALS,
    [','] = COMMA,
    ['('] = OPEN,
    [')'] = CLOSE,
};

static inline bool
skip_text(struct scan *s, const char *text)
{
    size_t len = strlen(text);
    if ((size_t) (s->end - s->p) < len || memcmp(s->p, text, len)) {
        return false;
    }
    s->p += len;
    return true;
}

/* The bytes up to one of 'stops' or the end. */
static struct scan
take_until(struct scan *s, int stops)
{
    struct scan part = { s->p, s->p };
    while (part.end < s->end && !(stop_of[(uint8_t) *part.end] & stops)) {
        part.end++;
    }
    s->p = part.end;
    return part;
}

static inline bool
is_word(const struct scan *s, const char *word)
{
    size_t len = strlen(word);
    return (size_t) (s->end - s->p) == len && !memcmp(s->p, word, len);
}

static bool
parse_number(struct scan s, uint32_t max, uint32_t *value)
{
    if (s.p == s.end) {
        return false;
    }
    uint32_t n = 0;
    for (; s.p < s.end; s.p++) {
        if (*s.p < '0' || *s.p > '9') {
            return false;
        }
        n = n * 10 + (uint32_t) (*s.p - '0');
        if (n > max) { /* max * 10 + 9 is far from an overflow. */
            return false;
        }
    }
    *value = n;
    return true;
}

/* By hand, for speed. */
static bool
parse_ip4(struct scan s, struct in6_addr *addr)
{
    struct in6_addr mapped = { .s6_addr = { [10] = 0xff, [11] = 0xff } };
    for (int i = 0; i < 4; i++) {
        unsigned int byte = 0;
        const char *start = s.p;
        for (; s.p < s.end && *s.p >= '0' && *s.p <= '9' && byte <= UINT8_MAX; s.p++) {
            byte = byte * 10 + (unsigned int) (*s.p - '0');
        }
        if (s.p == start || byte > UINT8_MAX || (i < 3 && !skip_text(&s, "."))) {
            return false;
        }
        mapped.s6_addr[12 + i] = (uint8_t) byte;
    }
    *addr = mapped;
    return s.p == s.end;
}

static bool
parse_address(struct scan s, struct in6_addr *addr)
{
    char copy[INET6_ADDRSTRLEN];
    size_t len = (size_t) (s.end - s.p);
    if (!memchr(s.p, ':', len)) {
        return parse_ip4(s, addr);
    }
    if (len >= sizeof copy) {
        return false;
    }
    memcpy(copy, s.p, len);
    copy[len] = '\0';
    return inet_pton(AF_INET6, copy, addr) == 1;
}

static bool
parse_label(struct scan s, uint64_t *label)
{
    if (!skip_text(&s, "0x") || s.p == s.end) {
        return false;
    }
    uint64_t n = 0; /* Of the 128 bits the upper ones fall off. */
    for (; s.p < s.end; s.p++) {
        char c = *s.p;
        unsigned int digit;
        if (c >= '0' && c <= '9') {
            digit = (unsigned int) (c - '0');
        } else if (c >= 'a' && c <= 'f') {
            digit = (unsigned int) (c - 'a') + 10;
        } else {
            return false;
        }
        n = n << 4 | digit;
    }
    *label = n;
    return true;
}

static bool
parse_protocol(struct scan s, uint8_t *protocol)
{
    static const struct {
        const char *name;
        uint8_t number;
    } names[] = {
        { "tcp", IPPROTO_TCP },         { "udp", IPPROTO_UDP },   { "icmp", IPPROTO_ICMP },
        { "icmpv6", IPPROTO_ICMPV6 },   { "sctp", IPPROTO_SCTP }, { "igmp", IPPROTO_IGMP },
        { "udplite", IPPROTO_UDPLITE }, { "dccp", IPPROTO_DCCP },
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (is_word(&s, names[i].name)) {
            *protocol = names[i].number;
            return true;
        }
    }
    uint32_t number;
    bool good = parse_number(s, 255, &number);
    *protocol = good ? (uint8_t) number : 0;
    return good;
}

enum { HAS_SRC = 1, HAS_DST = 2 };

/* One KEY=VALUE of a tuple. */
static bool
parse_tuple_field(struct scan key, struct scan value, struct conntrack_tuple *t, int *has)
{
    uint32_t n = 0;
    if (is_word(&key, "src")) {
        *has |= HAS_SRC;
        return parse_address(value, &t->src);
    } else if (is_word(&key, "dst")) {
        *has |= HAS_DST;
        return parse_address(value, &t->dst);
    } else if (is_word(&key, "sport")) {
        bool good = parse_number(value, UINT16_MAX, &n);
        t->src_port = (uint16_t) n;
        return good;
    } else if (is_word(&key, "dport")) {
        bool good = parse_number(value, UINT16_MAX, &n);
        t->dst_port = (uint16_t) n;
        return good;
    } else if (is_word(&key, "id")) {
        bool good = parse_number(value, UINT16_MAX, &n);
        t->icmp_id = (uint16_t) n;
        return good;
    } else if (is_word(&key, "type")) {
        bool good = parse_number(value, UINT8_MAX, &n);
        t->icmp_type = (uint8_t) n;
        return good;
    } else if (is_word(&key, "code")) {
        bool good = parse_number(value, UINT8_MAX, &n);
        t->icmp_code = (uint8_t) n;
        return good;
    }
    return true;
}

/* "KEY=VALUE,...)" */
static bool
parse_tuple(struct scan *s, struct conntrack_tuple *t)
{
    int has = 0;
    memset(t, 0, sizeof *t);
    do {
        struct scan key = take_until(s, EQUALS | COMMA | OPEN | CLOSE);
        if (!skip_text(s, "=")) {
            return false;
        }
        struct scan value = take_until(s, COMMA | OPEN | CLOSE);
        if (!parse_tuple_field(key, value, t, &has)) {
            return false;
        }
    } while (skip_text(s, ","));
    return has == (HAS_SRC | HAS_DST) && skip_text(s, ")");
}

/* A value of the line's own fields: a word, or what is between parentheses. */
static bool
take_value(struct scan *s, struct scan *value)
{
    if (skip_text(s, "(")) {
        *value = take_until(s, CLOSE);
        return skip_text(s, ")");
    }
    *value = take_until(s, COMMA);
    return true;
}

static bool
parse_rest(struct scan *s, struct conntrack_entry *entry)
{
    while (skip_text(s, ",")) {
        struct scan value;
        struct scan key = take_until(s, EQUALS | COMMA);
        if (!skip_text(s, "=") || !take_value(s, &value)) {
            return false;
        }
        uint32_t zone = 0;
        if (is_word(&key, "zone")) {
            if (!parse_number(value, UINT16_MAX, &zone)) {
                return false;
            }
            entry->zone = (uint16_t) zone;
        } else if (is_word(&key, "labels") && !parse_label(value, &entry->label)) {
            return false;
        }
    }
    return s->p == s->end;
}

bool
conntrack_parse_line(const char *line, size_t len, struct conntrack_entry *entry)
{
    struct scan s = { line, line + len };
    entry->zone = 0;
    entry->label = 0;
    return parse_protocol(take_until(&s, COMMA), &entry->protocol) && skip_text(&s, ",orig=(")
           && parse_tuple(&s, &entry->orig) && skip_text(&s, ",reply=(")
           && parse_tuple(&s, &entry->reply) && parse_rest(&s, entry);
}

bool
conntrack_read(struct conntrack_reader *r, struct conntrack_entry *entry)
{
    while (r->pos < r->end) {
        const char *line = r->pos;
        const char *newline = memchr(line, '\n', (size_t) (r->end - line));
        const char *stop = newline ? newline : r->end;
        r->pos = newline ? newline + 1 : r->end;
        if (conntrack_parse_line(line, (size_t) (stop - line), entry)) {
            return true;
        }
        r->n_bad += stop > line;
    }
    return false;
}
