/* Kubernetes objects as Virga sees them: decoded, validated, defaulted.
 *
 * X_decode() reads the JSON form (jansson) of one object as the API server
 * would store it and either returns it or reports every error with the field
 * path of the Kubernetes API (spec.ingress[0].ports[1].endPort).  Unknown
 * fields are skipped, sizes are capped (OBJECTS_MAX_*); no I/O, no globals
 * but the intern table.  All of it is a fuzz target. */
#ifndef VIRGA_OBJECTS_H
#define VIRGA_OBJECTS_H 1

#include <jansson.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/prefix.h"
#include "model/field_errors.h"
#include "model/labels.h"

enum {
    OBJECTS_MAX_LABELS = 1024,     /* Labels of one object. */
    OBJECTS_MAX_RULES = 4096,      /* Rules per direction of one policy. */
    OBJECTS_MAX_PEERS = 65536,     /* Peers of one rule. */
    OBJECTS_MAX_PORTS = 4096,      /* Ports of one rule or pod. */
    OBJECTS_MAX_ADDRESSES = 64,    /* Addresses of one pod or node. */
    OBJECTS_MAX_SUBNETS = 64,      /* Subnets of one namespace. */
    OBJECTS_MAX_CONTAINERS = 4096, /* Containers of one pod. */
    OBJECTS_MAX_VALUES = 4096,     /* Values of one selector requirement, excepts of one
                                    * ipBlock. */
};

/* What every object has. */
struct object_meta {
    char *namespace_; /* "" if cluster scoped. */
    char *name;
    char *uid; /* "" if absent. */
    struct labels labels;
};

struct k8s_namespace {
    struct object_meta meta; /* labels always has kubernetes.io/metadata.name, and
                              * NAMESPACE_ISOLATED_LABEL if isolated. */
    bool isolated;           /* Ingress of all pods, by an annotation of 2016. */
    struct prefix *subnets;  /* Annotation virga.dev/subnets: comma-separated CIDRs. */
    size_t n_subnets;        /* 0: allocate one. */
};

struct pod_port {
    const char *name; /* Interned, "" if none. */
    uint8_t protocol; /* IPPROTO_* */
    uint16_t number;
};

/* Selects isolated namespaces.  The colon keeps it apart from labels of people. */
#define NAMESPACE_ISOLATED_LABEL "namespace:isolated"

/* A pod whose label names a subnet of its network, "10.1.2.0-24", gets its
 * address there if one is free. */
#define POD_SUBNET_LABEL "nuage.io/subnet"

struct k8s_pod {
    struct object_meta meta;
    char *node_name; /* "" if not scheduled. */
    bool host_network;
    bool completed;              /* status.phase Succeeded or Failed. */
    struct in6_addr *static_ips; /* Annotation virga.dev/ip: comma-separated. */
    size_t n_static_ips;
    struct in6_addr *status_ips; /* status.podIPs, else status.podIP. */
    size_t n_status_ips;
    struct pod_port *ports; /* containerPorts of containers and restartable
                                * init containers, in order. */
    size_t n_ports;
};

struct k8s_node {
    struct object_meta meta;
    struct in6_addr *addresses; /* status.addresses of an IP type. */
    size_t n_addresses;
};

/* One peer of a rule: an ipBlock, or pods chosen by selectors. */
struct policy_peer {
    bool is_ip_block;
    struct prefix cidr;     /* ipBlock */
    struct prefix *excepts; /* ipBlock; each inside cidr. */
    size_t n_excepts;
    bool has_namespace_selector; /* Absent: the policy's own namespace. */
    struct selector namespace_selector;
    struct selector pod_selector; /* Absent decodes as empty: all pods. */
};

struct policy_port {
    uint8_t protocol; /* IPPROTO_* ; absent decodes as TCP.  See also ordered_rule. */
    const char *name; /* Interned; NULL if numeric or absent. */
    uint16_t first;   /* With port absent: 0..65535. */
    uint16_t last;
};

struct policy_rule {
    struct policy_peer *peers; /* none: every peer. */
    size_t n_peers;
    struct policy_port *ports; /* none: every port and protocol. */
    size_t n_ports;
};

/* A number from 0 on, lower first; whatever else it says is 0. */
#define NETWORK_POLICY_PRIORITY_LABEL "nuage.io/priority"
enum { NETWORK_POLICY_MAX_PRIORITY = 65535 };

/* What a policy comes from; with namespace and name it names the policy. */
#define POLICY_KIND_NETWORK "NetworkPolicy"
#define POLICY_KIND_ALPHA "NetworkPolicy.net.alpha.kubernetes.io"
#define POLICY_KIND_ISOLATION "Namespace" /* The isolation of a namespace. */

struct network_policy {
    const char *kind; /* POLICY_KIND_*, a literal. */
    struct object_meta meta;
    struct selector pod_selector;
    bool isolates_ingress; /* policyTypes, defaulted. */
    bool isolates_egress;
    int32_t priority;            /* By its label: who of several gets the credit. */
    bool needs_isolation;        /* Opens ingress in an isolated namespace; else does nothing. */
    struct policy_rule *ingress; /* Empty unless isolates_ingress or needs_isolation. */
    size_t n_ingress;
    struct policy_rule *egress;
    size_t n_egress;
};

/* Each returns a new object, or NULL with at least one error added. */
struct k8s_namespace *k8s_namespace_decode(const json_t *, struct field_errors *);
struct k8s_pod *k8s_pod_decode(const json_t *, struct field_errors *);
struct k8s_node *k8s_node_decode(const json_t *, struct field_errors *);
/* Of any of the forms networking.k8s.io/v1, extensions/v1beta1 and
 * net.alpha.kubernetes.io/v1alpha1, told apart by apiVersion. */
struct network_policy *network_policy_decode(const json_t *, struct field_errors *);

/* For a namespace that is there already: one whose isolation cannot be made
 * out is isolated, and '*doubtful' is set. */
struct k8s_namespace *k8s_namespace_decode_stored(const json_t *, struct field_errors *,
                                                  bool *doubtful);

/* What an isolated namespace does to its pods.  Its name and namespace are
 * both that of the namespace. */
struct network_policy *isolation_policy_create(const char *namespace_);

void k8s_namespace_destroy(struct k8s_namespace *);
void k8s_pod_destroy(struct k8s_pod *);
void k8s_node_destroy(struct k8s_node *);
void network_policy_destroy(struct network_policy *);

/* Decodes any object of a known kind and throws it away: what a validator
 * (API server, "virgactl apply") needs.  Also checks apiVersion, kind and
 * metadata (names, namespaces, labels). */
void object_validate(const json_t *, struct field_errors *);

#include "model/ordered_policy.h"

#endif
