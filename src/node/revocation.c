#include "node/revocation.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/learned.h"
#include "bitmap.h"
#include "compile/evaluate.h"
#include "hash.h"
#include "openvswitch/hmap.h"
#include "util.h"

enum { ZONE_BETWEEN_NETWORKS = 1 }; /* ovs-flows/README.md, "Zones". */

struct address {
    struct hmap_node hmap_node; /* In 'reused', by address. */
    struct in6_addr ip;
};

struct revocation {
    const struct records *records;
    const struct learned *learned;
    const struct number_set *closed;
    /* Made for the first connection that is judged: most zones that a change
     * concerns have none, and this is an index of all that there is. */
    struct evaluate *evaluate;
    const struct rec_node *node; /* This node. */
    struct hmap reused;          /* struct address */
    unsigned long *zones;        /* Bitmap of those that are Virga's. */
    struct prefix *subnets;      /* Of all networks; disjoint, sorted. */
    size_t n_subnets, allocated_subnets;
};

/* --- Life ------------------------------------------------------------------------- */

static const struct rec_node *
find_node(const struct records *records, const char *name)
{
    const struct record *r;
    for (r = records_first(records, RECORD_NODE); r; r = records_next(records, r)) {
        const struct rec_node *node = (const struct rec_node *) r;
        if (!strcmp(node->name, name)) {
            return node;
        }
    }
    return NULL;
}

static int
compare_prefixes(const void *a, const void *b)
{
    return memcmp(&((const struct prefix *) a)->addr, &((const struct prefix *) b)->addr,
                  sizeof(struct in6_addr));
}

static void
add_network(struct revocation *rev, const struct rec_network *net)
{
    bitmap_set1(rev->zones, net->zone);
    for (size_t i = 0; i < net->n_subnets; i++) {
        if (rev->n_subnets == rev->allocated_subnets) {
            rev->subnets = x2nrealloc(rev->subnets, &rev->allocated_subnets, sizeof *rev->subnets);
        }
        rev->subnets[rev->n_subnets++] = net->subnets[i];
    }
}

static void
add_networks(struct revocation *rev)
{
    rev->zones = bitmap_allocate(UINT16_MAX + 1);
    bitmap_set1(rev->zones, ZONE_BETWEEN_NETWORKS);
    const struct record *r;
    for (r = records_first(rev->records, RECORD_NETWORK); r; r = records_next(rev->records, r)) {
        add_network(rev, (const struct rec_network *) r);
    }
    if (rev->n_subnets) {
        qsort(rev->subnets, rev->n_subnets, sizeof *rev->subnets, compare_prefixes);
    }
}

struct revocation *
revocation_create(const struct records *records, const struct learned *learned,
                  const char *node_name)
{
    struct revocation *rev = xzalloc(sizeof *rev);
    rev->records = records;
    rev->learned = learned;
    rev->node = find_node(records, node_name);
    hmap_init(&rev->reused);
    add_networks(rev);
    return rev;
}

void
revocation_destroy(struct revocation *rev)
{
    if (!rev) {
        return;
    }
    revocation_forget_reused(rev);
    hmap_destroy(&rev->reused);
    evaluate_destroy(rev->evaluate);
    bitmap_free(rev->zones);
    free(rev->subnets);
    free(rev);
}

void
revocation_set_closed(struct revocation *rev, const struct number_set *closed)
{
    rev->closed = closed;
}

bool
revocation_follow(struct revocation *rev)
{
    if (records_any_changed(rev->records, RECORD_NODE)
        || records_any_changed(rev->records, RECORD_NETWORK)) {
        return false;
    }
    if (rev->evaluate) {
        evaluate_follow(rev->evaluate);
    }
    return true;
}

static const struct evaluate *
evaluator(const struct revocation *rev_)
{
    struct revocation *rev = CONST_CAST(struct revocation *, rev_);
    if (!rev->evaluate) {
        rev->evaluate = evaluate_create_closed(rev->records, rev->learned, rev->closed);
    } else if (!evaluate_is_current(rev->evaluate)) {
        evaluate_renew(rev->evaluate, rev->closed);
    }
    return rev->evaluate;
}

static bool
is_reused(const struct revocation *rev, const struct in6_addr *ip)
{
    const struct address *a;
    HMAP_FOR_EACH_WITH_HASH (a, hmap_node, hash_bytes(ip, sizeof *ip, 0), &rev->reused) {
        if (!memcmp(&a->ip, ip, sizeof *ip)) {
            return true;
        }
    }
    return false;
}

void
revocation_reused(struct revocation *rev, const struct in6_addr *ip)
{
    if (!is_reused(rev, ip)) {
        struct address *a = xmalloc(sizeof *a);
        a->ip = *ip;
        hmap_insert(&rev->reused, &a->hmap_node, hash_bytes(ip, sizeof *ip, 0));
    }
}

void
revocation_forget_reused(struct revocation *rev)
{
    struct address *address;
    HMAP_FOR_EACH_POP (address, hmap_node, &rev->reused) {
        free(address);
    }
}

/* --- Judging ------------------------------------------------------------------------ */

static bool
is_in_subnet(const struct revocation *rev, const struct in6_addr *ip)
{
    size_t low = 0, high = rev->n_subnets; /* The last subnet that begins at or before 'ip'. */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (memcmp(&rev->subnets[middle].addr, ip, sizeof *ip) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low && prefix_contains(&rev->subnets[low - 1], ip);
}

static bool
is_local(const struct revocation *rev, const struct rec_endpoint *endpoint)
{
    return endpoint && endpoint->node == rev->node->r.key;
}

/* An address of a subnet that nobody has: a connection of somebody who is gone. */
static bool
is_gone(const struct revocation *rev, const struct in6_addr *ip, const struct rec_endpoint *owner)
{
    return owner ? is_reused(rev, ip) : is_in_subnet(rev, ip);
}

static bool
denies(const struct rec_rule *rule)
{
    return rule && rule->action != RULE_ALLOW;
}

static bool
is_denied(const struct revocation *rev, const struct conntrack_entry *entry, uint16_t port)
{
    struct evaluate_tuple tuple = {
        .src = entry->orig.src,
        .dst = entry->orig.dst,
        .protocol = entry->protocol,
        .dst_port = port,
    };
    struct evaluate_verdict verdict = evaluate(evaluator(rev), &tuple);
    if (verdict.allow) {
        return false;
    }
    return (denies(verdict.egress) && is_local(rev, evaluate_endpoint(evaluator(rev), &tuple.src)))
           || (denies(verdict.ingress)
               && is_local(rev, evaluate_endpoint(evaluator(rev), &tuple.dst)));
}

static bool
has_ports(uint8_t protocol)
{
    return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

/* Would the connection be allowed at a port of the rule that once let it in? */
static bool
allowed_by_ports_of(const struct revocation *rev, const struct conntrack_entry *entry, uint32_t id)
{
    const struct rec_rule *rule = records_rule(rev->records, id);
    for (size_t i = 0; rule && i < rule->n_ports; i++) {
        if (rule->ports[i].protocol == entry->protocol
            && !is_denied(rev, entry, rule->ports[i].first)) {
            return true;
        }
    }
    return false;
}

/* The userspace datapath does not look into SCTP: one entry, without ports,
 * stands for all that two addresses say.  The rules in its label tell which
 * port began it. */
static bool
is_denied_without_port(const struct revocation *rev, const struct conntrack_entry *entry)
{
    return is_denied(rev, entry, 0) && !allowed_by_ports_of(rev, entry, (uint32_t) entry->label)
           && !allowed_by_ports_of(rev, entry, (uint32_t) (entry->label >> 32));
}

static bool
has_unknown_ports(const struct conntrack_entry *entry)
{
    return has_ports(entry->protocol) && !entry->orig.src_port && !entry->orig.dst_port;
}

bool
revocation_allows(const struct revocation *rev, const struct conntrack_entry *entry)
{
    return has_unknown_ports(entry) ? !is_denied_without_port(rev, entry)
                                    : !is_denied(rev, entry, entry->orig.dst_port);
}

enum revocation_verdict
revocation_judge(const struct revocation *rev, const struct conntrack_entry *entry)
{
    if (!rev->node || !bitmap_is_set(rev->zones, entry->zone)) {
        return REVOCATION_KEEP;
    }
    const struct rec_endpoint *src = evaluate_endpoint(evaluator(rev), &entry->orig.src);
    const struct rec_endpoint *dst = evaluate_endpoint(evaluator(rev), &entry->orig.dst);
    if (entry->protocol == IPPROTO_ICMPV6) {
        /* It cannot be flushed (openflow/guards.h): if it is anybody's now, it is of
         * those who have the addresses. */
        return revocation_allows(rev, entry) ? REVOCATION_KEEP : REVOCATION_DENIED;
    }
    if ((!is_local(rev, src) && !is_local(rev, dst)) || is_gone(rev, &entry->orig.src, src)
        || is_gone(rev, &entry->orig.dst, dst)) {
        return REVOCATION_STALE;
    }
    return revocation_allows(rev, entry) ? REVOCATION_KEEP : REVOCATION_DENIED;
}

/* --- A whole dump --------------------------------------------------------------------- */

static void
add_cut(struct revocation_cuts *cuts, const struct conntrack_entry *entry,
        enum revocation_verdict verdict)
{
    if (cuts->n == cuts->allocated) {
        cuts->a = x2nrealloc(cuts->a, &cuts->allocated, sizeof *cuts->a);
    }
    cuts->a[cuts->n++] = (struct revocation_cut){ *entry, verdict };
}

/* That domains have addresses, for the second look. */
struct supposition {
    uint32_t set;
    struct in6_addr addr;
};
struct suppositions {
    struct supposition *a;
    size_t n, allocated;
};

static void
suppose(struct suppositions *all, uint32_t set, const struct in6_addr *addr)
{
    if (all->n == all->allocated) {
        all->a = x2nrealloc(all->a, &all->allocated, sizeof *all->a);
    }
    all->a[all->n++] = (struct supposition){ set, *addr };
}

/* That the domains of the rule that let the connection out have its destination;
 * false if it names none. */
static bool
suppose_domains(const struct revocation *rev, const struct conntrack_entry *entry,
                struct suppositions *all)
{
    const struct rec_rule *rule = records_rule(rev->records, entry->label >> 32);
    bool any = false;
    for (size_t i = 0; rule && rule->direction == RULE_EGRESS && i < rule->n_peer_sets; i++) {
        const struct rec_set *set = records_set(rev->records, rule->peer_sets[i]);
        if (set && set->n_domains) {
            suppose(all, set->r.key, &entry->orig.dst);
            any = true;
        }
    }
    return any;
}

static int
compare_suppositions(const void *a_, const void *b_)
{
    const struct supposition *a = a_, *b = b_;
    return a->set < b->set ? -1 : a->set > b->set;
}

static struct learned *
learn_suppositions(struct suppositions *all)
{
    struct learned *learned = learned_create();
    struct in6_addr *addrs = xcalloc(all->n + 1, sizeof *addrs);
    size_t n = 0;
    qsort(all->a, all->n, sizeof *all->a, compare_suppositions);
    for (size_t i = 0; i < all->n; i++) {
        addrs[n++] = all->a[i].addr;
        if (i + 1 == all->n || all->a[i + 1].set != all->a[i].set) {
            learned_put(learned, all->a[i].set, addrs, n);
            n = 0;
        }
    }
    free(addrs);
    return learned;
}

/* By what 'rev' supposes, and by the rule in the connection's label. */
static bool
is_kept_by_domains(const struct revocation *rev, const struct conntrack_entry *entry)
{
    if (has_unknown_ports(entry)) {
        return revocation_allows(rev, entry);
    }
    struct evaluate_tuple tuple = {
        .src = entry->orig.src,
        .dst = entry->orig.dst,
        .protocol = entry->protocol,
        .dst_port = entry->orig.dst_port,
    };
    const struct rec_rule *rule = evaluate(evaluator(rev), &tuple).egress;
    return rule && rule->r.key == (uint32_t) (entry->label >> 32) && revocation_allows(rev, entry);
}

static void
look_again(const struct revocation *rev, struct suppositions *suppositions,
           const struct revocation_cuts *doubtful, struct revocation_cuts *cuts)
{
    struct learned *learned = learn_suppositions(suppositions);
    struct revocation again = *rev;
    again.evaluate = evaluate_create_closed(rev->records, learned, rev->closed);
    for (size_t i = 0; i < doubtful->n; i++) {
        const struct revocation_cut *cut = &doubtful->a[i];
        if (!is_kept_by_domains(&again, &cut->entry)) {
            add_cut(cuts, &cut->entry, cut->verdict);
        }
    }
    evaluate_destroy(again.evaluate);
    learned_destroy(learned);
}

void
revocation_read(const struct revocation *rev, const char *dump, size_t len,
                revocation_also_cb *also, void *aux, struct revocation_cuts *cuts)
{
    struct conntrack_reader reader = { .pos = dump, .end = dump + len };
    struct revocation_cuts doubtful = { .n = 0 };
    struct suppositions suppositions = { .n = 0 };
    struct conntrack_entry entry;
    while (conntrack_read(&reader, &entry)) {
        enum revocation_verdict verdict = revocation_judge(rev, &entry);
        cuts->n_seen++;
        if (also && verdict == REVOCATION_KEEP && also(&entry, aux)) {
            verdict = REVOCATION_STALE;
        }
        if (verdict == REVOCATION_DENIED && suppose_domains(rev, &entry, &suppositions)) {
            add_cut(&doubtful, &entry, verdict);
        } else if (verdict != REVOCATION_KEEP) {
            add_cut(cuts, &entry, verdict);
        }
    }
    if (doubtful.n) {
        look_again(rev, &suppositions, &doubtful, cuts);
    }
    revocation_cuts_uninit(&doubtful);
    free(suppositions.a);
    cuts->n_bad += reader.n_bad;
}

static int
compare_numbers(uint32_t a, uint32_t b)
{
    return a < b ? -1 : a > b;
}

static int
compare_cuts(const void *a_, const void *b_)
{
    const struct conntrack_entry *a = &((const struct revocation_cut *) a_)->entry;
    const struct conntrack_entry *b = &((const struct revocation_cut *) b_)->entry;
    int cmp = compare_numbers(a->zone, b->zone);
    cmp = cmp ? cmp : compare_numbers(a->protocol, b->protocol);
    cmp = cmp ? cmp : memcmp(&a->orig.src, &b->orig.src, sizeof a->orig.src);
    cmp = cmp ? cmp : memcmp(&a->orig.dst, &b->orig.dst, sizeof a->orig.dst);
    cmp = cmp ? cmp : compare_numbers(a->orig.src_port, b->orig.src_port);
    cmp = cmp ? cmp : compare_numbers(a->orig.dst_port, b->orig.dst_port);
    return cmp ? cmp : compare_numbers(a->orig.icmp_id, b->orig.icmp_id);
}

void
revocation_cuts_sort(struct revocation_cuts *cuts)
{
    if (cuts->n) {
        qsort(cuts->a, cuts->n, sizeof *cuts->a, compare_cuts);
    }
}

void
revocation_cuts_uninit(struct revocation_cuts *cuts)
{
    free(cuts->a);
    memset(cuts, 0, sizeof *cuts);
}
