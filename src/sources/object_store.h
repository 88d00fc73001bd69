/* The embedded API's objects in memory, with resource versions and a window
 * of events for watches.  Pure: no I/O; durable storage is the caller's, who
 * hears of each change through the event callback.
 *
 * Objects are raw JSON (jansson) with metadata kept in Kubernetes' form:
 * namespace, name, uid, resourceVersion, creationTimestamp, generation.
 * resourceVersion is one counter for all kinds.  A form of a kind stands for the
 * kind; events have the kind, and objects are stored as the kind's. */
#ifndef VIRGA_OBJECT_STORE_H
#define VIRGA_OBJECT_STORE_H 1

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* One served resource; rows of kinds.def. */
struct resource_kind {
    const char *group;   /* "" for core. */
    const char *version; /* "v1" */
    const char *plural;  /* "networkpolicies" */
    const char *singular;
    const char *kind;        /* "NetworkPolicy" */
    const char *short_names; /* "netpol", comma separated. */
    bool namespaced;
    bool has_status;     /* /status subresource. */
    const char *key;     /* "networkpolicies.networking.k8s.io"; "pods". */
    const char *form_of; /* NULL, or the key of the kind whose objects these are. */
};
/* Those with objects of their own; behind them other forms of these. */
extern const struct resource_kind resource_kinds[];
extern const size_t n_resource_kinds;
extern const size_t n_resource_forms; /* With the kinds themselves. */
/* The kind itself, or what it is a form of. */
const struct resource_kind *resource_kind_stored(const struct resource_kind *);
/* A stored object of this form's kind as it is under this form: a new
 * reference, to 'object' or to a changed copy. */
json_t *resource_kind_in_form(const struct resource_kind *, json_t *object);
/* "networking.k8s.io/v1" into a new string. */
char *resource_kind_api_version(const struct resource_kind *);
/* By apiVersion ("networking.k8s.io/v1") and kind; by group, version, plural;
 * by any name a person types (plural, singular, kind, short name). NULL if unknown. */
const struct resource_kind *resource_kind_by_gvk(const char *api_version, const char *kind);
const struct resource_kind *resource_kind_by_path(const char *group, const char *version,
                                                  const char *plural);
const struct resource_kind *resource_kind_by_word(const char *);

enum object_event_type { OBJECT_ADDED, OBJECT_MODIFIED, OBJECT_DELETED };
struct object_event {
    enum object_event_type type;
    const struct resource_kind *kind;
    const char *namespace_;
    const char *name;
    uint64_t resource_version; /* Of the event; for DELETED the deletion's. */
    json_t *object; /* State after; for DELETED the last state with the new resourceVersion. */
    json_t *old;    /* State before, NULL for ADDED (for selector watches). */
};

enum object_result {
    OBJECT_OK,
    OBJECT_UNCHANGED, /* Update that changes nothing: same resourceVersion, no event. */
    OBJECT_NOT_FOUND,
    OBJECT_EXISTS,
    OBJECT_CONFLICT, /* resourceVersion (or uid precondition) does not match. */
    OBJECT_GONE,     /* Watch start older than the window. */
};

struct object_store;
typedef void object_event_cb(const struct object_event *, void *aux);

/* Keeps the last 'window' events (default 4096 with 0) for watches; fewer if
 * their objects are large. */
struct object_store *object_store_create(size_t window);
void object_store_destroy(struct object_store *);
/* Called synchronously for every change, in order. */
void object_store_set_callback(struct object_store *store, object_event_cb *cb, void *aux);

/* Puts back an object of an earlier life; no event.  Steals 'object'. */
void object_store_restore(struct object_store *, const struct resource_kind *, json_t *object_take,
                          uint64_t resource_version);
void object_store_restore_version(struct object_store *, uint64_t);
void object_store_clear(struct object_store *);
uint64_t object_store_version(const struct object_store *);

/* 'uid' and 'now' (RFC 3339, "2026-01-02T03:04:05Z") are the caller's, for a pure store.  On success
 * *stored borrows the stored object. */
enum object_result object_store_create_object(struct object_store *, const struct resource_kind *,
                                              const char *ns, json_t *object_take, const char *uid,
                                              const char *now, json_t **stored);
/* Replaces; a resourceVersion in the object must match.  'status' selects the
 * part: false keeps the old status, true takes only the status.  uid, creationTimestamp are
 * kept; generation moves when spec changes. */
enum object_result object_store_update(struct object_store *, const struct resource_kind *,
                                       const char *ns, const char *name, json_t *object_take,
                                       bool status, json_t **stored);
/* 'uid' NULL or a precondition.  *last: a new reference to the last state. */
enum object_result object_store_delete(struct object_store *, const struct resource_kind *,
                                       const char *ns, const char *name, const char *uid,
                                       json_t **last);

json_t *object_store_get(const struct object_store *, const struct resource_kind *, const char *ns,
                         const char *name); /* Borrowed or NULL. */
/* Calls cb for each in order of namespace, name; ns NULL: all namespaces. */
void object_store_each(const struct object_store *, const struct resource_kind *, const char *ns,
                       void (*cb)(json_t *, void *aux), void *aux);
/* Replays events of 'kind' after 'since'; OBJECT_GONE if the window no longer has them. */
enum object_result object_store_replay(const struct object_store *store,
                                       const struct resource_kind *kind, uint64_t since,
                                       object_event_cb *cb, void *aux);

/* RFC 7386; takes neither, returns a new value. */
json_t *json_merge_patch(const json_t *target, const json_t *patch);

#endif
