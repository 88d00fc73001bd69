/* Ordered policies: from objects to records, each rule in its rank.
 *
 *   object ─ordered_rules─> rules ─keep keys─> ids ─ranks─> order ─> records
 *
 * The content of a rule decides its id, its place its rank.  A policy that
 * comes between others takes ranks from the gap there; if it has to push
 * others aside, their records follow at once.  A policy for which there are no
 * ranks is represented by one that denies what it might have denied, and tries
 * again when ranks are free. */
#include "compile/state.h"

#include <stdlib.h>
#include <string.h>

#include "compile/holdings.h"
#include "compile/ordered_rules.h"
#include "util.h"

static bool
rule_id_is_used(const void *records, uint32_t id)
{
    return records_rule(records, id) != NULL;
}

/* What rules are built from. */

static uint32_t
hold_set(void *holdings, const struct selector *namespaces, const struct selector *pods)
{
    return holdings_set(holdings, namespaces, pods);
}

static uint16_t *
hold_numbers(void *holdings, const struct selector *namespaces, const struct selector *pods,
             const char *port_key, size_t *n)
{
    return holdings_numbers(holdings, namespaces, pods, port_key, n);
}

static uint32_t
hold_nodes(void *holdings, const struct selector *selector)
{
    return holdings_nodes(holdings, selector);
}

static uint32_t
hold_domains(void *holdings, char *const *domains, size_t n)
{
    return holdings_domains(holdings, domains, n);
}

static uint32_t
hold_world(void *holdings)
{
    return holdings_world(holdings);
}

static uint32_t
hold_group(void *holdings, enum group_kind kind, const char *name, const char **trouble)
{
    const struct group_use *use = holdings_group(holdings, kind, name);

    *trouble = group_use_trouble(use);
    return group_use_set(use);
}

static const struct pod_choice *
hold_group_pods(void *holdings, const char *name, size_t *n)
{
    return holdings_group_pods(holdings, name, n);
}

static struct ordered_sources
sources_of(struct holdings *holdings)
{
    return (struct ordered_sources){
        .pods = { hold_set, hold_numbers, holdings },
        .nodes = hold_nodes,
        .domains = hold_domains,
        .world = hold_world,
        .group = hold_group,
        .group_pods = hold_group_pods,
        .aux = holdings,
    };
}

/* Ranks. */

/* The rules of one direction that have records: their indexes, ascending, and
 * the ranks that they had. */
struct places {
    int32_t *indexes;
    uint16_t *ranks;
    size_t n;
};

static void
places_uninit(struct places *places)
{
    free(places->indexes);
    free(places->ranks);
}

static uint16_t
rank_of(const struct ordered_block *block, int32_t index)
{
    size_t low = 0, high = block->ranks.n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (block->indexes[middle] == index) {
            return block->ranks.ranks[middle];
        } else if (block->indexes[middle] < index) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return 0;
}

/* Records come in order of index.  'rank' is what one had. */
static void
places_add(struct places *places, const struct rec_rule *rule, uint16_t rank)
{
    if (!places->n || places->indexes[places->n - 1] != rule->index) {
        places->indexes[places->n++] = rule->index;
    }
    if (!places->ranks[places->n - 1]) {
        places->ranks[places->n - 1] = rank;
    }
}

static void
places_init(struct places *places, size_t n)
{
    places->indexes = xcalloc(n + 1, sizeof *places->indexes);
    places->ranks = xcalloc(n + 1, sizeof *places->ranks);
    places->n = 0;
}

static void
block_remove(struct compile *c, struct ordered_entry *policy, enum rule_direction direction)
{
    struct ordered_block *block = &policy->blocks[direction];

    if (block->ranks.placed) {
        c->ranks_freed = true;
        ranks_remove(&c->ranks[policy->tier][direction], &block->ranks);
    }
    free(block->indexes);
    block->indexes = NULL;
}

/* Takes over the places.  False if there are no ranks for them. */
static bool
block_place(struct compile *c, struct ordered_entry *policy, enum rule_direction direction,
            int32_t priority, struct places *places)
{
    struct ordered_block *block = &policy->blocks[direction];
    size_t n_before = block->ranks.n;

    free(block->indexes);
    block->indexes = places->indexes;
    places->indexes = NULL;
    bool fits = ranks_place(&c->ranks[policy->tier][direction], &block->ranks, priority,
                            places->ranks, places->n);
    c->ranks_freed |= n_before > block->ranks.n;
    return fits;
}

static void
follow_block(struct compile *c, const struct ordered_block *block, enum rule_direction direction)
{
    const struct ordered_entry *policy = block->policy;

    for (size_t i = 0; i < policy->n_rules; i++) {
        const struct rec_rule *rule = records_rule(c->records, policy->rules[i]);

        if (rule->direction == direction) {
            struct rec_rule *copy = (struct rec_rule *) record_clone(&rule->r);

            copy->rank = rank_of(block, rule->index);
            records_put(c->records, &copy->r);
        }
    }
}

/* The records of policies that had to make room. */
static void
follow_moved(struct compile *c)
{
    for (int tier = 0; tier < N_RULE_TIERS; tier++) {
        for (int direction = 0; direction < N_RULE_DIRECTIONS; direction++) {
            struct rank_block *moved;

            while ((moved = ranks_pop_moved(&c->ranks[tier][direction]))) {
                follow_block(c, CONTAINER_OF(moved, struct ordered_block, ranks), direction);
            }
        }
    }
}

/* Rules. */

/* The policy's present rules; the caller frees the array. */
static const struct rec_rule **
present_rules(const struct compile *c, const struct ordered_entry *policy)
{
    const struct rec_rule **rules = xmalloc((policy->n_rules + 1) * sizeof *rules);

    for (size_t i = 0; i < policy->n_rules; i++) {
        rules[i] = records_rule(c->records, policy->rules[i]);
    }
    return rules;
}

/* Rules of the policy in work. */
struct draft {
    struct ordered_rules built;
    const struct rec_rule **old; /* Those without a successor; the others are NULL. */
    size_t n_old;
    struct holdings *holdings;
};

static void
draft_keep_keys(const struct compile *c, const struct ordered_entry *policy, struct draft *draft)
{
    free(draft->old);
    draft->old = present_rules(c, policy);
    draft->n_old = policy->n_rules;
    for (size_t i = 0; i < draft->built.n; i++) {
        draft->built.rules[i]->r.key = 0;
    }
    policy_rules_keep_keys(draft->built.rules, draft->built.n, draft->old, draft->n_old);
}

/* The policy holds what the rules need, and no more. */
static void
draft_build(struct compile *c, struct ordered_entry *policy, struct draft *draft)
{
    *draft = (struct draft){
        .holdings = holdings_create(c, &policy->entry),
    };

    const struct ordered_sources sources = sources_of(draft->holdings);
    ordered_rules_build(policy->object, &sources, &draft->built);
    holdings_release(policy->holdings);
    policy->holdings = draft->holdings;
}

/* Instead of the rules of one direction. */
static void
draft_overflow(const struct compile *c, const struct ordered_entry *policy,
               enum rule_direction direction, struct draft *draft)
{
    const struct ordered_sources sources = sources_of(draft->holdings);
    struct ordered_rules *built = &draft->built, instead;
    size_t n = 0;

    for (size_t i = 0; i < built->n; i++) {
        if (built->rules[i]->direction == direction) {
            record_destroy(&built->rules[i]->r);
        } else {
            built->rules[n++] = built->rules[i];
        }
    }
    ordered_rules_build_overflow(policy->object, direction, &sources, &instead);
    built->rules = xrealloc(built->rules, (n + instead.n + 1) * sizeof *built->rules);
    for (size_t i = 0; i < instead.n; i++) {
        built->rules[n++] = instead.rules[i];
    }
    built->n = n;
    free(instead.rules);
    draft_keep_keys(c, policy, draft);
}

/* A rule that is there already wishes for the rank that it has. */
static void
draft_places(const struct compile *c, const struct ordered_block *block,
             enum rule_direction direction, const struct draft *draft, struct places *places)
{
    places_init(places, draft->built.n);
    for (size_t i = 0; i < draft->built.n; i++) {
        const struct rec_rule *rule = draft->built.rules[i];
        const struct rec_rule *old = records_rule(c->records, rule->r.key);

        if (rule->direction == direction) {
            places_add(places, rule, old ? rank_of(block, old->index) : 0);
        }
    }
}

static void
draft_rank(struct compile *c, struct ordered_entry *policy, enum rule_direction direction,
           struct draft *draft)
{
    const struct ordered_block *block = &policy->blocks[direction];
    struct places places;

    draft_places(c, block, direction, draft, &places);
    bool fits = block_place(c, policy, direction, policy->object->priority, &places);
    places_uninit(&places);
    policy->overflows[direction] = !fits;
    for (size_t i = 0; fits && i < draft->built.n; i++) {
        struct rec_rule *rule = draft->built.rules[i];

        if (rule->direction == direction) {
            rule->rank = rank_of(block, rule->index);
        }
    }
    if (!fits) {
        draft_overflow(c, policy, direction, draft);
    }
}

static void
draft_put(struct compile *c, struct ordered_entry *policy, struct draft *draft)
{
    struct ordered_rules *built = &draft->built;

    for (size_t i = 0; i < draft->n_old; i++) {
        if (draft->old[i]) {
            records_remove(c->records, RECORD_RULE, draft->old[i]->r.key);
        }
    }
    free(policy->rules);
    policy->rules = xmalloc((built->n + 1) * sizeof *policy->rules);
    policy->n_rules = built->n;
    policy->allocated_rules = built->n + 1;
    for (size_t i = 0; i < built->n; i++) {
        uint32_t *id = &built->rules[i]->r.key;

        if (!*id && !numbers_take(&c->numbers, NUMBER_RULE, rule_id_is_used, c->records, id)) {
            ovs_abort(0, "more than 4 billion rules");
        }
        policy->rules[i] = *id;
        records_put(c->records, &built->rules[i]->r);
    }
    free(built->rules);
    free(draft->old);
}

void
ordered_drop_rules(struct compile *c, struct ordered_entry *policy)
{
    holdings_release(policy->holdings);
    policy->holdings = NULL;
    for (size_t i = 0; i < policy->n_rules; i++) {
        records_remove(c->records, RECORD_RULE, policy->rules[i]);
    }
    free(policy->rules);
    policy->rules = NULL;
    policy->n_rules = policy->allocated_rules = 0;
    for (int direction = 0; direction < N_RULE_DIRECTIONS; direction++) {
        block_remove(c, policy, direction);
        policy->overflows[direction] = false;
    }
}

/* Problems. */

static const char *
kept_from_ranks(const struct ordered_entry *policy)
{
    bool egress = policy->overflows[RULE_EGRESS], ingress = policy->overflows[RULE_INGRESS];

    return egress && ingress ? "ingress and egress"
           : egress          ? "egress"
           : ingress         ? "ingress"
                             : NULL;
}

#define FAILS_CLOSED \
    "a rule that allows matches nothing because of it, any other denies everything"

static void
set_problem(struct compile *c, struct ordered_entry *policy, const struct ordered_rules *built)
{
    const char *directions = kept_from_ranks(policy);
    struct problem **slot = &policy->problem;

    if (built->subject_trouble) {
        problem_set(&c->problems, slot, policy->kind, "", policy->name, "GroupNotResolved",
                    "the subject is PolicyGroup \"%s\": %s; until then the policy is for those "
                    "members that can be found",
                    policy->object->subject.name, built->subject_trouble);
    } else if (directions) {
        problem_set(&c->problems, slot, policy->kind, "", policy->name, "TooManyRules",
                    "the tier has more than %d rules; all %s of the subject that no other rule of "
                    "the tier decides is denied until some are deleted",
                    RANK_LAST, directions);
    } else if (built->unknown) {
        problem_set(&c->problems, slot, policy->kind, "", policy->name, "UnknownField",
                    "%s; " FAILS_CLOSED, built->unknown);
    } else if (built->group_trouble) {
        problem_set(&c->problems, slot, policy->kind, "", policy->name, "GroupNotResolved",
                    "group \"%s\": %s; " FAILS_CLOSED, built->group, built->group_trouble);
    } else if (built->too_large) {
        problem_set(&c->problems, slot, policy->kind, "", policy->name, "PolicyTooLarge",
                    "named ports, multiplied by peers or by the numbers of their pods, are more "
                    "than %d; in the last of them " FAILS_CLOSED "; use numbers, or split the "
                    "policy",
                    POLICY_RULES_MAX_NAMES);
    } else {
        problem_clear(&c->problems, slot);
    }
}

/* Policies. */

static void
policy_set_rules(struct compile *c, struct ordered_entry *policy)
{
    struct draft draft;
    enum rule_tier tier = ordered_rules_tier(policy->object);

    draft_build(c, policy, &draft);
    draft_keep_keys(c, policy, &draft);
    for (int direction = 0; direction < N_RULE_DIRECTIONS; direction++) {
        if (policy->tier != tier) {
            block_remove(c, policy, direction);
        }
    }
    policy->tier = tier;
    for (int direction = 0; direction < N_RULE_DIRECTIONS; direction++) {
        draft_rank(c, policy, direction, &draft);
    }
    set_problem(c, policy, &draft.built);
    draft_put(c, policy, &draft);
}

/* Holds what the rules will need, and puts them off to the last phase. */
static void
policy_put_off_rules(struct compile *c, struct ordered_entry *policy)
{
    struct draft draft;

    draft_build(c, policy, &draft);
    for (size_t i = 0; i < draft.built.n; i++) {
        record_destroy(&draft.built.rules[i]->r);
    }
    free(draft.built.rules);
    worklist_add(&c->ordered_named_work, &policy->entry);
}

static void
policy_run(struct compile *c, struct ordered_entry *policy)
{
    if (policy->entry.has_next) {
        ordered_policy_destroy(policy->object);
        policy->object = policy->next;
        policy->next = NULL;
        policy->entry.has_next = false;
    }
    if (!policy->object) {
        ordered_drop_rules(c, policy);
        ordered_entry_destroy(c, policy);
    } else if (ordered_rules_have_names(policy->object)) {
        policy_put_off_rules(c, policy);
    } else {
        policy_set_rules(c, policy);
    }
}

static void
run_each(struct compile *c, struct worklist *worklist,
         void (*run)(struct compile *, struct ordered_entry *))
{
    size_t n;
    struct entry **work = worklist_take(worklist, &n);

    for (size_t i = 0; i < n; i++) {
        run(c, CONTAINER_OF(work[i], struct ordered_entry, entry));
    }
    free(work);
    follow_moved(c);
    selection_collect(&c->selection);
    address_sets_collect(&c->address_sets);
}

void
ordered_run(struct compile *c)
{
    run_each(c, &c->ordered_work, policy_run);
}

static void
queue_overflowed(struct compile *c)
{
    struct ordered_entry *policy;

    HMAP_FOR_EACH (policy, hmap_node, &c->ordered) {
        if (kept_from_ranks(policy)) {
            worklist_add(&c->ordered_named_work, &policy->entry);
        }
    }
}

/* Who gives up ranks in the course of this makes room for others.  It ends:
 * none that is queued for its lack of ranks has any to give up. */
void
ordered_run_named(struct compile *c)
{
    do {
        if (c->ranks_freed) {
            queue_overflowed(c);
        }
        c->ranks_freed = false;
        run_each(c, &c->ordered_named_work, policy_set_rules);
    } while (c->ranks_freed);
}

/* An earlier life. */

static void
restore_direction(struct compile *c, struct ordered_entry *policy, enum rule_direction direction,
                  const struct rec_rule **rules)
{
    struct places places;

    places_init(&places, policy->n_rules);
    for (size_t i = 0; i < policy->n_rules; i++) {
        if (rules[i]->direction == direction && rules[i]->rank <= RANK_LAST) {
            places_add(&places, rules[i], rules[i]->rank);
        }
    }
    block_place(c, policy, direction, policy->n_rules ? rules[0]->priority : 0, &places);
    places_uninit(&places);
}

void
ordered_restore_ranks(struct compile *c, struct ordered_entry *policy)
{
    const struct rec_rule **rules = present_rules(c, policy);

    policy->tier = policy->n_rules ? rules[0]->tier : TIER_ADMIN;
    restore_direction(c, policy, RULE_EGRESS, rules);
    restore_direction(c, policy, RULE_INGRESS, rules);
    free(rules);
}
