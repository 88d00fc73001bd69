/* One pass over libyaml's events builds the value and the lines. */
#include "sources/manifest_reader.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "openvswitch/util.h"
#include "sources/manifest.h"
#include "sources/yaml_scalar.h"
#include "util.h"

void
manifest_reader_init(struct manifest_reader *r, const char *file, const char *text, size_t length)
{
    memset(r, 0, sizeof *r);
    r->file = file;
    r->text = text;
    r->length = length;
}

void
manifest_reader_uninit(struct manifest_reader *r)
{
    free(r->lines);
}

/* Errors. */

void
manifest_reader_fail(struct manifest_reader *r, size_t line, const char *fmt, ...)
{
    va_list args;

    if (r->error) {
        return;
    }
    va_start(args, fmt);
    char *reason = xvasprintf(fmt, args);
    va_end(args);
    r->error = xasprintf("%s:%" PRIuSIZE ": %s", r->file, line, reason);
    free(reason);
}

static size_t
line_of_offset(const char *text, size_t offset)
{
    size_t line = 1;

    for (size_t i = 0; i < offset; i++) {
        line += text[i] == '\n';
    }
    return line;
}

static void
fail_by_parser(struct manifest_reader *r)
{
    const yaml_parser_t *p = &r->parser;
    const char *problem = p->problem ? p->problem : "out of memory";

    if (p->error == YAML_READER_ERROR) { /* Knows bytes, not lines. */
        manifest_reader_fail(r, line_of_offset(r->text, p->problem_offset), "%s", problem);
    } else if (p->context && p->context_mark.line != p->problem_mark.line) {
        manifest_reader_fail(r, p->problem_mark.line + 1, "%s, %s that starts on line %" PRIuSIZE,
                             problem, p->context, p->context_mark.line + 1);
    } else {
        manifest_reader_fail(r, p->problem_mark.line + 1, "%s%s%s", problem,
                             p->context ? ", " : "", p->context ? p->context : "");
    }
}

/* Events. */

static size_t
event_line(const struct manifest_reader *r)
{
    return r->event.start_mark.line + 1;
}

static void
drop_event(struct manifest_reader *r)
{
    if (r->has_event) {
        yaml_event_delete(&r->event);
        r->has_event = false;
    }
}

static bool
next_event(struct manifest_reader *r)
{
    drop_event(r);
    if (!yaml_parser_parse(&r->parser, &r->event)) {
        fail_by_parser(r);
        return false;
    }
    r->has_event = true;
    return true;
}

/* Lines. */

static size_t
begin_line(struct manifest_reader *r, uint32_t id, bool is_element, size_t line)
{
    if (r->n_lines == r->allocated_lines) {
        r->lines = x2nrealloc(r->lines, &r->allocated_lines, sizeof *r->lines);
    }
    r->lines[r->n_lines] = (struct manifest_line){ id, 0, line, is_element };
    return r->n_lines++;
}

static void
end_line(struct manifest_reader *r, size_t i)
{
    r->lines[i].end = r->n_lines;
}

/* Nodes.  Each reader of one starts at its first event, ends at its last, and
 * returns NULL with an error noted. */

static json_t *read_node(struct manifest_reader *, int depth);

/* Anchors make a small file into a large object; tags make a file that
 * Kubernetes reads in another way. */
static bool
check_properties(struct manifest_reader *r, const yaml_char_t *anchor, const yaml_char_t *tag,
                 const char *const *tags)
{
    if (anchor) {
        manifest_reader_fail(r, event_line(r), "anchors (&%.64s) are not supported", anchor);
        return false;
    }
    for (; tag && *tags; tags++) {
        if (!strcmp((const char *) tag, *tags)) {
            return true;
        }
    }
    if (tag) {
        manifest_reader_fail(r, event_line(r), "the tag %.64s is not supported here", tag);
    }
    return !tag;
}

static json_t *
read_scalar(struct manifest_reader *r)
{
    static const char *const tags[] = { "!",           YAML_STR_TAG,  YAML_INT_TAG, YAML_FLOAT_TAG,
                                        YAML_BOOL_TAG, YAML_NULL_TAG, NULL };
    const char *tag = (const char *) r->event.data.scalar.tag;
    const char *text = (const char *) r->event.data.scalar.value;
    bool is_text = tag ? !strcmp(tag, "!") || !strcmp(tag, YAML_STR_TAG)
                       : r->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;

    if (!check_properties(r, r->event.data.scalar.anchor, r->event.data.scalar.tag, tags)) {
        return NULL;
    }
    if (strlen(text) != r->event.data.scalar.length) {
        manifest_reader_fail(r, event_line(r), "text must not contain a NUL character");
        return NULL;
    }

    json_t *value = is_text ? json_string(text) : yaml_scalar_resolve(text);

    if (!value) {
        manifest_reader_fail(r, event_line(r), "\"%.64s\" is not a value that JSON can hold",
                             text);
    }
    return value;
}

static json_t *
read_sequence(struct manifest_reader *r, int depth)
{
    static const char *const tags[] = { "!", YAML_SEQ_TAG, NULL };
    json_t *array = json_array();

    if (!check_properties(r, r->event.data.sequence_start.anchor, r->event.data.sequence_start.tag,
                          tags)) {
        goto error;
    }
    for (uint32_t i = 0; next_event(r); i++) {
        if (r->event.type == YAML_SEQUENCE_END_EVENT) {
            return array;
        }

        size_t line = begin_line(r, i, true, event_line(r));
        json_t *element = read_node(r, depth + 1);

        if (!element) {
            break;
        }
        json_array_append_new(array, element);
        end_line(r, line);
    }

error:
    json_decref(array);
    return NULL;
}

/* The text of the key at the current event, malloc'd. */
static char *
read_key(struct manifest_reader *r, const json_t *object)
{
    if (r->event.type != YAML_SCALAR_EVENT) {
        manifest_reader_fail(r, event_line(r), "a key must be text");
        return NULL;
    }

    json_t *value = read_scalar(r); /* Checks it; 80: and "80": are one key. */

    if (!value) {
        return NULL;
    }
    json_decref(value);

    const char *key = (const char *) r->event.data.scalar.value;

    if (json_object_get(object, key)) {
        manifest_reader_fail(r, event_line(r), "key \"%.64s\" is there twice", key);
        return NULL;
    }
    return xstrdup(key);
}

static bool
read_member(struct manifest_reader *r, json_t *object, int depth)
{
    size_t key_line = event_line(r);
    char *key = read_key(r, object);
    bool ok = false;

    if (key && next_event(r)) {
        size_t line = begin_line(r, hash_string(key, 0), false, key_line);
        json_t *value = read_node(r, depth + 1);

        if (value) {
            ok = !json_object_set_new(object, key, value);
            if (!ok) {
                manifest_reader_fail(r, key_line, "key \"%.64s\" is not UTF-8 text", key);
            }
        }
        end_line(r, line);
    }
    free(key);
    return ok;
}

static json_t *
read_mapping(struct manifest_reader *r, int depth)
{
    static const char *const tags[] = { "!", YAML_MAP_TAG, NULL };
    json_t *object = json_object();

    if (!check_properties(r, r->event.data.mapping_start.anchor, r->event.data.mapping_start.tag,
                          tags)) {
        goto error;
    }
    while (next_event(r)) {
        if (r->event.type == YAML_MAPPING_END_EVENT) {
            return object;
        }
        if (!read_member(r, object, depth)) {
            break;
        }
    }

error:
    json_decref(object);
    return NULL;
}

static json_t *
read_node(struct manifest_reader *r, int depth)
{
    if (depth > MANIFEST_MAX_DEPTH) {
        manifest_reader_fail(r, event_line(r), "nested more than %d levels deep",
                             MANIFEST_MAX_DEPTH);
        return NULL;
    }
    switch (r->event.type) {
    case YAML_SCALAR_EVENT:
        return read_scalar(r);
    case YAML_SEQUENCE_START_EVENT:
        return read_sequence(r, depth);
    case YAML_MAPPING_START_EVENT:
        return read_mapping(r, depth);
    case YAML_ALIAS_EVENT:
        manifest_reader_fail(r, event_line(r), "aliases (*%.64s) are not supported",
                             r->event.data.alias.anchor);
        return NULL;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        break;
    }
    OVS_NOT_REACHED();
}

/* Documents. */

/* At the event after the document's start. */
static bool
read_document(struct manifest_reader *r, manifest_document_cb *cb, void *aux)
{
    r->n_lines = 0;
    begin_line(r, 0, false, event_line(r));

    json_t *object = read_node(r, 1);

    end_line(r, 0);

    bool ok = object && cb(r, object, aux);

    json_decref(object);
    return ok;
}

static void
read_stream(struct manifest_reader *r, manifest_document_cb *cb, void *aux)
{
    while (next_event(r) && r->event.type != YAML_STREAM_END_EVENT) {
        if (r->event.type == YAML_DOCUMENT_START_EVENT
            && (!next_event(r) || !read_document(r, cb, aux))) {
            return;
        }
    }
}

void
manifest_reader_yaml(struct manifest_reader *r, manifest_document_cb *cb, void *aux)
{
    if (!yaml_parser_initialize(&r->parser)) {
        manifest_reader_fail(r, 1, "out of memory");
        return;
    }
    yaml_parser_set_input_string(&r->parser, (const unsigned char *) r->text, r->length);
    read_stream(r, cb, aux);
    drop_event(r);
    yaml_parser_delete(&r->parser);
}

/* JSON that is not YAML.  JSON text may hold characters that YAML does not
 * allow, and escapes of UTF-16 pairs, and API servers send them.  Such a file
 * has no lines for its fields, only that of its start. */

static bool
index_json(struct manifest_reader *r, uint32_t id, bool is_element, const json_t *value,
           size_t line, int depth)
{
    size_t self = begin_line(r, id, is_element, line);
    const char *key;
    json_t *member;
    size_t i;
    bool ok = depth <= MANIFEST_MAX_DEPTH;

    if (ok && json_is_object(value)) {
        json_object_foreach ((json_t *) value, key, member) {
            ok = ok && index_json(r, hash_string(key, 0), false, member, line, depth + 1);
        }
    } else if (ok) {
        json_array_foreach (value, i, member) {
            ok = ok && index_json(r, i, true, member, line, depth + 1);
        }
    }
    end_line(r, self);
    return ok;
}

void
manifest_reader_json(struct manifest_reader *r, manifest_document_cb *cb, void *aux)
{
    size_t start = 0;

    while (start < r->length && strchr(" \t\r\n", r->text[start]) && r->text[start]) {
        start++;
    }
    if (start == r->length || r->text[start] != '{') {
        return;
    }

    json_t *object = json_loadb(r->text + start, r->length - start, JSON_REJECT_DUPLICATES, NULL);

    r->n_lines = 0;
    if (object && index_json(r, 0, false, object, line_of_offset(r->text, start), 1)) {
        free(r->error);
        r->error = NULL;
        cb(r, object, aux);
    }
    json_decref(object);
}
