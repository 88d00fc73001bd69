/* How many flows of ours the switch has, by table, to find out whether somebody
 * else changed them.  Does no I/O.
 *
 * Some tables are open: flows come and go in them without being desired,
 * learned by the switch or ended by a timeout.  Those are not counted. */
#ifndef VIRGA_FLOW_COUNTS_H
#define VIRGA_FLOW_COUNTS_H 1

#include <stdbool.h>
#include <stdint.h>

#include "openflow/flow_bundle.h"

struct ofpbuf;

struct flow_counts {
    int64_t n[FLOW_BUNDLE_MAX_TABLE];
};

void flow_counts_clear(struct flow_counts *);
void flow_counts_add(struct flow_counts *, const struct flow_bundle *confirmed);
uint64_t flow_counts_total(const struct flow_counts *);
/* Compares with a reply to ofp_message_table_stats_request(); says in the log,
 * as 'name', where they differ. */
bool flow_counts_compare(const struct flow_counts *, struct ofpbuf *reply, const char *name);

/* Is a flow with this cookie in this table one of an open table's own? */
bool flow_counts_is_open(uint8_t table_id, uint64_t cookie);

#endif
