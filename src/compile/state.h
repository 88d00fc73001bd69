/* Inside compile: what it remembers of each object, and the phases of
 * compile_run().
 *
 * An object known by name has an entry.  A setter puts the new object (NULL:
 * deleted) into the entry as 'next' and queues the entry; the phase of its
 * kind makes it 'object' and brings the records up to date.  Phases run in the
 * order nodes, namespaces, groups, ordered policies, NetworkPolicies, pods, and both
 * kinds of policies with named ports: each may queue entries of a later one.  A
 * policy with named ports holds in its first phase what decides the classes of
 * pods, and gets its rules in the last, when the numbers of those pods are
 * known.  Entries are worked through in the order in which they first appeared,
 * so that equal calls give equal numbers. */
#ifndef VIRGA_COMPILE_STATE_H
#define VIRGA_COMPILE_STATE_H 1

#include "compile/address_sets.h"
#include "compile/addresses.h"
#include "compile/classes.h"
#include "compile/compile.h"
#include "compile/groups.h"
#include "compile/numbers.h"
#include "compile/problems.h"
#include "compile/ranks.h"
#include "compile/selection.h"
#include "compile/subnets.h"
#include "model/objects.h"
#include "openvswitch/shash.h"

/* First member of each entry. */
struct entry {
    uint64_t seq; /* Order of appearance. */
    bool queued;
    bool has_next;
    bool is_ordered; /* Of a struct ordered_entry. */
};

struct worklist {
    struct entry **entries;
    size_t n, allocated;
};

struct node_entry {
    struct entry entry;
    char *name;
    bool exists, next_exists;
    bool unready; /* Its agent is not there, or not in sync. */
    uint32_t id;  /* 0 unless 'exists'. */
    struct in6_addr vtep;
    struct in6_addr *addresses; /* Sorted. */
    size_t n_addresses;
    struct k8s_node *object; /* The Node of that name, registered or not. */
    struct ovs_list pods;    /* struct pod_entry 'node_node'. */
};

struct namespace_entry {
    struct entry entry;
    struct hmap_node hmap_node; /* In struct compile 'namespaces'. */
    char *name;
    struct k8s_namespace *object, *next;
    struct ovs_list pods;     /* struct pod_entry 'namespace_node'. */
    struct ovs_list policies; /* struct policy_entry 'namespace_node'. */
    struct scope scope;       /* Attached if the namespace has a network. */
    struct problem *problem;

    /* The network, if 'vni' is not 0. */
    uint32_t vni;
    uint16_t zone;
    struct prefix *subnets;
    size_t n_subnets;
    struct in6_addr last_addresses[2]; /* Handed out last: IPv6, IPv4. */
    uint64_t room_run;                 /* The last run that gave waiting pods a chance. */
    uint64_t full_run;                 /* The last run that found no free address. */
    bool waits;                        /* In struct compile 'waiting_namespaces'. */
    struct ovs_list waiting_node;
};

struct policy_entry {
    struct entry entry;
    struct hmap_node hmap_node; /* In struct compile 'policies'. */
    struct namespace_entry *namespace_;
    struct ovs_list namespace_node;
    const char *kind; /* POLICY_KIND_* */
    char *name;
    struct network_policy *object, *next;
    uint32_t *rules; /* Keys of its rule records, in policy_rules_build()'s order. */
    size_t n_rules, allocated_rules;
    struct holdings *holdings; /* What it uses of the selection; see policies.c. */
    struct problem *problem;
};

/* The ranks of the policy's rules in one direction. */
struct ordered_block {
    struct rank_block ranks;
    int32_t *indexes; /* The rule of each. */
    struct ordered_entry *policy;
};

/* A policy of the ordered tiers.  It belongs to no namespace. */
struct ordered_entry {
    struct entry entry;
    struct hmap_node hmap_node; /* In struct compile 'ordered'. */
    const char *kind;           /* POLICY_KIND_* */
    char *name;
    struct ordered_policy *object, *next;
    uint32_t *rules; /* Keys of its rule records, in ordered_rules_build()'s order. */
    size_t n_rules, allocated_rules;
    struct holdings *holdings;
    enum rule_tier tier; /* Of the blocks that are placed. */
    struct ordered_block blocks[N_RULE_DIRECTIONS];
    bool overflows[N_RULE_DIRECTIONS]; /* There were no ranks for its rules. */
    struct problem *problem;
};

struct pod_entry {
    struct entry entry;
    struct hmap_node hmap_node; /* In struct compile 'pods'. */
    struct namespace_entry *namespace_;
    struct ovs_list namespace_node;
    char *name;
    struct k8s_pod *object, *next;
    struct node_entry *node; /* NULL if not scheduled. */
    struct ovs_list node_node;
    struct identity *identity; /* NULL without endpoint. */
    uint32_t endpoint;         /* Id of its record, or 0. */
    struct address *ips;       /* What it owns. */
    size_t n_ips;
    bool waits; /* In struct compile 'waiting_pods'. */
    struct ovs_list waiting_node;
    struct problem *problem;
};

struct compile {
    struct compile_config config;
    struct records *records;
    struct numbers numbers;
    bool has_counters; /* 'numbers' is of an earlier life. */
    uint64_t seq;
    struct subnets subnets;
    struct addresses addresses;
    unsigned long *zones; /* Bitmap of those in use. */
    struct selection selection;
    struct address_sets address_sets;
    struct classes classes;
    struct problems problems;
    struct groups groups;
    struct ranks ranks[N_RULE_TIERS][N_RULE_DIRECTIONS];

    struct shash nodes;     /* struct node_entry. */
    struct hmap namespaces; /* struct namespace_entry. */
    struct hmap policies;   /* struct policy_entry. */
    struct hmap ordered;    /* struct ordered_entry. */
    struct hmap pods;       /* struct pod_entry. */
    struct worklist node_work, namespace_work, group_work, policy_work, pod_work;
    struct worklist named_work; /* Policies with named ports. */
    struct worklist ordered_work, ordered_named_work;
    struct ovs_list waiting_namespaces; /* Those with a problem. */
    struct ovs_list waiting_pods;       /* Those that lack an address. */
    uint64_t run;                       /* Number of this run, 1... */
    bool subnets_freed;                 /* In this run. */
    uint64_t freed_run;                 /* The last one before this in which some were. */
    bool ranks_freed;                   /* Since policies without ranks tried last. */
    bool nodes_changed;                 /* Labels or addresses, since node sets were computed. */
    bool networks_grew;                 /* In this half of pods_run(). */
};

/* entries.c */
void worklist_add(struct worklist *, struct entry *);
/* The queued entries, in order; the caller frees the array. */
struct entry **worklist_take(struct worklist *, size_t *n);
void worklist_uninit(struct worklist *);

struct node_entry *node_entry_get(struct compile *, const char *name);
struct namespace_entry *namespace_entry_find(const struct compile *, const char *name);
struct namespace_entry *namespace_entry_get(struct compile *, const char *name);
struct policy_entry *policy_entry_find(const struct compile *, const char *kind, const char *ns,
                                       const char *name);
/* 'kind' is a literal. */
struct policy_entry *policy_entry_get(struct compile *, const char *kind, const char *ns,
                                      const char *name);
struct ordered_entry *ordered_entry_find(const struct compile *, const char *kind,
                                         const char *name);
struct ordered_entry *ordered_entry_get(struct compile *, const char *kind, const char *name);
struct pod_entry *pod_entry_find(const struct compile *, const char *ns, const char *name);
struct pod_entry *pod_entry_get(struct compile *, const char *ns, const char *name);

/* The entry is of no use any more; its records are gone. */
void node_entry_destroy(struct compile *, struct node_entry *);
void namespace_entry_destroy(struct compile *, struct namespace_entry *);
void policy_entry_destroy(struct compile *, struct policy_entry *);
void ordered_entry_destroy(struct compile *, struct ordered_entry *);
void pod_entry_destroy(struct compile *, struct pod_entry *);

/* The namespace is of no use any more if this was its last object. */
void namespace_entry_left(struct compile *, struct namespace_entry *);
/* Why nothing in the namespace can work; false if it has a network. */
bool namespace_entry_is_missing(const struct namespace_entry *, const char **reason,
                                char **message);

/* Whether nothing knows of the node any more. */
bool node_entry_is_idle(const struct node_entry *);

/* Phases: nodes.c, networks.c, ordered.c, policies.c, pods.c, restore.c. */
void nodes_run(struct compile *);
void nodes_flush_sets(struct compile *);
/* The addresses of the nodes that the selector chooses, for 'compile'. */
struct prefix *nodes_prefixes(const void *compile, const struct selector *, size_t *n);
void networks_run(struct compile *);
void policies_run(struct compile *);
void policies_run_named(struct compile *);
void policy_drop_rules(struct compile *, struct policy_entry *);
void ordered_run(struct compile *);
void ordered_run_named(struct compile *);
void ordered_drop_rules(struct compile *, struct ordered_entry *);
/* The policy's rules of an earlier life are complete. */
void ordered_restore_ranks(struct compile *, struct ordered_entry *);
void pods_run(struct compile *);
bool pod_waits_for_node(const struct pod_entry *);
void pod_drop_endpoint(struct compile *, struct pod_entry *);
void restore_begin(struct compile *);
void restore_end(struct compile *);

void networks_collect(struct compile *);

/* networks.c */
/* Gives the network of 'ns' one more automatic subnet of the family; false if it
 * is annotated or there is none left. */
bool network_grow(struct compile *, struct namespace_entry *, bool ip4);
/* Where automatic subnets of the family come from; NULL: nowhere. */
const struct subnet_range *network_range(const struct compile *, bool ip4);
/* Whether the network has a subnet of the family. */
bool network_has_family(const struct namespace_entry *, bool ip4);
void network_drop(struct compile *, struct namespace_entry *);

/* Whether the namespace has its network to itself: no annotation. */
bool network_is_automatic(const struct namespace_entry *);
/* Whether 'ip' is one that an endpoint of the network may have. */
bool network_has_host(const struct namespace_entry *, const struct in6_addr *ip);

/* pods.c */
/* Whether the pod should have an endpoint, all being well. */
bool pod_wants_endpoint(const struct k8s_pod *);
struct eth_addr pod_mac(const struct in6_addr *ips, size_t n);

#endif
