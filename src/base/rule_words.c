#include "base/rule_words.h"

#include <inttypes.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "util.h"

/* How this label selects a namespace by name. */
#define NAME_LABEL "kubernetes.io/metadata.name="
/* And how it asks in addition that the namespace is isolated. */
#define ISOLATED ",namespace:isolated"

/* Cuts 'suffix' off; false if it is not there. */
static bool
cut_suffix(char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);

    if (n < m || strcmp(s + n - m, suffix)) {
        return false;
    }
    s[n - m] = '\0';
    return true;
}

/* "KIND{WHICH}" in words; false if it is none of these. */
static bool
put_named(const char *selector, struct ds *out)
{
    static const struct {
        const char *kind, *words, *all;
    } kinds[] = {
        { "group{", "group ", "nobody" },
        { "networks{", "network group ", "nobody" },
        { "nodes{", "nodes ", "all nodes" },
        { "domains{", "", "no domain" },
    };
    size_t length = strlen(selector);

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        size_t n = strlen(kinds[i].kind);

        if (!strncmp(selector, kinds[i].kind, n) && selector[length - 1] == '}') {
            int n_which = length - n - 1;

            if (n_which) {
                ds_put_format(out, "%s%.*s", kinds[i].words, n_which, selector + n);
            } else {
                ds_put_cstr(out, kinds[i].all);
            }
            return true;
        }
    }
    return false;
}

/* "ns{A}/pod{B}" as "pods B of namespace A". */
static void
put_selector(const char *selector, struct ds *out)
{
    const char *end = strstr(selector, "}/pod{");
    size_t length = strlen(selector);
    char *ns, *pod;

    if (put_named(selector, out)) {
        return;
    } else if (strncmp(selector, "ns{", 3) || !end || selector[length - 1] != '}') {
        ds_put_cstr(out, selector);
        return;
    }
    ns = xmemdup0(selector + 3, end - selector - 3);
    pod = xmemdup0(end + 6, selector + length - 1 - (end + 6));
    bool isolated = cut_suffix(ns, ISOLATED);
    ds_put_format(out, "%s%s", *pod ? "pods " : "all pods", pod);
    if (!strncmp(ns, NAME_LABEL, strlen(NAME_LABEL)) && !strchr(ns, ',')) {
        ds_put_format(out, " of namespace %s", ns + strlen(NAME_LABEL));
    } else if (*ns) {
        ds_put_format(out, " of namespaces %s", ns);
    } else {
        ds_put_cstr(out, " of all namespaces");
    }
    ds_put_cstr(out, isolated ? ", while it is isolated," : "");
    free(ns);
    free(pod);
}

/* Selectors of addresses and names have no text but their members. */
static void
put_members(const struct rec_set *set, struct ds *out)
{
    const char *separator = "";

    for (size_t i = 0; i < set->n_prefixes; i++, separator = ", ") {
        ds_put_cstr(out, separator);
        prefix_format(&set->prefixes[i], out);
    }
    for (size_t i = 0; i < set->n_domains; i++, separator = ", ") {
        ds_put_format(out, "%s%s", separator, set->domains[i]);
    }
}

static void
put_set(const struct records *records, uint32_t id, struct ds *out)
{
    const struct rec_set *set = records_set(records, id);

    if (set && set->selector && *set->selector) {
        put_selector(set->selector, out);
    } else if (set) {
        put_members(set, out);
    } else {
        ds_put_format(out, "set %" PRIu32, id);
    }
}

static void
put_protocol(uint8_t protocol, struct ds *out)
{
    switch (protocol) {
    case IPPROTO_TCP:
        ds_put_cstr(out, "TCP");
        break;
    case IPPROTO_UDP:
        ds_put_cstr(out, "UDP");
        break;
    case IPPROTO_SCTP:
        ds_put_cstr(out, "SCTP");
        break;
    default:
        ds_put_format(out, "protocol %" PRIu8, protocol);
        break;
    }
}

static void
put_ports(const struct rec_rule *rule, struct ds *out)
{
    if (rule->any_port) {
        ds_put_cstr(out, "everything");
    } else if (!rule->n_ports) {
        ds_put_cstr(out, "nothing");
    }
    for (size_t i = 0; i < rule->n_ports && !rule->any_port; i++) {
        const struct rule_port *port = &rule->ports[i];

        ds_put_cstr(out, i ? ", " : "");
        put_protocol(port->protocol, out);
        if (port->first == port->last) {
            ds_put_format(out, " %" PRIu16, port->first);
        } else if (port->first || port->last != UINT16_MAX) {
            ds_put_format(out, " %" PRIu16 "-%" PRIu16, port->first, port->last);
        }
    }
}

static void
put_peers(const struct records *records, const struct rec_rule *rule, struct ds *out)
{
    const char *separator = "";

    if (rule->any_peer) {
        ds_put_cstr(out, rule->direction == RULE_INGRESS ? "anybody" : "anywhere");
        return;
    }
    if (rule->any_pod) {
        ds_put_cstr(out, rule->direction == RULE_INGRESS ? "any pod" : "every pod");
        separator = ", ";
    }
    for (size_t i = 0; i < rule->n_peer_sets; i++, separator = ", ") {
        ds_put_cstr(out, separator);
        put_set(records, rule->peer_sets[i], out);
    }
    for (size_t i = 0; i < rule->n_peer_prefixes; i++, separator = ", ") {
        ds_put_cstr(out, separator);
        prefix_format(&rule->peer_prefixes[i], out);
    }
    if (!*separator) {
        ds_put_cstr(out, "nobody");
    }
}

/* By direction; isolate has no object. */
static const char *const verbs[N_RULE_ACTIONS][N_RULE_DIRECTIONS] = {
    [RULE_ALLOW] = { " may send ", " accept " },
    [RULE_ISOLATE] = { " may send only what a rule allows", " accept only what a rule allows" },
    [RULE_DENY] = { " may not send ", " drop " },
    [RULE_REJECT] = { " may not send, and are told so, ", " reject " },
    [RULE_PASS] = { " leave to the next tier to send ", " leave to the next tier to accept " },
};

void
rule_words(const struct records *records, const struct rec_rule *rule, struct ds *out)
{
    put_set(records, rule->subject, out);
    ds_put_cstr(out, verbs[rule->action][rule->direction]);
    if (rule->action != RULE_ISOLATE) {
        put_ports(rule, out);
        ds_put_cstr(out, rule->direction == RULE_INGRESS ? " from " : " to ");
        put_peers(records, rule, out);
    }
    ds_put_cstr(out, rule->dry_run ? " (dry run)" : "");
}
