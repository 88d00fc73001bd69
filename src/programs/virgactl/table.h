/* Text tables with aligned columns.  Pure: cells in, text out. */
#ifndef VIRGACTL_TABLE_H
#define VIRGACTL_TABLE_H 1

#include <stdbool.h>
#include <stddef.h>

#include "openvswitch/compiler.h"

struct ds;
struct table;

enum table_color { COLOR_PLAIN, COLOR_GOOD, COLOR_BAD, COLOR_WARN, COLOR_DIM };

/* One heading per column, upper case; one that begins with '>' is aligned to
 * the right (numbers). */
struct table *table_create(const char *const *headings, size_t n);
void table_destroy(struct table *);

/* Appends a cell; n of them are a row.  An empty cell shows as "-". */
void table_cell(struct table *, const char *fmt, ...) OVS_PRINTF_FORMAT(2, 3);
void table_colored_cell(struct table *, enum table_color, const char *fmt, ...)
    OVS_PRINTF_FORMAT(3, 4);

bool table_is_empty(const struct table *);

/* Sorts the rows by their first cells, as text; equal ones by the next. */
void table_sort(struct table *);

/* No space at the end of a line.  Without rows: nothing. */
void table_format(const struct table *, bool color, struct ds *);
void table_print(const struct table *, bool color);

#endif
