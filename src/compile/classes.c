#include "compile/classes.h"

#include <stdlib.h>

#include "compile/named_port.h"
#include "compile/pod_name.h"
#include "hash.h"
#include "model/objects.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

void
classes_init(struct classes *classes, struct selection *selection)
{
    *classes = (struct classes){ .selection = selection };
    ovs_list_init(&classes->idle);
    simap_init(&classes->restored);
}

void
classes_uninit(struct classes *classes)
{
    classes_collect(classes);
    simap_destroy(&classes->restored);
    free(classes->scratch.a);
}

void
class_format(const char *namespace_, const struct labels *relevant, struct ds *ds)
{
    ds_put_format(ds, "%s{", namespace_);
    labels_format(relevant, ds);
    ds_put_char(ds, '}');
}

/* Those of 'labels' whose keys are relevant; valid until the next call. */
static const struct labels *
relevant_labels(struct classes *classes, const struct scope *scope, const struct labels *labels)
{
    struct labels *scratch = &classes->scratch;

    if (labels->n > classes->allocated_scratch) {
        classes->allocated_scratch = labels->n;
        scratch->a = xrealloc(scratch->a, labels->n * sizeof *scratch->a);
    }
    scratch->n = 0;
    for (size_t i = 0; i < labels->n; i++) {
        if (scope_key_is_relevant(scope, labels->a[i].key)) {
            scratch->a[scratch->n++] = labels->a[i];
        }
    }
    return scratch;
}

static uint32_t
labels_hash(const struct labels *labels)
{
    uint32_t hash = labels->n;

    for (size_t i = 0; i < labels->n; i++) {
        hash = hash_pointer(labels->a[i].key, hash_pointer(labels->a[i].value, hash));
    }
    return hash;
}

static bool
identity_is_used(const void *records, uint32_t id)
{
    return records_identity(records, id) != NULL;
}

/* The number that the class had in an earlier life, else a new one. */
static uint32_t
class_number(struct classes *classes, const char *text)
{
    uint32_t id = simap_get(&classes->restored, text);

    simap_find_and_delete(&classes->restored, text);
    if (!id
        && !numbers_take(classes->selection->numbers, NUMBER_IDENTITY, identity_is_used,
                         classes->selection->records, &id)) {
        ovs_abort(0, "more than 4 billion identities");
    }
    return id;
}

static struct identity *
identity_create(struct classes *classes, struct scope *scope, const struct labels *labels)
{
    struct identity *identity = xzalloc(sizeof *identity);
    struct ds text = DS_EMPTY_INITIALIZER;

    class_format(scope->name, labels, &text);
    identity->scope = scope;
    labels_clone(&identity->labels, labels);
    identity->id = class_number(classes, ds_cstr(&text));
    hmap_insert(&scope->identities, &identity->hmap_node, labels_hash(labels));
    ovs_list_push_back(&classes->idle, &identity->idle_node);

    struct rec_identity *rec = rec_identity_create(identity->id);
    rec->vni = scope->vni;
    rec->labels = ds_steal_cstr(&text);
    records_put(classes->selection->records, &rec->r);
    selection_add_identity(classes->selection, identity);
    return identity;
}

static struct identity *
identity_get(struct classes *classes, struct scope *scope, const struct labels *labels)
{
    struct identity *identity;

    HMAP_FOR_EACH_WITH_HASH (identity, hmap_node, labels_hash(labels), &scope->identities) {
        if (labels_equal(&identity->labels, labels)) {
            return identity;
        }
    }
    return identity_create(classes, scope, labels);
}

const char *
class_label(const struct k8s_pod *pod, const char *key)
{
    if (named_port_is_key(key)) {
        return named_port_resolve(key, pod->ports, pod->n_ports);
    } else if (pod_name_is_key(key)) {
        return pod_name_has_key(pod->meta.name, key) ? intern("") : NULL;
    }
    return labels_get(&pod->meta.labels, key);
}

/* With those keys that no list of labels has. */
static struct identity *
identity_get_with_pseudo(struct classes *classes, struct scope *scope, const struct labels *labels,
                         const struct k8s_pod *pod)
{
    const struct key_count *key;
    struct labels all;

    labels_clone(&all, labels);
    HMAP_FOR_EACH (key, hmap_node, &scope->keys) {
        const char *value = class_label(pod, key->key);

        if (value) {
            labels_set(&all, key->key, value);
        }
    }
    struct identity *identity = identity_get(classes, scope, &all);
    labels_uninit(&all);
    return identity;
}

struct identity *
classes_join(struct classes *classes, struct scope *scope, const struct k8s_pod *pod)
{
    const struct labels *relevant = relevant_labels(classes, scope, &pod->meta.labels);
    struct identity *identity = scope->n_pseudo_keys
                                    ? identity_get_with_pseudo(classes, scope, relevant, pod)
                                    : identity_get(classes, scope, relevant);

    if (!identity->n_members++) {
        ovs_list_remove(&identity->idle_node);
    }
    return identity;
}

void
classes_leave(struct classes *classes, struct identity *identity)
{
    if (!--identity->n_members) {
        ovs_list_push_back(&classes->idle, &identity->idle_node);
    }
}

void
classes_collect(struct classes *classes)
{
    struct identity *identity;

    LIST_FOR_EACH_POP (identity, idle_node, &classes->idle) {
        selection_remove_identity(classes->selection, identity);
        records_remove(classes->selection->records, RECORD_IDENTITY, identity->id);
        hmap_remove(&identity->scope->identities, &identity->hmap_node);
        labels_uninit(&identity->labels);
        free(identity);
    }
}
