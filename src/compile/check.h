/* Inside the oracle: what compile_check_full() collects on its way.  For
 * check.c, check_ordered.c and check_groups.c alone. */
#ifndef VIRGA_CHECK_H
#define VIRGA_CHECK_H 1

#include "compile/state.h"
#include "openvswitch/dynamic-string.h"

/* Selectors in use, by a set, or by a policy that asks for the numbers of a
 * named port. */
struct used {
    struct selector namespaces;
    struct selector pods;
    uint32_t set; /* 0 unless by a set. */
};

/* A pod with all its labels, its named ports among them. */
struct seen {
    const struct pod_entry *pod;
    struct labels labels;
};

struct check {
    const struct compile *c;
    struct records *want;
    struct used *used;
    size_t n_used, allocated_used;
    struct seen *seen;
    size_t n_seen;
    struct simap identities; /* Text to id, of the records. */
    struct simap sets;
    struct ds error;
    struct pod_choice **choices; /* Lists of what groups come to. */
    size_t n_choices, allocated_choices;
};

#define FAIL(CHECK, ...)                                 \
    do {                                                 \
        if (!(CHECK)->error.length) {                    \
            ds_put_format(&(CHECK)->error, __VA_ARGS__); \
        }                                                \
    } while (0)

/* The number that the records give a set. */
uint32_t check_set_of_text(struct check *, const char *text);

/* What policies ask, for 'struct check *'. */
uint32_t check_use_set(void *check, const struct selector *namespaces,
                       const struct selector *pods);
uint16_t *check_use_numbers(void *check, const struct selector *namespaces,
                            const struct selector *pods, const char *key, size_t *n);

/* Notes that the selectors are in use, by a set if 'set' is not 0. */
struct used *check_add_used(struct check *, const struct selector *namespaces,
                            const struct selector *pods, uint32_t set);

/* check_groups.c: groups, for 'struct check *'. */
uint32_t check_use_group(void *check, enum group_kind, const char *name, const char **trouble);
const struct pod_choice *check_use_group_pods(void *check, const char *name, size_t *n);
void check_groups(struct check *);

/* The rules and address sets of ordered policies, and their order. */
void check_want_ordered(struct check *);

#endif
