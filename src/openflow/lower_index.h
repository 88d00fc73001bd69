/* What lower.c remembers of the records that it has seen, so that a change
 * finds what depends on it: endpoints by name and by node, rules by set. */
#ifndef VIRGA_LOWER_INDEX_H
#define VIRGA_LOWER_INDEX_H 1

#include "base/records.h"
#include "openflow/lower_ids.h"
#include "openvswitch/types.h"

/* An endpoint as the last run saw it. */
struct place {
    struct hmap_node by_id;
    struct hmap_node by_name;
    struct hmap_node by_node;
    uint32_t id;
    uint32_t node;
    uint32_t identity;
    uint32_t vni;
    ofp_port_t port; /* 0: not attached here; no flows of a local endpoint. */
    char *name;
    char *uid;
};

struct place_index {
    struct hmap by_id, by_name, by_node;
};

void place_index_init(struct place_index *);
void place_index_uninit(struct place_index *);
struct place *place_find(const struct place_index *, uint32_t id);
struct place *place_find_name(const struct place_index *, const char *name, const char *uid);
/* What 'ep' says replaces the old place; 'port' goes with it. */
struct place *place_set(struct place_index *, const struct rec_endpoint *, ofp_port_t port);
void place_remove(struct place_index *, struct place *);
/* Marks the endpoints called 'name', whatever their uid. */
void place_mark_name(const struct place_index *, const char *name, struct lower_ids *endpoints);
void place_mark_node(const struct place_index *, uint32_t node, struct lower_ids *endpoints);
void place_mark_all(const struct place_index *, struct lower_ids *endpoints);

/* Which rules use which sets. */
struct use_index {
    struct hmap sets;  /* struct set_users. */
    struct hmap rules; /* struct rule_uses. */
};

void use_index_init(struct use_index *);
void use_index_uninit(struct use_index *);
/* 'rule' NULL: it is gone. */
void use_index_set_rule(struct use_index *, uint32_t id, const struct rec_rule *rule);
void use_index_mark_set(const struct use_index *, uint32_t set, struct lower_ids *rules);
/* Marks the rules with one of 'identities' among their subjects. */
void use_index_mark_subjects(const struct use_index *, const struct records *,
                             const struct lower_ids *identities, struct lower_ids *rules);

#endif
