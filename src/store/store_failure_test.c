/* The store when something goes wrong: leaders that die, servers that stop,
 * rows that make no sense. */
#include "store/store.h"

#include "store/ovsdb_test.h"

static const char one[] = "network 4097 name=shop zone=16 subnets=10.128.1.0/24 "
                          "gateways=10.128.1.1\n"
                          "identity 256 vni=4097 labels=a\n"
                          "endpoint 1 name=shop/a uid=u vni=4097 identity=256 node=0 "
                          "mac=02:56:0a:80:01:02 ips=10.128.1.2\n"
                          "set 1 selector=x identities=256\n"
                          "rule 1 ingress tier=networkpolicy priority=0 action=allow vni=4097 "
                          "subject=1 peers=set:1 ports=tcp:80 policy=NetworkPolicy/shop/p "
                          "index=0\n";

/* --- Leaders ---------------------------------------------------------- */

static void
test_second_controller_takes_over(void **state)
{
    struct store *first = lab_open("db", STORE_CONTROLLER);
    struct records *rs = records_create(), *seen = records_create();

    lab_until(store_is_leader(first));
    struct store *second = lab_open("db", STORE_CONTROLLER);
    lab_put(first, rs, one);
    lab_until(store_is_ready(second) && store_generation(second) == 1);
    assert_true(store_is_leader(first));
    assert_false(store_is_leader(second));

    /* The last words of a leader are known to the next before it leads. */
    struct rec_identity *id = rec_identity_create(300);
    id->vni = 4097;
    id->labels = xstrdup("last words");
    records_put(rs, &id->r);
    store_put_records(first, rs);
    store_run(first);
    lab_close(first);
    lab_until(store_is_leader(second));
    lab_read(second, seen);
    assert_records_same(rs, seen);
    assert_int_equal(store_generation(second), 2);
    records_destroy(rs);
    records_destroy(seen);
}

static void
test_follower_cannot_write(void **state)
{
    struct store *leader = lab_open("db", STORE_CONTROLLER);
    struct records *rs = records_create(), *seen = records_create();

    lab_until(store_is_leader(leader));
    struct store *follower = lab_open("db", STORE_CONTROLLER);
    lab_until(store_is_ready(follower));
    assert_null(records_parse(one, rs));
    store_put_records(follower, rs);
    assert_int_equal(store_lost(follower), 1);

    /* Nothing of it is left to be written later. */
    lab_close(leader);
    lab_until(store_is_leader(follower));
    store_set_resource_version(follower, 5);
    lab_commit(follower);
    lab_read(follower, seen);
    assert_int_equal(records_count(seen, RECORD_IDENTITY), 0);
    assert_int_equal(store_resource_version(follower), 5);
    records_destroy(rs);
    records_destroy(seen);
}

/* --- Servers ---------------------------------------------------------- */

static void
test_server_restart(void **state)
{
    struct store *controller = lab_open("db", STORE_CONTROLLER);
    struct store *agent = lab_open("db", STORE_AGENT);
    struct records *rs = records_create(), *seen = records_create();

    lab_until(store_is_leader(controller));
    lab_put(controller, rs, one);
    lab_until(store_generation(agent) == 1);
    lab_read(agent, seen);

    lab_kill_server("db");
    lab_until(!store_is_ready(agent) && !store_is_leader(controller));
    lab_read(agent, seen);
    assert_records_same(rs, seen); /* What it has stays. */
    assert_int_equal(store_lost(controller), 0);

    char *db = lab_path("db", ".db");
    lab_command((const char *[]){ "ovsdb-tool", "transact", db,
                                  "[\"Virga\",{\"op\":\"delete\",\"table\":\"Identity\","
                                  "\"where\":[[\"id\",\"==\",256]]}]",
                                  NULL });
    free(db);
    lab_start_server("db", NULL);
    lab_until(store_is_ready(agent) && store_is_leader(controller));
    records_remove(rs, RECORD_IDENTITY, 256);
    lab_until((lab_read(agent, seen), records_same(rs, seen)));

    lab_put(controller, rs, "identity 257 vni=4097 labels=b");
    lab_until(store_generation(agent) == 3);
    lab_read(agent, seen);
    assert_records_same(rs, seen);
    records_destroy(rs);
    records_destroy(seen);
}

/* Another database on the same socket: nothing of the first one remains. */
static void
test_database_replaced(void **state)
{
    struct store *controller = lab_open("db", STORE_CONTROLLER);
    struct store *agent = lab_open("db", STORE_AGENT);
    struct records *rs = records_create(), *seen = records_create();

    lab_until(store_is_leader(controller));
    lab_put(controller, rs, one);
    lab_until(store_generation(agent) == 1);
    lab_read(agent, seen);
    assert_records_same(rs, seen);

    lab_kill_server("db");
    lab_create_database("db");
    lab_start_server("db", NULL);
    lab_until(!store_is_ready(agent));
    lab_until(store_is_ready(agent));
    assert_int_equal(lab_read(agent, seen), 0);
    for (int kind = 0; kind < N_RECORD_KINDS; kind++) {
        assert_int_equal(records_count(seen, kind), 0);
    }

    lab_until(store_is_leader(controller));
    records_destroy(rs);
    rs = records_create();
    lab_put(controller, rs, "identity 999 vni=4097 labels=new");
    lab_until(store_generation(agent) == 1);
    lab_read(agent, seen);
    assert_records_same(rs, seen);
    records_destroy(rs);
    records_destroy(seen);
}

/* The answer to a transaction never comes: it counts as lost, also when the
 * controller leads again later. */
static void
test_puts_under_way_are_lost(void **state)
{
    struct store *controller = lab_open("db", STORE_CONTROLLER);

    lab_until(store_is_leader(controller));
    uint64_t committed = store_committed(controller);
    kill(lab_server("db")->pid, SIGSTOP);
    store_set_resource_version(controller, 7);
    store_run(controller);
    lab_kill_server("db");
    lab_until(store_lost(controller) == 1);
    assert_int_equal(store_committed(controller), committed);

    lab_start_server("db", NULL);
    lab_until(store_is_leader(controller));
    store_set_resource_version(controller, 8);
    lab_commit(controller);
    assert_int_equal(store_lost(controller), 1);
    assert_int_equal(store_resource_version(controller), 8);

    /* What was not even sent is lost, too, and does not come back. */
    kill(lab_server("db")->pid, SIGSTOP);
    store_set_counters(controller, "rule=2");
    lab_kill_server("db");
    lab_until(store_lost(controller) == 2);
    lab_start_server("db", NULL);
    lab_until(store_is_leader(controller));
    store_set_resource_version(controller, 9);
    lab_commit(controller);
    assert_null(store_counters(controller));
}

static void
keep_status(const struct store_node_status *node, void *seen)
{
    struct store_node_status *status = seen;

    status->applied = node->applied;
    status->ready = node->ready;
}

static void
add_hits(const char *node, const struct counter *c, void *hits)
{
    *(uint64_t *) hits += c->hits;
}

/* An agent does not lose what it said while nobody listened. */
static void
test_agent_repeats(void **state)
{
    struct store *agent = lab_open("db", STORE_AGENT);
    struct store_node_status node = { .name = CONST_CAST(char *, "n"),
                                      .ready = true,
                                      .message = CONST_CAST(char *, ""),
                                      .applied = 1 };
    struct counter counter = { .kind = COUNTER_DROP, .a = 2, .hits = 5 };

    assert_null(addr_parse("172.30.0.1", &node.vtep));
    store_set_node_status(agent, &node);
    lab_until(store_has_own_rows(agent));
    kill(lab_server("db")->pid, SIGSTOP);
    store_put_counter(agent, &counter);
    store_run(agent); /* On its way, and never arrives. */
    counter.a = 3;
    store_put_counter(agent, &counter);
    lab_kill_server("db");
    lab_until(!store_is_ready(agent));
    node.applied = 2;
    store_set_node_status(agent, &node);
    lab_start_server("db", NULL);

    struct store *controller = lab_open("db", STORE_CONTROLLER);
    struct store_node_status seen = { 0 };
    lab_until((store_each_node(controller, keep_status, &seen), seen.applied == 2 && seen.ready));
    uint64_t hits = 0;
    store_each_counter(controller, NULL, add_hits, &hits);
    assert_int_equal(hits, 10);

    /* Status columns live in the server's memory: said again after a restart. */
    lab_kill_server("db");
    lab_until(!store_is_ready(agent) && !store_is_ready(controller));
    lab_start_server("db", NULL);
    lab_until(store_is_ready(controller));
    seen.applied = 0;
    lab_until((store_each_node(controller, keep_status, &seen), seen.applied == 2));
}

/* Three servers: the one that leads the cluster dies, the controllers meet at
 * the next, nothing that was durable is lost. */
static void
start_cluster(void)
{
    static const char *const names[] = { "s0", "s1", "s2" };
    char *first = xasprintf("unix:%s/s0.raft", lab.dir);

    for (int i = 0; i < 3; i++) {
        char *db = lab_path(names[i], ".db");
        char *address = xasprintf("unix:%s/s%d.raft", lab.dir, i);

        if (!i) {
            lab_command((const char *[]){ "ovsdb-tool", "create-cluster", db,
                                          "include/virga.ovsschema", address, NULL });
        } else {
            lab_command((const char *[]){ "ovsdb-tool", "join-cluster", db, "Virga", address,
                                          first, NULL });
        }
        lab_start_server(names[i], NULL);
        free(db);
        free(address);
    }
    free(first);
}

static void
test_cluster_failover(void **state)
{
    start_cluster();
    struct store *controller = lab_open("s0,s1,s2", STORE_CONTROLLER);
    struct store *standby = lab_open("s0,s1,s2", STORE_CONTROLLER);
    struct store *agent = lab_open("s1,s2", STORE_AGENT);
    struct store *joined[] = { lab_open("s1", STORE_AGENT), lab_open("s2", STORE_AGENT) };
    struct records *rs = records_create(), *seen = records_create();

    lab_until(store_is_ready(agent) && store_is_ready(joined[0]) && store_is_ready(joined[1]));
    lab_until(store_is_leader(controller) || store_is_leader(standby));
    lab_put(store_is_leader(controller) ? controller : standby, rs, one);
    lab_until(store_generation(agent) == 1);

    lab_kill_server("s0"); /* The first member leads until somebody objects. */
    lab_until(!store_is_leader(controller) && !store_is_leader(standby));
    lab_until(store_is_leader(controller) || store_is_leader(standby));
    assert_true(store_is_leader(controller) != store_is_leader(standby));
    struct store *leader = store_is_leader(controller) ? controller : standby;
    lab_read(leader, seen);
    assert_records_same(rs, seen);
    lab_put(leader, rs, "identity 257 vni=4097 labels=b");
    lab_until(store_generation(agent) == 2);
    lab_read(agent, seen);
    assert_records_same(rs, seen);
    records_destroy(rs);
    records_destroy(seen);
}

/* --- Rows that make no sense ------------------------------------------ */

static void
count_nodes(const struct store_node_status *node, void *n)
{
    ++*(size_t *) n;
}

static void
add_applied(const struct store_node_status *node, void *n)
{
    *(uint64_t *) n += node->applied;
}

static void
test_bad_rows_are_skipped(void **state)
{
    /* Each keeps to the schema. */
    static const char *const bad[] = {
        "'Network','row':{'vni':5001,'name':'n','zone':20,'subnets':['map',[[0,'10.0.0.0/8']]]}",
        "'Network','row':{'vni':5002,'name':'n','zone':20,'subnets':['map',[[1,'10.0.0.0/8']]],"
        "'gateways':['map',[[1,'10.0.0.1']]]}",
        "'Network','row':{'vni':5003,'name':'n','zone':20,'subnets':['map',[[0,'10.0.0.1/8']]],"
        "'gateways':['map',[[0,'10.0.0.1']]]}",
        "'Network','row':{'vni':5004,'name':'n','zone':20,'subnets':['map',[[0,'10.0.0.0/8']]],"
        "'gateways':['map',[[0,'11.0.0.1']]]}",
        "'Endpoint_Bucket','row':{'bucket':10,'endpoints':'10 a u 4097 0 0 02:56 10.0.0.1'}",
        "'Endpoint_Bucket','row':{'bucket':11,"
        "'endpoints':'12 a u 4097 0 0 02:00:00:00:00:01 10.0.0.1'}", /* Of another bucket. */
        "'Rule','row':{'id':20,'direction':'egress','tier':'admin','action':'allow','subject':1,"
        "'ports':'tcp:90-80'}",
        "'Rule','row':{'id':21,'direction':'egress','tier':'admin','action':'allow','subject':1,"
        "'ports':'icmp:1'}",
        "'Rule','row':{'id':22,'direction':'egress','tier':'admin','action':'allow','subject':1,"
        "'ports':'tcp:65536'}",
        "'Rule','row':{'id':23,'direction':'egress','tier':'admin','action':'allow','subject':1,"
        "'ports':'tcp:-1'}",
        "'Rule','row':{'id':24,'direction':'egress','tier':'admin','action':'allow','subject':1,"
        "'ports':'udp:1 '}",
        "'Rule','row':{'id':25,'direction':'egress','tier':'admin','action':'allow','subject':1,"
        "'peer_prefixes':'10.0.0.1/8'}",
        "'Node','row':{'name':'x','vtep':'nowhere','id':7}",
        "'Node','row':{'name':'y','vtep':'10.0.0.1','addresses':'10.0.0','id':8}",
        "'Node','row':{'name':'b','vtep':'10.0.0.2','id':9}",
        "'Node','row':{'name':'a','vtep':'10.0.0.1','id':9}",
    };
    struct store *controller = lab_open("db", STORE_CONTROLLER);
    struct store *agent = lab_open("db", STORE_AGENT);
    struct records *rs = records_create(), *seen = records_create(), *whole = records_create();

    lab_until(store_is_leader(controller));
    lab_put(controller, rs, one);
    lab_until(store_generation(agent) == 1);
    lab_read(agent, seen);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        char *op = xasprintf("{'op':'insert','table':%s}", bad[i]);
        lab_transact("db", op);
        free(op);
    }
    lab_transact("db", "{'op':'update','table':'Endpoint_Bucket','where':[['bucket','==',1]],"
                       "'row':{'endpoints':'x'}}");
    assert_null(records_parse("node 9 name=a vtep=10.0.0.1 addresses=", rs)); /* First by name. */

    /* A good row that turns bad stays in force where it was read before, also when a
     * term begins. */
    lab_new_term(&controller);
    lab_until((lab_read(agent, seen), records_same(rs, seen)));
    records_remove(rs, RECORD_ENDPOINT, 1);
    lab_read(controller, whole);
    assert_records_same(rs, whole);
    size_t n = 0;
    store_each_node(controller, count_nodes, &n);
    assert_int_equal(n, 2);

    /* The controller heals a row that it writes. */
    lab_put(controller, rs, one);
    lab_until(store_generation(agent) == 2);
    lab_until((lab_read(agent, seen), records_same(rs, seen)));
    lab_read(controller, whole);
    assert_records_same(rs, whole);
    records_destroy(rs);
    records_destroy(seen);
    records_destroy(whole);
}

/* An agent that has read a node's row and then cannot any more goes on, and on writing. */
static void
test_node_row_turns_bad(void **state)
{
    struct store *controller = lab_open("db", STORE_CONTROLLER);
    struct store *agent = lab_open("db", STORE_AGENT);
    char name[] = "n", message[] = "";
    struct store_node_status status = { .name = name, .message = message };
    struct records *rs = records_create(), *seen = records_create();

    lab_until(store_is_leader(controller));
    lab_put(controller, rs, one);
    lab_transact("db", "{'op':'insert','table':'Node','row':{'name':'x','vtep':'10.0.0.9',"
                       "'id':9}}");
    assert_null(records_parse("node 9 name=x vtep=10.0.0.9 addresses=", rs));
    lab_until((lab_read(agent, seen), records_same(rs, seen)));
    unsigned int seqno = store_seqno(agent);
    lab_transact("db", "{'op':'update','table':'Node','where':[],'row':{'vtep':'nowhere'}}");
    lab_until(store_seqno(agent) != seqno);
    lab_read(agent, seen);
    assert_records_same(rs, seen);
    for (status.applied = 1; status.applied < 4; status.applied++) {
        uint64_t n = 0;

        store_set_node_status(agent, &status);
        lab_until((n = 0, store_each_node(controller, add_applied, &n), n == status.applied));
    }
    records_destroy(rs);
    records_destroy(seen);
}

/* --- Buckets of endpoints ----------------------------------------------- */

#define LINE(ID, IDENTITY) ID " n u 4097 " IDENTITY " 0 02:00:00:00:00:01 10.0.0.1"
#define RECORD(ID, IDENTITY)                                              \
    "endpoint " ID " name=n uid=u vni=4097 identity=" IDENTITY " node=0 " \
    "mac=02:00:00:00:00:01 ips=10.0.0.1\n"

/* What an agent, and a controller that has read before, see after 'op' and the begin of
 * a term. */
static void
check_after(struct store **controller, struct store *agent, struct records *seen,
            struct records *again, const char *op, const char *wanted)
{
    struct records *want = records_create();

    assert_null(records_parse(wanted, want));
    lab_transact("db", op);
    lab_new_term(controller);
    lab_until((lab_read(agent, seen), records_same(want, seen)));
    lab_read(*controller, again);
    assert_records_same(want, again);
    records_destroy(want);
}

/* What cannot be read of a bucket takes nothing away; what goes from it, goes. */
static void
test_bad_lines_keep_what_was(void **state)
{
    struct store *controller = lab_open("db", STORE_CONTROLLER);
    struct store *agent = lab_open("db", STORE_AGENT);
    struct records *rs = records_create(), *seen = records_create(), *again = records_create();
    struct records *after = records_create();

#define IDENTITY "identity 256 vni=4097 labels=x\n"
    assert_null(records_parse(IDENTITY, after));
#define SET_BUCKET(TEXT)                                                    \
    "{'op':'update','table':'Endpoint_Bucket','where':[['bucket','==',1]]," \
    "'row':{'endpoints':'" TEXT "'}}"
    lab_until(store_is_leader(controller));
    lab_put(controller, rs, RECORD("1", "256") RECORD("8193", "257") RECORD("16385", "258"));
    check_after(&controller, agent, seen, again, "{'op':'comment','comment':'nothing'}",
                RECORD("1", "256") RECORD("8193", "257") RECORD("16385", "258"));
    check_after(&controller, agent, seen, again, SET_BUCKET(LINE("1", "300") "\\n8193 broken"),
                RECORD("1", "300") RECORD("8193", "257") RECORD("16385", "258"));
    check_after(&controller, agent, seen, again,
                SET_BUCKET(LINE("1", "300") "\\n" LINE("8193", "301")),
                RECORD("1", "300") RECORD("8193", "301"));
    check_after(&controller, agent, seen, again, SET_BUCKET("nonsense"),
                RECORD("1", "300") RECORD("8193", "301"));

    /* Until the controller has written what there is. */
    lab_put(controller, rs, IDENTITY);
    lab_until((lab_read(agent, seen), records_same(seen, after)));
    check_after(&controller, agent, seen, again,
                "{'op':'delete','table':'Endpoint_Bucket','where':[['bucket','==',1]]}", IDENTITY);
    records_destroy(after);
    records_destroy(rs);
    records_destroy(seen);
    records_destroy(again);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, lab_setup_standalone, lab_teardown)
        TEST(test_second_controller_takes_over),
        TEST(test_follower_cannot_write),
        TEST(test_server_restart),
        TEST(test_database_replaced),
        TEST(test_puts_under_way_are_lost),
        TEST(test_agent_repeats),
        cmocka_unit_test_setup_teardown(test_cluster_failover, lab_setup, lab_teardown),
        TEST(test_bad_rows_are_skipped),
        TEST(test_node_row_turns_bad),
        TEST(test_bad_lines_keep_what_was),
    };

    random_set_seed(1);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
