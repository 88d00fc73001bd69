#include "compile/problems.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

void
problems_init(struct problems *problems)
{
    *problems = (struct problems){ .changed = false };
    ovs_list_init(&problems->all);
}

static void
problem_destroy(struct problem *problem)
{
    ovs_list_remove(&problem->list_node);
    free(CONST_CAST(char *, problem->p.namespace_));
    free(CONST_CAST(char *, problem->p.name));
    free(CONST_CAST(char *, problem->p.message));
    free(problem);
}

void
problems_uninit(struct problems *problems)
{
    struct problem *problem, *next;

    LIST_FOR_EACH_SAFE (problem, next, list_node, &problems->all) {
        problem_destroy(problem);
    }
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
    ovs_list_push_back(&problems->all, &problem->list_node);
    problems->changed = true;
    *slot = problem;
}

void
problem_clear(struct problems *problems, struct problem **slot)
{
    if (*slot) {
        problem_destroy(*slot);
        *slot = NULL;
        problems->changed = true;
    }
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
    problems->n = ovs_list_size(&problems->all);
    problems->sorted = xrealloc(problems->sorted, (problems->n + 1) * sizeof *problems->sorted);
    LIST_FOR_EACH (problem, list_node, &problems->all) {
        problems->sorted[i++] = problem->p;
    }
    qsort(problems->sorted, problems->n, sizeof *problems->sorted, compare_problems);
}
