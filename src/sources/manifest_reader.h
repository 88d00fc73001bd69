/* Text to JSON values that remember lines, one document at a time.  The lower
 * half of manifest.c, which alone uses it.
 *
 * Beside each value stand its lines: one entry per node in document order,
 * each with the place where its subtree ends.  A field path is looked up by
 * walking down from the root, over siblings by their ends.  Names are kept as
 * hashes: two names of one object that collide would only give the line of
 * the neighbour. */
#ifndef VIRGA_MANIFEST_READER_H
#define VIRGA_MANIFEST_READER_H 1

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yaml.h>

struct manifest_line {
    uint32_t id;  /* hash_string() of the name, or index of the element. */
    uint32_t end; /* First entry after the subtree. */
    int line;
    bool is_element;
};

struct manifest_reader {
    const char *file;
    const char *text;
    size_t length;
    char *error; /* The first one, "FILE:LINE: reason"; malloc'd. */

    /* Of the document under way. */
    struct manifest_line *lines;
    size_t n_lines, allocated_lines;

    yaml_parser_t parser;
    yaml_event_t event; /* The current one. */
    bool has_event;
};

void manifest_reader_init(struct manifest_reader *, const char *file, const char *text,
                          size_t length);
/* Frees all but the error. */
void manifest_reader_uninit(struct manifest_reader *);

/* Notes an error, if it is the first. */
void manifest_reader_fail(struct manifest_reader *, size_t line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Called for each document, null for an empty one, with r->lines about it.
 * Borrows 'object'.  False: stop, an error is noted. */
typedef bool manifest_document_cb(struct manifest_reader *r, json_t *object, void *aux);

void manifest_reader_yaml(struct manifest_reader *r, manifest_document_cb *cb, void *aux);
/* Reads the text, which is not YAML, as one JSON object; if it is one, forgets
 * what was wrong with it. */
void manifest_reader_json(struct manifest_reader *r, manifest_document_cb *cb, void *aux);

#endif
