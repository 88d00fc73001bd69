#include "openflow/guards.h"

#include <limits.h>
#include <netinet/icmp6.h>
#include <stdlib.h>
#include <string.h>

#include "flow.h"
#include "hash.h"
#include "openflow/lower_flows.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "packets.h"
#include "util.h"

struct guard {
    struct hmap_node hmap_node; /* In struct guards 'all', by tuple. */
    struct ovs_list list_node;  /* In one of its 'queues'. */
    struct guard_tuple tuple;
    uint32_t key; /* Of the flow's owner. */
    long long int until;
};

/* Each queue holds guards of one lifetime, so it is in order of their end. */
enum { QUEUE_TCP, QUEUE_ICMP6, QUEUE_OTHER, N_QUEUES };

static const long long int lifetimes[N_QUEUES] = {
    [QUEUE_TCP] = GUARD_TCP_MS,
    [QUEUE_ICMP6] = GUARD_ICMP6_MS,
    [QUEUE_OTHER] = GUARD_MS,
};

struct guards {
    struct flow_table *flows;
    struct hmap all;
    struct ovs_list queues[N_QUEUES];
    uint32_t last_key;
    uint64_t n_evicted;
};

struct guards *
guards_create(struct flow_table *flows)
{
    struct guards *guards = xzalloc(sizeof *guards);
    guards->flows = flows;
    hmap_init(&guards->all);
    for (int i = 0; i < N_QUEUES; i++) {
        ovs_list_init(&guards->queues[i]);
    }
    return guards;
}

void
guards_destroy(struct guards *guards)
{
    if (guards) {
        struct guard *g;
        HMAP_FOR_EACH_POP (g, hmap_node, &guards->all) {
            free(g);
        }
        hmap_destroy(&guards->all);
        free(guards);
    }
}

static uint32_t
tuple_hash(const struct guard_tuple *t)
{
    uint32_t hash = hash_bytes(&t->src, sizeof t->src, t->protocol);
    hash = hash_bytes(&t->dst, sizeof t->dst, hash);
    return hash_2words((uint32_t) t->src_port << 16 | t->dst_port, hash);
}

static bool
tuple_equal(const struct guard_tuple *a, const struct guard_tuple *b)
{
    return !memcmp(&a->src, &b->src, sizeof a->src) && !memcmp(&a->dst, &b->dst, sizeof a->dst)
           && a->src_port == b->src_port && a->dst_port == b->dst_port
           && a->protocol == b->protocol;
}

static struct guard *
find(const struct guards *guards, const struct guard_tuple *tuple)
{
    struct guard *g;
    HMAP_FOR_EACH_WITH_HASH (g, hmap_node, tuple_hash(tuple), &guards->all) {
        if (tuple_equal(&g->tuple, tuple)) {
            return g;
        }
    }
    return NULL;
}

static int
queue_of(uint8_t protocol)
{
    return protocol == IPPROTO_TCP      ? QUEUE_TCP
           : protocol == IPPROTO_ICMPV6 ? QUEUE_ICMP6
                                        : QUEUE_OTHER;
}

/* --- The flow ---------------------------------------------------------------------- */

static void
match_addresses(struct match *match, const struct in6_addr *src, const struct in6_addr *dst)
{
    struct prefix from = prefix_host(src), to = prefix_host(dst);
    match_ip_src(match, &from);
    match_ip_dst(match, &to);
}

static void
match_tuple(struct match *match, const struct guard_tuple *t)
{
    const uint32_t new = CS_TRACKED | CS_NEW;
    match_set_ct_state_masked(match, new, new);
    match_addresses(match, &t->src, &t->dst);
    match_set_nw_proto(match, t->protocol);
    if (t->src_port || t->dst_port) {
        match_set_tp_src(match, htons(t->src_port));
        match_set_tp_dst(match, htons(t->dst_port));
    }
    if (t->protocol == IPPROTO_TCP) {
        match_set_tcp_flags_masked(match, 0, htons(TCP_SYN));
    }
}

static struct flow_owner
owner_of(const struct guard *g)
{
    return (struct flow_owner){ FLOW_OWNER_GUARD, g->key };
}

static void
add_icmp6_flow(const struct flow_sink *sink, uint8_t type, const struct in6_addr *src,
               const struct in6_addr *dst)
{
    struct flow_draft draft;
    flow_draft_init(&draft);
    match_addresses(&draft.match, src, dst);
    match_set_nw_proto(&draft.match, IPPROTO_ICMPV6);
    match_set_icmp_type(&draft.match, type);
    flow_draft_emit(&draft, sink, TABLE_conntrack, PRIORITY_guard, VIRGA_COOKIE(COOKIE_CUT, 0));
    flow_draft_uninit(&draft);
}

static void
add_flows(struct guards *guards, const struct guard *g)
{
    struct flow_sink sink = { .flows = guards->flows, .owner = owner_of(g) };
    if (g->tuple.protocol == IPPROTO_ICMPV6) {
        add_icmp6_flow(&sink, ICMP6_ECHO_REQUEST, &g->tuple.dst, &g->tuple.src);
        add_icmp6_flow(&sink, ICMP6_ECHO_REPLY, &g->tuple.src, &g->tuple.dst);
        return;
    }
    struct flow_draft draft;
    flow_draft_init(&draft);
    match_tuple(&draft.match, &g->tuple);
    flow_draft_emit(&draft, &sink, TABLE_ct_state, PRIORITY_guard, VIRGA_COOKIE(COOKIE_CUT, 0));
    flow_draft_uninit(&draft);
}

/* --- Guards -------------------------------------------------------------------------- */

static void
guard_remove(struct guards *guards, struct guard *g)
{
    flow_table_remove_owner(guards->flows, owner_of(g));
    hmap_remove(&guards->all, &g->hmap_node);
    ovs_list_remove(&g->list_node);
    free(g);
}

/* The first to end of all; NULL if there is none. */
static struct guard *
first_to_end(const struct guards *guards)
{
    struct guard *first = NULL;
    for (int i = 0; i < N_QUEUES; i++) {
        const struct ovs_list *queue = &guards->queues[i];
        if (!ovs_list_is_empty(queue)) {
            struct guard *g = CONTAINER_OF(ovs_list_front(queue), struct guard, list_node);
            first = !first || g->until < first->until ? g : first;
        }
    }
    return first;
}

static struct guard *
guard_create(struct guards *guards, const struct guard_tuple *tuple)
{
    if (hmap_count(&guards->all) >= GUARDS_MAX) {
        guard_remove(guards, first_to_end(guards));
        guards->n_evicted++;
    }
    struct guard *g = xzalloc(sizeof *g);
    g->tuple = *tuple;
    g->key = ++guards->last_key;
    hmap_insert(&guards->all, &g->hmap_node, tuple_hash(tuple));
    add_flows(guards, g);
    return g;
}

void
guards_add(struct guards *guards, const struct guard_tuple *tuple, long long int now)
{
    struct guard *g = find(guards, tuple);
    if (g) {
        ovs_list_remove(&g->list_node);
    } else {
        g = guard_create(guards, tuple);
    }
    int queue = queue_of(tuple->protocol);
    g->until = now + lifetimes[queue];
    ovs_list_push_back(&guards->queues[queue], &g->list_node);
}

void
guards_adopt(struct guards *guards, const struct match *match, long long int now)
{
    const struct flow *f = &match->flow;
    bool ip4 = f->dl_type == htons(ETH_TYPE_IP);
    struct guard_tuple tuple = {
        .src = ip4 ? in6_addr_mapped_ipv4(f->nw_src) : f->ipv6_src,
        .dst = ip4 ? in6_addr_mapped_ipv4(f->nw_dst) : f->ipv6_dst,
        .src_port = ntohs(f->tp_src),
        .dst_port = ntohs(f->tp_dst),
        .protocol = f->nw_proto,
    };
    if (tuple.protocol == IPPROTO_ICMPV6) {
        if (tuple.src_port == ICMP6_ECHO_REQUEST) { /* Of the initiator, and no port. */
            struct in6_addr initiator = tuple.src;
            tuple.src = tuple.dst;
            tuple.dst = initiator;
        }
        tuple.src_port = tuple.dst_port = 0;
    }
    guards_add(guards, &tuple, now);
}

void
guards_run(struct guards *guards, long long int now)
{
    struct guard *g;
    while ((g = first_to_end(guards)) && g->until <= now) {
        guard_remove(guards, g);
    }
}

long long int
guards_next(const struct guards *guards)
{
    const struct guard *g = first_to_end(guards);
    return g ? g->until : LLONG_MAX;
}

size_t
guards_count(const struct guards *guards)
{
    return hmap_count(&guards->all);
}

uint64_t
guards_n_evicted(const struct guards *guards)
{
    return guards->n_evicted;
}

bool
guards_has(const struct guards *guards, const struct guard_tuple *tuple)
{
    return find(guards, tuple) != NULL;
}

void
guards_filter(struct guards *guards, bool (*keep)(const struct guard_tuple *, void *), void *aux)
{
    struct guard *g;
    HMAP_FOR_EACH_SAFE (g, hmap_node, &guards->all) {
        if (!keep(&g->tuple, aux)) {
            guard_remove(guards, g);
        }
    }
}
