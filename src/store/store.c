/* Connection, leadership, the life of a transaction.
 *
 * Puts collect in 'next'.  When no transaction is under way, 'next' becomes
 * 'sent' and goes out as one transaction, while a new 'next' collects:
 *
 *     put ──> next ──send──> sent ──success──> (in the snapshot; committed)
 *              ^               │
 *              └──try again────┘   merged, the younger wish counts
 *                              │
 *                              └──lost (controller): both dropped, lost++
 *
 * A controller writes only while it leads:
 *
 *     FOLLOWING ──lock granted──> CLAIMING ──term is durable──> LEADING
 *         ^                           │                            │
 *         └────── lock or connection lost, or the server refused ──┘
 *
 * When a term begins, the feed keeps what it has of rows that cannot be read: a rule that
 * denies still denies.  After the first puts of the term, which say all that follows from
 * the objects, one more transaction takes that away ("tidy").
 *
 * What an agent puts is absolute (its status, its counters), so it never
 * drops anything: it says it again until it is there. */
#include "store/store_internal.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(store);

static struct vlog_rate_limit txn_rl = VLOG_RATE_LIMIT_INIT(5, 10);

enum {
    PROBE_INTERVAL_MS = 10000,
    TRY_AGAIN_MS = 100, /* A passing trouble of the server. */
    REFUSED_MS = 2000,  /* It said no; it will most likely say it again. */
    MAX_PATIENCE_MS = 30000,
};

/* The IDL waits longer and longer between attempts, up to 8 seconds for each
 * server.  A new session tries all of them at once: that is how soon after an
 * election its winner is found. */
static void
connect_afresh(struct store *s, struct connection *c)
{
    ovsdb_idl_set_remote(c->idl, NULL, false);
    ovsdb_idl_set_remote(c->idl, s->remote, true);
    if (!strstr(s->remote, "unix:")) {
        ovsdb_idl_set_probe_interval(c->idl, PROBE_INTERVAL_MS);
    }
}

/* The IDL counts up when the snapshot of a new connection is here, also if it
 * is equal to the one before. */
static bool
connection_is_ready(const struct connection *c)
{
    return ovsdb_idl_is_connected(c->idl) && ovsdb_idl_get_seqno(c->idl) != c->down_seqno;
}

static void
connection_run(struct store *s, struct connection *c)
{
    ovsdb_idl_run(c->idl);
    if (!ovsdb_idl_is_connected(c->idl)) {
        c->down_seqno = ovsdb_idl_get_seqno(c->idl);
    }
    if (connection_is_ready(c) || !c->afresh_at) {
        c->patience_ms = s->first_patience_ms;
    } else if (ovsdb_idl_is_connected(c->idl) || time_msec() < c->afresh_at) {
        return;
    } else {
        connect_afresh(s, c);
        c->patience_ms = MIN(c->patience_ms * 2, MAX_PATIENCE_MS);
    }
    c->afresh_at = time_msec() + c->patience_ms;
}

static void
connection_wait(const struct connection *c)
{
    ovsdb_idl_wait(c->idl);
    if (!ovsdb_idl_is_connected(c->idl)) {
        poll_timer_wait_until(c->afresh_at);
    }
}

/* A lock is granted by one server, so controllers meet at the cluster's
 * leader; agents spread over all servers. */
static void
connection_create(struct store *s, struct connection *c)
{
    bool controller = s->role == STORE_CONTROLLER;

    c->idl = ovsdb_idl_create_unconnected(&virgarec_idl_class, controller);
    ovsdb_idl_set_write_changed_only_all(c->idl, true);
    ovsdb_idl_set_leader_only(c->idl, controller);
    ovsdb_idl_set_shuffle_remotes(c->idl, true);
    if (controller) {
        ovsdb_idl_set_lock(c->idl, "virga_controller");
    }
}

struct store *
store_create(const char *remote, enum store_role role)
{
    struct store *s = xzalloc(sizeof *s);
    bool controller = role == STORE_CONTROLLER;

    s->role = role;
    connection_create(s, &s->desired);
    if (!controller) {
        connection_create(s, &s->second);
    }
    s->writer = controller ? &s->desired : &s->second;
    s->idl = s->desired.idl;
    s->own_idl = s->writer->idl;
    store_records_setup(s);
    feed_setup(s);
    store_objects_setup(s);
    store_nodes_setup(s);
    store_counters_setup(s);
    changes_init(&s->sent);
    changes_init(&s->next);
    s->next_ticket = 1;
    s->remote = xstrdup(remote);
    for (const char *c = remote; c; c = strchr(c + 1, ',')) {
        s->first_patience_ms += 1000;
    }
    s->first_patience_ms += 1000;
    connect_afresh(s, &s->desired);
    if (!controller) {
        connect_afresh(s, &s->second);
    }
    return s;
}

void
store_destroy(struct store *s)
{
    if (s) {
        if (s->txn) {
            ovsdb_idl_txn_destroy(s->txn);
        }
        changes_uninit(&s->sent);
        changes_uninit(&s->next);
        node_status_destroy(s->status);
        ovsdb_idl_destroy(s->second.idl);
        ovsdb_idl_destroy(s->desired.idl);
        free(s->remote);
        free(s);
    }
}

bool
store_is_ready(const struct store *s)
{
    return connection_is_ready(&s->desired);
}

unsigned int
store_seqno(const struct store *s)
{
    return ovsdb_idl_get_seqno(s->idl);
}

bool
store_is_leader(const struct store *s)
{
    return s->leadership == LEADING;
}

bool
store_has_own_rows(const struct store *s)
{
    return s->own_rows_here && connection_is_ready(s->writer);
}

/* --- Puts ------------------------------------------------------------- */

/* A controller that does not lead cannot write: what it puts is lost at once. */
static bool
may_put(struct store *s)
{
    if (s->role == STORE_CONTROLLER && s->leadership != LEADING) {
        s->lost++;
        return false;
    }
    return true;
}

void
store_put_object(struct store *s, const struct store_object *object)
{
    if (may_put(s)) {
        changes_put_object(&s->next, object);
    }
}

void
store_delete_object(struct store *s, const char *kind, const char *ns, const char *name)
{
    const struct store_object object = {
        .kind = CONST_CAST(char *, kind),
        .namespace_ = CONST_CAST(char *, ns),
        .name = CONST_CAST(char *, name),
    };

    store_put_object(s, &object);
}

void
store_put_records(struct store *s, struct records *records)
{
    if (may_put(s)) {
        s->next.touched = true;
        for (int kind = 0; kind < N_RECORD_KINDS; kind++) {
            size_t n;
            uint32_t *keys = records_changed(records, kind, &n);

            for (size_t i = 0; i < n; i++) {
                const struct record *rec = records_find(records, kind, keys[i]);
                changes_put_record(&s->next, kind, keys[i], rec ? record_clone(rec) : NULL);
            }
            free(keys);
        }
    }
    records_clear_changes(records);
}

void
store_set_counters(struct store *s, const char *counters)
{
    if (may_put(s)) {
        changes_set_compile_counters(&s->next, counters);
    }
}

void
store_set_resource_version(struct store *s, uint64_t version)
{
    if (may_put(s)) {
        s->next.resource_version = version;
        s->next.touched = true;
    }
}

uint64_t
store_request_stats(struct store *s)
{
    uint64_t request = store_stats_request(s) + 1;

    if (may_put(s)) {
        s->next.stats_request = request;
        s->next.touched = true;
    }
    return request;
}

void
store_forget_node(struct store *s, const char *name)
{
    if (may_put(s)) {
        changes_forget_node(&s->next, name);
    }
}

void
store_put_counter(struct store *s, const struct counter *counter)
{
    changes_put_counter(&s->next, counter);
}

uint64_t
store_ticket(const struct store *s)
{
    return s->next_ticket;
}

uint64_t
store_committed(const struct store *s)
{
    return s->committed;
}

unsigned int
store_lost(const struct store *s)
{
    return s->lost;
}

/* --- Transactions ----------------------------------------------------- */

static void
forget_txn(struct store *s)
{
    if (s->txn) {
        ovsdb_idl_txn_destroy(s->txn);
        s->txn = NULL;
    }
}

/* Nobody knows what became of the puts under way. */
static void
stop_leading(struct store *s, const char *why)
{
    if (s->leadership == FOLLOWING) {
        return;
    }
    bool lost = s->next.touched || (s->txn && !s->txn_claims && !s->tidy);
    VLOG_INFO("this controller no longer leads: %s%s", why,
              lost ? "; changes under way may be lost" : "");
    s->lost += lost;
    s->leadership = FOLLOWING;
    forget_txn(s);
    changes_clear(&s->sent);
    changes_clear(&s->next);
    s->next_ticket++;
}

static void
txn_succeeded(struct store *s)
{
    if (s->txn_claims) {
        VLOG_INFO("this controller leads now");
        s->leadership = LEADING;
    } else if (s->tidy) {
        s->tidy = false;
    } else {
        s->committed = s->sent_ticket;
        changes_clear(&s->sent);
        s->tidy = s->role == STORE_CONTROLLER && s->n_kept > 0;
        s->n_kept = 0;
    }
    s->retry_at = 0;
}

static void
txn_again(struct store *s, int delay_ms)
{
    s->retry_at = time_msec() + delay_ms;
    if (s->txn_claims) {
        s->leadership = FOLLOWING;
        return;
    }
    if (s->tidy) {
        return;
    }
    changes_merge(&s->sent, &s->next);
    changes_swap(&s->sent, &s->next);
    s->status_dirty = true;
}

static void
txn_refused(struct store *s)
{
    VLOG_WARN_RL(&txn_rl, "the database refused a transaction: %s",
                 ovsdb_idl_txn_get_error(s->txn));
    if (s->role == STORE_CONTROLLER) {
        stop_leading(s, "the database refused what it wrote");
        s->retry_at = time_msec() + REFUSED_MS;
    } else {
        txn_again(s, REFUSED_MS);
    }
}

static bool
has_lock(const struct store *s)
{
    return store_is_ready(s) && ovsdb_idl_has_lock(s->idl);
}

/* Looks what became of the transaction under way. */
static void
txn_run(struct store *s)
{
    enum ovsdb_idl_txn_status status = ovsdb_idl_txn_commit(s->txn);

    switch (status) {
    case TXN_INCOMPLETE:
        return;
    case TXN_SUCCESS:
    case TXN_UNCHANGED:
        txn_succeeded(s);
        break;
    case TXN_TRY_AGAIN:
        /* Also after a lost connection; then the lock is gone, too. */
        if (s->role == STORE_AGENT || has_lock(s)) {
            txn_again(s, TRY_AGAIN_MS);
        } else {
            stop_leading(s, "the connection to the database was lost");
        }
        break;
    case TXN_NOT_LOCKED:
        stop_leading(s, "it does not have the lock");
        break;
    case TXN_ERROR:
    case TXN_ABORTED:
    case TXN_UNCOMMITTED:
        txn_refused(s);
        break;
    }
    forget_txn(s);
}

static bool
agent_has_work(struct store *s)
{
    if (!store_has_own_rows(s)) {
        return false;
    }
    unsigned int seqno = ovsdb_idl_get_seqno(s->own_idl);
    if (s->status_seqno != seqno) {
        s->status_seqno = seqno;
        s->status_dirty = true;
    }
    if (s->status_dirty) {
        s->status_dirty = status_differs(s);
    }
    return s->status_dirty || s->next.touched;
}

static bool
has_work(struct store *s)
{
    if (s->txn || !connection_is_ready(s->writer)) {
        return false;
    }
    if (s->role == STORE_AGENT) {
        return agent_has_work(s);
    }
    return (s->leadership == FOLLOWING ? has_lock(s)
            : s->leadership == LEADING ? s->next.touched || s->tidy
                                       : false);
}

static void
txn_fill(struct store *s)
{
    if (s->txn_claims) {
        s->leadership = CLAIMING;
        s->tidy = false;
        s->n_kept = 0;
        global_begin_term(s, s->txn, feed_repair(s, s->txn));
        return;
    }
    if (s->tidy) {
        global_write(s, s->txn, &s->sent, feed_repair(s, s->txn));
        return;
    }
    changes_swap(&s->sent, &s->next);
    s->sent_ticket = s->next_ticket++;
    if (s->role == STORE_AGENT) {
        status_write(s, s->txn);
        counters_write(s, s->txn, &s->sent);
        s->status_dirty = false;
    } else {
        bool records_changed = records_write(s, s->txn, &s->sent);
        objects_write(s, s->txn, &s->sent);
        global_write(s, s->txn, &s->sent, records_changed);
        nodes_forget(s, &s->sent);
    }
}

static void
txn_start(struct store *s)
{
    s->txn = ovsdb_idl_txn_create(s->own_idl);
    s->txn_claims = s->role == STORE_CONTROLLER && s->leadership == FOLLOWING;
    txn_fill(s);
    txn_run(s);
}

/* A condition that was set while the first answer was under way is sent by the next
 * run of the IDL, and the IDL asks for none. */
static void
look_at_writer(struct store *s)
{
    bool ready = connection_is_ready(s->writer);
    if (ready && !s->writer_was_ready) {
        poll_immediate_wake();
    }
    s->writer_was_ready = ready;
}

void
store_run(struct store *s)
{
    connection_run(s, &s->desired);
    if (s->second.idl) {
        connection_run(s, &s->second);
    }
    look_at_writer(s);
    if (s->status && !s->own_rows_here && connection_is_ready(s->writer)) {
        s->own_rows_here = store_watch_own_rows(s, s->status->name);
    }
    if (s->txn) {
        txn_run(s);
    }
    if (s->role == STORE_CONTROLLER && !has_lock(s)) {
        stop_leading(s, "the lock or the connection was lost");
    }
    if (has_work(s) && time_msec() >= s->retry_at) {
        txn_start(s);
    }
}

void
store_wait(struct store *s)
{
    connection_wait(&s->desired);
    if (s->second.idl) {
        connection_wait(&s->second);
    }
    if (has_work(s)) {
        poll_timer_wait_until(s->retry_at);
    }
}
