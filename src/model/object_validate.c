#include "model/objects.h"

#include <stdlib.h>
#include <string.h>

#include "model/groups.h"
#include "model/object_decode.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "sources/object_store.h"
#include "util.h"

/* Decoders as validators: what they decode is thrown away. */
#define VALIDATOR(TYPE)                                                     \
    static void TYPE##_validate(const json_t *json, struct field_errors *e) \
    {                                                                       \
        TYPE##_destroy(TYPE##_decode(json, e));                             \
    }
VALIDATOR(k8s_namespace)
VALIDATOR(k8s_node)
VALIDATOR(k8s_pod)
VALIDATOR(network_policy)
VALIDATOR(ordered_policy)
VALIDATOR(policy_group)
VALIDATOR(network_group)

static const struct {
    const char *key; /* resource_kind's. */
    void (*validate)(const json_t *, struct field_errors *);
} validators[] = {
    { "namespaces", k8s_namespace_validate },
    { "nodes", k8s_node_validate },
    { "pods", k8s_pod_validate },
    { "networkpolicies.networking.k8s.io", network_policy_validate },
    { "networkpolicies.extensions", network_policy_validate },
    { "networkpolicys.net.alpha.kubernetes.io", network_policy_validate },
    { "clusternetworkpolicies.policy.networking.k8s.io", ordered_policy_validate },
    { "adminnetworkpolicies.policy.networking.k8s.io", ordered_policy_validate },
    { "baselineadminnetworkpolicies.policy.networking.k8s.io", ordered_policy_validate },
    { "policygroups.virga.dev", policy_group_validate },
    { "networkgroups.virga.dev", network_group_validate },
    { "grouppolicies.virga.dev", ordered_policy_validate },
};

/* A string that must be there; NULL with an error added. */
static const char *
required_string(const struct json_field *f)
{
    const char *s = json_field_string(f);

    if ((!f->value || s) && !(s && s[0])) {
        json_field_error(f, FIELD_REQUIRED, "%s", "");
        return NULL;
    }
    return s;
}

/* Adds an error that says which versions of the kind there are; false if none. */
static bool
other_version_error(const struct json_field *api_version_field, const char *kind)
{
    struct ds versions = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < n_resource_forms; i++) {
        if (!strcmp(resource_kinds[i].kind, kind)) {
            char *api_version = resource_kind_api_version(&resource_kinds[i]);

            ds_put_format(&versions, "%s\"%s\"", versions.length ? ", " : "", api_version);
            free(api_version);
        }
    }

    bool found = versions.length > 0;

    if (found) {
        json_field_error(api_version_field, FIELD_NOT_SUPPORTED, "supported values: %s",
                         ds_cstr(&versions));
    }
    ds_destroy(&versions);
    return found;
}

static const struct resource_kind *
kind_decode(const struct json_field *object)
{
    struct json_field api_version_field = json_field_member(object, "apiVersion");
    struct json_field kind_field = json_field_member(object, "kind");
    const char *api_version = required_string(&api_version_field);
    const char *kind = required_string(&kind_field);

    if (!api_version || !kind) {
        return NULL;
    }

    const struct resource_kind *rk = resource_kind_by_gvk(api_version, kind);

    if (!rk && !other_version_error(&api_version_field, kind)) {
        json_field_error(&kind_field, FIELD_NOT_SUPPORTED,
                         "no matches for kind \"%.64s\" in version \"%.64s\"", kind, api_version);
    }
    return rk;
}

void
object_validate(const json_t *json, struct field_errors *errors)
{
    struct json_field object = json_field_root(json, errors);

    if (!json_is_object(json)) {
        json_field_error(&object, FIELD_TYPE_INVALID, "must be an object");
        return;
    }

    const struct resource_kind *kind = kind_decode(&object);

    for (size_t i = 0; kind && i < ARRAY_SIZE(validators); i++) {
        if (!strcmp(validators[i].key, kind->key)) {
            validators[i].validate(json, errors);
        }
    }
}
