/* An ordered policy as rule records.  Pure.
 *
 * A rule becomes one record, and with named ports one more for each number by
 * which some destination has one of them; as many as there are stand together
 * for the rule, with its index, and share its rank. */
#ifndef VIRGA_ORDERED_RULES_H
#define VIRGA_ORDERED_RULES_H 1

#include "base/records.h"
#include "compile/groups.h"
#include "compile/policy_rules.h"

struct ordered_policy;

/* What a policy needs to know of its surroundings; 'pods' alone is pure of
 * groups. */
struct ordered_sources {
    struct policy_pods pods;
    /* Numbers of sets, as address_sets.h has them. */
    uint32_t (*nodes)(void *aux, const struct selector *);
    uint32_t (*domains)(void *aux, char *const *domains, size_t n);
    uint32_t (*world)(void *aux);
    /* The set of a group; 0 if it has none.  '*trouble': NULL, or why it cannot
     * be made out, for people. */
    uint32_t (*group)(void *aux, enum group_kind, const char *name, const char **trouble);
    /* The pods of a PolicyGroup, borrowed until the rules are built. */
    const struct pod_choice *(*group_pods)(void *aux, const char *name, size_t *n);
    void *aux; /* Of those, and of 'pods'. */
};

struct ordered_rules {
    struct rec_rule **rules; /* Key and rank are 0 yet. */
    size_t n;

    /* What failed closed, for people; the first of each. */
    bool too_large;              /* A rule's names are more than POLICY_RULES_MAX_NAMES. */
    const char *unknown;         /* What a rule asks for and is not known; of the policy. */
    const char *group;           /* A group that a rule asks for, of the policy, ... */
    const char *group_trouble;   /* ... and what is wrong with it. */
    const char *subject_trouble; /* What is wrong with the group that is the subject. */
};

/* The caller owns array and rules. */
void ordered_rules_build(const struct ordered_policy *, const struct ordered_sources *,
                         struct ordered_rules *);

/* What stands for the rules of one direction if there are no ranks for them:
 * everything that no other rule of the tier decided is denied. */
void ordered_rules_build_overflow(const struct ordered_policy *, enum rule_direction,
                                  const struct ordered_sources *, struct ordered_rules *);

/* Whether its rules depend on the ports of pods. */
bool ordered_rules_have_names(const struct ordered_policy *);

enum rule_tier ordered_rules_tier(const struct ordered_policy *);

#endif
