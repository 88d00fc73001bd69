#include "compile/subnets.h"

#include <stdlib.h>
#include <string.h>

#include "util.h"

void
subnets_init(struct subnets *subnets)
{
    *subnets = (struct subnets){ .n = 0 };
}

void
subnets_uninit(struct subnets *subnets)
{
    free(subnets->a);
}

void
addr_add(struct in6_addr *addr, uint64_t n)
{
    for (int i = 15; i >= 0 && n; i--) {
        n += addr->s6_addr[i];
        addr->s6_addr[i] = n;
        n >>= 8;
    }
}

/* Where 'p' is, or would go. */
static size_t
position(const struct subnets *subnets, const struct prefix *p)
{
    size_t low = 0;

    for (size_t high = subnets->n; low < high;) {
        size_t mid = low + (high - low) / 2;
        if (prefix_compare(&subnets->a[mid].prefix, p) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

/* Prefixes nest or are apart, and these are apart: the one that covers 'p'
 * can only be the last before it, one inside it the first after it. */
const struct subnet *
subnets_overlap(const struct subnets *subnets, const struct prefix *p)
{
    size_t i = position(subnets, p);

    if (i > 0 && prefix_covers(&subnets->a[i - 1].prefix, p)) {
        return &subnets->a[i - 1];
    }
    if (i < subnets->n && prefix_covers(p, &subnets->a[i].prefix)) {
        return &subnets->a[i];
    }
    return NULL;
}

void
subnets_insert(struct subnets *subnets, const struct prefix *p, const void *owner)
{
    size_t i = position(subnets, p);

    if (subnets->n >= subnets->allocated) {
        subnets->a = x2nrealloc(subnets->a, &subnets->allocated, sizeof *subnets->a);
    }
    memmove(&subnets->a[i + 1], &subnets->a[i], (subnets->n - i) * sizeof *subnets->a);
    subnets->a[i] = (struct subnet){ *p, owner };
    subnets->n++;
}

void
subnets_remove(struct subnets *subnets, const struct prefix *p)
{
    size_t i = position(subnets, p);

    ovs_assert(i < subnets->n && !prefix_compare(&subnets->a[i].prefix, p));
    subnets->n--;
    memmove(&subnets->a[i], &subnets->a[i + 1], (subnets->n - i) * sizeof *subnets->a);
}

/* Subnet number 'i' of the range. */
static struct prefix
automatic(const struct subnet_range *range, uint64_t i)
{
    struct prefix p = { .addr = range->prefix.addr, .plen = range->plen };
    unsigned int shift = 128 - range->plen;

    for (int bit = 0; bit < 64 && i >> bit; bit++) {
        unsigned int to = bit + shift;
        if (i >> bit & 1) {
            p.addr.s6_addr[15 - to / 8] |= 1 << to % 8;
        }
    }
    return p;
}

static uint64_t
n_automatic(const struct subnet_range *range)
{
    unsigned int bits = range->plen - range->prefix.plen;

    return bits < 32 ? UINT64_C(1) << bits : UINT32_MAX;
}

/* How many automatic subnets a taken one covers. */
static uint64_t
covered(const struct subnet_range *range, const struct subnet *taken)
{
    unsigned int bits = range->plen - MIN(range->plen, taken->prefix.plen);

    return bits < 32 ? UINT64_C(1) << bits : UINT32_MAX;
}

bool
subnets_next(const struct subnets *subnets, const struct subnet_range *range, uint64_t *cursor,
             struct prefix *p)
{
    uint64_t n = n_automatic(range);
    uint64_t start = *cursor < n ? *cursor : 0;

    for (uint64_t step = 0, i; step < n;) {
        i = (start + step) % n;
        *p = automatic(range, i);

        const struct subnet *taken = subnets_overlap(subnets, p);
        if (!taken) {
            *cursor = i + 1;
            return true;
        }
        /* Jump behind it: it is aligned to its own size. */
        uint64_t size = covered(range, taken);
        step += MIN(size - i % size, i < n ? n - i : 1);
    }
    return false;
}

bool
subnet_hosts(const struct prefix *p, struct subnet_hosts *hosts)
{
    if (p->plen > 126) {
        return false;
    }
    hosts->gateway = hosts->first = hosts->last = p->addr;
    addr_add(&hosts->gateway, 1);
    addr_add(&hosts->first, 2);
    for (unsigned int bit = p->plen; bit < 127; bit++) {
        hosts->last.s6_addr[bit / 8] |= 0x80 >> bit % 8;
    }
    return true;
}
