/* A NetworkPolicy as rule records.  Pure. */
#ifndef VIRGA_POLICY_RULES_H
#define VIRGA_POLICY_RULES_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/records.h"

struct network_policy;
struct selector;

/* What a policy needs to know of the pods that two selectors choose. */
struct policy_pods {
    /* The number of their set. */
    uint32_t (*set)(void *aux, const struct selector *namespaces, const struct selector *pods);
    /* The numbers by which they have a named port (named_port.h), sorted; NULL
     * if there are none.  The builder frees. */
    uint16_t *(*numbers)(void *aux, const struct selector *namespaces, const struct selector *pods,
                         const char *port_key, size_t *n);
    void *aux;
};

/* The rules of 'policy', whose key is 0 yet: of each direction that it
 * isolates the RULE_ISOLATE rule, then its own in order.  The caller owns
 * array and rules.
 *
 * A policy that needs isolation has pods of its namespace as subjects only
 * while NAMESPACE_ISOLATED_LABEL is on it: else its sets are empty.
 *
 * A rule with named ports becomes one rule for its numbers, if it has any, and
 * one for each number by which some destination has a named port, narrowed to
 * the destinations that do: subjects of ingress, peers of egress.  A name that
 * no destination has adds nothing.  Nor do names beyond POLICY_RULES_MAX_NAMES,
 * which sets '*too_large'. */
struct rec_rule **policy_rules_build(const struct network_policy *policy, uint32_t vni,
                                     const struct policy_pods *pods, size_t *n, bool *too_large);

/* Pairs of a name and a peer that asks for it in one policy, and as many of a
 * peer and a number that its pods have: products of what people write, which
 * the size of an object hardly bounds. */
enum { POLICY_RULES_MAX_NAMES = 16384 };

/* Whether its rules depend on the ports of pods. */
bool policy_rules_have_names(const struct network_policy *);

/* Gives each of 'rules' the key of an old rule with the same content, if there
 * is one; of equal ones the first gets the first.  Position is no content, so
 * that a rule put in front does not renumber the others.  'old' entries that
 * were used up become NULL. */
void policy_rules_keep_keys(struct rec_rule **rules, size_t n, const struct rec_rule **old,
                            size_t n_old);

/* "NetworkPolicy/NAMESPACE/NAME"; "Namespace//NAME" for its isolation. */
char *policy_rules_name(const char *kind, const char *namespace_, const char *name);

/* The selector of namespace 'name' alone. */
void selector_of_namespace(const char *name, struct selector *);

#endif
