/* A second opinion on every verdict of the compiler's tests.
 *
 * It is written from the text of the APIs (Kubernetes' NetworkPolicy, and
 * policy.networking.k8s.io) over the decoded objects of a world; it sees no
 * record but the pods' addresses. */
#ifndef VIRGA_OPINION_TEST_H
#define VIRGA_OPINION_TEST_H 1

#include "compile/world_test.h"

/* Who is there. */

static inline const struct k8s_pod *
world_pod_at(const struct world *w, const struct in6_addr *ip)
{
    for (size_t i = 0; i < w->n_pods; i++) {
        const struct k8s_pod *pod = w->pods[i];
        const struct rec_endpoint *endpoint;

        if (pod->host_network || pod->completed) {
            continue;
        }
        endpoint = world_endpoint(w, pod->meta.namespace_, pod->meta.name);
        for (size_t j = 0; endpoint && j < endpoint->n_ips; j++) {
            if (!memcmp(&endpoint->ips[j], ip, sizeof *ip)) {
                return pod;
            }
        }
    }
    return NULL;
}

static inline bool
world_peer_matches(const struct world *w, const struct network_policy *policy,
                   const struct policy_peer *peer, const struct in6_addr *ip,
                   const struct k8s_pod *pod)
{
    if (peer->is_ip_block) {
        if (!prefix_contains(&peer->cidr, ip)) {
            return false;
        }
        for (size_t i = 0; i < peer->n_excepts; i++) {
            if (prefix_contains(&peer->excepts[i], ip)) {
                return false;
            }
        }
        return true;
    }
    if (!pod || !selector_matches(&peer->pod_selector, &pod->meta.labels)) {
        return false;
    }
    if (!peer->has_namespace_selector) {
        return !strcmp(pod->meta.namespace_, policy->meta.namespace_);
    }
    size_t i = world_find_namespace(w, pod->meta.namespace_);
    return i < w->n_namespaces
           && selector_matches(&peer->namespace_selector, &w->namespaces[i]->meta.labels);
}

/* The number that the pod has for a name, the first in order of containers;
 * 0 if none, which no port is. */
static inline uint16_t
world_named_port(const struct k8s_pod *pod, const char *name, uint8_t protocol)
{
    for (size_t i = 0; pod && i < pod->n_ports; i++) {
        if (!strcmp(pod->ports[i].name, name) && pod->ports[i].protocol == protocol) {
            return pod->ports[i].number;
        }
    }
    return 0;
}

/* 'dst': the pod that a name is resolved on, NULL if it is none. */
static inline bool
world_port_matches(const struct policy_port *port, const struct k8s_pod *dst,
                   const struct evaluate_tuple *tuple)
{
    if (port->protocol != tuple->protocol) {
        return false;
    }
    if (port->name) {
        uint16_t number = world_named_port(dst, port->name, port->protocol);
        return number && number == tuple->dst_port;
    }
    return port->first <= tuple->dst_port && tuple->dst_port <= port->last;
}

/* An ipBlock is no pod, so it has no names, even where it holds pods. */
static inline bool
world_rule_matches(const struct world *w, const struct network_policy *policy,
                   const struct policy_rule *rule, bool ingress, const struct k8s_pod *subject,
                   const struct in6_addr *ip, const struct k8s_pod *pod,
                   const struct evaluate_tuple *tuple)
{
    bool peer = !rule->n_peers, port = !rule->n_ports, name = false;
    bool pod_peer = !rule->n_peers;

    for (size_t i = 0; i < rule->n_peers; i++) {
        bool matches = world_peer_matches(w, policy, &rule->peers[i], ip, pod);

        peer |= matches;
        pod_peer |= matches && !rule->peers[i].is_ip_block;
    }
    for (size_t i = 0; i < rule->n_ports; i++) {
        bool matches = world_port_matches(&rule->ports[i], ingress ? subject : pod, tuple);

        port |= matches && !rule->ports[i].name;
        name |= matches && rule->ports[i].name;
    }
    return (peer && port) || ((ingress ? peer : pod_peer) && name);
}

/* Ordered tiers. */

static inline bool
opinion_selects(const struct world *w, const struct ordered_peer *peer, const struct k8s_pod *pod)
{
    size_t i = pod ? world_find_namespace(w, pod->meta.namespace_) : w->n_namespaces;

    return i < w->n_namespaces
           && selector_matches(&peer->namespaces, &w->namespaces[i]->meta.labels)
           && selector_matches(&peer->pods, &pod->meta.labels);
}

/* Whether the address is one of a node that 'selector' chooses; a node
 * without an object has no labels. */
static inline bool
opinion_is_node(const struct world *w, const struct selector *selector, const struct in6_addr *ip)
{
    static const struct labels no_labels = { .n = 0 };

    for (size_t i = 0; i < w->n_node_objects; i++) {
        const struct k8s_node *node = w->node_objects[i];

        for (size_t j = 0; j < node->n_addresses; j++) {
            if (!memcmp(&node->addresses[j], ip, sizeof *ip)
                && selector_matches(selector, &node->meta.labels)) {
                return true;
            }
        }
    }
    for (size_t i = 0; i < w->n_nodes; i++) {
        size_t at = world_find_node_object(w, w->nodes[i].name);

        if (!memcmp(&w->nodes[i].address, ip, sizeof *ip)
            && selector_matches(selector, at < w->n_node_objects
                                              ? &w->node_objects[at]->meta.labels
                                              : &no_labels)) {
            return true;
        }
    }
    return false;
}

/* Groups. */

static inline bool
opinion_lists_pod(const struct world *w, const struct policy_group *group,
                  const struct k8s_pod *pod)
{
    const char *label = labels_get(&pod->meta.labels, intern("nuage.io/policy-group"));

    for (size_t i = 0; i < group->n_selectors; i++) {
        const struct group_selector *s = &group->selectors[i];
        size_t at = world_find_namespace(w, pod->meta.namespace_);

        if (at < w->n_namespaces
            && selector_matches(&s->namespaces, &w->namespaces[at]->meta.labels)
            && selector_matches(&s->pods, &pod->meta.labels)) {
            return true;
        }
    }
    for (size_t i = 0; i < group->n_pods; i++) {
        if (!strcmp(group->pods[i].namespace_, pod->meta.namespace_)
            && !strcmp(group->pods[i].name, pod->meta.name)) {
            return true;
        }
    }
    return label && !strcmp(label, group->meta.name);
}

/* By way of at most 'depth' groups. */
static inline bool
opinion_group_has(const struct world *w, const char *name, const struct k8s_pod *pod, size_t depth)
{
    size_t at = world_find_policy_group(w, name);

    if (!pod || at == w->n_policy_groups) {
        return false;
    } else if (opinion_lists_pod(w, w->policy_groups[at], pod)) {
        return true;
    }
    for (size_t i = 0; depth && i < w->policy_groups[at]->n_groups; i++) {
        if (opinion_group_has(w, w->policy_groups[at]->groups[i], pod, depth - 1)) {
            return true;
        }
    }
    return false;
}

/* Whether all exists that the group comes to, on ways of finite length. */
static inline bool
opinion_group_is_whole(const struct world *w, const char *name, size_t depth)
{
    size_t at = world_find_policy_group(w, name);

    if (!depth || at == w->n_policy_groups || w->policy_groups[at]->unknown) {
        return false;
    }
    for (size_t i = 0; i < w->policy_groups[at]->n_groups; i++) {
        if (!opinion_group_is_whole(w, w->policy_groups[at]->groups[i], depth - 1)) {
            return false;
        }
    }
    return true;
}

static inline bool
opinion_network_group_has(const struct world *w, const char *name, const struct in6_addr *ip)
{
    const struct network_group *group = w->network_groups[world_find_network_group(w, name)];

    for (size_t i = 0; i < group->n_networks; i++) {
        const struct group_network *network = &group->networks[i];
        bool in = prefix_is_ip4(&network->cidr) == addr_is_ip4(ip)
                  && prefix_contains(&network->cidr, ip);

        for (size_t j = 0; j < network->n_excepts; j++) {
            in &= !prefix_contains(&network->excepts[j], ip);
        }
        if (in) {
            return true;
        }
    }
    return false;
}

/* Whether the peer is a group that cannot be made out. */
static inline bool
opinion_is_doubtful(const struct world *w, const struct ordered_peer *peer)
{
    if (peer->kind == ORDERED_PEER_GROUP) {
        return !opinion_group_is_whole(w, peer->name, w->n_policy_groups);
    }
    if (peer->kind != ORDERED_PEER_NETWORK_GROUP) {
        return false;
    }

    size_t at = world_find_network_group(w, peer->name);
    return at == w->n_network_groups || w->network_groups[at]->unknown;
}

static inline bool
opinion_is_subject(const struct world *w, const struct ordered_peer *subject,
                   const struct k8s_pod *pod)
{
    return subject->kind == ORDERED_PEER_GROUP
               ? opinion_group_has(w, subject->name, pod, w->n_policy_groups)
               : opinion_selects(w, subject, pod);
}

static inline bool
opinion_peer_matches(const struct world *w, const struct ordered_peer *peer,
                     const struct in6_addr *ip, const struct k8s_pod *pod)
{
    if (peer->kind == ORDERED_PEER_PODS) {
        return opinion_selects(w, peer, pod);
    } else if (peer->kind == ORDERED_PEER_NODES) {
        return opinion_is_node(w, &peer->nodes, ip);
    } else if (peer->kind == ORDERED_PEER_GROUP) {
        return opinion_group_has(w, peer->name, pod, w->n_policy_groups);
    } else if (peer->kind == ORDERED_PEER_NETWORK_GROUP) {
        return opinion_network_group_has(w, peer->name, ip);
    } else if (peer->kind == ORDERED_PEER_WORLD) {
        return !pod && !opinion_is_node(w, &(struct selector){ .n = 0 }, ip);
    }
    for (size_t i = 0; peer->kind == ORDERED_PEER_NETWORKS && i < peer->n_prefixes; i++) {
        const struct prefix *p = &peer->prefixes[i];

        if (prefix_is_ip4(p) == addr_is_ip4(ip) && prefix_contains(p, ip)) {
            return true;
        }
    }
    return false;
}

static inline bool
opinion_port_matches(const struct policy_port *port, const struct k8s_pod *dst,
                     const struct evaluate_tuple *tuple)
{
    struct policy_port same = *port;

    if (!port->protocol) {
        same.protocol = tuple->protocol;
    }
    return world_port_matches(&same, dst, tuple);
}

/* Of what is not known a rule may be about anything. */
static inline bool
opinion_fails_closed(const struct world *w, const struct ordered_rule *rule)
{
    bool doubtful = rule->fail_closed != NULL;

    for (size_t i = 0; i < rule->n_peers; i++) {
        doubtful |= opinion_is_doubtful(w, &rule->peers[i]);
    }
    return doubtful;
}

static inline bool
opinion_rule_matches(const struct world *w, const struct ordered_rule *rule, bool ingress,
                     const struct k8s_pod *subject, const struct in6_addr *ip,
                     const struct k8s_pod *pod, const struct evaluate_tuple *tuple)
{
    bool peer = !rule->n_peers, port = !rule->n_ports, name = false;
    bool pod_peer = !rule->n_peers;

    if (opinion_fails_closed(w, rule)) {
        return rule->action != ORDERED_ALLOW;
    }
    for (size_t i = 0; i < rule->n_peers; i++) {
        bool matches = opinion_peer_matches(w, &rule->peers[i], ip, pod);

        peer |= matches;
        pod_peer |= matches
                    && (rule->peers[i].kind == ORDERED_PEER_PODS
                        || rule->peers[i].kind == ORDERED_PEER_GROUP);
    }
    for (size_t i = 0; i < rule->n_ports; i++) {
        bool matches = opinion_port_matches(&rule->ports[i], ingress ? subject : pod, tuple);

        port |= matches && !rule->ports[i].name;
        name |= matches && rule->ports[i].name;
    }
    return (peer && port) || ((ingress ? peer : pod_peer) && name);
}

static inline bool
opinion_is_before(const struct ordered_policy *a, const struct ordered_policy *b)
{
    int cmp = strcmp(a->kind, b->kind);

    return a->priority != b->priority ? a->priority < b->priority
           : cmp                      ? cmp < 0
                                      : strcmp(a->meta.name, b->meta.name) < 0;
}

enum opinion { OPINION_NONE, OPINION_ALLOW, OPINION_DENY };

/* What an ordered tier says; OPINION_NONE if it passes, too. */
static inline enum opinion
opinion_of_tier(const struct world *w, enum ordered_tier tier, bool ingress,
                const struct k8s_pod *subject, const struct in6_addr *ip,
                const struct k8s_pod *peer, const struct evaluate_tuple *tuple)
{
    const struct ordered_policy *first = NULL;
    const struct ordered_rule *decides = NULL;

    for (size_t i = 0; i < w->n_ordered; i++) {
        const struct ordered_policy *policy = w->ordered[i];
        const struct ordered_rule *rules = ingress ? policy->ingress : policy->egress;
        size_t n = ingress ? policy->n_ingress : policy->n_egress;

        if (policy->tier != tier || !opinion_is_subject(w, &policy->subject, subject)
            || (first && opinion_is_before(first, policy))) {
            continue;
        }
        for (size_t j = 0; j < n; j++) {
            if (!rules[j].dry_run
                && opinion_rule_matches(w, &rules[j], ingress, subject, ip, peer, tuple)) {
                first = policy;
                decides = &rules[j];
                break;
            }
        }
    }
    return !decides                                                               ? OPINION_NONE
           : decides->action == ORDERED_ALLOW                                     ? OPINION_ALLOW
           : decides->action == ORDERED_PASS && !opinion_fails_closed(w, decides) ? OPINION_NONE
                                                                                  : OPINION_DENY;
}

/* NetworkPolicy: nothing if no policy isolates the subject. */
static inline enum opinion
opinion_of_network_policies(const struct world *w, bool ingress, const struct k8s_pod *subject,
                            const struct in6_addr *ip, const struct k8s_pod *peer,
                            const struct evaluate_tuple *tuple)
{
    size_t at = world_find_namespace(w, subject->meta.namespace_);
    bool ns_isolated = ingress && at < w->n_namespaces && w->namespaces[at]->isolated;
    bool isolated = ns_isolated;

    for (size_t i = 0; i < w->n_policies; i++) {
        const struct network_policy *policy = w->policies[i];
        bool opens = policy->needs_isolation && ns_isolated;
        const struct policy_rule *rules = ingress ? policy->ingress : policy->egress;
        size_t n = ingress ? policy->n_ingress : policy->n_egress;

        if (strcmp(policy->meta.namespace_, subject->meta.namespace_)
            || !(opens || (ingress ? policy->isolates_ingress : policy->isolates_egress))
            || !selector_matches(&policy->pod_selector, &subject->meta.labels)) {
            continue;
        }
        isolated = true;
        for (size_t j = 0; j < n; j++) {
            if (world_rule_matches(w, policy, &rules[j], ingress, subject, ip, peer, tuple)) {
                return OPINION_ALLOW;
            }
        }
    }
    return isolated ? OPINION_DENY : OPINION_NONE;
}

/* Each tier in turn; what none decides is allowed. */
static inline bool
world_direction_allows(const struct world *w, bool ingress, const struct k8s_pod *subject,
                       const struct in6_addr *ip, const struct k8s_pod *peer,
                       const struct evaluate_tuple *tuple)
{
    enum opinion opinion = opinion_of_tier(w, ORDERED_TIER_ADMIN, ingress, subject, ip, peer,
                                           tuple);

    if (opinion == OPINION_NONE) {
        opinion = opinion_of_tier(w, ORDERED_TIER_GROUP, ingress, subject, ip, peer, tuple);
    }
    if (opinion == OPINION_NONE) {
        opinion = opinion_of_network_policies(w, ingress, subject, ip, peer, tuple);
    }
    if (opinion == OPINION_NONE) {
        opinion = opinion_of_tier(w, ORDERED_TIER_BASELINE, ingress, subject, ip, peer, tuple);
    }
    return opinion != OPINION_DENY;
}

static inline bool
world_allows(const struct world *w, const struct evaluate_tuple *tuple)
{
    const struct k8s_pod *src = world_pod_at(w, &tuple->src), *dst = world_pod_at(w, &tuple->dst);

    if (src && src == dst) {
        return true;
    }
    for (size_t i = 0; dst && i < w->n_nodes; i++) {
        if (!strcmp(w->nodes[i].name, dst->node_name)
            && !memcmp(&w->nodes[i].address, &tuple->src, sizeof tuple->src)) {
            return true;
        }
    }
    return (!src || world_direction_allows(w, false, src, &tuple->dst, dst, tuple))
           && (!dst || world_direction_allows(w, true, dst, &tuple->src, src, tuple));
}

/* Both opinions on one tuple, which must agree. */
static inline bool
world_verdict(struct world *w, const struct evaluate *e, const struct evaluate_tuple *tuple)
{
    struct evaluate_verdict verdict = evaluate(e, tuple);
    bool second = world_allows(w, tuple);

    if (verdict.allow != second) {
        struct ds ds = DS_EMPTY_INITIALIZER;

        addr_format(&tuple->src, &ds);
        ds_put_cstr(&ds, " -> ");
        addr_format(&tuple->dst, &ds);
        ds_put_format(&ds, " protocol %d port %d: evaluate says %s\n", tuple->protocol,
                      tuple->dst_port, verdict.allow ? "allow" : "deny");
        records_format_all(compile_records(w->c), &ds);
        fail_msg("%s", ds_cstr(&ds));
    }
    return verdict.allow;
}

#endif
