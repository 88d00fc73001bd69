/* Which tracked connections must end, judged by the records.
 *
 * Pure.  A connection is judged as its first packet would be now, by its
 * original direction, and only by what this node enforces: egress rules of a
 * source that lives here, ingress rules of a destination that lives here.  The
 * other node judges the rest, so each end of a connection is counted once and
 * attempts that another node denies are no work here. */
#ifndef VIRGA_REVOCATION_H
#define VIRGA_REVOCATION_H 1

#include "base/records.h"
#include "node/conntrack_text.h"

enum revocation_verdict {
    REVOCATION_KEEP,
    REVOCATION_DENIED, /* The rules say no. */
    /* An end is gone, or its address belongs to somebody else now.  Nothing
     * that comes later is a packet of that connection. */
    REVOCATION_STALE,
};

struct learned;
struct number_set;

/* 'records' and 'learned' (addresses of domain names; NULL: none) must outlive this, and
 * 'records' not change unless revocation_follow() says what did; 'node_name' is this node.  In a cluster that has no record of
 * this node, everything is kept. */
struct revocation *revocation_create(const struct records *records, const struct learned *learned,
                                     const char *node_name);
void revocation_destroy(struct revocation *);
/* Goes on with the records as they are, before their change log is cleared; nothing may
 * have been cleared since this was made.  What was made to judge connections is kept,
 * and what of it follows from rules and sets is made anew for the next connection if they have
 * changed.  False: it cannot go on, another must be made. */
bool revocation_follow(struct revocation *);

/* Says which rules this node enforces as rule_close() leaves them, by their ids; before
 * anything is judged.  It must outlive this and not change. */
void revocation_set_closed(struct revocation *, const struct number_set *closed);

/* Says that 'address' was another endpoint's when connections of it that are
 * tracked now may have begun. */
void revocation_reused(struct revocation *, const struct in6_addr *address);
void revocation_forget_reused(struct revocation *);

/* Zones that are not of Virga are always kept. */
enum revocation_verdict revocation_judge(const struct revocation *,
                                         const struct conntrack_entry *);
/* Would the policy let such a connection begin?  For connections that were cut. */
bool revocation_allows(const struct revocation *, const struct conntrack_entry *);

/* An address of a domain name is learned for some time, and after that for no new
 * connection; those that it let in stay.  So a connection that is denied by the
 * above is looked at once more, if the egress rule in its label is there and
 * names domains: is it allowed, by that rule, if the domains still have the
 * address?  In a whole dump only; one entry is judged by what is known now. */

/* What to cut of a whole dump, in order of zone, protocol, and tuple. */
struct revocation_cut {
    struct conntrack_entry entry;
    enum revocation_verdict verdict;
};
struct revocation_cuts {
    struct revocation_cut *a;
    size_t n, allocated;
    size_t n_seen; /* Entries looked at. */
    size_t n_bad;  /* Lines that were none. */
};
/* 'also' (or NULL) names connections that are cut though the policy would allow
 * them; they count as stale. */
typedef bool revocation_also_cb(const struct conntrack_entry *, void *aux);
void revocation_read(const struct revocation *, const char *dump, size_t len,
                     revocation_also_cb *also, void *aux, struct revocation_cuts *);
void revocation_cuts_sort(struct revocation_cuts *);
void revocation_cuts_uninit(struct revocation_cuts *);

#endif
