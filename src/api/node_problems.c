#include "api/node_problems.h"

#include <stdlib.h>
#include <string.h>

#include "compile/compile.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/shash.h"
#include "smap.h"
#include "store/store.h"
#include "util.h"

/* One policy of the round. */
struct entry {
    char *node; /* The first by name. */
    char *why;  /* There. */
    size_t n_nodes;
};

/* A problem, made of its entry; the strings are its own. */
struct problem {
    struct compile_problem p;
    char *kind, *ns, *name, *message;
};

struct node_problems {
    struct shash round; /* Policy -> struct entry. */
    struct problem *a;  /* Sorted by policy. */
    size_t n;
    struct compile_problem *joined;
};

struct node_problems *
node_problems_create(void)
{
    struct node_problems *np = xzalloc(sizeof *np);
    shash_init(&np->round);
    return np;
}

static void
clear_round(struct node_problems *np)
{
    struct shash_node *node;
    SHASH_FOR_EACH_SAFE (node, &np->round) {
        struct entry *e = node->data;
        free(e->node);
        free(e->why);
        free(e);
        shash_delete(&np->round, node);
    }
}

static void
free_problems(struct problem *a, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(a[i].kind);
        free(a[i].ns);
        free(a[i].name);
        free(a[i].message);
    }
    free(a);
}

void
node_problems_destroy(struct node_problems *np)
{
    if (np) {
        clear_round(np);
        shash_destroy(&np->round);
        free_problems(np->a, np->n);
        free(np->joined);
        free(np);
    }
}

void
node_problems_begin(struct node_problems *np)
{
    clear_round(np);
}

static void
see_problem(struct node_problems *np, const char *node, const char *policy, const char *why)
{
    struct entry *e = shash_find_data(&np->round, policy);
    if (!e) {
        e = xzalloc(sizeof *e);
        shash_add(&np->round, policy, e);
    }
    e->n_nodes++;
    if (!e->node || strcmp(node, e->node) < 0) {
        free(e->node);
        free(e->why);
        e->node = xstrdup(node);
        e->why = xstrdup(why);
    }
}

void
node_problems_see(struct node_problems *np, const struct store_node_status *status)
{
    const struct smap_node *problem;
    if (status->policy_problems) {
        SMAP_FOR_EACH (problem, status->policy_problems) {
            see_problem(np, status->name, problem->key, problem->value);
        }
    }
}

static char *
entry_message(const struct entry *e)
{
    return e->n_nodes > 1
               ? xasprintf("on %s and %" PRIuSIZE " more: %s", e->node, e->n_nodes - 1, e->why)
               : xasprintf("on %s: %s", e->node, e->why);
}

/* False if the text is not KIND/NAMESPACE/NAME. */
static bool
make_problem(const char *policy, const struct entry *e, struct problem *p)
{
    const char *ns = strchr(policy, '/');
    const char *name = ns ? strchr(ns + 1, '/') : NULL;
    if (!name) {
        return false;
    }
    p->kind = xmemdup0(policy, ns - policy);
    p->ns = xmemdup0(ns + 1, name - ns - 1);
    p->name = xstrdup(name + 1);
    p->message = entry_message(e);
    p->p = (struct compile_problem){
        .kind = p->kind,
        .namespace_ = p->ns,
        .name = p->name,
        .reason = "TooLarge",
        .message = p->message,
    };
    return true;
}

static bool
same_problem(const struct compile_problem *a, const struct compile_problem *b)
{
    return !strcmp(a->kind, b->kind) && !strcmp(a->namespace_, b->namespace_)
           && !strcmp(a->name, b->name);
}

static bool
same_problems(const struct problem *a, size_t n_a, const struct problem *b, size_t n_b)
{
    for (size_t i = 0; i < n_a && n_a == n_b; i++) {
        if (!same_problem(&a[i].p, &b[i].p) || strcmp(a[i].message, b[i].message)) {
            return false;
        }
    }
    return n_a == n_b;
}

bool
node_problems_end(struct node_problems *np)
{
    const struct shash_node **sorted = shash_sort(&np->round);
    struct problem *a = xcalloc(shash_count(&np->round) + 1, sizeof *a);
    size_t n = 0;
    for (size_t i = 0; i < shash_count(&np->round); i++) {
        n += make_problem(sorted[i]->name, sorted[i]->data, &a[n]);
    }
    free(sorted);
    bool changed = !same_problems(a, n, np->a, np->n);
    free_problems(np->a, np->n);
    np->a = a;
    np->n = n;
    return changed;
}

const struct compile_problem *
node_problems_join(struct node_problems *np, const struct compile_problem *theirs, size_t n,
                   size_t *n_all)
{
    free(np->joined);
    np->joined = xcalloc(n + np->n + 1, sizeof *np->joined);
    *n_all = n;
    for (size_t i = 0; i < n; i++) {
        np->joined[i] = theirs[i];
    }
    for (size_t i = 0; i < np->n; i++) {
        bool known = false;
        for (size_t j = 0; j < n && !known; j++) {
            known = same_problem(&np->a[i].p, &theirs[j]);
        }
        if (!known) {
            np->joined[(*n_all)++] = np->a[i].p;
        }
    }
    return np->joined;
}
