/* Walks through groups that contain groups.
 *
 * A walk has a number; a group that bears it has been seen.  No recursion:
 * people can nest groups as deep as they like. */
#include "compile/groups_state.h"

#include <stdlib.h>

#include "openvswitch/dynamic-string.h"
#include "util.h"

struct list {
    struct group_entry **a;
    size_t n, allocated;
};

static void
list_add(struct list *list, struct group_entry *group)
{
    if (list->n >= list->allocated) {
        list->a = x2nrealloc(list->a, &list->allocated, sizeof *list->a);
    }
    list->a[list->n++] = group;
}

/* One group of the way down, and which of its links comes next. */
struct step {
    struct group_entry *group;
    size_t next_link;
};

struct walk {
    struct step *path;
    size_t n, allocated;
    struct list seen;
    char *trouble;
    uint64_t number;
};

static void
note_unknown(struct walk *w, const struct group_entry *group)
{
    w->trouble = xasprintf("%s of PolicyGroup \"%s\" is not known; correct it, or take it out",
                           group->pods->unknown, group->name);
}

static void
enter(struct walk *w, struct group_entry *group)
{
    if (!w->trouble && group->pods && group->pods->unknown) {
        note_unknown(w, group);
    }
    if (w->n >= w->allocated) {
        w->path = x2nrealloc(w->path, &w->allocated, sizeof *w->path);
    }
    w->path[w->n++] = (struct step){ group, 0 };
    group->visited = w->number;
    group->on_path = true;
    list_add(&w->seen, group);
}

/* The way from 'group' back to it. */
static void
note_cycle(struct walk *w, const struct group_entry *group)
{
    struct ds way = DS_EMPTY_INITIALIZER;
    size_t i = w->n - 1, n_named = 0;

    while (w->path[i].group != group) {
        i--;
    }
    for (; i < w->n && n_named < 8; i++, n_named++) {
        ds_put_format(&way, "\"%s\" contains ", w->path[i].group->name);
    }
    ds_put_format(&way, "%s\"%s\"", i < w->n ? "... " : "", group->name);
    w->trouble = xasprintf("it contains itself, or a group that does: %s; take one out of "
                           "spec.groups",
                           ds_cstr(&way));
    ds_destroy(&way);
}

static void
note_missing(struct walk *w, const struct group_entry *parent, const struct group_entry *child)
{
    w->trouble = xasprintf("PolicyGroup \"%s\", which \"%s\" lists in spec.groups, does not "
                           "exist; create it, or take it out",
                           child->name, parent->name);
}

static void
follow(struct walk *w, struct group_entry *parent, struct group_entry *child)
{
    if (!group_exists(child)) {
        if (!w->trouble) {
            note_missing(w, parent, child);
        }
    } else if (child->visited != w->number) {
        enter(w, child);
    } else if (child->on_path && !w->trouble) {
        note_cycle(w, child);
    }
}

struct group_entry **
group_walk(struct compile *c, struct group_entry *group, size_t *n, char **trouble)
{
    struct walk w = { .number = ++c->groups.walk };

    enter(&w, group);
    while (w.n) {
        struct step *step = &w.path[w.n - 1];

        if (step->next_link < step->group->n_links) {
            follow(&w, step->group, step->group->links[step->next_link++].child);
        } else {
            step->group->on_path = false;
            w.n--;
        }
    }
    free(w.path);
    *trouble = w.trouble;
    *n = w.seen.n;
    return w.seen.a;
}

static int
compare_groups(const void *a_, const void *b_)
{
    const struct group_entry *const *a = a_, *const *b = b_;

    return (*a)->entry.seq < (*b)->entry.seq ? -1 : (*a)->entry.seq > (*b)->entry.seq;
}

struct group_entry **
group_walk_up(struct compile *c, struct group_entry *const *groups, size_t n, size_t *n_all)
{
    struct list seen = { .n = 0 };
    uint64_t number = ++c->groups.walk;

    for (size_t i = 0; i < n; i++) {
        groups[i]->visited = number;
        list_add(&seen, groups[i]);
    }
    for (size_t i = 0; i < seen.n; i++) {
        const struct group_link *link;

        LIST_FOR_EACH (link, child_node, &seen.a[i]->parents) {
            if (link->parent->visited != number) {
                link->parent->visited = number;
                list_add(&seen, link->parent);
            }
        }
    }
    if (seen.n) {
        qsort(seen.a, seen.n, sizeof *seen.a, compare_groups);
    }
    *n_all = seen.n;
    return seen.a;
}
