/* A set of 32 bit numbers that counts how often each was added.
 *
 * Pure; one thread.  A zeroed struct is not a set: number_set_init(). */
#ifndef VIRGA_NUMBER_SET_H
#define VIRGA_NUMBER_SET_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "openvswitch/hmap.h"

struct number {
    struct hmap_node hmap_node;
    uint32_t value;
    size_t n; /* How often; at least 1. */
};

struct number_set {
    struct hmap numbers; /* struct number. */
};

void number_set_init(struct number_set *);
void number_set_uninit(struct number_set *);
void number_set_clear(struct number_set *);

bool number_set_is_empty(const struct number_set *);
bool number_set_has(const struct number_set *, uint32_t);
void number_set_add(struct number_set *, uint32_t);
/* Once less; nothing if it is not there. */
void number_set_subtract(struct number_set *, uint32_t);

#define NUMBER_SET_FOR_EACH(NUMBER, SET) HMAP_FOR_EACH (NUMBER, hmap_node, &(SET)->numbers)

#endif
