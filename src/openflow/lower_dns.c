/* DNS answers to endpoints whose rules name domains: off to the agent
 * (ovs-flows/README.md, "Domain names"). */
#include "openflow/lower_flows.h"

#include "flow.h"
#include "packets.h"

enum { DNS_PORT = 53 };

static bool
names_domains(const struct lower_context *ctx, const struct rec_rule *rule)
{
    for (size_t i = 0; rule->direction == RULE_EGRESS && i < rule->n_peer_sets; i++) {
        const struct rec_set *set = records_set(ctx->records, rule->peer_sets[i]);
        if (set && set->n_domains) {
            return true;
        }
    }
    return false;
}

static void
emit_answers(const struct flow_sink *sink, uint32_t identity, uint16_t ip_type)
{
    const uint32_t reply = CS_TRACKED | CS_ESTABLISHED | CS_REPLY_DIR;
    struct flow_draft d;

    flow_draft_init(&d);
    match_set_ct_state_masked(&d.match, reply, reply);
    match_set_dl_type(&d.match, htons(ip_type));
    match_set_nw_proto(&d.match, IPPROTO_UDP);
    match_set_tp_src(&d.match, htons(DNS_PORT));
    field_match(&d.match, FIELD_target, SIDE_LOCAL);
    field_match(&d.match, FIELD_dst_identity, identity);
    put_goto(&d, TABLE_dns_hold);
    flow_draft_emit(&d, sink, TABLE_dns, PRIORITY_address, VIRGA_COOKIE(COOKIE_DNS, 0));
    flow_draft_uninit(&d);
}

void
lower_dns(const struct lower_context *ctx, const struct flow_sink *sink,
          const struct rec_rule *rule)
{
    const struct rec_set *subjects = records_set(ctx->records, rule->subject);

    if (!subjects || !names_domains(ctx, rule)) {
        return;
    }
    for (size_t i = 0; i < subjects->n_identities; i++) {
        if (lower_ids_has(&ctx->local_identities, subjects->identities[i])) {
            emit_answers(sink, subjects->identities[i], ETH_TYPE_IP);
            emit_answers(sink, subjects->identities[i], ETH_TYPE_IPV6);
        }
    }
}
