/* What a plain (unquoted) YAML scalar means: the core schema of YAML 1.2,
 * section 10.3.2.  Differs from YAML 1.1 in that "yes", "on" and "0777" are
 * not a truth value and not octal. */
#ifndef VIRGA_YAML_SCALAR_H
#define VIRGA_YAML_SCALAR_H 1

#include <jansson.h>

/* A new value; NULL for a number that JSON or 64 bits cannot hold, or text
 * that is not UTF-8. */
json_t *yaml_scalar_resolve(const char *text);

#endif
