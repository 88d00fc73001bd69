/* Ranks: where each rule of an ordered tier stands in one direction.
 *
 * The order is that of people, (priority, kind, name, place in the policy); a
 * rank is its number, 1 to RANK_LAST, for those who see one rule at a time.
 * Numbers have gaps, so that a policy that comes between two others takes
 * ranks of its own and moves none; where a gap is used up, as few neighbours
 * as make room are spread anew.  A rule that stays between the same others
 * keeps its rank.
 *
 * Pure bookkeeping: the ranks of a policy are a block, owned by the caller. */
#ifndef VIRGA_RANKS_H
#define VIRGA_RANKS_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "openvswitch/list.h"

enum {
    RANK_LAST = 59999,
    /* Shared by the rules that stand for policies without ranks. */
    RANK_OVERFLOW = 60000,
};

struct rank_block {
    /* The caller's, unchanged while it is placed. */
    const char *kind, *name;

    /* For the caller to read. */
    bool placed;
    uint16_t *ranks; /* Ascending. */
    size_t n;

    int32_t priority;
    bool moved;
    struct ovs_list moved_node; /* In struct ranks 'moved'. */
};

struct ranks {
    struct rank_block **blocks; /* In order. */
    size_t n, allocated;
    size_t n_taken;        /* Ranks of all blocks. */
    struct ovs_list moved; /* struct rank_block. */
};

void ranks_init(struct ranks *);
/* No block is placed. */
void ranks_uninit(struct ranks *);

/* Gives 'block' 'n' ranks at its place in the order, whether it had some or
 * not; the i-th is wishes[i] where that is possible (0: no wish).  With n of 0
 * it has none.  False if there are not enough ranks: then it has none.
 *
 * Other blocks whose ranks this changed are put on the list of the moved. */
bool ranks_place(struct ranks *, struct rank_block *, int32_t priority, const uint16_t *wishes,
                 size_t n);
void ranks_remove(struct ranks *, struct rank_block *);

/* The next block of the list of the moved, taken off; NULL: none is left. */
struct rank_block *ranks_pop_moved(struct ranks *);

/* NULL, or what is wrong with the order. */
const char *ranks_check(const struct ranks *);

#endif
