/* Objects as tables, like kubectl's.  Pure. */
#ifndef VIRGACTL_OBJECT_TABLE_H
#define VIRGACTL_OBJECT_TABLE_H 1

#include <jansson.h>
#include <stdbool.h>
#include <time.h>

#include "sources/object_store.h"

struct table;

/* 'items': an array of objects of one kind.  'namespaces': with a column for
 * the namespace.  'now' is what AGE is measured from. */
struct table *object_table(const struct resource_kind *, const json_t *items, bool namespaces,
                           bool wide, time_t now);

#endif
