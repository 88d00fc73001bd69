/* Kinds, names and API paths of objects, as a person types them. */
#ifndef VIRGACTL_OBJECTS_H
#define VIRGACTL_OBJECTS_H 1

#include <jansson.h>
#include <stdbool.h>

#include "sources/object_store.h"

/* The kind that a word names; NULL after telling which words there are. */
const struct resource_kind *kind_from_word(const char *);

/* Path of an object, or with 'name' NULL of a list; 'ns' NULL: all
 * namespaces; 'query' NULL or "dryRun=All".  Malloc'd, escaped. */
char *object_path(const struct resource_kind *, const char *ns, const char *name,
                  const char *query);

/* "networkpolicy/shop/redis", "namespace/shop": how output names an object. */
char *object_title(const struct resource_kind *, const char *ns, const char *name);

/* The string at metadata.KEY, or "". */
const char *object_meta_string(const json_t *object, const char *key);

#endif
