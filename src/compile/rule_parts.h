/* The parts of a rule record, added in any order and made canonical in the
 * end, so that equal rules are equal records. */
#ifndef VIRGA_RULE_PARTS_H
#define VIRGA_RULE_PARTS_H 1

#include "base/records.h"

/* '*allocated' of the rule's array is kept by the caller, 0 at first. */
void rule_add_peer_set(struct rec_rule *, size_t *allocated, uint32_t set);
void rule_add_peer_prefixes(struct rec_rule *, size_t *allocated, const struct prefix *, size_t n);

/* Sorts; drops what is there twice or inside another, joins what touches. */
void rule_canonical_peers(struct rec_rule *);
void rule_canonical_ports(struct rec_rule *);

/* Sorts; drops prefixes that another one covers.  Returns how many are left,
 * at the front. */
size_t prefixes_canonical(struct prefix *, size_t n);

#endif
