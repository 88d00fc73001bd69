/* The Virga database (include/virga.ovsschema) as records and objects.
 *
 * The only room that sees the OVSDB IDL.  A store is one connection, which
 * may be to a standalone server, one of a cluster, or a relay: 'remote' is an
 * OVSDB connection method list ("unix:...", "tcp:IP:PORT,tcp:..."); nothing
 * here assumes one server.  Never blocks: run, wait, poll_block().
 *
 * Two roles.  The controller holds the lock "virga_controller" while it
 * leads and is the only writer of desired state; an agent reads desired
 * state and writes its own node's rows. */
#ifndef VIRGA_STORE_H
#define VIRGA_STORE_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/interlude.h"
#include "base/records.h"

enum store_role { STORE_CONTROLLER, STORE_AGENT };

struct store *store_create(const char *remote, enum store_role);
void store_destroy(struct store *);
void store_run(struct store *);
void store_wait(struct store *);

/* Connected and the first snapshot is here. */
bool store_is_ready(const struct store *);
/* Changes when anything in the local copy changed. */
unsigned int store_seqno(const struct store *);
/* Agent: ready, and the counters that this node wrote in an earlier life are
 * here; never before the first store_set_node_status(), which names the node. */
bool store_has_own_rows(const struct store *);

/* The snapshot.  Agents call it whenever store_seqno() changed: puts what the
 * database has into 'records', removes what it no longer has, incrementally
 * (IDL change tracking).  *generation is that of the snapshot.  Both stay as they are
 * while store_feed_is_behind(). */
void store_read_records(struct store *, struct records *, uint64_t *generation);
/* Agent: each millisecond or so of a long store_read_records(), unless it is the first. */
void store_set_interlude(struct store *, const struct interlude *);

/* Agent: the controller that wrote last knows nothing of the feed, which is what agents
 * read (docs/database.md): it is of an earlier version. */
bool store_feed_is_behind(const struct store *);

/* --- Controller ------------------------------------------------------- */

bool store_is_leader(const struct store *);

/* An API object as stored: JSON text without whitespace. */
struct store_object {
    char *kind;       /* Resource name with group, "networkpolicies.networking.k8s.io", "pods". */
    char *namespace_; /* "" if cluster scoped. */
    char *name;
    uint64_t resource_version;
    char *json;
};
typedef void store_object_cb(const struct store_object *, void *aux);
void store_each_object(struct store *, store_object_cb *, void *aux);
/* Global columns; NULL if never written. */
char *store_counters(struct store *); /* compile_counters_format() text; caller frees. */
uint64_t store_resource_version(struct store *); /* Highest handed out. */
uint64_t store_generation(struct store *);

/* What one transaction writes.  Changes of several loops merge into the next
 * transaction while one is in flight; everything put before a commit goes out
 * together, atomically. */
void store_put_object(struct store *, const struct store_object *);
void store_delete_object(struct store *, const char *kind, const char *ns, const char *name);
/* Takes over the change log of 'records' (and clears it). */
void store_put_records(struct store *, struct records *);
void store_set_counters(struct store *, const char *);
void store_set_resource_version(struct store *, uint64_t);

/* Every put gets the ticket of the transaction that will carry it: the value
 * of store_ticket() at that time.  It is durable when store_committed() has
 * reached it.  store_lost() counts the times that leadership or the
 * connection was lost with puts under way: they may or may not be there, and
 * the controller must reload and answer its clients 503. */
uint64_t store_ticket(const struct store *);
uint64_t store_committed(const struct store *);
unsigned int store_lost(const struct store *);

/* --- Nodes ------------------------------------------------------------ */

struct smap;

/* What an agent says of its node. */
struct store_node_status {
    char *name;
    struct in6_addr vtep;
    struct in6_addr *addresses;
    size_t n_addresses;
    uint64_t applied;       /* Generation whose flows the switch confirmed. */
    uint64_t stats_applied; /* stats_request that its counters include. */
    int64_t heartbeat_ms;   /* Wall clock, ms since 1970. */
    bool ready;             /* Connected to its switch, flows in sync. */
    char *message;          /* Why not ready; "" if it is. */
    uint64_t n_flows;       /* Flows in the switch's tables. */
    /* Policies (KIND/NAMESPACE/NAME) that the node does not realise as they
     * say, to why.  NULL: none. */
    const struct smap *policy_problems;
};
typedef void store_node_cb(const struct store_node_status *, void *aux);
void store_each_node(struct store *, store_node_cb *, void *aux);

/* Agent: keeps its Node and Node_Status rows equal to this (cheap if equal).
 * A newer heartbeat alone is written once a second at most. */
void store_set_node_status(struct store *, const struct store_node_status *);

/* Controller: deletes the rows of a node that is gone for good, its counters too.  An
 * agent that is there after all makes its rows anew. */
void store_forget_node(struct store *, const char *name);

/* --- Counters ---------------------------------------------------------- */

enum counter_kind {
    COUNTER_RULE, /* a: rule id.  hits: packets that started a connection. */
    COUNTER_DROP, /* a: index in drops.def.  hits = packets. */
    COUNTER_PAIR, /* a, b: source and destination identity; c, d: egress and
                     * ingress rule id (0: not isolated); hits unused. */
};
/* One monotonic counter of one node.  'raw_*' are the switch's own values at
 * the last poll: an agent that restarts continues from there. */
struct counter {
    enum counter_kind kind;
    uint32_t a, b, c, d;
    uint64_t hits, packets, bytes;
    uint64_t raw_hits, raw_packets, raw_bytes;
};
/* By kind and a..d. */
bool counter_same_key(const struct counter *, const struct counter *);
uint32_t counter_hash(const struct counter *);
/* No count but zeros. */
bool counter_is_zero(const struct counter *);
/* Agent: puts (by kind and a..d) into its rows; batched like all puts.  A counter of
 * zeros has no row. */
void store_put_counter(struct store *, const struct counter *);
void store_each_counter(struct store *, const char *node, /* NULL: all nodes. */
                        void (*cb)(const char *node, const struct counter *, void *aux),
                        void *aux);
/* Controller: asks agents for fresh counters; the new request number, which
 * each agent repeats in stats_applied. */
uint64_t store_request_stats(struct store *);
uint64_t store_stats_request(struct store *);

#endif
