#include "model/objects.h"

#include <stdlib.h>

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

struct k8s_namespace *
k8s_namespace_decode(const json_t *json, struct field_errors *errors)
{
    struct json_field object = json_field_root(json, errors);
    struct k8s_namespace *ns = xzalloc(sizeof *ns);
    size_t before = field_errors_count(errors);
    struct annotation subnets;

    object_meta_decode(&object, false, name_label_check, &ns->meta);
    object_annotation(&object, "virga.dev/subnets", &subnets);
    if (subnets.text) {
        struct subnets_walk walk = { &subnets.entry, ns };

        each_item(subnets.text, subnet_add, &walk);
    }
    if (field_errors_count(errors) != before) {
        k8s_namespace_destroy(ns);
        return NULL;
    }
    /* The API server sets it, whatever the object says; policies rely on it. */
    labels_set(&ns->meta.labels, "kubernetes.io/metadata.name", ns->meta.name);
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
