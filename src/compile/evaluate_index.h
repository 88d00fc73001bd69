/* What evaluate.c asks: rules found from both ends of a packet.  Private to
 * it and evaluate_index.c.
 *
 * A 'subject' is the rules of one direction for one subject set.  Its rules
 * are filed by what they say of the peer: any, any endpoint, a set, or a
 * prefix.  An identity knows the subjects and the sets that it belongs to, and
 * an address the sets that hold it by a prefix.  So a packet asks, for each
 * subject of its own end: any? endpoints? the sets that are both the subject's
 * and of the other end? each prefix length in use, with the other address cut
 * to it?
 *
 * Each answer is a list of rules in order of decision, as positions in
 * 'rules': tier; in the ordered tiers rank; in tier networkpolicy allow, by
 * priority, before isolate; then id. */
#ifndef VIRGA_EVALUATE_INDEX_H
#define VIRGA_EVALUATE_INDEX_H 1

#include "compile/evaluate.h"
#include "openvswitch/hmap.h"

/* Rules that agree in direction, subject set and one element of the peer. */
enum bucket_kind { PEER_ANY, PEER_POD, PEER_SET, PEER_PREFIX };
struct bucket {
    struct hmap_node hmap_node; /* In struct evaluate 'buckets'. */
    const struct subject *subject;
    enum bucket_kind kind;
    uint32_t set;         /* PEER_SET */
    struct prefix prefix; /* PEER_PREFIX */
    uint32_t *places;     /* Indexes in struct evaluate 'rules', ascending. */
    size_t n, allocated;
};

/* The prefix lengths in use somewhere. */
struct plens {
    bool used[129];
    uint8_t list[129];
    size_t n;
};

/* A set among the peers of a subject, and its rules. */
struct peer_bucket {
    uint32_t set;
    const struct bucket *bucket; /* PEER_SET */
};

struct subject {
    struct hmap_node hmap_node; /* In struct evaluate 'subjects'. */
    enum rule_direction direction;
    uint32_t set;
    uint32_t first;                  /* The first of its rules, a place. */
    const struct bucket *any, *pods; /* PEER_ANY, PEER_POD; or NULL. */
    struct peer_bucket *sets;        /* By set. */
    size_t n_sets, allocated_sets;
    struct plens plens; /* Of its buckets. */
};

/* A set that some rule has among its peers. */
struct peer_set {
    struct hmap_node hmap_node; /* In struct evaluate 'peer_sets'. */
    uint32_t set;
};

/* What an identity belongs to. */
struct membership {
    struct hmap_node hmap_node; /* In struct evaluate 'memberships'. */
    uint32_t identity;
    uint32_t *peer_sets; /* Those that are some rule's peers, sorted. */
    size_t n_peer_sets, allocated_peer_sets;
    const struct subject **subjects[N_RULE_DIRECTIONS];
    size_t n_subjects[N_RULE_DIRECTIONS], allocated_subjects[N_RULE_DIRECTIONS];
};

/* The sets that hold a prefix. */
struct holding {
    struct hmap_node hmap_node; /* In struct evaluate 'holdings' or 'learned'. */
    struct prefix prefix;
    uint32_t *sets; /* Sorted. */
    size_t n, allocated;
};

struct holdings {
    struct hmap hmap; /* struct holding. */
    struct plens plens;
};

/* Who has an address. */
struct owner {
    struct hmap_node hmap_node; /* In struct evaluate 'owners'. */
    struct in6_addr ip;
    const struct rec_endpoint *endpoint; /* NULL: a node. */
    uint32_t node;                       /* Of a node's address. */
    /* Of the endpoint; NULL: in no set.  Looked up when somebody asks. */
    const struct membership *membership;
    unsigned int renewal; /* That it was looked up in; 0: in none. */
};

/* What a search asks of a rule, side by side: most rules are asked and do not
 * match, and each would be a cache miss or two. */
struct brief {
    uint32_t vni;
    struct rule_port port; /* If PORTS_ONE. */
    enum { PORTS_ANY, PORTS_ONE, PORTS_MANY } ports : 8;
    bool dry_run;
};

struct evaluate {
    const struct records *records;
    const struct learned *learned;
    struct hmap owners;

    /* From here on what follows from rules and sets. */
    bool stale;                    /* They have changed. */
    unsigned int renewal;          /* 1.. */
    unsigned int learned_seqno;    /* What of 'learned' is in the index. */
    const struct rec_rule **rules; /* In order of decision. */
    struct brief *briefs;          /* Of 'rules'. */
    size_t n_rules;
    uint32_t tier_end[N_RULE_TIERS]; /* Position after the tier's last rule. */
    bool any_dry_run;
    struct rec_rule *closed; /* Some of 'rules': what rule_close() left. */
    size_t n_closed;
    struct hmap buckets;
    struct hmap subjects;
    struct hmap peer_sets;
    struct hmap memberships;
    struct holdings by_prefix;  /* Of sets, for both directions. */
    struct holdings by_learned; /* Of sets, for egress. */
};

const struct owner *find_owner(const struct evaluate *, const struct in6_addr *);
const struct membership *find_membership(const struct evaluate *, uint32_t identity);
/* NULL unless an endpoint has the address. */
const struct membership *owner_membership(const struct evaluate *, const struct owner *);
/* 'p' is NULL unless PEER_PREFIX, 'set' 0 unless PEER_SET. */
const struct bucket *find_bucket(const struct evaluate *, const struct subject *, enum bucket_kind,
                                 uint32_t set, const struct prefix *p);
const struct holding *find_holding(const struct holdings *, const struct prefix *);
/* 'ip' cut to a length; false if no prefix of that length can hold it. */
bool cut_address(const struct in6_addr *ip, uint8_t plen, struct prefix *);

#endif
