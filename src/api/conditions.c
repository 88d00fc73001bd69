/* See conditions.h. */
#include "api/conditions.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "compile/compile.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "sources/object_store.h"
#include "sset.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(conditions);

/* When a rack of nodes goes, each of their pods has a problem. */
static struct vlog_rate_limit problem_rl = VLOG_RATE_LIMIT_INIT(60, 120);

/* What the schemas of conditions allow, and what people can read. */
enum { MAX_CONDITIONS = 256, MAX_MESSAGE = 2048 };

enum { MAX_LOOKS = 4000 }; /* At once; 1 us each. */

struct conditions {
    struct object_store *objects;
    /* "KIND/NAMESPACE/NAME" of objects ... */
    struct sset bad;     /* ... whose condition is False. */
    struct sset fresh;   /* ... of virga.dev that are new. */
    struct sset waiting; /* ... to be looked at after ... */
    struct sset turn;    /* ... these. */
    bool writing;        /* What changes is our own work. */
    uint64_t n_written;
};

/* --- One condition --------------------------------------------------------------- */

static const char *
text_of(const json_t *condition, const char *member)
{
    const char *s = json_string_value(json_object_get(condition, member));
    return s ? s : "";
}

static json_t *
find_condition(const json_t *object, const char *type, size_t *index)
{
    const json_t *conditions = json_object_get(json_object_get(object, "status"), "conditions");
    size_t i;
    json_t *condition;
    json_array_foreach (conditions, i, condition) {
        if (!strcmp(text_of(condition, "type"), type)) {
            *index = i;
            return condition;
        }
    }
    return NULL;
}

static json_t *
make_condition(const json_t *old, const char *type, const char *status, const char *reason,
               const char *message, long long wall)
{
    char now[32];
    time_t seconds = wall / 1000;
    struct tm tm;
    gmtime_r(&seconds, &tm);
    strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", &tm);

    bool same = !strcmp(text_of(old, "status"), status);
    const char *since = same ? text_of(old, "lastTransitionTime") : now;
    return json_pack("{s:s, s:s, s:s, s:s, s:s}", "type", type, "status", status, "reason", reason,
                     "message", message, "lastTransitionTime", *since ? since : now);
}

/* A copy of 'object' whose "status" and its "conditions" are its own. */
static json_t *
copy_for_status(const json_t *object, json_t **conditions)
{
    json_t *copy = json_copy(CONST_CAST(json_t *, object));
    json_t *old = json_object_get(object, "status");
    json_t *status = json_is_object(old) ? json_copy(old) : json_object();
    old = json_object_get(status, "conditions");
    *conditions = json_is_array(old) ? json_copy(old) : json_array();
    json_object_set_new(status, "conditions", *conditions);
    json_object_set_new(copy, "status", status);
    return copy;
}

/* A message may quote what people wrote, of any length.  Cut between two
 * characters; the caller frees it. */
static char *
readable(const char *message)
{
    size_t n = strlen(message);
    if (n <= MAX_MESSAGE) {
        return xstrdup(message);
    }
    for (n = MAX_MESSAGE; (message[n] & 0xc0) == 0x80; n--) {
        continue;
    }
    return xasprintf("%.*s...", (int) n, message);
}

/* 'generation' 0: the condition has none. */
static json_t *
apply_readable(const json_t *object, const char *type, bool status, const char *reason,
               const char *message, long long wall, int64_t generation)
{
    const char *status_text = status ? "True" : "False";
    size_t index = 0;
    const json_t *old = find_condition(object, type, &index);
    if (old && !strcmp(text_of(old, "status"), status_text)
        && !strcmp(text_of(old, "reason"), reason) && !strcmp(text_of(old, "message"), message)
        && json_integer_value(json_object_get(old, "observedGeneration")) == generation) {
        return NULL;
    }
    json_t *all = json_object_get(json_object_get(object, "status"), "conditions");
    if (!old && json_array_size(all) >= MAX_CONDITIONS) {
        return NULL;
    }
    json_t *conditions;
    json_t *condition = make_condition(old, type, status_text, reason, message, wall);
    json_t *copy = copy_for_status(object, &conditions);
    if (generation) {
        json_object_set_new(condition, "observedGeneration", json_integer(generation));
    }
    if (old) {
        json_array_set_new(conditions, index, condition);
    } else {
        json_array_append_new(conditions, condition);
    }
    return copy;
}

static json_t *
apply(const json_t *object, const char *type, bool status, const char *reason, const char *message,
      long long wall, int64_t generation)
{
    char *text = readable(message);
    json_t *changed = apply_readable(object, type, status, reason, text, wall, generation);
    free(text);
    return changed;
}

json_t *
condition_apply(const json_t *object, const char *type, bool status, const char *reason,
                const char *message, long long wall)
{
    return apply(object, type, status, reason, message, wall, 0);
}

json_t *
condition_apply_observed(const json_t *object, const char *type, bool status, const char *reason,
                         const char *message, long long wall, int64_t generation)
{
    return apply(object, type, status, reason, message, wall, generation);
}

/* --- All of them ----------------------------------------------------------------- */

static char *
object_key(const char *kind, const char *ns, const char *name)
{
    return xasprintf("%s/%s/%s", kind, ns ? ns : "", name);
}

/* 'name' is "KIND", or "KIND.GROUP" for all but the first of that kind. */
static const struct resource_kind *
kind_of(const char *name)
{
    for (size_t i = 0; i < n_resource_kinds; i++) {
        const struct resource_kind *kind = &resource_kinds[i];
        size_t length = strlen(kind->kind);
        if (!strncmp(name, kind->kind, length)
            && (!name[length]
                || (name[length] == '.' && !strcmp(name + length + 1, kind->group)))) {
            return kind;
        }
    }
    return NULL;
}

static char *
kind_name(const struct resource_kind *kind)
{
    return kind_of(kind->kind) == kind ? xstrdup(kind->kind)
                                       : xasprintf("%s.%s", kind->kind, kind->group);
}

/* Those whose problem may be gone, and those of virga.dev that were not greeted. */
static void
note_unfinished(json_t *object, void *conditions_)
{
    struct conditions *conditions = conditions_;
    const struct resource_kind *kind = resource_kind_by_gvk(text_of(object, "apiVersion"),
                                                            text_of(object, "kind"));
    size_t index;
    const json_t *condition = find_condition(object, CONDITION_NETWORK_READY, &index);
    bool bad = condition && !strcmp(text_of(condition, "status"), "False");
    bool fresh = !condition && kind && !strcmp(kind->group, "virga.dev");
    if (bad || fresh) {
        const json_t *meta = json_object_get(object, "metadata");
        char *name = kind ? kind_name(kind) : xstrdup(text_of(object, "kind"));
        char *key = object_key(name, text_of(meta, "namespace"), text_of(meta, "name"));
        sset_add(&conditions->waiting, key);
        sset_add_and_free(bad ? &conditions->bad : &conditions->fresh, key);
        free(name);
    }
}

struct conditions *
conditions_create(struct object_store *objects)
{
    struct conditions *conditions = xzalloc(sizeof *conditions);
    conditions->objects = objects;
    sset_init(&conditions->bad);
    sset_init(&conditions->fresh);
    sset_init(&conditions->waiting);
    sset_init(&conditions->turn);
    for (size_t i = 0; i < n_resource_kinds; i++) {
        object_store_each(objects, &resource_kinds[i], NULL, note_unfinished, conditions);
    }
    return conditions;
}

void
conditions_destroy(struct conditions *conditions)
{
    if (conditions) {
        sset_destroy(&conditions->bad);
        sset_destroy(&conditions->fresh);
        sset_destroy(&conditions->waiting);
        sset_destroy(&conditions->turn);
        free(conditions);
    }
}

/* An object that is not there is no matter: its problem goes with it. */
static void
set_condition(struct conditions *conditions, const struct resource_kind *kind, const char *ns,
              const char *name, bool status, const char *reason, const char *message,
              long long wall)
{
    const json_t *object = object_store_get(conditions->objects, kind, ns, name);
    json_t *changed = object ? condition_apply(object, CONDITION_NETWORK_READY, status, reason,
                                               message, wall)
                             : NULL;
    if (changed) {
        json_t *stored;
        conditions->writing = true;
        object_store_update(conditions->objects, kind, ns, name, changed, true, &stored);
        conditions->writing = false;
        conditions->n_written++;
    }
}

static void
set_problem(struct conditions *conditions, const char *key, const struct compile_problem *p,
            long long wall)
{
    const struct resource_kind *kind = kind_of(p->kind);
    if (kind) {
        set_condition(conditions, kind, p->namespace_, p->name, false, p->reason, p->message,
                      wall);
    }
    if (sset_add(&conditions->bad, key)) {
        VLOG_WARN_RL(&problem_rl, "%s: %s: %s", key, p->reason, p->message);
    }
}

/* 'key' is "KIND/NAMESPACE/NAME"; false if there is no such object. */
static bool
set_ready(struct conditions *conditions, const char *key, long long wall)
{
    const char *ns = strchr(key, '/') + 1;
    const char *name = strchr(ns, '/') + 1;
    char *kind_text = xmemdup0(key, ns - 1 - key);
    char *ns_name = xmemdup0(ns, name - 1 - ns);
    const struct resource_kind *kind = kind_of(kind_text);
    bool found = kind && object_store_get(conditions->objects, kind, ns_name, name);
    if (found) {
        set_condition(conditions, kind, ns_name, name, true, "Ready", "", wall);
    }
    free(kind_text);
    free(ns_name);
    return found;
}

static void
clear_problem(struct conditions *conditions, const char *key, long long wall)
{
    if (set_ready(conditions, key, wall)) {
        VLOG_INFO_RL(&problem_rl, "%s: the problem is gone", key);
    }
}

void
conditions_note(struct conditions *conditions, const struct object_event *event)
{
    if (conditions->writing) {
        return;
    }
    char *name = kind_name(event->kind);
    char *key = object_key(name, event->namespace_, event->name);
    if (event->type == OBJECT_ADDED && !strcmp(event->kind->group, "virga.dev")) {
        sset_add(&conditions->fresh, key);
    }
    sset_add_and_free(&conditions->waiting, key);
    free(name);
}

void
conditions_look_at(struct conditions *conditions, const struct sset *keys)
{
    const char *key;
    SSET_FOR_EACH (key, keys) {
        sset_add(&conditions->waiting, key);
    }
}

static void
bring_up_to_date(struct conditions *conditions, const char *key,
                 const struct compile_problem *problem, long long wall)
{
    bool fresh = sset_find_and_delete(&conditions->fresh, key);
    if (problem) {
        set_problem(conditions, key, problem, wall);
    } else if (sset_find_and_delete(&conditions->bad, key)) {
        clear_problem(conditions, key, wall);
    } else if (fresh) {
        set_ready(conditions, key, wall);
    }
}

size_t
conditions_run(struct conditions *conditions, size_t max, conditions_find_cb *find,
               const void *aux, long long wall)
{
    struct sset *turn = &conditions->turn;
    uint64_t before = conditions->n_written;
    size_t n_looks = 0;
    const char *key, *next;
    if (sset_is_empty(turn)) {
        sset_swap(turn, &conditions->waiting);
    }
    SSET_FOR_EACH_SAFE (key, next, turn) {
        if (conditions->n_written - before >= max || n_looks++ >= MAX_LOOKS) {
            break;
        }
        bring_up_to_date(conditions, key, find(aux, key), wall);
        sset_delete(turn, SSET_NODE_FROM_NAME(key));
    }
    if (sset_is_empty(turn)) {
        sset_destroy(turn); /* It may have been large. */
        sset_init(turn);
    }
    return conditions->n_written - before;
}

bool
conditions_wait(const struct conditions *conditions)
{
    return !sset_is_empty(&conditions->waiting) || !sset_is_empty(&conditions->turn);
}
