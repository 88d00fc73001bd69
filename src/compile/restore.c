/* Numbers of an earlier life.
 *
 * Restored records wait in the set of records until the first run, which
 * begins by giving each number to the entry of its object, or dropping the
 * record if the object is gone.  Identities and sets have no object: they
 * wait by their text for whoever comes with it, and restore_end() drops the
 * rest. */
#include "compile/state.h"

#include <stdlib.h>
#include <string.h>

#include "bitmap.h"
#include "util.h"

static bool
restore_node(struct compile *c, const struct rec_node *rec)
{
    struct node_entry *node = shash_find_data(&c->nodes, rec->name);

    if (!node || !node->next_exists || node->id) {
        return false;
    }
    node->id = rec->r.key;
    return true;
}

static bool
restore_network(struct compile *c, const struct rec_network *rec)
{
    struct namespace_entry *ns = namespace_entry_find(c, rec->name);

    if (!ns || !ns->next || ns->vni || !rec->zone || bitmap_is_set(c->zones, rec->zone)) {
        return false;
    }
    for (size_t i = 0; i < rec->n_subnets; i++) {
        if (subnets_overlap(&c->subnets, &rec->subnets[i])) {
            return false;
        }
    }
    ns->vni = rec->r.key;
    ns->zone = rec->zone;
    if (!c->has_counters) {
        numbers_note(&c->numbers, NUMBER_ZONE, ns->zone);
    }
    bitmap_set1(c->zones, ns->zone);
    ns->n_subnets = rec->n_subnets;
    if (rec->n_subnets) {
        ns->subnets = xmemdup(rec->subnets, rec->n_subnets * sizeof *rec->subnets);
    }
    for (size_t i = 0; i < rec->n_subnets; i++) {
        subnets_insert(&c->subnets, &rec->subnets[i], ns);
    }
    return true;
}

static bool
restore_identity(struct compile *c, const struct rec_identity *rec)
{
    return simap_put(&c->classes.restored, rec->labels, rec->r.key);
}

static bool
restore_set(struct compile *c, const struct rec_set *rec)
{
    return simap_put(&c->selection.restored, rec->selector, rec->r.key);
}

/* Splits "NAMESPACE/NAME"; returns the name, or NULL without a slash. */
static const char *
split_name(const char *text, char **ns)
{
    const char *slash = text ? strchr(text, '/') : NULL;

    *ns = slash ? xmemdup0(text, slash - text) : NULL;
    return slash ? slash + 1 : NULL;
}

/* The policy that a rule names, one of the two if it is there. */
struct policy_ref {
    struct policy_entry *policy;
    struct ordered_entry *ordered;
};

static struct policy_ref
policy_of_rule(const struct compile *c, const struct rec_rule *rec)
{
    const char *text = rec->policy ? rec->policy : "";
    char *kind, *ns = NULL;
    const char *name = split_name(text, &kind);
    struct policy_ref ref = { NULL, NULL };

    if (name) {
        name = split_name(name, &ns);
    }
    if (name) {
        ref.policy = policy_entry_find(c, kind, *ns ? ns : name, name);
        ref.ordered = *ns ? NULL : ordered_entry_find(c, kind, name);
    }
    free(kind);
    free(ns);
    return ref;
}

static void
append_rule(uint32_t **rules, size_t *n, size_t *allocated, uint32_t id)
{
    if (*n >= *allocated) {
        *rules = x2nrealloc(*rules, allocated, sizeof **rules);
    }
    (*rules)[(*n)++] = id;
}

static bool
restore_rule(struct compile *c, const struct rec_rule *rec)
{
    struct policy_ref ref = policy_of_rule(c, rec);
    struct policy_entry *policy = ref.policy;
    struct ordered_entry *ordered = ref.ordered;

    if (policy && policy->next && rec->tier == TIER_NETWORKPOLICY) {
        append_rule(&policy->rules, &policy->n_rules, &policy->allocated_rules, rec->r.key);
        return true;
    } else if (ordered && ordered->next && rec->tier != TIER_NETWORKPOLICY) {
        append_rule(&ordered->rules, &ordered->n_rules, &ordered->allocated_rules, rec->r.key);
        return true;
    }
    return false;
}

static struct pod_entry *
pod_of_endpoint(const struct compile *c, const struct rec_endpoint *rec)
{
    char *ns;
    const char *name = split_name(rec->name, &ns);
    struct pod_entry *pod = name ? pod_entry_find(c, ns, name) : NULL;

    free(ns);
    return pod;
}

static bool
restore_endpoint(struct compile *c, const struct rec_endpoint *rec)
{
    struct pod_entry *pod = pod_of_endpoint(c, rec);

    if (!pod || !pod->next || pod->endpoint || !rec->n_ips || !pod_wants_endpoint(pod->next)) {
        return false;
    }
    for (size_t i = 0; i < rec->n_ips; i++) {
        if (addresses_find(&c->addresses, &rec->ips[i])) {
            return false;
        }
    }
    pod->endpoint = rec->r.key;
    pod->n_ips = rec->n_ips;
    pod->ips = xmalloc(rec->n_ips * sizeof *pod->ips);
    for (size_t i = 0; i < rec->n_ips; i++) {
        addresses_insert(&c->addresses, &pod->ips[i], &rec->ips[i], pod);
    }

    /* New addresses come behind the highest there is. */
    struct namespace_entry *ns = pod->namespace_;
    for (size_t i = 0; i < rec->n_ips; i++) {
        struct in6_addr *last = &ns->last_addresses[addr_is_ip4(&rec->ips[i])];
        if (addr_compare(last, &rec->ips[i]) < 0) {
            *last = rec->ips[i];
        }
    }
    return true;
}

static bool
restore_record(struct compile *c, const struct record *r)
{
    switch (r->kind) {
    case RECORD_NODE:
        return restore_node(c, (const struct rec_node *) r);
    case RECORD_NETWORK:
        return restore_network(c, (const struct rec_network *) r);
    case RECORD_IDENTITY:
        return restore_identity(c, (const struct rec_identity *) r);
    case RECORD_ENDPOINT:
        return restore_endpoint(c, (const struct rec_endpoint *) r);
    case RECORD_SET:
        return restore_set(c, (const struct rec_set *) r);
    case RECORD_RULE:
        return restore_rule(c, (const struct rec_rule *) r);
    case N_RECORD_KINDS:
        break;
    }
    OVS_NOT_REACHED();
}

static const enum number_kind numbers_of_kinds[N_RECORD_KINDS] = {
    [RECORD_NODE] = NUMBER_NODE,         [RECORD_NETWORK] = NUMBER_VNI,
    [RECORD_IDENTITY] = NUMBER_IDENTITY, [RECORD_ENDPOINT] = NUMBER_ENDPOINT,
    [RECORD_SET] = NUMBER_SET,           [RECORD_RULE] = NUMBER_RULE,
};

static void
restore_kind(struct compile *c, enum record_kind kind)
{
    size_t n;
    const struct record **records = records_sorted(c->records, kind, &n);

    for (size_t i = 0; i < n; i++) {
        if (!c->has_counters) {
            numbers_note(&c->numbers, numbers_of_kinds[kind], records[i]->key);
        }
        if (!restore_record(c, records[i])) {
            records_remove(c->records, kind, records[i]->key);
        }
    }
    free(records);
}

struct rule_place {
    uint32_t id;
    int32_t index;
};

static int
compare_places(const void *a_, const void *b_)
{
    const struct rule_place *a = a_, *b = b_;

    if (a->index != b->index) {
        return a->index < b->index ? -1 : 1;
    }
    return a->id < b->id ? -1 : a->id > b->id;
}

/* Of equal rules, the first in the policy is to find the first. */
static void
sort_rules(const struct records *records, uint32_t *rules, size_t n)
{
    struct rule_place *places = xmalloc((n + 1) * sizeof *places);

    for (size_t i = 0; i < n; i++) {
        places[i] = (struct rule_place){ rules[i], records_rule(records, rules[i])->index };
    }
    qsort(places, n, sizeof *places, compare_places);
    for (size_t i = 0; i < n; i++) {
        rules[i] = places[i].id;
    }
    free(places);
}

void
restore_begin(struct compile *c)
{
    struct policy_entry *policy;
    struct ordered_entry *ordered;

    records_clear_changes(c->records);
    for (int kind = 0; kind < N_RECORD_KINDS; kind++) {
        restore_kind(c, kind);
    }
    HMAP_FOR_EACH (policy, hmap_node, &c->policies) {
        sort_rules(c->records, policy->rules, policy->n_rules);
    }
    HMAP_FOR_EACH (ordered, hmap_node, &c->ordered) {
        sort_rules(c->records, ordered->rules, ordered->n_rules);
        ordered_restore_ranks(c, ordered);
    }
}

static void
drop_rest(struct compile *c, struct simap *restored, enum record_kind kind)
{
    const struct simap_node *node;

    SIMAP_FOR_EACH (node, restored) {
        records_remove(c->records, kind, node->data);
    }
    simap_clear(restored);
}

void
restore_end(struct compile *c)
{
    drop_rest(c, &c->classes.restored, RECORD_IDENTITY);
    drop_rest(c, &c->selection.restored, RECORD_SET);
}
