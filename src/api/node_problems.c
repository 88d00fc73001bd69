#include "api/node_problems.h"

#include <stdlib.h>
#include <string.h>

#include "compile/compile.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/shash.h"
#include "smap.h"
#include "sset.h"
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
    struct shash round;    /* Policy -> struct entry. */
    struct shash problems; /* Policy -> struct problem. */
};

struct node_problems *
node_problems_create(void)
{
    struct node_problems *np = xzalloc(sizeof *np);
    shash_init(&np->round);
    shash_init(&np->problems);
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
free_problems(struct shash *problems)
{
    struct shash_node *node;
    SHASH_FOR_EACH (node, problems) {
        struct problem *p = node->data;
        free(p->kind);
        free(p->ns);
        free(p->name);
        free(p->message);
    }
    shash_destroy_free_data(problems);
}

void
node_problems_destroy(struct node_problems *np)
{
    if (np) {
        clear_round(np);
        shash_destroy(&np->round);
        free_problems(&np->problems);
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

/* NULL if the text is not KIND/NAMESPACE/NAME. */
static struct problem *
make_problem(const char *policy, const struct entry *e)
{
    const char *ns = strchr(policy, '/');
    const char *name = ns ? strchr(ns + 1, '/') : NULL;
    if (!name) {
        return NULL;
    }
    struct problem *p = xmalloc(sizeof *p);
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
    return p;
}

/* The policies of 'a' of which 'b' says something else, or nothing. */
static void
add_different(const struct shash *a, const struct shash *b, struct sset *policies)
{
    const struct shash_node *node;
    SHASH_FOR_EACH (node, a) {
        const struct problem *p = node->data, *other = shash_find_data(b, node->name);
        if (!other || strcmp(p->message, other->message)) {
            sset_add(policies, node->name);
        }
    }
}

void
node_problems_end(struct node_problems *np, struct sset *changed)
{
    struct shash problems = SHASH_INITIALIZER(&problems);
    const struct shash_node *node;
    SHASH_FOR_EACH (node, &np->round) {
        struct problem *p = make_problem(node->name, node->data);
        if (p) {
            shash_add(&problems, node->name, p);
        }
    }
    add_different(&problems, &np->problems, changed);
    add_different(&np->problems, &problems, changed);
    shash_swap(&problems, &np->problems);
    free_problems(&problems);
}

const struct compile_problem *
node_problems_find(const struct node_problems *np, const char *policy)
{
    const struct problem *p = shash_find_data(&np->problems, policy);
    return p ? &p->p : NULL;
}
