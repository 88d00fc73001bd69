/* What could not be done, for the objects that it concerns. */
#ifndef VIRGA_PROBLEMS_H
#define VIRGA_PROBLEMS_H 1

#include "compile/compile.h"
#include "openvswitch/list.h"

struct problems {
    struct ovs_list all; /* struct problem. */
    bool changed;        /* 'sorted' is behind. */
    struct compile_problem *sorted;
    size_t n;
};

struct problem {
    struct ovs_list list_node;
    struct compile_problem p; /* Owns its strings but 'kind' and 'reason'. */
};

void problems_init(struct problems *);
void problems_uninit(struct problems *);

/* Sets *slot, the problem of one object; 'kind' and 'reason' are literals. */
void problem_set(struct problems *, struct problem **slot, const char *kind, const char *ns,
                 const char *name, const char *reason, const char *message_fmt, ...)
    __attribute__((format(printf, 7, 8)));
void problem_clear(struct problems *, struct problem **slot);

/* Brings 'sorted' up to date. */
void problems_sort(struct problems *);

#endif
