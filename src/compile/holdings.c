#include "compile/holdings.h"

#include <stdlib.h>
#include <string.h>

#include "compile/groups_state.h"
#include "util.h"

enum { FEW = 2 };

struct holdings {
    struct compile *c;
    struct entry *owner;
    struct group_use *groups;   /* Chain. */
    struct port_watch *watches; /* Chain. */
    uint32_t *sets;             /* It is a user of each. */
    uint32_t few[FEW];          /* 'sets' of most policies. */
    size_t n_sets, allocated_sets;
    struct address_set **others;
    size_t n_others, allocated_others;
};

struct holdings *
holdings_create(struct compile *c, struct entry *owner)
{
    struct holdings *holdings = xmalloc(sizeof *holdings);

    *holdings = (struct holdings){ .c = c, .owner = owner, .allocated_sets = FEW };
    holdings->sets = holdings->few;
    return holdings;
}

void
holdings_release(struct holdings *holdings)
{
    struct port_watch *watch, *next;
    struct group_use *use, *next_use;

    if (!holdings) {
        return;
    }
    for (use = holdings->groups; use; use = next_use) {
        next_use = use->next;
        group_unuse(holdings->c, use);
    }
    for (size_t i = 0; i < holdings->n_sets; i++) {
        selection_unref(&holdings->c->selection, holdings->sets[i]);
    }
    for (size_t i = 0; i < holdings->n_others; i++) {
        address_set_unref(&holdings->c->address_sets, holdings->others[i]);
    }
    for (watch = holdings->watches; watch; watch = next) {
        next = watch->next;
        selection_unwatch(&holdings->c->selection, watch);
    }
    if (holdings->sets != holdings->few) {
        free(holdings->sets);
    }
    free(holdings->others);
    free(holdings);
}

static void
grow_sets(struct holdings *holdings)
{
    if (holdings->sets == holdings->few) {
        holdings->sets = xmemdup(holdings->few, sizeof holdings->few);
    }
    holdings->sets = x2nrealloc(holdings->sets, &holdings->allocated_sets, sizeof *holdings->sets);
}

uint32_t
holdings_set(struct holdings *holdings, const struct selector *namespaces,
             const struct selector *pods)
{
    uint32_t set = selection_get(&holdings->c->selection, namespaces, pods);

    selection_ref(&holdings->c->selection, set);
    if (holdings->n_sets >= holdings->allocated_sets) {
        grow_sets(holdings);
    }
    holdings->sets[holdings->n_sets++] = set;
    return set;
}

uint16_t *
holdings_numbers(struct holdings *holdings, const struct selector *namespaces,
                 const struct selector *pods, const char *port_key, size_t *n)
{
    struct port_watch *watch = selection_watch(&holdings->c->selection, namespaces, pods, port_key,
                                               holdings->owner);

    watch->next = holdings->watches;
    holdings->watches = watch;
    return selection_watch_numbers(watch, n);
}

static uint32_t
hold_other(struct holdings *holdings, struct address_set *set)
{
    address_set_ref(set);
    if (holdings->n_others >= holdings->allocated_others) {
        holdings->others = x2nrealloc(holdings->others, &holdings->allocated_others,
                                      sizeof *holdings->others);
    }
    holdings->others[holdings->n_others++] = set;
    return address_set_id(set);
}

uint32_t
holdings_nodes(struct holdings *holdings, const struct selector *selector)
{
    return hold_other(holdings, address_set_nodes(&holdings->c->address_sets, selector));
}

uint32_t
holdings_domains(struct holdings *holdings, char *const *domains, size_t n)
{
    return hold_other(holdings, address_set_domains(&holdings->c->address_sets, domains, n));
}

uint32_t
holdings_world(struct holdings *holdings)
{
    return hold_other(holdings, address_set_world(&holdings->c->address_sets));
}

struct group_use *
holdings_group(struct holdings *holdings, enum group_kind kind, const char *name)
{
    struct group_use *use;

    for (use = holdings->groups; use; use = use->next) {
        if (use->group->kind == kind && !strcmp(use->group->name, name)) {
            return use;
        }
    }
    use = group_use(holdings->c, kind, name, holdings->owner, &holdings->c->ordered_work);
    use->next = holdings->groups;
    holdings->groups = use;
    return use;
}

const struct pod_choice *
holdings_group_pods(struct holdings *holdings, const char *name, size_t *n)
{
    return group_use_pairs(holdings->c, holdings_group(holdings, GROUP_OF_PODS, name), n);
}
