/* The objects of some manifest files, all of them checked before any is used. */
#ifndef VIRGACTL_MANIFESTS_H
#define VIRGACTL_MANIFESTS_H 1

#include <jansson.h>
#include <stddef.h>

#include "sources/manifest.h"
#include "sources/object_store.h"

struct svec;

struct manifest_entry {
    const struct manifest *file;
    const struct manifest_document *document;
    const struct resource_kind *kind;
    json_t *object; /* Of the document; its metadata.namespace is set. */
    const char *ns; /* "" if cluster scoped. */
    const char *name;
    char *title; /* object_title() */
};

struct manifests {
    struct manifest *files;
    size_t n_files;
    struct manifest_entry *a; /* Namespaces, nodes, pods, then the rest. */
    size_t n;
};

/* Reads files, "-", and directories (their *.yaml, *.yml and *.json).  Tells
 * every error as "FILE:LINE: FIELD: reason" on standard error; CLI_OK, or
 * CLI_REFUSED with nothing in 'manifests'.  'ns' is for objects that name
 * no namespace. */
int manifests_load(const struct svec *paths, const char *ns, struct manifests *);
void manifests_uninit(struct manifests *);

/* What "FILE:LINE" an entry comes from, for messages; malloc'd. */
char *manifest_entry_where(const struct manifest_entry *);

#endif
