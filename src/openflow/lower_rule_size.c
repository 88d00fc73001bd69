/* How many flows a rule needs: counted, not made, so that a policy that is too
 * large costs nothing.  Follows lower_rule.c clause by clause. */
#include "base/learned.h"
#include "openflow/lower_flows.h"
#include "openflow/ports.h"

static size_t
count_subjects(const struct lower_context *ctx, const struct rec_rule *rule)
{
    const struct rec_set *set = records_set(ctx->records, rule->subject);
    size_t n = 0;
    for (size_t i = 0; set && i < set->n_identities; i++) {
        n += lower_ids_has(&ctx->local_identities, set->identities[i]);
    }
    return n;
}

static size_t
count_peers(const struct lower_context *ctx, const struct rec_rule *rule)
{
    size_t n = rule->n_peer_prefixes + (rule->any_pod ? N_IDENTITY_BITS : 0);
    for (size_t i = 0; i < rule->n_peer_sets; i++) {
        const struct rec_set *set = records_set(ctx->records, rule->peer_sets[i]);
        size_t n_learned = 0;
        if (rule->direction == RULE_EGRESS) {
            learned_find(ctx->learned, rule->peer_sets[i], &n_learned);
        }
        n += set ? set->n_identities + set->n_prefixes + n_learned : 0;
    }
    return n;
}

static size_t
count_ports(const struct lower_context *ctx, const struct rec_rule *rule)
{
    bool both = lower_families_of(ctx, rule->vni) == (FAMILY_IP4 | FAMILY_IP6);
    struct port_mask masks[PORT_MASKS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < rule->n_ports; i++) {
        n += port_masks(rule->ports[i].first, rule->ports[i].last, masks);
    }
    return both ? 2 * n : n;
}

size_t
lower_rule_size(const struct lower_context *ctx, const struct rec_rule *rule)
{
    size_t n = count_subjects(ctx, rule);
    if (!n || rule_isolates(rule)) {
        return n;
    }
    n += rule->any_peer ? 0 : count_peers(ctx, rule);
    n += rule->any_port ? 0 : count_ports(ctx, rule);
    return n + 2; /* The verdict, and its established packets. */
}
