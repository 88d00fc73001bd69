/* The policy verdict for one packet that starts a connection, from records
 * alone: the one truth that flows, traces and tests are compared with.
 *
 * Pure and read-only over 'struct records'.  It knows nothing of flows.
 * Egress rules of the source and ingress rules of the destination must both
 * allow; a direction with no isolation allows.  A node always reaches its
 * own pods; an endpoint always reaches itself. */
#ifndef VIRGA_EVALUATE_H
#define VIRGA_EVALUATE_H 1

#include "base/records.h"

/* A packet that starts a connection. */
struct evaluate_tuple {
    struct in6_addr src, dst; /* After any service translation. */
    uint8_t protocol;         /* IPPROTO_*; any number. */
    uint16_t dst_port;        /* 0 unless TCP, UDP, SCTP. */
};

struct evaluate_verdict {
    bool allow;
    /* The deciding rule per direction: the allowing rule, or the
     * RULE_ISOLATE rule that drops; NULL: not isolated, or not a subject. */
    const struct rec_rule *egress;
    const struct rec_rule *ingress;
};

/* An index over 'records', which must outlive it and not change. */
struct evaluate *evaluate_create(const struct records *);
void evaluate_destroy(struct evaluate *);
struct evaluate_verdict evaluate(const struct evaluate *, const struct evaluate_tuple *);
/* Who has an address; NULL: no endpoint. */
const struct rec_endpoint *evaluate_endpoint(const struct evaluate *, const struct in6_addr *);

#endif
