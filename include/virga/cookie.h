/* Layout of the 64 bit cookie of every flow that Virga installs.
 *
 *   63      56 55      48 47                32 31                 0
 *  +----------+----------+--------------------+--------------------+
 *  | 0x56 'V' | feature  | reserved, zero     | id                 |
 *  +----------+----------+--------------------+--------------------+
 *
 * What the id is depends on the feature; see ovs-flows/cookies.def for the
 * list.  "virgactl explain COOKIE" puts a name to it.
 *
 * A switch with very many flows is asked for a part of them by the low bits of the
 * cookie (src/openflow/flow_dump.h), so flows of which there may be many differ in
 * those: clauses of addresses and ports have the ids VIRGA_CLAUSE_SPREAD and up,
 * below 2 * VIRGA_CLAUSE_SPREAD, by a hash of what they match.  No identity of an
 * endpoint is that low. */
#ifndef VIRGA_COOKIE_H
#define VIRGA_COOKIE_H 1

#include <stdint.h>

#define VIRGA_COOKIE_MAGIC UINT64_C(0x56)
#define VIRGA_COOKIE(FEATURE, ID) \
    (VIRGA_COOKIE_MAGIC << 56 | (uint64_t) (FEATURE) << 48 | (uint32_t) (ID))
/* Of the two highest bytes: all cookies of one feature. */
#define VIRGA_COOKIE_FEATURE_MASK (UINT64_C(0xffff) << 48)
#define VIRGA_COOKIE_FEATURE(COOKIE) ((uint8_t) ((COOKIE) >> 48))
#define VIRGA_COOKIE_ID(COOKIE) ((uint32_t) (COOKIE))

#define VIRGA_CLAUSE_SPREAD 128u

/* Features.  The id of each in brackets. */
enum virga_cookie_feature {
#define COOKIE(NAME, VALUE, ID, HELP) COOKIE_##NAME = VALUE,
#include "../../ovs-flows/cookies.def"
#undef COOKIE
};

#endif
