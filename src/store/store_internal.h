/* What the files of this room share; nobody else includes it.
 *
 *   store.c          connection, leadership, the life of a transaction
 *   rows.c           one record to one row and back
 *   rows_policy.c    the same of Identity_Set and Rule
 *   row_values.c     what columns hold
 *   endpoint_buckets.c  many endpoints to one row and back
 *   endpoint_text.c  what such a row holds
 *   store_records.c  snapshots into records, records into transactions
 *   feed.c, feed_text.c  what agents are sent instead of a row for each record
 *   feed_rows.c      the rows of the feed
 *   store_objects.c  Object and Global rows
 *   store_nodes.c    Node and Node_Status rows
 *   store_counters.c Counter rows
 *   changes.c        what waits to be written */
#ifndef VIRGA_STORE_INTERNAL_H
#define VIRGA_STORE_INTERNAL_H 1

#include "base/ovs_json.h"
#include "openvswitch/dynamic-string.h"
#include "store/store.h"
#include "store/changes.h"
#include "store/feed.h"
#include "virga-idl.h"

enum leadership {
    FOLLOWING, /* No lock, or not connected. */
    CLAIMING,  /* Has the lock; the transaction that begins the term is under way. */
    LEADING,
};

struct connection {
    struct ovsdb_idl *idl;
    int patience_ms;
    long long int afresh_at; /* When all servers are tried again. */
    unsigned int down_seqno; /* Snapshot when the connection was last seen down. */
};

/* By endpoint id; docs/scaling.md says why so many. */
enum { ENDPOINT_BUCKETS = 8192 };

/* What an agent's reader was given of the feed. */
struct feed_reader {
    uint64_t seen[FEED_PARTS]; /* The last change. */
    bool bad[FEED_PARTS];      /* Not all of the base could be read. */
    uint64_t generation;       /* That it was of. */
};

/* What a transaction appends to each part. */
struct feed_lines {
    struct ds of[FEED_PARTS];
};

/* An agent has two connections.  One brings the desired state, which is the same
 * for all agents and without conditions, so that the server puts each update
 * into words once for all of them; one has the rows of its own node, under
 * conditions, and is the one that writes.  A controller needs one. */
struct store {
    enum store_role role;
    struct connection desired;
    struct connection second;  /* Agent. */
    struct connection *writer; /* One of the two. */
    struct ovsdb_idl *idl;     /* desired.idl */
    struct ovsdb_idl *own_idl; /* writer->idl: Node_Status and Counter; the agent's Node. */
    char *remote;
    int first_patience_ms; /* Without a snapshot, before all servers are tried again. */
    struct ovsdb_idl_index *record_index[N_RECORD_KINDS]; /* By key; Node: by id. */
    struct ovsdb_idl_index *base_index;                   /* Feed_Base, by part. */
    struct ovsdb_idl_index *log_index;                    /* Feed_Log, by part. */
    struct ovsdb_idl_index *node_index;                   /* By name. */
    struct ovsdb_idl_index *status_index;                 /* By name. */
    struct ovsdb_idl_index *object_index;                 /* By kind, namespace, name. */
    struct ovsdb_idl_index *counter_index;                /* By node, kind, a..d. */

    /* The transaction under way, and what it writes. */
    struct ovsdb_idl_txn *txn;
    bool txn_claims; /* It begins a term and writes nothing else. */
    struct changes sent;
    uint64_t sent_ticket;
    long long int retry_at; /* No transaction before this. */

    struct changes next;
    uint64_t next_ticket;
    uint64_t committed;
    unsigned int lost;
    enum leadership leadership;

    /* Reader. */
    const struct records *reader; /* Who got the last snapshot. */
    struct feed_reader feed;
    struct interlude interlude; /* Of a long read. */

    /* Controller: rows that cannot be read, of which the feed had something. */
    size_t n_kept;
    bool tidy; /* Such things are to leave the feed. */

    /* Agent. */
    struct store_node_status *status; /* What the rows should say; or NULL. */
    bool status_dirty;                /* The rows may differ from it. */
    unsigned int status_seqno;        /* Snapshot that they were compared with. */
    bool writer_was_ready;            /* At the last run. */
    bool own_rows_here;               /* The server sends our own rows, and has sent them. */
};

/* rows.c */
extern const struct ovsdb_idl_table_class *const record_tables[N_RECORD_KINDS];
extern const struct ovsdb_idl_column *const record_key_columns[N_RECORD_KINDS];
uint32_t row_key(const struct ovsdb_idl_row *, enum record_kind);
/* A row as a record; NULL and a malloc'd *error if it makes no sense.  A Node
 * row without an id gives NULL without an error. */
struct record *row_decode(const struct ovsdb_idl_row *, enum record_kind, char **error);
/* Writes 'rec' to 'row', which holds 'old' (NULL: a new row, or a bad one). */
void row_encode(const struct ovsdb_idl_row *, const struct record *rec, const struct record *old);

/* rows_policy.c, as the two above. */
struct record *row_decode_set(const struct ovsdb_idl_row *, char **error);
void row_encode_set(const struct ovsdb_idl_row *, const struct rec_set *,
                    const struct rec_set *old);
struct record *row_decode_rule(const struct ovsdb_idl_row *, char **error);
void row_encode_rule(const struct ovsdb_idl_row *, const struct rec_rule *);

/* endpoint_buckets.c */
uint32_t endpoint_bucket(uint32_t id);
void endpoints_read(struct store *, struct records *);
/* Returns whether it changed anything. */
bool endpoints_write(struct store *, struct ovsdb_idl_txn *, const struct changes *,
                     struct feed_lines *);

/* feed_rows.c */
void feed_setup(struct store *);
/* Agent: makes 'records' what the feed says, except nodes; 'whole': whatever was read
 * before.  Only while the feed is that of the snapshot's generation. */
void feed_read(struct store *, struct records *, bool whole);
/* Controller. */
void feed_lines_init(struct feed_lines *);
void feed_lines_uninit(struct feed_lines *);
void feed_lines_put(struct feed_lines *, enum record_kind, uint32_t key, const struct record *now,
                    const struct record *before);
void feed_write(struct store *, struct ovsdb_idl_txn *, struct feed_lines *);
/* Makes the feed say what the tables of records say, and what it had of rows that cannot
 * be read, unless the store is to tidy.  Returns whether it did not. */
bool feed_repair(struct store *, struct ovsdb_idl_txn *);

/* store_records.c */
bool row_is_deleted(const struct ovsdb_idl_row *);
/* The row with the key; of endpoints that of the bucket with the number.  For the
 * controller, which alone has the indexes. */
const struct ovsdb_idl_row *record_row_find(const struct store *, enum record_kind, uint32_t key);
/* Makes 'records' what the tables say, but keeps what it has for a row that cannot be
 * read (and counts that), unless the store is to tidy.  An agent has the table of nodes
 * only. */
void records_read_kind(struct store *, enum record_kind, struct records *);
/* Returns whether it changed anything. */
bool records_write(struct store *, struct ovsdb_idl_txn *, const struct changes *);
void store_records_setup(struct store *);

/* store_objects.c */
void store_objects_setup(struct store *);
void objects_write(struct store *, struct ovsdb_idl_txn *, const struct changes *);
void global_write(struct store *, struct ovsdb_idl_txn *, const struct changes *,
                  bool records_changed);
void global_begin_term(struct store *, struct ovsdb_idl_txn *, bool records_changed);

/* store_nodes.c */
void store_nodes_setup(struct store *);
void node_status_destroy(struct store_node_status *);
const struct virgarec_node *node_row_find(const struct store *, const char *name);
/* Do the agent's own rows differ from what they should say? */
bool status_differs(struct store *);
void status_write(struct store *, struct ovsdb_idl_txn *);
/* After what else the transaction writes of these nodes. */
void nodes_forget(struct store *, const struct changes *);
bool node_row_vtep(const struct virgarec_node *, struct in6_addr *);

/* store_counters.c */
void store_counters_setup(struct store *);
void counters_write(struct store *, struct ovsdb_idl_txn *, const struct changes *);
void counters_forget(struct store *, const struct sset *nodes);
/* Limits what an agent is sent to the rows of its own node; nothing while
 * 'node' is NULL.  Returns whether the server does so already. */
bool store_watch_own_rows(struct store *, const char *node);

#endif
