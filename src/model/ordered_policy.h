/* Policies whose rules are tried in order and stand in a tier:
 * ClusterNetworkPolicy, AdminNetworkPolicy, BaselineAdminNetworkPolicy of
 * policy.networking.k8s.io, and GroupPolicy of virga.dev.  All decode to one
 * form; the compiler knows no other.
 *
 * Per direction the tiers are asked in the order admin, group, NetworkPolicy,
 * baseline.  In a tier the rule with the lowest (priority, kind, name, index)
 * that matches decides.  A rule that asks for something this version does not
 * know is kept and fails closed: see 'fail_closed'. */
#ifndef VIRGA_ORDERED_POLICY_H
#define VIRGA_ORDERED_POLICY_H 1

#include "model/objects.h"

enum ordered_tier { ORDERED_TIER_ADMIN, ORDERED_TIER_GROUP, ORDERED_TIER_BASELINE };

enum ordered_action {
    ORDERED_ALLOW,
    ORDERED_DENY,   /* Drops without a word. */
    ORDERED_REJECT, /* Drops and answers. */
    ORDERED_PASS,   /* Leaves the tier. */
};

enum ordered_peer_kind {
    ORDERED_PEER_UNKNOWN,       /* Its rule is 'fail_closed'. */
    ORDERED_PEER_PODS,          /* 'pods' in 'namespaces'; both empty: every pod. */
    ORDERED_PEER_NETWORKS,      /* 'prefixes', whoever has the address. */
    ORDERED_PEER_NODES,         /* Addresses of the nodes that 'nodes' selects. */
    ORDERED_PEER_DOMAINS,       /* Egress: addresses that 'domains' resolve to. */
    ORDERED_PEER_WORLD,         /* What is neither pod nor node. */
    ORDERED_PEER_GROUP,         /* PolicyGroup 'name'. */
    ORDERED_PEER_NETWORK_GROUP, /* NetworkGroup 'name'. */
};

/* Fields that the kind does not use are zero. */
struct ordered_peer {
    enum ordered_peer_kind kind;
    struct selector namespaces;
    struct selector pods;
    struct selector nodes;
    struct prefix *prefixes;
    size_t n_prefixes;
    char **domains; /* Lower case, no final dot, sorted, unique; "*.a.b" or "a.b". */
    size_t n_domains;
    char *name;
};

/* As policy_port; with a name, protocol 0 is any that the pod's port has. */
struct ordered_rule {
    char *name; /* "" if none; for people. */
    enum ordered_action action;
    struct ordered_peer *peers; /* none: every peer, in the cluster or not. */
    size_t n_peers;
    struct policy_port *ports; /* none: every port and protocol. */
    size_t n_ports;
    bool log;     /* Packets of connections that it decides are logged. */
    bool dry_run; /* Decides nothing; counted as if. */

    /* NULL, or what in the rule is not known, for people.  Then ORDERED_ALLOW
     * matches nothing, and any other action denies everything. */
    char *fail_closed;
};

#define POLICY_KIND_CLUSTER "ClusterNetworkPolicy"
#define POLICY_KIND_ADMIN "AdminNetworkPolicy"
#define POLICY_KIND_BASELINE "BaselineAdminNetworkPolicy"
#define POLICY_KIND_GROUP "GroupPolicy"

struct ordered_policy {
    const char *kind; /* POLICY_KIND_*, a literal. */
    struct object_meta meta;
    enum ordered_tier tier;
    int32_t priority;            /* Lower decides first. */
    struct ordered_peer subject; /* ORDERED_PEER_PODS or ORDERED_PEER_GROUP. */
    struct ordered_rule *ingress;
    size_t n_ingress;
    struct ordered_rule *egress;
    size_t n_egress;
};

/* Of policy.networking.k8s.io: v1alpha2 ClusterNetworkPolicy, v1alpha1
 * AdminNetworkPolicy and BaselineAdminNetworkPolicy; of virga.dev: v1alpha1
 * GroupPolicy.  Told apart by kind. */
struct ordered_policy *ordered_policy_decode(const json_t *, struct field_errors *);

void ordered_policy_destroy(struct ordered_policy *);
void ordered_peer_uninit(struct ordered_peer *);

/* The first of the policy's rules that fails closed, ingress first; NULL if
 * none does. */
const struct ordered_rule *ordered_policy_doubt(const struct ordered_policy *);

#endif
