#include "compile/state.h"

#include <stdlib.h>
#include <string.h>

#include "compile/holdings.h"
#include "compile/policy_rules.h"
#include "util.h"

static bool
rule_id_is_used(const void *records, uint32_t id)
{
    return records_rule(records, id) != NULL;
}

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

/* The rules as they are now; the policy holds what they need, and no more. */
static struct rec_rule **
build_rules(struct compile *c, struct policy_entry *policy, size_t *n, bool *too_large)
{
    struct holdings *holdings = holdings_create(c, &policy->entry);
    const struct policy_pods pods = { hold_set, hold_numbers, holdings };
    struct rec_rule **rules = policy_rules_build(policy->object, policy->namespace_->vni, &pods, n,
                                                 too_large);

    holdings_release(policy->holdings);
    policy->holdings = holdings;
    return rules;
}

/* Rules. */

/* The policy's present rules; the caller frees the array. */
static const struct rec_rule **
present_rules(const struct compile *c, const struct policy_entry *policy)
{
    const struct rec_rule **rules = xmalloc((policy->n_rules + 1) * sizeof *rules);

    for (size_t i = 0; i < policy->n_rules; i++) {
        rules[i] = records_rule(c->records, policy->rules[i]);
    }
    return rules;
}

void
policy_drop_rules(struct compile *c, struct policy_entry *policy)
{
    holdings_release(policy->holdings);
    policy->holdings = NULL;
    for (size_t i = 0; i < policy->n_rules; i++) {
        records_remove(c->records, RECORD_RULE, policy->rules[i]);
    }
    free(policy->rules);
    policy->rules = NULL;
    policy->n_rules = policy->allocated_rules = 0;
}

static void
put_rules(struct compile *c, struct policy_entry *policy, struct rec_rule **rules, size_t n)
{
    policy->rules = xmalloc((n + 1) * sizeof *policy->rules);
    policy->n_rules = n;
    policy->allocated_rules = n + 1;
    for (size_t i = 0; i < n; i++) {
        uint32_t *id = &rules[i]->r.key;

        if (!*id && !numbers_take(&c->numbers, NUMBER_RULE, rule_id_is_used, c->records, id)) {
            ovs_abort(0, "more than 4 billion rules");
        }
        policy->rules[i] = *id;
        records_put(c->records, &rules[i]->r);
    }
}

/* Returns true if the policy is too large. */
static bool
policy_set_rules(struct compile *c, struct policy_entry *policy)
{
    size_t n, n_old = policy->n_rules;
    bool too_large;
    struct rec_rule **rules = build_rules(c, policy, &n, &too_large);
    const struct rec_rule **old = present_rules(c, policy);

    policy_rules_keep_keys(rules, n, old, n_old);
    for (size_t i = 0; i < n_old; i++) {
        if (old[i]) {
            records_remove(c->records, RECORD_RULE, old[i]->r.key);
        }
    }
    free(policy->rules);
    put_rules(c, policy, rules, n);
    free(rules);
    free(old);
    return too_large;
}

/* Holds what the rules will need, and puts them off to the last phase.  What
 * the old ones need and the new ones may not is free to go. */
static bool
policy_put_off_rules(struct compile *c, struct policy_entry *policy)
{
    size_t n;
    bool too_large;
    struct rec_rule **rules = build_rules(c, policy, &n, &too_large);

    for (size_t i = 0; i < n; i++) {
        record_destroy(&rules[i]->r);
    }
    free(rules);
    worklist_add(&c->named_work, &policy->entry);
    return too_large;
}

static void
policy_set_problem(struct compile *c, struct policy_entry *policy, bool too_large)
{
    const char *reason;
    char *message;

    /* That there is no network is the namespace's own problem already. */
    if (!strcmp(policy->kind, POLICY_KIND_ISOLATION)) {
        return;
    }
    if (namespace_entry_is_missing(policy->namespace_, &reason, &message)) {
        problem_set(&c->problems, &policy->problem, policy->kind, policy->namespace_->name,
                    policy->name, reason, "%s", message);
        free(message);
    } else if (too_large) {
        problem_set(&c->problems, &policy->problem, policy->kind, policy->namespace_->name,
                    policy->name, "PolicyTooLarge",
                    "named ports, multiplied by peers or by the numbers of their pods, are more "
                    "than %d; the last match nothing; use numbers, or split the policy",
                    POLICY_RULES_MAX_NAMES);
    } else {
        problem_clear(&c->problems, &policy->problem);
    }
}

static void
policy_run(struct compile *c, struct policy_entry *policy)
{
    if (policy->entry.has_next) {
        network_policy_destroy(policy->object);
        policy->object = policy->next;
        policy->next = NULL;
        policy->entry.has_next = false;
    }

    bool too_large = false;
    if (!policy->object || !policy->namespace_->vni) {
        policy_drop_rules(c, policy);
    } else if (policy_rules_have_names(policy->object)) {
        too_large = policy_put_off_rules(c, policy);
    } else {
        too_large = policy_set_rules(c, policy);
    }
    if (policy->object) {
        policy_set_problem(c, policy, too_large);
    } else {
        policy_entry_destroy(c, policy);
    }
}

static void
policy_run_named(struct compile *c, struct policy_entry *policy)
{
    policy_set_problem(c, policy, policy_set_rules(c, policy));
}

/* Pods. */

/* Pods that have a label whose relevance changed may belong to another class. */
static void
queue_reclassified(struct compile *c)
{
    struct selection *selection = &c->selection;

    for (size_t i = 0; i < selection->n_key_changes; i++) {
        const struct key_change *change = &selection->key_changes[i];
        struct namespace_entry *ns = CONTAINER_OF(change->scope, struct namespace_entry, scope);
        struct pod_entry *pod;

        LIST_FOR_EACH (pod, namespace_node, &ns->pods) {
            if (pod->object && class_label(pod->object, change->key)) {
                worklist_add(&c->pod_work, &pod->entry);
            }
        }
    }
    selection->n_key_changes = 0;
}

/* Run. */

static void
run_each(struct compile *c, struct worklist *worklist,
         void (*run)(struct compile *, struct policy_entry *))
{
    size_t n;
    struct entry **work = worklist_take(worklist, &n);

    for (size_t i = 0; i < n; i++) {
        run(c, CONTAINER_OF(work[i], struct policy_entry, entry));
    }
    free(work);
    selection_collect(&c->selection);
}

void
policies_run(struct compile *c)
{
    run_each(c, &c->policy_work, policy_run);
    groups_collect(c);
    queue_reclassified(c);
}

static void
queue_named(void *entry_, void *c_)
{
    struct entry *entry = entry_;
    struct compile *c = c_;

    worklist_add(entry->is_ordered ? &c->ordered_named_work : &c->named_work, entry);
}

/* The watches that the policies hold keep all keys relevant that narrower
 * sets mention, so no pod changes its class here. */
void
policies_run_named(struct compile *c)
{
    selection_tell_watches(&c->selection, queue_named, c);
    run_each(c, &c->named_work, policy_run_named);
    ovs_assert(!c->selection.n_key_changes);
}
