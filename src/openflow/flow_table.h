/* A table of OpenFlow flows with owners and a change log.
 *
 * One key (table, priority, match) is one flow.  Several owners may contribute
 * to one key if all their actions are conjunction(): their actions merge,
 * sorted, and a flow goes when its last contribution goes.  For other actions
 * the lowest owner wins and the next takes over when it leaves; so the table
 * never depends on the order of calls.
 *
 * The change log holds each key once; flow_table_diff() turns two tables, or
 * flow_table_changes() the log, into additions, modifications and deletions. */
#ifndef VIRGA_FLOW_TABLE_H
#define VIRGA_FLOW_TABLE_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "openvswitch/hmap.h"
#include "openvswitch/match.h"
#include "openvswitch/ofp-actions.h"

struct ds;

/* Who contributed a flow: a kind and a number. */
struct flow_owner {
    uint32_t kind; /* enum record_kind, or one of these. */
    uint32_t key;
};
enum { FLOW_OWNER_STATIC = 100, FLOW_OWNER_CONFIG = 101, FLOW_OWNER_GUARD = 102 };

/* The flow of one key, as it should be in the switch ("struct flow" is the name
 * that OVS gives to the headers of a packet). */
struct flow_entry {
    struct hmap_node hmap_node;
    uint8_t table_id;
    uint16_t priority;
    struct minimatch match;
    uint64_t cookie;
    uint16_t flags; /* OFPUTIL_FF_* */
    struct ofpact *ofpacts;
    size_t ofpacts_len;
};

struct flow_table;
struct flow_table *flow_table_create(void);
void flow_table_destroy(struct flow_table *);

/* Adds one contribution.  Copies match and actions. */
void flow_table_add(struct flow_table *, struct flow_owner, uint8_t table_id, uint16_t priority,
                    uint64_t cookie, const struct match *, const struct ofpact *,
                    size_t ofpacts_len);
/* The same with flags of the flow's state (OFPUTIL_FF_SEND_FLOW_REM ...). */
void flow_table_add_flags(struct flow_table *, struct flow_owner, uint8_t table_id,
                          uint16_t priority, uint64_t cookie, uint16_t flags, const struct match *,
                          const struct ofpact *, size_t ofpacts_len);
/* Replacing an owner's flows: begin, add what it has now, end; contributions
 * of that owner that were not added again are dropped.  Equal flows are not
 * logged as changes. */
void flow_table_replace_begin(struct flow_table *, struct flow_owner);
void flow_table_replace_end(struct flow_table *, struct flow_owner);
void flow_table_remove_owner(struct flow_table *, struct flow_owner);

size_t flow_table_count(const struct flow_table *);
/* Unordered walk; no change of the table meanwhile. */
const struct flow_entry *flow_table_first(const struct flow_table *);
const struct flow_entry *flow_table_next(const struct flow_table *, const struct flow_entry *);
const struct flow_entry *flow_table_find(const struct flow_table *, uint8_t table_id,
                                         uint16_t priority, const struct minimatch *);

/* One thing to send. */
enum flow_change_op { FLOW_ADD, FLOW_MODIFY, FLOW_DELETE };
struct flow_change {
    enum flow_change_op op;
    const struct flow_entry
        *flow;                    /* Borrowed; for FLOW_DELETE from the log or from 'installed'. */
    const struct flow_entry *was; /* Borrowed; what FLOW_MODIFY and FLOW_DELETE end. */
};
struct flow_changes {
    struct flow_change *a;
    size_t n, allocated;
};
void flow_changes_uninit(struct flow_changes *);
/* Since flow_table_clear_changes(). */
void flow_table_changes(const struct flow_table *, struct flow_changes *);
/* False if there are none.  Cheap, unlike the list itself, for which the claims of
 * each flow that moved are put together; so true even if they cancel out. */
bool flow_table_may_have_changes(const struct flow_table *);
/* Puts them together now, so that the next question finds it done. */
void flow_table_settle(const struct flow_table *);
void flow_table_clear_changes(struct flow_table *);
/* From 'installed' to 'desired', all keys.  Cookies, flags and actions count. */
void flow_table_diff(const struct flow_table *desired, const struct flow_table *installed,
                     struct flow_changes *);

bool flow_entry_same_key(const struct flow_entry *, const struct flow_entry *);
/* Same cookie, flags and actions. */
bool flow_entry_same_content(const struct flow_entry *, const struct flow_entry *);

/* ovs-ofctl syntax with table names, sorted by table, priority (down), match;
 * one flow a line, no counters. */
void flow_table_format(const struct flow_table *, struct ds *);
void flow_entry_format(const struct flow_entry *, struct ds *);

#endif
