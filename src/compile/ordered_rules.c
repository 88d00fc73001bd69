#include "compile/ordered_rules.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "compile/named_port.h"
#include "compile/ranks.h"
#include "compile/rule_parts.h"
#include "model/objects.h"
#include "util.h"

struct build {
    const struct ordered_policy *policy;
    const struct ordered_sources *sources;
    struct ordered_rules *result;
    size_t allocated;
    uint32_t subject_group;    /* Set of the group that is the subject; 0: nobody, or no group. */
    size_t n_asked, n_holders; /* Up to POLICY_RULES_MAX_NAMES. */
    enum rule_direction direction;
};

static const struct selector everything = { .n = 0 };

enum rule_tier
ordered_rules_tier(const struct ordered_policy *policy)
{
    static const enum rule_tier tiers[] = {
        [ORDERED_TIER_ADMIN] = TIER_ADMIN,
        [ORDERED_TIER_GROUP] = TIER_GROUP,
        [ORDERED_TIER_BASELINE] = TIER_BASELINE,
    };

    return tiers[policy->tier];
}

static enum rule_action
action_of(const struct ordered_rule *src)
{
    static const enum rule_action actions[] = {
        [ORDERED_ALLOW] = RULE_ALLOW,
        [ORDERED_DENY] = RULE_DENY,
        [ORDERED_REJECT] = RULE_REJECT,
        [ORDERED_PASS] = RULE_PASS,
    };

    return actions[src->action];
}

/* Records. */

static struct rec_rule *
create_rule(const struct build *b, int32_t index, enum rule_action action)
{
    const struct ordered_policy *policy = b->policy;
    struct rec_rule *rule = rec_rule_create(0);

    rule->direction = b->direction;
    rule->tier = ordered_rules_tier(policy);
    rule->priority = policy->priority;
    rule->action = action;
    rule->policy = policy_rules_name(policy->kind, policy->meta.namespace_, policy->meta.name);
    rule->index = index;
    return rule;
}

static void
take_rule(struct build *b, struct rec_rule *rule)
{
    struct ordered_rules *result = b->result;

    if (result->n >= b->allocated) {
        result->rules = x2nrealloc(result->rules, &b->allocated, sizeof *result->rules);
    }
    result->rules[result->n++] = rule;
}

static uint32_t
set_of(const struct build *b, const struct selector *namespaces, const struct selector *pods)
{
    return b->sources->pods.set(b->sources->pods.aux, namespaces, pods);
}

/* A record like 'model', which it does not keep, for the subject. */
static void
take_for_subject(struct build *b, const struct rec_rule *model)
{
    const struct ordered_peer *subject = &b->policy->subject;
    uint32_t set = subject->kind == ORDERED_PEER_GROUP
                       ? b->subject_group
                       : set_of(b, &subject->namespaces, &subject->pods);

    if (set) {
        struct rec_rule *rule = (struct rec_rule *) record_clone(&model->r);

        rule->subject = set;
        take_rule(b, rule);
    }
}

/* Peers. */

/* The choices of pods that a peer comes to; '*n' is 0 if it is no pods. */
static const struct pod_choice *
peer_choices(const struct build *b, const struct ordered_peer *peer, struct pod_choice *own,
             size_t *n)
{
    if (peer->kind == ORDERED_PEER_PODS) {
        *own = (struct pod_choice){ &peer->namespaces, &peer->pods };
        *n = 1;
        return own;
    } else if (peer->kind == ORDERED_PEER_GROUP) {
        return b->sources->group_pods(b->sources->aux, peer->name, n);
    }
    *n = 0;
    return NULL;
}

static uint32_t
group_set(const struct build *b, const struct ordered_peer *peer)
{
    enum group_kind kind = peer->kind == ORDERED_PEER_GROUP ? GROUP_OF_PODS : GROUP_OF_NETWORKS;
    const char *trouble;
    uint32_t set = b->sources->group(b->sources->aux, kind, peer->name, &trouble);

    if (trouble && !b->result->group_trouble) {
        b->result->group = peer->name;
        b->result->group_trouble = trouble;
    }
    return trouble ? 0 : set;
}

/* The set of a peer; 0 if it is a group in trouble. */
static uint32_t
peer_set(const struct build *b, const struct ordered_peer *peer)
{
    const struct ordered_sources *sources = b->sources;

    switch (peer->kind) {
    case ORDERED_PEER_PODS:
        return set_of(b, &peer->namespaces, &peer->pods);
    case ORDERED_PEER_NODES:
        return sources->nodes(sources->aux, &peer->nodes);
    case ORDERED_PEER_DOMAINS:
        return sources->domains(sources->aux, peer->domains, peer->n_domains);
    case ORDERED_PEER_WORLD:
        return sources->world(sources->aux);
    case ORDERED_PEER_GROUP:
    case ORDERED_PEER_NETWORK_GROUP:
        return group_set(b, peer);
    case ORDERED_PEER_UNKNOWN:
    case ORDERED_PEER_NETWORKS:
        break;
    }
    return 0;
}

/* False if one is not known; all are asked for even so, since who asks comes
 * again when the answer changes. */
static bool
build_peers(const struct build *b, struct rec_rule *rule, const struct ordered_rule *src)
{
    size_t allocated_sets = 0, allocated_prefixes = 0;
    bool known = true;

    rule->any_peer = !src->n_peers;
    for (size_t i = 0; i < src->n_peers; i++) {
        const struct ordered_peer *peer = &src->peers[i];

        if (peer->kind == ORDERED_PEER_NETWORKS) {
            rule_add_peer_prefixes(rule, &allocated_prefixes, peer->prefixes, peer->n_prefixes);
        } else if (peer->kind == ORDERED_PEER_PODS && !peer->namespaces.n && !peer->pods.n) {
            rule->any_pod = true;
        } else {
            uint32_t set = peer_set(b, peer);

            known &= set != 0;
            if (set) {
                rule_add_peer_set(rule, &allocated_sets, set);
            }
        }
    }
    rule_canonical_peers(rule);
    return known;
}

/* Ports. */

static size_t
count_names(const struct ordered_rule *src)
{
    size_t n = 0;

    for (size_t i = 0; i < src->n_ports; i++) {
        n += src->ports[i].name != NULL;
    }
    return n;
}

static void
build_ports(struct rec_rule *rule, const struct ordered_rule *src)
{
    rule->any_port = !src->n_ports;
    rule->ports = xcalloc(src->n_ports + 1, sizeof *rule->ports);
    for (size_t i = 0; i < src->n_ports; i++) {
        const struct policy_port *port = &src->ports[i];

        if (!port->name) {
            rule->ports[rule->n_ports++] = (struct rule_port){ port->protocol, port->first,
                                                               port->last };
        }
    }
    rule_canonical_ports(rule);
}

/* Named ports. */

/* A destination that has a named port by a number. */
struct holder {
    uint16_t number;
    size_t order;
    struct pod_choice choice;
};

/* One name and protocol, asked of all destinations. */
struct question {
    const char *key;
    uint8_t protocol;
    struct holder *holders;
    size_t n, allocated;
};

static void
ask(struct build *b, struct question *q, const struct pod_choice *choice)
{
    const struct policy_pods *pods = &b->sources->pods;
    size_t n;

    if (b->n_asked >= POLICY_RULES_MAX_NAMES) {
        b->result->too_large = true;
        return;
    }
    b->n_asked++;

    uint16_t *numbers = pods->numbers(pods->aux, choice->namespaces, choice->pods, q->key, &n);

    if (n > POLICY_RULES_MAX_NAMES - b->n_holders) {
        b->result->too_large = true;
        n = 0;
    }
    b->n_holders += n;
    for (size_t i = 0; i < n; i++) {
        if (q->n >= q->allocated) {
            q->holders = x2nrealloc(q->holders, &q->allocated, sizeof *q->holders);
        }
        q->holders[q->n] = (struct holder){ numbers[i], q->n, *choice };
        q->n++;
    }
    free(numbers);
}

static int
compare_holders(const void *a_, const void *b_)
{
    const struct holder *a = a_, *b = b_;

    if (a->number != b->number) {
        return a->number < b->number ? -1 : 1;
    }
    return a->order < b->order ? -1 : a->order > b->order;
}

static void
ask_peer(struct build *b, struct question *q, const struct ordered_peer *peer)
{
    struct pod_choice own;
    size_t n;
    const struct pod_choice *choices = peer_choices(b, peer, &own, &n);

    for (size_t i = 0; i < n; i++) {
        ask(b, q, &choices[i]);
    }
}

/* Asks all pods that the rule's packets may go to; who is no pod has no names. */
static void
ask_destinations(struct build *b, struct question *q, const struct ordered_rule *src)
{
    if (b->direction == RULE_INGRESS) {
        ask_peer(b, q, &b->policy->subject);
    } else if (!src->n_peers) {
        ask(b, q, &(struct pod_choice){ &everything, &everything });
    } else {
        for (size_t i = 0; i < src->n_peers; i++) {
            ask_peer(b, q, &src->peers[i]);
        }
    }
    if (q->n) {
        qsort(q->holders, q->n, sizeof *q->holders, compare_holders);
    }
}

static uint32_t
set_of_holder(const struct build *b, const struct question *q, const struct holder *holder)
{
    struct selector narrowed;

    named_port_select_number(&narrowed, holder->choice.pods, q->key, holder->number);
    uint32_t set = set_of(b, holder->choice.namespaces, &narrowed);
    selector_uninit(&narrowed);
    return set;
}

static struct rec_rule *
create_numbered(const struct rec_rule *model, const struct question *q, uint16_t number)
{
    struct rec_rule *rule = (struct rec_rule *) record_clone(&model->r);

    rule->n_ports = 1;
    rule->ports = xmalloc(sizeof *rule->ports);
    *rule->ports = (struct rule_port){ q->protocol, number, number };
    return rule;
}

/* Ingress: the subject is narrowed to those of its pods that have the number. */
static void
take_ingress_numbers(struct build *b, const struct rec_rule *model, const struct question *q)
{
    for (size_t i = 0; i < q->n; i++) {
        struct rec_rule *rule = create_numbered(model, q, q->holders[i].number);

        rule->subject = set_of_holder(b, q, &q->holders[i]);
        take_rule(b, rule);
    }
}

/* Egress: the peers are. */
static void
take_egress_numbers(struct build *b, const struct rec_rule *model, const struct question *q)
{
    for (size_t i = 0; i < q->n;) {
        uint16_t number = q->holders[i].number;
        struct rec_rule *rule = create_numbered(model, q, number);
        size_t allocated = 0;

        for (; i < q->n && q->holders[i].number == number; i++) {
            rule_add_peer_set(rule, &allocated, set_of_holder(b, q, &q->holders[i]));
        }
        rule_canonical_peers(rule);
        take_for_subject(b, rule);
        record_destroy(&rule->r);
    }
}

static void
take_named(struct build *b, const struct rec_rule *model, const struct ordered_rule *src,
           uint8_t protocol, const char *name)
{
    struct question q = { .key = named_port_key(protocol, name), .protocol = protocol };

    ask_destinations(b, &q, src);
    if (b->direction == RULE_INGRESS) {
        take_ingress_numbers(b, model, &q);
    } else {
        take_egress_numbers(b, model, &q);
    }
    free(q.holders);
}

static bool
same_name_before(const struct ordered_rule *src, size_t i)
{
    for (size_t j = 0; j < i; j++) {
        if (src->ports[j].name == src->ports[i].name
            && (!src->ports[j].protocol || src->ports[j].protocol == src->ports[i].protocol)) {
            return true;
        }
    }
    return false;
}

/* 'model' has no ports, and in egress no peers. */
static void
build_named(struct build *b, const struct rec_rule *model, const struct ordered_rule *src)
{
    static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP };

    for (size_t i = 0; i < src->n_ports; i++) {
        const struct policy_port *port = &src->ports[i];

        if (!port->name || same_name_before(src, i)) {
            continue;
        }
        for (size_t j = 0; j < ARRAY_SIZE(protocols); j++) {
            if (!port->protocol || port->protocol == protocols[j]) {
                take_named(b, model, src, protocols[j], port->name);
            }
        }
    }
}

/* Rules. */

static void
set_flags(struct rec_rule *rule, const struct ordered_rule *src)
{
    rule->log = src->log;
    rule->dry_run = src->dry_run;
}

/* A rule that cannot be understood or built allows nothing, or denies all. */
static void
build_fail_closed(struct build *b, int32_t index, const struct ordered_rule *src)
{
    if (src->action != ORDERED_ALLOW) {
        struct rec_rule *rule = create_rule(b, index, RULE_DENY);

        rule->any_peer = rule->any_port = true;
        set_flags(rule, src);
        take_for_subject(b, rule);
        record_destroy(&rule->r);
    }
}

static void
build_known(struct build *b, const struct rec_rule *peers, const struct ordered_rule *src)
{
    size_t n_names = count_names(src);

    if (!src->n_ports || n_names < src->n_ports) {
        struct rec_rule *rule = (struct rec_rule *) record_clone(&peers->r);

        build_ports(rule, src);
        take_for_subject(b, rule);
        record_destroy(&rule->r);
    }
    if (n_names) {
        struct rec_rule *bare = b->direction == RULE_INGRESS
                                    ? (struct rec_rule *) record_clone(&peers->r)
                                    : create_rule(b, peers->index, peers->action);

        set_flags(bare, src);
        build_named(b, bare, src);
        record_destroy(&bare->r);
    }
}

static void
drop_rules(struct ordered_rules *result, size_t n)
{
    while (result->n > n) {
        record_destroy(&result->rules[--result->n]->r);
    }
}

static void
build_rule(struct build *b, int32_t index, const struct ordered_rule *src)
{
    size_t before = b->result->n;
    struct rec_rule *peers = create_rule(b, index, action_of(src));

    set_flags(peers, src);
    if (src->fail_closed) {
        b->result->unknown = b->result->unknown ? b->result->unknown : src->fail_closed;
        build_fail_closed(b, index, src);
    } else if (!build_peers(b, peers, src)) {
        build_fail_closed(b, index, src);
    } else {
        bool was_too_large = b->result->too_large;

        b->result->too_large = false;
        build_known(b, peers, src);
        if (b->result->too_large && src->action != ORDERED_ALLOW) {
            drop_rules(b->result, before);
            build_fail_closed(b, index, src);
        }
        b->result->too_large |= was_too_large;
    }
    record_destroy(&peers->r);
}

/* Policies. */

static void
find_subject(struct build *b)
{
    const struct ordered_peer *subject = &b->policy->subject;

    if (subject->kind == ORDERED_PEER_GROUP) {
        b->subject_group = b->sources->group(b->sources->aux, GROUP_OF_PODS, subject->name,
                                             &b->result->subject_trouble);
    }
}

void
ordered_rules_build(const struct ordered_policy *policy, const struct ordered_sources *sources,
                    struct ordered_rules *result)
{
    struct build b = { .policy = policy, .sources = sources, .result = result };

    *result = (struct ordered_rules){ .n = 0 };
    find_subject(&b);
    b.direction = RULE_INGRESS;
    for (size_t i = 0; i < policy->n_ingress; i++) {
        build_rule(&b, i, &policy->ingress[i]);
    }
    b.direction = RULE_EGRESS;
    for (size_t i = 0; i < policy->n_egress; i++) {
        build_rule(&b, i, &policy->egress[i]);
    }
}

/* Such rules decide nothing, and what stands for them does not either. */
static bool
all_dry_run(const struct ordered_rule *rules, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!rules[i].dry_run) {
            return false;
        }
    }
    return true;
}

void
ordered_rules_build_overflow(const struct ordered_policy *policy, enum rule_direction direction,
                             const struct ordered_sources *sources, struct ordered_rules *result)
{
    struct build b = {
        .policy = policy,
        .sources = sources,
        .result = result,
        .direction = direction,
    };

    *result = (struct ordered_rules){ .n = 0 };
    find_subject(&b);

    struct rec_rule *rule = create_rule(&b, -1, RULE_DENY);
    rule->any_peer = rule->any_port = true;
    rule->rank = RANK_OVERFLOW;
    rule->dry_run = direction == RULE_INGRESS ? all_dry_run(policy->ingress, policy->n_ingress)
                                              : all_dry_run(policy->egress, policy->n_egress);
    take_for_subject(&b, rule);
    record_destroy(&rule->r);
}

static bool
have_names(const struct ordered_rule *rules, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (count_names(&rules[i])) {
            return true;
        }
    }
    return false;
}

bool
ordered_rules_have_names(const struct ordered_policy *policy)
{
    return have_names(policy->ingress, policy->n_ingress)
           || have_names(policy->egress, policy->n_egress);
}
