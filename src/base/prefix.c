#include "base/prefix.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "util.h"

bool
addr_is_ip4(const struct in6_addr *a)
{
    return IN6_IS_ADDR_V4MAPPED(a);
}

bool
prefix_is_ip4(const struct prefix *p)
{
    return p->plen >= 96 && addr_is_ip4(&p->addr);
}

/* inet_pton() takes exactly the canonical forms: no octal, no short IPv4. */
static bool
addr_from_text(const char *s, struct in6_addr *addr)
{
    struct in_addr ip4;

    if (inet_pton(AF_INET, s, &ip4) == 1) {
        memset(addr, 0, sizeof *addr);
        addr->s6_addr[10] = addr->s6_addr[11] = 0xff;
        memcpy(&addr->s6_addr[12], &ip4, sizeof ip4);
        return true;
    }
    /* A mapped address in IPv6 clothes would be a second text for one
     * address; Kubernetes calls it an IPv4 address, we ask for that form. */
    return inet_pton(AF_INET6, s, addr) == 1 && !addr_is_ip4(addr);
}

char *
addr_parse(const char *s, struct in6_addr *addr)
{
    if (!addr_from_text(s, addr)) {
        memset(addr, 0, sizeof *addr);
        return xasprintf("\"%.64s\" is not an IPv4 or IPv6 address, e.g. 10.0.0.1 "
                         "or 2001:db8::1",
                         s);
    }
    return NULL;
}

/* A decimal 0..max without sign, blanks or leading zeros. */
static bool
plen_from_text(const char *s, unsigned int max, unsigned int *plen)
{
    size_t n = strspn(s, "0123456789");

    if (!n || n > 3 || s[n] || (s[0] == '0' && n > 1)) {
        return false;
    }
    *plen = strtoul(s, NULL, 10);
    return *plen <= max;
}

static bool
host_bits_clear(const struct prefix *p)
{
    struct prefix q = *p;

    prefix_normalize(&q);
    return !memcmp(&p->addr, &q.addr, sizeof p->addr);
}

char *
prefix_parse(const char *s, bool strict, struct prefix *p)
{
    char buf[INET6_ADDRSTRLEN + 1];
    const char *slash = strchr(s, '/');
    size_t addr_len = slash ? (size_t) (slash - s) : strlen(s);
    unsigned int plen;

    memset(p, 0, sizeof *p);
    if (addr_len >= sizeof buf) {
        return xasprintf("\"%.64s\" is too long for an IP prefix", s);
    }
    memcpy(buf, s, addr_len);
    buf[addr_len] = '\0';

    char *error = addr_parse(buf, &p->addr);
    if (error) {
        return error;
    }
    unsigned int max = addr_is_ip4(&p->addr) ? 32 : 128;
    plen = max;
    if (slash && !plen_from_text(slash + 1, max, &plen)) {
        memset(p, 0, sizeof *p);
        return xasprintf("\"%.64s\" has no prefix length of 0 to %u after \"/\"", s, max);
    }
    p->plen = plen + (128 - max);
    if (strict && !host_bits_clear(p)) {
        memset(p, 0, sizeof *p);
        return xasprintf("\"%.64s\" has bits set beyond its prefix length", s);
    }
    prefix_normalize(p);
    return NULL;
}

void
addr_format(const struct in6_addr *addr, struct ds *ds)
{
    char buf[INET6_ADDRSTRLEN];

    if (addr_is_ip4(addr)) {
        inet_ntop(AF_INET, &addr->s6_addr[12], buf, sizeof buf);
    } else {
        inet_ntop(AF_INET6, addr, buf, sizeof buf);
    }
    ds_put_cstr(ds, buf);
}

void
prefix_format(const struct prefix *p, struct ds *ds)
{
    addr_format(&p->addr, ds);
    ds_put_format(ds, "/%d", prefix_is_ip4(p) ? p->plen - 96 : p->plen);
}

void
prefix_normalize(struct prefix *p)
{
    unsigned int byte = p->plen / 8;

    if (byte < 16) {
        p->addr.s6_addr[byte] &= (uint8_t) (0xff00 >> p->plen % 8);
        memset(&p->addr.s6_addr[byte + 1], 0, 15 - byte);
    }
}

bool
prefix_contains(const struct prefix *outer, const struct in6_addr *addr)
{
    unsigned int byte = outer->plen / 8, bits = outer->plen % 8;

    if (prefix_is_ip4(outer) != addr_is_ip4(addr) || memcmp(&outer->addr, addr, byte)) {
        return false;
    }
    return !bits || !((outer->addr.s6_addr[byte] ^ addr->s6_addr[byte]) >> (8 - bits));
}

bool
prefix_covers(const struct prefix *outer, const struct prefix *inner)
{
    return outer->plen <= inner->plen && prefix_contains(outer, &inner->addr);
}

int
prefix_compare(const struct prefix *a, const struct prefix *b)
{
    int cmp = memcmp(&a->addr, &b->addr, sizeof a->addr);
    return cmp ? cmp : (int) a->plen - (int) b->plen;
}

bool
prefixes_are_disjoint(const struct prefix *a, size_t n)
{
    const struct prefix *last[2] = { NULL, NULL };

    /* In this order a prefix comes right before what it covers, but for the
     * other family, which may stand between. */
    for (size_t i = 0; i < n; i++) {
        const struct prefix **before = &last[prefix_is_ip4(&a[i])];

        if ((i && prefix_compare(&a[i - 1], &a[i]) >= 0)
            || (*before && prefix_covers(*before, &a[i]))) {
            return false;
        }
        *before = &a[i];
    }
    return true;
}

struct prefix
prefix_host(const struct in6_addr *addr)
{
    return (struct prefix){ .addr = *addr, .plen = 128 };
}

struct prefix_list {
    struct prefix *a;
    size_t n, allocated;
};

/* Splits 'p' in halves until each is clear of the holes, or inside one. */
static void
subtract__(struct prefix p, const struct prefix *holes, size_t n, struct prefix_list *out)
{
    size_t n_inside = 0;

    for (size_t i = 0; i < n; i++) {
        if (prefix_covers(&holes[i], &p)) {
            return;
        }
        n_inside += prefix_covers(&p, &holes[i]);
    }
    if (!n_inside) {
        if (out->n >= out->allocated) {
            out->a = x2nrealloc(out->a, &out->allocated, sizeof *out->a);
        }
        out->a[out->n++] = p;
        return;
    }

    /* Keep only the holes inside, so that the work shrinks with the prefix. */
    struct prefix *inside = xmalloc(n_inside * sizeof *inside);
    size_t n_kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (prefix_covers(&p, &holes[i])) {
            inside[n_kept++] = holes[i];
        }
    }
    struct prefix half = { .addr = p.addr, .plen = p.plen + 1 };
    subtract__(half, inside, n_kept, out);
    half.addr.s6_addr[p.plen / 8] |= 0x80 >> p.plen % 8;
    subtract__(half, inside, n_kept, out);
    free(inside);
}

struct prefix *
prefix_subtract(const struct prefix *p, const struct prefix *holes, size_t n, size_t *n_out)
{
    struct prefix_list out = { NULL, 0, 0 };

    subtract__(*p, holes, n, &out);
    *n_out = out.n;
    return out.a;
}
