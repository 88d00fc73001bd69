#include "programs/virga-agent/policy_problems.h"

#include <inttypes.h>
#include <stdlib.h>

#include "openflow/lower.h"
#include "openvswitch/vlog.h"
#include "smap.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(policy_problems);

struct policy_problems {
    const struct lower *lower;
    size_t flows_max;
    unsigned int seqno; /* Of 'lower', when 'all' was made. */
    struct smap all;
};

struct policy_problems *
policy_problems_create(const struct lower *lower, size_t flows_max)
{
    struct policy_problems *problems = xzalloc(sizeof *problems);
    problems->lower = lower;
    problems->flows_max = flows_max;
    smap_init(&problems->all);
    return problems;
}

void
policy_problems_destroy(struct policy_problems *problems)
{
    if (problems) {
        smap_destroy(&problems->all);
        free(problems);
    }
}

static void
add(void *problems_, const char *policy, size_t n_flows)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(10, 10);
    struct policy_problems *problems = problems_;
    if (smap_count(&problems->all) >= POLICY_PROBLEMS_MAX) {
        return;
    }
    char *why = xasprintf("it needs %" PRIuSIZE " flows, more than %" PRIuSIZE
                          " (--policy-flows-max); nothing that it allows is let through",
                          n_flows, problems->flows_max);
    VLOG_WARN_RL(&rl, "%s: %s", policy, why);
    smap_add_nocopy(&problems->all, xstrdup(policy), why);
}

bool
policy_problems_run(struct policy_problems *problems)
{
    unsigned int seqno = lower_oversized_seqno(problems->lower);
    if (seqno == problems->seqno) {
        return false;
    }
    problems->seqno = seqno;
    smap_clear(&problems->all);
    lower_each_oversized(problems->lower, add, problems);
    return true;
}

const struct smap *
policy_problems_all(const struct policy_problems *problems)
{
    return &problems->all;
}
