/* Lines of the flow log: the verdict of a rule with 'log' about the first packet
 * of a connection, as one JSON object.  Pure.
 *
 *   {"time":"2026-03-01T12:00:00.250Z","node":"node-1","verdict":"deny",
 *    "policy":"GroupPolicy//quiet","rule":2,"tier":"group","direction":"ingress",
 *    "protocol":"tcp","source":{"address":"10.128.1.2","port":40000,"identity":256,
 *    "endpoint":"shop/web-0"},"destination":{...}}
 *
 * "dryRun":true: the rule is not in force; "verdict" is what it would be.
 * "rule" is missing for the isolation of a NetworkPolicy, which none of its rules
 * allowed; "port" for protocols without ports, "type" and "code" are ICMP's;
 * "endpoint" if nobody has the address. */
#ifndef VIRGA_FLOW_LOG_H
#define VIRGA_FLOW_LOG_H 1

#include <stdbool.h>
#include <stddef.h>

#include "base/records.h"

struct ds;

struct flow_log_entry {
    long long int wall; /* ms since 1970. */
    const char *node;
    const struct rec_rule *rule; /* NULL: gone since. */
    uint32_t rule_id;
    uint32_t src_identity, dst_identity;
    const char *src_endpoint, *dst_endpoint; /* NULL: not known. */
    const uint8_t *frame;                    /* Perhaps cut short. */
    size_t frame_len;
};

/* The addresses of the packet, for who looks up names; false if it has none. */
bool flow_log_addresses(const uint8_t *frame, size_t len, struct in6_addr *src,
                        struct in6_addr *dst);
/* One line with its newline. */
void flow_log_format(const struct flow_log_entry *, struct ds *);
/* "N lines were left out since the last". */
void flow_log_format_suppressed(long long int wall, const char *node, unsigned long long n,
                                struct ds *);

#endif
