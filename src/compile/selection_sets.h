/* Inside selection: namespace selectors, their links and sets.  For
 * selection.c and selection_sets.c alone. */
#ifndef VIRGA_SELECTION_SETS_H
#define VIRGA_SELECTION_SETS_H 1

#include "compile/selection.h"

struct ns_selector {
    struct hmap_node hmap_node; /* In struct selection 'ns_selectors'. */
    struct selector selector;
    struct selector_filing filing;
    struct ovs_list links; /* struct link 'selector_node'. */
    struct hmap sets;      /* struct pod_set, by pod selector. */
    struct hmap keys;      /* struct key_count: keys of their pod selectors. */
};

struct link {
    struct ns_selector *from;
    struct scope *scope;
    struct ovs_list selector_node;
    struct ovs_list scope_node;
};

struct member_change {
    uint32_t identity;
    uint32_t order; /* Later changes of one identity win. */
    bool add;
};

struct pod_set {
    struct hmap_node hmap_node; /* In struct ns_selector 'sets'. */
    struct hmap_node id_node;   /* In struct selection 'sets_by_id'. */
    struct ns_selector *from;
    struct selector selector;
    struct selector_filing filing;
    uint32_t id;
    size_t n_users;
    struct ovs_list idle_node;  /* In struct selection 'idle' if n_users is 0. */
    struct ovs_list dirty_node; /* In struct selection 'dirty' if is_dirty. */
    bool is_dirty;
    bool is_new;                   /* The record, if any, is of an earlier life. */
    struct member_change *changes; /* To the record's identities. */
    size_t n_changes, allocated_changes;
};

bool key_counts_add(struct hmap *, const char *key);
bool key_counts_remove(struct hmap *, const char *key);
void selection_scope_add_key(struct selection *, struct scope *, const char *key);
void selection_scope_remove_key(struct selection *, struct scope *, const char *key);
void selection_link(struct selection *, struct ns_selector *, struct scope *);
void selection_unlink(struct selection *, struct link *);
void selection_link_all(struct selection *, struct ns_selector *);

/* Adds the identity to (removes it from) the sets of 'from' that match it. */
void selection_match_sets(struct selection *, struct ns_selector *from, const struct identity *,
                          bool add);

#endif
