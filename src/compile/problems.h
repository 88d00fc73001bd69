/* What could not be done, for the objects that it concerns. */
#ifndef VIRGA_PROBLEMS_H
#define VIRGA_PROBLEMS_H 1

#include "compile/compile.h"
#include "openvswitch/hmap.h"
#include "sset.h"

struct problems {
    struct hmap all;     /* struct problem, by its object's key. */
    struct sset touched; /* Keys whose problem came, changed or went. */
    bool changed;        /* 'sorted' is behind. */
    struct compile_problem *sorted;
    size_t n;
};

struct problem {
    struct hmap_node hmap_node;
    struct compile_problem p; /* Owns its strings but 'kind' and 'reason'. */
};

void problems_init(struct problems *);
void problems_uninit(struct problems *);

/* Sets *slot, the problem of one object; 'kind' and 'reason' are literals. */
void problem_set(struct problems *, struct problem **slot, const char *kind, const char *ns,
                 const char *name, const char *reason, const char *message_fmt, ...)
    __attribute__((format(printf, 7, 8)));
void problem_clear(struct problems *, struct problem **slot);

const struct compile_problem *problem_find(const struct problems *, const char *key);

/* Brings 'sorted' up to date. */
void problems_sort(struct problems *);

#endif
