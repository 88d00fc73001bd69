/* create, update and patch: from the bytes of a body to a stored object.
 *
 * Every write goes the same way: parse, check kind and place, fill in
 * defaults, validate the whole object, store.  A patch is applied to the
 * stored object first and then goes that way too. */
#include "api/rest_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "api/defaults.h"
#include "api/json_patch.h"
#include "api/query.h"
#include "api/status.h"
#include "model/field_errors.h"
#include "model/objects.h"
#include "util.h"
#include "uuid.h"

/* --- Bodies -------------------------------------------------------------------- */

static bool
content_type_is(const struct call *call, const char *type)
{
    const char *s = call->request->content_type;
    size_t length = strcspn(s, "; \t");
    return length == strlen(type) && !strncasecmp(s, type, length);
}

static json_t *
unsupported_media_type(const char *accepted)
{
    return status_failure(415, "UnsupportedMediaType",
                          "the body of the request was in an unknown format - accepted media "
                          "types include: %s",
                          accepted);
}

static json_t *
bad_json(const struct call *call, const json_error_t *error)
{
    return status_failure(400, "BadRequest",
                          "the object provided is unrecognized (must be of type %s): couldn't get "
                          "version/kind; json parse error: line %d, column %d: %s",
                          call->kind->kind, error->line, error->column, error->text);
}

/* The body as a JSON object.  Returns a Status on failure. */
static json_t *
load_body(const struct call *call, json_t **body)
{
    json_error_t error;
    *body = json_loadb(call->request->body ? call->request->body : "", call->request->body_length,
                       0, &error);
    if (!*body) {
        return bad_json(call, &error);
    }
    if (!json_is_object(*body)) {
        json_decref(*body);
        *body = NULL;
        return status_failure(400, "BadRequest", "the body is not a JSON object");
    }
    return NULL;
}

static json_t *
check_kind(const struct call *call, const json_t *object)
{
    const char *api_version = json_string_value(json_object_get(object, "apiVersion"));
    const char *kind = json_string_value(json_object_get(object, "kind"));
    if (!kind || !*kind || !api_version || !*api_version) {
        return status_failure(400, "BadRequest", "Object '%s' is missing in the body",
                              !kind || !*kind ? "Kind" : "apiVersion");
    }
    char *expected = resource_kind_api_version(call->kind);
    bool ok = !strcmp(api_version, expected) && !strcmp(kind, call->kind->kind);
    free(expected);
    return ok ? NULL
              : status_failure(400, "BadRequest",
                               "%s in version \"%s\" cannot be handled as a %s: unknown "
                               "conversion",
                               kind, api_version, call->kind->kind);
}

/* The article of 2016 posts without: third-party resources were told apart by
 * their paths. */
static void
fill_api_version(const struct call *call, json_t *object)
{
    if (!strcmp(call->kind->group, "net.alpha.kubernetes.io")
        && !json_object_get(object, "apiVersion")) {
        char *api_version = resource_kind_api_version(call->kind);
        json_object_set_new(object, "apiVersion", json_string(api_version));
        free(api_version);
    }
}

static const char *
meta_string(const json_t *object, const char *member)
{
    const char *s = json_string_value(
        json_object_get(json_object_get(object, "metadata"), member));
    return s ? s : "";
}

/* Puts the object where the path says.  'metadata' comes to be an object. */
static json_t *
check_place(const struct call *call, json_t *object)
{
    json_t *meta = json_object_get(object, "metadata");
    if (!meta || json_is_null(meta)) {
        meta = json_object();
        json_object_set_new(object, "metadata", meta);
    }
    if (!json_is_object(meta)) {
        return status_failure(400, "BadRequest", "metadata is not an object");
    }
    const char *ns = meta_string(object, "namespace");
    if (*ns && call->ns && strcmp(ns, call->ns)) {
        return status_failure(400, "BadRequest",
                              "the namespace of the provided object does not match the namespace "
                              "sent on the request");
    }
    if (call->ns && !*ns) {
        json_object_set_new(meta, "namespace", json_string(call->ns));
    }
    const char *name = meta_string(object, "name");
    if (call->name && *name && strcmp(name, call->name)) {
        return status_failure(
            400, "BadRequest",
            "the name of the object (%s) does not match the name on the URL (%s)", name,
            call->name);
    }
    if (call->name) {
        json_object_set_new(meta, "name", json_string(call->name));
    }
    json_object_del(meta, "managedFields");
    json_object_del(meta, "selfLink");
    return NULL;
}

static json_t *
load_object(const struct call *call, json_t **object)
{
    *object = NULL;
    /* A plain "curl -d" calls everything a form; what it sends is JSON or refused. */
    if (call->request->content_type[0] && !content_type_is(call, "application/json")
        && !content_type_is(call, "application/x-www-form-urlencoded")) {
        return unsupported_media_type("application/json");
    }
    json_t *status = load_body(call, object);
    if (!status) {
        fill_api_version(call, *object);
        status = check_kind(call, *object);
    }
    if (!status) {
        status = check_place(call, *object);
    }
    if (status) {
        json_decref(*object);
        *object = NULL;
    }
    return status;
}

static json_t *
validate(const struct call *call, const json_t *object)
{
    struct field_errors errors;
    json_t *status = NULL;
    field_errors_init(&errors);
    object_validate(object, &errors);
    if (errors.n) {
        status = status_invalid(call->kind, meta_string(object, "name"), &errors);
    }
    field_errors_uninit(&errors);
    return status;
}

/* --- Create -------------------------------------------------------------------- */

static void
generate_name(json_t *object)
{
    static const char alphabet[] = "bcdfghjklmnpqrstvwxz2456789";
    enum { SUFFIX = 5, MAX_NAME = 63 };
    const char *base = meta_string(object, "generateName");
    struct uuid uuid;
    char suffix[SUFFIX + 1];
    uuid_generate(&uuid);
    for (size_t i = 0; i < SUFFIX; i++) {
        suffix[i] = alphabet[(uuid.parts[i % 4] >> (i / 4 * 8)) % strlen(alphabet)];
    }
    suffix[SUFFIX] = '\0';
    char *name = xasprintf("%.*s%s", MAX_NAME - SUFFIX, base, suffix);
    json_object_set_new(json_object_get(object, "metadata"), "name", json_string(name));
    free(name);
}

static json_t *
check_namespace_exists(const struct call *call)
{
    const struct resource_kind *namespaces = resource_kind_by_path("", "v1", "namespaces");
    return call->ns && !object_store_get(call->rest->objects, namespaces, NULL, call->ns)
               ? status_not_found(namespaces, call->ns)
               : NULL;
}

static void
make_uid(char text[UUID_LEN + 1])
{
    struct uuid uuid;
    uuid_generate(&uuid);
    snprintf(text, UUID_LEN + 1, UUID_FMT, UUID_ARGS(&uuid));
}

static void
make_timestamp(const struct call *call, char text[32])
{
    time_t seconds = call->rest->wall / 1000;
    struct tm tm;
    gmtime_r(&seconds, &tm);
    strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static json_t *
dry_create(const struct call *call, json_t *object, const char *uid, const char *now)
{
    json_t *meta = json_object_get(object, "metadata");
    json_object_set_new(meta, "uid", json_string(uid));
    json_object_set_new(meta, "creationTimestamp", json_string(now));
    json_object_set_new(meta, "generation", json_integer(1));
    if (object_store_get(call->rest->objects, call->kind, call->ns, meta_string(object, "name"))) {
        json_t *status = status_already_exists(call->kind, meta_string(object, "name"));
        json_decref(object);
        return status;
    }
    return object;
}

/* Takes a valid 'object'. */
static json_t *
store_new(struct call *call, json_t *object, int *code)
{
    char uid[UUID_LEN + 1];
    char now[32];
    json_t *stored;
    make_uid(uid);
    make_timestamp(call, now);
    if (rest_dry_run(call)) {
        json_t *answer = dry_create(call, object, uid, now);
        *code = answer == object ? 201 : 0;
        return answer;
    }
    char *name = xstrdup(meta_string(object, "name"));
    json_t *answer;
    if (object_store_create_object(call->rest->objects, call->kind, call->ns, object, uid, now,
                                   &stored)
        == OBJECT_OK) {
        *code = 201;
        answer = json_incref(stored);
    } else {
        answer = status_already_exists(call->kind, name);
    }
    free(name);
    return answer;
}

json_t *
rest_post(struct call *call, int *code)
{
    json_t *object;
    json_t *status = load_object(call, &object);
    if (status) {
        return status;
    }
    if (*meta_string(object, "resourceVersion")) {
        status = status_failure(400, "BadRequest",
                                "resourceVersion should not be set on objects to be created");
    } else {
        status = check_namespace_exists(call);
    }
    if (!status) {
        if (!*meta_string(object, "name") && *meta_string(object, "generateName")) {
            generate_name(object);
        }
        defaults_for_create(call->kind, object);
        defaults_apply(call->kind, object);
        status = validate(call, object);
    }
    if (status) {
        json_decref(object);
        return status;
    }
    return store_new(call, object, code);
}

/* --- Update -------------------------------------------------------------------- */

static json_t *
conflict_of(const struct call *call, const json_t *object, const json_t *stored)
{
    const char *uid = meta_string(object, "uid");
    if (*uid && strcmp(uid, meta_string(stored, "uid"))) {
        char *why = xasprintf("Precondition failed: UID in precondition: %s, UID in object meta: "
                              "%s",
                              uid, meta_string(stored, "uid"));
        json_t *status = status_conflict(call->kind, call->name, why);
        free(why);
        return status;
    }
    const char *version = meta_string(object, "resourceVersion");
    if (*version && strcmp(version, meta_string(stored, "resourceVersion"))) {
        return status_conflict(call->kind, call->name,
                               "the object has been modified; please apply your changes to the "
                               "latest version and try again");
    }
    return NULL;
}

/* 'member' of 'from' for that of 'to', also if it is not there. */
static void
take_member(json_t *to, const json_t *from, const char *member)
{
    json_t *value = json_object_get(from, member);
    if (value) {
        json_object_set(to, member, value);
    } else {
        json_object_del(to, member);
    }
}

/* What the stored object decides: its identity, and the part that this write
 * is not about.  Takes 'object', returns one that may be changed. */
static json_t *
keep_stored_parts(const struct call *call, json_t *object, json_t *stored)
{
    static const char *const kept[] = { "uid", "creationTimestamp", "generation" };
    if (call->status) {
        json_t *whole = json_deep_copy(stored);
        take_member(whole, object, "status");
        take_member(json_object_get(whole, "metadata"), json_object_get(object, "metadata"),
                    "resourceVersion");
        json_decref(object);
        return whole;
    }
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
        take_member(json_object_get(object, "metadata"), json_object_get(stored, "metadata"),
                    kept[i]);
    }
    take_member(object, stored, "status");
    defaults_apply(call->kind, object);
    return object;
}

/* Takes 'object', which is to replace 'stored'. */
static json_t *
store_update(struct call *call, json_t *object, json_t *stored, int *code)
{
    json_t *status = conflict_of(call, object, stored);
    if (status) {
        json_decref(object);
        return status;
    }
    object = keep_stored_parts(call, object, stored);
    status = validate(call, object);
    if (status) {
        json_decref(object);
        return status;
    }
    *code = 200;
    if (rest_dry_run(call)) {
        return object;
    }
    json_t *result;
    object_store_update(call->rest->objects, call->kind, call->ns, call->name, object,
                        call->status, &result);
    return json_incref(result);
}

static json_t *
find_stored(const struct call *call, json_t **stored)
{
    *stored = object_store_get(call->rest->objects, call->kind, call->ns, call->name);
    return *stored ? NULL : status_not_found(call->kind, call->name);
}

json_t *
rest_put(struct call *call, int *code)
{
    json_t *object, *stored;
    json_t *status = load_object(call, &object);
    if (status) {
        return status;
    }
    status = find_stored(call, &stored);
    if (status) {
        json_decref(object);
        return status;
    }
    return store_update(call, object, stored, code);
}

/* --- Patch --------------------------------------------------------------------- */

static json_t *
apply_merge_patch(struct call *call, const json_t *stored, json_t **object)
{
    json_t *patch;
    json_t *status = load_body(call, &patch);
    if (!status) {
        *object = json_merge_patch(stored, patch);
        json_decref(patch);
    }
    return status;
}

static json_t *
apply_json_patch(struct call *call, const json_t *stored, json_t **object)
{
    json_error_t json_error;
    json_t *patch = json_loadb(call->request->body ? call->request->body : "",
                               call->request->body_length, 0, &json_error);
    if (!patch) {
        return bad_json(call, &json_error);
    }
    char *error = json_patch(stored, patch, object);
    json_decref(patch);
    json_t *status = error ? status_failure(422, "Invalid",
                                            "the server rejected our request due "
                                            "to an error in our request: %s",
                                            error)
                           : NULL;
    free(error);
    return status;
}

json_t *
rest_patch(struct call *call, int *code)
{
    json_t *stored;
    json_t *object = NULL;
    json_t *status;
    bool merge = content_type_is(call, "application/merge-patch+json");
    if (!merge && !content_type_is(call, "application/json-patch+json")) {
        return unsupported_media_type("application/json-patch+json, application/merge-patch+json");
    }
    status = find_stored(call, &stored);
    if (!status) {
        json_t *shown = resource_kind_in_form(call->kind, stored);
        status = merge ? apply_merge_patch(call, shown, &object)
                       : apply_json_patch(call, shown, &object);
        json_decref(shown);
    }
    if (!status) {
        status = json_is_object(object)
                     ? check_kind(call, object)
                     : status_failure(400, "BadRequest", "the patch leaves no object");
    }
    if (!status) {
        status = check_place(call, object);
    }
    if (status) {
        json_decref(object);
        return status;
    }
    return store_update(call, object, stored, code);
}
