/* Actions that an owner keeps.  Nearly all are one clause of one rule, and such a
 * one has its place in the structure instead of on the heap. */
#ifndef VIRGA_SMALL_ACTIONS_H
#define VIRGA_SMALL_ACTIONS_H 1

#include <stddef.h>
#include <stdint.h>

#include "openvswitch/ofp-actions.h"

struct small_actions {
    union {
        struct ofpact *heap; /* If they do not fit. */
        struct ofpact_conjunction one;
    };
    uint32_t len;
};

/* All zeros are no actions. */
void small_actions_uninit(struct small_actions *);
/* Copies; 'ofpacts' must not be those that are there. */
void small_actions_set(struct small_actions *, const struct ofpact *ofpacts, size_t len);
/* NULL if there are none; good until the next change, while the structure does not move. */
struct ofpact *small_actions_get(const struct small_actions *);

#endif
