/* JSON Patch (RFC 6902). */
#ifndef VIRGA_JSON_PATCH_H
#define VIRGA_JSON_PATCH_H 1

#include <jansson.h>

/* Applies 'patch', an array of operations, to a copy of 'document'; all of
 * them or none.  NULL and sets *result, or a malloc'd message. */
char *json_patch(const json_t *document, const json_t *patch, json_t **result)
    __attribute__((warn_unused_result));

#endif
