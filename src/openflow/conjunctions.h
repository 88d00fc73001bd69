/* Lists of conjunction() actions: several rules that share a clause share its
 * flow, whose action list is the sorted union of theirs. */
#ifndef VIRGA_CONJUNCTIONS_H
#define VIRGA_CONJUNCTIONS_H 1

#include <stdbool.h>
#include <stddef.h>

#include "openvswitch/ofp-actions.h"

struct ofpbuf;

struct conjunctions {
    const struct ofpact_conjunction **a; /* Borrowed from the actions. */
    size_t n, allocated;
};

#define CONJUNCTIONS_INITIALIZER \
    {                            \
        NULL, 0, 0               \
    }

/* True if the actions are conjunctions and nothing else, at least one. */
bool conjunctions_are_all(const struct ofpact *, size_t ofpacts_len);
/* Adds actions for which conjunctions_are_all() holds; they must outlive the list. */
void conjunctions_add(struct conjunctions *, const struct ofpact *, size_t ofpacts_len);
/* Sorted by id, each once.  Empties the list. */
void conjunctions_put(struct conjunctions *, struct ofpbuf *out);

#endif
