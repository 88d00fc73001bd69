#include "model/ordered_policy.h"

#include <stdlib.h>
#include <string.h>

#include "model/groups.h"
#include "model/names.h"
#include "model/object_decode.h"
#include "model/ordered_decode.h"
#include "util.h"

enum {
    MAX_PRIORITY = 1000,
    MAX_NAME = 100,
    /* A policy without priority comes behind all that have one. */
    LAST_PRIORITY = MAX_PRIORITY + 1,
};

static const struct ordered_api apis[] = {
    {
        .kind = POLICY_KIND_CLUSTER,
        .actions = { "Accept", "Deny", "Pass" },
        .max_rules = 25,
        .max_peers = 25,
        .max_ports = 25,
        .has_tier = true,
        .has_priority = true,
        .has_domains = true,
        .ports = "protocols",
        .named_port = "destinationNamedPort",
        .port = ordered_protocol_decode,
        .cidr_message = "Invalid CIDR format provided",
        .named_port_message =
            "networks/nodes/domainNames peer cannot be set with namedPorts since there are no "
            "namedPorts for networks/nodes/domainNames",
    },
    {
        .kind = POLICY_KIND_ADMIN,
        .actions = { "Allow", "Deny", "Pass" },
        .max_rules = 100,
        .max_peers = 100,
        .max_ports = 100,
        .has_priority = true,
        .has_domains = true,
        .needs_namespace_selector = true,
        .ports = "ports",
        .named_port = "namedPort",
        .port = ordered_port_decode,
        .cidr_message = "CIDR must be either an IPv4 or IPv6 address. IPv4 address embedded in "
                        "IPv6 addresses are not supported",
        .named_port_message =
            "networks/nodes/domainNames peer cannot be set with namedPorts since there are no "
            "namedPorts for networks/nodes/domainNames",
    },
    {
        .kind = POLICY_KIND_BASELINE,
        .actions = { "Allow", "Deny", NULL },
        .max_rules = 100,
        .max_peers = 100,
        .max_ports = 100,
        .needs_namespace_selector = true,
        .is_singleton = true,
        .ports = "ports",
        .named_port = "namedPort",
        .port = ordered_port_decode,
        .cidr_message = "CIDR must be either an IPv4 or IPv6 address. IPv4 address embedded in "
                        "IPv6 addresses are not supported",
        .named_port_message =
            "networks/nodes peer cannot be set with namedPorts since there are no namedPorts for "
            "networks/nodes",
    },
};

void
ordered_fail_closed(struct ordered_decode *d, const struct json_field *f, const char *why)
{
    if (!d->rule->fail_closed) {
        char *path = json_field_path(f);

        d->rule->fail_closed = xasprintf("%s %s", path, why);
        free(path);
    }
}

/* Rules. */

static void
action_decode(const struct ordered_decode *d, const struct json_field *f)
{
    static const enum ordered_action actions[] = { ORDERED_ALLOW, ORDERED_DENY, ORDERED_PASS };
    int i = schema_enum(f, d->api->actions, d->api->actions[2] ? 3 : 2);

    d->rule->action = i < 0 ? ORDERED_DENY : actions[i];
}

/* A newer version may narrow a rule by a field of the rule itself. */
static void
unknown_members_check(struct ordered_decode *d, const struct json_field *f, const char *peers)
{
    const char *const known[] = { "name", "action", peers, d->api->ports };
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *) f->value, key, value) {
        bool is_known = json_is_null(value);

        for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
            is_known |= !strcmp(key, known[i]);
        }
        if (!is_known) {
            struct json_field member = json_field_member(f, key);

            ordered_fail_closed(d, &member, "is not known");
        }
    }
}

static bool
has_unnamed_peers(const struct ordered_rule *rule)
{
    for (size_t i = 0; i < rule->n_peers; i++) {
        enum ordered_peer_kind kind = rule->peers[i].kind;

        if (kind == ORDERED_PEER_NETWORKS || kind == ORDERED_PEER_NODES
            || kind == ORDERED_PEER_DOMAINS) {
            return true;
        }
    }
    return false;
}

static bool
has_named_ports(const struct ordered_rule *rule)
{
    for (size_t i = 0; i < rule->n_ports; i++) {
        if (rule->ports[i].name) {
            return true;
        }
    }
    return false;
}

static void
rule_decode(struct ordered_decode *d, const struct json_field *f, bool egress)
{
    const char *peers_name = egress ? "to" : "from";
    struct json_field name = json_field_member(f, "name");
    struct json_field action = json_field_member(f, "action");
    struct json_field peers = json_field_member(f, peers_name);
    struct json_field ports = json_field_member(f, d->api->ports);

    d->rule->name = xstrdup("");
    if (!json_field_is_object(f)) {
        schema_required(f);
        return;
    }

    const char *text = schema_string(&name, MAX_NAME);

    if (text) {
        free(d->rule->name);
        d->rule->name = xstrdup(text);
    }
    action_decode(d, &action);
    ordered_peers_decode(d, &peers, egress);
    ordered_ports_decode(d, &ports);
    unknown_members_check(d, f, peers_name);
    if (has_unnamed_peers(d->rule) && has_named_ports(d->rule)) {
        schema_rule_broken(&d->rules, f, "object", d->api->named_port_message);
    }
}

static struct ordered_rule *
rules_decode(struct ordered_decode *d, const struct json_field *list, bool egress, size_t *n)
{
    *n = schema_list(list, 0, d->api->max_rules);

    struct ordered_rule *rules = *n ? xcalloc(*n, sizeof *rules) : NULL;

    for (size_t i = 0; i < *n; i++) {
        struct json_field element = json_field_element(list, i);

        d->rule = &rules[i];
        rule_decode(d, &element, egress);
    }
    return rules;
}

/* Policies. */

static enum ordered_tier
tier_decode(const struct ordered_decode *d, const struct json_field *f)
{
    static const char *const tiers[] = { "Admin", "Baseline" };

    if (d->api->has_tier) {
        return schema_enum(f, tiers, ARRAY_SIZE(tiers)) == 1 ? ORDERED_TIER_BASELINE
                                                             : ORDERED_TIER_ADMIN;
    }
    return d->api->has_priority ? ORDERED_TIER_ADMIN : ORDERED_TIER_BASELINE;
}

static void
spec_decode(struct ordered_decode *d, const struct json_field *spec, struct ordered_policy *policy)
{
    struct json_field priority = json_field_member(spec, "priority");
    struct json_field subject = json_field_member(spec, "subject");
    struct json_field tier = json_field_member(spec, "tier");
    struct json_field ingress = json_field_member(spec, "ingress");
    struct json_field egress = json_field_member(spec, "egress");

    if (!schema_required(spec) || !json_field_is_object(spec)) {
        return;
    }
    policy->priority = LAST_PRIORITY;
    if (d->api->has_priority && schema_required(&priority)) {
        policy->priority = schema_integer(&priority, 0, MAX_PRIORITY, LAST_PRIORITY);
    }
    ordered_subject_decode(d, &subject, &policy->subject);
    policy->tier = tier_decode(d, &tier);
    policy->ingress = rules_decode(d, &ingress, false, &policy->n_ingress);
    policy->egress = rules_decode(d, &egress, true, &policy->n_egress);
}

static const struct ordered_api *
api_of(const json_t *json)
{
    const char *kind = json_string_value(json_object_get(json, "kind"));

    for (size_t i = 0; kind && i < ARRAY_SIZE(apis); i++) {
        if (!strcmp(apis[i].kind, kind)) {
            return &apis[i];
        }
    }
    return &apis[0];
}

static bool
is_group_policy(const json_t *json)
{
    const char *kind = json_string_value(json_object_get(json, "kind"));

    return kind && !strcmp(kind, POLICY_KIND_GROUP);
}

struct ordered_policy *
ordered_policy_decode(const json_t *json, struct field_errors *errors)
{
    if (is_group_policy(json)) {
        return group_policy_decode(json, errors);
    }

    struct ordered_decode d = { .api = api_of(json) };
    struct json_field object = json_field_root(json, errors);
    struct json_field spec = json_field_member(&object, "spec");
    struct json_field status = json_field_member(&object, "status");
    struct ordered_policy *policy = xzalloc(sizeof *policy);
    size_t before = field_errors_count(errors);

    schema_rules_init(&d.rules, errors);
    policy->kind = d.api->kind;
    object_meta_decode(&object, false, name_subdomain_check, &policy->meta);
    spec_decode(&d, &spec, policy);
    ordered_conditions_check(&status);
    if (d.api->is_singleton && strcmp(policy->meta.name, "default")) {
        schema_rule_broken(&d.rules, &object, "object",
                           "Only one baseline admin network policy with "
                           "metadata.name=\"default\" can be created in the cluster");
    }
    schema_rules_finish(&d.rules);
    if (field_errors_count(errors) != before) {
        ordered_policy_destroy(policy);
        return NULL;
    }
    return policy;
}

const struct ordered_rule *
ordered_policy_doubt(const struct ordered_policy *policy)
{
    for (size_t i = 0; i < policy->n_ingress; i++) {
        if (policy->ingress[i].fail_closed) {
            return &policy->ingress[i];
        }
    }
    for (size_t i = 0; i < policy->n_egress; i++) {
        if (policy->egress[i].fail_closed) {
            return &policy->egress[i];
        }
    }
    return NULL;
}

void
ordered_peer_uninit(struct ordered_peer *peer)
{
    selector_uninit(&peer->namespaces);
    selector_uninit(&peer->pods);
    selector_uninit(&peer->nodes);
    free(peer->prefixes);
    for (size_t i = 0; i < peer->n_domains; i++) {
        free(peer->domains[i]);
    }
    free(peer->domains);
    free(peer->name);
}

static void
rules_destroy(struct ordered_rule *rules, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < rules[i].n_peers; j++) {
            ordered_peer_uninit(&rules[i].peers[j]);
        }
        free(rules[i].peers);
        free(rules[i].ports);
        free(rules[i].name);
        free(rules[i].fail_closed);
    }
    free(rules);
}

void
ordered_policy_destroy(struct ordered_policy *policy)
{
    if (policy) {
        object_meta_uninit(&policy->meta);
        ordered_peer_uninit(&policy->subject);
        rules_destroy(policy->ingress, policy->n_ingress);
        rules_destroy(policy->egress, policy->n_egress);
        free(policy);
    }
}
