/* Open watches of the embedded API.
 *
 * A watch is a streaming reply: one JSON document per event.  It ends at its
 * deadline, when its start is too old (an ERROR event), when the client goes,
 * or with watch_set_end_all().  Pure but for the time it is given. */
#ifndef VIRGA_WATCH_H
#define VIRGA_WATCH_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_reply;
struct object_event;
struct object_filter;
struct object_store;
struct resource_kind;

typedef void watch_reply_cb(struct http_reply *take, void *aux);

struct watch_set;
struct watch_set *watch_set_create(struct object_store *, watch_reply_cb *, void *aux);
void watch_set_destroy(struct watch_set *);

struct watch_options {
    uint64_t id; /* Of the request. */
    const struct resource_kind *kind;
    const char *ns;               /* NULL: all namespaces. */
    struct object_filter *filter; /* Becomes the watch's. */
    bool initial_events;          /* ADDED for each object that is there. */
    bool mark_initial_end;        /* Then a bookmark that says so. */
    uint64_t since;               /* Without initial_events: events after this version. */
    bool bookmarks;
    long long deadline; /* ms */
};
void watch_set_start(struct watch_set *, const struct watch_options *, long long now);

/* Every change of every object goes through here, once and in order. */
void watch_set_event(struct watch_set *, const struct object_event *);

/* Bookmarks and deadlines. */
void watch_set_run(struct watch_set *, long long now);
/* When watch_set_run() has something to do; LLONG_MAX if never. */
long long watch_set_next(const struct watch_set *);

void watch_set_close(struct watch_set *, uint64_t id);
void watch_set_end_all(struct watch_set *);
size_t watch_set_count(const struct watch_set *);

#endif
