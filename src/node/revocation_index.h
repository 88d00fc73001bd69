/* What revocation_scope.c asks of the records by key, so that a change costs by
 * what it concerns and not by how many rules there are:
 *
 *   which sets an identity is in
 *   in which networks a rule may deny something once somebody leaves a set that
 *   it uses, or comes to it
 *
 * Pure.  It is brought up to date by the records' change log. */
#ifndef VIRGA_REVOCATION_INDEX_H
#define VIRGA_REVOCATION_INDEX_H 1

#include "base/number_set.h"
#include "base/records.h"

struct revocation_index {
    struct hmap members; /* struct member: sets by identity. */
    struct hmap stakes;  /* struct stake: networks by set and change. */
};

void revocation_index_init(struct revocation_index *);
void revocation_index_uninit(struct revocation_index *);

/* Fills an empty index with all that there is, whatever the change log says. */
void revocation_index_fill(struct revocation_index *, const struct records *);
/* Takes over the change log, which is to begin where the index was filled or
 * followed last. */
void revocation_index_follow(struct revocation_index *, const struct records *);

/* Ids of the sets that have 'identity', sorted; borrowed until the next follow. */
const uint32_t *revocation_index_sets(const struct revocation_index *, uint32_t identity,
                                      size_t *n);

/* How somebody's membership in a set changes. */
enum membership_change { MEMBER_LEAVES, MEMBER_COMES, N_MEMBERSHIP_CHANGES };
/* Adds those of the 'local' networks, by VNI, that have rules that may deny something
 * by that; and 0 if rules of all networks may. */
void revocation_index_networks(const struct revocation_index *, uint32_t set,
                               enum membership_change, const struct number_set *local,
                               struct number_set *networks);

/* May the loss of such a rule, or of a member of its sets, deny something?  May its
 * coming, or theirs?  False for NULL. */
bool rule_loss_denies(const struct rec_rule *);
bool rule_coming_denies(const struct rec_rule *);

#endif
