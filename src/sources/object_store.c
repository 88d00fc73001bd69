/* Objects by kind, ordered by namespace and name; events in a ring.
 *
 * A stored object is never changed in place: an update puts a new one in its
 * place, which shares what is equal.  So events, watches and lists can hold
 * references to old states for as long as they like.  All that the store
 * writes is in the object itself and its "metadata", and it copies just
 * these two, shallowly, before it writes. */
#include "sources/object_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/util.h"
#include "skiplist.h"
#include "util.h"

enum {
    DEFAULT_WINDOW = 4096,
    /* JSON values in all events, some 64 bytes each: a pod has 40, a policy with
     * a hundred names in a selector three times as many. */
    MAX_VALUES = 200000,
};

struct stored {
    char *namespace_; /* "" if cluster scoped. */
    char *name;
    json_t *object;
};

/* The last 'n' events end at ring[(next - 1) % size]. */
struct object_store {
    struct skiplist **kinds; /* Of struct stored; by index in resource_kinds. */
    uint64_t version;

    struct object_event *ring;
    uint32_t *values; /* Of each event in it, and of all. */
    size_t n_values;
    size_t size, n, next;
    uint64_t forgotten; /* Version up to which events are not in the ring. */

    object_event_cb *cb;
    void *cb_aux;
};

static int
stored_compare(const void *a_, const void *b_, const void *aux)
{
    const struct stored *a = a_;
    const struct stored *b = b_;
    int cmp = strcmp(a->namespace_, b->namespace_);

    return cmp ? cmp : strcmp(a->name, b->name);
}

static void
stored_destroy(void *stored_)
{
    struct stored *stored = stored_;

    if (stored) {
        free(stored->namespace_);
        free(stored->name);
        json_decref(stored->object);
        free(stored);
    }
}

static struct skiplist *
kind_objects(const struct object_store *store, const struct resource_kind *kind)
{
    return store->kinds[resource_kind_stored(kind) - resource_kinds];
}

static struct stored
stored_key(const struct resource_kind *kind, const char *ns, const char *name)
{
    return (struct stored){
        .namespace_ = CONST_CAST(char *, kind->namespaced &&ns ? ns : ""),
        .name = CONST_CAST(char *, name),
    };
}

static struct stored *
find(const struct object_store *store, const struct resource_kind *kind, const char *ns,
     const char *name)
{
    struct stored key = stored_key(kind, ns, name);

    return skiplist_get_data(skiplist_find(kind_objects(store, kind), &key));
}

static const char *
metadata_string(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(json_object_get(object, "metadata"), key));
}

/* 'object_take' has a name. */
static void
insert(struct object_store *store, const struct resource_kind *kind, json_t *object_take)
{
    struct stored key = stored_key(kind, metadata_string(object_take, "namespace"),
                                   metadata_string(object_take, "name"));
    struct stored *stored = xmalloc(sizeof *stored);

    stored->namespace_ = xstrdup(key.namespace_);
    stored->name = xstrdup(key.name);
    stored->object = object_take;
    skiplist_insert(kind_objects(store, kind), stored);
}

/* Life of the store. */

static void
create_kinds(struct object_store *store)
{
    for (size_t i = 0; i < n_resource_kinds; i++) {
        store->kinds[i] = skiplist_create(stored_compare, NULL);
    }
}

static void
destroy_kinds(struct object_store *store)
{
    for (size_t i = 0; i < n_resource_kinds; i++) {
        skiplist_destroy(store->kinds[i], stored_destroy);
    }
}

struct object_store *
object_store_create(size_t window)
{
    struct object_store *store = xzalloc(sizeof *store);

    store->kinds = xcalloc(n_resource_kinds, sizeof *store->kinds);
    store->size = window ? window : DEFAULT_WINDOW;
    store->ring = xcalloc(store->size, sizeof *store->ring);
    store->values = xcalloc(store->size, sizeof *store->values);
    create_kinds(store);
    return store;
}

static void
event_uninit(struct object_event *event)
{
    json_decref(event->object);
    json_decref(event->old);
    memset(event, 0, sizeof *event);
}

static void
forget_events(struct object_store *store)
{
    for (size_t i = 0; i < store->n; i++) {
        event_uninit(&store->ring[(store->next + store->size - 1 - i) % store->size]);
    }
    store->n = store->next = 0;
    store->n_values = 0;
    store->forgotten = store->version;
}

void
object_store_clear(struct object_store *store)
{
    destroy_kinds(store);
    create_kinds(store);
    store->version = 0;
    forget_events(store);
}

void
object_store_destroy(struct object_store *store)
{
    if (store) {
        destroy_kinds(store);
        forget_events(store);
        free(store->kinds);
        free(store->ring);
        free(store->values);
        free(store);
    }
}

void
object_store_set_callback(struct object_store *store, object_event_cb *cb, void *aux)
{
    store->cb = cb;
    store->cb_aux = aux;
}

void
object_store_restore_version(struct object_store *store, uint64_t version)
{
    store->version = MAX(store->version, version);
    forget_events(store);
}

uint64_t
object_store_version(const struct object_store *store)
{
    return store->version;
}

/* Events. */

/* The event's namespace and name live in its object. */
static struct object_event
make_event(enum object_event_type type, const struct resource_kind *kind, uint64_t version,
           json_t *object, json_t *old)
{
    const char *ns = metadata_string(object, "namespace");

    return (struct object_event){
        .type = type,
        .kind = kind,
        .namespace_ = ns ? ns : "",
        .name = metadata_string(object, "name"),
        .resource_version = version,
        .object = json_incref(object),
        .old = json_incref(old),
    };
}

/* JSON is as deep as its parser allowed. */
static uint32_t
count_values(json_t *value)
{
    uint32_t n = 1;
    const char *key;
    json_t *member;
    size_t i;

    json_object_foreach (value, key, member) {
        n += count_values(member);
    }
    json_array_foreach (value, i, member) {
        n += count_values(member);
    }
    return n;
}

static void
forget_oldest(struct object_store *store)
{
    size_t oldest = (store->next + store->size - store->n) % store->size;

    store->forgotten = store->ring[oldest].resource_version;
    store->n_values -= store->values[oldest];
    event_uninit(&store->ring[oldest]);
    store->n--;
}

static void
publish(struct object_store *store, enum object_event_type type, const struct resource_kind *kind,
        json_t *object, json_t *old)
{
    struct object_event *event = &store->ring[store->next];
    uint32_t values = count_values(object);

    while (store->n == store->size || (store->n && store->n_values + values > MAX_VALUES)) {
        forget_oldest(store);
    }
    *event = make_event(type, kind, store->version, object, old);
    store->values[store->next] = values;
    store->n_values += values;
    store->n++;
    store->next = (store->next + 1) % store->size;
    if (store->cb) {
        store->cb(event, store->cb_aux);
    }
}

enum object_result
object_store_replay(const struct object_store *store, const struct resource_kind *kind,
                    uint64_t since, object_event_cb *cb, void *aux)
{
    if (since < store->forgotten) {
        return OBJECT_GONE;
    }

    kind = resource_kind_stored(kind);

    size_t oldest = store->next + store->size - store->n;
    size_t low = 0;

    /* Versions ascend in the ring. */
    for (size_t high = store->n; low < high;) {
        size_t mid = low + (high - low) / 2;

        if (store->ring[(oldest + mid) % store->size].resource_version <= since) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    for (size_t i = low; i < store->n; i++) {
        const struct object_event *event = &store->ring[(oldest + i) % store->size];

        if (event->kind == kind) {
            cb(event, aux);
        }
    }
    return OBJECT_OK;
}

/* Metadata. */

static void
set_string(json_t *object, const char *key, const char *value)
{
    json_object_set_new(object, key, json_string(value));
}

static void
set_version(json_t *metadata, uint64_t version)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRIu64, version);
    set_string(metadata, "resourceVersion", text);
}

/* Copies what the store writes to, so that nobody else sees it change.
 * Returns the "metadata" of the copy; makes it if there is none. */
static json_t *
own(json_t **object)
{
    json_t *copy = json_is_object(*object) ? json_copy(*object) : json_object();
    json_t *metadata = json_object_get(*object, "metadata");

    metadata = json_is_object(metadata) ? json_copy(metadata) : json_object();
    json_object_set_new(copy, "metadata", metadata);
    json_decref(*object);
    *object = copy;
    return metadata;
}

static void
set_identity(json_t *object, json_t *metadata, const struct resource_kind *kind, const char *ns)
{
    char *api_version = resource_kind_api_version(kind);

    set_string(object, "apiVersion", api_version);
    set_string(object, "kind", kind->kind);
    if (kind->namespaced) {
        set_string(metadata, "namespace", ns);
    } else {
        json_object_del(metadata, "namespace");
    }
    free(api_version);
}

/* 'key' of 'from' for that of 'to', also if it is not there. */
static void
take_member(json_t *to, const json_t *from, const char *key)
{
    json_t *value = json_object_get(from, key);

    if (value) {
        json_object_set(to, key, value);
    } else {
        json_object_del(to, key);
    }
}

/* Changes. */

void
object_store_restore(struct object_store *store, const struct resource_kind *kind, json_t *object,
                     uint64_t resource_version)
{
    json_t *metadata = own(&object);
    const char *ns = json_string_value(json_object_get(metadata, "namespace"));
    const char *name = json_string_value(json_object_get(metadata, "name"));
    struct stored *stored = name ? find(store, kind, ns, name) : NULL;

    set_version(metadata, resource_version);
    if (stored) {
        json_decref(stored->object);
        stored->object = object;
    } else if (name) {
        insert(store, kind, object);
    } else {
        json_decref(object);
    }
    object_store_restore_version(store, resource_version);
}

enum object_result
object_store_create_object(struct object_store *store, const struct resource_kind *kind,
                           const char *ns, json_t *object, const char *uid, const char *now,
                           json_t **stored)
{
    kind = resource_kind_stored(kind);

    json_t *metadata = own(&object);
    const char *name = json_string_value(json_object_get(metadata, "name"));
    struct stored *other = name ? find(store, kind, ns, name) : NULL;

    if (!name || other) {
        *stored = other ? other->object : NULL;
        json_decref(object);
        return other ? OBJECT_EXISTS : OBJECT_NOT_FOUND;
    }
    set_identity(object, metadata, kind, ns ? ns : "");
    set_string(metadata, "uid", uid);
    set_string(metadata, "creationTimestamp", now);
    json_object_set_new(metadata, "generation", json_integer(1));
    set_version(metadata, ++store->version);
    insert(store, kind, object);
    *stored = object;
    publish(store, OBJECT_ADDED, kind, object, NULL);
    return OBJECT_OK;
}

/* True if 'metadata' names another version or another life of the object. */
static bool
has_conflict(const json_t *metadata, const json_t *old_metadata)
{
    static const char *const keys[] = { "resourceVersion", "uid" };

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        const char *s = json_string_value(json_object_get(metadata, keys[i]));
        const char *old = json_string_value(json_object_get(old_metadata, keys[i]));

        if (s && s[0] && (!old || strcmp(s, old))) {
            return true;
        }
    }
    return false;
}

/* The next state of 'old' after an update by '*object', with old's version:
 * equal to 'old' if nothing changes. */
static void
merge_update(json_t **object, json_t *old, const struct resource_kind *kind, const char *ns,
             bool status)
{
    if (status) {
        json_t *next = json_incref(old);

        own(&next);
        take_member(next, *object, "status");
        json_decref(*object);
        *object = next;
        return;
    }

    static const char *const kept[] = { "name", "uid", "creationTimestamp", "generation",
                                        "resourceVersion" };
    json_t *metadata = own(object);
    json_t *old_metadata = json_object_get(old, "metadata");

    set_identity(*object, metadata, kind, ns ? ns : "");
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
        take_member(metadata, old_metadata, kept[i]);
    }
    if (kind->has_status) {
        take_member(*object, old, "status");
    }
}

static bool
equal_member(const json_t *a, const json_t *b, const char *key)
{
    json_t *x = json_object_get(a, key);
    json_t *y = json_object_get(b, key);

    return x == y || (x && y && json_equal(x, y));
}

enum object_result
object_store_update(struct object_store *store, const struct resource_kind *kind, const char *ns,
                    const char *name, json_t *object, bool status, json_t **result)
{
    kind = resource_kind_stored(kind);

    struct stored *stored = find(store, kind, ns, name);

    *result = stored ? stored->object : NULL;
    if (!stored
        || has_conflict(json_object_get(object, "metadata"),
                        json_object_get(stored->object, "metadata"))) {
        json_decref(object);
        return stored ? OBJECT_CONFLICT : OBJECT_NOT_FOUND;
    }

    json_t *old = stored->object;

    merge_update(&object, old, kind, ns, status);
    if (json_equal(object, old)) {
        json_decref(object);
        return OBJECT_UNCHANGED;
    }

    json_t *metadata = json_object_get(object, "metadata");

    if (!equal_member(object, old, "spec")) {
        json_int_t generation = json_integer_value(json_object_get(metadata, "generation"));

        json_object_set_new(metadata, "generation", json_integer(generation + 1));
    }
    set_version(metadata, ++store->version);
    stored->object = object;
    *result = object;
    publish(store, OBJECT_MODIFIED, kind, object, old);
    json_decref(old);
    return OBJECT_OK;
}

enum object_result
object_store_delete(struct object_store *store, const struct resource_kind *kind, const char *ns,
                    const char *name, const char *uid, json_t **last)
{
    kind = resource_kind_stored(kind);

    struct stored *stored = find(store, kind, ns, name);

    *last = NULL;
    if (!stored) {
        return OBJECT_NOT_FOUND;
    }

    json_t *old = stored->object;
    const char *old_uid = metadata_string(old, "uid");

    if (uid && (!old_uid || strcmp(uid, old_uid))) {
        return OBJECT_CONFLICT;
    }
    skiplist_delete(kind_objects(store, kind), stored);

    json_t *object = json_incref(old);

    set_version(own(&object), ++store->version);
    publish(store, OBJECT_DELETED, kind, object, old);
    stored_destroy(stored);
    *last = object;
    return OBJECT_OK;
}

/* Reading. */

json_t *
object_store_get(const struct object_store *store, const struct resource_kind *kind,
                 const char *ns, const char *name)
{
    struct stored *stored = find(store, kind, ns, name);

    return stored ? stored->object : NULL;
}

void
object_store_each(const struct object_store *store, const struct resource_kind *kind,
                  const char *ns, void (*cb)(json_t *, void *), void *aux)
{
    struct skiplist *objects = kind_objects(store, kind);
    struct stored key = stored_key(kind, ns, "");
    bool one_namespace = kind->namespaced && ns;

    for (struct skiplist_node *node = skiplist_forward_to(objects, &key); node;
         node = skiplist_next(node)) {
        struct stored *stored = skiplist_get_data(node);

        if (one_namespace && strcmp(stored->namespace_, ns)) {
            break;
        }
        cb(stored->object, aux);
    }
}
