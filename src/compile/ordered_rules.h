/* An ordered policy as rule records.  Pure.
 *
 * A rule becomes one record for each choice of its subject (one, unless that
 * is a group), and with named ports one more for each number by which some
 * destination has one of them; as many as there are stand together for the
 * rule, with its index, and share its rank. */
#ifndef VIRGA_ORDERED_RULES_H
#define VIRGA_ORDERED_RULES_H 1

#include "base/records.h"
#include "compile/policy_rules.h"

struct ordered_policy;

/* Pods by two selectors. */
struct pod_choice {
    const struct selector *namespaces;
    const struct selector *pods;
};

/* What a policy needs to know of its surroundings; 'pods' alone is pure of
 * groups. */
struct ordered_sources {
    struct policy_pods pods;
    /* Numbers of sets, as address_sets.h has them. */
    uint32_t (*nodes)(void *aux, const struct selector *);
    uint32_t (*domains)(void *aux, char *const *domains, size_t n);
    uint32_t (*world)(void *aux);
    /* The pods of a PolicyGroup, borrowed until the rules are built; NULL if
     * it is not known. */
    const struct pod_choice *(*group)(void *aux, const char *name, size_t *n);
    /* The set of a NetworkGroup; 0 if it is not known. */
    uint32_t (*network_group)(void *aux, const char *name);
    void *aux; /* Of those, and of 'pods'. */
};

struct ordered_rules {
    struct rec_rule **rules; /* Key and rank are 0 yet. */
    size_t n;

    /* What failed closed, for people; the first of each. */
    bool too_large;            /* A rule's names are more than POLICY_RULES_MAX_NAMES. */
    const char *unknown;       /* What a rule asks for and is not known; of the policy. */
    const char *unknown_group; /* A rule's peer, or the subject; of the policy. */
    bool has_no_subject;       /* The subject is an unknown group. */
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
