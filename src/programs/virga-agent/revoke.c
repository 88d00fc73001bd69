/* The story of a change that takes an allow away.
 *
 *   IDLE --change--> FLOWS --confirmed--> DUMPING --judged--> GUARDING
 *    ^                ^ ^                  |    ^                 | confirmed
 *    |         change | | time     failure |    |                 v
 *    |                | +----- FAILED <----+    |              HOLDING
 *    |                |                         | revalidated     | moment
 *    |                +--------------------- SETTLING <------- (flush)
 *    |                                                            |
 *    +---------------------------------- second look cut nothing -+
 *
 * FLOWS: the switch confirms the flows of the new policy, so that no new
 * connection is let in that the dump would miss.
 *
 * GUARDING: the guards are in the switch before the flush, because the
 * responder's next packet would else begin a connection of its own.
 *
 * HOLDING, SETTLING: the datapath goes on with its cached flows until Open
 * vSwitch has revalidated them, some milliseconds after it confirmed the
 * change; a connection that is flushed earlier is let in again.  So the flush
 * waits for a moment, which is enough nearly always, and after revalidation
 * that certainly began later a second dump finds what slipped in.  That is the
 * last one unless it finds something.
 *
 * A change that comes in SETTLING joins its zones to those that are settling;
 * one that comes in DUMPING, GUARDING or HOLDING waits, so that a stream of
 * changes cannot keep a pass from its end.  When the connection to the switch
 * is lost, everything begins again, over all zones.
 *
 * In IDLE all is settled, and the next life may rely on that until a change takes
 * an allow away: the mark goes before the flows of that change go out, and comes
 * back in the next IDLE. */
#include "programs/virga-agent/revoke.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "bitmap.h"
#include "node/revocation.h"
#include "node/revocation_scope.h"
#include "openflow/guards.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(revoke);

enum {
    MAX_ZONES = 4,      /* More: one dump of all, which is one walk of the table. */
    RETRY_MIN_MS = 500, /* After a failure. */
    RETRY_MAX_MS = 30000,
    /* A round of revalidation that ends may have begun before the change; so
     * may the next one, before the main thread tells the revalidators. */
    SETTLE_ROUNDS = 3,
    SETTLE_MS = 2000, /* If the switch cannot tell the rounds. */
    HOLD_MS = 30,     /* At most; a round takes a few when flows have changed. */
    MAX_SETTLES = 3,  /* In a row. */
    N_ZONES = UINT16_MAX + 1,
};

enum state { IDLE, FLOWS, DUMPING, GUARDING, HOLDING, SETTLING, FAILED };
static const char *const state_names[] = {
    [IDLE] = "idle",
    [FLOWS] = "waiting for flows",
    [DUMPING] = "reading connections",
    [GUARDING] = "guarding",
    [HOLDING] = "about to cut",
    [SETTLING] = "settling",
    [FAILED] = "waiting to try again",
};

struct revoke {
    char *node;
    const struct learned *learned;
    const struct number_set *closed;
    char *datapath;
    struct revoke_seam seam;
    struct guards *guards;
    struct revocation *judge;       /* Made for the first connection or guard; or NULL. */
    struct revocation_scope *scope; /* Of changes that no pass has begun with. */
    bool was_applied;               /* Did the switch have our flows at the last run? */
    long long int changed_at;       /* The first of 'scope'. */
    bool adopted;                   /* Guards that the policy may allow meanwhile. */
    bool closed_changed;            /* Since the last look. */
    bool inherits;                  /* The last life had settled; until the first dump. */
    bool settled;                   /* What the next life would be told. */

    /* The pass under way. */
    enum state state;
    bool all;
    unsigned long *zones;
    struct in6_addr *reused;
    size_t n_reused;
    long long int began_at;
    uint64_t target; /* FLOWS, GUARDING: the epoch to be confirmed. */
    bool target_known;
    size_t zone; /* DUMPING: this one, N_ZONES: all in one. */
    struct revocation_cuts cuts;
    long long int hold_until; /* HOLDING */
    bool sent;                /* SETTLING: a command is under way. */
    int rounds;               /* SETTLING: still to come. */
    long long int settle_at;
    int n_settles;          /* Dumps after revalidation so far. */
    long long int retry_at; /* FAILED */
    long long int retry_ms;

    uint64_t n_passes, n_seen, n_cut;
};

struct revoke *
revoke_create(const struct revoke_options *opt)
{
    struct revoke *r = xzalloc(sizeof *r);
    r->node = xstrdup(opt->node);
    r->learned = opt->learned;
    r->closed = opt->closed;
    r->inherits = opt->settled;
    r->datapath = xasprintf("%s@ovs-%s", opt->datapath_type, opt->datapath_type);
    r->seam = opt->seam;
    r->guards = guards_create(opt->flows);
    r->scope = revocation_scope_create(opt->node);
    r->zones = bitmap_allocate(N_ZONES);
    r->retry_ms = RETRY_MIN_MS;
    return r;
}

void
revoke_destroy(struct revoke *r)
{
    if (r) {
        guards_destroy(r->guards);
        revocation_destroy(r->judge);
        revocation_scope_destroy(r->scope);
        revocation_cuts_uninit(&r->cuts);
        bitmap_free(r->zones);
        free(r->reused);
        free(r->datapath);
        free(r->node);
        free(r);
    }
}

/* --- Judging --------------------------------------------------------------------- */

/* Kept from pass to pass: it has an index of all records. */
static struct revocation *
get_judge(struct revoke *r, const struct records *records)
{
    if (!r->judge) {
        r->judge = revocation_create(records, r->learned, r->node);
        revocation_set_closed(r->judge, r->closed);
    }
    revocation_forget_reused(r->judge);
    for (size_t i = 0; i < r->n_reused; i++) {
        revocation_reused(r->judge, &r->reused[i]);
    }
    return r->judge;
}

static void
follow_changes(struct revoke *r)
{
    if (r->judge && (r->closed_changed || !revocation_follow(r->judge))) {
        revocation_destroy(r->judge);
        r->judge = NULL;
    }
}

/* A guard drops packets of the responder: the connection's replies. */
static struct guard_tuple
guard_of(uint8_t protocol, const struct conntrack_tuple *t)
{
    return (struct guard_tuple){ t->src, t->dst, t->src_port, t->dst_port, protocol };
}

static bool
is_still_denied(const struct guard_tuple *t, void *rev)
{
    struct conntrack_entry entry = {
        .protocol = t->protocol,
        .zone = 1, /* One of ours. */
        .orig = { t->dst, t->src, t->dst_port, t->src_port, 0, 0, 0 },
    };
    return revocation_judge(rev, &entry) == REVOCATION_DENIED;
}

static void
drop_guards(struct revoke *r, const struct records *records)
{
    struct revocation *rev = get_judge(r, records);
    size_t n;
    const struct in6_addr *reused = revocation_scope_reused(r->scope, &n);
    for (size_t i = 0; i < n; i++) {
        revocation_reused(rev, &reused[i]);
    }
    guards_filter(r->guards, is_still_denied, rev);
}

/* Connections that go on, reversed: their first packet came between the flush
 * and the guard's way into the datapath. */
static bool
is_guarded(const struct conntrack_entry *entry, void *r_)
{
    const struct revoke *r = r_;
    struct guard_tuple tuple = guard_of(entry->protocol, &entry->orig);
    return entry->protocol != IPPROTO_ICMPV6 && guards_has(r->guards, &tuple);
}

/* ICMPv6 is not flushed but guarded until conntrack forgets it, so the next dumps
 * have it too. */
static void
forget_guarded_icmp6(struct revoke *r)
{
    size_t kept = 0;
    for (size_t i = 0; i < r->cuts.n; i++) {
        const struct conntrack_entry *entry = &r->cuts.a[i].entry;
        struct guard_tuple tuple = guard_of(entry->protocol, &entry->reply);
        if (entry->protocol != IPPROTO_ICMPV6 || !guards_has(r->guards, &tuple)) {
            r->cuts.a[kept++] = r->cuts.a[i];
        }
    }
    r->cuts.n = kept;
}

static void
judge(struct revoke *r, const struct records *records, const char *dump, size_t len)
{
    struct revocation *rev = get_judge(r, records);
    bool again = r->n_settles > 0 && guards_count(r->guards) > 0;
    revocation_read(rev, dump, len, again ? is_guarded : NULL, r, &r->cuts);
    forget_guarded_icmp6(r);
}

/* --- From life to life --------------------------------------------------------------- */

static void
set_settled(struct revoke *r, bool settled)
{
    if (r->settled != settled) {
        r->settled = settled;
        r->seam.set_settled(r->seam.aux, settled);
    }
}

/* Are the wanted flows, which the switch has, those of a life that had settled?  Once. */
static bool
take_inheritance(struct revoke *r)
{
    bool inherits = r->inherits && r->was_applied && r->seam.untouched(r->seam.aux);
    r->inherits = false;
    return inherits;
}

/* --- States ------------------------------------------------------------------------ */

static void
enter_idle(struct revoke *r)
{
    r->state = IDLE;
    r->all = false;
    bitmap_set_multiple(r->zones, 0, N_ZONES, false);
    r->n_reused = 0;
    r->n_settles = 0;
    revocation_cuts_uninit(&r->cuts);
}

/* What the changes concern joins what the pass concerns already. */
static void
join_scope(struct revoke *r)
{
    size_t n;
    uint16_t *zones = revocation_scope_zones(r->scope, &n);
    for (size_t i = 0; i < n; i++) {
        bitmap_set1(r->zones, zones[i]);
    }
    free(zones);
    const struct in6_addr *reused = revocation_scope_reused(r->scope, &n);
    if (n) {
        r->reused = xrealloc(r->reused, (r->n_reused + n) * sizeof *r->reused);
        memcpy(r->reused + r->n_reused, reused, n * sizeof *reused);
        r->n_reused += n;
    }
    r->all = r->all || revocation_scope_all(r->scope);
    revocation_scope_clear(r->scope);
}

static void
enter_flows(struct revoke *r)
{
    if (r->state != FLOWS) {
        r->began_at = r->changed_at;
    }
    join_scope(r);
    r->n_settles = 0;
    r->target = r->seam.epoch(r->seam.aux);
    r->state = FLOWS;
}

static void
send_dump(struct revoke *r)
{
    char zone[32];
    snprintf(zone, sizeof zone, "zone=%" PRIuSIZE, r->zone);
    const char *const args[] = { r->datapath, r->zone == N_ZONES ? NULL : zone, NULL };
    r->seam.send(r->seam.aux, "dpctl/dump-conntrack", args);
}

static void
enter_dumping(struct revoke *r)
{
    revocation_cuts_uninit(&r->cuts);
    bool one = r->all || bitmap_count1(r->zones, N_ZONES) > MAX_ZONES;
    r->zone = one ? N_ZONES : bitmap_scan(r->zones, true, 0, N_ZONES);
    r->state = DUMPING;
    send_dump(r);
}

static void
fail(struct revoke *r, const char *what, long long int now)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 5);
    VLOG_WARN_RL(&rl, "cannot read the tracked connections: %s", what);
    r->retry_at = now + r->retry_ms;
    r->retry_ms = MIN(r->retry_ms * 2, RETRY_MAX_MS);
    r->state = FAILED;
}

static void
add_guards(struct revoke *r, long long int now)
{
    uint64_t evicted = guards_n_evicted(r->guards);
    for (size_t i = 0; i < r->cuts.n; i++) {
        const struct conntrack_entry *entry = &r->cuts.a[i].entry;
        /* A reply of ICMP begins nothing. */
        if (r->cuts.a[i].verdict == REVOCATION_DENIED && entry->protocol != IPPROTO_ICMP) {
            struct guard_tuple tuple = guard_of(entry->protocol, &entry->reply);
            guards_add(r->guards, &tuple, now);
        }
    }
    evicted = guards_n_evicted(r->guards) - evicted;
    if (evicted) {
        VLOG_WARN("more than %d connections are guarded: %" PRIu64 " guards had to go early",
                  GUARDS_MAX, evicted);
    }
}

static void
enter_guarding(struct revoke *r, long long int now)
{
    revocation_cuts_sort(&r->cuts);
    size_t before = guards_count(r->guards);
    add_guards(r, now);
    /* The flows go out when the switch runs next. */
    r->target_known = guards_count(r->guards) == before && !r->cuts.n;
    r->target = 0;
    r->state = GUARDING;
}

static void
enter_settling(struct revoke *r)
{
    r->rounds = SETTLE_ROUNDS;
    r->sent = false;
    r->settle_at = LLONG_MAX;
    r->state = SETTLING;
}

static void
flush(struct revoke *r, long long int now)
{
    for (size_t i = 0; i < r->cuts.n; i++) {
        if (r->cuts.a[i].entry.protocol != IPPROTO_ICMPV6) {
            r->seam.flush(r->seam.aux, &r->cuts.a[i].entry);
        }
    }
    r->n_reused = 0; /* From now on these connections are of who has the address. */
    r->n_passes++;
    r->n_seen += r->cuts.n_seen;
    r->n_cut += r->cuts.n;
    r->retry_ms = RETRY_MIN_MS;
    if (r->cuts.n_bad) {
        VLOG_WARN("%" PRIuSIZE " lines about connections make no sense", r->cuts.n_bad);
    }
    VLOG(!r->n_settles || r->cuts.n ? VLL_INFO : VLL_DBG,
         "revocation%s: %" PRIuSIZE " connections looked at, %" PRIuSIZE " cut, %lld ms",
         r->n_settles ? ", second look" : "", r->cuts.n_seen, r->cuts.n, now - r->began_at);
    bool last = r->n_settles && (!r->cuts.n || r->n_settles >= MAX_SETTLES);
    if (last) {
        enter_idle(r);
    } else {
        enter_settling(r);
    }
}

/* --- Rounds of revalidation ------------------------------------------------------------ */

static void
send_wait(struct revoke *r)
{
    r->seam.send(r->seam.aux, "revalidator/wait", (const char *const[]){ NULL });
}

static int
receive_nothing(struct revoke *r)
{
    char *text;
    size_t len;
    int error = r->seam.receive(r->seam.aux, &text, &len);
    free(text);
    return error;
}

/* --- Steps: each returns true if there may be another at once ------------------------- */

static bool
step_flows(struct revoke *r)
{
    if (revocation_scope_any(r->scope)) {
        enter_flows(r);
    }
    if (r->seam.confirmed(r->seam.aux) < r->target) {
        return false;
    }
    if (take_inheritance(r)) {
        VLOG_INFO("the switch has the flows that the last agent left, and it had settled: "
                  "no connection needs a look");
        enter_idle(r);
    } else {
        enter_dumping(r);
    }
    return true;
}

static bool
step_dumping(struct revoke *r, const struct records *records, long long int now)
{
    char *text;
    size_t len;
    int error = r->seam.receive(r->seam.aux, &text, &len);
    if (error == EAGAIN) {
        return false;
    } else if (error) {
        fail(r, text ? text : ovs_strerror(error), now);
        free(text);
        return false;
    }
    judge(r, records, text, len);
    free(text);
    r->zone = r->zone == N_ZONES ? N_ZONES : bitmap_scan(r->zones, true, r->zone + 1, N_ZONES);
    if (r->zone < N_ZONES) {
        send_dump(r);
    } else {
        enter_guarding(r, now);
    }
    return true;
}

static bool
step_guarding(struct revoke *r, bool first, long long int now)
{
    if (!r->target_known) {
        if (!first) {
            return false; /* The switch has not run since. */
        }
        r->target = r->seam.epoch(r->seam.aux);
        r->target_known = true;
    }
    if (r->seam.confirmed(r->seam.aux) < r->target) {
        return false;
    }
    if (r->cuts.n) {
        send_wait(r);
        r->hold_until = now + HOLD_MS;
        r->state = HOLDING;
    } else {
        flush(r, now);
    }
    return true;
}

static bool
step_holding(struct revoke *r, long long int now)
{
    if (now < r->hold_until && receive_nothing(r) == EAGAIN) {
        return false;
    }
    r->seam.cancel(r->seam.aux);
    flush(r, now);
    return true;
}

static bool
step_settling(struct revoke *r, long long int now)
{
    if (revocation_scope_any(r->scope)) {
        r->seam.cancel(r->seam.aux);
        enter_flows(r);
        return true;
    }
    if (r->rounds && !r->sent) {
        send_wait(r);
        r->sent = true;
    }
    if (r->sent) {
        int error = receive_nothing(r);
        if (error == EAGAIN) {
            return false;
        }
        r->sent = false;
        r->rounds = error ? 0 : r->rounds - 1;
        r->settle_at = error ? now + SETTLE_MS : now;
    }
    if (r->rounds || now < r->settle_at) {
        return r->rounds > 0;
    }
    r->n_settles++;
    enter_dumping(r);
    return true;
}

static bool
step(struct revoke *r, const struct records *records, bool first, long long int now)
{
    switch (r->state) {
    case IDLE:
        if (revocation_scope_any(r->scope)) {
            enter_flows(r);
            return true;
        }
        return false;
    case FLOWS:
        return step_flows(r);
    case DUMPING:
        return step_dumping(r, records, now);
    case GUARDING:
        return step_guarding(r, first, now);
    case HOLDING:
        return step_holding(r, now);
    case SETTLING:
        return step_settling(r, now);
    case FAILED:
        if (now >= r->retry_at) {
            enter_flows(r);
            return true;
        }
        return false;
    default:
        OVS_NOT_REACHED();
    }
}

/* --- Interface -------------------------------------------------------------------------- */

void
revoke_adopt_guard(struct revoke *r, const struct match *match, long long int now)
{
    guards_adopt(r->guards, match, now);
    r->adopted = true;
}

void
revoke_closed_changed(struct revoke *r)
{
    r->closed_changed = true;
}

void
revoke_look(struct revoke *r, const struct records *records, long long int now)
{
    if (!revocation_scope_any(r->scope)) {
        r->changed_at = now;
    }
    revocation_scope_look(r->scope, records);
    follow_changes(r);
    if (r->closed_changed) {
        revocation_scope_add_all(r->scope);
    }
    if (revocation_scope_any(r->scope)) {
        set_settled(r, false);
    }
    if (guards_count(r->guards)
        && (r->adopted || r->closed_changed || revocation_scope_may_allow(r->scope))) {
        drop_guards(r, records);
    }
    r->adopted = r->closed_changed = false;
    guards_run(r->guards, now);
}

/* What the switch and its conntrack went through meanwhile is not known. */
static void
begin_again(struct revoke *r)
{
    r->seam.cancel(r->seam.aux);
    enter_idle(r);
    revocation_scope_add_all(r->scope);
    r->inherits = false;
    set_settled(r, false);
}

void
revoke_run(struct revoke *r, const struct records *records, long long int now)
{
    bool applied = r->seam.applied(r->seam.aux) != 0;
    if (r->was_applied && !applied) {
        r->changed_at = now;
        begin_again(r);
    }
    r->was_applied = applied;
    for (bool first = true; step(r, records, first, now); first = false) {
    }
    if (applied && revoke_is_idle(r)) {
        set_settled(r, true);
    }
}

bool
revoke_is_receiving(const struct revoke *r)
{
    return r->state == DUMPING || r->state == HOLDING || (r->state == SETTLING && r->sent);
}

bool
revoke_is_idle(const struct revoke *r)
{
    return r->state == IDLE && !revocation_scope_any(r->scope);
}

long long int
revoke_wake_at(const struct revoke *r)
{
    long long int at = guards_next(r->guards);
    if (r->state == GUARDING && !r->target_known) {
        at = 0;
    } else if (r->state == HOLDING) {
        at = MIN(at, r->hold_until);
    } else if (r->state == FAILED) {
        at = MIN(at, r->retry_at);
    } else if (r->state == SETTLING && !r->sent) {
        at = MIN(at, r->settle_at);
    }
    return at;
}

void
revoke_format(const struct revoke *r, struct ds *s)
{
    ds_put_format(s,
                  "%s; %" PRIu64 " passes, %" PRIu64 " connections looked at, %" PRIu64
                  " cut, %" PRIuSIZE " guards\n",
                  state_names[r->state], r->n_passes, r->n_seen, r->n_cut,
                  guards_count(r->guards));
}
