/* Cuts tracked connections that the policy denies since a change.
 *
 * Between the records and the switch: it looks at each change of the records,
 * waits until the switch has the flows that follow, reads the connections of
 * the zones in question from ovs-vswitchd, judges them (node/revocation.h),
 * puts guards (openflow/guards.h) into the desired flows and then has the
 * switch forget those that are denied.  No others.
 *
 * Never blocks and does no I/O of its own.  What it is not sure of it does
 * again: after a failure, and over all zones after a start and after the
 * switch was away.
 *
 * A start is sure of one thing: if the last life had cut all that its flows deny,
 * and those are the flows that are wanted now, there is nothing to look for.  To read
 * the connections would stop a userspace datapath for some microseconds for each. */
#ifndef VIRGA_REVOKE_H
#define VIRGA_REVOKE_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conntrack_entry;
struct ds;
struct flow_table;
struct learned;
struct match;
struct number_set;
struct records;

/* The world around it; see revoke_edge.h for the real one. */
struct revoke_seam {
    void *aux;
    /* Of the switch (openflow/switch.h). */
    uint64_t (*applied)(void *aux);
    uint64_t (*epoch)(void *aux);
    uint64_t (*confirmed)(void *aux);
    void (*flush)(void *aux, const struct conntrack_entry *);
    /* Has this life changed no flow so far? */
    bool (*untouched)(void *aux);
    /* What the next life is told as revoke_options.settled, whenever this one ends. */
    void (*set_settled)(void *aux, bool settled);
    /* Of ovs-vswitchd (node/vswitchd_ctl.h). */
    void (*send)(void *aux, const char *command, const char *const args[]);
    void (*cancel)(void *aux);
    int (*receive)(void *aux, char **text, size_t *len);
};

struct revoke_options {
    const char *node;          /* Name of this node. */
    const char *datapath_type; /* "netdev" or "system" */
    struct flow_table *flows;  /* Where guards go; must outlive this. */
    /* Addresses of domain names, as they are in the flows; NULL: none. */
    const struct learned *learned;
    /* Rules that the flows have as rule_close() leaves them; NULL: none. */
    const struct number_set *closed;
    bool settled; /* The last life had cut all that its flows deny. */
    struct revoke_seam seam;
};

struct revoke *revoke_create(const struct revoke_options *);
void revoke_destroy(struct revoke *);

/* Takes over the guard of an earlier life of the agent, by its flow's match. */
void revoke_adopt_guard(struct revoke *, const struct match *, long long int now);

/* Looks at the change log of 'records', which are the desired state; call it
 * before the switch runs.  'now' is in ms, of one monotonic clock. */
void revoke_look(struct revoke *, const struct records *, long long int now);
/* Says, before revoke_look(), that 'closed' has changed. */
void revoke_closed_changed(struct revoke *);
/* Call it after the switch ran, once there are records. */
void revoke_run(struct revoke *, const struct records *, long long int now);
/* When to run again at the latest. */
long long int revoke_wake_at(const struct revoke *);
/* Is a command to ovs-vswitchd under way? */
bool revoke_is_receiving(const struct revoke *);

bool revoke_is_idle(const struct revoke *);
void revoke_format(const struct revoke *, struct ds *);

#endif
