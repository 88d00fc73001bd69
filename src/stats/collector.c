#include "stats/collector.h"

#include <stdlib.h>

#include "byte-order.h"
#include "openflow/pipeline.h"
#include "openflow/switch.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-monitor.h"
#include "openvswitch/poll-loop.h"
#include "stats/accounting.h"
#include "store/store.h"
#include "timeval.h"
#include "util.h"
#include "virga/cookie.h"

/* A poll under way: several requests.  It outlives a collector that is
 * destroyed meanwhile, for the switch still has its address. */
struct poll {
    struct collector *collector; /* NULL: nobody is interested any more. */
    unsigned int n_pending;
    bool complete;
    long long int begun;
    uint64_t answers; /* The controller's request that it answers. */
};

struct collector {
    struct store *store;
    struct ofswitch *sw;
    struct accounting *accounting;
    int interval_ms;
    bool restored;
    struct poll *poll; /* NULL: none under way. */
    long long int next_poll;
    long long int retry_at; /* No poll before this: the last one failed. */
    bool told;              /* The switch said something since the last run. */
    uint64_t asked;         /* The controller's last request, and when it came. */
    long long int asked_at;
    uint64_t answered; /* Request that the last complete poll answers. */
    uint64_t applied;  /* The same, and what it found has been put. */
};

enum {
    RETRY_MS = 1000,
    SETTLE_MS = 600, /* More than other_config:max-revalidator of ovs-vswitchd.conf.db(5). */
    FIRST_MS = 2000, /* Between the first polls of a life; accounting waits for it. */
};

static void removed_cb(const struct ofputil_flow_removed *, void *);

struct collector *
collector_create(struct store *store, struct ofswitch *sw, int interval_ms)
{
    struct collector *c = xzalloc(sizeof *c);

    c->store = store;
    c->sw = sw;
    c->accounting = accounting_create(time_msec());
    c->interval_ms = interval_ms;
    ofswitch_set_removed_cb(sw, removed_cb, c);
    return c;
}

void
collector_destroy(struct collector *c)
{
    if (c) {
        ofswitch_set_removed_cb(c->sw, NULL, NULL);
        if (c->poll) {
            c->poll->collector = NULL;
        }
        accounting_destroy(c->accounting);
        free(c);
    }
}

void
collector_set_interval(struct collector *c, int interval_ms)
{
    c->interval_ms = interval_ms;
}

uint64_t
collector_stats_applied(const struct collector *c)
{
    return c->applied;
}

/* --- What the switch says --------------------------------------------- */

static uint64_t
known(uint64_t count)
{
    return count == UINT64_MAX ? 0 : count;
}

static int64_t
age(uint32_t sec, uint32_t nsec)
{
    return sec * INT64_C(1000) + nsec / 1000000;
}

static void
removed_cb(const struct ofputil_flow_removed *fr, void *c_)
{
    struct collector *c = c_;
    const struct accounting_flow flow = {
        .cookie = ntohll(fr->cookie),
        .table_id = fr->table_id,
        .priority = fr->priority,
        .match = &fr->match,
        .packets = known(fr->packet_count),
        .bytes = known(fr->byte_count),
        .told_ms = time_msec(),
        .age_ms = age(fr->duration_sec, fr->duration_nsec),
    };

    c->told = true;
    accounting_flow_removed(c->accounting, &flow);
}

static void
flow_told(struct collector *c, const struct ofputil_flow_stats *fs)
{
    const struct accounting_flow flow = {
        .cookie = ntohll(fs->cookie),
        .table_id = fs->table_id,
        .priority = fs->priority,
        .match = &fs->match,
        .packets = known(fs->packet_count),
        .bytes = known(fs->byte_count),
        .told_ms = time_msec(),
        .age_ms = age(fs->duration_sec, fs->duration_nsec),
    };

    accounting_poll_flow(c->accounting, &flow);
}

static void
poll_ended(struct collector *c, const struct poll *poll)
{
    accounting_poll_end(c->accounting, poll->complete);
    c->poll = NULL;
    c->told = true;
    if (!accounting_is_settled(c->accounting)) {
        c->next_poll = MIN(c->next_poll, poll->begun + FIRST_MS);
    } else if (poll->complete) {
        c->answered = MAX(c->answered, poll->answers);
    }
    if (!poll->complete) {
        c->retry_at = time_msec() + RETRY_MS;
    }
}

static void
stats_cb(const struct ofputil_flow_stats *fs, bool complete, void *poll_)
{
    struct poll *poll = poll_;

    if (fs) {
        if (poll->collector) {
            flow_told(poll->collector, fs);
        }
        return;
    }
    poll->complete &= complete;
    if (!--poll->n_pending) {
        if (poll->collector) {
            poll_ended(poll->collector, poll);
        }
        free(poll);
    }
}

/* --- Polling ---------------------------------------------------------- */

static void
request(struct collector *c, enum pipeline_table table, enum virga_cookie_feature feature)
{
    struct match match = MATCH_CATCHALL_INITIALIZER;

    match_counting(&match, table);
    c->poll->n_pending++;
    ofswitch_request_stats(c->sw, table, &match, VIRGA_COOKIE(feature, 0),
                           VIRGA_COOKIE_FEATURE_MASK, stats_cb, c->poll);
}

static void
request_learned(struct collector *c)
{
    c->poll->n_pending++;
    ofswitch_request_stats(c->sw, TABLE_matrix_learned, NULL, 0, 0, stats_cb, c->poll);
}

static void
request_drop(struct collector *c, uint32_t index)
{
    c->poll->n_pending++;
    ofswitch_request_stats(c->sw, OFPTT_ALL, NULL, VIRGA_COOKIE(COOKIE_DROP, index), UINT64_MAX,
                           stats_cb, c->poll);
}

/* Asks for what counts, in such a way that the switch looks at little else: a
 * table of rules may have a hundred thousand flows, a few of which count. */
static const uint8_t rule_tables[] = {
    TABLE_egress_admin,  TABLE_egress_group,  TABLE_egress_np,  TABLE_egress_baseline,
    TABLE_ingress_admin, TABLE_ingress_group, TABLE_ingress_np, TABLE_ingress_baseline,
};

static void
start_poll(struct collector *c)
{
    c->poll = xzalloc(sizeof *c->poll);
    c->poll->collector = c;
    c->poll->complete = true;
    c->poll->answers = time_msec() >= c->asked_at + SETTLE_MS ? c->asked : c->answered;
    c->poll->begun = time_msec();
    c->next_poll = time_msec() + c->interval_ms;
    accounting_poll_begin(c->accounting, time_msec());

    for (size_t i = 0; i < ARRAY_SIZE(rule_tables); i++) {
        request(c, rule_tables[i], COOKIE_RULE);
    }
    request(c, TABLE_egress_np, COOKIE_ISOLATE);
    request(c, TABLE_ingress_np, COOKIE_ISOLATE);
    request(c, TABLE_metrics_egress, COOKIE_METRIC_EGRESS);
    request(c, TABLE_metrics_ingress, COOKIE_METRIC_INGRESS);
    request_learned(c);
#define DROP(NAME, INDEX, HELP) request_drop(c, INDEX);
#include "ovs-flows/drops.def"
#undef DROP
}

static void
restore_cb(const char *node, const struct counter *counter, void *c_)
{
    struct collector *c = c_;

    accounting_restore(c->accounting, counter);
}

static bool
may_poll(const struct collector *c)
{
    return c->restored && !c->poll && ofswitch_is_connected(c->sw);
}

static long long int
when_to_poll(const struct collector *c)
{
    long long int due = c->next_poll;

    if (c->asked > c->answered) {
        due = MIN(due, c->asked_at + SETTLE_MS);
    }
    return MAX(due, c->retry_at);
}

static void
put_cb(const struct counter *counter, void *c_)
{
    struct collector *c = c_;

    store_put_counter(c->store, counter);
}

void
collector_run(struct collector *c)
{
    if (!c->restored && store_has_own_rows(c->store)) {
        store_each_counter(c->store, NULL, restore_cb, c);
        c->restored = true;
    }
    if (store_stats_request(c->store) > c->asked) {
        c->asked = store_stats_request(c->store);
        c->asked_at = time_msec();
    }
    if (may_poll(c) && time_msec() >= when_to_poll(c)) {
        start_poll(c);
    }
    accounting_take_changes(c->accounting, put_cb, c);
    c->told = false;
    c->applied = c->answered;
}

void
collector_wait(struct collector *c)
{
    if (c->told || (!c->restored && store_has_own_rows(c->store))) {
        poll_immediate_wake();
    } else if (may_poll(c)) {
        poll_timer_wait_until(when_to_poll(c));
    }
}
