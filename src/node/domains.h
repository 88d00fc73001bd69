/* What this node learned from DNS answers: which addresses the domain names of
 * policies have, for as long as the answers allow.  Pure: time is an argument.
 *
 * A pattern is a name, "www.example.com", or "*.example.com": every name that
 * has one or more labels before ".example.com", not that name itself.  All are
 * lower case.  Sets have patterns (records, struct rec_set); an answer is
 * learned for the patterns of sets only.
 *
 * An address stays for the TTL of its answer, at least DOMAINS_TTL_MIN_S (the
 * asker connects a little after it asked) and at most DOMAINS_TTL_MAX_S; a later
 * answer can only prolong that. */
#ifndef VIRGA_DOMAINS_H
#define VIRGA_DOMAINS_H 1

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dns_answer;

enum {
    DOMAINS_TTL_MIN_S = 10,
    DOMAINS_TTL_MAX_S = 24 * 3600,
    DOMAINS_ADDRESSES_MAX = 1000, /* Of one pattern; more: the first to end go. */
};

struct domains *domains_create(void);
void domains_destroy(struct domains *);

/* Set 'id' has these patterns now.  None: it is gone. */
void domains_set(struct domains *, uint32_t id, char *const *patterns, size_t n);
/* Does any set have patterns? */
bool domains_any(const struct domains *);

/* 'now' in ms.  True if a set got an address that it did not have. */
bool domains_learn(struct domains *, const struct dns_answer *, long long int now);
/* Takes over what an earlier life knew; the sets may come later.  Once they are
 * all there, domains_settle() forgets what none of them has. */
void domains_adopt(struct domains *, const char *pattern, const struct in6_addr *,
                   long long int until);
void domains_settle(struct domains *);

/* Forgets what is over. */
void domains_run(struct domains *, long long int now);
/* When the next address is over; LLONG_MAX: never. */
long long int domains_next(const struct domains *);

/* Each set whose addresses changed since the last call: sorted, unique, borrowed. */
typedef void domains_set_cb(void *aux, uint32_t set, const struct in6_addr *, size_t n);
void domains_changed(struct domains *, domains_set_cb *, void *aux);

/* All that is known, in no order. */
typedef void domains_entry_cb(void *aux, const char *pattern, const struct in6_addr *,
                              long long int until);
void domains_each(const struct domains *, domains_entry_cb *, void *aux);

#endif
