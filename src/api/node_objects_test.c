/* Node objects: readiness by heartbeat, addresses, what users keep. */
#include "api/node_objects.h"

#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/prefix.h"
#include "base/test.h"
#include "sources/object_store.h"
#include "store/store.h"
#include "util.h"

enum { WALL = 1000000 };

struct fixture {
    struct object_store *objects;
    struct node_objects *nodes;
    const struct resource_kind *kind;
    char gone[64], forgotten[64];
};

static int
setup(void **state)
{
    struct fixture *f = xzalloc(sizeof *f);
    f->objects = object_store_create(0);
    f->nodes = node_objects_create(f->objects);
    f->kind = resource_kind_by_path("", "v1", "nodes");
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;
    node_objects_destroy(f->nodes);
    object_store_destroy(f->objects);
    free(f);
    return 0;
}

static void
note_gone(const char *name, void *f_)
{
    struct fixture *f = f_;
    ovs_strlcpy(f->gone, name, sizeof f->gone);
}

static void
note_forgotten(const char *name, void *f_)
{
    struct fixture *f = f_;
    assert_string_equal(f->forgotten, ""); /* Once. */
    ovs_strlcpy(f->forgotten, name, sizeof f->forgotten);
}

/* One round at 'now' in which the agent says this; returns what see() does. */
static bool
see(struct fixture *f, long long now, int64_t heartbeat, bool ready, const char *address)
{
    static char name[] = "n", message[] = "no switch", fine[] = "";
    struct store_node_status status = {
        .name = name,
        .heartbeat_ms = heartbeat,
        .ready = ready,
        .message = ready ? fine : message,
        .n_addresses = 1,
    };
    char *error = addr_parse(address, &status.vtep);
    assert_null(error);
    status.addresses = &status.vtep;
    node_objects_begin(f->nodes, now, WALL + now);
    bool moved = node_objects_see(f->nodes, &status);
    node_objects_end(f->nodes, note_gone, note_forgotten, f);
    return moved;
}

static void
assert_ready(struct fixture *f, const char *status, const char *reason)
{
    const json_t *object = object_store_get(f->objects, f->kind, NULL, "n");
    const json_t *condition = json_array_get(
        json_object_get(json_object_get(object, "status"), "conditions"), 0);
    assert_string_equal(json_string_value(json_object_get(condition, "type")), "Ready");
    assert_string_equal(json_string_value(json_object_get(condition, "status")), status);
    assert_string_equal(json_string_value(json_object_get(condition, "reason")), reason);
    assert_int_equal(node_objects_is_ready(f->nodes, "n"), !strcmp(status, "True"));
}

static void
test_heartbeat(void **state)
{
    struct fixture *f = *state;
    assert_false(node_objects_is_ready(f->nodes, "n"));
    assert_true(node_objects_next(f->nodes) == LLONG_MAX);
    see(f, 0, WALL, true, "172.30.0.1");
    assert_ready(f, "True", "AgentReady");
    assert_true(node_objects_next(f->nodes) == 15000);

    /* Silence. */
    see(f, 14999, WALL, true, "172.30.0.1");
    assert_ready(f, "True", "AgentReady");
    see(f, 15000, WALL, true, "172.30.0.1");
    assert_ready(f, "False", "HeartbeatLost");
    assert_true(node_objects_next(f->nodes) == LLONG_MAX);

    /* It is back; its clock does not matter. */
    see(f, 20000, 5, true, "172.30.0.1");
    assert_ready(f, "True", "AgentReady");
    assert_true(node_objects_next(f->nodes) == 35000);
    see(f, 21000, 6, false, "172.30.0.1");
    assert_ready(f, "False", "AgentNotReady");
}

/* An agent that was there before the controller came. */
static void
test_old_heartbeat(void **state)
{
    struct fixture *f = *state;
    see(f, 0, WALL - 60000, true, "172.30.0.1");
    assert_ready(f, "False", "HeartbeatLost");
    see(f, 1000, WALL - 59000, true, "172.30.0.1");
    assert_ready(f, "True", "AgentReady");
}

static void
test_quiet_rounds_write_nothing(void **state)
{
    struct fixture *f = *state;
    see(f, 0, WALL, true, "172.30.0.1");
    uint64_t version = object_store_version(f->objects);
    for (int i = 1; i < 100; i++) {
        assert_false(see(f, i * 1000, WALL + i * 1000, true, "172.30.0.1"));
    }
    assert_int_equal(object_store_version(f->objects), version);
}

static const char *
address(struct fixture *f)
{
    const json_t *object = object_store_get(f->objects, f->kind, NULL, "n");
    const json_t *addresses = json_object_get(json_object_get(object, "status"), "addresses");
    return json_string_value(json_object_get(json_array_get(addresses, 0), "address"));
}

static void
test_addresses(void **state)
{
    struct fixture *f = *state;
    assert_true(see(f, 0, WALL, true, "172.30.0.1"));
    assert_string_equal(address(f), "172.30.0.1");
    assert_false(see(f, 1, WALL + 1, true, "172.30.0.1"));
    assert_true(see(f, 2, WALL + 2, true, "172.30.0.2"));
    assert_string_equal(address(f), "172.30.0.2");
    assert_ready(f, "True", "AgentReady");
}

static void
test_gone_and_back(void **state)
{
    struct fixture *f = *state;
    json_t *last;
    see(f, 0, WALL, true, "172.30.0.1");
    assert_string_equal(f->gone, "");
    node_objects_begin(f->nodes, 10, WALL + 10);
    node_objects_end(f->nodes, note_gone, note_forgotten, f);
    assert_string_equal(f->gone, "n");
    assert_ready(f, "False", "AgentGone");
    assert_true(see(f, 20, WALL + 20, true, "172.30.0.1"));
    assert_ready(f, "True", "AgentReady");

    /* Somebody deletes the object of a living agent. */
    object_store_delete(f->objects, f->kind, NULL, "n", NULL, &last);
    json_decref(last);
    see(f, 30, WALL + 30, true, "172.30.0.1");
    assert_ready(f, "True", "AgentReady");
    assert_string_equal(address(f), "172.30.0.1");
}

static void
delete_object(struct fixture *f)
{
    json_t *last;
    assert_int_equal(object_store_delete(f->objects, f->kind, NULL, "n", NULL, &last), OBJECT_OK);
    json_decref(last);
}

static bool
has_object(struct fixture *f)
{
    return object_store_get(f->objects, f->kind, NULL, "n") != NULL;
}

static void
test_deleted_while_silent(void **state)
{
    struct fixture *f = *state;
    see(f, 0, WALL, true, "172.30.0.1");
    see(f, 15000, WALL, true, "172.30.0.1");
    assert_string_equal(f->forgotten, "");
    delete_object(f);
    see(f, 15001, WALL, true, "172.30.0.1");
    assert_string_equal(f->forgotten, "n");
    assert_false(has_object(f));
    see(f, 15002, WALL, true, "172.30.0.1"); /* The rows are still there. */
    assert_false(has_object(f));
    assert_false(node_objects_is_ready(f->nodes, "n"));

    /* It is alive after all. */
    see(f, 15003, WALL + 15003, true, "172.30.0.1");
    assert_ready(f, "True", "AgentReady");
    f->forgotten[0] = '\0';
    delete_object(f);
    see(f, 40000, WALL + 15003, true, "172.30.0.1");
    assert_string_equal(f->forgotten, "n");
}

static void
note(const struct object_event *event, void *f_)
{
    struct fixture *f = f_;
    node_objects_note(f->nodes, event, note_forgotten, f);
}

/* In the same breath, so that both are one transaction. */
static void
test_forgotten_with_its_object(void **state)
{
    struct fixture *f = *state;
    object_store_set_callback(f->objects, note, f);
    see(f, 0, WALL, true, "172.30.0.1");
    delete_object(f); /* It is alive. */
    assert_string_equal(f->forgotten, "");
    see(f, 14000, WALL, true, "172.30.0.1");
    assert_true(has_object(f));
    see(f, 15000, WALL, true, "172.30.0.1");
    assert_string_equal(f->forgotten, "");
    delete_object(f);
    assert_string_equal(f->forgotten, "n");
    f->forgotten[0] = '\0';
    see(f, 15001, WALL, true, "172.30.0.1"); /* The rows are still there. */
    assert_string_equal(f->forgotten, "");
    assert_false(has_object(f));
}

/* An agent with a wrong clock has just come: nobody deleted its Node. */
static void
test_new_and_silent(void **state)
{
    struct fixture *f = *state;
    see(f, 0, WALL - 60000, true, "172.30.0.1");
    assert_true(has_object(f));
    assert_string_equal(f->forgotten, "");
}

#define with_fixture(TEST) cmocka_unit_test_setup_teardown(TEST, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        with_fixture(test_heartbeat),
        with_fixture(test_old_heartbeat),
        with_fixture(test_quiet_rounds_write_nothing),
        with_fixture(test_addresses),
        with_fixture(test_gone_and_back),
        with_fixture(test_deleted_while_silent),
        with_fixture(test_forgotten_with_its_object),
        with_fixture(test_new_and_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
