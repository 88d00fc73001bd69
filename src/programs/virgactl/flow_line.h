/* One line of "ovs-ofctl dump-flows", taken apart.  Pure. */
#ifndef VIRGACTL_FLOW_LINE_H
#define VIRGACTL_FLOW_LINE_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "svec.h"

struct flow_line {
    bool has_cookie, has_counters;
    uint64_t cookie;
    char *table;            /* Its name if tables.def has it, else its number. */
    const char *table_help; /* "" if unknown. */
    unsigned int priority;
    unsigned long long int n_packets, n_bytes;
    struct svec match;   /* "ip", "reg0=0x100", ... */
    struct svec actions; /* "ct(commit,zone=...)", "resubmit(,36)", ... */
};

/* False for a line that is no flow: a heading, a comment, an empty line.
 * True: the caller must call flow_line_uninit(). */
bool flow_line_parse(const char *line, struct flow_line *);
void flow_line_uninit(struct flow_line *);

/* The name of a table by its number or name; NULL if there is none. */
const char *flow_table_name(const char *number_or_name, const char **help);

#endif
