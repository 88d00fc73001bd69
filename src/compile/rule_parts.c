#include "compile/rule_parts.h"

#include <stdlib.h>

#include "util.h"

/* Peers. */

void
rule_add_peer_set(struct rec_rule *rule, size_t *allocated, uint32_t set)
{
    if (rule->n_peer_sets >= *allocated) {
        rule->peer_sets = x2nrealloc(rule->peer_sets, allocated, sizeof *rule->peer_sets);
    }
    rule->peer_sets[rule->n_peer_sets++] = set;
}

void
rule_add_peer_prefixes(struct rec_rule *rule, size_t *allocated, const struct prefix *prefixes,
                       size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (rule->n_peer_prefixes >= *allocated) {
            rule->peer_prefixes = x2nrealloc(rule->peer_prefixes, allocated,
                                             sizeof *rule->peer_prefixes);
        }
        rule->peer_prefixes[rule->n_peer_prefixes++] = prefixes[i];
    }
}

static int
compare_u32(const void *a_, const void *b_)
{
    const uint32_t *a = a_, *b = b_;

    return *a < *b ? -1 : *a > *b;
}

static int
compare_prefixes(const void *a, const void *b)
{
    return prefix_compare(a, b);
}

/* A prefix that covers another comes before it, with nothing between that it
 * does not cover.  By their bits the prefixes of IPv4 lie among those of IPv6,
 * and inside of ::/0, which is no matter of people. */
size_t
prefixes_canonical(struct prefix *a, size_t n_all)
{
    struct prefix last[2];
    bool has_last[2] = { false, false };
    size_t n = 0;

    if (n_all) {
        qsort(a, n_all, sizeof *a, compare_prefixes);
    }
    for (size_t i = 0; i < n_all; i++) {
        int family = prefix_is_ip4(&a[i]);

        if (!has_last[family] || !prefix_covers(&last[family], &a[i])) {
            has_last[family] = true;
            last[family] = a[i];
            a[n++] = a[i];
        }
    }
    return n;
}

static void
canonical_sets(struct rec_rule *rule)
{
    size_t n = 0;

    if (!rule->n_peer_sets) {
        return;
    }
    qsort(rule->peer_sets, rule->n_peer_sets, sizeof *rule->peer_sets, compare_u32);
    for (size_t i = 0; i < rule->n_peer_sets; i++) {
        if (!n || rule->peer_sets[n - 1] != rule->peer_sets[i]) {
            rule->peer_sets[n++] = rule->peer_sets[i];
        }
    }
    rule->n_peer_sets = n;
    rule->peer_sets = xrealloc(rule->peer_sets, n * sizeof *rule->peer_sets);
}

void
rule_canonical_peers(struct rec_rule *rule)
{
    canonical_sets(rule);
    if (rule->n_peer_prefixes) {
        rule->n_peer_prefixes = prefixes_canonical(rule->peer_prefixes, rule->n_peer_prefixes);
        rule->peer_prefixes = xrealloc(rule->peer_prefixes,
                                       rule->n_peer_prefixes * sizeof *rule->peer_prefixes);
    }
}

/* Ports. */

static int
compare_ports(const void *a_, const void *b_)
{
    const struct rule_port *a = a_, *b = b_;

    return a->protocol != b->protocol ? a->protocol - b->protocol
           : a->first != b->first     ? a->first - b->first
                                      : a->last - b->last;
}

void
rule_canonical_ports(struct rec_rule *rule)
{
    struct rule_port *a = rule->ports;
    size_t n = 0;

    if (!rule->n_ports) {
        return;
    }
    qsort(a, rule->n_ports, sizeof *a, compare_ports);
    for (size_t i = 0; i < rule->n_ports; i++) {
        struct rule_port *last = n ? &a[n - 1] : NULL;

        if (last && last->protocol == a[i].protocol && a[i].first <= last->last + 1) {
            last->last = MAX(last->last, a[i].last);
        } else {
            a[n++] = a[i];
        }
    }
    rule->n_ports = n;
}
