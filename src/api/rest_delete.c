/* delete and deletecollection.
 *
 * A delete is at once: there is no grace and no finalizer.  What is in a
 * namespace goes before the namespace itself. */
#include "api/rest_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/object_filter.h"
#include "api/status.h"
#include "svec.h"
#include "util.h"

struct preconditions {
    json_t *options; /* DeleteOptions, or NULL. */
    const char *uid;
    const char *version;
    bool dry_run;
};

static const char *
meta_string(const json_t *object, const char *member)
{
    const char *s = json_string_value(
        json_object_get(json_object_get(object, "metadata"), member));
    return s ? s : "";
}

static json_t *
parse_options(const struct call *call, struct preconditions *p)
{
    json_error_t error;
    *p = (struct preconditions){ .dry_run = rest_dry_run(call) };
    if (!call->request->body_length) {
        return NULL;
    }
    p->options = json_loadb(call->request->body, call->request->body_length, 0, &error);
    if (!json_is_object(p->options)) {
        json_decref(p->options);
        p->options = NULL;
        return status_failure(400, "BadRequest", "the body is not a DeleteOptions object");
    }
    const json_t *preconditions = json_object_get(p->options, "preconditions");
    p->uid = json_string_value(json_object_get(preconditions, "uid"));
    p->version = json_string_value(json_object_get(preconditions, "resourceVersion"));
    p->dry_run |= json_array_size(json_object_get(p->options, "dryRun")) > 0;
    return NULL;
}

static json_t *
conflict(const struct call *call, const char *what, const char *given, const json_t *object,
         const char *member)
{
    char *why = xasprintf("%s %s, in the object: %s", what, given, meta_string(object, member));
    json_t *status = status_conflict(call->kind, call->name, why);
    free(why);
    return status;
}

static json_t *
check_preconditions(const struct call *call, const struct preconditions *p, const json_t *object)
{
    if (p->uid && strcmp(p->uid, meta_string(object, "uid"))) {
        return conflict(call, "Precondition failed: UID in precondition:", p->uid, object, "uid");
    }
    if (p->version && strcmp(p->version, meta_string(object, "resourceVersion"))) {
        return conflict(call,
                        "the ResourceVersion in the precondition does not match:", p->version,
                        object, "resourceVersion");
    }
    if (!strcmp(call->kind->kind, "Namespace") && !strcmp(call->name, "default")) {
        return status_about(call->kind, call->name, 403, "Forbidden",
                            "namespaces \"default\" is forbidden: this namespace may not be "
                            "deleted");
    }
    return NULL;
}

static void
collect_name(json_t *object, void *names)
{
    svec_add(names, meta_string(object, "name"));
}

static void
empty_namespace(struct object_store *objects, const char *ns)
{
    for (size_t i = 0; i < n_resource_kinds; i++) {
        const struct resource_kind *kind = &resource_kinds[i];
        struct svec names = SVEC_EMPTY_INITIALIZER;
        if (kind->namespaced) {
            object_store_each(objects, kind, ns, collect_name, &names);
        }
        for (size_t j = 0; j < names.n; j++) {
            json_t *last;
            object_store_delete(objects, kind, ns, names.names[j], NULL, &last);
            json_decref(last);
        }
        svec_destroy(&names);
    }
}

/* Returns the last state. */
static json_t *
delete_object(struct call *call, const char *name)
{
    json_t *last;
    if (!strcmp(call->kind->kind, "Namespace")) {
        empty_namespace(call->rest->objects, name);
    }
    object_store_delete(call->rest->objects, call->kind, call->ns, name, NULL, &last);
    return last;
}

/* The real server answers with the object where its deletion takes time. */
static bool
answers_with_object(const struct resource_kind *kind)
{
    return !strcmp(kind->kind, "Pod") || !strcmp(kind->kind, "Namespace");
}

json_t *
rest_delete(struct call *call, int *code)
{
    struct preconditions p;
    json_t *status = parse_options(call, &p);
    if (status) {
        return status;
    }
    json_t *object = object_store_get(call->rest->objects, call->kind, call->ns, call->name);
    status = object ? check_preconditions(call, &p, object)
                    : status_not_found(call->kind, call->name);
    if (!status) {
        json_t *last = p.dry_run ? json_incref(object) : delete_object(call, call->name);
        *code = 200;
        status = answers_with_object(call->kind)
                     ? json_incref(last)
                     : status_deleted(call->kind, call->name, meta_string(last, "uid"));
        json_decref(last);
    }
    json_decref(p.options);
    return status;
}

struct collection {
    const struct object_filter *filter;
    json_t *objects;
};

static void
collect_object(json_t *object, void *collection_)
{
    struct collection *collection = collection_;
    if (object_filter_matches(collection->filter, object)) {
        json_array_append(collection->objects, object);
    }
}

static json_t *
list_of_deleted(const struct call *call, json_t *items)
{
    char *kind = xasprintf("%sList", call->kind->kind);
    char *api_version = resource_kind_api_version(call->kind);
    char *version = xasprintf("%" PRIu64, object_store_version(call->rest->objects));
    json_t *list = json_pack("{s:s, s:s, s:{s:s}, s:o}", "kind", kind, "apiVersion", api_version,
                             "metadata", "resourceVersion", version, "items", items);
    free(version);
    free(api_version);
    free(kind);
    return list;
}

json_t *
rest_delete_collection(struct call *call, int *code)
{
    struct preconditions p;
    struct object_filter *filter;
    json_t *status = parse_options(call, &p);
    if (status) {
        return status;
    }
    status = rest_parse_filter(call, &filter);
    if (!status) {
        struct collection collection = { filter, json_array() };
        size_t i;
        json_t *object;
        object_store_each(call->rest->objects, call->kind, call->ns, collect_object, &collection);
        json_array_foreach (collection.objects, i, object) {
            if (!p.dry_run) {
                json_decref(delete_object(call, meta_string(object, "name")));
            }
            json_array_set_new(collection.objects, i, resource_kind_in_form(call->kind, object));
        }
        *code = 200;
        status = list_of_deleted(call, collection.objects);
        object_filter_destroy(filter);
    }
    json_decref(p.options);
    return status;
}
