#include "openflow/flow_table.h"

#include <stdlib.h>
#include <string.h>

#include "openflow/pipeline.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-table.h"
#include "openvswitch/util.h"
#include "util.h"

void
flow_entry_format(const struct flow_entry *f, struct ds *ds)
{
    const struct ofputil_table_map *tables = pipeline_tables();

    ds_put_format(ds, "cookie=0x%" PRIx64 ", table=", f->cookie);
    ofputil_format_table(f->table_id, tables, ds);
    ds_put_cstr(ds, ", ");
    if (f->flags) {
        ofputil_flow_mod_flags_format(ds, f->flags);
    }
    /* Its own priority, also where OVS leaves out the default one. */
    ds_put_format(ds, "priority=%d", f->priority);
    size_t mark = ds->length;
    minimatch_format(&f->match, NULL, NULL, ds, OFP_DEFAULT_PRIORITY);
    if (ds->length > mark) {
        ds_put_char(ds, '\0');
        memmove(ds->string + mark + 1, ds->string + mark, ds->length - mark - 1);
        ds->string[mark] = ',';
    }
    ds_put_cstr(ds, " actions=");
    struct ofpact_format_params fp = { .table_map = tables, .s = ds };
    ofpacts_format(f->ofpacts, f->ofpacts_len, &fp);
}

struct line {
    const struct flow_entry *flow;
    char *text;
};

static int
line_compare(const void *a_, const void *b_)
{
    const struct line *a = a_, *b = b_;

    if (a->flow->table_id != b->flow->table_id) {
        return a->flow->table_id < b->flow->table_id ? -1 : 1;
    }
    if (a->flow->priority != b->flow->priority) {
        return a->flow->priority > b->flow->priority ? -1 : 1;
    }
    return strcmp(a->text, b->text);
}

/* By match rather than by cookie: the text without its cookie sorts. */
static char *
line_text(const struct flow_entry *f)
{
    struct flow_entry copy = *f;
    struct ds ds = DS_EMPTY_INITIALIZER;

    copy.cookie = 0;
    copy.flags = 0;
    flow_entry_format(&copy, &ds);
    return ds_steal_cstr(&ds);
}

void
flow_table_format(const struct flow_table *ft, struct ds *ds)
{
    size_t count = flow_table_count(ft), n = 0;
    struct line *lines = xmalloc(count * sizeof *lines);

    for (const struct flow_entry *f = flow_table_first(ft); f; f = flow_table_next(ft, f)) {
        lines[n++] = (struct line){ .flow = f, .text = line_text(f) };
    }
    qsort(lines, n, sizeof *lines, line_compare);
    for (size_t i = 0; i < n; i++) {
        flow_entry_format(lines[i].flow, ds);
        ds_put_char(ds, '\n');
        free(lines[i].text);
    }
    free(lines);
}
