#include "openflow/lower.h"

#include <stdlib.h>
#include <string.h>

#include "base/learned.h"
#include "hash.h"
#include "openflow/lower_flows.h"
#include "openflow/lower_index.h"
#include "openflow/policy_sizes.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "util.h"

/* Who must be lowered again, and why.
 *
 *   own node, ports -----> everything that is near or far: endpoints, nodes, base
 *   node ----------------> node, endpoints on it
 *   network -------------> network
 *       first or last subnet of a family ---------> rules of that network
 *   endpoint, attachment-> endpoint
 *       first or last local one of its identity -> rules with that subject
 *       first or last local one of its network --> network (its zone)
 *   set -----------------> rules that use it
 *   learned addresses ---> rules that use the set
 *   rule ----------------> rule
 *   rule that grows or shrinks, its policy past the limit or back -> all its rules
 *
 * A run first carries the marks along these arrows, in this order, and then
 * lowers what is marked.  An endpoint that moves between nodes, or between
 * identities that stay local, thus costs its own flows and no rule's.
 *
 * Names and attachments meet in update_place(): a local endpoint is one whose
 * record, with the right uid, is on this node and that is attached.  Its state
 * of the last run stays in 'places', to see what its change does to the sets
 * of local identities and networks. */

struct attachment {
    struct hmap_node hmap_node; /* By name. */
    char *name;
    char *uid;
    ofp_port_t port;
};

struct lower {
    char *node_name;
    struct lower_context ctx;
    struct flow_table *flows;
    struct hmap attachments;
    struct place_index places;
    struct use_index uses;

    struct lower_ids dirty[N_RECORD_KINDS];
    struct lower_ids toggled;    /* Identities that came or went here. */
    struct lower_ids refamilied; /* Networks whose families changed; 0: all together. */
    bool base_dirty;
    struct interlude interlude;
};

enum { KEYS_PER_INTERLUDE = 128 };

/* Attachments. */

static struct attachment *
attachment_find(const struct lower *l, const char *name, const char *uid)
{
    struct attachment *a;

    HMAP_FOR_EACH_WITH_HASH (a, hmap_node, hash_string(name, 0), &l->attachments) {
        if (!strcmp(a->name, name) && !strcmp(a->uid, uid)) {
            return a;
        }
    }
    return NULL;
}

static void
attachment_destroy(struct lower *l, struct attachment *a)
{
    hmap_remove(&l->attachments, &a->hmap_node);
    free(a->name);
    free(a->uid);
    free(a);
}

static struct attachment *
attachment_create(struct lower *l, const char *name, const char *uid)
{
    struct attachment *a = xzalloc(sizeof *a);

    a->name = xstrdup(name);
    a->uid = xstrdup(uid);
    hmap_insert(&l->attachments, &a->hmap_node, hash_string(name, 0));
    return a;
}

void
lower_attach(struct lower *l, const char *name, const char *uid, ofp_port_t port)
{
    struct attachment *a = attachment_find(l, name, uid);

    if (port) {
        a = a ? a : attachment_create(l, name, uid);
        a->port = port;
    } else if (a) {
        attachment_destroy(l, a);
    }
    place_mark_name(&l->places, name, &l->dirty[RECORD_ENDPOINT]);
}

static ofp_port_t
local_port(const struct lower *l, const struct rec_endpoint *ep)
{
    const struct attachment *a = ep->node && ep->node == l->ctx.node
                                     ? attachment_find(l, ep->name, ep->uid)
                                     : NULL;
    return a ? a->port : 0;
}

bool
lower_is_realized(const struct lower *l, const char *name, const char *uid)
{
    const struct attachment *a = attachment_find(l, name, uid);
    const struct place *p = place_find_name(&l->places, name, uid);

    return a && p && p->port == a->port;
}

/* Marks. */

static void
mark_record(struct lower *l, const struct record *r)
{
    lower_ids_mark(&l->dirty[r->kind], r->key);
}

static void
mark_everything(struct lower *l, const struct records *records)
{
    for (enum record_kind kind = 0; kind < N_RECORD_KINDS; kind++) {
        for (const struct record *r = records_first(records, kind); r;
             r = records_next(records, r)) {
            mark_record(l, r);
        }
    }
    l->base_dirty = true;
}

static void
mark_changes(struct lower *l, const struct records *records)
{
    for (enum record_kind kind = 0; kind < N_RECORD_KINDS; kind++) {
        size_t n;
        uint32_t *keys = records_changed(records, kind, &n);
        for (size_t i = 0; i < n; i++) {
            lower_ids_mark(&l->dirty[kind], keys[i]);
        }
        free(keys);
    }
}

/* All that depends on which node this is or on the tunnel and host ports. */
static void
mark_places(struct lower *l, const struct records *records)
{
    for (const struct record *r = records_first(records, RECORD_NODE); r;
         r = records_next(records, r)) {
        mark_record(l, r);
    }
    place_mark_all(&l->places, &l->dirty[RECORD_ENDPOINT]);
}

void
lower_set_ports(struct lower *l, ofp_port_t tunnel, ofp_port_t gateway)
{
    if (l->ctx.tunnel_port != tunnel || l->ctx.gateway_port != gateway) {
        l->ctx.tunnel_port = tunnel;
        l->ctx.gateway_port = gateway;
        l->base_dirty = true;
    }
}

void
lower_set_learned(struct lower *l, uint32_t set, const struct in6_addr *addresses, size_t n)
{
    if (learned_put(l->ctx.learned, set, addresses, n)) {
        use_index_mark_set(&l->uses, set, &l->dirty[RECORD_RULE]);
    }
}

const struct learned *
lower_learned(const struct lower *l)
{
    return l->ctx.learned;
}

/* Carrying the marks along. */

static bool
is_own_node(const struct lower *l, const struct rec_node *node)
{
    return node && !strcmp(node->name, l->node_name);
}

/* The number of this node can only change with the record that has it or that
 * brings it. */
static uint32_t
find_own_node(const struct lower *l, const struct records *records)
{
    const struct lower_id *changed;

    LOWER_IDS_FOR_EACH(changed, &l->dirty[RECORD_NODE])
    {
        if (is_own_node(l, records_node(records, changed->id))) {
            return changed->id;
        }
    }
    return is_own_node(l, records_node(records, l->ctx.node)) ? l->ctx.node : 0;
}

static void
carry_nodes(struct lower *l, const struct records *records)
{
    const struct lower_id *changed;
    uint32_t own = find_own_node(l, records);

    if (own != l->ctx.node) {
        l->ctx.node = own;
        l->base_dirty = true;
    }
    if (l->base_dirty) {
        mark_places(l, records);
    }
    LOWER_IDS_FOR_EACH(changed, &l->dirty[RECORD_NODE])
    {
        place_mark_node(&l->places, changed->id, &l->dirty[RECORD_ENDPOINT]);
    }
}

static void
leave_local(struct lower *l, const struct place *p)
{
    if (!lower_ids_remove(&l->ctx.local_identities, p->identity)) {
        lower_ids_mark(&l->toggled, p->identity);
    }
    if (!lower_ids_remove(&l->ctx.local_networks, p->vni)) {
        lower_ids_mark(&l->dirty[RECORD_NETWORK], p->vni);
    }
}

static void
enter_local(struct lower *l, const struct place *p)
{
    if (lower_ids_add(&l->ctx.local_identities, p->identity) == 1) {
        lower_ids_mark(&l->toggled, p->identity);
    }
    if (lower_ids_add(&l->ctx.local_networks, p->vni) == 1) {
        lower_ids_mark(&l->dirty[RECORD_NETWORK], p->vni);
    }
}

static void
update_place(struct lower *l, uint32_t id, const struct rec_endpoint *ep)
{
    struct place *p = place_find(&l->places, id);

    if (p && p->port) {
        leave_local(l, p);
    }
    if (ep) {
        p = place_set(&l->places, ep, local_port(l, ep));
        if (p->port) {
            enter_local(l, p);
        }
    } else if (p) {
        place_remove(&l->places, p);
    }
}

static void
carry_endpoints(struct lower *l, const struct records *records)
{
    const struct lower_id *changed;

    LOWER_IDS_FOR_EACH(changed, &l->dirty[RECORD_ENDPOINT])
    {
        update_place(l, changed->id, records_endpoint(records, changed->id));
    }
}

static bool
has_family(const struct rec_network *network, bool ip4)
{
    for (size_t i = 0; network && i < network->n_subnets; i++) {
        if (prefix_is_ip4(&network->subnets[i]) == ip4) {
            return true;
        }
    }
    return false;
}

static void
update_family(struct lower *l, struct lower_ids *networks, uint32_t vni, bool has)
{
    if (lower_ids_has(networks, vni) == has) {
        return;
    }
    bool none = hmap_is_empty(&networks->hmap);
    if (has) {
        lower_ids_add(networks, vni);
    } else {
        lower_ids_remove(networks, vni);
    }
    lower_ids_mark(&l->refamilied, vni);
    if (none != hmap_is_empty(&networks->hmap)) {
        lower_ids_mark(&l->refamilied, 0);
    }
}

static void
carry_networks(struct lower *l, const struct records *records)
{
    const struct lower_id *changed;

    LOWER_IDS_FOR_EACH(changed, &l->dirty[RECORD_NETWORK])
    {
        const struct rec_network *network = records_network(records, changed->id);

        update_family(l, &l->ctx.ip4_networks, changed->id, has_family(network, true));
        update_family(l, &l->ctx.ip6_networks, changed->id, has_family(network, false));
    }
}

static void
mark_refamilied(struct lower *l, const struct records *records)
{
    if (hmap_is_empty(&l->refamilied.hmap)) {
        return;
    }
    for (const struct record *r = records_first(records, RECORD_RULE); r;
         r = records_next(records, r)) {
        if (lower_ids_has(&l->refamilied, records_rule(records, r->key)->vni)) {
            mark_record(l, r);
        }
    }
    lower_ids_clear(&l->refamilied);
}

static void
carry_rules(struct lower *l, const struct records *records)
{
    const struct lower_id *changed;

    mark_refamilied(l, records);
    LOWER_IDS_FOR_EACH(changed, &l->dirty[RECORD_RULE])
    {
        use_index_set_rule(&l->uses, changed->id, records_rule(records, changed->id));
    }
    LOWER_IDS_FOR_EACH(changed, &l->dirty[RECORD_SET])
    {
        use_index_mark_set(&l->uses, changed->id, &l->dirty[RECORD_RULE]);
    }
    use_index_mark_subjects(&l->uses, records, &l->toggled, &l->dirty[RECORD_RULE]);
}

/* After all other marks on rules. */
static void
carry_sizes(struct lower *l, const struct records *records)
{
    const struct lower_id *id;
    struct lower_ids marked;

    lower_ids_init(&marked);
    LOWER_IDS_FOR_EACH(id, &l->dirty[RECORD_RULE])
    {
        const struct rec_rule *rule = records_rule(records, id->id);
        size_t size = rule ? lower_rule_size(&l->ctx, rule) : 0;
        policy_sizes_set(l->ctx.sizes, id->id, size ? rule->policy : NULL, size, &marked);
    }
    LOWER_IDS_FOR_EACH(id, &marked)
    {
        lower_ids_mark(&l->dirty[RECORD_RULE], id->id);
    }
    lower_ids_uninit(&marked);
}

/* Lowering what is marked. */

static void
lower_rule_of_policy(struct lower *l, const struct flow_sink *sink, const struct rec_rule *rule)
{
    struct rec_rule closed;

    if (policy_sizes_exceeds(l->ctx.sizes, rule->r.key)) {
        if (rule_close(rule, &closed)) {
            lower_rule(&l->ctx, sink, &closed);
        }
    } else {
        lower_rule(&l->ctx, sink, rule);
        lower_dns(&l->ctx, sink, rule);
    }
}

static void
lower_record(struct lower *l, const struct flow_sink *sink, const struct record *r)
{
    switch (r->kind) {
    case RECORD_NODE:
        lower_node(&l->ctx, sink, records_node(l->ctx.records, r->key));
        break;
    case RECORD_NETWORK:
        lower_network(&l->ctx, sink, records_network(l->ctx.records, r->key));
        break;
    case RECORD_ENDPOINT:
        lower_endpoint(&l->ctx, sink, records_endpoint(l->ctx.records, r->key),
                       place_find(&l->places, r->key)->port);
        break;
    case RECORD_RULE:
        lower_rule_of_policy(l, sink, records_rule(l->ctx.records, r->key));
        break;
    case RECORD_IDENTITY:
    case RECORD_SET:
    case N_RECORD_KINDS:
    default:
        break; /* Flows come from who uses them. */
    }
}

static void
lower_key(struct lower *l, enum record_kind kind, uint32_t key)
{
    struct flow_sink sink = { .flows = l->flows, .owner = { kind, key } };
    const struct record *r = records_find(l->ctx.records, kind, key);

    flow_table_replace_begin(l->flows, sink.owner);
    if (r) {
        lower_record(l, &sink, r);
    }
    flow_table_replace_end(l->flows, sink.owner);
}

static void
lower_dirty(struct lower *l)
{
    size_t n = 0;

    for (enum record_kind kind = 0; kind < N_RECORD_KINDS; kind++) {
        const struct lower_id *dirty;

        LOWER_IDS_FOR_EACH(dirty, &l->dirty[kind])
        {
            lower_key(l, kind, dirty->id);
            if (++n % KEYS_PER_INTERLUDE == 0) {
                interlude_play(&l->interlude);
            }
        }
        lower_ids_clear(&l->dirty[kind]);
    }
    lower_ids_clear(&l->toggled);
}

static void
lower_base_again(struct lower *l)
{
    struct flow_sink sink = { .flows = l->flows, .owner = { FLOW_OWNER_CONFIG, 0 } };

    flow_table_replace_begin(l->flows, sink.owner);
    lower_base(&l->ctx, &sink);
    flow_table_replace_end(l->flows, sink.owner);
    l->base_dirty = false;
}

static void
lower_marked(struct lower *l, const struct records *records)
{
    l->ctx.records = records;
    carry_nodes(l, records);
    carry_networks(l, records);
    carry_endpoints(l, records);
    carry_rules(l, records);
    carry_sizes(l, records);
    if (l->base_dirty) {
        lower_base_again(l);
    }
    lower_dirty(l);
    l->ctx.records = NULL;
}

void
lower_run(struct lower *l, const struct records *records)
{
    mark_changes(l, records);
    lower_marked(l, records);
}

struct flow_table *
lower_flows(struct lower *l)
{
    return l->flows;
}

void
lower_each_oversized(const struct lower *l, lower_oversized_cb *cb, void *aux)
{
    policy_sizes_each(l->ctx.sizes, cb, aux);
}

unsigned int
lower_oversized_seqno(const struct lower *l)
{
    return policy_sizes_seqno(l->ctx.sizes);
}

const struct number_set *
lower_closed(const struct lower *l, unsigned int *seqno)
{
    return policy_sizes_closed(l->ctx.sizes, seqno);
}

/* Life. */

struct lower *
lower_create(const struct lower_config *config)
{
    struct lower *l = xzalloc(sizeof *l);

    l->node_name = xstrdup(config->node_name);
    l->interlude = config->interlude;
    l->ctx.tunnel_port = config->tunnel_port;
    l->ctx.gateway_port = config->gateway_port;
    lower_ids_init(&l->ctx.local_identities);
    lower_ids_init(&l->ctx.local_networks);
    lower_ids_init(&l->ctx.ip4_networks);
    lower_ids_init(&l->ctx.ip6_networks);
    l->ctx.learned = learned_create();
    l->ctx.sizes = policy_sizes_create(config->policy_flows_max ? config->policy_flows_max
                                                                : SIZE_MAX);
    l->flows = flow_table_create();
    hmap_init(&l->attachments);
    place_index_init(&l->places);
    use_index_init(&l->uses);
    for (enum record_kind kind = 0; kind < N_RECORD_KINDS; kind++) {
        lower_ids_init(&l->dirty[kind]);
    }
    lower_ids_init(&l->toggled);
    lower_ids_init(&l->refamilied);
    l->base_dirty = true;
    pipeline_add(l->flows);
    return l;
}

void
lower_destroy(struct lower *l)
{
    struct attachment *a;

    if (!l) {
        return;
    }
    HMAP_FOR_EACH_SAFE (a, hmap_node, &l->attachments) {
        attachment_destroy(l, a);
    }
    hmap_destroy(&l->attachments);
    place_index_uninit(&l->places);
    use_index_uninit(&l->uses);
    for (enum record_kind kind = 0; kind < N_RECORD_KINDS; kind++) {
        lower_ids_uninit(&l->dirty[kind]);
    }
    lower_ids_uninit(&l->toggled);
    lower_ids_uninit(&l->refamilied);
    lower_ids_uninit(&l->ctx.local_identities);
    lower_ids_uninit(&l->ctx.local_networks);
    lower_ids_uninit(&l->ctx.ip4_networks);
    lower_ids_uninit(&l->ctx.ip6_networks);
    learned_destroy(l->ctx.learned);
    policy_sizes_destroy(l->ctx.sizes);
    flow_table_destroy(l->flows);
    free(l->node_name);
    free(l);
}

/* The oracle. */

static void
copy_learned(void *fresh, uint32_t set, const struct in6_addr *addresses, size_t n)
{
    lower_set_learned(fresh, set, addresses, n);
}

static struct lower *
lower_again(const struct lower *l, const struct records *records)
{
    struct lower_config config = {
        .node_name = l->node_name,
        .tunnel_port = l->ctx.tunnel_port,
        .gateway_port = l->ctx.gateway_port,
        .policy_flows_max = policy_sizes_limit(l->ctx.sizes),
    };
    struct lower *fresh = lower_create(&config);
    const struct attachment *a;

    HMAP_FOR_EACH (a, hmap_node, &l->attachments) {
        lower_attach(fresh, a->name, a->uid, a->port);
    }
    learned_each(l->ctx.learned, copy_learned, fresh);
    mark_everything(fresh, records);
    lower_marked(fresh, records);
    return fresh;
}

/* Guards are in the same table and come from no record. */
static bool
is_guard(const struct flow_change *change)
{
    return change->op == FLOW_DELETE && VIRGA_COOKIE_FEATURE(change->flow->cookie) == COOKIE_CUT;
}

static char *
describe_difference(const struct flow_change *change)
{
    static const char *const words[] = {
        [FLOW_ADD] = "missing",
        [FLOW_MODIFY] = "should be",
        [FLOW_DELETE] = "too much",
    };
    struct ds ds = DS_EMPTY_INITIALIZER;

    ds_put_format(&ds, "%s: ", words[change->op]);
    flow_entry_format(change->flow, &ds);
    return ds_steal_cstr(&ds);
}

char *
lower_check_full(const struct lower *l, const struct records *records)
{
    struct lower *fresh = lower_again(l, records);
    struct flow_changes changes;
    char *error = NULL;

    flow_table_diff(fresh->flows, l->flows, &changes);
    for (size_t i = 0; i < changes.n && !error; i++) {
        if (!is_guard(&changes.a[i])) {
            error = describe_difference(&changes.a[i]);
        }
    }
    flow_changes_uninit(&changes);
    lower_destroy(fresh);
    return error;
}
