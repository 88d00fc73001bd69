/* The policy verdict for one packet that starts a connection, from records
 * alone: the one truth that flows, traces and tests are compared with.
 *
 * Pure and read-only over 'struct records'.  It knows nothing of flows.
 * Egress rules of the source and ingress rules of the destination must both
 * allow.  Each direction asks the tiers in order (enum rule_tier); what no
 * rule decides is allowed.  A node always reaches its own pods; an endpoint
 * always reaches itself. */
#ifndef VIRGA_EVALUATE_H
#define VIRGA_EVALUATE_H 1

#include "base/records.h"

struct learned;
struct number_set;

/* A packet that starts a connection. */
struct evaluate_tuple {
    struct in6_addr src, dst; /* After any service translation. */
    uint8_t protocol;         /* IPPROTO_*; any number. */
    uint16_t dst_port;        /* 0 unless TCP, UDP, SCTP. */
};

struct evaluate_verdict {
    bool allow;
    /* The deciding rule per direction: one that allows, denies or rejects, or
     * the RULE_ISOLATE rule that drops; never RULE_PASS.  NULL: no rule
     * decides, or no endpoint is the subject. */
    const struct rec_rule *egress;
    const struct rec_rule *ingress;
};

/* An index over 'records', which must outlive it and not change unless
 * evaluate_follow() says what did. */
struct evaluate *evaluate_create(const struct records *);
/* The same with the addresses that this node has learned for domains; NULL:
 * none are known, so a set holds nobody by its domains. */
struct evaluate *evaluate_create_learned(const struct records *, const struct learned *);
/* The same where the rules with the ids 'closed' (NULL: none) are what rule_close()
 * leaves of them. */
struct evaluate *evaluate_create_closed(const struct records *, const struct learned *,
                                        const struct number_set *closed);
void evaluate_destroy(struct evaluate *);
/* Brings the index up to date with the records' change log, which must begin where
 * the index was made or last brought up to date.  It is as if made anew, but for a
 * price by what changed, if rules and sets have not: else it answers nothing until
 * evaluate_renew(). */
void evaluate_follow(struct evaluate *);
/* False: rules, sets or learned addresses have changed since the last renewal. */
bool evaluate_is_current(const struct evaluate *);
/* Indexes rules and sets anew, as evaluate_create_closed() did, for a price by how many
 * there are, and not by how many endpoints. */
void evaluate_renew(struct evaluate *, const struct number_set *closed);
struct evaluate_verdict evaluate(const struct evaluate *, const struct evaluate_tuple *);

/* Why: one direction of a packet, tier by tier. */
enum evaluate_reason {
    EVALUATE_RULE,       /* 'rule' decides. */
    EVALUATE_DEFAULT,    /* No rule decides: allowed. */
    EVALUATE_NO_SUBJECT, /* No endpoint is at this end: no policy. */
    EVALUATE_OWN_NODE,   /* From the pod's own node: always allowed. */
    EVALUATE_SELF,       /* From an endpoint to itself: always allowed. */
};

struct evaluate_path {
    bool allow;
    enum evaluate_reason reason;
    const struct rec_rule *rule;                 /* EVALUATE_RULE; else NULL. */
    const struct rec_rule *passed[N_RULE_TIERS]; /* The rule by which the tier was left. */
    /* The rule in dry run that counts the packet in this tier: it would decide
     * (or pass) before those in force.  After one that is final none counts. */
    const struct rec_rule *dry_run[N_RULE_TIERS];
};

/* By enum rule_direction. */
void evaluate_explain(const struct evaluate *, const struct evaluate_tuple *,
                      struct evaluate_path paths[N_RULE_DIRECTIONS]);

/* Who has an address; NULL: no endpoint. */
const struct rec_endpoint *evaluate_endpoint(const struct evaluate *, const struct in6_addr *);

#endif
