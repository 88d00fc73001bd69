/* JSON values as YAML text.  Pure. */
#ifndef VIRGACTL_YAML_OUT_H
#define VIRGACTL_YAML_OUT_H 1

#include <jansson.h>

struct ds;

/* Block style; every string that any YAML reader (1.1 or 1.2) could take for
 * something else is quoted. */
void json_format_yaml(const json_t *, struct ds *);

#endif
