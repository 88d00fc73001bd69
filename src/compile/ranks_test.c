#include "compile/ranks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/test.h"
#include "random.h"
#include "util.h"

struct world {
    struct ranks ranks;
    struct rank_block blocks[64];
    char names[64][8];
};

static void
world_init(struct world *w)
{
    memset(w, 0, sizeof *w);
    ranks_init(&w->ranks);
    for (size_t i = 0; i < ARRAY_SIZE(w->blocks); i++) {
        snprintf(w->names[i], sizeof w->names[i], "p%02d", (int) i);
        w->blocks[i].kind = "K";
        w->blocks[i].name = w->names[i];
    }
}

static void
world_uninit(struct world *w)
{
    for (size_t i = 0; i < ARRAY_SIZE(w->blocks); i++) {
        ranks_remove(&w->ranks, &w->blocks[i]);
    }
    ranks_uninit(&w->ranks);
}

static size_t
count_moved(struct world *w)
{
    size_t n = 0;

    while (ranks_pop_moved(&w->ranks)) {
        n++;
    }
    return n;
}

static void
place_new(struct world *w, size_t i, int priority, size_t n)
{
    uint16_t *none = xcalloc(n + 1, sizeof *none);

    assert_true(ranks_place(&w->ranks, &w->blocks[i], priority, none, n));
    assert_null(ranks_check(&w->ranks));
    free(none);
}

/* A policy between two others takes ranks of its own. */
static void
test_between(void **state)
{
    struct world w;
    uint16_t before[3], after[3];

    world_init(&w);
    place_new(&w, 0, 10, 3);
    place_new(&w, 1, 30, 3);
    memcpy(before, w.blocks[0].ranks, sizeof before);
    memcpy(after, w.blocks[1].ranks, sizeof after);
    place_new(&w, 2, 20, 5);
    assert_int_equal(count_moved(&w), 0);
    assert_memory_equal(w.blocks[0].ranks, before, sizeof before);
    assert_memory_equal(w.blocks[1].ranks, after, sizeof after);
    assert_true(w.blocks[2].ranks[0] > before[2] && w.blocks[2].ranks[4] < after[0]);
    world_uninit(&w);
}

/* Rules that stay in order keep their ranks; one that comes between them gets
 * a rank between theirs. */
static void
test_wishes(void **state)
{
    struct world w;

    world_init(&w);
    place_new(&w, 0, 5, 3);
    uint16_t a = w.blocks[0].ranks[0], b = w.blocks[0].ranks[1], c = w.blocks[0].ranks[2];

    const uint16_t inserted[] = { a, 0, b, c };
    assert_true(ranks_place(&w.ranks, &w.blocks[0], 5, inserted, 4));
    assert_int_equal(w.blocks[0].ranks[0], a);
    assert_int_equal(w.blocks[0].ranks[2], b);
    assert_int_equal(w.blocks[0].ranks[3], c);
    assert_null(ranks_check(&w.ranks));

    /* Of two that changed places one keeps its rank. */
    const uint16_t swapped[] = { b, a, c };
    assert_true(ranks_place(&w.ranks, &w.blocks[0], 5, swapped, 3));
    assert_int_equal((w.blocks[0].ranks[0] == b) + (w.blocks[0].ranks[1] == a), 1);
    assert_int_equal(w.blocks[0].ranks[2], c);
    assert_null(ranks_check(&w.ranks));

    /* Ranks of another place in the order are of no use. */
    place_new(&w, 1, 500, 1);
    const uint16_t elsewhere[] = { c };
    assert_true(ranks_place(&w.ranks, &w.blocks[1], 1, elsewhere, 1));
    assert_null(ranks_check(&w.ranks));
    assert_true(w.blocks[1].ranks[0] < w.blocks[0].ranks[0]);
    assert_int_equal(count_moved(&w), 0);
    world_uninit(&w);
}

/* Neighbours move when there is no gap left, and only they. */
static void
test_gap_is_used_up(void **state)
{
    struct world w;
    const uint16_t wish_1[] = { 1000 }, wish_2[] = { 1001 }, far[] = { 40000 };

    world_init(&w);
    assert_true(ranks_place(&w.ranks, &w.blocks[0], 1, wish_1, 1));
    assert_true(ranks_place(&w.ranks, &w.blocks[2], 3, wish_2, 1));
    assert_true(ranks_place(&w.ranks, &w.blocks[3], 900, far, 1));
    assert_int_equal(w.blocks[0].ranks[0], 1000);
    place_new(&w, 1, 2, 1);
    assert_int_equal(count_moved(&w), 1);
    assert_int_equal(w.blocks[3].ranks[0], 40000);
    world_uninit(&w);
}

static void
test_full(void **state)
{
    struct world w;
    uint16_t none[1] = { 0 };

    world_init(&w);
    place_new(&w, 0, 1, RANK_LAST - 1);
    place_new(&w, 1, 1, 1);
    assert_false(ranks_place(&w.ranks, &w.blocks[2], 0, none, 1));
    assert_false(w.blocks[2].placed);
    assert_null(ranks_check(&w.ranks));
    ranks_remove(&w.ranks, &w.blocks[0]);
    place_new(&w, 2, 0, 1);
    world_uninit(&w);
}

static void
random_place(struct world *w)
{
    size_t i = random_range(ARRAY_SIZE(w->blocks));
    size_t n = random_range(8) ? random_range(30) : random_range(4000);
    uint16_t *wishes = xcalloc(n + 1, sizeof *wishes);

    for (size_t j = 0; j < n; j++) {
        size_t k = random_range(2) ? i : (size_t) random_range(64);
        const struct rank_block *other = &w->blocks[k];

        wishes[j] = other->n ? other->ranks[random_range(other->n)] : random_uint32();
    }
    ranks_place(&w->ranks, &w->blocks[i], random_range(20), wishes, n);
    free(wishes);
}

static void
test_random(void **state)
{
    struct world w;

    random_set_seed(4711);
    world_init(&w);
    for (int i = 0; i < 20000; i++) {
        if (random_range(4)) {
            random_place(&w);
        } else {
            ranks_remove(&w.ranks, &w.blocks[random_range(ARRAY_SIZE(w.blocks))]);
        }
        assert_null(ranks_check(&w.ranks));
        if (!random_range(10)) {
            count_moved(&w);
        }
    }
    world_uninit(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_between),        cmocka_unit_test(test_wishes),
        cmocka_unit_test(test_gap_is_used_up), cmocka_unit_test(test_full),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
