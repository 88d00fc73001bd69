/* Open vSwitch takes the verdict of a conjunction when flows of all its clauses
 * match (ovs-fields(7), "Conjunctive Match Fields").  Clause 0 is that of the
 * subjects (lower_rule.c), so as long as no flow has clause 0 of a rule, its
 * other clauses decide nothing; each packet meets many of that kind anyway.
 *
 * A rule is new if its verdict, the flow that matches its conj_id, is added and
 * nothing in the switch has clause 0 of it; it is gone if its verdict is
 * deleted.  A change of a flow that only adds such clauses of new rules may come
 * before the core, one that only takes away those of rules that are gone after
 * it.  Verdicts and subjects are the core's.
 *
 * Within a bundle deletions come first, since two keys that we tell apart may
 * be one to the switch (flow_bundle.c).  Stages would turn that round, so a
 * change that both adds and deletes flows of clauses stays whole. */
#include "openflow/flow_stages.h"

#include <stdlib.h>

#include "base/number_set.h"
#include "flow.h"
#include "openflow/conjunctions.h"
#include "openflow/flow_table.h"
#include "openvswitch/match.h"
#include "openvswitch/ofp-actions.h"
#include "util.h"

void
flow_stages_init(struct flow_stages *s)
{
    *s = (struct flow_stages){ .n = 0 };
}

void
flow_stages_clear(struct flow_stages *s)
{
    for (size_t i = 0; i < s->n; i++) {
        flow_bundle_uninit(s->bundles[i]);
        free(s->bundles[i]);
    }
    free(s->bundles);
    flow_stages_init(s);
}

void
flow_stages_uninit(struct flow_stages *s)
{
    flow_stages_clear(s);
}

/* --- Which rules are new, which are gone --------------------------------------- */

struct rules {
    struct number_set added, deleted; /* Their verdicts are. */
    struct number_set enabled;        /* Something in the switch has clause 0 of them. */
};

/* The rule whose verdict the flow is; 0 if it is none. */
static uint32_t
verdict_of(const struct flow_entry *flow)
{
    return MINIFLOW_GET_U32(&flow->match.mask->masks, conj_id)
               ? MINIFLOW_GET_U32(flow->match.flow, conj_id)
               : 0;
}

static void
note_enabled(struct rules *rules, const struct flow_entry *flow)
{
    const struct ofpact *a;

    if (!conjunctions_are_all(flow->ofpacts, flow->ofpacts_len)) {
        return;
    }
    OFPACT_FOR_EACH (a, flow->ofpacts, flow->ofpacts_len) {
        const struct ofpact_conjunction *c = ofpact_get_CONJUNCTION(a);

        if (!c->clause) {
            number_set_add(&rules->enabled, c->id);
        }
    }
}

static void
rules_init(struct rules *rules, const struct flow_changes *changes,
           const struct flow_table *installed)
{
    number_set_init(&rules->added);
    number_set_init(&rules->deleted);
    number_set_init(&rules->enabled);
    for (size_t i = 0; i < changes->n; i++) {
        const struct flow_change *change = &changes->a[i];
        uint32_t id = verdict_of(change->flow);

        if (id && change->op != FLOW_MODIFY) {
            number_set_add(change->op == FLOW_ADD ? &rules->added : &rules->deleted, id);
        }
    }
    for (const struct flow_entry *flow = installed ? flow_table_first(installed) : NULL; flow;
         flow = flow_table_next(installed, flow)) {
        note_enabled(rules, flow);
    }
}

static void
rules_uninit(struct rules *rules)
{
    number_set_uninit(&rules->added);
    number_set_uninit(&rules->deleted);
    number_set_uninit(&rules->enabled);
}

static bool
is_new(const struct rules *rules, uint32_t id)
{
    return number_set_has(&rules->added, id) && !number_set_has(&rules->enabled, id)
           && !number_set_has(&rules->deleted, id);
}

static bool
is_gone(const struct rules *rules, uint32_t id)
{
    return number_set_has(&rules->deleted, id) && !number_set_has(&rules->added, id);
}

/* --- Where a change goes ------------------------------------------------------------ */

/* Its clauses are not subjects. */
static bool
is_clauses(const struct flow_entry *flow)
{
    const struct ofpact *a;

    if (!conjunctions_are_all(flow->ofpacts, flow->ofpacts_len)) {
        return false;
    }
    OFPACT_FOR_EACH (a, flow->ofpacts, flow->ofpacts_len) {
        if (!ofpact_get_CONJUNCTION(a)->clause) {
            return false;
        }
    }
    return true;
}

/* What turns the clauses of one flow into those of another, both sorted. */
struct comparison {
    bool adds, takes;          /* Something. */
    bool adds_new, takes_gone; /* Nothing but what is of new rules, of gone ones. */
};

static int
compare_clauses(const struct ofpact_conjunction *a, const struct ofpact_conjunction *b)
{
    return a->id != b->id           ? (a->id < b->id ? -1 : 1)
           : a->clause != b->clause ? a->clause - b->clause
                                    : a->n_clauses - b->n_clauses;
}

static const struct ofpact_conjunction *
clause_at(const struct flow_entry *flow, const struct ofpact *a)
{
    return flow && a < ofpact_end(flow->ofpacts, flow->ofpacts_len) ? ofpact_get_CONJUNCTION(a)
                                                                    : NULL;
}

static struct comparison
compare(const struct rules *rules, const struct flow_entry *was, const struct flow_entry *now)
{
    const struct ofpact *a = was ? was->ofpacts : NULL, *b = now ? now->ofpacts : NULL;
    struct comparison result = { .adds_new = true, .takes_gone = true };

    for (;;) {
        const struct ofpact_conjunction *old = clause_at(was, a), *new = clause_at(now, b);
        if (!old && !new) {
            return result;
        }
        int order = !old ? 1 : !new ? -1 : compare_clauses(old, new);

        if (order < 0) {
            result.takes = true;
            result.takes_gone &= is_gone(rules, old->id);
        } else if (order > 0) {
            result.adds = true;
            result.adds_new &= is_new(rules, new->id);
        }
        a = order <= 0 ? ofpact_next(a) : a;
        b = order >= 0 ? ofpact_next(b) : b;
    }
}

static enum flow_stage
assign(const struct rules *rules, const struct flow_change *change)
{
    const struct flow_entry *was = change->op == FLOW_ADD ? NULL : change->was;
    const struct flow_entry *now = change->op == FLOW_DELETE ? NULL : change->flow;

    if ((was && !is_clauses(was)) || (now && !is_clauses(now))
        || (was && now && (was->cookie != now->cookie || was->flags != now->flags))) {
        return FLOW_STAGE_CORE;
    }
    struct comparison c = compare(rules, was, now);
    return c.adds && !c.takes && c.adds_new     ? FLOW_STAGE_BEFORE
           : c.takes && !c.adds && c.takes_gone ? FLOW_STAGE_AFTER
                                                : FLOW_STAGE_CORE;
}

/* Are flows of clauses both added and deleted? */
static bool
must_stay_whole(const struct flow_changes *changes)
{
    bool adds = false, deletes = false;

    for (size_t i = 0; i < changes->n; i++) {
        const struct flow_change *change = &changes->a[i];

        if (change->op != FLOW_MODIFY
            && conjunctions_are_all(change->flow->ofpacts, change->flow->ofpacts_len)) {
            adds |= change->op == FLOW_ADD;
            deletes |= change->op == FLOW_DELETE;
        }
    }
    return adds && deletes;
}

void
flow_stages_assign(const struct flow_changes *changes, const struct flow_table *installed,
                   enum flow_stage *stages)
{
    bool whole = changes->n <= FLOW_STAGE_MAX || must_stay_whole(changes);
    struct rules rules;

    rules_init(&rules, changes, whole ? NULL : installed);
    for (size_t i = 0; i < changes->n; i++) {
        stages[i] = whole ? FLOW_STAGE_CORE : assign(&rules, &changes->a[i]);
    }
    rules_uninit(&rules);
}

/* --- Bundles ----------------------------------------------------------------------------- */

static void
add_bundle(struct flow_stages *s, const struct flow_changes *part, uint32_t *id)
{
    struct flow_bundle *bundle = xmalloc(sizeof *bundle);

    flow_bundle_init(bundle);
    flow_bundle_begin(bundle, ++*id);
    flow_bundle_add(bundle, part);
    if (s->n >= s->allocated) {
        s->bundles = x2nrealloc(s->bundles, &s->allocated, sizeof *s->bundles);
    }
    s->bundles[s->n++] = bundle;
}

/* The changes of one stage, as bundles of 'max' changes. */
static void
add_stage(struct flow_stages *s, const struct flow_changes *changes, const enum flow_stage *stages,
          enum flow_stage stage, size_t max, uint32_t *id)
{
    struct flow_changes part = { .a = xmalloc((changes->n + 1) * sizeof *part.a) };

    for (size_t i = 0; i < changes->n; i++) {
        if (stages[i] == stage) {
            part.a[part.n++] = changes->a[i];
        }
        if (part.n == max) {
            add_bundle(s, &part, id);
            part.n = 0;
        }
    }
    if (part.n || stage == FLOW_STAGE_CORE) {
        add_bundle(s, &part, id);
    }
    free(part.a);
}

void
flow_stages_begin(struct flow_stages *s, const struct flow_changes *changes,
                  const struct flow_table *installed, uint32_t *id)
{
    enum flow_stage *stages = xmalloc((changes->n + 1) * sizeof *stages);

    flow_stages_clear(s);
    flow_stages_assign(changes, installed, stages);
    add_stage(s, changes, stages, FLOW_STAGE_BEFORE, FLOW_STAGE_MAX, id);
    add_stage(s, changes, stages, FLOW_STAGE_CORE, SIZE_MAX, id);
    add_stage(s, changes, stages, FLOW_STAGE_AFTER, FLOW_STAGE_MAX, id);
    free(stages);
}

struct flow_bundle *
flow_stages_bundle(struct flow_stages *s)
{
    return s->n ? s->bundles[s->current] : NULL;
}

bool
flow_stages_next(struct flow_stages *s)
{
    if (s->current + 1 >= s->n) {
        return false;
    }
    s->current++;
    return true;
}

size_t
flow_stages_n_mods(const struct flow_stages *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++) {
        n += s->bundles[i]->n_mods;
    }
    return n;
}
