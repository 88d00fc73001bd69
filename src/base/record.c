/* One record: create, copy, compare, free.  The set is in records.c, the text
 * in records_format.c and records_text.c. */
#include "base/records.h"

#include <stdlib.h>
#include <string.h>

#include "util.h"

const char *const rule_direction_names[] = {
    [RULE_EGRESS] = "egress",
    [RULE_INGRESS] = "ingress",
};
const char *const rule_tier_names[] = {
    [TIER_ADMIN] = "admin",
    [TIER_GROUP] = "group",
    [TIER_NETWORKPOLICY] = "networkpolicy",
    [TIER_BASELINE] = "baseline",
};
const char *const rule_action_names[] = {
    [RULE_ALLOW] = "allow",   [RULE_ISOLATE] = "isolate", [RULE_DENY] = "deny",
    [RULE_REJECT] = "reject", [RULE_PASS] = "pass",
};
BUILD_ASSERT_DECL(ARRAY_SIZE(rule_tier_names) == N_RULE_TIERS);
BUILD_ASSERT_DECL(ARRAY_SIZE(rule_action_names) == N_RULE_ACTIONS);

static void *
record_alloc(size_t size, enum record_kind kind, uint32_t key)
{
    struct record *r = xzalloc(size);

    r->kind = kind;
    r->key = key;
    return r;
}

#define RECORD_CREATE(TYPE, KIND)                                  \
    struct rec_##TYPE *rec_##TYPE##_create(uint32_t key)           \
    {                                                              \
        return record_alloc(sizeof(struct rec_##TYPE), KIND, key); \
    }
RECORD_CREATE(node, RECORD_NODE)
RECORD_CREATE(network, RECORD_NETWORK)
RECORD_CREATE(identity, RECORD_IDENTITY)
RECORD_CREATE(endpoint, RECORD_ENDPOINT)
RECORD_CREATE(set, RECORD_SET)
RECORD_CREATE(rule, RECORD_RULE)

/* Empty and NULL are one value in every record. */
static bool
str_equal(const char *a, const char *b)
{
    return !strcmp(a ? a : "", b ? b : "");
}

static bool
array_equal(const void *a, size_t na, const void *b, size_t nb, size_t size)
{
    return na == nb && (!na || !memcmp(a, b, na * size));
}

/* Not memcmp: struct prefix has padding. */
static bool
prefixes_equal(const struct prefix *a, size_t na, const struct prefix *b, size_t nb)
{
    if (na != nb) {
        return false;
    }
    for (size_t i = 0; i < na; i++) {
        if (prefix_compare(&a[i], &b[i])) {
            return false;
        }
    }
    return true;
}

static bool
strings_equal(char *const *a, size_t na, char *const *b, size_t nb)
{
    if (na != nb) {
        return false;
    }
    for (size_t i = 0; i < na; i++) {
        if (strcmp(a[i], b[i])) {
            return false;
        }
    }
    return true;
}

static void *
array_clone(const void *a, size_t n, size_t size)
{
    return n ? xmemdup(a, n * size) : NULL;
}

static bool
node_equal(const struct rec_node *a, const struct rec_node *b)
{
    return str_equal(a->name, b->name) && !memcmp(&a->vtep, &b->vtep, sizeof a->vtep)
           && array_equal(a->addresses, a->n_addresses, b->addresses, b->n_addresses,
                          sizeof *a->addresses);
}

static bool
network_equal(const struct rec_network *a, const struct rec_network *b)
{
    return str_equal(a->name, b->name) && a->zone == b->zone
           && prefixes_equal(a->subnets, a->n_subnets, b->subnets, b->n_subnets)
           && array_equal(a->gateways, a->n_subnets, b->gateways, b->n_subnets,
                          sizeof *a->gateways);
}

static bool
identity_equal(const struct rec_identity *a, const struct rec_identity *b)
{
    return a->vni == b->vni && str_equal(a->labels, b->labels);
}

static bool
endpoint_equal(const struct rec_endpoint *a, const struct rec_endpoint *b)
{
    return str_equal(a->name, b->name) && str_equal(a->uid, b->uid) && a->vni == b->vni
           && a->identity == b->identity && a->node == b->node
           && !memcmp(&a->mac, &b->mac, sizeof a->mac)
           && array_equal(a->ips, a->n_ips, b->ips, b->n_ips, sizeof *a->ips);
}

static bool
set_equal(const struct rec_set *a, const struct rec_set *b)
{
    return str_equal(a->selector, b->selector)
           && array_equal(a->identities, a->n_identities, b->identities, b->n_identities,
                          sizeof *a->identities)
           && prefixes_equal(a->prefixes, a->n_prefixes, b->prefixes, b->n_prefixes)
           && strings_equal(a->domains, a->n_domains, b->domains, b->n_domains);
}

static bool
ports_equal(const struct rec_rule *a, const struct rec_rule *b)
{
    if (a->any_port != b->any_port || a->n_ports != b->n_ports) {
        return false;
    }
    for (size_t i = 0; i < a->n_ports; i++) { /* Not memcmp: there is padding. */
        const struct rule_port *p = &a->ports[i], *q = &b->ports[i];
        if (p->protocol != q->protocol || p->first != q->first || p->last != q->last) {
            return false;
        }
    }
    return true;
}

static bool
peers_equal(const struct rec_rule *a, const struct rec_rule *b)
{
    return a->any_peer == b->any_peer && a->any_pod == b->any_pod
           && array_equal(a->peer_sets, a->n_peer_sets, b->peer_sets, b->n_peer_sets,
                          sizeof *a->peer_sets)
           && prefixes_equal(a->peer_prefixes, a->n_peer_prefixes, b->peer_prefixes,
                             b->n_peer_prefixes);
}

static bool
rule_equal(const struct rec_rule *a, const struct rec_rule *b)
{
    return a->direction == b->direction && a->tier == b->tier && a->priority == b->priority
           && a->rank == b->rank && a->action == b->action && a->log == b->log
           && a->dry_run == b->dry_run && a->vni == b->vni && a->subject == b->subject
           && a->index == b->index && str_equal(a->policy, b->policy) && peers_equal(a, b)
           && ports_equal(a, b);
}

bool
rule_close(const struct rec_rule *rule, struct rec_rule *closed)
{
    if (rule->action == RULE_ALLOW || rule->dry_run) {
        return false;
    }
    *closed = *rule;
    if (!rule_isolates(rule)) {
        closed->action = RULE_DENY;
        closed->any_peer = closed->any_port = true;
    }
    return true;
}

bool
record_equal(const struct record *a, const struct record *b)
{
    if (a->kind != b->kind || a->key != b->key) {
        return false;
    }
    switch (a->kind) {
    case RECORD_NODE:
        return node_equal((const struct rec_node *) a, (const struct rec_node *) b);
    case RECORD_NETWORK:
        return network_equal((const struct rec_network *) a, (const struct rec_network *) b);
    case RECORD_IDENTITY:
        return identity_equal((const struct rec_identity *) a, (const struct rec_identity *) b);
    case RECORD_ENDPOINT:
        return endpoint_equal((const struct rec_endpoint *) a, (const struct rec_endpoint *) b);
    case RECORD_SET:
        return set_equal((const struct rec_set *) a, (const struct rec_set *) b);
    case RECORD_RULE:
        return rule_equal((const struct rec_rule *) a, (const struct rec_rule *) b);
    case N_RECORD_KINDS:
        break;
    }
    OVS_NOT_REACHED();
}

static struct record *
node_clone(const struct rec_node *src)
{
    struct rec_node *n = xmemdup(src, sizeof *src);

    n->name = nullable_xstrdup(src->name);
    n->addresses = array_clone(src->addresses, src->n_addresses, sizeof *src->addresses);
    return &n->r;
}

static struct record *
network_clone(const struct rec_network *src)
{
    struct rec_network *n = xmemdup(src, sizeof *src);

    n->name = nullable_xstrdup(src->name);
    n->subnets = array_clone(src->subnets, src->n_subnets, sizeof *src->subnets);
    n->gateways = array_clone(src->gateways, src->n_subnets, sizeof *src->gateways);
    return &n->r;
}

static struct record *
identity_clone(const struct rec_identity *src)
{
    struct rec_identity *i = xmemdup(src, sizeof *src);

    i->labels = nullable_xstrdup(src->labels);
    return &i->r;
}

static struct record *
endpoint_clone(const struct rec_endpoint *src)
{
    struct rec_endpoint *e = xmemdup(src, sizeof *src);

    e->name = nullable_xstrdup(src->name);
    e->uid = nullable_xstrdup(src->uid);
    e->ips = array_clone(src->ips, src->n_ips, sizeof *src->ips);
    return &e->r;
}

static struct record *
set_clone(const struct rec_set *src)
{
    struct rec_set *s = xmemdup(src, sizeof *src);

    s->selector = nullable_xstrdup(src->selector);
    s->identities = array_clone(src->identities, src->n_identities, sizeof *src->identities);
    s->prefixes = array_clone(src->prefixes, src->n_prefixes, sizeof *src->prefixes);
    s->domains = array_clone(src->domains, src->n_domains, sizeof *src->domains);
    for (size_t i = 0; i < s->n_domains; i++) {
        s->domains[i] = xstrdup(src->domains[i]);
    }
    return &s->r;
}

static struct record *
rule_clone(const struct rec_rule *src)
{
    struct rec_rule *r = xmemdup(src, sizeof *src);

    r->policy = nullable_xstrdup(src->policy);
    r->peer_sets = array_clone(src->peer_sets, src->n_peer_sets, sizeof *src->peer_sets);
    r->peer_prefixes = array_clone(src->peer_prefixes, src->n_peer_prefixes,
                                   sizeof *src->peer_prefixes);
    r->ports = array_clone(src->ports, src->n_ports, sizeof *src->ports);
    return &r->r;
}

struct record *
record_clone(const struct record *r)
{
    switch (r->kind) {
    case RECORD_NODE:
        return node_clone((const struct rec_node *) r);
    case RECORD_NETWORK:
        return network_clone((const struct rec_network *) r);
    case RECORD_IDENTITY:
        return identity_clone((const struct rec_identity *) r);
    case RECORD_ENDPOINT:
        return endpoint_clone((const struct rec_endpoint *) r);
    case RECORD_SET:
        return set_clone((const struct rec_set *) r);
    case RECORD_RULE:
        return rule_clone((const struct rec_rule *) r);
    case N_RECORD_KINDS:
        break;
    }
    OVS_NOT_REACHED();
}

static void
record_uninit(struct record *r)
{
    switch (r->kind) {
    case RECORD_NODE: {
        struct rec_node *n = (struct rec_node *) r;
        free(n->name);
        free(n->addresses);
        break;
    }
    case RECORD_NETWORK: {
        struct rec_network *n = (struct rec_network *) r;
        free(n->name);
        free(n->subnets);
        free(n->gateways);
        break;
    }
    case RECORD_IDENTITY:
        free(((struct rec_identity *) r)->labels);
        break;
    case RECORD_ENDPOINT: {
        struct rec_endpoint *e = (struct rec_endpoint *) r;
        free(e->name);
        free(e->uid);
        free(e->ips);
        break;
    }
    case RECORD_SET: {
        struct rec_set *s = (struct rec_set *) r;
        free(s->selector);
        free(s->identities);
        free(s->prefixes);
        for (size_t i = 0; i < s->n_domains; i++) {
            free(s->domains[i]);
        }
        free(s->domains);
        break;
    }
    case RECORD_RULE: {
        struct rec_rule *rule = (struct rec_rule *) r;
        free(rule->policy);
        free(rule->peer_sets);
        free(rule->peer_prefixes);
        free(rule->ports);
        break;
    }
    case N_RECORD_KINDS:
        OVS_NOT_REACHED();
    }
}

void
record_destroy(struct record *r)
{
    if (r) {
        record_uninit(r);
        free(r);
    }
}
