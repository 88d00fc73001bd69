/* Counters only grow, and by exactly what the switch counted, through polls,
 * removals, flows that come back, and restarts of either side. */
#include "stats/accounting.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/test.h"
#include "openflow/pipeline.h"
#include "openvswitch/dynamic-string.h"
#include "random.h"
#include "svec.h"
#include "util.h"

static struct accounting *acc;
static int64_t now, begun;

static int
setup(void **state)
{
    now = begun = 1000000;
    acc = accounting_create(now);
    return 0;
}

static int
teardown(void **state)
{
    accounting_destroy(acc);
    return 0;
}

/* --- A switch's words ------------------------------------------------- */

struct word {
    uint64_t cookie;
    uint8_t table;
    uint32_t dst;     /* Tells flows of one table apart. */
    uint64_t packets; /* Of 100 bytes each. */
    int64_t created;
};

static void
tell(const struct word *w, void (*say)(struct accounting *, const struct accounting_flow *))
{
    struct match match = MATCH_CATCHALL_INITIALIZER;
    const struct accounting_flow flow = {
        .cookie = w->cookie,
        .table_id = w->table,
        .priority = 100,
        .match = &match,
        .packets = w->packets,
        .bytes = w->packets * 100,
        .told_ms = now,
        .age_ms = now - w->created,
    };

    match_set_nw_dst(&match, htonl(w->dst));
    say(acc, &flow);
}

static void
poll_words(const struct word *w, size_t n)
{
    now += 5000;
    accounting_poll_begin(acc, now);
    for (size_t i = 0; i < n; i++) {
        tell(&w[i], accounting_poll_flow);
    }
    accounting_poll_end(acc, true);
}

#define poll(...)                                           \
    do {                                                    \
        const struct word words_[] = { __VA_ARGS__ };       \
        poll_words(words_, sizeof words_ / sizeof *words_); \
    } while (0)

static void
removed(struct word w)
{
    tell(&w, accounting_flow_removed);
}

static struct word
rule(uint32_t id, uint32_t dst, uint64_t packets)
{
    return (struct word){ VIRGA_COOKIE(COOKIE_RULE, id), TABLE_ingress_np, dst, packets, begun };
}

static struct word
isolate(uint32_t id, uint32_t dst, uint64_t packets)
{
    return (struct word){ VIRGA_COOKIE(COOKIE_ISOLATE, id), TABLE_ingress_np, dst, packets,
                          begun };
}

static struct word
metric(uint32_t id, uint64_t packets)
{
    return (struct word){ VIRGA_COOKIE(COOKIE_METRIC_INGRESS, id), TABLE_metrics_ingress, 0,
                          packets, begun };
}

/* The same flow, added at another time. */
static struct word
since(int64_t created, struct word w)
{
    w.created = created;
    return w;
}

/* --- What comes out --------------------------------------------------- */

static void
list_change(const struct counter *c, void *lines)
{
    svec_add_nocopy(lines,
                    xasprintf("%d:%" PRIu32 ",%" PRIu32 ",%" PRIu32 ",%" PRIu32 " %" PRIu64
                              " %" PRIu64 " %" PRIu64 " raw %" PRIu64 " %" PRIu64 " %" PRIu64,
                              c->kind, c->a, c->b, c->c, c->d, c->hits, c->packets, c->bytes,
                              c->raw_hits, c->raw_packets, c->raw_bytes));
}

static void
assert_changes(const char *expected)
{
    struct svec lines = SVEC_EMPTY_INITIALIZER;

    accounting_take_changes(acc, list_change, &lines);
    svec_sort(&lines);
    char *text = svec_join(&lines, "\n", "");
    assert_string_equal(text, expected);
    free(text);
    svec_destroy(&lines);
}

/* --- One life --------------------------------------------------------- */

static void
test_rule_is_sum_of_its_flows(void **state)
{
    const struct word spoofed = { VIRGA_COOKIE(COOKIE_DROP, 2), TABLE_spoof, 0, 7, begun };

    poll(rule(9, 1, 2), rule(9, 2, 1), metric(9, 10), isolate(10, 1, 4), spoofed,
         { VIRGA_COOKIE(COOKIE_CLAUSE, 2), TABLE_ingress_np, 3, 99, now },
         { VIRGA_COOKIE(COOKIE_STATIC, 9), TABLE_output, 0, 99, now },
         { 9, TABLE_ingress_np, 5, 99, now });
    assert_changes("0:10,0,0,0 4 4 400 raw 4 4 400\n"
                   "0:9,0,0,0 3 13 1300 raw 3 13 1300\n"
                   "1:2,0,0,0 7 7 700 raw 7 7 700");
    poll(rule(9, 1, 2), rule(9, 2, 2), metric(9, 10), isolate(10, 1, 4), spoofed);
    assert_changes("0:9,0,0,0 4 14 1400 raw 4 14 1400");
    poll(rule(9, 1, 2), rule(9, 2, 2), metric(9, 10), isolate(10, 1, 4), spoofed);
    assert_changes(""); /* Nothing moved, nothing to write. */
}

static void
learn(uint32_t src, uint32_t dst, enum pipeline_side target, uint64_t packets)
{
    struct match match = MATCH_CATCHALL_INITIALIZER;
    const struct accounting_flow flow = {
        .table_id = TABLE_matrix_learned,
        .match = &match,
        .packets = packets,
        .bytes = packets * 60,
        .told_ms = now,
    };

    field_match(&match, FIELD_src_identity, src);
    field_match(&match, FIELD_dst_identity, dst);
    field_match(&match, FIELD_target, target);
    field_match(&match, FIELD_egress_rule, 3);
    field_match(&match, FIELD_ingress_rule, 0);
    accounting_poll_flow(acc, &flow);
}

static void
test_pairs_count_where_delivered(void **state)
{
    accounting_poll_begin(acc, now);
    learn(256, 300, SIDE_LOCAL, 5);
    learn(256, IDENTITY_WORLD, SIDE_GATEWAY, 2);
    learn(256, 301, SIDE_TUNNEL, 9); /* The other node counts it. */
    accounting_poll_end(acc, true);
    assert_changes("2:256,1,3,0 0 2 120 raw 0 2 120\n"
                   "2:256,300,3,0 0 5 300 raw 0 5 300");
}

static void
test_last_words_count(void **state)
{
    poll(rule(9, 1, 2), rule(9, 2, 5));
    removed(rule(9, 1, 6));
    removed(rule(9, 3, 1)); /* Came and went between two polls. */
    assert_changes("0:9,0,0,0 12 12 1200 raw 5 5 500");
    poll(rule(9, 2, 5));
    assert_changes("");
    assert_int_equal(accounting_n_flows(acc), 1);
}

/* A poll no longer tells the flow, then its last words come. */
static void
test_last_words_after_a_poll(void **state)
{
    poll(rule(9, 1, 10));
    poll();
    removed(rule(9, 1, 12));
    assert_changes("0:9,0,0,0 12 12 1200 raw 0 0 0");
    assert_int_equal(accounting_n_flows(acc), 0);
}

/* The flow is back before the last words of its earlier life come. */
static void
test_flow_comes_back(void **state)
{
    int64_t first = now, second;

    poll(since(first, rule(9, 1, 10)));
    second = now;
    poll(since(second, rule(9, 1, 3)));
    removed(since(first, rule(9, 1, 12)));
    poll(since(second, rule(9, 1, 4)));
    assert_changes("0:9,0,0,0 16 16 1600 raw 4 4 400");

    /* By age, when it has counted more than it had before. */
    second = now + 4000;
    poll(since(second, rule(9, 1, 6)));
    removed(since(first, rule(9, 1, 5)));
    poll(since(second, rule(9, 1, 8)));
    assert_changes("0:9,0,0,0 25 25 2500 raw 8 8 800");
}

/* The same when no poll saw the end: first the old words, then the new flow. */
static void
test_flow_comes_back_between_polls(void **state)
{
    poll(rule(9, 1, 10));
    removed(rule(9, 1, 12));
    poll(rule(9, 1, 3));
    assert_changes("0:9,0,0,0 15 15 1500 raw 3 3 300");
}

static void
test_last_words_that_never_come(void **state)
{
    poll(rule(9, 1, 10));
    for (int i = 0; i < 20; i++) {
        poll(rule(9, 2, 1));
    }
    assert_int_equal(accounting_n_flows(acc), 1);
    assert_changes("0:9,0,0,0 11 11 1100 raw 1 1 100");
}

static void
test_switch_restarts(void **state)
{
    poll(rule(9, 1, 10), metric(9, 100));
    poll(rule(9, 1, 1), metric(9, 2));
    poll(rule(9, 1, 2), metric(9, 3));
    assert_changes("0:9,0,0,0 12 115 11500 raw 2 5 500");
}

/* The connection goes in the middle of a poll: what was not told is not gone. */
struct outcome {
    size_t n_kept, n_forgotten;
    uint32_t forgotten[8];
};

static void
note_outcome(const struct counter *c, void *o_)
{
    struct outcome *o = o_;

    if (!counter_is_zero(c)) {
        o->n_kept++;
    } else if (o->n_forgotten < ARRAY_SIZE(o->forgotten)) {
        o->forgotten[o->n_forgotten++] = c->a;
    }
}

/* Accounts without flows stay, but not for ever. */
static void
test_longest_idle_is_forgotten(void **state)
{
    struct outcome o = { .n_kept = 0 };

    for (uint32_t id = 1; id <= ACCOUNTING_IDLE_MAX + 2; id++) {
        poll(rule(id, 1, 7));
        removed(rule(id, 1, 7));
    }
    accounting_take_changes(acc, note_outcome, &o);
    assert_int_equal(o.n_kept, ACCOUNTING_IDLE_MAX);
    assert_int_equal(o.n_forgotten, 2);
    assert_int_equal(o.forgotten[0], 1);
    assert_int_equal(o.forgotten[1], 2);

    /* One that is back counts on, and is the latest when it goes again. */
    poll(rule(3, 1, 2));
    removed(rule(3, 1, 2));
    assert_changes("0:3,0,0,0 9 9 900 raw 0 0 0");
    removed(rule(1, 1, 5));
    assert_changes("0:1,0,0,0 5 5 500 raw 0 0 0\n0:4,0,0,0 0 0 0 raw 0 0 0");
}

static void
test_incomplete_poll(void **state)
{
    poll(rule(9, 1, 10), rule(9, 2, 20));
    now += 5000;
    accounting_poll_begin(acc, now);
    tell(&(struct word){ VIRGA_COOKIE(COOKIE_RULE, 9), TABLE_ingress_np, 1, 11, now - 5000 },
         accounting_poll_flow);
    accounting_poll_end(acc, false);
    poll(rule(9, 1, 11), rule(9, 2, 21));
    assert_changes("0:9,0,0,0 32 32 3200 raw 32 32 3200");
}

/* --- Restart of the agent --------------------------------------------- */

enum { LONG_AGO = 5000 };

static void
restore(uint64_t total, uint64_t raw)
{
    accounting_restore(acc, &(struct counter){ .kind = COUNTER_RULE,
                                               .a = 9,
                                               .hits = total,
                                               .packets = total,
                                               .bytes = total * 100,
                                               .raw_hits = raw,
                                               .raw_packets = raw,
                                               .raw_bytes = raw * 100 });
}

/* Twice: the first list of all flows, and the comparison. */
#define polls(...)          \
    do {                    \
        poll(__VA_ARGS__);  \
        assert_changes(""); \
        poll(__VA_ARGS__);  \
    } while (0)

static void
test_agent_restarts(void **state)
{
    restore(50, 30);
    polls(since(LONG_AGO, rule(9, 1, 25)), since(LONG_AGO, rule(9, 2, 9)));
    assert_changes("0:9,0,0,0 54 54 5400 raw 34 34 3400");
    poll(since(LONG_AGO, rule(9, 1, 26)), since(LONG_AGO, rule(9, 2, 9)));
    assert_changes("0:9,0,0,0 55 55 5500 raw 35 35 3500");
}

/* Nothing is put, and so nothing stored, before the old flows are known. */
static void
test_agent_restarts_and_flows_change_first(void **state)
{
    restore(50, 30);
    removed(since(LONG_AGO, rule(9, 1, 22))); /* Part of it is in the 30. */
    removed(since(now + 10, rule(9, 3, 4)));  /* All of it is new. */
    assert_changes("");
    polls(since(LONG_AGO, rule(9, 2, 11)), since(now + 20, rule(9, 3, 1)));
    assert_changes("0:9,0,0,0 58 58 5800 raw 12 12 1200");
}

/* Last words that come after the first list of all flows. */
static void
test_agent_restarts_and_last_words_are_late(void **state)
{
    restore(50, 30);
    poll(since(LONG_AGO, rule(9, 2, 11)), since(now + 20, rule(9, 1, 1)));
    removed(since(LONG_AGO, rule(9, 1, 22)));
    poll(since(LONG_AGO, rule(9, 2, 12)), since(now + 20, rule(9, 1, 1)));
    assert_changes("0:9,0,0,0 55 55 5500 raw 13 13 1300");
}

static void
test_both_restart(void **state)
{
    restore(50, 5);
    polls(since(now + 1, rule(9, 1, 7))); /* More than the raw 5, yet all new. */
    assert_changes("0:9,0,0,0 57 57 5700 raw 7 7 700");
}

static void
test_switch_counts_from_zero_while_away(void **state)
{
    restore(50, 30);
    polls(since(LONG_AGO, rule(9, 1, 7))); /* Flows put back by somebody else. */
    assert_changes("0:9,0,0,0 57 57 5700 raw 7 7 700");
}

static void
test_flows_gone_while_away(void **state)
{
    restore(50, 30);
    polls();
    assert_changes("0:9,0,0,0 50 50 5000 raw 0 0 0");
    poll(rule(9, 1, 3));
    assert_changes("0:9,0,0,0 53 53 5300 raw 3 3 300");
}

static void
test_unchanged_over_restart_is_not_written(void **state)
{
    restore(50, 30);
    polls(since(LONG_AGO, rule(9, 1, 30)));
    assert_changes("");
}

/* --- A switch at random ----------------------------------------------- */

enum { N_FLOWS = 6 };

struct random_flow {
    bool there;
    uint64_t packets;
    int64_t created;
};

struct random_switch {
    struct random_flow flows[N_FLOWS];
    struct word late[64]; /* Last words that are still to be said. */
    size_t n_late;
    uint64_t truth;
};

static struct word
word_of(const struct random_switch *sw, int i)
{
    const struct random_flow *f = &sw->flows[i];
    return (struct word){ VIRGA_COOKIE(COOKIE_RULE, 9), TABLE_ingress_np, i, f->packets,
                          f->created };
}

static void
random_traffic(struct random_switch *sw)
{
    for (int i = 0; i < N_FLOWS; i++) {
        struct random_flow *f = &sw->flows[i];
        int what = random_range(6);

        if (f->there && what == 0 && sw->n_late < ARRAY_SIZE(sw->late)) {
            sw->late[sw->n_late++] = word_of(sw, i);
            f->there = false;
        } else if (!f->there && what == 1) {
            *f = (struct random_flow){ .there = true, .created = now };
        } else if (f->there) {
            uint64_t n = random_range(20);
            f->packets += n;
            sw->truth += n;
        }
        now += 1000 + random_range(1000);
    }
}

static void
say_late(struct random_switch *sw)
{
    for (size_t i = 0; i < sw->n_late; i++) {
        tell(&sw->late[i], accounting_flow_removed);
    }
    sw->n_late = 0;
}

static void
random_poll(struct random_switch *sw)
{
    struct word words[N_FLOWS];
    size_t n = 0;

    for (int i = 0; i < N_FLOWS; i++) {
        if (sw->flows[i].there) {
            words[n++] = word_of(sw, i);
        }
    }
    poll_words(words, n);
}

static void
keep_counter(const struct counter *c, void *kept)
{
    struct counter *last = kept;

    assert_true(c->packets >= last->packets); /* It only grows. */
    *last = *c;
}

/* Last words come a poll late at most; an agent restart finds what the last
 * one stored. */
static void
test_random(void **state)
{
    struct random_switch sw = { .truth = 0 };
    struct counter kept = { .kind = COUNTER_RULE, .a = 9 };

    for (int step = 0; step < 3000; step++) {
        random_traffic(&sw);
        if (random_range(2)) {
            say_late(&sw);
        }
        random_poll(&sw);
        say_late(&sw);
        accounting_take_changes(acc, keep_counter, &kept);
        if (!accounting_is_settled(acc)) {
            continue;
        }
        assert_int_equal(kept.packets, sw.truth);
        assert_int_equal(kept.hits, sw.truth);
        assert_int_equal(kept.bytes, sw.truth * 100);
        if (!random_range(20)) {
            now += 1000;
            accounting_destroy(acc);
            acc = accounting_create(now);
            accounting_restore(acc, &kept);
        }
    }
    assert_true(sw.truth > 10000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
        TEST(test_rule_is_sum_of_its_flows),
        TEST(test_pairs_count_where_delivered),
        TEST(test_last_words_count),
        TEST(test_last_words_after_a_poll),
        TEST(test_flow_comes_back),
        TEST(test_flow_comes_back_between_polls),
        TEST(test_last_words_that_never_come),
        TEST(test_switch_restarts),
        TEST(test_longest_idle_is_forgotten),
        TEST(test_incomplete_poll),
        TEST(test_agent_restarts),
        TEST(test_agent_restarts_and_flows_change_first),
        TEST(test_agent_restarts_and_last_words_are_late),
        TEST(test_both_restart),
        TEST(test_switch_counts_from_zero_while_away),
        TEST(test_flows_gone_while_away),
        TEST(test_unchanged_over_restart_is_not_written),
        TEST(test_random),
    };

    random_set_seed(1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
