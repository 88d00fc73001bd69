/* Manifest files: YAML (or JSON, which is YAML) documents as JSON objects
 * that remember the line of every field.  libyaml underneath; anchors and
 * aliases are refused, depth, size and number of documents are capped.
 * Scalars resolve by the YAML 1.2 core schema, as Kubernetes' reader does:
 * quoted is always text; null, true, false, numbers are themselves. */
#ifndef VIRGA_MANIFEST_H
#define VIRGA_MANIFEST_H 1

#include <jansson.h>
#include <stddef.h>

enum {
    MANIFEST_MAX_BYTES = 64 * 1024 * 1024,
    MANIFEST_MAX_DOCUMENTS = 100000,
    MANIFEST_MAX_DEPTH = 64,
};

struct manifest_document {
    json_t *object;
    int line;                    /* Of its first token, 1-based. */
    struct manifest_line *lines; /* Opaque index: field path to line. */
    size_t n_lines;
};

struct manifest {
    char *file;
    struct manifest_document *docs;
    size_t n;
};

/* A "List" document is expanded into its items.  Empty documents are skipped.
 * NULL or a malloc'd message "FILE:LINE: reason". */
char *manifest_parse(const char *file, const char *text, size_t length, struct manifest *)
    __attribute__((warn_unused_result));
/* Reads 'file' ("-": standard input). */
char *manifest_read(const char *file, struct manifest *) __attribute__((warn_unused_result));
void manifest_uninit(struct manifest *);

/* The line of a field path ("spec.ingress[0].ports[1].endPort"); that of the
 * nearest parent if the field itself is absent. */
int manifest_line(const struct manifest_document *, const char *field);

#endif
