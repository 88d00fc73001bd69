/* What waits to be written to the database.
 *
 * A set of wishes by key: the last put or delete of a key counts.  While one
 * set is on its way in a transaction, the next collects; when a transaction
 * has to be repeated, the younger set is merged over the older one.  Pure. */
#ifndef VIRGA_STORE_CHANGES_H
#define VIRGA_STORE_CHANGES_H 1

#include "base/records.h"
#include "sset.h"
#include "store/store.h"

struct record_change {
    struct hmap_node hmap_node; /* In struct changes, by kind and key. */
    enum record_kind kind;
    uint32_t key;
    struct record *record; /* NULL: delete. */
};

struct object_change {
    struct hmap_node hmap_node;
    struct store_object object; /* json NULL: delete. */
};

struct counter_change {
    struct hmap_node hmap_node;
    struct counter counter;
};

struct changes {
    struct hmap records;       /* struct record_change */
    struct hmap objects;       /* struct object_change */
    struct hmap counters;      /* struct counter_change */
    struct sset gone_nodes;    /* Names of nodes whose rows are deleted. */
    char *compile_counters;    /* NULL: unchanged. */
    uint64_t resource_version; /* 0: unchanged. */
    uint64_t stats_request;    /* 0: unchanged. */
    bool touched;              /* Some put was made, perhaps of nothing. */
};

void changes_init(struct changes *);
void changes_clear(struct changes *);
void changes_uninit(struct changes *);
void changes_swap(struct changes *, struct changes *);

/* Moves the wishes of 'newer' over those of 'older'; 'newer' is empty then. */
void changes_merge(struct changes *older, struct changes *newer);

/* 'record_take' NULL: delete. */
void changes_put_record(struct changes *, enum record_kind, uint32_t key,
                        struct record *record_take);
void changes_put_object(struct changes *, const struct store_object *);
void changes_forget_node(struct changes *, const char *name);
void changes_put_counter(struct changes *, const struct counter *);
void changes_set_compile_counters(struct changes *, const char *);

#endif
