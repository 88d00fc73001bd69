/* Numbers of the data plane in words: what an identity, a VNI, an address or a
 * rule id stands for.  Pure, over records. */
#ifndef VIRGACTL_WORDS_H
#define VIRGACTL_WORDS_H 1

#include <stdint.h>

#include "base/records.h"

struct ds;
struct words;

/* An index over 'records', which must outlive it and not change. */
struct words *words_create(const struct records *);
void words_destroy(struct words *);

/* "256 shop{app=redis}", "1 world". */
void words_put_identity(const struct words *, uint32_t identity, struct ds *);
/* "4097 (network shop)"; 0: "0 (outside)". */
void words_put_network(const struct words *, uint32_t vni, struct ds *);
/* "shop/redis-0 (10.128.1.2 on node-1)" */
void words_put_endpoint(const struct words *, uint32_t id, struct ds *);
/* "node-2 (172.30.0.2)" */
void words_put_node(const struct words *, uint32_t id, struct ds *);
/* "rule 9 (ingress[0] of NetworkPolicy/shop/redis)" */
void words_put_rule(const struct words *, uint32_t id, struct ds *);
/* The rule as a sentence: "pods app=redis of namespace shop accept TCP 6379
 * from pods role=frontend of namespace shop". */
void words_put_rule_sentence(const struct words *, uint32_t id, struct ds *);
/* Whose address or network this is, or NULL: "shop/redis-0", "network shop". */
char *words_of_prefix(const struct words *, const struct prefix *);
/* The network with this conntrack zone, or NULL. */
const struct rec_network *words_zone(const struct words *, uint16_t zone);

#endif
