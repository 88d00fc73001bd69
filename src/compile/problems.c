#include "compile/problems.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "util.h"

static char *
key_of(const struct compile_problem *p)
{
    return xasprintf("%s/%s/%s", p->kind, p->namespace_, p->name);
}

static void
touch(struct problems *problems, const struct problem *problem)
{
    problems->changed = true;
    sset_add_and_free(&problems->touched, key_of(&problem->p));
}

void
problems_init(struct problems *problems)
{
    *problems = (struct problems){ .changed = false };
    hmap_init(&problems->all);
    sset_init(&problems->touched);
}

static void
problem_destroy(struct problems *problems, struct problem *problem)
{
    hmap_remove(&problems->all, &problem->hmap_node);
    free(CONST_CAST(char *, problem->p.namespace_));
    free(CONST_CAST(char *, problem->p.name));
    free(CONST_CAST(char *, problem->p.message));
    free(problem);
}

void
problems_uninit(struct problems *problems)
{
    struct problem *problem, *next;

    HMAP_FOR_EACH_SAFE (problem, next, hmap_node, &problems->all) {
        problem_destroy(problems, problem);
    }
    hmap_destroy(&problems->all);
    sset_destroy(&problems->touched);
    free(problems->sorted);
}

void
problem_set(struct problems *problems, struct problem **slot, const char *kind, const char *ns,
            const char *name, const char *reason, const char *message_fmt, ...)
{
    va_list args;

    va_start(args, message_fmt);
    char *message = xvasprintf(message_fmt, args);
    va_end(args);

    if (*slot && !strcmp((*slot)->p.reason, reason) && !strcmp((*slot)->p.message, message)) {
        free(message);
        return;
    }
    problem_clear(problems, slot);

    struct problem *problem = xmalloc(sizeof *problem);
    problem->p = (struct compile_problem){
        .kind = kind,
        .namespace_ = xstrdup(ns),
        .name = xstrdup(name),
        .reason = reason,
        .message = message,
    };
    char *key = key_of(&problem->p);
    hmap_insert(&problems->all, &problem->hmap_node, hash_string(key, 0));
    free(key);
    touch(problems, problem);
    *slot = problem;
}

void
problem_clear(struct problems *problems, struct problem **slot)
{
    if (*slot) {
        touch(problems, *slot);
        problem_destroy(problems, *slot);
        *slot = NULL;
    }
}

const struct compile_problem *
problem_find(const struct problems *problems, const char *key)
{
    const struct problem *problem;

    HMAP_FOR_EACH_WITH_HASH (problem, hmap_node, hash_string(key, 0), &problems->all) {
        char *own = key_of(&problem->p);
        bool found = !strcmp(own, key);
        free(own);
        if (found) {
            return &problem->p;
        }
    }
    return NULL;
}

static int
compare_problems(const void *a_, const void *b_)
{
    const struct compile_problem *a = a_, *b = b_;
    int cmp = strcmp(a->kind, b->kind);

    cmp = cmp ? cmp : strcmp(a->namespace_, b->namespace_);
    return cmp ? cmp : strcmp(a->name, b->name);
}

void
problems_sort(struct problems *problems)
{
    const struct problem *problem;
    size_t i = 0;

    if (!problems->changed) {
        return;
    }
    problems->changed = false;
    problems->n = hmap_count(&problems->all);
    problems->sorted = xrealloc(problems->sorted, (problems->n + 1) * sizeof *problems->sorted);
    HMAP_FOR_EACH (problem, hmap_node, &problems->all) {
        problems->sorted[i++] = problem->p;
    }
    qsort(problems->sorted, problems->n, sizeof *problems->sorted, compare_problems);
}
