#include "api/node_problems.h"

#include "base/test.h"
#include "compile/compile.h"
#include "smap.h"
#include "store/store.h"
#include "util.h"

static struct node_problems *np;

static int
setup(void **state)
{
    np = node_problems_create();
    return 0;
}

static int
teardown(void **state)
{
    node_problems_destroy(np);
    return 0;
}

static void
see(const char *node, const char *policy, const char *why)
{
    struct smap problems = SMAP_INITIALIZER(&problems);
    if (policy) {
        smap_add(&problems, policy, why);
    }
    struct store_node_status status = {
        .name = CONST_CAST(char *, node),
        .policy_problems = &problems,
    };
    node_problems_see(np, &status);
    smap_destroy(&problems);
}

static void
test_rounds(void **state)
{
    size_t n;
    node_problems_begin(np);
    see("node-2", "NetworkPolicy/shop/big", "it is too large");
    see("node-1", "NetworkPolicy/shop/big", "far too large");
    see("node-3", NULL, NULL);
    see("node-3", "nonsense", "x");
    assert_true(node_problems_end(np));
    const struct compile_problem *all = node_problems_join(np, NULL, 0, &n);
    assert_int_equal(n, 1);
    assert_string_equal(all[0].kind, "NetworkPolicy");
    assert_string_equal(all[0].namespace_, "shop");
    assert_string_equal(all[0].name, "big");
    assert_string_equal(all[0].reason, "TooLarge");
    assert_string_equal(all[0].message, "on node-1 and 1 more: far too large");

    node_problems_begin(np);
    see("node-1", "NetworkPolicy/shop/big", "far too large");
    see("node-2", "NetworkPolicy/shop/big", "it is too large");
    assert_false(node_problems_end(np));
    node_problems_begin(np);
    see("node-2", "NetworkPolicy/shop/big", "it is too large");
    assert_true(node_problems_end(np));
    all = node_problems_join(np, NULL, 0, &n);
    assert_string_equal(all[0].message, "on node-2: it is too large");
    node_problems_begin(np);
    assert_true(node_problems_end(np));
    node_problems_join(np, NULL, 0, &n);
    assert_int_equal(n, 0);
}

/* One problem an object: what the compiler says is the cause. */
static void
test_join(void **state)
{
    const struct compile_problem theirs[] = {
        { "ClusterNetworkPolicy", "", "a", "UnknownPeer", "m" },
        { "Pod", "shop", "b", "AddressTaken", "m" },
    };
    size_t n;
    node_problems_begin(np);
    see("node-1", "ClusterNetworkPolicy//a", "x");
    see("node-1", "ClusterNetworkPolicy//b", "x");
    node_problems_end(np);
    const struct compile_problem *all = node_problems_join(np, theirs, 2, &n);
    assert_int_equal(n, 3);
    assert_string_equal(all[0].reason, "UnknownPeer");
    assert_string_equal(all[1].reason, "AddressTaken");
    assert_string_equal(all[2].name, "b");
    assert_string_equal(all[2].reason, "TooLarge");
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
    const struct CMUnitTest tests[] = { TEST(test_rounds), TEST(test_join) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
