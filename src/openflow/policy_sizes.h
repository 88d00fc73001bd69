/* How many flows each policy needs on this node, and which exceed the limit.
 *
 * A policy's size is the sum over its rules, whether they are lowered or not, so
 * that it does not depend on the order of changes. */
#ifndef VIRGA_POLICY_SIZES_H
#define VIRGA_POLICY_SIZES_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lower_ids;
struct number_set;

struct policy_sizes *policy_sizes_create(size_t limit);
void policy_sizes_destroy(struct policy_sizes *);

/* Rule 'id' of 'policy' needs 'size' flows; NULL: it is gone.  If that makes a
 * policy exceed the limit, or no longer, its rules are marked in 'dirty'. */
void policy_sizes_set(struct policy_sizes *, uint32_t id, const char *policy, size_t size,
                      struct lower_ids *dirty);
/* Does the policy of rule 'id' exceed the limit? */
bool policy_sizes_exceeds(const struct policy_sizes *, uint32_t id);
/* All rules of which that is true; changes of the set are numbered. */
const struct number_set *policy_sizes_closed(const struct policy_sizes *, unsigned int *seqno);

size_t policy_sizes_limit(const struct policy_sizes *);
/* The policies that exceed it; changes of that are numbered. */
typedef void policy_sizes_cb(void *aux, const char *policy, size_t size);
void policy_sizes_each(const struct policy_sizes *, policy_sizes_cb *, void *aux);
unsigned int policy_sizes_seqno(const struct policy_sizes *);

#endif
