/* The labelSelector and fieldSelector of a list or a watch, applied to the
 * JSON of objects.
 *
 * Unlike model/labels.h, which interns keys and values for the life of the
 * process, nothing of a client's query stays. */
#ifndef VIRGA_OBJECT_FILTER_H
#define VIRGA_OBJECT_FILTER_H 1

#include <jansson.h>
#include <stdbool.h>

struct resource_kind;

struct object_filter;

/* Either text may be "".  NULL, or a malloc'd message in the words of
 * apimachinery; then *filter is NULL. */
char *object_filter_create(const struct resource_kind *, const char *label_selector,
                           const char *field_selector, struct object_filter **filter)
    __attribute__((warn_unused_result));
void object_filter_destroy(struct object_filter *);

bool object_filter_matches(const struct object_filter *, const json_t *object);
/* It lets everything pass. */
bool object_filter_is_empty(const struct object_filter *);

#endif
