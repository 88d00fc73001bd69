/* Inside selection: namespace selectors, their links and sets.  For
 * selection.c, selection_sets.c, set_unions.c and port_numbers.c alone. */
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

/* What a set has instead of id and record if it is there for its watches. */
struct port_numbers {
    const char *key;         /* The named port. */
    struct hmap counts;      /* struct key_count: members by number. */
    struct ovs_list watches; /* struct port_watch 'set_node'. */
};

/* The record of a set, and what its identities still lack. */
struct set_record {
    uint32_t id;
    const char *text; /* NULL: that of the pod_set that it belongs to. */
    bool is_new;      /* The record, if any, is of an earlier life. */
    bool is_dirty;
    struct ovs_list dirty_node;    /* In struct selection 'dirty' if is_dirty. */
    struct member_change *changes; /* To the record's identities. */
    size_t n_changes, allocated_changes;
};

/* What a set is there for; each use has sets of its own. */
enum pod_set_use {
    POD_SET_RECORD,  /* Rules refer to it. */
    POD_SET_NUMBERS, /* For its watches; see 'numbers'. */
    POD_SET_PART,    /* For the unions that it is part of. */
};

struct pod_set {
    struct hmap_node hmap_node; /* In struct ns_selector 'sets'. */
    struct hmap_node id_node;   /* In struct selection 'sets_by_id' if POD_SET_RECORD. */
    enum pod_set_use use;
    struct ns_selector *from;
    struct selector selector;
    struct selector_filing filing;
    uint32_t n_users;
    struct ovs_list idle_node;    /* In struct selection 'idle' if n_users is 0. */
    struct set_record record;     /* POD_SET_NUMBERS: only for 'dirty_node', in 'renumbered'. */
    struct port_numbers *numbers; /* NULL unless POD_SET_NUMBERS. */
    struct ovs_list unions;       /* struct union_part 'set_node'. */
};

bool key_counts_add(struct hmap *, const char *key);
bool key_counts_remove(struct hmap *, const char *key);
void selection_scope_add_key(struct selection *, struct scope *, const char *key);
void selection_scope_remove_key(struct selection *, struct scope *, const char *key);
void selection_link(struct selection *, struct ns_selector *, struct scope *);
void selection_unlink(struct selection *, struct link *);
void selection_link_all(struct selection *, struct ns_selector *);

/* The set of these pods for this use, made if there is none; 'port_key' is that
 * of POD_SET_NUMBERS. */
struct pod_set *pod_set_get(struct selection *, const struct selector *namespaces,
                            const struct selector *pods, enum pod_set_use, const char *port_key);
void pod_set_ref(struct pod_set *);
void pod_set_unref(struct selection *, struct pod_set *);

/* Calls 'cb' for each identity in the set. */
void pod_set_each(const struct pod_set *, void (*cb)(const struct identity *, void *aux),
                  void *aux);

/* Gives it a number, that of an earlier life if there was one. */
void set_record_init(struct selection *, struct set_record *, const char *text);
void set_record_note(struct selection *, struct set_record *, uint32_t identity, bool add);
void set_record_uninit(struct selection *, struct set_record *);

/* set_unions.c: a member of a part appears or goes. */
void set_unions_note(struct selection *, struct pod_set *, const struct identity *, bool add);

/* port_numbers.c */
struct port_numbers *port_numbers_create(const char *key);
void port_numbers_destroy(struct port_numbers *);
void port_numbers_note(struct selection *, struct pod_set *, const struct identity *, bool add);

/* Adds the identity to (removes it from) the sets of 'from' that match it. */
void selection_match_sets(struct selection *, struct ns_selector *from, const struct identity *,
                          bool add);

#endif
