/* The flows of one record: pure functions, one per kind and stage.  What they
 * need to know beside the record is in 'struct lower_context'; lower.c calls
 * them again when any of that changes. */
#ifndef VIRGA_LOWER_FLOWS_H
#define VIRGA_LOWER_FLOWS_H 1

#include "base/records.h"
#include "openflow/flow_table.h"
#include "openflow/lower_ids.h"
#include "openflow/pipeline.h"
#include "openvswitch/match.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofpbuf.h"

struct learned;
struct policy_sizes;

struct lower_context {
    const struct records *records;
    uint32_t node;                     /* This node's id; 0: its record is not there. */
    ofp_port_t tunnel_port;            /* 0: not there. */
    ofp_port_t gateway_port;           /* 0: not there. */
    struct lower_ids local_identities; /* Of attached local endpoints. */
    struct lower_ids local_networks;   /* VNIs of attached local endpoints. */
    struct lower_ids ip4_networks;     /* VNIs of networks with an IPv4 subnet. */
    struct lower_ids ip6_networks;     /* VNIs of networks with an IPv6 subnet. */
    struct learned *learned;           /* For the domains of sets. */
    struct policy_sizes *sizes;        /* Of the policies here. */
};

/* The families of the addresses that a network's endpoints have: ports of its
 * rules are matched behind headers of these.  Network 0: of all networks.  Of a network that
 * has none yet, or is not there, nothing is known: both. */
enum { FAMILY_IP4 = 1, FAMILY_IP6 = 2 };
unsigned int lower_families_of(const struct lower_context *, uint32_t vni);

/* An endpoint's identity has one of so many high bits set. */
enum { N_IDENTITY_BITS = 24 };

/* Where the flows of one record go. */
struct flow_sink {
    struct flow_table *flows;
    struct flow_owner owner;
};

/* One flow under construction.  flow_draft_emit() adds it and leaves the match
 * as it is and the actions empty, ready for a sibling. */
struct flow_draft {
    struct match match;
    struct ofpbuf actions;
    uint64_t stub[32];
};

void flow_draft_init(struct flow_draft *);
void flow_draft_uninit(struct flow_draft *);
void flow_draft_reset(struct flow_draft *); /* Empty match, no actions. */
void flow_draft_emit(struct flow_draft *, const struct flow_sink *, enum pipeline_table,
                     uint16_t priority, uint64_t cookie);
/* Counters of such flows must survive: the switch reports their removal. */
void flow_draft_emit_counted(struct flow_draft *, const struct flow_sink *, enum pipeline_table,
                             uint16_t priority, uint64_t cookie);

/* Matches on addresses, of the prefix's family. */
void match_ip_src(struct match *, const struct prefix *);
void match_ip_dst(struct match *, const struct prefix *);

/* Actions. */
void put_goto(struct flow_draft *, enum pipeline_table);
void put_resubmit(struct flow_draft *, enum pipeline_table);
/* A copy to the agent, the first 'max_len' bytes, within 'meter'. */
void put_controller(struct flow_draft *, uint8_t features, uint32_t id, uint16_t max_len,
                    enum pipeline_meter);
void put_eth_dst(struct flow_draft *, struct eth_addr);
/* dst_identity, dst_network, target, out_port, eth_dst; then to table zone. */
void put_destination(struct flow_draft *, uint32_t identity, uint32_t network,
                     enum pipeline_side target, ofp_port_t out_port, struct eth_addr);

/* The ports of the host and of the tunnel; owner: FLOW_OWNER_CONFIG. */
void lower_base(const struct lower_context *, const struct flow_sink *);
/* This node's addresses, or another node's addresses and tunnel. */
void lower_node(const struct lower_context *, const struct flow_sink *, const struct rec_node *);
void lower_network(const struct lower_context *, const struct flow_sink *,
                   const struct rec_network *);
/* 'port': of an attached local endpoint, 0 for all others. */
void lower_endpoint(const struct lower_context *, const struct flow_sink *,
                    const struct rec_endpoint *, ofp_port_t port);
void lower_rule(const struct lower_context *, const struct flow_sink *, const struct rec_rule *);
/* The way of DNS answers to its subjects, if it names domains. */
void lower_dns(const struct lower_context *, const struct flow_sink *, const struct rec_rule *);
/* How many flows the rule needs here, if it shared none with others; 0: none of
 * its subjects is here. */
size_t lower_rule_size(const struct lower_context *, const struct rec_rule *);

#endif
