#include "compile/policy_rules.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "model/objects.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/hmap.h"
#include "util.h"

struct build {
    const struct network_policy *policy;
    struct selector own; /* The policy's namespace. */
    uint32_t vni;
    uint32_t subject;
    policy_set_fn *set;
    void *aux;
    struct rec_rule **rules;
    size_t n, allocated;
};

char *
policy_rules_name(const char *namespace_, const char *name)
{
    return xasprintf("NetworkPolicy/%s/%s", namespace_, name);
}

void
selector_of_namespace(const char *name, struct selector *selector)
{
    selector_init(selector);
    selector_add(selector, "kubernetes.io/metadata.name", SELECTOR_IN, &name, 1);
}

static struct rec_rule *
add_rule(struct build *b, enum rule_direction direction, enum rule_action action, int32_t index)
{
    struct rec_rule *rule = rec_rule_create(0);

    rule->direction = direction;
    rule->tier = TIER_NETWORKPOLICY;
    rule->action = action;
    rule->vni = b->vni;
    rule->subject = b->subject;
    rule->policy = policy_rules_name(b->policy->meta.namespace_, b->policy->meta.name);
    rule->index = index;
    if (b->n >= b->allocated) {
        b->rules = x2nrealloc(b->rules, &b->allocated, sizeof *b->rules);
    }
    b->rules[b->n++] = rule;
    return rule;
}

/* Peers. */

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

static void
add_prefixes(struct rec_rule *rule, size_t *allocated, const struct policy_peer *peer)
{
    size_t n;
    struct prefix *prefixes = prefix_subtract(&peer->cidr, peer->excepts, peer->n_excepts, &n);

    for (size_t i = 0; i < n; i++) {
        if (rule->n_peer_prefixes >= *allocated) {
            rule->peer_prefixes = x2nrealloc(rule->peer_prefixes, allocated,
                                             sizeof *rule->peer_prefixes);
        }
        rule->peer_prefixes[rule->n_peer_prefixes++] = prefixes[i];
    }
    free(prefixes);
}

/* Sorts; drops what another prefix covers, which then stands right before. */
static void
canonical_prefixes(struct rec_rule *rule)
{
    struct prefix *a = rule->peer_prefixes;
    size_t n = 0;

    if (!rule->n_peer_prefixes) {
        return;
    }
    qsort(a, rule->n_peer_prefixes, sizeof *a, compare_prefixes);
    for (size_t i = 0; i < rule->n_peer_prefixes; i++) {
        if (!n || !prefix_covers(&a[n - 1], &a[i])) {
            a[n++] = a[i];
        }
    }
    rule->n_peer_prefixes = n;
    rule->peer_prefixes = xrealloc(a, n * sizeof *a);
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

static void
build_peers(struct build *b, struct rec_rule *rule, const struct policy_rule *src)
{
    size_t allocated_sets = 0, allocated_prefixes = 0;

    rule->any_peer = !src->n_peers;
    for (size_t i = 0; i < src->n_peers; i++) {
        const struct policy_peer *peer = &src->peers[i];

        if (peer->is_ip_block) {
            add_prefixes(rule, &allocated_prefixes, peer);
            continue;
        }
        if (rule->n_peer_sets >= allocated_sets) {
            rule->peer_sets = x2nrealloc(rule->peer_sets, &allocated_sets,
                                         sizeof *rule->peer_sets);
        }
        rule->peer_sets[rule->n_peer_sets++] = b->set(
            b->aux, peer->has_namespace_selector ? &peer->namespace_selector : &b->own,
            &peer->pod_selector);
    }
    canonical_sets(rule);
    canonical_prefixes(rule);
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

/* Sorts; joins ranges that touch. */
static void
canonical_ports(struct rec_rule *rule)
{
    struct rule_port *a = rule->ports;
    size_t n = 0;

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

/* A name stands for no number here, so it matches nothing. */
static void
build_ports(struct rec_rule *rule, const struct policy_rule *src)
{
    rule->any_port = !src->n_ports;
    if (rule->any_port) {
        return;
    }
    rule->ports = xcalloc(src->n_ports, sizeof *rule->ports);
    for (size_t i = 0; i < src->n_ports; i++) {
        const struct policy_port *port = &src->ports[i];

        if (!port->name) {
            struct rule_port *p = &rule->ports[rule->n_ports++];
            p->protocol = port->protocol;
            p->first = port->first;
            p->last = port->last;
        }
    }
    canonical_ports(rule);
}

static void
build_direction(struct build *b, enum rule_direction direction, const struct policy_rule *rules,
                size_t n)
{
    struct rec_rule *isolate = add_rule(b, direction, RULE_ISOLATE, -1);

    isolate->any_peer = isolate->any_port = true;
    for (size_t i = 0; i < n; i++) {
        struct rec_rule *rule = add_rule(b, direction, RULE_ALLOW, i);

        build_peers(b, rule, &rules[i]);
        build_ports(rule, &rules[i]);
    }
}

struct rec_rule **
policy_rules_build(const struct network_policy *policy, uint32_t vni, policy_set_fn *set,
                   void *aux, size_t *n)
{
    struct build b = { .policy = policy, .vni = vni, .set = set, .aux = aux };

    selector_of_namespace(policy->meta.namespace_, &b.own);
    b.subject = set(aux, &b.own, &policy->pod_selector);
    if (policy->isolates_ingress) {
        build_direction(&b, RULE_INGRESS, policy->ingress, policy->n_ingress);
    }
    if (policy->isolates_egress) {
        build_direction(&b, RULE_EGRESS, policy->egress, policy->n_egress);
    }
    selector_uninit(&b.own);
    *n = b.n;
    return b.rules;
}

/* Stable numbers. */

static uint32_t
content_hash(const struct rec_rule *rule)
{
    uint32_t hash = hash_2words(rule->direction << 1 | rule->action, rule->subject);

    hash = hash_2words(hash, rule->any_peer << 1 | rule->any_port);
    for (size_t i = 0; i < rule->n_peer_sets; i++) {
        hash = hash_2words(hash, rule->peer_sets[i]);
    }
    for (size_t i = 0; i < rule->n_peer_prefixes; i++) {
        const struct prefix *p = &rule->peer_prefixes[i];
        hash = hash_bytes(&p->addr, sizeof p->addr, hash + p->plen);
    }
    for (size_t i = 0; i < rule->n_ports; i++) {
        const struct rule_port *p = &rule->ports[i];
        hash = hash_3words(hash, p->protocol, p->first << 16 | p->last);
    }
    return hash;
}

static bool
content_equal(const struct rec_rule *a, const struct rec_rule *b)
{
    struct rec_rule same_place = *a;

    same_place.r.key = b->r.key;
    same_place.index = b->index;
    return record_equal(&same_place.r, &b->r);
}

struct old_rule {
    struct hmap_node hmap_node;
    const struct rec_rule **rule;
};

/* The first of the old rules that equals 'rule'; hmaps have no order. */
static struct old_rule *
find_old(const struct hmap *old_rules, const struct rec_rule *rule)
{
    struct old_rule *old, *best = NULL;

    HMAP_FOR_EACH_WITH_HASH (old, hmap_node, content_hash(rule), old_rules) {
        if ((!best || old < best) && content_equal(*old->rule, rule)) {
            best = old;
        }
    }
    return best;
}

void
policy_rules_keep_keys(struct rec_rule **rules, size_t n, const struct rec_rule **old,
                       size_t n_old)
{
    struct hmap old_rules = HMAP_INITIALIZER(&old_rules);
    struct old_rule *nodes = xmalloc((n_old + 1) * sizeof *nodes);

    for (size_t i = 0; i < n_old; i++) {
        nodes[i].rule = &old[i];
        hmap_insert(&old_rules, &nodes[i].hmap_node, content_hash(old[i]));
    }
    for (size_t i = 0; i < n; i++) {
        struct old_rule *same = find_old(&old_rules, rules[i]);

        if (same) {
            rules[i]->r.key = (*same->rule)->r.key;
            *same->rule = NULL;
            hmap_remove(&old_rules, &same->hmap_node);
        }
    }
    hmap_destroy(&old_rules);
    free(nodes);
}

/* Named ports. */

static void
named_in(const struct policy_rule *rules, size_t n, const char *direction, struct ds *ds)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < rules[i].n_ports; j++) {
            if (rules[i].ports[j].name && ds->length < 512) {
                ds_put_format(ds, "%sspec.%s[%" PRIuSIZE "].ports[%" PRIuSIZE "] \"%s\"",
                              ds->length ? ", " : "", direction, i, j, rules[i].ports[j].name);
            }
        }
    }
}

bool
policy_rules_named_ports(const struct network_policy *policy, struct ds *ds)
{
    named_in(policy->ingress, policy->n_ingress, "ingress", ds);
    named_in(policy->egress, policy->n_egress, "egress", ds);
    return ds->length > 0;
}
