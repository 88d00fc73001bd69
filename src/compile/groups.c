#include "compile/groups.h"

#include <stdlib.h>
#include <string.h>

#include "compile/groups_state.h"
#include "compile/pod_name.h"
#include "compile/policy_rules.h"
#include "util.h"

static const char *const kind_words[] = { "PolicyGroup", "NetworkGroup" };
static const char missing[] = "it does not exist; create it";

void
groups_init(struct groups *groups)
{
    *groups = (struct groups){ .walk = 0 };
    shash_init(&groups->policy_groups);
    shash_init(&groups->network_groups);
    ovs_list_init(&groups->idle);
}

static struct shash *
groups_of(struct compile *c, enum group_kind kind)
{
    return kind == GROUP_OF_PODS ? &c->groups.policy_groups : &c->groups.network_groups;
}

struct group_entry *
group_entry_get(struct compile *c, enum group_kind kind, const char *name)
{
    struct shash *groups = groups_of(c, kind);
    struct group_entry *group = shash_find_data(groups, name);

    if (!group) {
        group = xzalloc(sizeof *group);
        group->entry.seq = c->seq++;
        group->kind = kind;
        group->name = xstrdup(name);
        group->trouble = xstrdup(missing);
        ovs_list_init(&group->parents);
        ovs_list_init(&group->uses);
        shash_add(groups, name, group);
    }
    return group;
}

bool
group_exists(const struct group_entry *group)
{
    return group->pods || group->networks;
}

/* Objects. */

void
compile_set_policy_group(struct compile *c, struct policy_group *object)
{
    struct group_entry *group = group_entry_get(c, GROUP_OF_PODS, object->meta.name);

    policy_group_destroy(group->next_pods);
    group->next_pods = object;
    group->entry.has_next = true;
    worklist_add(&c->group_work, &group->entry);
}

void
compile_set_network_group(struct compile *c, struct network_group *object)
{
    struct group_entry *group = group_entry_get(c, GROUP_OF_NETWORKS, object->meta.name);

    network_group_destroy(group->next_networks);
    group->next_networks = object;
    group->entry.has_next = true;
    worklist_add(&c->group_work, &group->entry);
}

static void
delete_group(struct compile *c, enum group_kind kind, const char *name)
{
    struct group_entry *group = shash_find_data(groups_of(c, kind), name);

    if (group) {
        policy_group_destroy(group->next_pods);
        network_group_destroy(group->next_networks);
        group->next_pods = NULL;
        group->next_networks = NULL;
        group->entry.has_next = true;
        worklist_add(&c->group_work, &group->entry);
    }
}

void
compile_del_policy_group(struct compile *c, const char *name)
{
    delete_group(c, GROUP_OF_PODS, name);
}

void
compile_del_network_group(struct compile *c, const char *name)
{
    delete_group(c, GROUP_OF_NETWORKS, name);
}

/* Entries. */

static void
note_idle(struct compile *c, struct group_entry *group)
{
    if (!group->is_idle) {
        group->is_idle = true;
        ovs_list_push_back(&c->groups.idle, &group->idle_node);
    }
}

static void
free_selectors(struct group_entry *group)
{
    for (size_t i = 0; i < group->n_own; i++) {
        selector_uninit(&group->own[i].namespaces);
        selector_uninit(&group->own[i].pods);
    }
    free(group->own);
    group->own = NULL;
    group->n_own = 0;
}

static void
drop_links(struct compile *c, struct group_entry *group)
{
    for (size_t i = 0; i < group->n_links; i++) {
        ovs_list_remove(&group->links[i].child_node);
        note_idle(c, group->links[i].child);
    }
    free(group->links);
    group->links = NULL;
    group->n_links = 0;
}

static void
drop_set(struct compile *c, struct group_entry *group)
{
    if (group->members) {
        set_union_destroy(&c->selection, group->members);
        group->members = NULL;
    } else if (group->set) {
        records_remove(c->records, RECORD_SET, group->set);
    }
    group->set = 0;
}

static void
entry_destroy(struct compile *c, struct group_entry *group)
{
    shash_find_and_delete(groups_of(c, group->kind), group->name);
    problem_clear(&c->problems, &group->problem);
    policy_group_destroy(group->pods);
    policy_group_destroy(group->next_pods);
    network_group_destroy(group->networks);
    network_group_destroy(group->next_networks);
    free_selectors(group);
    free(group->links);
    free(group->trouble);
    free(group->name);
    free(group);
}

/* What a group lists. */

struct group_selector *
group_own_selectors(const struct policy_group *object, size_t *n)
{
    struct group_selector *own = xmalloc((object->n_selectors + object->n_pods + 1) * sizeof *own);
    const char *name = object->meta.name;

    *n = 0;
    for (size_t i = 0; i < object->n_selectors; i++, (*n)++) {
        selector_clone(&own[*n].namespaces, &object->selectors[i].namespaces);
        selector_clone(&own[*n].pods, &object->selectors[i].pods);
    }
    for (size_t i = 0; i < object->n_pods; i++, (*n)++) {
        selector_of_namespace(object->pods[i].namespace_, &own[*n].namespaces);
        pod_name_select(&own[*n].pods, object->pods[i].name);
    }
    selector_init(&own[*n].namespaces);
    selector_init(&own[*n].pods);
    selector_add(&own[*n].pods, POLICY_GROUP_LABEL, SELECTOR_IN, &name, 1);
    (*n)++;
    return own;
}

static void
take_links(struct compile *c, struct group_entry *group)
{
    const struct policy_group *object = group->pods;

    group->n_links = object->n_groups;
    group->links = xmalloc((group->n_links + 1) * sizeof *group->links);
    for (size_t i = 0; i < group->n_links; i++) {
        struct group_link *link = &group->links[i];

        link->parent = group;
        link->child = group_entry_get(c, GROUP_OF_PODS, object->groups[i]);
        ovs_list_push_back(&link->child->parents, &link->child_node);
    }
}

static void
take_next(struct compile *c, struct group_entry *group)
{
    if (!group->entry.has_next) {
        return;
    }
    policy_group_destroy(group->pods);
    network_group_destroy(group->networks);
    group->pods = group->next_pods;
    group->networks = group->next_networks;
    group->next_pods = NULL;
    group->next_networks = NULL;
    group->entry.has_next = false;

    free_selectors(group);
    drop_links(c, group);
    if (group->pods) {
        group->own = group_own_selectors(group->pods, &group->n_own);
        take_links(c, group);
    } else if (!group->networks) {
        note_idle(c, group);
    }
}

/* Sets. */

static struct pod_choice *
pairs_of(struct group_entry *const *groups, size_t n, size_t *n_pairs)
{
    size_t n_all = 0;

    for (size_t i = 0; i < n; i++) {
        n_all += groups[i]->n_own;
    }

    struct pod_choice *pairs = xmalloc((n_all + 1) * sizeof *pairs);

    *n_pairs = 0;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < groups[i]->n_own; j++) {
            const struct group_selector *own = &groups[i]->own[j];

            pairs[(*n_pairs)++] = (struct pod_choice){ &own->namespaces, &own->pods };
        }
    }
    return pairs;
}

static void
set_members(struct compile *c, struct group_entry *group, struct group_entry *const *all, size_t n)
{
    size_t n_pairs;
    struct pod_choice *pairs = pairs_of(all, n, &n_pairs);

    if (!group->members) {
        char *text = xasprintf("group{%s}", group->name);

        group->members = set_union_create(&c->selection, text);
        group->set = set_union_id(group->members);
        free(text);
    }
    set_union_set(&c->selection, group->members, pairs, n_pairs);
    free(pairs);
}

/* What is wrong with the group, and its set if it is used. */
static char *
update_pods(struct compile *c, struct group_entry *group)
{
    char *trouble;
    size_t n;
    struct group_entry **all = group_walk(c, group, &n, &trouble);

    if (!ovs_list_is_empty(&group->uses)) {
        set_members(c, group, all, n);
    }
    free(all);
    return trouble;
}

static void
put_prefixes(struct compile *c, struct group_entry *group, struct prefix *prefixes, size_t n)
{
    char *text = xasprintf("networks{%s}", group->name);

    if (!group->set) {
        group->set = selection_take_number(&c->selection, text);
    }

    struct rec_set *rec = rec_set_create(group->set);

    rec->selector = text;
    rec->prefixes = prefixes;
    rec->n_prefixes = n;
    records_put(c->records, &rec->r);
}

static char *
update_networks(struct compile *c, struct group_entry *group)
{
    size_t n;
    struct prefix *prefixes = network_group_prefixes(group->networks, &n);

    if (group->networks->unknown) {
        free(prefixes);
        drop_set(c, group);
        return xasprintf("%s is not known; correct it, or take it out", group->networks->unknown);
    } else if (!prefixes) {
        drop_set(c, group);
        return xasprintf("without its exceptions it comes to more than %d prefixes; split it",
                         GROUPS_MAX_PREFIXES);
    }
    if (ovs_list_is_empty(&group->uses)) {
        free(prefixes);
    } else {
        put_prefixes(c, group, prefixes, n);
    }
    return NULL;
}

/* Returns what is wrong with it, a new string, or NULL. */
static char *
update_set(struct compile *c, struct group_entry *group)
{
    if (group->pods) {
        return update_pods(c, group);
    } else if (group->networks) {
        return update_networks(c, group);
    }
    drop_set(c, group);
    return xstrdup(missing);
}

/* Run. */

static bool
text_differs(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) != 0 : a != b;
}

static const char *
reason_of(const struct group_entry *group)
{
    return group->kind == GROUP_OF_PODS ? "GroupNotResolved"
           : group->networks->unknown   ? "UnknownField"
                                        : "GroupTooLarge";
}

static void
show_problem(struct compile *c, struct group_entry *group)
{
    if (group->trouble && group_exists(group)) {
        problem_set(&c->problems, &group->problem, kind_words[group->kind], "", group->name,
                    reason_of(group), "%s", group->trouble);
    } else {
        problem_clear(&c->problems, &group->problem);
    }
}

static void
group_update(struct compile *c, struct group_entry *group)
{
    uint32_t old_set = group->set;
    char *trouble = update_set(c, group);
    bool changed = text_differs(trouble, group->trouble) || old_set != group->set;
    struct group_use *use;

    free(group->trouble);
    group->trouble = trouble;
    show_problem(c, group);
    LIST_FOR_EACH (use, group_node, &group->uses) {
        if (changed || use->wants_pairs) {
            worklist_add(use->work, use->user);
        }
    }
}

void
groups_run(struct compile *c)
{
    size_t n, n_all;
    struct entry **work = worklist_take(&c->group_work, &n);
    struct group_entry **groups = xmalloc((n + 1) * sizeof *groups);

    for (size_t i = 0; i < n; i++) {
        groups[i] = CONTAINER_OF(work[i], struct group_entry, entry);
        take_next(c, groups[i]);
    }

    struct group_entry **all = group_walk_up(c, groups, n, &n_all);

    for (size_t i = 0; i < n_all; i++) {
        group_update(c, all[i]);
    }
    free(all);
    free(groups);
    free(work);
}

void
groups_collect(struct compile *c)
{
    struct group_entry *group;

    LIST_FOR_EACH_POP (group, idle_node, &c->groups.idle) {
        group->is_idle = false;
        if (!ovs_list_is_empty(&group->uses)) {
            continue;
        }
        drop_set(c, group);
        if (!group_exists(group) && !group->entry.queued && ovs_list_is_empty(&group->parents)) {
            entry_destroy(c, group);
        }
    }
    selection_collect(&c->selection);
}

static void
destroy_all(struct compile *c, struct shash *groups)
{
    struct shash_node *node, *next;

    SHASH_FOR_EACH_SAFE (node, next, groups) {
        drop_set(c, node->data);
    }
    SHASH_FOR_EACH_SAFE (node, next, groups) {
        entry_destroy(c, node->data);
    }
    shash_destroy(groups);
}

void
groups_uninit(struct compile *c)
{
    destroy_all(c, &c->groups.policy_groups);
    destroy_all(c, &c->groups.network_groups);
}

/* Uses. */

struct group_use *
group_use(struct compile *c, enum group_kind kind, const char *name, struct entry *user,
          struct worklist *work)
{
    struct group_entry *group = group_entry_get(c, kind, name);
    struct group_use *use = xzalloc(sizeof *use);
    bool first = ovs_list_is_empty(&group->uses) && !group->set;

    use->group = group;
    use->user = user;
    use->work = work;
    ovs_list_push_back(&group->uses, &use->group_node);
    if (first) {
        free(group->trouble);
        group->trouble = update_set(c, group);
    }
    return use;
}

void
group_unuse(struct compile *c, struct group_use *use)
{
    struct group_entry *group = use->group;

    ovs_list_remove(&use->group_node);
    if (ovs_list_is_empty(&group->uses)) {
        note_idle(c, group);
    }
    free(use->pairs);
    free(use);
}

uint32_t
group_use_set(const struct group_use *use)
{
    return use->group->set;
}

const char *
group_use_trouble(const struct group_use *use)
{
    return use->group->trouble;
}

const struct pod_choice *
group_use_pairs(struct compile *c, struct group_use *use, size_t *n)
{
    size_t n_groups;
    char *trouble;
    struct group_entry **all = group_walk(c, use->group, &n_groups, &trouble);

    free(use->pairs);
    use->pairs = pairs_of(all, n_groups, n);
    use->wants_pairs = true;
    free(trouble);
    free(all);
    return use->pairs;
}
