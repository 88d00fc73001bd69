#include "compile/state.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "util.h"

/* Work lists. */

void
worklist_add(struct worklist *work, struct entry *entry)
{
    /* cppcheck-suppress ctuuninitvar ; LIST_FOR_EACH does set its variable. */
    if (entry->queued) {
        return;
    }
    entry->queued = true;
    if (work->n >= work->allocated) {
        work->entries = x2nrealloc(work->entries, &work->allocated, sizeof *work->entries);
    }
    work->entries[work->n++] = entry;
}

static int
compare_entries(const void *a_, const void *b_)
{
    const struct entry *const *a = a_, *const *b = b_;

    return (*a)->seq < (*b)->seq ? -1 : (*a)->seq > (*b)->seq;
}

struct entry **
worklist_take(struct worklist *work, size_t *n)
{
    struct entry **entries = work->entries;

    *n = work->n;
    *work = (struct worklist){ .n = 0 };
    if (*n) {
        qsort(entries, *n, sizeof *entries, compare_entries);
    }
    for (size_t i = 0; i < *n; i++) {
        entries[i]->queued = false;
    }
    return entries;
}

void
worklist_uninit(struct worklist *work)
{
    free(work->entries);
}

/* Nodes. */

struct node_entry *
node_entry_get(struct compile *c, const char *name)
{
    struct node_entry *node = shash_find_data(&c->nodes, name);

    if (!node) {
        node = xzalloc(sizeof *node);
        node->entry.seq = c->seq++;
        node->name = xstrdup(name);
        ovs_list_init(&node->pods);
        shash_add(&c->nodes, name, node);
    }
    return node;
}

void
node_entry_destroy(struct compile *c, struct node_entry *node)
{
    shash_find_and_delete(&c->nodes, node->name);
    k8s_node_destroy(node->object);
    free(node->name);
    free(node->addresses);
    free(node);
}

bool
node_entry_is_idle(const struct node_entry *node)
{
    return !node->exists && !node->next_exists && !node->object && ovs_list_is_empty(&node->pods);
}

/* Namespaces. */

struct namespace_entry *
namespace_entry_find(const struct compile *c, const char *name)
{
    struct namespace_entry *ns;

    HMAP_FOR_EACH_WITH_HASH (ns, hmap_node, hash_string(name, 0), &c->namespaces) {
        if (!strcmp(ns->name, name)) {
            return ns;
        }
    }
    return NULL;
}

struct namespace_entry *
namespace_entry_get(struct compile *c, const char *name)
{
    struct namespace_entry *ns = namespace_entry_find(c, name);

    if (!ns) {
        ns = xzalloc(sizeof *ns);
        ns->entry.seq = c->seq++;
        ns->name = xstrdup(name);
        ovs_list_init(&ns->pods);
        ovs_list_init(&ns->policies);
        scope_init(&ns->scope, ns->name);
        hmap_insert(&c->namespaces, &ns->hmap_node, hash_string(name, 0));
    }
    return ns;
}

void
namespace_entry_destroy(struct compile *c, struct namespace_entry *ns)
{
    hmap_remove(&c->namespaces, &ns->hmap_node);
    problem_clear(&c->problems, &ns->problem);
    scope_uninit(&ns->scope);
    k8s_namespace_destroy(ns->object);
    k8s_namespace_destroy(ns->next);
    free(ns->subnets);
    free(ns->name);
    free(ns);
}

void
namespace_entry_left(struct compile *c, struct namespace_entry *ns)
{
    if (!ns->object && ovs_list_is_empty(&ns->pods) && ovs_list_is_empty(&ns->policies)) {
        worklist_add(&c->namespace_work, &ns->entry);
    }
}

bool
namespace_entry_is_missing(const struct namespace_entry *ns, const char **reason, char **message)
{
    if (ns->vni) {
        return false;
    }
    if (ns->object) {
        *reason = "NetworkNotReady";
        *message = xasprintf("namespace \"%s\" has no network; see its condition", ns->name);
    } else {
        *reason = "NamespaceMissing";
        *message = xasprintf("namespace \"%s\" does not exist; create it", ns->name);
    }
    return true;
}

/* Namespaced objects: found by name, then namespace. */

static uint32_t
name_hash(const struct namespace_entry *ns, const char *name)
{
    return hash_string(name, hash_pointer(ns, 0));
}

struct policy_entry *
policy_entry_find(const struct compile *c, const char *kind, const char *ns_name, const char *name)
{
    const struct namespace_entry *ns = namespace_entry_find(c, ns_name);
    struct policy_entry *policy;

    if (ns) {
        HMAP_FOR_EACH_WITH_HASH (policy, hmap_node, name_hash(ns, name), &c->policies) {
            if (policy->namespace_ == ns && !strcmp(policy->name, name)
                && !strcmp(policy->kind, kind)) {
                return policy;
            }
        }
    }
    return NULL;
}

struct policy_entry *
policy_entry_get(struct compile *c, const char *kind, const char *ns_name, const char *name)
{
    struct policy_entry *policy = policy_entry_find(c, kind, ns_name, name);

    if (!policy) {
        policy = xzalloc(sizeof *policy);
        policy->entry.seq = c->seq++;
        policy->kind = kind;
        policy->name = xstrdup(name);
        policy->namespace_ = namespace_entry_get(c, ns_name);
        ovs_list_push_back(&policy->namespace_->policies, &policy->namespace_node);
        hmap_insert(&c->policies, &policy->hmap_node, name_hash(policy->namespace_, name));
    }
    return policy;
}

void
policy_entry_destroy(struct compile *c, struct policy_entry *policy)
{
    hmap_remove(&c->policies, &policy->hmap_node);
    ovs_list_remove(&policy->namespace_node);
    namespace_entry_left(c, policy->namespace_);
    problem_clear(&c->problems, &policy->problem);
    network_policy_destroy(policy->object);
    network_policy_destroy(policy->next);
    free(policy->rules);
    free(policy->name);
    free(policy);
}

static uint32_t
ordered_hash(const char *kind, const char *name)
{
    return hash_string(name, hash_string(kind, 0));
}

struct ordered_entry *
ordered_entry_find(const struct compile *c, const char *kind, const char *name)
{
    struct ordered_entry *policy;

    HMAP_FOR_EACH_WITH_HASH (policy, hmap_node, ordered_hash(kind, name), &c->ordered) {
        if (!strcmp(policy->kind, kind) && !strcmp(policy->name, name)) {
            return policy;
        }
    }
    return NULL;
}

struct ordered_entry *
ordered_entry_get(struct compile *c, const char *kind, const char *name)
{
    struct ordered_entry *policy = ordered_entry_find(c, kind, name);

    if (!policy) {
        policy = xzalloc(sizeof *policy);
        policy->entry.seq = c->seq++;
        policy->entry.is_ordered = true;
        policy->kind = kind;
        policy->name = xstrdup(name);
        for (int direction = 0; direction < N_RULE_DIRECTIONS; direction++) {
            policy->blocks[direction].policy = policy;
            policy->blocks[direction].ranks.kind = policy->kind;
            policy->blocks[direction].ranks.name = policy->name;
        }
        hmap_insert(&c->ordered, &policy->hmap_node, ordered_hash(kind, name));
    }
    return policy;
}

void
ordered_entry_destroy(struct compile *c, struct ordered_entry *policy)
{
    hmap_remove(&c->ordered, &policy->hmap_node);
    problem_clear(&c->problems, &policy->problem);
    ordered_policy_destroy(policy->object);
    ordered_policy_destroy(policy->next);
    free(policy->rules);
    free(policy->name);
    free(policy);
}

struct pod_entry *
pod_entry_find(const struct compile *c, const char *ns_name, const char *name)
{
    const struct namespace_entry *ns = namespace_entry_find(c, ns_name);
    struct pod_entry *pod;

    if (ns) {
        HMAP_FOR_EACH_WITH_HASH (pod, hmap_node, name_hash(ns, name), &c->pods) {
            if (pod->namespace_ == ns && !strcmp(pod->name, name)) {
                return pod;
            }
        }
    }
    return NULL;
}

struct pod_entry *
pod_entry_get(struct compile *c, const char *ns_name, const char *name)
{
    struct pod_entry *pod = pod_entry_find(c, ns_name, name);

    if (!pod) {
        pod = xzalloc(sizeof *pod);
        pod->entry.seq = c->seq++;
        pod->name = xstrdup(name);
        pod->namespace_ = namespace_entry_get(c, ns_name);
        ovs_list_push_back(&pod->namespace_->pods, &pod->namespace_node);
        hmap_insert(&c->pods, &pod->hmap_node, name_hash(pod->namespace_, name));
    }
    return pod;
}

void
pod_entry_destroy(struct compile *c, struct pod_entry *pod)
{
    hmap_remove(&c->pods, &pod->hmap_node);
    ovs_list_remove(&pod->namespace_node);
    namespace_entry_left(c, pod->namespace_);
    if (pod->node) {
        ovs_list_remove(&pod->node_node);
    }
    problem_clear(&c->problems, &pod->problem);
    k8s_pod_destroy(pod->object);
    k8s_pod_destroy(pod->next);
    free(pod->name);
    free(pod);
}
