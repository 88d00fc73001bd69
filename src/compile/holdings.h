/* What a policy uses of the selection and of the address sets: the sets that
 * its rules name, and the named ports whose numbers it watches.
 *
 * A policy takes up new holdings before it gives back the old ones, so that
 * what it goes on using keeps its number. */
#ifndef VIRGA_HOLDINGS_H
#define VIRGA_HOLDINGS_H 1

#include "compile/address_sets.h"
#include "compile/groups.h"
#include "compile/selection.h"

struct entry;
struct holdings;

struct holdings *holdings_create(struct compile *, struct entry *owner);
/* Gives all back.  NULL is fine. */
void holdings_release(struct holdings *);

/* Each takes up one more; 'owner' is told when the numbers change. */
uint32_t holdings_set(struct holdings *, const struct selector *namespaces,
                      const struct selector *pods);
uint16_t *holdings_numbers(struct holdings *, const struct selector *namespaces,
                           const struct selector *pods, const char *port_key, size_t *n);
uint32_t holdings_nodes(struct holdings *, const struct selector *);
uint32_t holdings_domains(struct holdings *, char *const *domains, size_t n);
uint32_t holdings_world(struct holdings *);
/* Once for each group; the owner is queued when it has to come again. */
struct group_use *holdings_group(struct holdings *, enum group_kind, const char *name);
const struct pod_choice *holdings_group_pods(struct holdings *, const char *name, size_t *n);

#endif
