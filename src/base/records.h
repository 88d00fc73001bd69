/* Records: the desired state of the network, as plain data.
 *
 * The controller computes records from Kubernetes objects (compile), writes
 * them to the database (store), and every agent reads them back (store) and
 * lowers them to flows (openflow).  The same container serves all of them, so
 * a test, a golden file or the CLI can enter or leave at any stage: each
 * record has a one-line text form (record_format, records_parse).
 *
 * 'struct records' is a set of records with a change log.  A put of an equal
 * record changes nothing and logs nothing; thus "desired" and "written" can
 * be compared by their logs.  The log holds each key once, however often it
 * changed; the reader looks up the key to see what it became (absent:
 * deleted).  Not thread-safe; one owner.
 *
 * Keys are 32 bit numbers that the leading controller allocates and never
 * reuses while anything may still carry them. */
#ifndef VIRGA_RECORDS_H
#define VIRGA_RECORDS_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/prefix.h"
#include "openvswitch/hmap.h"
#include "openvswitch/types.h"

struct ds;

enum record_kind {
    RECORD_NODE,     /* struct rec_node */
    RECORD_NETWORK,  /* struct rec_network */
    RECORD_IDENTITY, /* struct rec_identity */
    RECORD_ENDPOINT, /* struct rec_endpoint */
    RECORD_SET,      /* struct rec_set */
    RECORD_RULE,     /* struct rec_rule */
    N_RECORD_KINDS
};

/* Identities below IDENTITY_FIRST are the same in every cluster. */
enum {
    IDENTITY_UNKNOWN = 0,
    IDENTITY_WORLD = 1,       /* Any address outside the cluster. */
    IDENTITY_LOCAL_NODE = 2,  /* This node's own addresses, never on a wire. */
    IDENTITY_REMOTE_NODE = 3, /* Another node's addresses. */
    IDENTITY_FIRST = 256,
};

/* First member of each record. */
struct record {
    struct hmap_node hmap_node; /* In struct records, by kind and key. */
    enum record_kind kind;
    uint32_t key;
};

/* A node: where endpoints live.  Text form:
 *   node 1 name=node-1 vtep=172.30.0.1 addresses=172.30.0.1 */
struct rec_node {
    struct record r; /* key: node id, 1.. */
    char *name;      /* RFC 1123 subdomain. */
    struct in6_addr vtep;
    struct in6_addr *addresses; /* All addresses of the host; sorted. */
    size_t n_addresses;
};

/* A namespace's network.  Text form:
 *   network 4097 name=shop zone=16 subnets=10.128.1.0/24 gateways=10.128.1.1 */
struct rec_network {
    struct record r; /* key: VNI, 4096..0xffffff. */
    char *name;      /* Namespace. */
    uint16_t zone;   /* Conntrack zone, 16..65534. */
    struct prefix *subnets;
    struct in6_addr *gateways; /* gateways[i] lies in subnets[i]. */
    size_t n_subnets;
};

/* A class of endpoints that no selector in use can tell apart.  Text form:
 *   identity 256 vni=4097 labels="shop{app=redis}" */
struct rec_identity {
    struct record r; /* key: identity, IDENTITY_FIRST.. */
    uint32_t vni;
    char *labels; /* For people: NAMESPACE{KEY=VALUE,...}. */
};

/* An endpoint: a pod (later a VM or a bare metal port) with addresses.
 *   endpoint 7 name=shop/redis-0 uid=... vni=4097 identity=256 node=1
 *              mac=02:56:0a:80:01:02 ips=10.128.1.2 */
struct rec_endpoint {
    struct record r; /* key: endpoint id, 1.. */
    char *name;      /* NAMESPACE/NAME. */
    char *uid;       /* Of the object; tells two pods of one name apart. */
    uint32_t vni;
    uint32_t identity;
    uint32_t node; /* Node id, 0: not scheduled, or the node is not known. */
    struct eth_addr mac;
    struct in6_addr *ips; /* Sorted, at least one. */
    size_t n_ips;
};

/* Whom one selector matches; shared by the rules that use it.  A peer is in
 * the set by its identity, by its address in one of the prefixes, or (egress
 * only) by an address that an agent has learned for one of the domains.
 * Subjects are members by identity alone.  Text form, empty lists left out:
 *   set 12 selector="ns{kubernetes.io/metadata.name=shop}/pod{role=frontend}" identities=256,300
 *          prefixes=10.0.0.0/8,2001:db8::/32 domains=*.b.example,a.example */
struct rec_set {
    struct record r;      /* key: set id, 1.. */
    char *selector;       /* Canonical text of the selector; unique. */
    uint32_t *identities; /* Sorted, unique. */
    size_t n_identities;
    struct prefix *prefixes; /* Sorted; none covers another. */
    size_t n_prefixes;
    char **domains; /* domain_pattern_is_valid(); sorted by strcmp(), unique. */
    size_t n_domains;
};

enum rule_direction { RULE_EGRESS, RULE_INGRESS };
enum { N_RULE_DIRECTIONS = RULE_INGRESS + 1 };
enum rule_action {
    RULE_ALLOW,   /* Final. */
    RULE_ISOLATE, /* Tier networkpolicy only: drops what no rule of the tier allows. */
    RULE_DENY,    /* This and the next only in the ordered tiers.  Final: dropped. */
    RULE_REJECT,  /* Final: dropped, and the sender is told (TCP RST, ICMP unreachable). */
    RULE_PASS,    /* Leaves the tier: the next decides. */
};
enum { N_RULE_ACTIONS = RULE_PASS + 1 };

/* Tiers are asked in this order, per direction.
 *
 * Admin, group and baseline are ordered: the rule of lowest rank that matches
 * decides.  Networkpolicy is a union: any allow is final, else isolation is;
 * a subject that is not isolated goes on to baseline.  What no tier decides is
 * allowed.  An action out of its place denies: isolate in an ordered tier is
 * deny, and in tier networkpolicy all but allow are isolate. */
enum rule_tier { TIER_ADMIN, TIER_GROUP, TIER_NETWORKPOLICY, TIER_BASELINE };
enum { N_RULE_TIERS = TIER_BASELINE + 1 };
enum { RULE_RANK_MAX = 60000 };
/* Words of the text form, the schema and the API. */
extern const char *const rule_direction_names[], *const rule_tier_names[];
extern const char *const rule_action_names[];

/* A range of transport ports; protocol in both families. */
struct rule_port {
    uint8_t protocol; /* IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP. */
    uint16_t first;   /* 0..65535 */
    uint16_t last;    /* >= first; 0-65535 means every port. */
};

/* One rule of a policy, in identities.  It applies to packets whose subject
 * (source for egress, destination for ingress) is in 'subject', whose peer is
 * in one of 'peer_sets' or 'peer_prefixes' (see struct rec_set; by address),
 * and whose protocol and destination port are in 'ports'.  any_peer, any_port:
 * that clause holds for everything, also for protocols without ports.
 * any_pod: the peer clause holds for every endpoint of the cluster, beside
 * sets and prefixes.  A rule with neither any_peer, any_pod nor peers matches
 * nothing.
 *
 * 'rank' orders the rules of one (tier, direction) of an ordered tier; each
 * rule has its own, except that the records that together are one rule of one
 * policy share it.  It is 0 in tier networkpolicy, where 'priority' says who
 * gets the credit if several rules allow a packet.
 *
 * A dry_run rule decides nothing.  It counts and, with 'log', reports the
 * packets that it would decide if all dry-run rules were in force.
 *   rule 9 ingress tier=networkpolicy priority=0 action=allow vni=4097
 *          subject=3 peers=set:12,10.0.0.0/8 ports=tcp:6379,udp:1000-2000
 *          policy=NetworkPolicy/shop/redis index=0
 *   rule 10 egress tier=admin priority=5 rank=3000 action=deny vni=0
 *          subject=3 peers=pods ports=any
 *          policy=ClusterNetworkPolicy//quiet index=2 flags=log,dry-run
 * (rank and flags are left out if 0 and empty). */
struct rec_rule {
    struct record r; /* key: rule id, 1.. ; also the conjunction id. */
    enum rule_direction direction;
    enum rule_tier tier;
    int32_t priority; /* The policy's own number. */
    uint16_t rank;    /* 1..RULE_RANK_MAX, lower decides first; 0: no order. */
    enum rule_action action;
    bool log;         /* Report the first packet of each connection. */
    bool dry_run;     /* Not in force. */
    uint32_t vni;     /* The subjects' network; 0: subjects of any network. */
    uint32_t subject; /* Set id. */
    bool any_peer;
    bool any_pod;        /* Every peer with identity >= IDENTITY_FIRST. */
    uint32_t *peer_sets; /* Sorted, unique. */
    size_t n_peer_sets;
    struct prefix *peer_prefixes; /* Sorted, disjoint per ipBlock. */
    size_t n_peer_prefixes;
    bool any_port;
    struct rule_port *ports; /* Sorted. */
    size_t n_ports;
    char *policy;  /* KIND/NAMESPACE/NAME. */
    int32_t index; /* Position in the policy's list of its direction; -1 for RULE_ISOLATE. */
};

/* Default deny of tier networkpolicy, whatever it says of peers and ports. */
static inline bool
rule_isolates(const struct rec_rule *r)
{
    return r->tier == TIER_NETWORKPOLICY && r->action != RULE_ALLOW;
}

/* Leaves the decision to the next tier. */
static inline bool
rule_passes(const struct rec_rule *r)
{
    return r->tier != TIER_NETWORKPOLICY && r->action == RULE_PASS;
}

/* What a rule says on a node for which its policy is too large: the policy fails
 * closed there.  What it allows is not there, what it does not allow holds for
 * every peer and port, and isolation stays.  False if nothing is left; else
 * 'closed' shares what 'rule' points to. */
bool rule_close(const struct rec_rule *rule, struct rec_rule *closed);

/* A set of records with a change log. */
struct records;
struct records *records_create(void);
void records_destroy(struct records *);

/* Takes ownership of 'rec' (of the concrete type that its kind says).  If an
 * equal record is there, frees 'rec' and returns false; else inserts or
 * replaces, logs the key, returns true. */
bool records_put(struct records *, struct record *rec_take);
bool records_remove(struct records *, enum record_kind, uint32_t key);

const struct record *records_find(const struct records *, enum record_kind, uint32_t key);
size_t records_count(const struct records *, enum record_kind);
/* All of one kind sorted by key; caller frees the array only. */
const struct record **records_sorted(const struct records *, enum record_kind, size_t *n);
/* Unordered walk: for (r = records_first(rs, k); r; r = records_next(rs, r)).
 * No put or remove of that kind during the walk. */
const struct record *records_first(const struct records *, enum record_kind);
const struct record *records_next(const struct records *, const struct record *);

/* Typed lookups; NULL if absent. */
const struct rec_node *records_node(const struct records *, uint32_t id);
const struct rec_network *records_network(const struct records *, uint32_t vni);
const struct rec_identity *records_identity(const struct records *, uint32_t id);
const struct rec_endpoint *records_endpoint(const struct records *, uint32_t id);
const struct rec_set *records_set(const struct records *, uint32_t id);
const struct rec_rule *records_rule(const struct records *, uint32_t id);

/* The change log: keys of one kind touched since records_clear_changes(), in
 * no particular order; caller frees. */
uint32_t *records_changed(const struct records *, enum record_kind, size_t *n);
/* What a key had at the last records_clear_changes(); NULL: nothing. */
const struct record *records_before(const struct records *, enum record_kind, uint32_t key);
bool records_any_changed(const struct records *, enum record_kind);
bool records_any_changes(const struct records *);
void records_clear_changes(struct records *);

/* Concrete records: zeroed with kind and key set; strings and arrays are
 * owned by the record, filled by the caller with malloc'd memory. */
struct rec_node *rec_node_create(uint32_t id);
struct rec_network *rec_network_create(uint32_t vni);
struct rec_identity *rec_identity_create(uint32_t id);
struct rec_endpoint *rec_endpoint_create(uint32_t id);
struct rec_set *rec_set_create(uint32_t id);
struct rec_rule *rec_rule_create(uint32_t id);
struct record *record_clone(const struct record *);
void record_destroy(struct record *);
bool record_equal(const struct record *, const struct record *);

/* Text: one line without the newline; records_format_all() prints kinds in
 * enum order, each sorted by key.  records_parse() reads what they print,
 * also with '#' comments; returns NULL or a malloc'd message with the line.
 * record_parse() reads one line, which it spoils; NULL or a malloc'd message.
 * record_kind_names are the first words of lines. */
extern const char *const record_kind_names[N_RECORD_KINDS];
void record_format(const struct record *, struct ds *);
void records_format_all(const struct records *, struct ds *);
char *record_parse(char *line, struct record **) __attribute__((warn_unused_result));
char *records_parse(const char *text, struct records *) __attribute__((warn_unused_result));

#endif
