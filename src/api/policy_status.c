/* See policy_status.h. */
#include "api/policy_status.h"

#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "api/conditions.h"
#include "openvswitch/shash.h"
#include "openvswitch/util.h"
#include "smap.h"
#include "sources/object_store.h"
#include "store/store.h"
#include "util.h"

static const char *const kinds[] = {
    "ClusterNetworkPolicy",
    "AdminNetworkPolicy",
    "BaselineAdminNetworkPolicy",
    "GroupPolicy",
};

struct node {
    char *name;
    bool ready;
    uint64_t applied;
    struct smap problems; /* Policy to text. */
};

struct policy {
    const struct resource_kind *kind;
    const char *name;     /* After the slashes of its key in the shash. */
    int64_t spec;         /* metadata.generation of the object. */
    bool is_put;          /* Its records are. */
    uint64_t ticket;      /* That carries them. */
    uint64_t generation;  /* That has its records; 0: not known yet. */
    long long pause_from; /* The last write, or when the generation was known. */
    bool due;             /* Something may be different. */
};

struct policy_status {
    struct object_store *objects;
    struct shash policies; /* "KIND//NAME" to struct policy. */
    bool any_unknown;      /* One may have no ticket or generation yet. */
    long long now, wall, next;

    /* Of the last round, and of the one in work. */
    struct node **nodes, **seen; /* Maps cannot be moved. */
    size_t n_nodes, n_seen, allocated_seen;
};

static bool
is_policy(const struct resource_kind *kind)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (!strcmp(kind->kind, kinds[i])) {
            return true;
        }
    }
    return false;
}

static int64_t
spec_generation(const json_t *object)
{
    return json_integer_value(json_object_get(json_object_get(object, "metadata"), "generation"));
}

/* --- Policies --------------------------------------------------------------------- */

static struct policy *
policy_get(struct policy_status *ps, const struct resource_kind *kind, const char *name)
{
    char *key = xasprintf("%s//%s", kind->kind, name);
    struct shash_node *node = shash_find(&ps->policies, key);

    if (!node) {
        struct policy *policy = xzalloc(sizeof *policy);

        policy->kind = kind;
        policy->spec = -1;
        node = shash_add(&ps->policies, key, policy);
        policy->name = node->name + strlen(kind->kind) + 2;
    }
    free(key);
    return node->data;
}

static void
policy_changed(struct policy_status *ps, struct policy *policy, int64_t spec)
{
    if (policy->spec != spec) {
        ps->any_unknown = true;
        policy->spec = spec;
        policy->is_put = false;
        policy->generation = 0;
        policy->due = true;
    }
}

static void
note_stored(json_t *object, void *ps_)
{
    struct policy_status *ps = ps_;
    const char *kind = json_string_value(json_object_get(object, "kind"));
    const char *version = json_string_value(json_object_get(object, "apiVersion"));
    const char *name = json_string_value(
        json_object_get(json_object_get(object, "metadata"), "name"));
    const struct resource_kind *rk = kind && version ? resource_kind_by_gvk(version, kind) : NULL;

    if (rk && name) {
        policy_changed(ps, policy_get(ps, rk, name), spec_generation(object));
    }
}

struct policy_status *
policy_status_create(struct object_store *objects)
{
    struct policy_status *ps = xzalloc(sizeof *ps);

    ps->objects = objects;
    ps->next = LLONG_MAX;
    shash_init(&ps->policies);
    for (size_t i = 0; i < n_resource_kinds; i++) {
        if (is_policy(&resource_kinds[i])) {
            object_store_each(objects, &resource_kinds[i], NULL, note_stored, ps);
        }
    }
    return ps;
}

void
policy_status_note(struct policy_status *ps, const struct object_event *event)
{
    if (!is_policy(event->kind)) {
        return;
    }
    if (event->type == OBJECT_DELETED) {
        char *key = xasprintf("%s//%s", event->kind->kind, event->name);

        free(shash_find_and_delete(&ps->policies, key));
        free(key);
    } else {
        policy_changed(ps, policy_get(ps, event->kind, event->name),
                       spec_generation(event->object));
    }
}

void
policy_status_put(struct policy_status *ps, uint64_t ticket)
{
    struct shash_node *node;

    if (!ps->any_unknown) {
        return;
    }
    SHASH_FOR_EACH (node, &ps->policies) {
        struct policy *policy = node->data;

        if (!policy->is_put) {
            policy->is_put = true;
            policy->ticket = ticket;
        }
    }
}

void
policy_status_committed(struct policy_status *ps, uint64_t ticket, uint64_t generation,
                        long long now)
{
    struct shash_node *node;

    if (!ps->any_unknown) {
        return;
    }
    ps->any_unknown = false;
    SHASH_FOR_EACH (node, &ps->policies) {
        struct policy *policy = node->data;

        if (policy->is_put && !policy->generation && policy->ticket <= ticket) {
            policy->generation = generation;
            policy->pause_from = now;
            ps->next = now;
        }
        ps->any_unknown |= !policy->generation;
    }
}

/* --- Nodes ------------------------------------------------------------------------- */

static void
free_nodes(struct node **nodes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(nodes[i]->name);
        smap_destroy(&nodes[i]->problems);
        free(nodes[i]);
    }
    free(nodes);
}

void
policy_status_destroy(struct policy_status *ps)
{
    if (ps) {
        free_nodes(ps->nodes, ps->n_nodes);
        free_nodes(ps->seen, ps->n_seen);
        shash_destroy_free_data(&ps->policies);
        free(ps);
    }
}

void
policy_status_begin(struct policy_status *ps, long long now, long long wall)
{
    ps->now = now;
    ps->wall = wall;
    free_nodes(ps->seen, ps->n_seen);
    ps->seen = NULL;
    ps->n_seen = ps->allocated_seen = 0;
}

void
policy_status_see(struct policy_status *ps, const struct store_node_status *status, bool ready)
{
    if (ps->n_seen >= ps->allocated_seen) {
        ps->seen = x2nrealloc(ps->seen, &ps->allocated_seen, sizeof *ps->seen);
    }

    struct node *node = xzalloc(sizeof *node);
    ps->seen[ps->n_seen++] = node;
    node->name = xstrdup(status->name);
    node->ready = ready;
    node->applied = status->applied;
    smap_init(&node->problems);
    if (status->policy_problems) {
        smap_clone(&node->problems, status->policy_problems);
    }
}

static int
compare_nodes(const void *a_, const void *b_)
{
    const struct node *const *a = a_, *const *b = b_;

    return strcmp((*a)->name, (*b)->name);
}

/* But for what they have applied. */
static bool
same_nodes(const struct policy_status *ps)
{
    for (size_t i = 0; i < ps->n_seen && ps->n_seen == ps->n_nodes; i++) {
        const struct node *a = ps->nodes[i], *b = ps->seen[i];

        if (strcmp(a->name, b->name) || a->ready != b->ready
            || !smap_equal(&a->problems, &b->problems)) {
            return false;
        }
    }
    return ps->n_seen == ps->n_nodes;
}

/* --- Conditions -------------------------------------------------------------------- */

struct verdict {
    size_t n; /* Nodes on which it is in force. */
    const struct node *missing;
};

static struct verdict
judge(const struct policy_status *ps, const char *key, const struct policy *policy)
{
    struct verdict verdict = { 0, NULL };

    for (size_t i = 0; i < ps->n_nodes; i++) {
        const struct node *node = ps->nodes[i];

        if (node->applied >= policy->generation && !smap_get(&node->problems, key)) {
            verdict.n++;
        } else if (!verdict.missing || (verdict.missing->ready && !node->ready)) {
            verdict.missing = node;
        }
    }
    return verdict;
}

static char *
verdict_message(const struct policy_status *ps, const char *key, const struct verdict *verdict)
{
    const struct node *missing = verdict->missing;
    char *counts = xasprintf("in force on %" PRIuSIZE " of %" PRIuSIZE " nodes", verdict->n,
                             ps->n_nodes);

    if (!missing) {
        return counts;
    }

    const char *problem = smap_get(&missing->problems, key);
    char *message = xasprintf("%s; %s %s", counts, missing->name,
                              problem          ? problem
                              : missing->ready ? "has not applied it yet"
                                               : "is not ready");

    free(counts);
    return message;
}

static void
write_condition(struct policy_status *ps, struct policy *policy, bool done, const char *message)
{
    json_t *object = object_store_get(ps->objects, policy->kind, NULL, policy->name);
    json_t *changed = object ? condition_apply_observed(object, CONDITION_REALIZED, done,
                                                        done ? "InForce" : "Pending", message,
                                                        ps->wall, policy->spec)
                             : NULL;

    if (changed) {
        json_t *stored;

        policy->pause_from = ps->now;
        object_store_update(ps->objects, policy->kind, NULL, policy->name, changed, true, &stored);
    }
}

static void
run_policy(struct policy_status *ps, const char *key, struct policy *policy)
{
    struct verdict verdict = judge(ps, key, policy);
    long long due_at = policy->pause_from + POLICY_STATUS_PAUSE_MS;
    bool done = !verdict.missing;

    policy->due = !done;
    if (!done && ps->now < due_at) {
        ps->next = MIN(ps->next, due_at);
        return;
    }

    char *message = verdict_message(ps, key, &verdict);
    write_condition(ps, policy, done, message);
    free(message);
}

/* Writing changes the store, and so the policies, but adds and removes none. */
void
policy_status_end(struct policy_status *ps)
{
    struct shash_node *node;
    struct node **old = ps->nodes;
    size_t n_old = ps->n_nodes;

    if (ps->n_seen) {
        qsort(ps->seen, ps->n_seen, sizeof *ps->seen, compare_nodes);
    }
    bool all = !same_nodes(ps);
    ps->nodes = ps->seen;
    ps->n_nodes = ps->n_seen;
    ps->seen = NULL;
    ps->n_seen = 0;
    free_nodes(old, n_old);
    ps->next = LLONG_MAX;
    SHASH_FOR_EACH (node, &ps->policies) {
        struct policy *policy = node->data;

        if (policy->generation && (all || policy->due)) {
            run_policy(ps, node->name, policy);
        }
    }
}

long long
policy_status_next(const struct policy_status *ps)
{
    return ps->next;
}
