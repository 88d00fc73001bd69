/* get, list and watch.
 *
 * A list in pages shows one version: a later page undoes what has happened
 * since, by the window of events.  When the window no longer reaches back,
 * the answer is 410 with a continue token for the rest as it is now.  The
 * token is "VERSION_NAMESPACE_NAME" of the last object sent; '_' is in no
 * name. */
#include "api/rest_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api/object_filter.h"
#include "api/query.h"
#include "api/status.h"
#include "api/watch.h"
#include "random.h"
#include "util.h"

enum {
    /* Without timeoutSeconds, as the real server: half an hour to an hour. */
    WATCH_MIN_S = 1800,
    WATCH_MAX_S = 24 * 3600,
};

json_t *
rest_get(struct call *call, int *code)
{
    json_t *status = rest_check_version(call, query_get(&call->query, "resourceVersion"));
    if (status) {
        return status;
    }
    json_t *object = object_store_get(call->rest->objects, call->kind, call->ns, call->name);
    if (!object) {
        return status_not_found(call->kind, call->name);
    }
    *code = 200;
    return json_incref(object);
}

/* --- List --------------------------------------------------------------------- */

struct list {
    struct call *call;
    struct object_filter *filter;

    uint64_t version;  /* That the list shows. */
    struct shash past; /* "NAMESPACE/NAME" to the object then, or to NULL. */

    uint64_t limit; /* 0: none. */
    char *after_ns; /* Objects up to this one are not in the page. */
    char *after_name;

    json_t **objects; /* Owned references, in order. */
    size_t n, allocated;
};

static const char *
meta_string(const json_t *object, const char *member)
{
    const char *s = json_string_value(
        json_object_get(json_object_get(object, "metadata"), member));
    return s ? s : "";
}

static void
add_object(struct list *list, json_t *object)
{
    if (object_filter_matches(list->filter, object)) {
        if (list->n >= list->allocated) {
            list->objects = x2nrealloc(list->objects, &list->allocated, sizeof *list->objects);
        }
        list->objects[list->n++] = json_incref(object);
    }
}

static char *
past_key(const char *ns, const char *name)
{
    return xasprintf("%s/%s", ns, name);
}

static void
add_current(json_t *object, void *list_)
{
    struct list *list = list_;
    if (!shash_is_empty(&list->past)) {
        char *key = past_key(meta_string(object, "namespace"), meta_string(object, "name"));
        bool changed = shash_find(&list->past, key) != NULL;
        free(key);
        if (changed) {
            return;
        }
    }
    add_object(list, object);
}

/* The first change since says what was there before it. */
static void
note_past(const struct object_event *event, void *list_)
{
    struct list *list = list_;
    const char *ns = list->call->ns;
    if (!ns || !strcmp(ns, event->namespace_)) {
        char *key = past_key(event->namespace_, event->name);
        if (!shash_find(&list->past, key)) {
            shash_add(&list->past, key, json_incref(event->old));
        }
        free(key);
    }
}

static int
compare_objects(const void *a_, const void *b_)
{
    json_t *const *a = a_;
    json_t *const *b = b_;
    int cmp = strcmp(meta_string(*a, "namespace"), meta_string(*b, "namespace"));
    return cmp ? cmp : strcmp(meta_string(*a, "name"), meta_string(*b, "name"));
}

static void
collect(struct list *list)
{
    struct shash_node *node;
    object_store_each(list->call->rest->objects, list->call->kind, list->call->ns, add_current,
                      list);
    size_t n_current = list->n;
    SHASH_FOR_EACH (node, &list->past) {
        if (node->data) {
            add_object(list, node->data);
        }
    }
    if (list->n > n_current) {
        qsort(list->objects, list->n, sizeof *list->objects, compare_objects);
    }
}

static bool
is_before_page(const struct list *list, const json_t *object)
{
    if (!list->after_ns) {
        return false;
    }
    int cmp = strcmp(meta_string(object, "namespace"), list->after_ns);
    return (cmp ? cmp : strcmp(meta_string(object, "name"), list->after_name)) <= 0;
}

/* Items of a list have no kind and apiVersion of their own. */
static json_t *
list_item(const json_t *object)
{
    json_t *item = json_copy(CONST_CAST(json_t *, object));
    json_object_del(item, "kind");
    json_object_del(item, "apiVersion");
    return item;
}

static void
put_continue(const struct list *list, json_t *meta, const json_t *last, size_t n_remaining)
{
    char *token = xasprintf("%" PRIu64 "_%s_%s", list->version, meta_string(last, "namespace"),
                            meta_string(last, "name"));
    json_object_set_new(meta, "continue", json_string(token));
    free(token);
    if (object_filter_is_empty(list->filter)) {
        json_object_set_new(meta, "remainingItemCount", json_integer(n_remaining));
    }
}

static json_t *
make_list(const struct call *call, uint64_t version, json_t *items, json_t **metap)
{
    char *api_version = resource_kind_api_version(call->kind);
    char *list_kind = xasprintf("%sList", call->kind->kind);
    char *version_text = xasprintf("%" PRIu64, version);
    json_t *meta = json_pack("{s:s}", "resourceVersion", version_text);
    json_t *document = json_pack("{s:s, s:s, s:o, s:o}", "kind", list_kind, "apiVersion",
                                 api_version, "metadata", meta, "items", items);
    free(version_text);
    free(list_kind);
    free(api_version);
    *metap = meta;
    return document;
}

static json_t *
page_to_json(const struct list *list)
{
    json_t *items = json_array();
    json_t *meta;
    size_t i = 0;
    while (i < list->n && is_before_page(list, list->objects[i])) {
        i++;
    }
    for (; i < list->n && (!list->limit || json_array_size(items) < list->limit); i++) {
        json_array_append_new(items, list_item(list->objects[i]));
    }
    json_t *document = make_list(list->call, list->version, items, &meta);
    if (i < list->n) {
        put_continue(list, meta, list->objects[i - 1], list->n - i);
    }
    return document;
}

static json_t *
bad_continue(const char *token)
{
    return status_failure(400, "BadRequest", "continue key is not valid: \"%s\"", token);
}

static json_t *
expired_continue(const struct list *list)
{
    json_t *status = status_failure(
        410, "Expired",
        "The provided continue parameter is too old to display a consistent list result. You can "
        "start a new list without the continue parameter, or use the continue token in this "
        "response to retrieve the remainder of the results. Continuing with the provided token "
        "results in an inconsistent list - objects that were created, modified, or deleted "
        "between the time the first chunk was returned and now may show up in the list.");
    char *token = xasprintf("%" PRIu64 "_%s_%s", object_store_version(list->call->rest->objects),
                            list->after_ns, list->after_name);
    json_object_set_new(json_object_get(status, "metadata"), "continue", json_string(token));
    free(token);
    return status;
}

/* Makes the list show 'version' again.  False if that is too long ago. */
static bool
go_back(struct list *list, uint64_t version)
{
    list->version = version;
    return object_store_replay(list->call->rest->objects, list->call->kind, version, note_past,
                               list)
           == OBJECT_OK;
}

static json_t *
parse_continue(struct list *list, const char *token)
{
    const char *ns = strchr(token, '_');
    const char *name = ns ? strchr(ns + 1, '_') : NULL;
    uint64_t version;
    if (!name || strchr(name + 1, '_')) {
        return bad_continue(token);
    }
    char *version_text = xmemdup0(token, ns - token);
    bool ok = parse_uint64(version_text, &version)
              && version <= object_store_version(list->call->rest->objects);
    free(version_text);
    if (!ok) {
        return bad_continue(token);
    }
    list->after_ns = xmemdup0(ns + 1, name - ns - 1);
    list->after_name = xstrdup(name + 1);
    return go_back(list, version) ? NULL : expired_continue(list);
}

static json_t *
parse_list_version(struct list *list)
{
    struct call *call = list->call;
    const char *text = query_get(&call->query, "resourceVersion");
    const char *match = query_get(&call->query, "resourceVersionMatch");
    json_t *status = rest_check_version(call, text);
    uint64_t version;
    if (status) {
        return status;
    }
    if (*match && !*text) {
        return status_invalid_field(call->kind, "", "resourceVersionMatch", NULL,
                                    "resourceVersionMatch is forbidden unless resourceVersion is "
                                    "provided");
    }
    if (!strcmp(match, "Exact") && parse_uint64(text, &version) && !go_back(list, version)) {
        return status_failure(410, "Expired",
                              "The resourceVersion for the provided list is too old.");
    }
    return NULL;
}

static json_t *
parse_list_options(struct list *list)
{
    const struct shash *query = &list->call->query;
    const char *token = query_get(query, "continue");
    const char *limit = query_get(query, "limit");
    const char *version = query_get(query, "resourceVersion");

    if (*limit && !parse_uint64(limit, &list->limit)) {
        return status_failure(400, "BadRequest", "limit is not a number: \"%s\"", limit);
    }
    /* Version 0 means a cache, which gives all at once. */
    if (!strcmp(version, "0")) {
        list->limit = 0;
    }
    if (*token && *version) {
        return status_failure(400, "BadRequest",
                              "specifying resource version is not allowed when using continue");
    }
    return *token ? parse_continue(list, token) : parse_list_version(list);
}

static void
list_uninit(struct list *list)
{
    struct shash_node *node;
    for (size_t i = 0; i < list->n; i++) {
        json_decref(list->objects[i]);
    }
    free(list->objects);
    SHASH_FOR_EACH (node, &list->past) {
        json_decref(node->data);
    }
    shash_destroy(&list->past);
    object_filter_destroy(list->filter);
    free(list->after_ns);
    free(list->after_name);
}

json_t *
rest_list(struct call *call, int *code)
{
    struct list list = { .call = call, .version = object_store_version(call->rest->objects) };
    shash_init(&list.past);
    json_t *answer = rest_parse_filter(call, &list.filter);
    if (!answer) {
        answer = parse_list_options(&list);
    }
    if (!answer) {
        collect(&list);
        answer = page_to_json(&list);
        *code = 200;
    }
    list_uninit(&list);
    return answer;
}

/* --- Watch -------------------------------------------------------------------- */

static json_t *
parse_timeout(const struct call *call, uint64_t *seconds)
{
    const char *text = query_get(&call->query, "timeoutSeconds");
    *seconds = 0;
    if (*text && !parse_uint64(text, seconds)) {
        return status_failure(400, "BadRequest", "timeoutSeconds is not a number: \"%s\"", text);
    }
    if (!*seconds) {
        *seconds = WATCH_MIN_S + random_range(WATCH_MIN_S);
    }
    *seconds = MIN(*seconds, WATCH_MAX_S);
    return NULL;
}

/* The two ways to ask for what is there: no version (or 0), or
 * sendInitialEvents, which also has an end mark. */
static json_t *
parse_start(struct call *call, struct watch_options *o)
{
    const struct shash *query = &call->query;
    const char *version = query_get(query, "resourceVersion");
    bool streaming_list = query_flag(query, "sendInitialEvents");

    if (*version && !parse_uint64(version, &o->since)) {
        return status_failure(400, "BadRequest",
                              "invalid resource version: resourceVersion: Invalid value: \"%s\": "
                              "strconv.ParseUint: parsing \"%s\": invalid syntax",
                              version, version);
    }
    if (streaming_list && strcmp(query_get(query, "resourceVersionMatch"), "NotOlderThan")) {
        return status_invalid_field(call->kind, "", "resourceVersionMatch", NULL,
                                    "sendInitialEvents requires setting resourceVersionMatch to "
                                    "NotOlderThan");
    }
    o->mark_initial_end = streaming_list;
    if (streaming_list) {
        o->initial_events = true;
        return rest_check_version(call, version);
    }
    bool unset = !o->since;
    o->initial_events = unset && !shash_find(query, "sendInitialEvents");
    if (unset) {
        o->since = object_store_version(call->rest->objects);
    }
    return NULL;
}

json_t *
rest_watch(struct call *call, int *code OVS_UNUSED)
{
    struct watch_options o = { .id = call->request->id, .kind = call->kind, .ns = call->ns };
    uint64_t seconds;
    json_t *status = parse_timeout(call, &seconds);
    if (!status) {
        status = parse_start(call, &o);
    }
    if (!status) {
        status = rest_parse_filter(call, &o.filter);
    }
    if (!status) {
        o.bookmarks = query_flag(&call->query, "allowWatchBookmarks");
        o.deadline = call->rest->now + (long long) seconds * 1000;
        watch_set_start(call->rest->watches, &o, call->rest->now);
    }
    return status;
}
