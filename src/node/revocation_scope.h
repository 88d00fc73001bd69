/* Which conntrack zones a change of the records may take allows away from.
 *
 * Pure.  From the change log of the records, which is to begin where the last look
 * ended, it says where a connection that was allowed may be denied now.  It may say too much,
 * never too little (the unit test asks the evaluator before and after each
 * step of random scripts).  What can only add allows says nothing: endpoints
 * that come or go, a new rule that allows, an isolation that ends, a node or a
 * network that comes. */
#ifndef VIRGA_REVOCATION_SCOPE_H
#define VIRGA_REVOCATION_SCOPE_H 1

#include "base/records.h"

struct revocation_scope;
/* 'node_name' is this node.  The first look says "all zones": what happened
 * before it is not known. */
struct revocation_scope *revocation_scope_create(const char *node_name);
void revocation_scope_destroy(struct revocation_scope *);

/* Takes over the change log of 'records', which stays the caller's to clear. */
void revocation_scope_look(struct revocation_scope *, const struct records *records);

/* May the last look have allowed something that was denied before, or given an
 * address to somebody else?  Says no only if it is sure. */
bool revocation_scope_may_allow(const struct revocation_scope *);

/* What the looks since the last clear said. */
bool revocation_scope_any(const struct revocation_scope *);
bool revocation_scope_all(const struct revocation_scope *);
/* Unless all: the zones; caller frees. */
uint16_t *revocation_scope_zones(const struct revocation_scope *, size_t *n);
/* Addresses that an endpoint has now and another had; borrowed. */
const struct in6_addr *revocation_scope_reused(const struct revocation_scope *, size_t *n);
void revocation_scope_clear(struct revocation_scope *);
/* All zones, for a reason that the records do not tell. */
void revocation_scope_add_all(struct revocation_scope *);

#endif
