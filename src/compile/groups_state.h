/* Inside groups: what is known of one group.  For groups.c, group_walk.c and
 * the oracle alone. */
#ifndef VIRGA_GROUPS_STATE_H
#define VIRGA_GROUPS_STATE_H 1

#include "compile/groups.h"
#include "compile/state.h"
#include "model/groups.h"

struct group_link {
    struct ovs_list child_node; /* In struct group_entry 'parents' of 'child'. */
    struct group_entry *parent, *child;
};

struct group_entry {
    struct entry entry;
    enum group_kind kind;
    char *name;
    struct policy_group *pods, *next_pods;          /* GROUP_OF_PODS. */
    struct network_group *networks, *next_networks; /* GROUP_OF_NETWORKS. */
    struct group_selector *own;                     /* What it lists itself. */
    size_t n_own;
    struct group_link *links; /* To the groups that it lists. */
    size_t n_links;
    struct ovs_list parents; /* struct group_link 'child_node'. */
    struct ovs_list uses;    /* struct group_use. */
    struct ovs_list idle_node;
    bool is_idle;
    char *trouble;             /* NULL if there is none. */
    struct set_union *members; /* GROUP_OF_PODS with uses. */
    uint32_t set;              /* Of 'members', or of the prefixes; 0: none. */
    struct problem *problem;
    uint64_t visited; /* By which walk. */
    bool on_path;     /* Of that walk. */
};

struct group_entry *group_entry_get(struct compile *, enum group_kind, const char *name);
bool group_exists(const struct group_entry *);

/* All groups that 'group' comes to, itself first; '*trouble' is a new string,
 * or NULL.  The caller frees the array. */
struct group_entry **group_walk(struct compile *, struct group_entry *group, size_t *n,
                                char **trouble);
/* All groups that come to one of 'groups', these among them, in order of appearance. */
struct group_entry **group_walk_up(struct compile *, struct group_entry *const *groups, size_t n,
                                   size_t *n_all);

/* What the group lists itself, with the label that puts pods into it. */
struct group_selector *group_own_selectors(const struct policy_group *, size_t *n);

#endif
