/* See defaults.h.  Whatever has a wrong type is left for the validator. */
#include "api/defaults.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/util.h"

#include "sources/object_store.h"
#include "util.h"

static bool
is_kind(const struct resource_kind *kind, const char *name)
{
    return !strcmp(kind->kind, name);
}

/* The object member 'name', made if absent; NULL if it is something else. */
static json_t *
sub_object(json_t *object, const char *name)
{
    json_t *value = json_object_get(object, name);
    if (!value || json_is_null(value)) {
        value = json_object();
        json_object_set_new(object, name, value);
    }
    return json_is_object(value) ? value : NULL;
}

static void
default_namespace_label(json_t *object)
{
    json_t *meta = json_object_get(object, "metadata");
    json_t *name = json_object_get(meta, "name");
    json_t *labels = json_is_object(meta) ? sub_object(meta, "labels") : NULL;
    if (labels && json_is_string(name)) {
        json_object_set(labels, "kubernetes.io/metadata.name", name);
    }
}

static json_t *
json_upper(const char *s)
{
    char *upper = xstrdup(s);
    for (char *p = upper; *p; p++) {
        *p = *p >= 'a' && *p <= 'z' ? *p - 'a' + 'A' : *p;
    }
    json_t *value = json_string(upper);
    free(upper);
    return value;
}

/* extensions/v1beta1 takes "tcp" for "TCP". */
static void
protocols_to_upper(json_t *rules)
{
    size_t i, j;
    json_t *rule, *port;
    json_array_foreach (rules, i, rule) {
        json_array_foreach (json_object_get(rule, "ports"), j, port) {
            const char *protocol = json_string_value(json_object_get(port, "protocol"));
            if (protocol) {
                json_object_set_new(port, "protocol", json_upper(protocol));
            }
        }
    }
}

static void
default_protocols(json_t *rules)
{
    size_t i, j;
    json_t *rule, *port;
    json_array_foreach (rules, i, rule) {
        json_array_foreach (json_object_get(rule, "ports"), j, port) {
            if (json_is_object(port) && !json_object_get(port, "protocol")) {
                json_object_set_new(port, "protocol", json_string("TCP"));
            }
        }
    }
}

/* Of the protocol in AdminNetworkPolicy and BaselineAdminNetworkPolicy. */
static void
default_admin_protocols(json_t *rules)
{
    static const char *const forms[] = { "portNumber", "portRange" };
    size_t i, j;
    json_t *rule, *port;
    json_array_foreach (rules, i, rule) {
        json_array_foreach (json_object_get(rule, "ports"), j, port) {
            for (size_t k = 0; k < ARRAY_SIZE(forms); k++) {
                json_t *form = json_object_get(port, forms[k]);
                if (json_is_object(form) && !json_object_get(form, "protocol")) {
                    json_object_set_new(form, "protocol", json_string("TCP"));
                }
            }
        }
    }
}

/* pkg/apis/networking/v1/defaults.go: always Ingress, Egress if there are
 * egress rules. */
static void
default_policy(json_t *object)
{
    json_t *spec = json_object_get(object, "spec");
    if (!json_is_object(spec)) {
        return;
    }
    json_t *egress = json_object_get(spec, "egress");
    default_protocols(json_object_get(spec, "ingress"));
    default_protocols(egress);

    json_t *types = json_object_get(spec, "policyTypes");
    if (!types || json_is_null(types) || (json_is_array(types) && !json_array_size(types))) {
        types = json_pack("[s]", "Ingress");
        if (json_array_size(egress)) {
            json_array_append_new(types, json_string("Egress"));
        }
        json_object_set_new(spec, "policyTypes", types);
    }
}

void
defaults_apply(const struct resource_kind *kind, json_t *object)
{
    if (is_kind(kind, "Namespace")) {
        default_namespace_label(object);
    } else if (!strcmp(kind->key, "networkpolicies.networking.k8s.io")) {
        default_policy(object);
    } else if (!strcmp(kind->key, "networkpolicies.extensions")) {
        json_t *spec = json_object_get(object, "spec");
        protocols_to_upper(json_object_get(spec, "ingress"));
        protocols_to_upper(json_object_get(spec, "egress"));
        default_policy(object);
    } else if (is_kind(kind, "AdminNetworkPolicy")
               || is_kind(kind, "BaselineAdminNetworkPolicy")) {
        json_t *spec = json_object_get(object, "spec");
        default_admin_protocols(json_object_get(spec, "ingress"));
        default_admin_protocols(json_object_get(spec, "egress"));
    }
}

void
defaults_for_create(const struct resource_kind *kind, json_t *object)
{
    if (is_kind(kind, "Node")) {
        return;
    }
    json_object_del(object, "status");
    if (is_kind(kind, "Namespace")) {
        json_object_set_new(object, "status", json_pack("{s:s}", "phase", "Active"));
    } else if (is_kind(kind, "Pod")) {
        json_object_set_new(object, "status", json_pack("{s:s}", "phase", "Pending"));
    }
}
