/* See watch.h.
 *
 * An event is turned into text once and copied to each watch that wants it.
 * What a watch with a selector sees is the change as seen through the
 * selector: an object that comes to match is ADDED, one that no longer does
 * is DELETED, with its old labels and the new resourceVersion. */
#include "api/watch.h"

#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "api/http_message.h"
#include "api/object_filter.h"
#include "api/status.h"
#include "hash.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/hmap.h"
#include "sources/object_store.h"
#include "util.h"

enum {
    BOOKMARK_INTERVAL_MS = 60 * 1000,
    LAST_BOOKMARK_MS = 2000, /* Before the deadline. */
};

struct watch {
    struct hmap_node node; /* In set->watches, by id. */
    uint64_t id;
    const struct resource_kind *kind;
    char *ns;
    struct object_filter *filter;
    uint64_t since; /* Events up to this version are not for it. */
    bool bookmarks;
    bool last_bookmark_done;
    long long next_bookmark;
    long long deadline;
};

struct watch_set {
    struct object_store *objects;
    watch_reply_cb *reply;
    void *aux;
    struct hmap watches;
    long long next; /* No watch needs attention before. */
};

struct watch_set *
watch_set_create(struct object_store *objects, watch_reply_cb *reply, void *aux)
{
    struct watch_set *set = xzalloc(sizeof *set);
    set->objects = objects;
    set->reply = reply;
    set->aux = aux;
    set->next = LLONG_MAX;
    hmap_init(&set->watches);
    return set;
}

static void
watch_destroy(struct watch_set *set, struct watch *w)
{
    hmap_remove(&set->watches, &w->node);
    object_filter_destroy(w->filter);
    free(w->ns);
    free(w);
}

void
watch_set_destroy(struct watch_set *set)
{
    if (set) {
        struct watch *w;
        HMAP_FOR_EACH_SAFE (w, node, &set->watches) {
            watch_destroy(set, w);
        }
        hmap_destroy(&set->watches);
        free(set);
    }
}

/* --- Sending ----------------------------------------------------------------- */

static void
send_part(struct watch_set *set, uint64_t id, enum http_part part)
{
    set->reply(http_reply_create(id, part, 200, "application/json", NULL, 0), set->aux);
}

static void
send_text(struct watch_set *set, uint64_t id, const struct ds *text)
{
    if (text->length) {
        set->reply(http_reply_create(id, HTTP_CHUNK, 0, NULL, xmemdup(text->string, text->length),
                                     text->length),
                   set->aux);
    }
}

static void
put_event(struct ds *ds, const char *type, const json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT | JSON_ENCODE_ANY);
    ds_put_format(ds, "{\"type\":\"%s\",\"object\":%s}\n", type, text ? text : "null");
    free(text);
}

static void
put_bookmark(struct ds *ds, const struct resource_kind *kind, uint64_t version, bool initial_end)
{
    char *api_version = kind->group[0] ? xasprintf("%s/%s", kind->group, kind->version)
                                       : xstrdup(kind->version);
    ds_put_format(ds,
                  "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"%s\",\"apiVersion\":\"%s\","
                  "\"metadata\":{\"resourceVersion\":\"%" PRIu64 "\"%s}}}\n",
                  kind->kind, api_version, version,
                  initial_end ? ",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}" : "");
    free(api_version);
}

static void
end_watch(struct watch_set *set, struct watch *w)
{
    send_part(set, w->id, HTTP_END);
    watch_destroy(set, w);
}

/* --- Events ------------------------------------------------------------------ */

/* The text of one event in the forms that watches may want, made on demand. */
struct event_text {
    const struct object_event *event;
    const struct resource_kind *form; /* Of the objects. */
    struct ds added, modified, deleted, left;
};

static void
put_object_event(struct ds *ds, const char *type, const struct resource_kind *form, json_t *object)
{
    json_t *shown = resource_kind_in_form(form, object);
    put_event(ds, type, shown);
    json_decref(shown);
}

static const struct ds *
event_line(const struct event_text *text, struct ds *ds, const char *type, json_t *object)
{
    if (!ds->length) {
        put_object_event(ds, type, text->form, object);
    }
    return ds;
}

/* The old state of an object that left a selector, at the new version. */
static const struct ds *
left_line(struct event_text *text)
{
    if (!text->left.length) {
        json_t *object = json_copy(text->event->old);
        json_t *meta = json_copy(json_object_get(object, "metadata"));
        char version[24];
        snprintf(version, sizeof version, "%" PRIu64, text->event->resource_version);
        json_object_set_new(meta, "resourceVersion", json_string(version));
        json_object_set_new(object, "metadata", meta);
        put_object_event(&text->left, "DELETED", text->form, object);
        json_decref(object);
    }
    return &text->left;
}

/* What 'w' sees of the event; NULL: nothing. */
static const struct ds *
line_for(const struct watch *w, struct event_text *text)
{
    const struct object_event *e = text->event;
    if (text->form != w->kind || e->resource_version <= w->since
        || (w->ns && strcmp(w->ns, e->namespace_))) {
        return NULL;
    }
    bool was = e->old && object_filter_matches(w->filter, e->old);
    bool is = e->type != OBJECT_DELETED && object_filter_matches(w->filter, e->object);
    if (is) {
        return was ? event_line(text, &text->modified, "MODIFIED", e->object)
                   : event_line(text, &text->added, "ADDED", e->object);
    } else if (!was) {
        return NULL;
    }
    return e->type == OBJECT_DELETED ? event_line(text, &text->deleted, "DELETED", e->object)
                                     : left_line(text);
}

static void
event_text_init(struct event_text *text, const struct object_event *event,
                const struct resource_kind *form)
{
    text->event = event;
    text->form = form;
    ds_init(&text->added);
    ds_init(&text->modified);
    ds_init(&text->deleted);
    ds_init(&text->left);
}

static void
event_text_uninit(struct event_text *text)
{
    ds_destroy(&text->added);
    ds_destroy(&text->modified);
    ds_destroy(&text->deleted);
    ds_destroy(&text->left);
}

static void
send_event(struct watch_set *set, const struct object_event *event,
           const struct resource_kind *form)
{
    struct event_text text;
    struct watch *w;
    event_text_init(&text, event, form);
    HMAP_FOR_EACH (w, node, &set->watches) {
        const struct ds *line = line_for(w, &text);
        if (line) {
            send_text(set, w->id, line);
        }
    }
    event_text_uninit(&text);
}

void
watch_set_event(struct watch_set *set, const struct object_event *event)
{
    for (size_t i = 0; i < n_resource_forms; i++) {
        if (resource_kind_stored(&resource_kinds[i]) == event->kind) {
            send_event(set, event, &resource_kinds[i]);
        }
    }
}

/* --- Starting ---------------------------------------------------------------- */

struct start {
    const struct watch *watch;
    struct ds text;
};

static void
put_past_event(const struct object_event *event, void *start_)
{
    struct start *start = start_;
    struct event_text text;
    event_text_init(&text, event, start->watch->kind);
    const struct ds *line = line_for(start->watch, &text);
    if (line) {
        ds_put_buffer(&start->text, line->string, line->length);
    }
    event_text_uninit(&text);
}

static void
put_initial(json_t *object, void *start_)
{
    struct start *start = start_;
    if (object_filter_matches(start->watch->filter, object)) {
        put_object_event(&start->text, "ADDED", start->watch->kind, object);
    }
}

static void
put_expired(const struct watch_set *set, uint64_t since, struct ds *text)
{
    json_t *status = status_failure(410, "Expired",
                                    "too old resource version: %" PRIu64 " (%" PRIu64 ")", since,
                                    object_store_version(set->objects));
    put_event(text, "ERROR", status);
    json_decref(status);
}

static struct watch *
watch_create(struct watch_set *set, const struct watch_options *o, long long now)
{
    struct watch *w = xzalloc(sizeof *w);
    w->id = o->id;
    w->kind = o->kind;
    w->ns = nullable_xstrdup(o->ns);
    w->filter = o->filter;
    w->bookmarks = o->bookmarks;
    w->next_bookmark = now + BOOKMARK_INTERVAL_MS;
    w->last_bookmark_done = o->deadline - now <= LAST_BOOKMARK_MS;
    w->deadline = o->deadline;
    hmap_insert(&set->watches, &w->node, hash_uint64(w->id));
    return w;
}

static long long
watch_next(const struct watch *w)
{
    if (!w->bookmarks) {
        return w->deadline;
    }
    long long last = w->last_bookmark_done ? w->deadline : w->deadline - LAST_BOOKMARK_MS;
    return MIN(w->next_bookmark, last);
}

void
watch_set_start(struct watch_set *set, const struct watch_options *o, long long now)
{
    struct watch *w = watch_create(set, o, now);
    struct start start = { w, DS_EMPTY_INITIALIZER };
    bool expired = false;

    send_part(set, w->id, HTTP_START);
    if (o->initial_events) {
        w->since = object_store_version(set->objects);
        object_store_each(set->objects, w->kind, w->ns, put_initial, &start);
        if (o->mark_initial_end && w->bookmarks) {
            put_bookmark(&start.text, w->kind, w->since, true);
        }
    } else {
        w->since = o->since;
        expired = object_store_replay(set->objects, w->kind, o->since, put_past_event, &start)
                  == OBJECT_GONE;
        if (expired) {
            ds_clear(&start.text);
            put_expired(set, o->since, &start.text);
        }
    }
    send_text(set, w->id, &start.text);
    ds_destroy(&start.text);
    if (expired) {
        end_watch(set, w);
    } else {
        set->next = MIN(set->next, watch_next(w));
    }
}

/* --- Time -------------------------------------------------------------------- */

static void
send_bookmark(struct watch_set *set, const struct watch *w)
{
    struct ds text = DS_EMPTY_INITIALIZER;
    /* Never back: a watch may have asked for a version that is yet to come. */
    put_bookmark(&text, w->kind, MAX(object_store_version(set->objects), w->since), false);
    send_text(set, w->id, &text);
    ds_destroy(&text);
}

static void
watch_run(struct watch_set *set, struct watch *w, long long now)
{
    if (now < watch_next(w)) {
        return;
    }
    bool last = !w->last_bookmark_done && now >= w->deadline - LAST_BOOKMARK_MS;
    if (w->bookmarks && (last || now >= w->next_bookmark)) {
        send_bookmark(set, w);
        w->next_bookmark = now + BOOKMARK_INTERVAL_MS;
        w->last_bookmark_done |= last;
    }
    if (now >= w->deadline) {
        end_watch(set, w);
    }
}

void
watch_set_run(struct watch_set *set, long long now)
{
    if (now < set->next) {
        return;
    }
    struct watch *w;
    HMAP_FOR_EACH_SAFE (w, node, &set->watches) {
        watch_run(set, w, now);
    }
    set->next = LLONG_MAX;
    HMAP_FOR_EACH (w, node, &set->watches) {
        set->next = MIN(set->next, watch_next(w));
    }
}

long long
watch_set_next(const struct watch_set *set)
{
    return hmap_is_empty(&set->watches) ? LLONG_MAX : set->next;
}

void
watch_set_close(struct watch_set *set, uint64_t id)
{
    struct watch *w;
    HMAP_FOR_EACH_WITH_HASH (w, node, hash_uint64(id), &set->watches) {
        if (w->id == id) {
            watch_destroy(set, w);
            return;
        }
    }
}

void
watch_set_end_all(struct watch_set *set)
{
    struct watch *w;
    HMAP_FOR_EACH_SAFE (w, node, &set->watches) {
        end_watch(set, w);
    }
}

size_t
watch_set_count(const struct watch_set *set)
{
    return hmap_count(&set->watches);
}
