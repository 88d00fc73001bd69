#include "openflow/flow_counts.h"

#include <inttypes.h>
#include <string.h>

#include "openflow/pipeline.h"
#include "openvswitch/ofp-table.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vlog.h"

VLOG_DEFINE_THIS_MODULE(flow_counts);

void
flow_counts_clear(struct flow_counts *counts)
{
    memset(counts, 0, sizeof *counts);
}

void
flow_counts_add(struct flow_counts *counts, const struct flow_bundle *bundle)
{
    for (int i = 0; i < FLOW_BUNDLE_MAX_TABLE; i++) {
        counts->n[i] += bundle->n_added[i];
    }
}

uint64_t
flow_counts_total(const struct flow_counts *counts)
{
    int64_t n = 0;
    for (int i = 0; i < FLOW_BUNDLE_MAX_TABLE; i++) {
        n += counts->n[i];
    }
    return n;
}

bool
flow_counts_is_open(uint8_t table_id, uint64_t cookie)
{
    uint8_t feature = VIRGA_COOKIE_FEATURE(cookie);
    return (table_id == TABLE_matrix_learned && feature == COOKIE_MATRIX)
           || (table_id == TABLE_dns_hold && feature == COOKIE_DNS);
}

static bool
is_open_table(uint8_t table_id)
{
    return table_id == TABLE_matrix_learned || table_id == TABLE_dns_hold;
}

bool
flow_counts_compare(const struct flow_counts *counts, struct ofpbuf *reply, const char *name)
{
    bool good = true;
    struct ofputil_table_stats stats;
    struct ofputil_table_features features;
    while (!ofputil_decode_table_stats_reply(reply, &stats, &features)) {
        if (stats.table_id < FLOW_BUNDLE_MAX_TABLE && !is_open_table(stats.table_id)
            && stats.active_count != counts->n[stats.table_id]) {
            VLOG_WARN("%s: table %u has %u flows, not %" PRId64 "; reading all flows again", name,
                      stats.table_id, stats.active_count, counts->n[stats.table_id]);
            good = false;
        }
    }
    return good;
}
