/* The kinds of virga.dev/v1alpha1: groups, which are named sets, and policies
 * about them.
 *
 * Decoders as in objects.h.  What they refuse is what an API server refuses
 * with the schemas of scripts/kubernetes/crds/, at the same field paths; only
 * the syntax of label keys and values is checked here beyond that. */
#ifndef VIRGA_GROUPS_H
#define VIRGA_GROUPS_H 1

#include "model/objects.h"

enum {
    GROUPS_MAX_SELECTORS = 256,  /* Selectors of one PolicyGroup. */
    GROUPS_MAX_NAMES = 1024,     /* Pods by name of one PolicyGroup. */
    GROUPS_MAX_GROUPS = 256,     /* Groups in one PolicyGroup. */
    GROUPS_MAX_NETWORKS = 4096,  /* Networks of one NetworkGroup. */
    GROUPS_MAX_EXCEPTS = 16,     /* Excepts of one network. */
    GROUPS_MAX_PREFIXES = 65536, /* What the networks come to without the excepts. */
    GROUPS_MAX_CIDR = 43,        /* Bytes of a CIDR. */
    GROUPS_MAX_POD_NAME = 63 + 1 + 253,
    GROUP_POLICY_MAX_RULES = 100, /* Per direction. */
    GROUP_POLICY_MAX_PEERS = 100, /* Of one rule. */
    GROUP_POLICY_MAX_PORTS = 100, /* Of one rule. */
    GROUP_POLICY_MAX_PRIORITY = 1000,
    GROUP_POLICY_MAX_NAME = 100, /* Of a rule, in characters. */
};

/* A pod with this label is in the PolicyGroup of that name. */
#define POLICY_GROUP_LABEL "nuage.io/policy-group"

/* Pods that both selectors choose; an absent one decodes as empty: all. */
struct group_selector {
    struct selector namespaces;
    struct selector pods;
};

struct group_pod {
    char *namespace_;
    char *name;
};

/* The union of all that it lists. */
struct policy_group {
    struct object_meta meta;
    struct group_selector *selectors;
    size_t n_selectors;
    struct group_pod *pods;
    size_t n_pods;
    char **groups; /* Names of PolicyGroups. */
    size_t n_groups;
    char *unknown; /* The path of a field that is not known, or NULL. */
};

struct group_network {
    struct prefix cidr;
    struct prefix *excepts; /* Each inside cidr. */
    size_t n_excepts;
};

struct network_group {
    struct object_meta meta;
    struct group_network *networks;
    size_t n_networks;
    char *unknown; /* As in struct policy_group. */
};

/* Each returns a new object, or NULL with at least one error added. */
struct policy_group *policy_group_decode(const json_t *, struct field_errors *);
struct network_group *network_group_decode(const json_t *, struct field_errors *);

/* A GroupPolicy: ordered, with a PolicyGroup for its subject. */
struct ordered_policy *group_policy_decode(const json_t *, struct field_errors *);

void policy_group_destroy(struct policy_group *);
void network_group_destroy(struct network_group *);

/* The addresses of the group: sorted, none covers another; the caller frees.
 * NULL if they come to more than GROUPS_MAX_PREFIXES; an empty group is not
 * NULL, with '*n' 0. */
struct prefix *network_group_prefixes(const struct network_group *, size_t *n);

#endif
