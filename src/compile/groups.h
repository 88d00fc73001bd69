/* PolicyGroups and NetworkGroups: sets under a name.
 *
 * A group is known as soon as somebody mentions its name.  It has a set while
 * its object is there and some policy uses it: a PolicyGroup the union of all
 * selectors that it comes to, a NetworkGroup one with prefixes.  The number of
 * the set stays while the group changes, so rules do not.
 *
 * A group is in trouble if it does not exist or cannot be made out: it
 * contains a name that does not exist, or itself, or comes to too much.  Users
 * hear when a group gets into trouble or out of it. */
#ifndef VIRGA_GROUPS_COMPILE_H
#define VIRGA_GROUPS_COMPILE_H 1

#include "compile/set_unions.h"
#include "openvswitch/shash.h"

struct compile;
struct entry;
struct group_entry;
struct group_use;
struct worklist;

struct groups {
    struct shash policy_groups;  /* struct group_entry. */
    struct shash network_groups; /* struct group_entry. */
    struct ovs_list idle;        /* struct group_entry without uses. */
    uint64_t walk;               /* Number of the last walk; see group_walk.c. */
};

enum group_kind { GROUP_OF_PODS, GROUP_OF_NETWORKS };

void groups_init(struct groups *);
/* Nobody uses any. */
void groups_uninit(struct compile *);

/* Takes over objects that were set, and queues the users that it concerns. */
void groups_run(struct compile *);
/* Gives up sets that nobody has taken up again. */
void groups_collect(struct compile *);

/* 'user' uses the group; it is queued in 'work' when that gets into trouble or
 * out of it, or its set comes or goes; and if it has asked for the pairs, on
 * every change.  'next' is the user's, for a chain. */
struct group_use {
    struct ovs_list group_node; /* In struct group_entry 'uses'. */
    struct group_use *next;
    struct group_entry *group;
    struct entry *user;
    struct worklist *work;
    bool wants_pairs;
    struct pod_choice *pairs;
};

struct group_use *group_use(struct compile *, enum group_kind, const char *name,
                            struct entry *user, struct worklist *);
void group_unuse(struct compile *, struct group_use *);

/* The number of its set; 0 if it does not exist or comes to too much. */
uint32_t group_use_set(const struct group_use *);
/* NULL, or what is wrong with the group, for people. */
const char *group_use_trouble(const struct group_use *);
/* What a PolicyGroup comes to; valid until the next change of a group. */
const struct pod_choice *group_use_pairs(struct compile *, struct group_use *, size_t *n);

#endif
