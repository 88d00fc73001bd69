/* Policies that this node does not realise as they say, in the words of the
 * database (store_node_status.policy_problems). */
#ifndef VIRGA_POLICY_PROBLEMS_H
#define VIRGA_POLICY_PROBLEMS_H 1

#include <stdbool.h>
#include <stddef.h>

struct lower;
struct smap;

enum { POLICY_PROBLEMS_MAX = 1000 }; /* More are not told. */

/* 'lower' must outlive this; 'flows_max' is its limit. */
struct policy_problems *policy_problems_create(const struct lower *, size_t flows_max);
void policy_problems_destroy(struct policy_problems *);
/* True if they changed since the last call. */
bool policy_problems_run(struct policy_problems *);
const struct smap *policy_problems_all(const struct policy_problems *);

#endif
