/* An IP prefix of either family, and its text.
 *
 * Addresses are IPv6 or IPv4-mapped (RFC 4291 section 2.5.5.2) so that every
 * table, record and compare has one shape: an IPv4 prefix 10.0.0.0/8 is
 * ::ffff:10.0.0.0 with plen 96 + 8.  Values are plain data, compared by
 * prefix_compare() (there is padding); prefix_parse() and prefix_normalize()
 * zero the bits beyond plen. */
#ifndef VIRGA_PREFIX_H
#define VIRGA_PREFIX_H 1

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ds;

struct prefix {
    struct in6_addr addr;
    uint8_t plen; /* 0..128 over the mapped form; IPv4 has plen >= 96. */
};

bool prefix_is_ip4(const struct prefix *);
bool addr_is_ip4(const struct in6_addr *);

/* Parses "10.1.0.0/16", "2001:db8::/32" or (plen absent) one address.
 * Returns NULL, or a malloc'd message that says what is wrong; *p is zeroed
 * then.  With 'strict', host bits beyond plen are an error, else cleared. */
char *prefix_parse(const char *s, bool strict, struct prefix *p)
    __attribute__((warn_unused_result));
/* Parses one address without a length. */
char *addr_parse(const char *s, struct in6_addr *) __attribute__((warn_unused_result));

/* Canonical text: "10.1.0.0/16"; RFC 5952 for IPv6. */
void prefix_format(const struct prefix *, struct ds *);
void addr_format(const struct in6_addr *, struct ds *);

void prefix_normalize(struct prefix *);
/* Families never mix: ::/0 contains no IPv4 address. */
bool prefix_contains(const struct prefix *outer, const struct in6_addr *);
bool prefix_covers(const struct prefix *outer, const struct prefix *inner);
int prefix_compare(const struct prefix *, const struct prefix *);
/* True if 'a' is sorted and none of the 'n' lies within another. */
bool prefixes_are_disjoint(const struct prefix *a, size_t n);
struct prefix prefix_host(const struct in6_addr *);

/* The smallest list of prefixes that is 'p' without 'holes' ('n' of them; in
 * any order, may overlap, may lie outside p).  Sorted; *n_out may be 0.
 * The caller frees the array. */
struct prefix *prefix_subtract(const struct prefix *p, const struct prefix *holes, size_t n,
                               size_t *n_out);

#endif
