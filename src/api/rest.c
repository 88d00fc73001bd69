/* Routing.  A path is an open page, a discovery document or
 *
 *    /api/v1/RESOURCE                    /apis/GROUP/VERSION/RESOURCE
 *
 * where RESOURCE is one of
 *
 *    PLURAL                              every namespace, or cluster scoped
 *    PLURAL/NAME[/status]                cluster scoped
 *    namespaces/NS/PLURAL[/NAME[/status]]
 *
 * or "watch/" and the first or third, the way to watch of old times,
 * and the method (with ?watch) gives the verb. */
#include "api/rest.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/object_filter.h"
#include "api/query.h"
#include "api/rest_internal.h"
#include "api/status.h"
#include "api/watch.h"
#include "util.h"

enum { RETRY_AFTER_S = 1 };

struct rest *
rest_create(struct object_store *objects, rest_reply_cb *reply, void *aux)
{
    struct rest *rest = xzalloc(sizeof *rest);
    rest->objects = objects;
    rest->reply = reply;
    rest->aux = aux;
    rest->watches = watch_set_create(objects, reply, aux);
    return rest;
}

void
rest_destroy(struct rest *rest)
{
    if (rest) {
        watch_set_destroy(rest->watches);
        free(rest);
    }
}

void
rest_set_time(struct rest *rest, long long now, long long wall)
{
    rest->now = now;
    rest->wall = wall;
    watch_set_run(rest->watches, now);
}

long long
rest_next(const struct rest *rest)
{
    return watch_set_next(rest->watches);
}

void
rest_set_serving(struct rest *rest, bool serving)
{
    if (rest->serving && !serving) {
        watch_set_end_all(rest->watches);
    }
    rest->serving = serving;
}

void
rest_event(struct rest *rest, const struct object_event *event)
{
    watch_set_event(rest->watches, event);
}

size_t
rest_n_watches(const struct rest *rest)
{
    return watch_set_count(rest->watches);
}

/* --- Replying ----------------------------------------------------------------- */

/* Takes 'value'.  'code' 0: a Status says it. */
static void
reply_json(struct call *call, int code, json_t *value)
{
    size_t flags = query_flag(&call->query, "pretty") ? JSON_INDENT(2) : JSON_COMPACT;
    char *text = json_dumps(value, flags | JSON_ENCODE_ANY);
    char *body = xasprintf("%s\n", text ? text : "{}");
    struct http_reply *reply = http_reply_create(call->request->id, HTTP_WHOLE,
                                                 code ? code : status_code(value),
                                                 "application/json", body, strlen(body));
    reply->retry_after = status_retry_after(value);
    free(text);
    json_decref(value);
    call->rest->reply(reply, call->rest->aux);
}

static void
reply_text(struct call *call, int code, const char *text)
{
    struct http_reply *reply = http_reply_text(call->request->id, code, text);
    reply->urgent = true;
    call->rest->reply(reply, call->rest->aux);
}

/* As the real server answers for a group that it does not have. */
static void
reply_page_not_found(struct call *call)
{
    reply_text(call, 404, "404 page not found\n");
}

static void
reply_document(struct call *call, json_t *document)
{
    if (!document) {
        reply_page_not_found(call);
    } else if (call->method != HTTP_GET) {
        json_decref(document);
        reply_json(call, 0, status_method_not_allowed());
    } else {
        reply_json(call, 200, document);
    }
}

/* --- Verbs --------------------------------------------------------------------- */

static json_t *
collection_verb(struct call *call, int *code)
{
    /* Objects of all namespaces can be read, not written. */
    bool writable = (call->ns || !call->kind->namespaced) && !call->old_watch;
    switch (call->method) {
    case HTTP_GET:
        return call->old_watch || query_flag(&call->query, "watch") ? rest_watch(call, code)
                                                                    : rest_list(call, code);
    case HTTP_POST:
        return writable ? rest_post(call, code) : status_method_not_allowed();
    case HTTP_DELETE:
        return writable && strcmp(call->kind->kind, "Namespace")
                   ? rest_delete_collection(call, code)
                   : status_method_not_allowed();
    case HTTP_PUT:
    case HTTP_PATCH:
    case HTTP_HEAD:
    case HTTP_OTHER:
        break;
    }
    return status_method_not_allowed();
}

static json_t *
object_verb(struct call *call, int *code)
{
    switch (call->method) {
    case HTTP_GET:
        return rest_get(call, code);
    case HTTP_PUT:
        return rest_put(call, code);
    case HTTP_PATCH:
        return rest_patch(call, code);
    case HTTP_DELETE:
        return call->status ? status_method_not_allowed() : rest_delete(call, code);
    case HTTP_POST:
    case HTTP_HEAD:
    case HTTP_OTHER:
        break;
    }
    return status_method_not_allowed();
}

/* Whether the Accept header has something that we can send. */
static bool
is_acceptable(const char *accept)
{
    static const char *const types[] = { "application/json", "application/*", "*/*" };
    if (!*accept) {
        return true;
    }
    for (const char *s = accept; *s;) {
        s += strspn(s, ", \t");
        size_t length = strcspn(s, ",");
        size_t type_length = strcspn(s, ",; \t");
        bool table = memmem(s, length, "as=Table", strlen("as=Table")) != NULL
                     || memmem(s, length, "as=Partial", strlen("as=Partial")) != NULL;
        for (size_t i = 0; i < ARRAY_SIZE(types) && !table; i++) {
            if (strlen(types[i]) == type_length && !strncasecmp(s, types[i], type_length)) {
                return true;
            }
        }
        s += length;
    }
    return false;
}

static json_t *
not_acceptable(void)
{
    return status_failure(406, "NotAcceptable",
                          "only the following media types are accepted: application/json");
}

/* Takes 'answer': if it is an object, it is as stored. */
static json_t *
in_form(const struct call *call, json_t *answer)
{
    const char *kind = json_string_value(json_object_get(answer, "kind"));
    if (!kind || strcmp(kind, call->kind->kind)) {
        return answer;
    }
    json_t *object = resource_kind_in_form(call->kind, answer);
    json_decref(answer);
    return object;
}

static void
call_verb(struct call *call)
{
    int code = 0;
    json_t *answer;
    if (!is_acceptable(call->request->accept)) {
        answer = not_acceptable();
    } else {
        answer = call->name ? object_verb(call, &code) : collection_verb(call, &code);
    }
    if (answer) {
        reply_json(call, code, in_form(call, answer));
    }
}

/* --- Paths ---------------------------------------------------------------------- */

/* 's': the segments after the version. */
static bool
find_resource(struct call *call, const char *group, const char *version, char *const *s, size_t n)
{
    call->old_watch = n >= 2 && !strcmp(s[0], "watch");
    s += call->old_watch;
    n -= call->old_watch;
    bool in_namespace = n >= 3 && !strcmp(s[0], "namespaces") && strcmp(s[2], "status");
    if (in_namespace) {
        call->ns = s[1];
        s += 2;
        n -= 2;
    }
    call->kind = resource_kind_by_path(group, version, s[0]);
    if (!call->kind || n > 3 || (in_namespace && !call->kind->namespaced)
        || (n > 1 && call->kind->namespaced && !in_namespace)) {
        return false;
    }
    call->name = n > 1 ? s[1] : NULL;
    call->status = n > 2;
    if (call->old_watch && call->name) {
        return false;
    }
    return !call->status || (!strcmp(s[2], "status") && call->kind->has_status);
}

static void
route_resource(struct call *call, const char *group, const char *version, char *const *s, size_t n)
{
    json_t *resources = discovery_resources(group, version);
    if (!resources || !n) {
        reply_document(call, resources);
        return;
    }
    json_decref(resources);
    if (find_resource(call, group, version, s, n)) {
        call_verb(call);
    } else {
        reply_json(call, 0, status_unknown_resource());
    }
}

static void
route_api(struct call *call, const struct segments *s)
{
    bool core = !strcmp(s->a[0], "api");
    if (core && s->n == 1) {
        reply_document(call, discovery_core());
    } else if (core) {
        route_resource(call, "", s->a[1], &s->a[2], s->n - 2);
    } else if (s->n == 1) {
        reply_document(call, discovery_groups());
    } else if (s->n == 2) {
        reply_document(call, discovery_group(s->a[1]));
    } else {
        route_resource(call, s->a[1], s->a[2], &s->a[3], s->n - 3);
    }
}

/* Pages that need no leader.  False: not one of them. */
static bool
route_open(struct call *call, const char *path)
{
    if (!strcmp(path, "/healthz") || !strcmp(path, "/livez")) {
        reply_text(call, 200, "ok");
    } else if (!strcmp(path, "/readyz")) {
        reply_text(call, call->rest->serving ? 200 : 503,
                   call->rest->serving ? "ok" : "this controller does not lead");
    } else if (!strcmp(path, "/version")) {
        reply_document(call, discovery_version());
    } else {
        return false;
    }
    return true;
}

static void
route(struct call *call)
{
    struct segments segments;
    bool ok = segments_parse(call->request->path, &segments);
    if (route_open(call, call->request->path)) {
        /* Done. */
    } else if (!call->rest->serving) {
        reply_json(call, 0,
                   status_unavailable("this controller does not lead, and does not know which one "
                                      "does; try again, or try another",
                                      RETRY_AFTER_S));
    } else if (!ok) {
        reply_json(call, 0, status_failure(400, "BadRequest", "malformed path"));
    } else if (segments.n && (!strcmp(segments.a[0], "api") || !strcmp(segments.a[0], "apis"))) {
        route_api(call, &segments);
    } else {
        reply_page_not_found(call);
    }
    segments_uninit(&segments);
}

void
rest_handle(struct rest *rest, const struct http_request *request)
{
    if (request->closed) {
        watch_set_close(rest->watches, request->id);
        return;
    }
    struct call call = { .rest = rest, .request = request, .method = request->method };
    /* A HEAD is a GET whose body is not sent. */
    if (call.method == HTTP_HEAD) {
        call.method = HTTP_GET;
    }
    if (query_parse(request->query, &call.query)) {
        route(&call);
    } else {
        reply_json(&call, 0, status_failure(400, "BadRequest", "malformed query"));
    }
    query_uninit(&call.query);
}

/* --- Shared by the verbs --------------------------------------------------------- */

json_t *
rest_parse_filter(struct call *call, struct object_filter **filter)
{
    char *error = object_filter_create(call->kind, query_get(&call->query, "labelSelector"),
                                       query_get(&call->query, "fieldSelector"), filter);
    json_t *status = error ? status_failure(400, "BadRequest", "%s", error) : NULL;
    free(error);
    return status;
}

json_t *
rest_check_version(struct call *call, const char *text)
{
    uint64_t version;
    uint64_t current = object_store_version(call->rest->objects);
    if (!*text) {
        return NULL;
    }
    if (!parse_uint64(text, &version)) {
        return status_failure(400, "BadRequest",
                              "invalid resource version: resourceVersion: Invalid value: \"%s\": "
                              "strconv.ParseUint: parsing \"%s\": invalid syntax",
                              text, text);
    }
    return version > current ? status_too_large_version(version, current) : NULL;
}

bool
rest_dry_run(const struct call *call)
{
    return query_get(&call->query, "dryRun")[0] != '\0';
}
