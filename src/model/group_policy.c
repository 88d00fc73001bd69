/* GroupPolicy of virga.dev/v1alpha1: an ordered policy about groups. */
#include "model/group_decode.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "model/names.h"
#include "model/object_decode.h"
#include "model/schema_checks.h"
#include "util.h"

/* What holds for all rules of a policy. */
struct rule_flags {
    bool log;
    bool dry_run;
};

/* One rule on its way. */
struct rule_decode {
    struct schema_rules *rules;
    struct ordered_rule *rule;
    bool egress;
};

static void
fail_closed(struct ordered_rule *rule, const struct json_field *f)
{
    if (!rule->fail_closed) {
        char *path = json_field_path(f);

        rule->fail_closed = xasprintf("%s is not known", path);
        free(path);
    }
}

/* 'path' is of what a newer version may have added to narrow the rule; NULL:
 * there is nothing. */
static void
take_unknown(struct ordered_rule *rule, char *path)
{
    if (path && !rule->fail_closed) {
        rule->fail_closed = xasprintf("%s is not known", path);
    }
    free(path);
}

static void
unknown_members_check(struct ordered_rule *rule, const struct json_field *f,
                      const char *const *known, size_t n)
{
    take_unknown(rule, schema_unknown_member(f, known, n));
}

static struct rule_flags
flags_decode(const struct json_field *f)
{
    struct json_field log = json_field_member(f, "log");
    struct json_field stats = json_field_member(f, "stats");
    struct json_field dry_run = json_field_member(f, "dryRun");

    json_field_bool(&stats); /* Every rule is counted anyway. */
    return (struct rule_flags){ .log = json_field_bool(&log),
                                .dry_run = json_field_bool(&dry_run) };
}

/* Peers. */

static void
group_peer_decode(const struct json_field *f, enum ordered_peer_kind kind,
                  struct ordered_peer *peer)
{
    peer->name = group_name_decode(f);
    peer->kind = peer->name ? kind : ORDERED_PEER_UNKNOWN;
}

static void
world_decode(const struct json_field *f, struct ordered_peer *peer)
{
    peer->kind = ORDERED_PEER_WORLD;
    if (!json_field_bool(f) && json_is_boolean(f->value)) {
        json_field_error(f, FIELD_NOT_SUPPORTED, "supported values: true");
    }
}

static void
peer_decode(struct rule_decode *d, const struct json_field *f, struct ordered_peer *peer)
{
    struct json_field member;

    if (!schema_required(f) || !schema_one_member(f, &member)) {
        return;
    }
    if (!strcmp(member.name, "group")) {
        group_peer_decode(&member, ORDERED_PEER_GROUP, peer);
    } else if (!strcmp(member.name, "networkGroup")) {
        group_peer_decode(&member, ORDERED_PEER_NETWORK_GROUP, peer);
    } else if (!strcmp(member.name, "namespaces")) {
        peer->kind = ORDERED_PEER_PODS;
        label_selector_decode(&member, &peer->namespaces);
        take_unknown(d->rule, schema_unknown_in_selector(&member));
    } else if (!strcmp(member.name, "world")) {
        world_decode(&member, peer);
    } else {
        fail_closed(d->rule, &member);
    }
}

static void
peers_decode(struct rule_decode *d, const struct json_field *list)
{
    struct ordered_rule *rule = d->rule;

    rule->n_peers = schema_list(list, 1, GROUP_POLICY_MAX_PEERS);
    rule->peers = xcalloc(rule->n_peers + 1, sizeof *rule->peers);
    for (size_t i = 0; i < rule->n_peers; i++) {
        struct json_field element = json_field_element(list, i);

        peer_decode(d, &element, &rule->peers[i]);
    }
}

/* Ports. */

static uint8_t
port_protocol_decode(const struct json_field *f)
{
    static const char *const words[] = { "TCP", "UDP", "SCTP" };
    static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP };
    int i = f->value ? schema_enum(f, words, ARRAY_SIZE(words)) : 0;

    return protocols[MAX(i, 0)];
}

/* A number, or a name. */
static void
port_number_or_name_decode(const struct json_field *f, struct policy_port *port)
{
    if (!f->value) {
        port->last = UINT16_MAX;
    } else if (json_is_string(f->value)) {
        const char *name = schema_string(f, NAME_PORT_MAX);

        if (name && json_field_accept(f, name, name_port_check(name))) {
            port->name = intern(name);
        }
    } else if (json_is_integer(f->value)) {
        port->first = port->last = schema_integer(f, 1, UINT16_MAX, 1);
    } else {
        json_field_error(f, FIELD_TYPE_INVALID, "must be of type integer,string");
    }
}

static void
port_decode(struct rule_decode *d, const struct json_field *f, struct policy_port *port)
{
    static const char *const known[] = { "protocol", "port", "endPort" };
    struct json_field protocol = json_field_member(f, "protocol");
    struct json_field number = json_field_member(f, "port");
    struct json_field end = json_field_member(f, "endPort");

    *port = (struct policy_port){ .protocol = IPPROTO_TCP };
    if (!schema_required(f) || !json_field_is_object(f)) {
        return;
    }
    port->protocol = port_protocol_decode(&protocol);
    port_number_or_name_decode(&number, port);
    if (end.value) {
        uint16_t last = schema_integer(&end, 1, UINT16_MAX, UINT16_MAX);

        if (!json_is_integer(number.value) || last < port->first) {
            schema_rule_broken(d->rules, &end, "object",
                               "needs a port that is a number, and not above it");
        } else {
            port->last = last;
        }
    }
    unknown_members_check(d->rule, f, known, ARRAY_SIZE(known));
}

static void
ports_decode(struct rule_decode *d, const struct json_field *list)
{
    struct ordered_rule *rule = d->rule;

    rule->n_ports = schema_list(list, 1, GROUP_POLICY_MAX_PORTS);
    rule->ports = xcalloc(rule->n_ports + 1, sizeof *rule->ports);
    for (size_t i = 0; i < rule->n_ports; i++) {
        struct json_field element = json_field_element(list, i);

        port_decode(d, &element, &rule->ports[i]);
    }
}

/* Rules. */

static enum ordered_action
action_decode(const struct json_field *f)
{
    static const char *const words[] = { "Accept", "Allow", "Deny", "Reject", "Pass" };
    static const enum ordered_action actions[] = { ORDERED_ALLOW, ORDERED_ALLOW, ORDERED_DENY,
                                                   ORDERED_REJECT, ORDERED_PASS };
    int i = schema_enum(f, words, ARRAY_SIZE(words));

    return i < 0 ? ORDERED_DENY : actions[i];
}

static bool
has_named_port(const struct ordered_rule *rule)
{
    for (size_t i = 0; i < rule->n_ports; i++) {
        if (rule->ports[i].name) {
            return true;
        }
    }
    return false;
}

static bool
has_peer_without_ports(const struct ordered_rule *rule)
{
    for (size_t i = 0; i < rule->n_peers; i++) {
        if (rule->peers[i].kind == ORDERED_PEER_NETWORK_GROUP
            || rule->peers[i].kind == ORDERED_PEER_WORLD) {
            return true;
        }
    }
    return false;
}

static void
rule_members_decode(struct rule_decode *d, const struct json_field *f)
{
    const char *peers_name = d->egress ? "to" : "from";
    const char *const known[] = {
        "name", "action", peers_name, "ports", "log", "stats", "dryRun"
    };
    struct json_field name = json_field_member(f, "name");
    struct json_field action = json_field_member(f, "action");
    struct json_field peers = json_field_member(f, peers_name);
    struct json_field ports = json_field_member(f, "ports");
    const char *text = schema_string(&name, GROUP_POLICY_MAX_NAME);

    if (text) {
        free(d->rule->name);
        d->rule->name = xstrdup(text);
    }
    d->rule->action = action_decode(&action);
    peers_decode(d, &peers);
    ports_decode(d, &ports);
    unknown_members_check(d->rule, f, known, ARRAY_SIZE(known));
    if (d->egress && has_named_port(d->rule) && has_peer_without_ports(d->rule)) {
        schema_rule_broken(d->rules, f, "object",
                           "a named port cannot be asked of networkGroup or world");
    }
}

static struct ordered_rule *
rules_decode(struct schema_rules *rules, const struct json_field *list, bool egress,
             struct rule_flags of_policy, size_t *n)
{
    *n = schema_list(list, 0, GROUP_POLICY_MAX_RULES);

    struct ordered_rule *all = xcalloc(*n + 1, sizeof *all);

    for (size_t i = 0; i < *n; i++) {
        struct json_field element = json_field_element(list, i);
        struct rule_decode d = { rules, &all[i], egress };

        all[i].name = xstrdup("");
        if (schema_required(&element) && json_field_is_object(&element)) {
            struct rule_flags flags = flags_decode(&element);

            rule_members_decode(&d, &element);
            all[i].log = flags.log || of_policy.log;
            all[i].dry_run = flags.dry_run || of_policy.dry_run;
        }
    }
    return all;
}

/* Policies. */

static void
subject_decode(const struct json_field *f, struct ordered_peer *subject)
{
    struct json_field group = json_field_member(f, "group");

    subject->kind = ORDERED_PEER_GROUP;
    if (schema_required(f) && json_field_is_object(f)) {
        subject->name = group_name_decode(&group);
    }
}

/* A newer version may narrow the subject, and so each rule. */
static void
subject_unknown_check(const struct json_field *f, struct ordered_rule *rules, size_t n)
{
    static const char *const known[] = { "group" };

    for (size_t i = 0; i < n; i++) {
        take_unknown(&rules[i], schema_unknown_member(f, known, ARRAY_SIZE(known)));
    }
}

static void
group_policy_spec_decode(struct schema_rules *rules, const struct json_field *spec,
                         struct ordered_policy *policy)
{
    static const char *const tiers[] = { "Admin", "Group", "Baseline" };
    static const enum ordered_tier of_words[] = { ORDERED_TIER_ADMIN, ORDERED_TIER_GROUP,
                                                  ORDERED_TIER_BASELINE };
    struct json_field tier = json_field_member(spec, "tier");
    struct json_field priority = json_field_member(spec, "priority");
    struct json_field subject = json_field_member(spec, "subject");
    struct json_field ingress = json_field_member(spec, "ingress");
    struct json_field egress = json_field_member(spec, "egress");
    struct rule_flags flags = flags_decode(spec);
    int i = schema_enum(&tier, tiers, ARRAY_SIZE(tiers));

    policy->tier = of_words[MAX(i, 0)];
    if (schema_required(&priority)) {
        policy->priority = schema_integer(&priority, 0, GROUP_POLICY_MAX_PRIORITY, 0);
    }
    subject_decode(&subject, &policy->subject);
    policy->ingress = rules_decode(rules, &ingress, false, flags, &policy->n_ingress);
    policy->egress = rules_decode(rules, &egress, true, flags, &policy->n_egress);
    subject_unknown_check(&subject, policy->ingress, policy->n_ingress);
    subject_unknown_check(&subject, policy->egress, policy->n_egress);
}

struct ordered_policy *
group_policy_decode(const json_t *json, struct field_errors *errors)
{
    struct json_field object = json_field_root(json, errors);
    struct json_field spec = json_field_member(&object, "spec");
    struct ordered_policy *policy = xzalloc(sizeof *policy);
    size_t before = field_errors_count(errors);
    struct schema_rules rules;

    schema_rules_init(&rules, errors);
    policy->kind = POLICY_KIND_GROUP;
    object_meta_decode(&object, false, name_subdomain_check, &policy->meta);
    if (schema_required(&spec) && json_field_is_object(&spec)) {
        group_policy_spec_decode(&rules, &spec, policy);
    }
    schema_rules_finish(&rules);
    if (field_errors_count(errors) != before) {
        ordered_policy_destroy(policy);
        return NULL;
    }
    return policy;
}
