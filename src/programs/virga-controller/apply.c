/* See apply.h. */
#include "programs/virga-controller/apply.h"

#include <stdlib.h>
#include <string.h>

#include "compile/compile.h"
#include "model/groups.h"
#include "model/objects.h"
#include "model/ordered_policy.h"
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

/* --- What is stored and cannot be read ------------------------------------------- *
 *
 * Another version took it, perhaps.  Policies deny what they might deny. */

static json_t *
copy_with_spec(const json_t *object, json_t *spec)
{
    json_t *copy = json_copy(CONST_CAST(json_t *, object));
    json_t *meta = json_copy(json_object_get(object, "metadata"));
    json_object_del(meta, "labels");
    json_object_del(meta, "annotations");
    json_object_set_new(copy, "metadata", meta);
    json_object_set_new(copy, "spec", spec);
    json_object_del(copy, "status");
    return copy;
}

/* As 'attempt' grows, less of it: its pods are isolated and nothing is allowed. */
static json_t *
closed_network_spec(const json_t *spec, int attempt)
{
    json_t *closed = json_pack("{s:[s, s]}", "policyTypes", "Ingress", "Egress");
    json_t *pods = json_object_get(spec, "podSelector");
    json_t *types = json_object_get(spec, "policyTypes");
    if (pods && attempt < 2) {
        json_object_set(closed, "podSelector", pods);
    }
    if (json_array_size(types) && attempt < 1) {
        json_object_set(closed, "policyTypes", types);
    }
    return closed;
}

static bool
close_network_policy(struct compile *compile, const json_t *object)
{
    bool done = false;
    for (int attempt = 0; attempt < 3 && !done; attempt++) {
        struct field_errors errors;
        field_errors_init(&errors);
        json_t *closed = copy_with_spec(
            object, closed_network_spec(json_object_get(object, "spec"), attempt));
        done = set_network_policy(compile, closed, &errors);
        json_decref(closed);
        field_errors_uninit(&errors);
    }
    return done;
}

/* One rule for all: one that denies if there is one that does more than allow.  Its
 * 'fail_closed' is set later. */
static json_t *
closed_rules(const json_t *rules, const char *peers)
{
    const char *closed = json_is_array(rules) || json_is_null(rules) || !rules ? NULL : "Deny";
    size_t i;
    const json_t *rule;
    json_array_foreach (rules, i, rule) {
        const char *action = json_string_value(json_object_get(rule, "action"));
        bool allows = action && (!strcmp(action, "Accept") || !strcmp(action, "Allow"));
        closed = !allows ? "Deny" : closed ? closed : action;
    }
    return closed ? json_pack("[{s:s, s:[{s:{}}]}]", "action", closed, peers, "namespaces")
                  : json_array();
}

static void
set_fail_closed(struct ordered_rule *rules, size_t n, const char *why)
{
    for (size_t i = 0; i < n; i++) {
        free(rules[i].fail_closed);
        rules[i].fail_closed = xstrdup(why);
    }
}

/* Its subject, tier and priority must be there. */
static bool
close_ordered_policy(struct compile *compile, const json_t *object, const char *why)
{
    struct field_errors errors;
    field_errors_init(&errors);
    json_t *spec = json_copy(json_object_get(object, "spec"));
    json_object_set_new(spec, "ingress", closed_rules(json_object_get(spec, "ingress"), "from"));
    json_object_set_new(spec, "egress", closed_rules(json_object_get(spec, "egress"), "to"));
    json_t *closed = copy_with_spec(object, spec);
    struct ordered_policy *policy = ordered_policy_decode(closed, &errors);
    json_decref(closed);
    field_errors_uninit(&errors);
    if (policy) {
        set_fail_closed(policy->ingress, policy->n_ingress, why);
        set_fail_closed(policy->egress, policy->n_egress, why);
        compile_set_ordered_policy(compile, policy);
    }
    return policy != NULL;
}

static void
close_object(struct compile *compile, const struct resource_kind *kind, const json_t *object,
             const char *why)
{
    const char *ns = meta_string(object, "namespace"), *name = meta_string(object, "name");
    bool closed = false;
    if (json_is_object(json_object_get(object, "spec"))) {
        closed = !strcmp(kind->kind, "NetworkPolicy") ? close_network_policy(compile, object)
                 : is_ordered(kind)                   ? close_ordered_policy(compile, object, why)
                                                      : false;
    }
    if (closed) {
        VLOG_ERR("%s %s/%s allows nothing, and denies what it might: %s", kind->kind, ns, name,
                 why);
    } else {
        VLOG_ERR("%s %s/%s is ignored: %s", kind->kind, ns, name, why);
        apply_deletion(compile, kind, ns, name);
    }
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
        close_object(compile, kind, object, ds_cstr(&text));
        ds_destroy(&text);
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
