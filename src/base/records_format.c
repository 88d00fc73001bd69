/* Records as text: one line each, "KIND KEY NAME=VALUE ...".
 *
 * Lists are separated by commas; a value with blanks, '"' or '\' is quoted, and in
 * quotes these two have a '\' before them; a control character is "\xHH". */
#include "base/records.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "util.h"

const char *const record_kind_names[N_RECORD_KINDS] = {
    [RECORD_NODE] = "node",         [RECORD_NETWORK] = "network", [RECORD_IDENTITY] = "identity",
    [RECORD_ENDPOINT] = "endpoint", [RECORD_SET] = "set",         [RECORD_RULE] = "rule",
};

static bool
is_plain(const char *value)
{
    for (; *value; value++) {
        if (strchr(" \"\\#", *value) || iscntrl((unsigned char) *value)) {
            return false;
        }
    }
    return true;
}

static void
put_string(struct ds *ds, const char *name, const char *value)
{
    ds_put_format(ds, " %s=", name);
    value = value ? value : "";
    if (*value && is_plain(value)) {
        ds_put_cstr(ds, value);
        return;
    }
    ds_put_char(ds, '"');
    for (; *value; value++) {
        if (iscntrl((unsigned char) *value)) {
            ds_put_format(ds, "\\x%02x", (unsigned char) *value);
            continue;
        }
        if (*value == '"' || *value == '\\') {
            ds_put_char(ds, '\\');
        }
        ds_put_char(ds, *value);
    }
    ds_put_char(ds, '"');
}

static void
put_addresses(struct ds *ds, const char *name, const struct in6_addr *a, size_t n)
{
    ds_put_format(ds, " %s=", name);
    for (size_t i = 0; i < n; i++) {
        ds_put_cstr(ds, i ? "," : "");
        addr_format(&a[i], ds);
    }
}

static void
put_prefixes(struct ds *ds, const struct prefix *a, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ds_put_cstr(ds, i ? "," : "");
        prefix_format(&a[i], ds);
    }
}

static void
format_network(const struct rec_network *n, struct ds *ds)
{
    put_string(ds, "name", n->name);
    ds_put_format(ds, " zone=%" PRIu16 " subnets=", n->zone);
    put_prefixes(ds, n->subnets, n->n_subnets);
    put_addresses(ds, "gateways", n->gateways, n->n_subnets);
}

static void
format_endpoint(const struct rec_endpoint *e, struct ds *ds)
{
    put_string(ds, "name", e->name);
    put_string(ds, "uid", e->uid);
    ds_put_format(ds, " vni=%" PRIu32 " identity=%" PRIu32 " node=%" PRIu32 " mac=" ETH_ADDR_FMT,
                  e->vni, e->identity, e->node, ETH_ADDR_ARGS(e->mac));
    put_addresses(ds, "ips", e->ips, e->n_ips);
}

static void
format_set(const struct rec_set *s, struct ds *ds)
{
    put_string(ds, "selector", s->selector);
    for (size_t i = 0; i < s->n_identities; i++) {
        ds_put_format(ds, "%s%" PRIu32, i ? "," : " identities=", s->identities[i]);
    }
    if (s->n_prefixes) {
        ds_put_cstr(ds, " prefixes=");
        put_prefixes(ds, s->prefixes, s->n_prefixes);
    }
    for (size_t i = 0; i < s->n_domains; i++) {
        ds_put_format(ds, "%s%s", i ? "," : " domains=", s->domains[i]);
    }
}

static const char *
protocol_name(uint8_t protocol)
{
    return (protocol == IPPROTO_TCP ? "tcp" : protocol == IPPROTO_UDP ? "udp" : "sctp");
}

static void
format_ports(const struct rec_rule *r, struct ds *ds)
{
    ds_put_cstr(ds, " ports=");
    if (r->any_port) {
        ds_put_cstr(ds, "any");
    }
    for (size_t i = 0; i < r->n_ports; i++) {
        const struct rule_port *p = &r->ports[i];

        ds_put_format(ds, "%s%s:%" PRIu16, i || r->any_port ? "," : "", protocol_name(p->protocol),
                      p->first);
        if (p->last != p->first) {
            ds_put_format(ds, "-%" PRIu16, p->last);
        }
    }
}

static void
format_peers(const struct rec_rule *r, struct ds *ds)
{
    bool first = !r->any_peer && !r->any_pod;

    ds_put_cstr(ds, r->any_peer ? " peers=any" : " peers=");
    if (r->any_pod) {
        ds_put_cstr(ds, r->any_peer ? ",pods" : "pods");
    }
    for (size_t i = 0; i < r->n_peer_sets; i++) {
        ds_put_format(ds, "%sset:%" PRIu32, first ? "" : ",", r->peer_sets[i]);
        first = false;
    }
    if (r->n_peer_prefixes) {
        ds_put_cstr(ds, first ? "" : ",");
        put_prefixes(ds, r->peer_prefixes, r->n_peer_prefixes);
    }
}

static void
format_rule(const struct rec_rule *r, struct ds *ds)
{
    ds_put_format(ds, " %s tier=%s priority=%" PRId32, rule_direction_names[r->direction],
                  rule_tier_names[r->tier], r->priority);
    if (r->rank) {
        ds_put_format(ds, " rank=%" PRIu16, r->rank);
    }
    ds_put_format(ds, " action=%s vni=%" PRIu32 " subject=%" PRIu32, rule_action_names[r->action],
                  r->vni, r->subject);
    format_peers(r, ds);
    format_ports(r, ds);
    put_string(ds, "policy", r->policy);
    ds_put_format(ds, " index=%" PRId32, r->index);
    if (r->log || r->dry_run) {
        ds_put_format(ds, " flags=%s%s%s", r->log ? "log" : "", r->log && r->dry_run ? "," : "",
                      r->dry_run ? "dry-run" : "");
    }
}

void
record_format(const struct record *r, struct ds *ds)
{
    ds_put_format(ds, "%s %" PRIu32, record_kind_names[r->kind], r->key);
    switch (r->kind) {
    case RECORD_NODE: {
        const struct rec_node *n = (const struct rec_node *) r;
        put_string(ds, "name", n->name);
        put_addresses(ds, "vtep", &n->vtep, 1);
        put_addresses(ds, "addresses", n->addresses, n->n_addresses);
        break;
    }
    case RECORD_NETWORK:
        format_network((const struct rec_network *) r, ds);
        break;
    case RECORD_IDENTITY:
        ds_put_format(ds, " vni=%" PRIu32, ((const struct rec_identity *) r)->vni);
        put_string(ds, "labels", ((const struct rec_identity *) r)->labels);
        break;
    case RECORD_ENDPOINT:
        format_endpoint((const struct rec_endpoint *) r, ds);
        break;
    case RECORD_SET:
        format_set((const struct rec_set *) r, ds);
        break;
    case RECORD_RULE:
        format_rule((const struct rec_rule *) r, ds);
        break;
    case N_RECORD_KINDS:
        OVS_NOT_REACHED();
    }
}

void
records_format_all(const struct records *rs, struct ds *ds)
{
    for (int k = 0; k < N_RECORD_KINDS; k++) {
        size_t n;
        const struct record **a = records_sorted(rs, k, &n);

        for (size_t i = 0; i < n; i++) {
            record_format(a[i], ds);
            ds_put_char(ds, '\n');
        }
        free(a);
    }
}
