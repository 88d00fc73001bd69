/* The store against a real ovsdb-server: objects, tickets, nodes, counters. */
#include "store/store.h"

#include "smap.h"
#include "store/ovsdb_test.h"
#include "svec.h"

/* --- Objects ---------------------------------------------------------- */

static void
put_object(struct store *store, const char *ns, const char *name, uint64_t version,
           const char *json)
{
    const struct store_object o = {
        .kind = CONST_CAST(char *, "networkpolicies.networking.k8s.io"),
        .namespace_ = CONST_CAST(char *, ns),
        .name = CONST_CAST(char *, name),
        .resource_version = version,
        .json = CONST_CAST(char *, json),
    };

    store_put_object(store, &o);
}

static void
list_object(const struct store_object *o, void *lines_)
{
    struct svec *lines = lines_;

    svec_add_nocopy(lines, xasprintf("%s %s/%s %" PRIu64 " %s", o->kind, o->namespace_, o->name,
                                     o->resource_version, o->json));
}

static void
assert_objects(struct store *store, const char *expected)
{
    struct svec lines = SVEC_EMPTY_INITIALIZER;

    store_each_object(store, list_object, &lines);
    svec_sort(&lines);
    char *text = svec_join(&lines, "\n", "");
    assert_string_equal(text, expected);
    free(text);
    svec_destroy(&lines);
}

static void
test_objects_survive(void **state)
{
    static const char kind[] = "networkpolicies.networking.k8s.io";
    struct store *store = lab_open("db", STORE_CONTROLLER);

    lab_until(store_is_leader(store));
    assert_null(store_counters(store));
    put_object(store, "shop", "b", 1, "{}");
    put_object(store, "shop", "c", 2, "{\"x\":\"\xc3\xa9\"}");
    put_object(store, "", "b", 3, "{\"cluster\":1}");
    lab_commit(store);
    put_object(store, "shop", "b", 4, "{\"v\":2}");
    store_delete_object(store, kind, "shop", "c");
    store_delete_object(store, kind, "shop", "never-there");
    put_object(store, "shop", "d", 5, "{}"); /* Comes and goes in one. */
    store_delete_object(store, kind, "shop", "d");
    store_set_counters(store, "identity=300 rule=17");
    store_set_resource_version(store, 6);
    lab_commit(store);
    assert_int_equal(store_generation(store), 0); /* No record changed. */
    lab_close(store);

    store = lab_open("db", STORE_CONTROLLER);
    lab_until(store_is_leader(store));
    assert_objects(store, "networkpolicies.networking.k8s.io /b 3 {\"cluster\":1}\n"
                          "networkpolicies.networking.k8s.io shop/b 4 {\"v\":2}");
    char *counters = store_counters(store);
    assert_string_equal(counters, "identity=300 rule=17");
    free(counters);
    assert_int_equal(store_resource_version(store), 6);
}

/* --- Tickets ---------------------------------------------------------- */

static void
test_tickets_come_in_order(void **state)
{
    struct store *store = lab_open("db", STORE_CONTROLLER);

    lab_until(store_is_leader(store));
    put_object(store, "", "a", 1, "{}");
    uint64_t first = store_ticket(store);
    assert_true(store_committed(store) < first);
    store_run(store); /* Now it is on its way. */
    uint64_t second = store_ticket(store);
    assert_true(second > first);
    put_object(store, "", "b", 2, "{}");
    put_object(store, "", "a", 3, "{\"v\":2}");
    assert_int_equal(store_ticket(store), second);

    lab_until(store_committed(store) >= first);
    assert_int_equal(store_committed(store), first);
    assert_objects(store, "networkpolicies.networking.k8s.io /a 1 {}");
    lab_until(store_committed(store) >= second);
    assert_objects(store, "networkpolicies.networking.k8s.io /a 3 {\"v\":2}\n"
                          "networkpolicies.networking.k8s.io /b 2 {}");
    assert_int_equal(store_lost(store), 0);
}

struct sight {
    uint64_t object_version;
};

static void
look_at_object(const struct store_object *o, void *sight_)
{
    struct sight *sight = sight_;
    sight->object_version = o->resource_version;
}

/* Object, version, record and generation of one step are never seen apart. */
static void
assert_all_or_nothing(struct store *watcher, struct records *rs)
{
    struct sight sight = { 0 };
    uint64_t generation = lab_read(watcher, rs);
    const struct rec_identity *id = records_identity(rs, 256);
    char *label = xasprintf("step-%" PRIu64, generation);

    store_each_object(watcher, look_at_object, &sight);
    assert_int_equal(sight.object_version, generation);
    assert_int_equal(store_resource_version(watcher), generation);
    assert_string_equal(id ? id->labels : "step-0", label);
    free(label);
}

static void
test_transactions_are_atomic(void **state)
{
    struct store *controller = lab_open("db", STORE_CONTROLLER);
    struct store *watcher = lab_open("db", STORE_CONTROLLER); /* Sees all, leads nothing. */
    struct records *rs = records_create(), *seen = records_create();

    lab_until(store_is_leader(controller) || store_is_leader(watcher));
    if (store_is_leader(watcher)) {
        struct store *swap = controller;
        controller = watcher;
        watcher = swap;
    }
    for (uint64_t i = 1; i <= 60; i++) {
        struct rec_identity *id = rec_identity_create(256);

        id->vni = 4097;
        id->labels = xasprintf("step-%" PRIu64, i);
        records_put(rs, &id->r);
        store_put_records(controller, rs);
        put_object(controller, "", "o", i, "{}");
        store_set_resource_version(controller, i);
        uint64_t ticket = store_ticket(controller);
        lab_until((assert_all_or_nothing(watcher, seen), store_committed(controller) >= ticket));
    }
    lab_until(store_generation(watcher) == 60);
    assert_all_or_nothing(watcher, seen);
    records_destroy(rs);
    records_destroy(seen);
}

/* --- Nodes ------------------------------------------------------------ */

static struct store_node_status
node_status(const char *name, const char *vtep, struct in6_addr *address)
{
    struct store_node_status status = {
        .name = CONST_CAST(char *, name),
        .addresses = address,
        .n_addresses = 1,
        .applied = 3,
        .stats_applied = 2,
        .heartbeat_ms = 1000000,
        .ready = true,
        .message = CONST_CAST(char *, ""),
        .n_flows = 77,
    };

    assert_null(addr_parse(vtep, &status.vtep));
    *address = status.vtep;
    return status;
}

static void
list_node(const struct store_node_status *n, void *lines_)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    ds_put_format(&ds, "%s ", n->name);
    addr_format(&n->vtep, &ds);
    for (size_t i = 0; i < n->n_addresses; i++) {
        ds_put_char(&ds, i ? ',' : ' ');
        addr_format(&n->addresses[i], &ds);
    }
    ds_put_format(&ds, " %" PRIu64 " %" PRIu64 " %" PRId64 " %s \"%s\" %" PRIu64, n->applied,
                  n->stats_applied, n->heartbeat_ms, n->ready ? "ready" : "not ready", n->message,
                  n->n_flows);
    const struct smap_node *problem;
    SMAP_FOR_EACH (problem, n->policy_problems) {
        ds_put_format(&ds, " %s=%s", problem->key, problem->value);
    }
    svec_add_nocopy(lines_, ds_steal_cstr(&ds));
}

static bool
nodes_are(struct store *store, const char *expected)
{
    struct svec lines = SVEC_EMPTY_INITIALIZER;

    store_each_node(store, list_node, &lines);
    svec_sort(&lines);
    char *text = svec_join(&lines, "\n", "");
    bool same = !strcmp(text, expected);
    free(text);
    svec_destroy(&lines);
    return same;
}

static void
test_nodes(void **state)
{
    struct store *controller = lab_open("db", STORE_CONTROLLER);
    struct store *a = lab_open("db", STORE_AGENT), *b = lab_open("db", STORE_AGENT);
    struct records *rs = records_create(), *seen = records_create();
    struct in6_addr address_a, address_b;
    struct store_node_status node_a = node_status("node-a", "172.30.0.1", &address_a);
    struct store_node_status node_b = node_status("node-b", "172.30.0.2", &address_b);

    node_b.ready = false;
    node_b.message = CONST_CAST(char *, "no switch");
    struct smap problems = SMAP_INITIALIZER(&problems);
    smap_add(&problems, "NetworkPolicy/shop/big", "too large");
    node_b.policy_problems = &problems;
    store_set_node_status(a, &node_a);
    store_set_node_status(b, &node_b);
    lab_until(nodes_are(controller,
                        "node-a 172.30.0.1 172.30.0.1 3 2 1000000 ready \"\" 77\n"
                        "node-b 172.30.0.2 172.30.0.2 3 2 1000000 not ready \"no switch\" 77 "
                        "NetworkPolicy/shop/big=too large"));
    smap_clear(&problems);
    store_set_node_status(b, &node_b);
    lab_until(nodes_are(controller,
                        "node-a 172.30.0.1 172.30.0.1 3 2 1000000 ready \"\" 77\n"
                        "node-b 172.30.0.2 172.30.0.2 3 2 1000000 not ready \"no switch\" 77"));
    smap_destroy(&problems);
    node_b.policy_problems = NULL;

    /* No record before the controller gives an id. */
    lab_read(a, seen);
    assert_int_equal(records_count(seen, RECORD_NODE), 0);
    static const char both[] = "node 1 name=node-a vtep=172.30.0.1 addresses=172.30.0.1\n"
                               "node 2 name=node-b vtep=172.30.0.2 addresses=172.30.0.2\n";
    lab_until(store_is_leader(controller));
    lab_put(controller, rs, both);
    lab_until(store_generation(a) == 1);
    lab_read(a, seen);
    assert_records_same(rs, seen);

    /* Ids change hands; a node that goes loses its id and keeps its row. */
    records_remove(rs, RECORD_NODE, 2);
    lab_put(controller, rs, "node 1 name=node-b vtep=172.30.0.2 addresses=172.30.0.2");
    lab_until(store_generation(a) == 2);
    lab_read(a, seen);
    assert_records_same(rs, seen);

    /* An agent's change reaches the others; its id stays. */
    assert_null(addr_parse("2001:db8::2", &node_b.vtep));
    store_set_node_status(b, &node_b);
    lab_until((lab_read(a, seen),
               !memcmp(&records_node(seen, 1)->vtep, &node_b.vtep, sizeof node_b.vtep)));
    records_destroy(rs);
    records_destroy(seen);
}

/* A loop that reports its status every time must not write every time. */
static void
test_equal_status_is_not_written(void **state)
{
    struct store *agent = lab_open("db", STORE_AGENT), *other = lab_open("db", STORE_CONTROLLER);
    struct in6_addr address;
    struct store_node_status node = node_status("node-a", "172.30.0.1", &address);

    store_set_node_status(agent, &node);
    lab_until(store_is_leader(other)
              && nodes_are(other, "node-a 172.30.0.1 172.30.0.1 3 2 1000000 ready \"\" 77"));
    unsigned int seqno = store_seqno(other);
    for (int i = 0; i < 50; i++) {
        node.heartbeat_ms += 10;
        store_set_node_status(agent, &node);
        lab_run();
    }

    /* Nor for another order of the same addresses. */
    struct in6_addr twice[] = { address, address };
    node.addresses = twice;
    node.n_addresses = 2;
    node.applied = 4;
    store_set_node_status(agent, &node);
    lab_until(nodes_are(other, "node-a 172.30.0.1 172.30.0.1 4 2 1000500 ready \"\" 77"));
    assert_int_equal(store_seqno(other), seqno + 1);
}

/* --- Counters --------------------------------------------------------- */

static void
list_counter(const char *node, const struct counter *c, void *lines_)
{
    svec_add_nocopy(lines_,
                    xasprintf("%s %d:%" PRIu32 ",%" PRIu32 ",%" PRIu32 ",%" PRIu32 " %" PRIu64
                              " %" PRIu64 " %" PRIu64 " raw %" PRIu64 " %" PRIu64 " %" PRIu64,
                              node, c->kind, c->a, c->b, c->c, c->d, c->hits, c->packets, c->bytes,
                              c->raw_hits, c->raw_packets, c->raw_bytes));
}

static bool
counters_are(struct store *store, const char *node, const char *expected)
{
    struct svec lines = SVEC_EMPTY_INITIALIZER;

    store_each_counter(store, node, list_counter, &lines);
    svec_sort(&lines);
    char *text = svec_join(&lines, "\n", "");
    bool same = !strcmp(text, expected);
    free(text);
    svec_destroy(&lines);
    return same;
}

static void
test_counters(void **state)
{
    struct store *controller = lab_open("db", STORE_CONTROLLER);
    struct store *a = lab_open("db", STORE_AGENT), *b = lab_open("db", STORE_AGENT);
    struct in6_addr address_a, address_b;
    struct store_node_status node_a = node_status("a", "172.30.0.1", &address_a);
    struct store_node_status node_b = node_status("b", "172.30.0.2", &address_b);
    struct counter rule = { .kind = COUNTER_RULE,
                            .a = 9,
                            .hits = 1,
                            .packets = 2,
                            .bytes = 3,
                            .raw_hits = 4,
                            .raw_packets = 5,
                            .raw_bytes = 6 };
    struct counter pair = { .kind = COUNTER_PAIR,
                            .a = 1,
                            .b = 2,
                            .c = UINT32_MAX,
                            .d = 4,
                            .packets = UINT64_C(1) << 40,
                            .bytes = 1 };

    assert_false(store_has_own_rows(a));
    store_set_node_status(a, &node_a);
    store_set_node_status(b, &node_b);
    store_put_counter(a, &rule);
    store_put_counter(a, &pair);
    store_put_counter(b, &rule);
    lab_until(counters_are(controller, NULL,
                           "a 0:9,0,0,0 1 2 3 raw 4 5 6\n"
                           "a 2:1,2,4294967295,4 0 1099511627776 1 raw 0 0 0\n"
                           "b 0:9,0,0,0 1 2 3 raw 4 5 6"));
    rule.hits = 10;
    store_put_counter(a, &rule);
    lab_until(counters_are(controller, "a",
                           "a 0:9,0,0,0 10 2 3 raw 4 5 6\n"
                           "a 2:1,2,4294967295,4 0 1099511627776 1 raw 0 0 0"));

    /* An agent that restarts finds its own, and only those. */
    lab_close(a);
    a = lab_open("db", STORE_AGENT);
    store_set_node_status(a, &node_a);
    lab_until(store_has_own_rows(a));
    assert_true(counters_are(a, NULL,
                             "a 0:9,0,0,0 10 2 3 raw 4 5 6\n"
                             "a 2:1,2,4294967295,4 0 1099511627776 1 raw 0 0 0"));

    /* One of zeros has no row, and one that was there loses it. */
    struct counter gone = { .kind = COUNTER_RULE, .a = 9 };
    struct counter never = { .kind = COUNTER_RULE, .a = 10 };
    store_put_counter(a, &gone);
    store_put_counter(a, &never);
    lab_until(counters_are(controller, "a", "a 2:1,2,4294967295,4 0 1099511627776 1 raw 0 0 0"));
}

static bool
has_nodes(struct store *store, size_t n)
{
    struct svec lines = SVEC_EMPTY_INITIALIZER;

    store_each_node(store, list_node, &lines);
    bool has = lines.n == n;
    svec_destroy(&lines);
    return has;
}

/* All that is of the node goes, and nothing else; who is there after all comes back. */
static void
test_forgotten_node(void **state)
{
    struct store *controller = lab_open("db", STORE_CONTROLLER);
    struct store *a = lab_open("db", STORE_AGENT), *b = lab_open("db", STORE_AGENT);
    struct in6_addr address_a, address_b;
    struct store_node_status node_a = node_status("a", "172.30.0.1", &address_a);
    struct store_node_status node_b = node_status("b", "172.30.0.2", &address_b);
    struct counter counter = { .kind = COUNTER_RULE, .a = 9, .hits = 1 };

    lab_until(store_is_leader(controller));
    store_set_node_status(a, &node_a);
    store_set_node_status(b, &node_b);
    store_put_counter(a, &counter);
    store_put_counter(b, &counter);
    lab_until(has_nodes(controller, 2)
              && counters_are(controller, NULL,
                              "a 0:9,0,0,0 1 0 0 raw 0 0 0\n"
                              "b 0:9,0,0,0 1 0 0 raw 0 0 0"));
    lab_close(a);
    store_forget_node(controller, "a");
    store_forget_node(controller, "never-there");
    lab_commit(controller);
    lab_until(has_nodes(controller, 1));
    assert_true(counters_are(controller, NULL, "b 0:9,0,0,0 1 0 0 raw 0 0 0"));

    store_forget_node(controller, "b");
    lab_commit(controller);
    lab_until(has_nodes(controller, 1)); /* Its agent is alive. */
    assert_true(counters_are(controller, NULL, ""));
}

/* Whatever an agent's connection is doing when the agent says for the first time who it
 * is: nothing else than the server's answers turns the loop here. */
static void
test_status_at_any_moment(void **state)
{
    struct in6_addr address;
    struct store_node_status node = node_status("a", "172.30.0.1", &address);

    for (int turns = 0; turns < 12; turns++) {
        struct store *a = lab_open("db", STORE_AGENT);

        for (int i = 0; i < turns; i++) {
            lab_run();
            lab_wait(time_msec() + 20);
        }
        store_set_node_status(a, &node);
        for (lab_run(); !store_has_own_rows(a); lab_run()) {
            long long int deadline = time_msec() + DEADLINE_MS;
            lab_wait(deadline);
            if (time_msec() >= deadline) {
                fail_msg("after %d turns: nothing turns the loop", turns);
            }
        }
        lab_close(a);
    }
}

static void
test_stats_requests(void **state)
{
    struct store *controller = lab_open("db", STORE_CONTROLLER);
    struct store *agent = lab_open("db", STORE_AGENT);

    lab_until(store_is_leader(controller));
    assert_int_equal(store_request_stats(controller), 1);
    assert_int_equal(store_request_stats(controller), 2);
    lab_until(store_stats_request(agent) == 2);
    lab_close(controller);
    controller = lab_open("db", STORE_CONTROLLER);
    lab_until(store_is_leader(controller));
    assert_int_equal(store_request_stats(controller), 3);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, lab_setup_standalone, lab_teardown)
        TEST(test_objects_survive),
        TEST(test_tickets_come_in_order),
        TEST(test_transactions_are_atomic),
        TEST(test_nodes),
        TEST(test_equal_status_is_not_written),
        TEST(test_counters),
        TEST(test_forgotten_node),
        TEST(test_status_at_any_moment),
        TEST(test_stats_requests),
    };

    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
