#include "model/objects.h"

#include <stdlib.h>
#include <string.h>

#include "model/names.h"
#include "model/object_decode.h"
#include "model/policy_decode.h"
#include "util.h"

/* Ports. */

static void
named_port_decode(const struct json_field *f, struct policy_port *port)
{
    const char *name = json_field_string(f);

    if (name && json_field_accept(f, name, name_port_check(name))) {
        port->name = intern(name);
    }
}

/* endPort of a range that starts at 'port', itself valid if port->first. */
static void
end_port_decode(const struct json_field *f, const struct json_field *port_field,
                struct policy_port *port)
{
    uint16_t end = port_number_decode(f);

    if (!f->value) {
        return;
    }
    if (!port_field->value) {
        json_field_error(f, FIELD_INVALID, "may not be specified when `port` is not specified");
    } else if (json_is_string(port_field->value)) {
        json_field_error(f, FIELD_INVALID, "may not be specified when `port` is non-numeric");
    } else if (end && port->first && end < port->first) {
        json_field_error(f, FIELD_INVALID, "must be greater than or equal to `port`");
    } else {
        port->last = end;
    }
}

static void
policy_port_decode(const struct json_field *f, bool any_case, struct policy_port *port)
{
    struct json_field number = json_field_member(f, "port");
    struct json_field end = json_field_member(f, "endPort");

    json_field_is_object(f);
    *port = (struct policy_port){
        .protocol = any_case ? protocol_decode_any_case(f) : protocol_decode(f),
    };
    if (!number.value) {
        port->last = UINT16_MAX;
    } else if (json_is_string(number.value)) {
        named_port_decode(&number, port);
    } else if (json_is_integer(number.value)) {
        port->first = port->last = port_number_decode(&number);
    } else {
        json_field_error(&number, FIELD_TYPE_INVALID, "must be a number or the name of a port");
    }
    end_port_decode(&end, &number, port);
}

void
policy_ports_decode(const struct json_field *list, bool any_case, struct policy_rule *rule)
{
    rule->n_ports = json_field_array_length(list, OBJECTS_MAX_PORTS);
    rule->ports = rule->n_ports ? xcalloc(rule->n_ports, sizeof *rule->ports) : NULL;
    for (size_t i = 0; i < rule->n_ports; i++) {
        struct json_field element = json_field_element(list, i);

        policy_port_decode(&element, any_case, &rule->ports[i]);
    }
}

/* Peers. */

/* Unlike prefix_parse(), asks for a length; bits beyond it are cleared, as
 * Kubernetes does. */
static bool
cidr_decode(const struct json_field *f, const char *text, struct prefix *p)
{
    char *error = prefix_parse(text, false, p);
    bool ok = !error && strchr(text, '/');

    free(error);
    if (!ok) {
        json_field_error_text(f, FIELD_INVALID, text,
                              "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
    }
    return ok;
}

static void
except_decode(const struct json_field *f, bool cidr_ok, struct policy_peer *peer)
{
    const char *text = json_field_string(f);
    struct prefix p;

    if (f->value && !text) {
        return;
    }
    text = text ? text : "";
    if (!cidr_decode(f, text, &p) || !cidr_ok) {
        return;
    }
    if (!prefix_is_strict_subset(&p, &peer->cidr)) {
        json_field_error_text(f, FIELD_INVALID, text, "must be a strict subset of `cidr`");
        return;
    }
    peer->excepts[peer->n_excepts++] = p;
}

static void
ip_block_decode(const struct json_field *f, struct policy_peer *peer)
{
    struct json_field cidr = json_field_member(f, "cidr");
    struct json_field except = json_field_member(f, "except");
    const char *text = json_field_string(&cidr);
    bool cidr_ok = false;

    peer->is_ip_block = true;
    json_field_is_object(f);
    if (text && text[0]) {
        cidr_ok = cidr_decode(&cidr, text, &peer->cidr);
    } else if (text || !cidr.value) {
        json_field_error(&cidr, FIELD_REQUIRED, "%s", "");
    }

    size_t n = json_field_array_length(&except, OBJECTS_MAX_VALUES);

    peer->excepts = n ? xcalloc(n, sizeof *peer->excepts) : NULL;
    for (size_t i = 0; i < n; i++) {
        struct json_field element = json_field_element(&except, i);

        except_decode(&element, cidr_ok, peer);
    }
}

static void
policy_peer_decode(const struct json_field *f, struct policy_peer *peer)
{
    struct json_field pods = json_field_member(f, "podSelector");
    struct json_field namespaces = json_field_member(f, "namespaceSelector");
    struct json_field block = json_field_member(f, "ipBlock");

    if (f->value && !json_field_is_object(f)) {
        return;
    }
    label_selector_decode(&pods, &peer->pod_selector);
    label_selector_decode(&namespaces, &peer->namespace_selector);
    peer->has_namespace_selector = namespaces.value != NULL;
    if (block.value) {
        ip_block_decode(&block, peer);
    }
    if (!block.value && !pods.value && !namespaces.value) {
        json_field_error(f, FIELD_REQUIRED, "must specify a peer");
    } else if (block.value && (pods.value || namespaces.value)) {
        json_field_error(f, FIELD_FORBIDDEN, "may not specify both ipBlock and another peer");
    }
}

static void
policy_peers_decode(const struct json_field *rule_field, const char *name,
                    struct policy_rule *rule)
{
    struct json_field list = json_field_member(rule_field, name);

    rule->n_peers = json_field_array_length(&list, OBJECTS_MAX_PEERS);
    rule->peers = rule->n_peers ? xcalloc(rule->n_peers, sizeof *rule->peers) : NULL;
    for (size_t i = 0; i < rule->n_peers; i++) {
        struct json_field element = json_field_element(&list, i);

        policy_peer_decode(&element, &rule->peers[i]);
    }
}

/* Rules. */

static struct policy_rule *
policy_rules_decode(const struct json_field *list, const char *peers_name, bool any_case,
                    size_t *n)
{
    *n = json_field_array_length(list, OBJECTS_MAX_RULES);

    struct policy_rule *rules = *n ? xcalloc(*n, sizeof *rules) : NULL;

    for (size_t i = 0; i < *n; i++) {
        struct json_field rule = json_field_element(list, i);

        struct json_field ports = json_field_member(&rule, "ports");

        json_field_is_object(&rule);
        policy_ports_decode(&ports, any_case, &rules[i]);
        policy_peers_decode(&rule, peers_name, &rules[i]);
    }
    return rules;
}

static void
policy_rules_destroy(struct policy_rule **rules, size_t *n)
{
    for (size_t i = 0; i < *n; i++) {
        struct policy_rule *rule = &(*rules)[i];

        for (size_t j = 0; j < rule->n_peers; j++) {
            selector_uninit(&rule->peers[j].pod_selector);
            selector_uninit(&rule->peers[j].namespace_selector);
            free(rule->peers[j].excepts);
        }
        free(rule->peers);
        free(rule->ports);
    }
    free(*rules);
    *rules = NULL;
    *n = 0;
}

/* The directions that the policy isolates. */

static void
policy_type_decode(const struct json_field *f, struct network_policy *policy)
{
    const char *type = json_field_string(f);

    if (type && !strcmp(type, "Ingress")) {
        policy->isolates_ingress = true;
    } else if (type && !strcmp(type, "Egress")) {
        policy->isolates_egress = true;
    } else if (type || !f->value) {
        json_field_error(f, FIELD_NOT_SUPPORTED, "supported values: \"Ingress\", \"Egress\"");
    }
}

static void
policy_types_decode(const struct json_field *f, struct network_policy *policy)
{
    bool is_list = json_is_array(f->value);

    if (is_list && json_array_size(f->value) > 2) {
        json_field_error(f, FIELD_INVALID, "may not specify more than two policyTypes");
        return;
    }

    size_t n = json_field_array_length(f, 2);

    for (size_t i = 0; i < n; i++) {
        struct json_field element = json_field_element(f, i);

        policy_type_decode(&element, policy);
    }
    if (!n) {
        policy->isolates_ingress = true;
        policy->isolates_egress = policy->n_egress > 0;
    }
}

static void
policy_spec_decode(const struct json_field *spec, bool any_case, struct network_policy *policy)
{
    struct json_field pods = json_field_member(spec, "podSelector");
    struct json_field ingress = json_field_member(spec, "ingress");
    struct json_field egress = json_field_member(spec, "egress");
    struct json_field types = json_field_member(spec, "policyTypes");

    json_field_is_object(spec);
    label_selector_decode(&pods, &policy->pod_selector);
    policy->ingress = policy_rules_decode(&ingress, "from", any_case, &policy->n_ingress);
    policy->egress = policy_rules_decode(&egress, "to", any_case, &policy->n_egress);
    policy_types_decode(&types, policy);

    /* Rules of a direction that is not isolated have no effect. */
    if (!policy->isolates_ingress) {
        policy_rules_destroy(&policy->ingress, &policy->n_ingress);
    }
    if (!policy->isolates_egress) {
        policy_rules_destroy(&policy->egress, &policy->n_egress);
    }
}

static bool
has_api_version(const json_t *json, const char *api_version)
{
    const char *s = json_string_value(json_object_get(json, "apiVersion"));

    return s && !strcmp(s, api_version);
}

static int32_t
priority_label_decode(const struct labels *labels)
{
    const char *text = labels_get(labels, intern(NETWORK_POLICY_PRIORITY_LABEL));
    unsigned int priority = 0;

    if (!text || !*text || text[strspn(text, "0123456789")] || !str_to_uint(text, 10, &priority)
        || priority > NETWORK_POLICY_MAX_PRIORITY) {
        return 0;
    }
    return priority;
}

struct network_policy *
network_policy_decode(const json_t *json, struct field_errors *errors)
{
    struct json_field object = json_field_root(json, errors);
    struct json_field spec = json_field_member(&object, "spec");
    struct network_policy *policy = xzalloc(sizeof *policy);
    size_t before = field_errors_count(errors);
    bool alpha = has_api_version(json, "net.alpha.kubernetes.io/v1alpha1");

    policy->kind = alpha ? POLICY_KIND_ALPHA : POLICY_KIND_NETWORK;
    object_meta_decode(&object, true, name_subdomain_check, &policy->meta);
    policy->priority = priority_label_decode(&policy->meta.labels);
    if (alpha) {
        alpha_policy_spec_decode(&spec, policy);
    } else {
        policy_spec_decode(&spec, has_api_version(json, "extensions/v1beta1"), policy);
    }
    if (field_errors_count(errors) != before) {
        network_policy_destroy(policy);
        return NULL;
    }
    return policy;
}

struct network_policy *
isolation_policy_create(const char *namespace_)
{
    struct network_policy *policy = xzalloc(sizeof *policy);

    policy->kind = POLICY_KIND_ISOLATION;
    policy->meta.namespace_ = xstrdup(namespace_);
    policy->meta.name = xstrdup(namespace_);
    policy->meta.uid = xstrdup("");
    labels_init(&policy->meta.labels);
    selector_init(&policy->pod_selector);
    policy->isolates_ingress = true;
    return policy;
}

void
network_policy_destroy(struct network_policy *policy)
{
    if (policy) {
        object_meta_uninit(&policy->meta);
        selector_uninit(&policy->pod_selector);
        policy_rules_destroy(&policy->ingress, &policy->n_ingress);
        policy_rules_destroy(&policy->egress, &policy->n_egress);
        free(policy);
    }
}
