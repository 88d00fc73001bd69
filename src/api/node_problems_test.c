#include "api/node_problems.h"

#include "base/test.h"
#include "compile/compile.h"
#include "smap.h"
#include "sset.h"
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
assert_changed(const char *policies)
{
    struct sset changed = SSET_INITIALIZER(&changed);
    node_problems_end(np, &changed);
    char *text = sset_join(&changed, " ", "");
    assert_string_equal(text, policies);
    free(text);
    sset_destroy(&changed);
}

static void
test_rounds(void **state)
{
    node_problems_begin(np);
    see("node-2", "NetworkPolicy/shop/big", "it is too large");
    see("node-1", "NetworkPolicy/shop/big", "far too large");
    see("node-3", NULL, NULL);
    see("node-3", "nonsense", "x");
    assert_changed("NetworkPolicy/shop/big");
    const struct compile_problem *p = node_problems_find(np, "NetworkPolicy/shop/big");
    assert_string_equal(p->kind, "NetworkPolicy");
    assert_string_equal(p->namespace_, "shop");
    assert_string_equal(p->name, "big");
    assert_string_equal(p->reason, "TooLarge");
    assert_string_equal(p->message, "on node-1 and 1 more: far too large");
    assert_null(node_problems_find(np, "nonsense"));

    node_problems_begin(np);
    see("node-1", "NetworkPolicy/shop/big", "far too large");
    see("node-2", "NetworkPolicy/shop/big", "it is too large");
    assert_changed("");
    node_problems_begin(np);
    see("node-2", "NetworkPolicy/shop/big", "it is too large");
    see("node-2", "ClusterNetworkPolicy//a", "x");
    assert_changed("ClusterNetworkPolicy//a NetworkPolicy/shop/big");
    assert_string_equal(node_problems_find(np, "NetworkPolicy/shop/big")->message,
                        "on node-2: it is too large");
    assert_string_equal(node_problems_find(np, "ClusterNetworkPolicy//a")->namespace_, "");
    node_problems_begin(np);
    see("node-2", "ClusterNetworkPolicy//a", "x");
    assert_changed("NetworkPolicy/shop/big");
    assert_null(node_problems_find(np, "NetworkPolicy/shop/big"));
    assert_non_null(node_problems_find(np, "ClusterNetworkPolicy//a"));
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
    const struct CMUnitTest tests[] = { TEST(test_rounds) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
