/* See apply.h. */
#include "programs/virga-controller/apply.h"

#include <string.h>

#include "compile/compile.h"
#include "model/groups.h"
#include "model/objects.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "sources/object_store.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(apply);

static const char *
meta_string(const json_t *object, const char *member)
{
    const char *s = json_string_value(
        json_object_get(json_object_get(object, "metadata"), member));
    return s ? s : "";
}

static bool
set_namespace(struct compile *compile, const json_t *object, struct field_errors *errors)
{
    bool doubtful;
    struct k8s_namespace *ns = k8s_namespace_decode_stored(object, errors, &doubtful);
    if (!ns) {
        return false;
    }
    if (doubtful) {
        VLOG_WARN("Namespace %s: an annotation for isolation has no known value; it is isolated",
                  ns->meta.name);
    }
    compile_set_namespace(compile, ns);
    return true;
}

/* Decoders that refuse what they cannot make out. */
#define SETTER(TYPE, SET)                                                 \
    static bool set_##TYPE(struct compile *compile, const json_t *object, \
                           struct field_errors *errors)                   \
    {                                                                     \
        struct TYPE *decoded = TYPE##_decode(object, errors);             \
        if (decoded) {                                                    \
            SET(compile, decoded);                                        \
        }                                                                 \
        return decoded != NULL;                                           \
    }
SETTER(k8s_pod, compile_set_pod)
SETTER(k8s_node, compile_set_node_object)
SETTER(network_policy, compile_set_policy)
SETTER(policy_group, compile_set_policy_group)
SETTER(network_group, compile_set_network_group)

/* Nothing in its status, whoever wrote it, may keep a policy from being enforced. */
static bool
set_ordered_policy(struct compile *compile, const json_t *object, struct field_errors *errors)
{
    json_t *bare = json_copy(CONST_CAST(json_t *, object));
    json_object_del(bare, "status");
    struct ordered_policy *decoded = ordered_policy_decode(bare, errors);
    json_decref(bare);
    if (decoded) {
        compile_set_ordered_policy(compile, decoded);
    }
    return decoded != NULL;
}

static bool
is_ordered(const struct resource_kind *kind)
{
    return !strcmp(kind->group, "policy.networking.k8s.io")
           || !strcmp(kind->kind, POLICY_KIND_GROUP);
}

static bool
set_object(struct compile *compile, const struct resource_kind *kind, const json_t *object,
           struct field_errors *errors)
{
    if (!strcmp(kind->kind, "Namespace")) {
        return set_namespace(compile, object, errors);
    } else if (!strcmp(kind->kind, "Pod")) {
        return set_k8s_pod(compile, object, errors);
    } else if (!strcmp(kind->kind, "Node")) {
        return set_k8s_node(compile, object, errors);
    } else if (!strcmp(kind->kind, "NetworkPolicy")) {
        return set_network_policy(compile, object, errors);
    } else if (is_ordered(kind)) {
        return set_ordered_policy(compile, object, errors);
    } else if (!strcmp(kind->kind, "PolicyGroup")) {
        return set_policy_group(compile, object, errors);
    } else if (!strcmp(kind->kind, "NetworkGroup")) {
        return set_network_group(compile, object, errors);
    }
    return true;
}

void
apply_object(struct compile *compile, const struct resource_kind *kind, const json_t *object)
{
    struct field_errors errors;
    field_errors_init(&errors);
    if (!set_object(compile, kind, object, &errors)) {
        struct ds text = DS_EMPTY_INITIALIZER;
        if (errors.n) {
            field_error_format(&errors.a[0], &text);
        }
        VLOG_ERR("%s %s/%s is ignored: %s", kind->kind, meta_string(object, "namespace"),
                 meta_string(object, "name"), ds_cstr(&text));
        ds_destroy(&text);
        apply_deletion(compile, kind, meta_string(object, "namespace"),
                       meta_string(object, "name"));
    }
    field_errors_uninit(&errors);
}

static const char *
policy_kind(const struct resource_kind *kind)
{
    return strcmp(kind->group, "networking.k8s.io") ? POLICY_KIND_ALPHA : POLICY_KIND_NETWORK;
}

void
apply_deletion(struct compile *compile, const struct resource_kind *kind, const char *ns,
               const char *name)
{
    if (!strcmp(kind->kind, "Namespace")) {
        compile_del_namespace(compile, name);
    } else if (!strcmp(kind->kind, "Pod")) {
        compile_del_pod(compile, ns, name);
    } else if (!strcmp(kind->kind, "NetworkPolicy")) {
        compile_del_policy(compile, policy_kind(kind), ns, name);
    } else if (!strcmp(kind->kind, "Node")) {
        compile_del_node_object(compile, name);
    } else if (is_ordered(kind)) {
        compile_del_ordered_policy(compile, kind->kind, name);
    } else if (!strcmp(kind->kind, "PolicyGroup")) {
        compile_del_policy_group(compile, name);
    } else if (!strcmp(kind->kind, "NetworkGroup")) {
        compile_del_network_group(compile, name);
    }
}
