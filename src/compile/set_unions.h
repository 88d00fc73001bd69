/* Sets that are the union of pairs of selectors, and have one number whatever
 * the pairs are: what a PolicyGroup is to the rules that refer to it. */
#ifndef VIRGA_SET_UNIONS_H
#define VIRGA_SET_UNIONS_H 1

#include "compile/selection.h"

struct set_union;

/* 'text' is that of the record, unique among all sets. */
struct set_union *set_union_create(struct selection *, const char *text);
void set_union_destroy(struct selection *, struct set_union *);
uint32_t set_union_id(const struct set_union *);

/* The pairs become these.  Sets of those that are no longer used go at the next
 * selection_collect(). */
void set_union_set(struct selection *, struct set_union *, const struct pod_choice *, size_t n);

#endif
