#include "compile/state.h"

#include <stdlib.h>

#include "compile/policy_rules.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

static bool
rule_id_is_used(const void *records, uint32_t id)
{
    return records_rule(records, id) != NULL;
}

static uint32_t
get_set(void *selection, const struct selector *namespaces, const struct selector *pods)
{
    return selection_get(selection, namespaces, pods);
}

static void
use_sets(struct selection *selection, const struct rec_rule *rule,
         void (*cb)(struct selection *, uint32_t))
{
    cb(selection, rule->subject);
    for (size_t i = 0; i < rule->n_peer_sets; i++) {
        cb(selection, rule->peer_sets[i]);
    }
}

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

static void
release_sets(struct compile *c, struct policy_entry *policy)
{
    for (size_t i = 0; policy->holds_sets && i < policy->n_rules; i++) {
        use_sets(&c->selection, records_rule(c->records, policy->rules[i]), selection_unref);
    }
    policy->holds_sets = false;
}

void
policy_drop_rules(struct compile *c, struct policy_entry *policy)
{
    release_sets(c, policy);
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

static void
policy_set_rules(struct compile *c, struct policy_entry *policy)
{
    size_t n, n_old = policy->n_rules;
    struct rec_rule **rules = policy_rules_build(policy->object, policy->namespace_->vni, get_set,
                                                 &c->selection, &n);
    const struct rec_rule **old = present_rules(c, policy);

    for (size_t i = 0; i < n; i++) {
        use_sets(&c->selection, rules[i], selection_ref);
    }
    release_sets(c, policy);
    policy_rules_keep_keys(rules, n, old, n_old);
    for (size_t i = 0; i < n_old; i++) {
        if (old[i]) {
            records_remove(c->records, RECORD_RULE, old[i]->r.key);
        }
    }
    free(policy->rules);
    put_rules(c, policy, rules, n);
    policy->holds_sets = true;
    free(rules);
    free(old);
}

static void
policy_set_problem(struct compile *c, struct policy_entry *policy)
{
    const char *ns = policy->namespace_->name;
    struct ds ports = DS_EMPTY_INITIALIZER;
    const char *reason;
    char *message;

    if (namespace_entry_is_missing(policy->namespace_, &reason, &message)) {
        problem_set(&c->problems, &policy->problem, "NetworkPolicy", ns, policy->name, reason,
                    "%s", message);
        free(message);
    } else if (policy_rules_named_ports(policy->object, &ports)) {
        problem_set(&c->problems, &policy->problem, "NetworkPolicy", ns, policy->name, "NamedPort",
                    "%s: named ports match nothing; use numbers", ds_cstr(&ports));
    } else {
        problem_clear(&c->problems, &policy->problem);
    }
    ds_destroy(&ports);
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
    if (policy->object && policy->namespace_->vni) {
        policy_set_rules(c, policy);
    } else {
        policy_drop_rules(c, policy);
    }
    if (policy->object) {
        policy_set_problem(c, policy);
    } else {
        policy_entry_destroy(c, policy);
    }
}

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
            if (pod->object && labels_get(&pod->object->meta.labels, change->key)) {
                worklist_add(&c->pod_work, &pod->entry);
            }
        }
    }
    selection->n_key_changes = 0;
}

void
policies_run(struct compile *c)
{
    size_t n;
    struct entry **work = worklist_take(&c->policy_work, &n);

    for (size_t i = 0; i < n; i++) {
        policy_run(c, CONTAINER_OF(work[i], struct policy_entry, entry));
    }
    free(work);
    selection_collect(&c->selection);
    queue_reclassified(c);
}
