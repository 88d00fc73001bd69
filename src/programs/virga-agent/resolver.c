/* An answer's way:
 *
 *   RECEIVED --the lowering got what it teaches--> FED --the switch ran--> SENT
 *     --confirmed--> CONFIRMED --a round of revalidation begins--> ROUND --ends--> on
 *
 * A round that began with the change is often over before it can be asked for, and
 * the next comes half a second later; so that wait is ROUND_MAX_MS at most.
 * All wait in one list, in order; whatever state one is in, after HOLD_MAX_MS
 * it goes on.  A second answer with the same addresses waits too as long as any
 * is in the list. */
#include "programs/virga-agent/resolver.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/records.h"
#include "node/dns_message.h"
#include "node/domains.h"
#include "node/domains_file.h"
#include "node/vswitchd_ctl.h"
#include "openflow/dns_hold.h"
#include "openflow/lower.h"
#include "openflow/packet_in.h"
#include "openflow/switch.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/list.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(resolver);

enum {
    HOLD_MAX_MS = 300,
    ROUND_MAX_MS = 20,
    HELD_MAX = 1000, /* Answers; more go on at once. */
    RENEW_MS = DNS_HOLD_S * 1000 / 5,
    SAVE_MS = 1000,
};

enum held_state { RECEIVED, FED, SENT, CONFIRMED, ROUND };

struct held {
    struct ovs_list list_node;
    struct ofpbuf *resume;
    enum held_state state;
    uint64_t target; /* SENT: the switch's epoch. */
    long long int deadline;
};

struct resolver {
    struct ofswitch *sw;
    struct lower *lower;
    struct vswitchd_ctl *ctl;
    char *file;
    struct prefix *servers;
    size_t n_servers;

    struct domains *domains;
    bool settled; /* The sets of the first desired state are known. */
    bool unsaved;
    long long int save_at;

    struct ovs_list held; /* struct held */
    size_t n_held;
    bool in_round;
    bool ended;   /* Nothing is held any more. */
    bool holding; /* The flow of dns_hold was sent. */
    long long int renew_at;

    struct dns_answer answer; /* Too large for the stack. */
    uint64_t n_answers, n_useless, n_strange, n_late;
};

static void
let_go(struct resolver *r, struct held *h)
{
    ofswitch_send_take(r->sw, h->resume);
    ovs_list_remove(&h->list_node);
    r->n_held--;
    free(h);
}

static void
hold_flow(struct resolver *r, bool hold)
{
    if (hold || r->holding) {
        ofswitch_send_take(r->sw, dns_hold_encode(hold));
    }
    r->holding = hold;
}

void
resolver_end(struct resolver *r)
{
    struct held *h;
    LIST_FOR_EACH_SAFE (h, list_node, &r->held) {
        let_go(r, h);
    }
    hold_flow(r, false);
    r->ended = true;
}

static void
save(struct resolver *r, long long int now)
{
    r->unsaved = false;
    r->save_at = now + SAVE_MS;
    int error = domains_file_save(r->file, r->domains, now, time_wall_msec());
    if (error) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 1);
        VLOG_WARN_RL(&rl, "%s: %s", r->file, ovs_strerror(error));
    }
}

struct resolver *
resolver_create(const struct resolver_options *opt)
{
    struct resolver *r = xzalloc(sizeof *r);
    r->sw = opt->sw;
    r->lower = opt->lower;
    r->ctl = vswitchd_ctl_create(opt->ovs_rundir);
    r->file = xstrdup(opt->file);
    r->servers = xmemdup(opt->servers, opt->n_servers * sizeof *opt->servers);
    r->n_servers = opt->n_servers;
    r->domains = domains_create();
    ovs_list_init(&r->held);
    domains_file_load(r->file, r->domains, time_msec(), time_wall_msec());
    return r;
}

void
resolver_destroy(struct resolver *r)
{
    if (!r) {
        return;
    }
    resolver_end(r);
    if (r->settled && r->unsaved) {
        save(r, time_msec());
    }
    domains_destroy(r->domains);
    vswitchd_ctl_destroy(r->ctl);
    free(r->servers);
    free(r->file);
    free(r);
}

/* --- Answers -------------------------------------------------------------------------- */

static bool
is_believed(const struct resolver *r, const struct in6_addr *server)
{
    for (size_t i = 0; i < r->n_servers; i++) {
        if (prefix_contains(&r->servers[i], server)) {
            return true;
        }
    }
    return !r->n_servers;
}

static bool
learn(struct resolver *r, const struct packet_in *p)
{
    struct in6_addr server;
    r->n_answers++;
    if (!dns_frame_decode(p->frame, p->frame_len, &r->answer, &server)) {
        r->n_useless++;
        return false;
    }
    if (!is_believed(r, &server)) {
        r->n_strange++;
        return false;
    }
    r->unsaved = true;
    return domains_learn(r->domains, &r->answer, time_msec());
}

void
resolver_receive(struct resolver *r, struct packet_in *p)
{
    bool news = learn(r, p);
    struct ofpbuf *resume = p->resume;
    p->resume = NULL;
    if (!resume) {
        return;
    }
    if ((!news && !r->n_held) || r->n_held >= HELD_MAX || r->ended) {
        ofswitch_send_take(r->sw, resume);
        return;
    }
    struct held *h = xzalloc(sizeof *h);
    h->resume = resume;
    h->deadline = time_msec() + HOLD_MAX_MS;
    ovs_list_push_back(&r->held, &h->list_node);
    r->n_held++;
    poll_immediate_wake();
}

/* --- What the lowering gets ---------------------------------------------------------------- */

static void
feed_set(void *r_, uint32_t set, const struct in6_addr *addresses, size_t n)
{
    struct resolver *r = r_;
    lower_set_learned(r->lower, set, addresses, n);
}

static void
look_at_set(struct resolver *r, const struct records *records, uint32_t id)
{
    const struct rec_set *set = records_set(records, id);
    if (set && set->n_domains) {
        domains_set(r->domains, id, set->domains, set->n_domains);
    } else {
        domains_set(r->domains, id, NULL, 0);
        lower_set_learned(r->lower, id, NULL, 0);
    }
}

void
resolver_feed(struct resolver *r, const struct records *records, bool known, long long int now)
{
    size_t n;
    uint32_t *changed = records_changed(records, RECORD_SET, &n);
    for (size_t i = 0; i < n; i++) {
        look_at_set(r, records, changed[i]);
    }
    free(changed);
    if (known && !r->settled) {
        domains_settle(r->domains);
        r->settled = true;
    }
    domains_run(r->domains, now);
    domains_changed(r->domains, feed_set, r);
    struct held *h;
    LIST_FOR_EACH (h, list_node, &r->held) {
        h->state = h->state == RECEIVED ? FED : h->state;
    }
}

/* --- Letting go ------------------------------------------------------------------------------ */

/* True if the round that was asked for is over. */
static bool
is_round_over(struct resolver *r)
{
    char *text = NULL;
    size_t len;
    if (!r->in_round || vswitchd_ctl_run(r->ctl, &text, &len) == EAGAIN) {
        return false;
    }
    free(text);
    r->in_round = false;
    return true;
}

static void
advance(struct resolver *r, struct held *h, bool round_over, long long int now)
{
    if (h->state == FED) {
        h->state = SENT;
        h->target = ofswitch_epoch(r->sw);
    }
    if (h->state == ROUND && round_over) {
        h->deadline = now;
    } else if (h->state == SENT && ofswitch_confirmed(r->sw) >= h->target) {
        h->state = CONFIRMED;
        h->deadline = MIN(h->deadline, now + ROUND_MAX_MS);
    }
}

static void
begin_round(struct resolver *r)
{
    struct held *h;
    if (r->in_round) {
        return;
    }
    LIST_FOR_EACH (h, list_node, &r->held) {
        if (h->state == CONFIRMED) {
            h->state = ROUND;
            r->in_round = true;
        }
    }
    if (r->in_round) {
        vswitchd_ctl_send(r->ctl, "revalidator/wait", (const char *const[]){ NULL });
    }
}

static void
let_go_all(struct resolver *r, long long int now)
{
    bool round_over = is_round_over(r);
    struct held *h;
    LIST_FOR_EACH_SAFE (h, list_node, &r->held) {
        advance(r, h, round_over, now);
        if (now >= h->deadline) {
            r->n_late += h->state < CONFIRMED;
            let_go(r, h);
        }
    }
    begin_round(r);
}

/* Only while the switch has what is desired is it of use to hold answers. */
static void
renew_hold(struct resolver *r, long long int now)
{
    bool hold = domains_any(r->domains) && ofswitch_applied(r->sw);
    if (hold != r->holding || (hold && now >= r->renew_at)) {
        hold_flow(r, hold);
        r->renew_at = now + RENEW_MS;
    }
}

void
resolver_run(struct resolver *r, long long int now)
{
    let_go_all(r, now);
    renew_hold(r, now);
    if (r->settled && r->unsaved && now >= r->save_at) {
        save(r, now);
    }
}

static bool
is_any_unsent(const struct resolver *r)
{
    struct held *h;
    LIST_FOR_EACH (h, list_node, &r->held) {
        if (h->state == RECEIVED || h->state == FED) {
            return true;
        }
    }
    return false;
}

void
resolver_wait(const struct resolver *r)
{
    if (is_any_unsent(r)) {
        poll_immediate_wake();
    }
    if (r->in_round) {
        vswitchd_ctl_wait(r->ctl);
    }
    struct held *h;
    LIST_FOR_EACH (h, list_node, &r->held) {
        poll_timer_wait_until(h->deadline);
    }
    if (r->holding) {
        poll_timer_wait_until(r->renew_at);
    }
    if (r->unsaved && r->settled) {
        poll_timer_wait_until(r->save_at);
    }
    poll_timer_wait_until(domains_next(r->domains));
}

/* --- Words --------------------------------------------------------------------------------------- */

struct printer {
    struct ds *s;
    long long int now;
};

static void
print_entry(void *p_, const char *pattern, const struct in6_addr *addr, long long int until)
{
    struct printer *p = p_;
    ds_put_format(p->s, "%s ", pattern);
    addr_format(addr, p->s);
    ds_put_format(p->s, " for %lld s\n", (until - p->now) / 1000);
}

void
resolver_format(const struct resolver *r, long long int now, struct ds *s)
{
    ds_put_format(s,
                  "answers: %" PRIu64 " seen, %" PRIu64 " of no use, %" PRIu64
                  " of servers that are not believed, %" PRIu64 " let go late, %" PRIuSIZE
                  " held now\n",
                  r->n_answers, r->n_useless, r->n_strange, r->n_late, r->n_held);
    struct printer p = { .s = s, .now = now };
    domains_each(r->domains, print_entry, &p);
}
