#include "api/policy_status.h"

#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "api/conditions.h"
#include "base/test.h"
#include "openvswitch/util.h"
#include "smap.h"
#include "sources/object_store.h"
#include "store/store.h"
#include "util.h"

struct world {
    struct object_store *objects;
    struct policy_status *ps;
    size_t n_writes;
    struct smap trouble; /* Of node b. */
};

static const struct resource_kind *
cnp(void)
{
    return resource_kind_by_word("cnp");
}

static void
on_event(const struct object_event *event, void *w_)
{
    struct world *w = w_;

    w->n_writes++;
    policy_status_note(w->ps, event);
}

static void
create(struct world *w, const char *name)
{
    json_t *stored;
    json_t *object = json_pack("{s:s, s:s, s:{s:s}, s:{}}", "apiVersion",
                               "policy.networking.k8s.io/v1alpha2", "kind", "ClusterNetworkPolicy",
                               "metadata", "name", name, "spec");

    assert_int_equal(object_store_create_object(w->objects, cnp(), NULL, object, "u",
                                                "2026-01-02T03:04:05Z", &stored),
                     OBJECT_OK);
}

static void
change(struct world *w, const char *name, int priority)
{
    json_t *stored = object_store_get(w->objects, cnp(), NULL, name);
    json_t *object = json_deep_copy(stored);

    json_object_set_new(json_object_get(object, "spec"), "priority", json_integer(priority));
    assert_int_equal(object_store_update(w->objects, cnp(), NULL, name, object, false, &stored),
                     OBJECT_OK);
}

static void
world_init(struct world *w)
{
    *w = (struct world){ .objects = object_store_create(0) };
    smap_init(&w->trouble);
    create(w, "old");
    w->ps = policy_status_create(w->objects);
    object_store_set_callback(w->objects, on_event, w);
}

static void
world_uninit(struct world *w)
{
    smap_destroy(&w->trouble);
    policy_status_destroy(w->ps);
    object_store_destroy(w->objects);
}

/* Nodes a and b have applied these generations. */
static void
round_at(struct world *w, long long now, uint64_t a, uint64_t b, bool b_is_ready)
{
    char name_a[] = "a", name_b[] = "b";
    struct store_node_status nodes[] = {
        { .name = name_b, .applied = b, .policy_problems = &w->trouble },
        { .name = name_a, .applied = a },
    };

    policy_status_begin(w->ps, now, now);
    policy_status_see(w->ps, &nodes[0], b_is_ready);
    policy_status_see(w->ps, &nodes[1], true);
    policy_status_end(w->ps);
}

static void
assert_condition(struct world *w, const char *name, const char *expected)
{
    json_t *object = object_store_get(w->objects, cnp(), NULL, name);
    json_t *condition = json_array_get(
        json_object_get(json_object_get(object, "status"), "conditions"), 0);
    const char *status = json_string_value(json_object_get(condition, "status"));
    const char *message = json_string_value(json_object_get(condition, "message"));
    char *text = condition ? xasprintf(
                     "%s %d: %s", status,
                     (int) json_integer_value(json_object_get(condition, "observedGeneration")),
                     message)
                           : xstrdup("none");

    assert_string_equal(text, expected);
    free(text);
}

static void
test_in_force(void **state)
{
    struct world w;

    world_init(&w);
    round_at(&w, 100, 5, 5, true);
    assert_condition(&w, "old", "none");
    policy_status_put(w.ps, 7);
    policy_status_committed(w.ps, 6, 9, 200);
    round_at(&w, 200, 9, 9, true);
    assert_condition(&w, "old", "none");
    policy_status_committed(w.ps, 7, 9, 300);
    assert_int_equal(policy_status_next(w.ps), 300);
    round_at(&w, 300, 9, 9, true);
    assert_condition(&w, "old", "True 1: in force on 2 of 2 nodes");
    assert_int_equal(w.n_writes, 1);
    for (int i = 0; i < 10; i++) {
        round_at(&w, 400 + i, 10 + i, 9, true);
    }
    assert_int_equal(w.n_writes, 1);
    assert_int_equal(policy_status_next(w.ps), LLONG_MAX);
    world_uninit(&w);
}

/* Only what stays pending is said, and not again and again. */
static void
test_pending(void **state)
{
    struct world w;

    world_init(&w);
    policy_status_put(w.ps, 1);
    policy_status_committed(w.ps, 1, 9, 1000);
    round_at(&w, 1000, 9, 8, true);
    assert_condition(&w, "old", "none");
    assert_int_equal(policy_status_next(w.ps), 3000);
    round_at(&w, 3000, 9, 8, true);
    assert_condition(&w, "old", "False 1: in force on 1 of 2 nodes; b has not applied it yet");
    round_at(&w, 3001, 9, 8, false);
    assert_condition(&w, "old", "False 1: in force on 1 of 2 nodes; b has not applied it yet");
    round_at(&w, 5000, 9, 8, false);
    assert_condition(&w, "old", "False 1: in force on 1 of 2 nodes; b is not ready");
    round_at(&w, 9000, 9, 8, false);
    assert_int_equal(w.n_writes, 2);
    round_at(&w, 9001, 9, 9, true);
    assert_condition(&w, "old", "True 1: in force on 2 of 2 nodes");
    world_uninit(&w);
}

/* Another spec, another policy of the same name. */
static void
test_changes(void **state)
{
    struct world w;

    world_init(&w);
    create(&w, "new");
    policy_status_put(w.ps, 1);
    policy_status_committed(w.ps, 1, 1, 0);
    round_at(&w, 0, 1, 1, true);
    assert_condition(&w, "new", "True 1: in force on 2 of 2 nodes");
    change(&w, "new", 4);
    policy_status_put(w.ps, 2);
    policy_status_committed(w.ps, 2, 2, 10);
    round_at(&w, 10, 1, 1, true);
    round_at(&w, 11, 2, 2, true);
    assert_condition(&w, "new", "True 2: in force on 2 of 2 nodes");

    json_t *last;
    assert_int_equal(object_store_delete(w.objects, cnp(), NULL, "new", NULL, &last), OBJECT_OK);
    json_decref(last);
    round_at(&w, 12, 2, 2, true);
    create(&w, "new");
    round_at(&w, 13, 2, 2, true);
    assert_condition(&w, "new", "none");
    world_uninit(&w);
}

static void
test_node_with_trouble(void **state)
{
    struct world w;

    world_init(&w);
    policy_status_put(w.ps, 1);
    policy_status_committed(w.ps, 1, 1, 0);
    round_at(&w, 0, 1, 1, true);
    smap_add(&w.trouble, "ClusterNetworkPolicy//old", "needs too many flows");
    round_at(&w, 1, 1, 1, true);
    round_at(&w, 5000, 1, 1, true);
    assert_condition(&w, "old", "False 1: in force on 1 of 2 nodes; b needs too many flows");
    smap_clear(&w.trouble);
    round_at(&w, 5001, 1, 1, true);
    assert_condition(&w, "old", "True 1: in force on 2 of 2 nodes");
    world_uninit(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_in_force),
        cmocka_unit_test(test_pending),
        cmocka_unit_test(test_changes),
        cmocka_unit_test(test_node_with_trouble),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
