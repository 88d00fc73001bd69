#include "openflow/flow_stages.h"

#include "base/test.h"

#include <stdlib.h>

#include "openflow/flow_table.h"
#include "openvswitch/match.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofpbuf.h"
#include "random.h"
#include "util.h"

/* A world of rules: rule R takes the subjects, peers and ports that its bits
 * say.  All flows are as lower_rule.c makes them, in one table. */
enum {
    N_RULES = 24,
    N_SUBJECTS = 4,
    N_PEERS = FLOW_STAGE_MAX * 3 / 2,
    N_PORTS = 6,
    N_CLAUSES = 3
};

struct rule {
    bool there;
    bool subjects[N_SUBJECTS], peers[N_PEERS], ports[N_PORTS];
};

static void
add_flow(struct flow_table *t, uint32_t rule, const struct match *match, uint32_t conj_clause,
         bool verdict)
{
    uint64_t stub[16];
    struct ofpbuf acts = OFPBUF_STUB_INITIALIZER(stub);

    if (verdict) {
        ofpact_put_GOTO_TABLE(&acts)->table_id = 60;
    } else {
        struct ofpact_conjunction *c = ofpact_put_CONJUNCTION(&acts);
        c->id = rule;
        c->clause = conj_clause;
        c->n_clauses = N_CLAUSES;
    }
    flow_table_add(t, (struct flow_owner){ 5, rule }, 52, 20000, verdict ? rule : 7, match,
                   acts.data, acts.size);
    ofpbuf_uninit(&acts);
}

static void
add_clause(struct flow_table *t, uint32_t rule, uint32_t clause, const bool *has, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (has[i]) {
            struct match match = MATCH_CATCHALL_INITIALIZER;
            match_set_reg(&match, clause, 1 + i);
            add_flow(t, rule, &match, clause, false);
        }
    }
}

static void
set_rule(struct flow_table *t, uint32_t id, const struct rule *rule)
{
    struct flow_owner owner = { 5, id };

    flow_table_replace_begin(t, owner);
    if (rule->there) {
        struct match match = MATCH_CATCHALL_INITIALIZER;
        match_set_conj_id(&match, id);
        add_flow(t, id, &match, 0, true);
        add_clause(t, id, 0, rule->subjects, N_SUBJECTS);
        add_clause(t, id, 1, rule->peers, N_PEERS);
        add_clause(t, id, 2, rule->ports, N_PORTS);
    }
    flow_table_replace_end(t, owner);
}

static void
randomize(struct rule *rule)
{
    rule->there = random_range(2);
    for (size_t i = 0; i < N_SUBJECTS; i++) {
        rule->subjects[i] = !random_range(2);
    }
    for (size_t i = 0; i < N_PEERS; i++) {
        rule->peers[i] = !random_range(3);
    }
    for (size_t i = 0; i < N_PORTS; i++) {
        rule->ports[i] = !random_range(2);
    }
}

/* What a switch with some flows would do: for each rule, which values of each
 * clause it has, and whether it has its verdict. */
struct state {
    bool has[N_CLAUSES][N_RULES + 1][N_PEERS + 1];
    bool verdict[N_RULES + 1];
};

static void
note(struct state *s, const struct flow_entry *flow, bool there)
{
    struct match match;
    const struct ofpact *a;

    minimatch_expand(&flow->match, &match);
    if (match.wc.masks.conj_id) {
        s->verdict[match.flow.conj_id] = there;
        return;
    }
    OFPACT_FOR_EACH (a, flow->ofpacts, flow->ofpacts_len) {
        const struct ofpact_conjunction *c = ofpact_get_CONJUNCTION(a);
        s->has[c->clause][c->id][match.flow.regs[c->clause]] = there;
    }
}

static void
apply(struct state *s, const struct flow_change *change)
{
    if (change->op != FLOW_ADD) {
        note(s, change->was, false);
    }
    if (change->op != FLOW_DELETE) {
        note(s, change->flow, true);
    }
}

/* Do both complete the same conjunctions for all packets, and have their
 * verdicts?  A conjunction is complete for a packet if it has all three values
 * of it, so it is the same for all packets if its values are, or if some clause
 * is empty on both sides. */
static bool
is_empty(const struct state *s, int clause, uint32_t rule)
{
    static const bool none[N_PEERS + 1];
    return !memcmp(s->has[clause][rule], none, sizeof none);
}

static bool
completes_nothing(const struct state *s, uint32_t rule)
{
    return is_empty(s, 0, rule) || is_empty(s, 1, rule) || is_empty(s, 2, rule);
}

static void
assert_same_effect(const struct state *a, const struct state *b)
{
    for (uint32_t rule = 1; rule <= N_RULES; rule++) {
        if (completes_nothing(a, rule) && completes_nothing(b, rule)) {
            continue;
        }
        assert_int_equal(a->verdict[rule], b->verdict[rule]);
        for (int clause = 0; clause < N_CLAUSES; clause++) {
            assert_memory_equal(a->has[clause][rule], b->has[clause][rule],
                                sizeof a->has[clause][rule]);
        }
    }
}

/* Walks the stages from 'old' to 'new', one change after another within those
 * before and after the core.  Counts what came outside of the core. */
static size_t
walk(const struct flow_changes *changes, const struct flow_table *installed, struct state *s,
     const struct state *new)
{
    enum flow_stage *stages = xmalloc(changes->n * sizeof *stages);
    struct state *old = xmemdup(s, sizeof *s);
    size_t outside = 0;

    flow_stages_assign(changes, installed, stages);
    for (int stage = FLOW_STAGE_BEFORE; stage <= FLOW_STAGE_AFTER; stage++) {
        for (size_t i = 0; i < changes->n; i++) {
            if ((int) stages[i] == stage) {
                apply(s, &changes->a[i]);
                outside += stage != FLOW_STAGE_CORE;
                if (stage != FLOW_STAGE_CORE && !(outside % 97)) {
                    assert_same_effect(s, stage == FLOW_STAGE_BEFORE ? old : new);
                }
            }
        }
        assert_same_effect(s, stage == FLOW_STAGE_BEFORE ? old : new);
    }
    assert_memory_equal(s, new, sizeof *s);
    free(stages);
    free(old);
    return outside;
}

static void
state_of(const struct flow_table *t, struct state *s)
{
    memset(s, 0, sizeof *s);
    for (const struct flow_entry *f = flow_table_first(t); f; f = flow_table_next(t, f)) {
        note(s, f, true);
    }
}

enum how { GROW, SHRINK, ANYHOW };

/* Changes some rules; counts what could go outside of the core. */
static size_t
step(struct flow_table *t, struct rule *rules, struct state *s, enum how how)
{
    struct flow_changes changes = { .n = 0 };
    struct state *new = xmalloc(sizeof *new);

    for (uint32_t id = 1; id <= N_RULES; id++) {
        bool there = rules[id].there;
        if (how == ANYHOW ? random_range(2) : there == (how == SHRINK)) {
            randomize(&rules[id]);
            rules[id].there = how == ANYHOW ? rules[id].there : how == GROW;
            set_rule(t, id, &rules[id]);
        }
    }
    state_of(t, new);
    flow_table_changes(t, &changes);
    size_t outside = walk(&changes, NULL, s, new);
    flow_changes_uninit(&changes);
    flow_table_clear_changes(t);
    free(new);
    return outside;
}

static void
test_only_the_core_has_an_effect(void **state)
{
    struct flow_table *t = flow_table_create();
    struct rule *rules = xcalloc(N_RULES + 1, sizeof *rules);
    struct state *s = xzalloc(sizeof *s);
    size_t outside[3] = { 0, 0, 0 };

    random_set_seed(7);
    for (int i = 0; i < 30; i++) {
        enum how how = i % 3;
        outside[how] += step(t, rules, s, how);
    }
    assert_true(outside[GROW] > 10000);
    assert_true(outside[SHRINK] > 10000);
    free(s);
    free(rules);
    flow_table_destroy(t);
}

/* Not what the change log says but what the switch has: subjects of a rule whose
 * verdict somebody deleted. */
static void
test_subjects_that_are_there_already(void **state)
{
    struct flow_table *desired = flow_table_create(), *installed = flow_table_create();
    struct flow_changes changes = { .n = 0 };
    struct rule rule = { .there = true, .subjects = { true }, .ports = { true } };

    memset(rule.peers, true, sizeof rule.peers);
    for (uint32_t id = 1; id <= 2; id++) {
        set_rule(desired, id, &rule);
    }
    add_clause(installed, 1, 0, rule.subjects, N_SUBJECTS);
    for (size_t i = 0; i < N_PEERS; i++) { /* More changes than one stage has. */
        struct match match = MATCH_CATCHALL_INITIALIZER;
        match_set_reg(&match, 9, i);
        add_flow(desired, 3, &match, 0, true);
    }
    flow_table_diff(desired, installed, &changes);
    enum flow_stage *stages = xmalloc(changes.n * sizeof *stages);
    flow_stages_assign(&changes, installed, stages);
    for (size_t i = 0; i < changes.n; i++) {
        assert_int_equal(stages[i], FLOW_STAGE_CORE);
    }
    free(stages);
    flow_changes_uninit(&changes);
    flow_table_destroy(desired);
    flow_table_destroy(installed);
}

static void
test_bundles(void **state)
{
    struct flow_table *t = flow_table_create();
    struct flow_changes changes = { .n = 0 };
    struct flow_stages stages;
    struct rule rule = { .there = true, .subjects = { true }, .ports = { true } };
    uint32_t id = 40;

    flow_stages_init(&stages);
    flow_stages_begin(&stages, &changes, NULL, &id); /* Nothing to do. */
    assert_int_equal(id, 41);
    assert_int_equal(flow_stages_n_mods(&stages), 0);
    assert_false(flow_stages_next(&stages));

    memset(rule.peers, true, FLOW_STAGE_MAX / 2);
    set_rule(t, 1, &rule);
    flow_table_changes(t, &changes);
    flow_stages_begin(&stages, &changes, NULL, &id); /* Small: one bundle. */
    assert_int_equal(stages.n, 1);
    assert_int_equal(flow_stages_n_mods(&stages), FLOW_STAGE_MAX / 2 + 3);

    memset(rule.peers, true, N_PEERS);
    set_rule(t, 2, &rule);
    flow_changes_uninit(&changes);
    changes = (struct flow_changes){ .n = 0 };
    flow_table_changes(t, &changes);
    flow_stages_begin(&stages, &changes, NULL, &id);
    assert_int_equal(stages.n, 3);
    assert_int_equal(flow_stages_bundle(&stages)->n_mods, FLOW_STAGE_MAX);
    assert_true(flow_stages_next(&stages));
    assert_int_equal(flow_stages_bundle(&stages)->n_mods, N_PEERS + 1 - FLOW_STAGE_MAX);
    assert_true(flow_stages_next(&stages));
    assert_int_equal(flow_stages_bundle(&stages)->n_mods, 2 + 1); /* Verdicts; one subject. */
    assert_false(flow_stages_next(&stages));
    assert_int_equal(flow_stages_bundle(&stages)->id, id);
    flow_stages_uninit(&stages);
    flow_changes_uninit(&changes);
    flow_table_destroy(t);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_the_core_has_an_effect),
        cmocka_unit_test(test_subjects_that_are_there_already),
        cmocka_unit_test(test_bundles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
