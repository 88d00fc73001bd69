/* Objects named on the command line: "KIND NAME...", "KIND/NAME...". */
#ifndef VIRGACTL_REFERENCES_H
#define VIRGACTL_REFERENCES_H 1

#include <stddef.h>

#include "sources/object_store.h"

struct reference {
    const struct resource_kind *kind;
    char *name; /* NULL: all of the kind. */
};

struct references {
    struct reference *a;
    size_t n;
};

/* CLI_OK, or tells what is wrong.  "KIND" alone is a reference without name. */
int references_parse(int argc, char **argv, struct references *);
void references_uninit(struct references *);

#endif
