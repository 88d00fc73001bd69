/* A NetworkPolicy as rule records.  Pure. */
#ifndef VIRGA_POLICY_RULES_H
#define VIRGA_POLICY_RULES_H 1

#include <stddef.h>
#include <stdint.h>

#include "base/records.h"

struct ds;
struct network_policy;
struct selector;

/* The number of the set that two selectors make. */
typedef uint32_t policy_set_fn(void *aux, const struct selector *namespaces,
                               const struct selector *pods);

/* The rules of 'policy', whose key is 0 yet: of each direction that it
 * isolates the RULE_ISOLATE rule, then its own in order.  The caller owns
 * array and rules. */
struct rec_rule **policy_rules_build(const struct network_policy *policy, uint32_t vni,
                                     policy_set_fn *set, void *aux, size_t *n);

/* Gives each of 'rules' the key of an old rule with the same content, if there
 * is one; of equal ones the first gets the first.  Position is no content, so
 * that a rule put in front does not renumber the others.  'old' entries that
 * were used up become NULL. */
void policy_rules_keep_keys(struct rec_rule **rules, size_t n, const struct rec_rule **old,
                            size_t n_old);

/* Says which ports of the policy have names; false if none has. */
bool policy_rules_named_ports(const struct network_policy *, struct ds *);

/* "NetworkPolicy/NAMESPACE/NAME" */
char *policy_rules_name(const char *namespace_, const char *name);

/* The selector of namespace 'name' alone. */
void selector_of_namespace(const char *name, struct selector *);

#endif
