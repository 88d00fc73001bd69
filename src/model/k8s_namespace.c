#include "model/objects.h"

#include <stdlib.h>
#include <string.h>

#include "model/names.h"
#include "model/object_decode.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

/* The annotation virga.dev/subnets. */

struct subnets_walk {
    const struct json_field *field;
    struct k8s_namespace *ns;
};

/* A network needs room for its gateway and an endpoint beside the first and
 * the last address. */
static bool
is_too_small(const struct prefix *p)
{
    return p->plen > 126;
}

static char *
subnet_check(const char *item, const struct k8s_namespace *ns, struct prefix *p)
{
    char *error = prefix_parse(item, true, p);

    if (error) {
        return error;
    }
    if (is_too_small(p)) {
        return xasprintf("subnet is too small: the prefix must be no longer than /%d",
                         prefix_is_ip4(p) ? 30 : 126);
    }
    if (!address_is_host(&p->addr)) {
        return xstrdup("must be a range of addresses for hosts");
    }
    for (size_t i = 0; i < ns->n_subnets; i++) {
        const struct prefix *q = &ns->subnets[i];

        if (prefix_covers(p, q) || prefix_covers(q, p)) {
            struct ds ds = DS_EMPTY_INITIALIZER;

            ds_put_cstr(&ds, "overlaps ");
            prefix_format(q, &ds);
            return ds_steal_cstr(&ds);
        }
    }
    return NULL;
}

static void
subnet_add(const char *item, void *walk_)
{
    struct subnets_walk *walk = walk_;
    struct k8s_namespace *ns = walk->ns;
    struct prefix p;

    if (!json_field_accept(walk->field, item, subnet_check(item, ns, &p))) {
        return;
    }
    if (ns->n_subnets >= OBJECTS_MAX_SUBNETS) {
        json_field_error_text(walk->field, FIELD_TOO_MANY, item, "too many subnets");
        return;
    }
    ns->subnets = xrealloc(ns->subnets, (ns->n_subnets + 1) * sizeof *ns->subnets);
    ns->subnets[ns->n_subnets++] = p;
}

/* The annotations of 2016 that isolate. */

/* net.alpha.kubernetes.io/network-isolation: on|off */
static bool
alpha_isolates(const struct json_field *object)
{
    struct annotation a;

    object_annotation(object, "net.alpha.kubernetes.io/network-isolation", &a);
    if (a.text && !strcmp(a.text, "on")) {
        return true;
    }
    if (a.entry.value && !(a.text && !strcmp(a.text, "off"))) {
        json_field_error(&a.entry, FIELD_NOT_SUPPORTED, "supported values: \"on\", \"off\"");
    }
    return false;
}

static bool
is_absent_or_object(const json_t *value)
{
    return !value || json_is_null(value) || json_is_object(value);
}

/* The isolation in {"ingress":{"isolation":"DefaultDeny"}}.  False if it cannot
 * be made out. */
static bool
beta_value_isolation(const json_t *value, bool *isolates)
{
    const json_t *ingress = json_object_get(value, "ingress");
    const json_t *isolation = json_object_get(ingress, "isolation");
    const char *s = json_string_value(isolation);

    *isolates = s && !strcmp(s, "DefaultDeny");
    return json_is_object(value) && is_absent_or_object(ingress)
           && (*isolates || !isolation || json_is_null(isolation));
}

/* net.beta.kubernetes.io/network-policy */
static bool
beta_isolates(const struct json_field *object)
{
    struct annotation a;

    object_annotation(object, "net.beta.kubernetes.io/network-policy", &a);
    if (!a.entry.value) {
        return false;
    }

    json_error_t error;
    json_t *value = a.text ? json_loads(a.text, 0, &error) : NULL;

    if (!value) {
        json_field_error(&a.entry, FIELD_INVALID, "must be JSON%s%s", a.text ? ": " : "",
                         a.text ? error.text : "");
        return false;
    }
    bool isolates;
    bool ok = beta_value_isolation(value, &isolates);
    json_decref(value);
    if (!ok) {
        json_field_error(&a.entry, FIELD_INVALID,
                         "must be {\"ingress\":{\"isolation\":\"DefaultDeny\"}}, or {} for no "
                         "isolation");
    }
    return ok && isolates;
}

static void
set_isolated(struct k8s_namespace *ns)
{
    ns->isolated = true;
    labels_set(&ns->meta.labels, NAMESPACE_ISOLATED_LABEL, "on");
}

/* Errors of the annotations that isolate go to 'isolation_errors'. */
static struct k8s_namespace *
decode_namespace(const json_t *json, struct field_errors *errors,
                 struct field_errors *isolation_errors)
{
    struct json_field object = json_field_root(json, errors);
    struct json_field isolation = json_field_root(json, isolation_errors);
    struct k8s_namespace *ns = xzalloc(sizeof *ns);
    size_t before = field_errors_count(errors);
    struct annotation subnets;

    object_meta_decode(&object, false, name_label_check, &ns->meta);
    object_annotation(&object, "virga.dev/subnets", &subnets);
    if (subnets.text) {
        struct subnets_walk walk = { &subnets.entry, ns };

        each_item(subnets.text, subnet_add, &walk);
    }

    bool alpha = alpha_isolates(&isolation);
    bool beta = beta_isolates(&isolation);

    if (field_errors_count(errors) != before) {
        k8s_namespace_destroy(ns);
        return NULL;
    }
    /* The API server sets it, whatever the object says; policies rely on it. */
    labels_set(&ns->meta.labels, "kubernetes.io/metadata.name", ns->meta.name);
    if (alpha || beta) {
        set_isolated(ns);
    }
    return ns;
}

struct k8s_namespace *
k8s_namespace_decode(const json_t *json, struct field_errors *errors)
{
    return decode_namespace(json, errors, errors);
}

struct k8s_namespace *
k8s_namespace_decode_stored(const json_t *json, struct field_errors *errors, bool *doubtful)
{
    struct field_errors isolation_errors;

    field_errors_init(&isolation_errors);
    struct k8s_namespace *ns = decode_namespace(json, errors, &isolation_errors);
    *doubtful = field_errors_count(&isolation_errors) > 0;
    field_errors_uninit(&isolation_errors);
    if (ns && *doubtful) {
        set_isolated(ns);
    }
    return ns;
}

void
k8s_namespace_destroy(struct k8s_namespace *ns)
{
    if (ns) {
        object_meta_uninit(&ns->meta);
        free(ns->subnets);
        free(ns);
    }
}
