#include "compile/policy_rules.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "compile/named_port.h"
#include "compile/rule_parts.h"
#include "hash.h"
#include "model/objects.h"
#include "openvswitch/hmap.h"
#include "util.h"

struct build {
    const struct network_policy *policy;
    struct selector own;    /* The policy's namespace. */
    struct selector served; /* The same, or nothing while it is not isolated. */
    uint32_t vni;
    uint32_t subject;
    const struct policy_pods *pods;
    size_t n_asked, n_holders; /* Up to POLICY_RULES_MAX_NAMES. */
    bool too_large;
    struct rec_rule **rules;
    size_t n, allocated;
};

char *
policy_rules_name(const char *kind, const char *namespace_, const char *name)
{
    bool in_namespace = strcmp(kind, POLICY_KIND_ISOLATION) != 0;

    return xasprintf("%s/%s/%s", kind, in_namespace ? namespace_ : "", name);
}

void
selector_of_namespace(const char *name, struct selector *selector)
{
    selector_init(selector);
    selector_add(selector, "kubernetes.io/metadata.name", SELECTOR_IN, &name, 1);
}

static struct rec_rule *
create_rule(const struct build *b, enum rule_direction direction, enum rule_action action,
            int32_t index)
{
    struct rec_rule *rule = rec_rule_create(0);

    rule->direction = direction;
    rule->tier = TIER_NETWORKPOLICY;
    rule->priority = action == RULE_ALLOW ? b->policy->priority : 0;
    rule->action = action;
    rule->vni = b->vni;
    rule->subject = b->subject;
    rule->policy = policy_rules_name(b->policy->kind, b->policy->meta.namespace_,
                                     b->policy->meta.name);
    rule->index = index;
    return rule;
}

static void
take_rule(struct build *b, struct rec_rule *rule)
{
    if (b->n >= b->allocated) {
        b->rules = x2nrealloc(b->rules, &b->allocated, sizeof *b->rules);
    }
    b->rules[b->n++] = rule;
}

/* Peers. */

static void
add_prefixes(struct rec_rule *rule, size_t *allocated, const struct policy_peer *peer)
{
    size_t n;
    struct prefix *prefixes = prefix_subtract(&peer->cidr, peer->excepts, peer->n_excepts, &n);

    rule_add_peer_prefixes(rule, allocated, prefixes, n);
    free(prefixes);
}

static const struct selector *
namespaces_of(const struct build *b, const struct policy_peer *peer)
{
    return peer->has_namespace_selector ? &peer->namespace_selector : &b->own;
}

static uint32_t
set_of(const struct build *b, const struct selector *namespaces, const struct selector *pods)
{
    return b->pods->set(b->pods->aux, namespaces, pods);
}

/* Every endpoint of the cluster, which needs no list of them. */
static bool
is_any_pod(const struct policy_peer *peer)
{
    return !peer->is_ip_block && peer->has_namespace_selector && !peer->namespace_selector.n
           && !peer->pod_selector.n;
}

static void
build_peers(const struct build *b, struct rec_rule *rule, const struct policy_rule *src)
{
    size_t allocated_sets = 0, allocated_prefixes = 0;

    rule->any_peer = !src->n_peers;
    for (size_t i = 0; i < src->n_peers; i++) {
        const struct policy_peer *peer = &src->peers[i];

        if (peer->is_ip_block) {
            add_prefixes(rule, &allocated_prefixes, peer);
        } else if (is_any_pod(peer)) {
            rule->any_pod = true;
        } else {
            rule_add_peer_set(rule, &allocated_sets,
                              set_of(b, namespaces_of(b, peer), &peer->pod_selector));
        }
    }
    rule_canonical_peers(rule);
}

/* Ports. */

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
    rule_canonical_ports(rule);
}

/* Named ports. */

/* Pods that have a named port by a number. */
struct holders {
    uint16_t number;
    size_t order; /* Of the selectors in the rule. */
    const struct selector *namespaces, *pods;
};

struct resolution {
    const char *key; /* The named port. */
    struct holders *holders;
    size_t n, allocated;
};

/* What is asked must not depend on the answers: who asks comes again when they
 * change. */
static void
resolve_in(struct build *b, struct resolution *r, const struct selector *namespaces,
           const struct selector *pods)
{
    if (b->n_asked >= POLICY_RULES_MAX_NAMES) {
        b->too_large = true;
        return;
    }
    b->n_asked++;

    size_t n;
    uint16_t *numbers = b->pods->numbers(b->pods->aux, namespaces, pods, r->key, &n);

    if (n > POLICY_RULES_MAX_NAMES - b->n_holders) {
        b->too_large = true;
        n = 0;
    }
    b->n_holders += n;
    for (size_t i = 0; i < n; i++) {
        if (r->n >= r->allocated) {
            r->holders = x2nrealloc(r->holders, &r->allocated, sizeof *r->holders);
        }
        r->holders[r->n] = (struct holders){ numbers[i], r->n, namespaces, pods };
        r->n++;
    }
    free(numbers);
}

static int
compare_holders(const void *a_, const void *b_)
{
    const struct holders *a = a_, *b = b_;

    if (a->number != b->number) {
        return a->number < b->number ? -1 : 1;
    }
    return a->order < b->order ? -1 : a->order > b->order;
}

/* Finds the destinations: pods of the policy, or of the peers; an ipBlock
 * knows no names. */
static void
resolve(struct build *b, struct resolution *r, enum rule_direction direction,
        const struct policy_rule *src)
{
    static const struct selector all = { .n = 0 };

    if (direction == RULE_INGRESS) {
        resolve_in(b, r, &b->served, &b->policy->pod_selector);
    } else if (!src->n_peers) {
        resolve_in(b, r, &all, &all);
    }
    for (size_t i = 0; direction == RULE_EGRESS && i < src->n_peers; i++) {
        const struct policy_peer *peer = &src->peers[i];

        if (!peer->is_ip_block) {
            resolve_in(b, r, namespaces_of(b, peer), &peer->pod_selector);
        }
    }
    if (r->n) {
        qsort(r->holders, r->n, sizeof *r->holders, compare_holders);
    }
}

static uint32_t
set_of_holders(const struct build *b, const char *key, const struct holders *holders)
{
    struct selector narrowed;

    named_port_select_number(&narrowed, holders->pods, key, holders->number);
    uint32_t set = set_of(b, holders->namespaces, &narrowed);
    selector_uninit(&narrowed);
    return set;
}

/* A rule like 'model' for the first number of 'holders'; returns how many of
 * them have it. */
static size_t
add_number(struct build *b, const struct rec_rule *model, uint8_t protocol, const char *key,
           const struct holders *holders, size_t n)
{
    struct rec_rule *rule = (struct rec_rule *) record_clone(&model->r);
    size_t i, allocated = 0;

    for (i = 0; i < n && holders[i].number == holders->number; i++) {
        uint32_t set = set_of_holders(b, key, &holders[i]);

        if (rule->direction == RULE_INGRESS) {
            rule->subject = set;
        } else {
            rule_add_peer_set(rule, &allocated, set);
        }
    }
    rule_canonical_peers(rule);
    rule->n_ports = 1;
    rule->ports = xmalloc(sizeof *rule->ports);
    *rule->ports = (struct rule_port){ protocol, holders->number, holders->number };
    take_rule(b, rule);
    return i;
}

static void
add_named(struct build *b, const struct rec_rule *model, const struct policy_rule *src,
          const struct policy_port *port)
{
    struct resolution r = { .key = named_port_key(port->protocol, port->name) };

    resolve(b, &r, model->direction, src);
    for (size_t i = 0; i < r.n;) {
        i += add_number(b, model, port->protocol, r.key, &r.holders[i], r.n - i);
    }
    free(r.holders);
}

static bool
same_name_before(const struct policy_rule *src, size_t i)
{
    for (size_t j = 0; j < i; j++) {
        if (src->ports[j].name == src->ports[i].name
            && src->ports[j].protocol == src->ports[i].protocol) {
            return true;
        }
    }
    return false;
}

static size_t
count_names(const struct policy_rule *src)
{
    size_t n = 0;

    for (size_t i = 0; i < src->n_ports; i++) {
        n += src->ports[i].name != NULL;
    }
    return n;
}

static void
build_named(struct build *b, enum rule_direction direction, int32_t index,
            const struct policy_rule *src)
{
    struct rec_rule *model = create_rule(b, direction, RULE_ALLOW, index);

    if (direction == RULE_INGRESS) {
        build_peers(b, model, src);
    }
    for (size_t i = 0; i < src->n_ports; i++) {
        if (src->ports[i].name && !same_name_before(src, i)) {
            add_named(b, model, src, &src->ports[i]);
        }
    }
    record_destroy(&model->r);
}

/* Rules. */

static void
build_rule(struct build *b, enum rule_direction direction, int32_t index,
           const struct policy_rule *src)
{
    size_t n_names = count_names(src);

    if (!src->n_ports || n_names < src->n_ports) {
        struct rec_rule *rule = create_rule(b, direction, RULE_ALLOW, index);

        build_peers(b, rule, src);
        build_ports(rule, src);
        take_rule(b, rule);
    }
    if (n_names) {
        build_named(b, direction, index, src);
    }
}

static void
build_isolation(struct build *b, enum rule_direction direction)
{
    struct rec_rule *isolate = create_rule(b, direction, RULE_ISOLATE, -1);

    isolate->any_peer = isolate->any_port = true;
    take_rule(b, isolate);
}

static void
build_rules(struct build *b, enum rule_direction direction, const struct policy_rule *rules,
            size_t n)
{
    for (size_t i = 0; i < n; i++) {
        build_rule(b, direction, i, &rules[i]);
    }
}

static bool
have_names(const struct policy_rule *rules, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (count_names(&rules[i])) {
            return true;
        }
    }
    return false;
}

bool
policy_rules_have_names(const struct network_policy *policy)
{
    return have_names(policy->ingress, policy->n_ingress)
           || have_names(policy->egress, policy->n_egress);
}

struct rec_rule **
policy_rules_build(const struct network_policy *policy, uint32_t vni,
                   const struct policy_pods *pods, size_t *n, bool *too_large)
{
    struct build b = { .policy = policy, .vni = vni, .pods = pods };

    selector_of_namespace(policy->meta.namespace_, &b.own);
    selector_clone(&b.served, &b.own);
    if (policy->needs_isolation) {
        selector_add(&b.served, NAMESPACE_ISOLATED_LABEL, SELECTOR_EXISTS, NULL, 0);
    }
    b.subject = set_of(&b, &b.served, &policy->pod_selector);
    if (policy->isolates_ingress) {
        build_isolation(&b, RULE_INGRESS);
    }
    build_rules(&b, RULE_INGRESS, policy->ingress, policy->n_ingress);
    if (policy->isolates_egress) {
        build_isolation(&b, RULE_EGRESS);
    }
    build_rules(&b, RULE_EGRESS, policy->egress, policy->n_egress);
    selector_uninit(&b.served);
    selector_uninit(&b.own);
    *n = b.n;
    *too_large = b.too_large;
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
        hash = hash_3words(hash, p->protocol, (uint32_t) p->first << 16 | p->last);
    }
    return hash;
}

static bool
content_equal(const struct rec_rule *a, const struct rec_rule *b)
{
    struct rec_rule same_place = *a;

    same_place.r.key = b->r.key;
    same_place.index = b->index;
    same_place.rank = b->rank;
    same_place.priority = b->priority;
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
