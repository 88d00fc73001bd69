/* What "policy stats" and "matrix" share. */
#ifndef VIRGACTL_COUNTERS_H
#define VIRGACTL_COUNTERS_H 1

#include <jansson.h>

#include "programs/virgactl/cli.h"

struct counters_args {
    enum cli_output output;
    bool cached;
};

/* Leaves the other arguments from optind on. */
int counters_parse_args(struct cli *, int argc, char **argv, const char *command,
                        struct counters_args *);

/* The answer of an API path that takes ?fresh; says which nodes are missing. */
int counters_get(struct cli *, const char *path, const struct counters_args *, json_t **);

/* Members of an object; "" or 0 if absent. */
const char *counter_string(const json_t *, const char *key);
json_int_t counter_integer(const json_t *, const char *key);

#endif
