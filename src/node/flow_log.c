#include "node/flow_log.h"

#include "base/ovs_json.h"

#include <time.h>

#include "base/rule_words.h"
#include "dp-packet.h"
#include "flow.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "packets.h"
#include "util.h"

static void
extract(const uint8_t *frame, size_t len, struct flow *flow)
{
    struct dp_packet packet;
    dp_packet_use_const(&packet, frame, len);
    flow_extract(&packet, flow);
}

static bool
addresses_of(const struct flow *flow, struct in6_addr *src, struct in6_addr *dst)
{
    if (flow->dl_type == htons(ETH_TYPE_IP) && flow->nw_dst) {
        *src = in6_addr_mapped_ipv4(flow->nw_src);
        *dst = in6_addr_mapped_ipv4(flow->nw_dst);
    } else if (flow->dl_type == htons(ETH_TYPE_IPV6) && ipv6_addr_is_set(&flow->ipv6_dst)) {
        *src = flow->ipv6_src;
        *dst = flow->ipv6_dst;
    } else {
        return false;
    }
    return true;
}

bool
flow_log_addresses(const uint8_t *frame, size_t len, struct in6_addr *src, struct in6_addr *dst)
{
    struct flow flow;
    extract(frame, len, &flow);
    return addresses_of(&flow, src, dst);
}

static void
put_text(struct ds *s, const char *key, const char *value)
{
    ds_put_format(s, ",\"%s\":", key);
    json_string_escape(value, s);
}

static void
put_time(struct ds *s, long long int wall)
{
    time_t seconds = wall / 1000;
    struct tm tm;
    char text[32];
    gmtime_r(&seconds, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    ds_put_format(s, "{\"time\":\"%s.%03lldZ\"", text, wall % 1000);
}

static void
put_rule(struct ds *s, const struct rec_rule *rule, uint32_t id)
{
    if (!rule) {
        ds_put_format(s, ",\"ruleId\":%u", id);
        return;
    }
    put_text(s, "verdict",
             rule->action == RULE_ISOLATE ? "deny" : rule_action_names[rule->action]);
    put_text(s, "policy", rule->policy);
    if (rule->index >= 0) {
        ds_put_format(s, ",\"rule\":%d", rule->index);
    }
    put_text(s, "tier", rule_tier_names[rule->tier]);
    put_text(s, "direction", rule_direction_names[rule->direction]);
    if (rule->dry_run) {
        ds_put_cstr(s, ",\"dryRun\":true");
    }
}

static bool
is_icmp(const struct flow *flow)
{
    return flow->nw_proto == (flow->dl_type == htons(ETH_TYPE_IP) ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

static bool
has_ports(const struct flow *flow)
{
    return (flow->nw_proto == IPPROTO_TCP || flow->nw_proto == IPPROTO_UDP
            || flow->nw_proto == IPPROTO_SCTP)
           && !(flow->nw_frag & FLOW_NW_FRAG_LATER);
}

static void
put_protocol(struct ds *s, const struct flow *flow)
{
    static const struct {
        uint8_t number;
        const char *name;
    } names[] = {
        { IPPROTO_TCP, "tcp" },
        { IPPROTO_UDP, "udp" },
        { IPPROTO_SCTP, "sctp" },
    };
    if (is_icmp(flow)) {
        ds_put_format(s, ",\"protocol\":\"icmp\",\"type\":%u,\"code\":%u", ntohs(flow->tp_src),
                      ntohs(flow->tp_dst));
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (names[i].number == flow->nw_proto) {
            put_text(s, "protocol", names[i].name);
            return;
        }
    }
    ds_put_format(s, ",\"protocol\":\"%u\"", flow->nw_proto);
}

static void
put_end(struct ds *s, const char *key, const struct in6_addr *addr, const struct flow *flow,
        ovs_be16 port, uint32_t identity, const char *endpoint)
{
    ds_put_format(s, ",\"%s\":{\"address\":\"", key);
    addr_format(addr, s);
    ds_put_char(s, '"');
    if (has_ports(flow)) {
        ds_put_format(s, ",\"port\":%u", ntohs(port));
    }
    ds_put_format(s, ",\"identity\":%u", identity);
    if (endpoint) {
        put_text(s, "endpoint", endpoint);
    }
    ds_put_char(s, '}');
}

void
flow_log_format(const struct flow_log_entry *e, struct ds *s)
{
    struct flow flow;
    struct in6_addr src, dst;
    extract(e->frame, e->frame_len, &flow);
    put_time(s, e->wall);
    put_text(s, "node", e->node);
    put_rule(s, e->rule, e->rule_id);
    if (addresses_of(&flow, &src, &dst)) {
        put_protocol(s, &flow);
        put_end(s, "source", &src, &flow, flow.tp_src, e->src_identity, e->src_endpoint);
        put_end(s, "destination", &dst, &flow, flow.tp_dst, e->dst_identity, e->dst_endpoint);
    }
    ds_put_cstr(s, "}\n");
}

void
flow_log_format_suppressed(long long int wall, const char *node, unsigned long long n,
                           struct ds *s)
{
    put_time(s, wall);
    put_text(s, "node", node);
    ds_put_format(s, ",\"suppressed\":%llu}\n", n);
}
