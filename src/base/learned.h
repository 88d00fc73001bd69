/* Addresses that a node has learned for sets with domains, by set id.
 *
 * The agent fills it; lowering and the evaluator read it beside the records.
 * They are egress peers only. */
#ifndef VIRGA_LEARNED_H
#define VIRGA_LEARNED_H 1

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct learned;
struct learned *learned_create(void);
void learned_destroy(struct learned *);

/* What set 'set' holds from now on; n == 0: nothing.  Copies, sorts and drops
 * duplicates.  False if that is what it holds. */
bool learned_put(struct learned *, uint32_t set, const struct in6_addr *, size_t n);
/* Sorted; NULL and *n == 0 if nothing. */
const struct in6_addr *learned_find(const struct learned *, uint32_t set, size_t *n);
/* Changes when anything changed. */
unsigned int learned_seqno(const struct learned *);
/* Unordered walk over all sets that hold something. */
void learned_each(const struct learned *,
                  void (*cb)(void *aux, uint32_t set, const struct in6_addr *, size_t n),
                  void *aux);

#endif
