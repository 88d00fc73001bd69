/* Groups, the plainest way: members are found by reading each object, without
 * pairs, unions and walks. */
#include "compile/check.h"

#include <stdlib.h>
#include <string.h>

#include "compile/groups_state.h"
#include "sset.h"
#include "svec.h"
#include "util.h"

static const struct group_entry *
find_group(const struct check *k, enum group_kind kind, const char *name)
{
    const struct groups *groups = &k->c->groups;

    return shash_find_data(
        kind == GROUP_OF_PODS ? &groups->policy_groups : &groups->network_groups, name);
}

static const struct policy_group *
find_pods(const struct check *k, const char *name)
{
    const struct group_entry *group = find_group(k, GROUP_OF_PODS, name);

    return group ? group->pods : NULL;
}

/* Adds the names of all groups below, and itself, that exist; to 'order',
 * which may be NULL, as they are met. */
static void
gather(const struct check *k, const char *name, struct sset *all, struct svec *order)
{
    const struct policy_group *group = find_pods(k, name);

    if (group && sset_add(all, name)) {
        if (order) {
            svec_add(order, name);
        }
        for (size_t i = 0; i < group->n_groups; i++) {
            gather(k, group->groups[i], all, order);
        }
    }
}

/* Whether all that the group lists exists and is known, and nothing below lists
 * itself. */
static bool
is_whole(const struct check *k, const char *name)
{
    struct sset all = SSET_INITIALIZER(&all);
    const char *below;
    bool whole = find_pods(k, name) != NULL;

    gather(k, name, &all, NULL);
    SSET_FOR_EACH (below, &all) {
        const struct policy_group *group = find_pods(k, below);

        whole &= !group->unknown;
        for (size_t i = 0; i < group->n_groups; i++) {
            struct sset reached = SSET_INITIALIZER(&reached);

            gather(k, group->groups[i], &reached, NULL);
            whole &= find_pods(k, group->groups[i]) && !sset_contains(&reached, below);
            sset_destroy(&reached);
        }
    }
    sset_destroy(&all);
    return whole;
}

/* Members. */

static bool
lists_pod(const struct policy_group *group, const struct pod_entry *pod)
{
    const char *label = labels_get(&pod->object->meta.labels, intern(POLICY_GROUP_LABEL));

    if (label && !strcmp(label, group->meta.name)) {
        return true;
    }
    for (size_t i = 0; i < group->n_pods; i++) {
        if (!strcmp(group->pods[i].namespace_, pod->namespace_->name)
            && !strcmp(group->pods[i].name, pod->name)) {
            return true;
        }
    }
    for (size_t i = 0; i < group->n_selectors; i++) {
        if (selector_matches(&group->selectors[i].namespaces,
                             &pod->namespace_->object->meta.labels)
            && selector_matches(&group->selectors[i].pods, &pod->object->meta.labels)) {
            return true;
        }
    }
    return false;
}

static bool
has_pod(const struct check *k, const struct sset *all, const struct pod_entry *pod)
{
    const char *name;

    SSET_FOR_EACH (name, all) {
        if (lists_pod(find_pods(k, name), pod)) {
            return true;
        }
    }
    return false;
}

static int
compare_u32(const void *a_, const void *b_)
{
    const uint32_t *a = a_, *b = b_;

    return *a < *b ? -1 : *a > *b;
}

/* The identities of members; 'others' of all other pods. */
static void
find_members(const struct check *k, const struct sset *all, bool members, uint32_t **ids,
             size_t *n)
{
    size_t n_all = 0;

    *ids = xmalloc((k->n_seen + 1) * sizeof **ids);
    for (size_t i = 0; i < k->n_seen; i++) {
        const struct pod_entry *pod = k->seen[i].pod;

        if (pod->endpoint && has_pod(k, all, pod) == members) {
            (*ids)[n_all++] = pod->identity->id;
        }
    }
    qsort(*ids, n_all, sizeof **ids, compare_u32);
    *n = 0;
    for (size_t i = 0; i < n_all; i++) {
        if (!i || (*ids)[i] != (*ids)[i - 1]) {
            (*ids)[(*n)++] = (*ids)[i];
        }
    }
}

/* A class is in the group with all its pods, or not at all. */
static void
check_apart(struct check *k, const struct sset *all, const struct rec_set *rec)
{
    uint32_t *others;
    size_t n;

    find_members(k, all, false, &others, &n);
    for (size_t i = 0; i < n; i++) {
        if (bsearch(&others[i], rec->identities, rec->n_identities, sizeof *rec->identities,
                    compare_u32)) {
            FAIL(k, "%s tells apart pods of identity %" PRIu32, rec->selector, others[i]);
        }
    }
    free(others);
}

static void
use_selectors(struct check *k, const struct sset *all)
{
    const char *name;

    SSET_FOR_EACH (name, all) {
        size_t n;
        struct group_selector *own = group_own_selectors(find_pods(k, name), &n);

        for (size_t i = 0; i < n; i++) {
            check_add_used(k, &own[i].namespaces, &own[i].pods, 0);
            selector_uninit(&own[i].namespaces);
            selector_uninit(&own[i].pods);
        }
        free(own);
    }
}

static uint32_t
want_set(struct check *k, struct rec_set *rec)
{
    rec->r.key = check_set_of_text(k, rec->selector);

    uint32_t key = rec->r.key;
    if (key) {
        records_put(k->want, &rec->r);
    } else {
        record_destroy(&rec->r);
    }
    return key;
}

static uint32_t
use_pods(struct check *k, const char *name)
{
    struct sset all = SSET_INITIALIZER(&all);
    struct rec_set *rec = rec_set_create(0);

    gather(k, name, &all, NULL);
    rec->selector = xasprintf("group{%s}", name);
    find_members(k, &all, true, &rec->identities, &rec->n_identities);
    check_apart(k, &all, rec);
    use_selectors(k, &all);
    sset_destroy(&all);
    return want_set(k, rec);
}

static uint32_t
use_networks(struct check *k, const struct network_group *group, const char **trouble)
{
    struct rec_set *rec = rec_set_create(0);

    rec->prefixes = group->unknown ? NULL : network_group_prefixes(group, &rec->n_prefixes);
    if (!rec->prefixes) {
        *trouble = "unknown, or too large";
        record_destroy(&rec->r);
        return 0;
    }
    rec->selector = xasprintf("networks{%s}", group->meta.name);
    return want_set(k, rec);
}

uint32_t
check_use_group(void *k_, enum group_kind kind, const char *name, const char **trouble)
{
    struct check *k = k_;
    const struct group_entry *group = find_group(k, kind, name);

    *trouble = NULL;
    if (!group || !group_exists(group)) {
        *trouble = "missing";
        return 0;
    } else if (kind == GROUP_OF_NETWORKS) {
        return use_networks(k, group->networks, trouble);
    }
    *trouble = is_whole(k, name) ? NULL : "not whole";
    return use_pods(k, name);
}

const struct pod_choice *
check_use_group_pods(void *k_, const char *name, size_t *n)
{
    struct check *k = k_;
    struct sset all = SSET_INITIALIZER(&all);
    struct svec order = SVEC_EMPTY_INITIALIZER;
    struct pod_choice *choices = NULL;
    size_t allocated = 0;

    *n = 0;
    gather(k, name, &all, &order);
    for (size_t i = 0; i < order.n; i++) {
        const struct group_entry *group = find_group(k, GROUP_OF_PODS, order.names[i]);

        for (size_t j = 0; j < group->n_own; j++) {
            if (*n >= allocated) {
                choices = x2nrealloc(choices, &allocated, sizeof *choices);
            }
            choices[(*n)++] = (struct pod_choice){ &group->own[j].namespaces,
                                                   &group->own[j].pods };
        }
    }
    svec_destroy(&order);
    sset_destroy(&all);
    if (k->n_choices >= k->allocated_choices) {
        k->choices = x2nrealloc(k->choices, &k->allocated_choices, sizeof *k->choices);
    }
    k->choices[k->n_choices++] = choices;
    return choices;
}

/* What each group says of itself. */

static void
check_group(struct check *k, const struct group_entry *group)
{
    bool right = !group_exists(group)           ? false
                 : group->kind == GROUP_OF_PODS ? is_whole(k, group->name)
                                                : true;
    bool used = !ovs_list_is_empty(&group->uses);

    if (group->kind == GROUP_OF_NETWORKS && group->networks) {
        size_t n;
        struct prefix *prefixes = network_group_prefixes(group->networks, &n);

        right = prefixes != NULL && !group->networks->unknown;
        free(prefixes);
    }
    if (right != !group->trouble) {
        FAIL(k, "group %s: %s", group->name, group->trouble ? group->trouble : "no trouble");
    }
    if ((group->problem != NULL) != (!right && group_exists(group))) {
        FAIL(k, "group %s has a wrong problem or none", group->name);
    }
    if (!used && (group->set || group->is_idle)) {
        FAIL(k, "group %s has a set and no users", group->name);
    }
    if (!used && !group_exists(group) && ovs_list_is_empty(&group->parents)) {
        FAIL(k, "group %s is kept for nothing", group->name);
    }
}

void
check_groups(struct check *k)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &k->c->groups.policy_groups) {
        check_group(k, node->data);
    }
    SHASH_FOR_EACH (node, &k->c->groups.network_groups) {
        check_group(k, node->data);
    }
}
