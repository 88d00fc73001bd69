/* Lowering: records and local ports in, flows of one node out.
 *
 * Pure.  Each record owns the flows that it makes; a changed record replaces
 * its own and nothing else.  lower_check_full() lowers again from nothing and
 * compares; the tests call it after every step. */
#ifndef VIRGA_LOWER_H
#define VIRGA_LOWER_H 1

#include <net/if.h>

#include "base/interlude.h"
#include "base/records.h"
#include "openflow/flow_table.h"
#include "openvswitch/types.h"

struct learned;
struct number_set;

struct lower_config {
    char *node_name;            /* This node; its record may come later. */
    ofp_port_t tunnel_port;     /* VXLAN port of br-int; 0: not yet there. */
    ofp_port_t gateway_port;    /* Host's port of br-int; 0: not yet there. */
    size_t policy_flows_max;    /* See lower_each_oversized(); 0: no limit. */
    struct interlude interlude; /* Each millisecond or so of a long lower_run(). */
};

struct lower *lower_create(const struct lower_config *);
void lower_destroy(struct lower *);

/* A later call with other ports relowers what depends on them. */
void lower_set_ports(struct lower *, ofp_port_t tunnel, ofp_port_t gateway);

/* Says that endpoint 'name' (NAMESPACE/NAME) with the object 'uid' is
 * attached to OpenFlow port 'port' of this node; port 0 detaches it.  Flows of
 * a local endpoint exist only while its record, with that uid, says that it
 * belongs to this node, and it is attached.  The caller may do this before
 * the record is there. */
void lower_attach(struct lower *, const char *name, const char *uid, ofp_port_t port);

/* The addresses that this node knows for the domains of a set, sorted; none: it
 * knows none any more.  The flows of the next run have them. */
void lower_set_learned(struct lower *, uint32_t set, const struct in6_addr *, size_t n);
/* All that it was told of these; borrowed. */
const struct learned *lower_learned(const struct lower *);

/* Policies that need more flows on this node than config.policy_flows_max.  They
 * fail closed: nothing that they allow is lowered, their isolation is, and what
 * they would deny, reject or pass becomes a denial of everything, for the
 * subjects in that direction.  Other policies do not notice.  Every change of
 * the list changes the number. */
typedef void lower_oversized_cb(void *aux, const char *policy, size_t n_flows);
void lower_each_oversized(const struct lower *, lower_oversized_cb *, void *aux);
unsigned int lower_oversized_seqno(const struct lower *);
/* The ids of their rules that are asked about here, whose flows are those of
 * rule_close(); borrowed.  Every change of the set changes '*seqno'. */
const struct number_set *lower_closed(const struct lower *, unsigned int *seqno);

/* Takes over every change in the log of 'records' (which stays the caller's
 * and must outlive the next run), then updates the flow table. */
void lower_run(struct lower *, const struct records *);

/* Desired flows; its change log says what the last runs changed. */
struct flow_table *lower_flows(struct lower *);

/* True once a run has made the flows of an attached endpoint. */
bool lower_is_realized(const struct lower *, const char *name, const char *uid);

char *lower_check_full(const struct lower *, const struct records *)
    __attribute__((warn_unused_result));

#endif
