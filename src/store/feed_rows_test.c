/* The feed in a real database: folded, followed, behind, broken and repaired. */
#include "store/feed.h"
#include "store/ovsdb_test.h"

#define IDENTITY(ID, LABELS) "identity " ID " vni=4097 labels=" LABELS "\n"

/* Until who read before, and who reads for the first time, have it. */
static void
until_agents_have(struct store *agent, struct records *seen, const struct records *wanted)
{
    struct store *late = lab_open("db", STORE_AGENT);
    struct records *anew = records_create();

    lab_until((lab_read(agent, seen), records_same(seen, wanted)));
    lab_until((lab_read(late, anew), records_same(anew, wanted)));
    records_destroy(anew);
    lab_close(late);
}

static void
put_identity(struct records *rs, uint32_t id, const char *labels)
{
    struct rec_identity *i = rec_identity_create(id);

    i->vni = 4097;
    i->labels = xstrdup(labels);
    records_put(rs, &i->r);
}

/* So many that a part has a base when it is written anew. */
static void
put_many(struct records *rs)
{
    for (uint32_t id = 256; id < 256 + 3000; id++) {
        char *labels = xasprintf("%0200d", id);
        put_identity(rs, id, labels);
        free(labels);
    }
}

static uint32_t
identity_of_part(uint32_t part, int i)
{
    for (uint32_t id = 256;; id++) {
        if (feed_part(RECORD_IDENTITY, id) == part && !i--) {
            return id;
        }
    }
}

/* Fails unless the rows of TABLE that WHERE chooses are as many as ROWS. */
static void
assert_rows(const char *table, const char *where, const char *rows)
{
    char *op = xasprintf("{'op':'wait','table':'%s','where':[%s],'columns':['part'],"
                         "'until':'==','rows':[%s],'timeout':0}",
                         table, where, rows);

    lab_transact("db", op);
    free(op);
}

/* Hundreds of transactions of one part, before the eyes of one who reads each, one who
 * reads some, and one who reads the last. */
static void
test_one_part_changes_often(void **state)
{
    enum { PART = 77, CHANGES = 3 * FEED_FRESH * FEED_JOINED };
    struct store *controller = lab_open("db", STORE_CONTROLLER);
    struct store *each = lab_open("db", STORE_AGENT), *some = lab_open("db", STORE_AGENT);
    struct records *want = records_create();
    struct records *seen = records_create(), *seen_some = records_create();

    lab_until(store_is_leader(controller));
    for (int i = 0; i < CHANGES; i++) {
        uint32_t id = identity_of_part(PART, random_range(10));
        char *labels = xasprintf("x%d", i);

        if (random_range(4) || !records_remove(want, RECORD_IDENTITY, id)) {
            put_identity(want, id, labels);
        }
        free(labels);
        store_put_records(controller, want);
        lab_commit(controller);
        lab_until(lab_read(each, seen) == store_generation(controller));
        assert_records_same(want, seen);
        if (!random_range(30)) {
            lab_until(lab_read(some, seen_some) == store_generation(controller));
            assert_records_same(want, seen_some);
        }
    }
    until_agents_have(some, seen_some, want);
    assert_rows("Feed_Base", "['part','==',77],['last','>',256]", "{'part':77}");
    assert_rows("Feed_Log", "['part','==',77],['first','<=',256]", "");
    records_destroy(want);
    records_destroy(seen);
    records_destroy(seen_some);
}

/* A controller of an earlier version writes tables only.  What agents have stays until
 * one leads that knows of the feed. */
static void
test_feed_behind(void **state)
{
    struct store *controller = lab_open("db", STORE_CONTROLLER);
    struct store *agent = lab_open("db", STORE_AGENT);
    struct records *want = records_create(), *seen = records_create();
    struct records *anew = records_create();

    lab_until(store_is_leader(controller));
    lab_put(controller, want, IDENTITY("256", "x"));
    until_agents_have(agent, seen, want);
    assert_false(store_feed_is_behind(agent));
    lab_transact("db", "{'op':'insert','table':'Identity','row':{'id':257,'vni':4097}},"
                       "{'op':'mutate','table':'Global','where':[],"
                       "'mutations':[['generation','+=',1]]}");
    lab_until(store_feed_is_behind(agent));
    assert_int_equal(lab_read(agent, seen), 0);
    assert_records_same(want, seen);
    struct store *late = lab_open("db", STORE_AGENT);
    lab_until(store_feed_is_behind(late));
    assert_int_equal(lab_read(late, anew), 0);
    assert_false(records_any_changes(anew));

    lab_new_term(&controller);
    lab_until(!store_feed_is_behind(agent) && !store_feed_is_behind(late));
    assert_int_equal(lab_read(agent, seen), 3);
    assert_int_equal(lab_read(late, anew), 3);
    assert_null(records_parse(IDENTITY("257", "\"\""), want));
    assert_records_same(want, seen);
    assert_records_same(want, anew);
    records_destroy(want);
    records_destroy(seen);
    records_destroy(anew);
}

/* Whatever becomes of the feed, an agent keeps what it has, and the next term sets it
 * right. */
static void
test_repair(void **state)
{
    static const char *const harm[] = {
        "{'op':'delete','table':'Feed_Log','where':[]}",
        "{'op':'delete','table':'Feed_Base','where':[]}",
        "{'op':'delete','table':'Feed_Log','where':[]},"
        "{'op':'delete','table':'Feed_Base','where':[]}",
        "{'op':'update','table':'Feed_Base','where':[['part','<',60]],'row':{'records':'x'}}",
        "{'op':'insert','table':'Feed_Log','row':{'part':3,'first':1000,'last':1000,'lines':"
        "'nonsense'}}",
        "{'op':'insert','table':'Feed_Log','row':{'part':3,'first':1000,'last':999,'lines':''}}",
        "{'op':'insert','table':'Feed_Log','row':{'part':3,'first':2000,'last':5,'lines':''}}",
        "{'op':'insert','table':'Feed_Log','row':{'part':3,'first':1,'last':100000,'lines':''}}",
        "{'op':'insert','table':'Feed_Log','row':{'part':3,'first':7,"
        "'last':9223372036854775807,'lines':''}}",
    };
    struct store *controller = lab_open("db", STORE_CONTROLLER);
    struct store *agent = lab_open("db", STORE_AGENT);
    struct records *want = records_create(), *seen = records_create();

    lab_until(store_is_leader(controller));
    put_many(want);
    store_put_records(controller, want);
    lab_commit(controller);
    for (size_t i = 0; i < ARRAY_SIZE(harm); i++) {
        char *labels = xasprintf("%" PRIuSIZE, i);

        for (uint32_t id = 300; id < 600; id++) {
            put_identity(want, id, labels);
        }
        store_put_records(controller, want);
        lab_commit(controller);
        until_agents_have(agent, seen, want);
        unsigned int seqno = store_seqno(agent);
        lab_transact("db", harm[i]);
        lab_until(store_seqno(agent) != seqno);
        lab_read(agent, seen);
        assert_records_same(want, seen);
        lab_new_term(&controller);
        until_agents_have(agent, seen, want);
        free(labels);
    }
    /* What the tables do not have, goes. */
    char *op = xasprintf("{'op':'insert','table':'Feed_Log','row':{'part':%" PRIu32
                         ",'first':1000,'last':1000,'lines':'identity 99999 vni=4097 labels=x'}}",
                         feed_part(RECORD_IDENTITY, 99999));
    lab_transact("db", op);
    lab_new_term(&controller);
    until_agents_have(agent, seen, want);
    free(op);
    records_destroy(want);
    records_destroy(seen);
}

/* Rows that are gone in the middle of a term: what comes next is not taken for something
 * that was seen. */
static void
test_numbers_start_again(void **state)
{
    struct store *controller = lab_open("db", STORE_CONTROLLER);
    struct store *agent = lab_open("db", STORE_AGENT);
    struct records *want = records_create(), *seen = records_create();

    lab_until(store_is_leader(controller));
    for (int i = 0; i < 3; i++) {
        lab_put(controller, want, i % 2 ? IDENTITY("256", "x") : IDENTITY("256", "y"));
    }
    until_agents_have(agent, seen, want);
    lab_transact("db", "{'op':'delete','table':'Feed_Log','where':[]}");
    lab_put(controller, want, IDENTITY("256", "z"));
    until_agents_have(agent, seen, want);
    records_destroy(want);
    records_destroy(seen);
}

/* A backup of the database behind a relay, which tells of changed rows and nothing else. */
static void
test_generation_goes_back(void **state)
{
    struct store *controller = lab_open("db", STORE_CONTROLLER);
    struct store *agent = lab_open("db", STORE_AGENT);
    struct records *want = records_create(), *seen = records_create();

    lab_until(store_is_leader(controller));
    lab_put(controller, want, IDENTITY("256", "x") IDENTITY("257", "y"));
    until_agents_have(agent, seen, want);
    lab_put(controller, want, IDENTITY("256", "z"));
    until_agents_have(agent, seen, want);
    lab_close(controller);
    lab_transact("db", "{'op':'delete','table':'Feed_Log','where':[['first','==',2]]},"
                       "{'op':'update','table':'Global','where':[],"
                       "'row':{'generation':1,'feed':1}}");
    assert_null(records_parse(IDENTITY("256", "x"), want));
    until_agents_have(agent, seen, want);
    records_destroy(want);
    records_destroy(seen);
}

/* Transactions that touch all parts, which would all be folded in one of them. */
static void
test_all_parts_change(void **state)
{
    struct store *controller = lab_open("db", STORE_CONTROLLER);
    struct store *agent = lab_open("db", STORE_AGENT);
    struct records *want = records_create(), *seen = records_create();

    lab_until(store_is_leader(controller));
    for (int i = 0; i < FEED_FRESH * FEED_JOINED + 40; i++) {
        char *labels = xasprintf("x%d", i);

        for (uint32_t id = 256; id < 256 + 3 * FEED_PARTS; id++) {
            put_identity(want, id, labels);
        }
        free(labels);
        store_put_records(controller, want);
        lab_commit(controller);
        if (i % 7 == 0) {
            lab_until(lab_read(agent, seen) == store_generation(controller));
            assert_records_same(want, seen);
        }
    }
    until_agents_have(agent, seen, want);
    assert_rows("Feed_Log", "['last','<',100]", ""); /* All in bases. */
    records_destroy(want);
    records_destroy(seen);
}

/* A list so long that it is packed. */
static void
test_long_lines(void **state)
{
    struct store *controller = lab_open("db", STORE_CONTROLLER);
    struct store *agent = lab_open("db", STORE_AGENT);
    struct records *want = records_create(), *seen = records_create();

    lab_until(store_is_leader(controller));
    for (int i = 0; i < 20; i++) {
        struct ds set = DS_EMPTY_INITIALIZER;

        ds_put_format(&set, "set 7 selector=x%d prefixes=", i);
        for (int j = 0; j < 5000; j++) {
            ds_put_format(&set, "%s10.%d.%d.0/24", j ? "," : "", j / 250, j % 250);
        }
        lab_put(controller, want, ds_cstr(&set));
        lab_until(lab_read(agent, seen) == store_generation(controller));
        assert_records_same(want, seen);
        ds_destroy(&set);
    }
    until_agents_have(agent, seen, want);
    records_destroy(want);
    records_destroy(seen);
}

/* A feed that is right is not written when a term begins. */
static void
test_nothing_to_repair(void **state)
{
    struct store *controller = lab_open("db", STORE_CONTROLLER);
    struct records *want = records_create();

    lab_until(store_is_leader(controller));
    lab_put(controller, want, IDENTITY("256", "x") IDENTITY("257", "y"));
    lab_new_term(&controller);
    lab_new_term(&controller);
    assert_rows("Feed_Log", "", "{'part':25},{'part':104}");
    assert_rows("Feed_Log", "['last','>',1]", "");
    assert_rows("Feed_Base", "", "");
    records_destroy(want);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, lab_setup_standalone, lab_teardown)
        TEST(test_one_part_changes_often),
        TEST(test_feed_behind),
        TEST(test_repair),
        TEST(test_nothing_to_repair),
        TEST(test_numbers_start_again),
        TEST(test_generation_goes_back),
        TEST(test_all_parts_change),
        TEST(test_long_lines),
    };

    random_set_seed(1);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
