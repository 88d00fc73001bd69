#include "compile/ranks.h"

#include <stdlib.h>
#include <string.h>

#include "util.h"

enum {
    GAP = 16,            /* Between the rules of a policy, as long as there is room. */
    MAX_PRIORITY = 1001, /* Of those that policies have by tradition. */
    PER_PRIORITY = RANK_LAST / (MAX_PRIORITY + 1),
};

void
ranks_init(struct ranks *ranks)
{
    *ranks = (struct ranks){ .n = 0 };
    ovs_list_init(&ranks->moved);
}

void
ranks_uninit(struct ranks *ranks)
{
    ovs_assert(!ranks->n);
    free(ranks->blocks);
}

/* The order of blocks. */

static int
compare_blocks(const struct rank_block *a, const struct rank_block *b)
{
    if (a->priority != b->priority) {
        return a->priority < b->priority ? -1 : 1;
    }

    int cmp = strcmp(a->kind, b->kind);

    return cmp ? cmp : strcmp(a->name, b->name);
}

/* How many blocks stand before 'block'. */
static size_t
position(const struct ranks *ranks, const struct rank_block *block)
{
    size_t low = 0, high = ranks->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare_blocks(ranks->blocks[middle], block) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void
insert_at(struct ranks *ranks, size_t at, struct rank_block *block)
{
    if (ranks->n >= ranks->allocated) {
        ranks->blocks = x2nrealloc(ranks->blocks, &ranks->allocated, sizeof *ranks->blocks);
    }
    memmove(&ranks->blocks[at + 1], &ranks->blocks[at], (ranks->n - at) * sizeof *ranks->blocks);
    ranks->blocks[at] = block;
    ranks->n++;
}

void
ranks_remove(struct ranks *ranks, struct rank_block *block)
{
    if (!block->placed) {
        return;
    }

    size_t at = position(ranks, block);

    ovs_assert(ranks->blocks[at] == block);
    ranks->n--;
    ranks->n_taken -= block->n;
    memmove(&ranks->blocks[at], &ranks->blocks[at + 1], (ranks->n - at) * sizeof *ranks->blocks);
    if (block->moved) {
        ovs_list_remove(&block->moved_node);
    }
    free(block->ranks);
    block->ranks = NULL;
    block->n = 0;
    block->placed = block->moved = false;
}

/* The ranks next to those of blocks 'first' to 'last', which are not theirs. */
static void
bounds(const struct ranks *ranks, size_t first, size_t last, uint32_t *low, uint32_t *high)
{
    const struct rank_block *before = first ? ranks->blocks[first - 1] : NULL;
    const struct rank_block *after = last + 1 < ranks->n ? ranks->blocks[last + 1] : NULL;

    *low = before ? before->ranks[before->n - 1] : 0;
    *high = after ? after->ranks[0] : RANK_LAST + 1;
}

/* A block alone.
 *
 * Wishes can be met together if each leaves room for those between: if wish
 * minus index never falls.  So as many as possible are a longest such
 * subsequence. */

struct wish {
    uint32_t level; /* The wish, less its index. */
    size_t before;  /* The one before in the best sequence that ends here; SIZE_MAX: none. */
};

/* The first of the 'n' sequences whose last wish is above 'level'. */
static size_t
first_above(const struct wish *wishes, const size_t *ends, size_t n, uint32_t level)
{
    size_t low = 0;

    while (low < n) {
        size_t middle = low + (n - low) / 2;

        if (wishes[ends[middle]].level <= level) {
            low = middle + 1;
        } else {
            n = middle;
        }
    }
    return low;
}

/* Leaves 0 in 'ranks' for the wishes that cannot be met. */
static void
meet_wishes(uint16_t *ranks, size_t n, uint32_t low, uint32_t high)
{
    struct wish *wishes = xcalloc(n, sizeof *wishes);
    size_t *ends = xcalloc(n, sizeof *ends), n_ends = 0;

    for (size_t i = 0; i < n; i++) {
        if (ranks[i] < low + 1 + i || ranks[i] + (n - i) > high) {
            continue;
        }
        wishes[i].level = ranks[i] - i;

        size_t at = first_above(wishes, ends, n_ends, wishes[i].level);

        wishes[i].before = at ? ends[at - 1] : SIZE_MAX;
        ends[at] = i;
        n_ends += at == n_ends;
    }

    size_t next = n_ends ? ends[n_ends - 1] : SIZE_MAX;

    for (size_t i = n; i-- > 0;) {
        if (i == next) {
            next = wishes[i].before;
        } else {
            ranks[i] = 0;
        }
    }
    free(wishes);
    free(ends);
}

/* 'n' ranks between 'low' and 'high': close to a neighbour of the same block
 * if there is one, else to where the priority belongs. */
static void
fill(uint16_t *ranks, size_t n, uint32_t low, uint32_t high, bool own_low, bool own_high,
     int32_t priority)
{
    uint32_t room = high - low - 1;
    uint32_t step = MIN(GAP, (room + 1) / (n + 1));

    step = MAX(step, 1);

    uint32_t length = (n - 1) * step;
    uint32_t margin = room >= length + 1 + 2 * (step - 1) ? step : 1;
    uint32_t first = low + margin, last = high - margin - length;
    uint32_t ideal = 1 + MAX(0, MIN(priority, MAX_PRIORITY)) * PER_PRIORITY;

    if (own_low && own_high) {
        ideal = first + (last - first) / 2;
    } else if (own_low) {
        ideal = first;
    } else if (own_high) {
        ideal = last;
    }
    ideal = MAX(first, MIN(ideal, last));
    for (size_t i = 0; i < n; i++) {
        ranks[i] = ideal + i * step;
    }
}

/* There is room between 'low' and 'high'. */
static void
fit(struct rank_block *block, uint32_t low, uint32_t high)
{
    uint16_t *ranks = block->ranks;

    meet_wishes(ranks, block->n, low, high);
    for (size_t i = 0; i < block->n;) {
        size_t end = i;

        while (end < block->n && !ranks[end]) {
            end++;
        }
        if (end > i) {
            fill(&ranks[i], end - i, i ? ranks[i - 1] : low, end < block->n ? ranks[end] : high,
                 i > 0, end < block->n, block->priority);
        }
        i = end + 1;
    }
}

/* Blocks spread anew. */

static void
note_moved(struct ranks *ranks, struct rank_block *block)
{
    if (!block->moved) {
        block->moved = true;
        ovs_list_push_back(&ranks->moved, &block->moved_node);
    }
}

/* Blocks 'first' to 'last', 'total' ranks, evenly. */
static void
spread(struct ranks *ranks, size_t first, size_t last, uint32_t total,
       const struct rank_block *but)
{
    uint32_t low, high, i = 0;

    bounds(ranks, first, last, &low, &high);
    for (size_t at = first; at <= last; at++) {
        struct rank_block *block = ranks->blocks[at];

        for (size_t j = 0; j < block->n; j++, i++) {
            uint32_t rank = low + 1 + (2 * i + 1) * (uint64_t) (high - low - 1) / (2 * total);

            if (block->ranks[j] != rank) {
                block->ranks[j] = rank;
                if (block != but) {
                    note_moved(ranks, block);
                }
            }
        }
    }
}

/* Half as crowded above the average as can be: so the next one to come need
 * not move the same again, and the emptier the rest, the fewer move. */
static bool
is_airy(const struct ranks *ranks, uint64_t total, uint64_t room)
{
    return 2 * total * RANK_LAST <= room * (RANK_LAST + ranks->n_taken);
}

/* Takes in neighbours by turns until they have room for all; false if even
 * all together have none. */
static bool
make_room(struct ranks *ranks, size_t at)
{
    size_t first = at, last = at;
    uint32_t total = ranks->blocks[at]->n, low, high;
    bool left = true;

    for (bounds(ranks, first, last, &low, &high); !is_airy(ranks, total, high - low - 1);
         bounds(ranks, first, last, &low, &high)) {
        if (first && (left || last + 1 == ranks->n)) {
            total += ranks->blocks[--first]->n;
        } else if (last + 1 < ranks->n) {
            total += ranks->blocks[++last]->n;
        } else {
            break;
        }
        left = !left;
    }
    if (high - low - 1 < total) {
        return false;
    }
    spread(ranks, first, last, total, ranks->blocks[at]);
    return true;
}

bool
ranks_place(struct ranks *ranks, struct rank_block *block, int32_t priority,
            const uint16_t *wishes, size_t n)
{
    uint32_t low, high;

    ranks_remove(ranks, block);
    if (!n) {
        return true;
    } else if (n > RANK_LAST) {
        return false;
    }
    block->priority = priority;
    block->placed = true;
    block->n = n;
    block->ranks = xmemdup(wishes, n * sizeof *wishes);

    size_t at = position(ranks, block);

    insert_at(ranks, at, block);
    ranks->n_taken += n;
    bounds(ranks, at, at, &low, &high);
    if (high - low - 1 >= n) {
        fit(block, low, high);
    } else if (!make_room(ranks, at)) {
        ranks_remove(ranks, block);
        return false;
    }
    return true;
}

struct rank_block *
ranks_pop_moved(struct ranks *ranks)
{
    if (ovs_list_is_empty(&ranks->moved)) {
        return NULL;
    }

    struct rank_block *block = CONTAINER_OF(ovs_list_pop_front(&ranks->moved), struct rank_block,
                                            moved_node);

    block->moved = false;
    return block;
}

const char *
ranks_check(const struct ranks *ranks)
{
    uint32_t last = 0;

    for (size_t i = 0; i < ranks->n; i++) {
        const struct rank_block *block = ranks->blocks[i];

        if (i && compare_blocks(ranks->blocks[i - 1], block) >= 0) {
            return "blocks are out of order";
        }
        for (size_t j = 0; j < block->n; j++) {
            if (block->ranks[j] <= last) {
                return "ranks are out of order";
            }
            last = block->ranks[j];
        }
    }
    return last > RANK_LAST ? "a rank is too high" : NULL;
}
