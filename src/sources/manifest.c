/* Documents: what manifest_reader.c reads becomes objects, items of lists
 * apart, each with its own part of the lines. */
#include "sources/manifest.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "openvswitch/util.h"
#include "sources/manifest_reader.h"
#include "util.h"

static void
document_uninit(struct manifest_document *doc)
{
    json_decref(doc->object);
    free(doc->lines);
}

/* Takes 'object'; copies the lines from 'first', the entry of the object. */
static bool
add_document(struct manifest_reader *r, struct manifest *m, json_t *object, size_t first)
{
    size_t n = r->lines[first].end - first;
    int line = r->lines[first].line;

    if (m->n >= MANIFEST_MAX_DOCUMENTS) {
        manifest_reader_fail(r, line, "more than %d objects", MANIFEST_MAX_DOCUMENTS);
    } else if (!json_is_object(object)) {
        manifest_reader_fail(r, line,
                             "an object must be a mapping of fields, such as \"kind: Pod\"");
    }
    if (r->error) {
        json_decref(object);
        return false;
    }
    if (!(m->n & (m->n - 1))) { /* 0 or a power of 2: full. */
        m->docs = xrealloc(m->docs, (m->n ? 2 * m->n : 1) * sizeof *m->docs);
    }

    struct manifest_document *doc = &m->docs[m->n++];

    doc->object = object;
    doc->line = line;
    doc->lines = xmemdup(&r->lines[first], n * sizeof *doc->lines);
    doc->n_lines = n;
    for (size_t i = 0; i < n; i++) {
        doc->lines[i].end -= first;
    }
    return true;
}

/* The entry below 'parent' with this id, 0 if there is none. */
static size_t
find_line(const struct manifest_line *lines, size_t parent, bool is_element, uint32_t id)
{
    for (size_t i = parent + 1; i < lines[parent].end; i = lines[i].end) {
        if (lines[i].id == id && lines[i].is_element == is_element) {
            return i;
        }
    }
    return 0;
}

/* The length of "X" if the kind is "XList" with items, -1 if it is not. */
static int
list_kind_length(const json_t *object)
{
    static const char suffix[] = "List";
    const char *kind = json_string_value(json_object_get(object, "kind"));
    size_t n = kind ? strlen(kind) : 0;

    if (n < strlen(suffix) || strcmp(kind + n - strlen(suffix), suffix)
        || !json_is_array(json_object_get(object, "items"))) {
        return -1;
    }
    return n - strlen(suffix);
}

/* Items of a typed list, like those that an API server returns, leave out
 * what the list says. */
static void
inherit_kind(json_t *item, const json_t *list, int kind_length)
{
    const char *kind = json_string_value(json_object_get(list, "kind"));

    if (kind_length && json_is_object(item) && !json_object_get(item, "kind")) {
        json_object_set_new(item, "kind", json_stringn(kind, kind_length));
        if (!json_object_get(item, "apiVersion")) {
            json_object_set(item, "apiVersion", json_object_get(list, "apiVersion"));
        }
    }
}

/* The first entry below that of the member 'key' of the root 'object'.  By
 * order, which jansson keeps, and not by hash, which may collide. */
static size_t
elements_line(const struct manifest_line *lines, json_t *object, const char *key)
{
    size_t line = 1;
    const char *other;
    json_t *value;

    json_object_foreach (object, other, value) {
        if (!strcmp(other, key)) {
            break;
        }
        line = lines[line].end;
    }
    return line + 1;
}

static bool
add_items(struct manifest_reader *r, struct manifest *m, json_t *list, int kind_length)
{
    json_t *items = json_object_get(list, "items");
    size_t line = elements_line(r->lines, list, "items");
    size_t i;
    json_t *item;

    json_array_foreach (items, i, item) {
        inherit_kind(item, list, kind_length);
        if (!add_document(r, m, json_incref(item), line)) {
            return false;
        }
        line = r->lines[line].end;
    }
    return true;
}

/* Adds the document that r->lines is about; an empty one is skipped. */
static bool
add_object_or_items(struct manifest_reader *r, json_t *object, void *m_)
{
    struct manifest *m = m_;
    int kind_length = list_kind_length(object);

    if (json_is_null(object)) {
        return true;
    }
    return kind_length >= 0 ? add_items(r, m, object, kind_length)
                            : add_document(r, m, json_incref(object), 0);
}

static void
manifest_init(struct manifest *m, const char *file)
{
    m->file = xstrdup(file);
    m->docs = NULL;
    m->n = 0;
}

char *
manifest_parse(const char *file, const char *text, size_t length, struct manifest *m)
{
    struct manifest_reader r;

    manifest_init(m, file);
    manifest_reader_init(&r, file, text, length);
    if (length > MANIFEST_MAX_BYTES) {
        manifest_reader_fail(&r, 1, "larger than %d bytes", MANIFEST_MAX_BYTES);
    } else {
        manifest_reader_yaml(&r, add_object_or_items, m);
        if (r.error) {
            manifest_uninit(m);
            manifest_init(m, file);
            manifest_reader_json(&r, add_object_or_items, m);
        }
    }
    manifest_reader_uninit(&r);
    if (r.error) {
        manifest_uninit(m);
    }
    return r.error;
}

void
manifest_uninit(struct manifest *m)
{
    for (size_t i = 0; i < m->n; i++) {
        document_uninit(&m->docs[i]);
    }
    free(m->docs);
    free(m->file);
    memset(m, 0, sizeof *m);
}

/* Files. */

/* All of 'stream' up to one byte more than is allowed. */
static char *
read_all(FILE *stream, size_t *length)
{
    size_t allocated = 0;
    char *text = NULL;

    *length = 0;
    do {
        if (*length == allocated) {
            allocated = allocated ? 2 * allocated : 65536;
            text = xrealloc(text, allocated);
        }
        *length += fread(text + *length, 1, allocated - *length, stream);
    } while (!feof(stream) && !ferror(stream) && *length <= MANIFEST_MAX_BYTES);
    return text;
}

char *
manifest_read(const char *file, struct manifest *m)
{
    bool is_stdin = !strcmp(file, "-");
    FILE *stream = is_stdin ? stdin : fopen(file, "re");
    size_t length;
    char *error;

    memset(m, 0, sizeof *m);
    if (!stream) {
        return xasprintf("%s: %s", file, ovs_strerror(errno));
    }

    char *text = read_all(stream, &length);

    if (ferror(stream)) {
        error = xasprintf("%s: %s", file, ovs_strerror(errno));
    } else {
        error = manifest_parse(is_stdin ? "standard input" : file, text, length, m);
    }
    if (!is_stdin) {
        fclose(stream);
    }
    free(text);
    return error;
}

/* Field paths. */

/* Takes one step "name", ".name", "[3]" or "[name]" off the path.  Returns
 * false at its end, or where it makes no sense. */
static bool
next_step(const char **path, const char **name, size_t *length, bool *bracketed)
{
    const char *p = *path + (**path == '.');

    *bracketed = *p == '[';
    if (*bracketed) {
        *name = p + 1;
        *length = strcspn(*name, "]");
        *path = *name + *length;
        if (**path != ']') {
            return false;
        }
        ++*path;
        return true;
    }
    *name = p;
    *length = strcspn(p, ".[");
    *path = p + *length;
    return *length > 0;
}

int
manifest_line(const struct manifest_document *doc, const char *field)
{
    size_t at = 0;
    const char *name;
    size_t length;
    bool bracketed;

    while (next_step(&field, &name, &length, &bracketed)) {
        char *text = xmemdup0(name, length);
        unsigned int index;
        size_t below = find_line(doc->lines, at, false, hash_string(text, 0));

        if (!below && bracketed && str_to_uint(text, 10, &index)) {
            below = find_line(doc->lines, at, true, index);
        }
        free(text);
        if (!below) {
            break;
        }
        at = below;
    }
    return doc->lines[at].line;
}
