/* A connection of unixctl is not read while it waits for its answer, so one that
 * its client has closed is known as closed when it is answered: the time limit
 * is for those, too.  As with every answer that unixctl still owes (revalidator/wait of
 * ovs-vswitchd), a client must have read the answers to its other commands. */
#include "programs/virga-agent/generation_waits.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>

#include "openvswitch/list.h"
#include "timeval.h"
#include "unixctl.h"
#include "util.h"

enum {
    MAX_WAITS = 64,
    DEFAULT_S = 60,
    MAX_S = 3600,
};

struct wait {
    struct ovs_list list_node;
    struct unixctl_conn *conn;
    uint64_t generation;
    long long int until;
};

struct generation_waits {
    struct ovs_list waits; /* struct wait */
    size_t n;
    uint64_t applied; /* At the last run. */
};

static void
answer_applied(const struct generation_waits *waits, struct unixctl_conn *conn)
{
    char *text = xasprintf("generation %" PRIu64 " is applied", waits->applied);
    unixctl_command_reply(conn, text);
    free(text);
}

static void
answer_late(const struct generation_waits *waits, struct unixctl_conn *conn)
{
    char *text = xasprintf("not yet: generation %" PRIu64 " is applied; \"show\" tells what the "
                           "agent waits for",
                           waits->applied);
    unixctl_command_reply_error(conn, text);
    free(text);
}

static void
remember(struct generation_waits *waits, struct unixctl_conn *conn, uint64_t generation,
         unsigned int seconds)
{
    struct wait *w = xmalloc(sizeof *w);
    w->conn = conn;
    w->generation = generation;
    w->until = time_msec() + 1000LL * seconds;
    ovs_list_push_back(&waits->waits, &w->list_node);
    waits->n++;
}

static void
forget(struct generation_waits *waits, struct wait *w)
{
    ovs_list_remove(&w->list_node);
    waits->n--;
    free(w);
}

static void
ctl_wait(struct unixctl_conn *conn, int argc, const char *argv[], void *waits_)
{
    struct generation_waits *waits = waits_;
    unsigned long long int generation;
    unsigned int seconds = DEFAULT_S;
    if (!str_to_ullong(argv[1], 10, &generation) || argv[1][0] == '-' || !generation) {
        unixctl_command_reply_error(
            conn, "GENERATION: not a number from 1 on; \"show\" tells the wanted one");
    } else if (argc > 2 && (!str_to_uint(argv[2], 10, &seconds) || seconds > MAX_S)) {
        unixctl_command_reply_error(conn, "SECONDS: not a number from 0 to 3600");
    } else if (generation <= waits->applied) {
        answer_applied(waits, conn);
    } else if (!seconds) {
        answer_late(waits, conn);
    } else if (waits->n >= MAX_WAITS) {
        unixctl_command_reply_error(conn, "64 others wait already");
    } else {
        remember(waits, conn, generation, seconds);
    }
}

struct generation_waits *
generation_waits_create(void)
{
    struct generation_waits *waits = xzalloc(sizeof *waits);
    ovs_list_init(&waits->waits);
    unixctl_command_register("wait", "GENERATION [SECONDS]", 1, 2, ctl_wait, waits);
    return waits;
}

void
generation_waits_destroy(struct generation_waits *waits)
{
    if (!waits) {
        return;
    }
    struct wait *w, *next;
    LIST_FOR_EACH_SAFE (w, next, list_node, &waits->waits) {
        unixctl_command_reply_error(w->conn, "the agent ends");
        forget(waits, w);
    }
    free(waits);
}

void
generation_waits_run(struct generation_waits *waits, uint64_t applied, long long int now)
{
    waits->applied = applied;
    struct wait *w, *next;
    LIST_FOR_EACH_SAFE (w, next, list_node, &waits->waits) {
        if (w->generation > applied && now < w->until) {
            continue;
        }
        (w->generation <= applied ? answer_applied : answer_late)(waits, w->conn);
        forget(waits, w);
    }
}

long long int
generation_waits_wake_at(const struct generation_waits *waits)
{
    long long int at = LLONG_MAX;
    const struct wait *w;
    LIST_FOR_EACH (w, list_node, &waits->waits) {
        at = MIN(at, w->until);
    }
    return at;
}
