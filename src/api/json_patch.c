/* See json_patch.h. */
#include "api/json_patch.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/query.h"
#include "util.h"

/* "copy" can double a document with each operation: a cap on the sum of what
 * is copied. */
enum {
    MAX_OPERATIONS = 10000,
    MAX_COPIED_BYTES = 8 * 1024 * 1024,
    MAX_DEPTH = 1024, /* Of the result: jansson walks it by recursion. */
};

/* A place in a document: a member of 'parent', or the root. */
struct place {
    json_t *parent; /* NULL: the root. */
    char *token;    /* Member name, array index or "-". */
};

/* One token of a JSON pointer (RFC 6901) with ~0 and ~1 decoded. */
static char *
pointer_token(const char *s, size_t length)
{
    char *token = xmalloc(length + 1);
    size_t n = 0;
    for (size_t i = 0; i < length; i++) {
        if (s[i] == '~' && i + 1 < length && (s[i + 1] == '0' || s[i + 1] == '1')) {
            token[n++] = s[++i] == '0' ? '~' : '/';
        } else {
            token[n++] = s[i];
        }
    }
    token[n] = '\0';
    return token;
}

static bool
array_index(const char *token, size_t limit, size_t *index)
{
    uint64_t n;
    if ((token[0] == '0' && token[1]) || !parse_uint64(token, &n) || n >= limit) {
        return false;
    }
    *index = n;
    return true;
}

/* The value at 'token' of 'parent', borrowed; NULL if there is none. */
static json_t *
child(json_t *parent, const char *token)
{
    size_t index;
    if (json_is_object(parent)) {
        return json_object_get(parent, token);
    }
    return json_is_array(parent) && array_index(token, json_array_size(parent), &index)
               ? json_array_get(parent, index)
               : NULL;
}

/* Finds the parent of what 'pointer' names. */
static char *
find_place(json_t *root, const char *pointer, struct place *place)
{
    *place = (struct place){ NULL, NULL };
    if (!*pointer) {
        return NULL;
    }
    if (*pointer != '/') {
        return xasprintf("\"%s\" is not a JSON pointer", pointer);
    }
    json_t *parent = root;
    for (const char *s = pointer + 1;;) {
        size_t length = strcspn(s, "/");
        char *token = pointer_token(s, length);
        s += length;
        if (!*s) {
            *place = (struct place){ parent, token };
            return NULL;
        }
        parent = child(parent, token);
        free(token);
        if (!parent) {
            return xasprintf("the document has no \"%.*s\"", (int) (s - pointer), pointer);
        }
        s++;
    }
}

static bool
is_deeper(const json_t *value, size_t limit)
{
    const char *key;
    json_t *member;
    size_t i;
    if (!limit) {
        return true;
    }
    json_object_foreach (CONST_CAST(json_t *, value), key, member) {
        if (is_deeper(member, limit - 1)) {
            return true;
        }
    }
    json_array_foreach (value, i, member) {
        if (is_deeper(member, limit - 1)) {
            return true;
        }
    }
    return false;
}

/* Whether 'value' would lie too deep at 'pointer'. */
static bool
is_too_deep(const char *pointer, const json_t *value)
{
    size_t depth = 0;
    for (; *pointer; pointer++) {
        depth += *pointer == '/';
    }
    return depth >= MAX_DEPTH || is_deeper(value, MAX_DEPTH - depth);
}

/* Takes 'value'. */
static char *
add_value(json_t **root, const char *pointer, json_t *value)
{
    struct place place = { NULL, NULL };
    size_t index;
    char *error = is_too_deep(pointer, value) ? xasprintf("\"%.64s\" is too deep", pointer)
                                              : find_place(*root, pointer, &place);
    if (error) {
        json_decref(value);
    } else if (!place.parent) {
        json_decref(*root);
        *root = value;
    } else if (json_is_object(place.parent)) {
        json_object_set_new(place.parent, place.token, value);
    } else if (json_is_array(place.parent) && !strcmp(place.token, "-")) {
        json_array_append_new(place.parent, value);
    } else if (json_is_array(place.parent)
               && array_index(place.token, json_array_size(place.parent) + 1, &index)) {
        json_array_insert_new(place.parent, index, value);
    } else {
        json_decref(value);
        error = xasprintf("cannot add at \"%s\"", pointer);
    }
    free(place.token);
    return error;
}

/* A new reference to the value there. */
static char *
get_value(json_t *root, const char *pointer, json_t **value)
{
    struct place place;
    char *error = find_place(root, pointer, &place);
    *value = NULL;
    if (!error) {
        *value = json_incref(place.parent ? child(place.parent, place.token) : root);
        if (!*value) {
            error = xasprintf("the document has no \"%s\"", pointer);
        }
    }
    free(place.token);
    return error;
}

static char *
remove_value(json_t *root, const char *pointer)
{
    struct place place;
    size_t index;
    char *error = find_place(root, pointer, &place);
    if (error) {
        return error;
    }
    bool ok = false;
    if (json_is_object(place.parent)) {
        ok = !json_object_del(place.parent, place.token);
    } else if (json_is_array(place.parent)) {
        ok = array_index(place.token, json_array_size(place.parent), &index)
             && !json_array_remove(place.parent, index);
    }
    free(place.token);
    return ok ? NULL : xasprintf("the document has no \"%s\" to remove", pointer);
}

static char *
test_value(json_t *root, const char *pointer, const json_t *expected)
{
    json_t *value;
    char *error = get_value(root, pointer, &value);
    if (!error && !json_equal(value, CONST_CAST(json_t *, expected))) {
        error = xasprintf("the test of \"%s\" failed", pointer);
    }
    json_decref(value);
    return error;
}

static char *
copy_value(json_t **root, const char *from, const char *path, bool move, size_t *n_copied)
{
    json_t *value;
    size_t path_length = strlen(from);
    if (move && !strncmp(path, from, path_length) && path[path_length] == '/') {
        return xasprintf("cannot move \"%s\" into itself", from);
    }
    char *error = get_value(*root, from, &value);
    if (error) {
        return error;
    }
    if (move) {
        if (!strcmp(from, path)) {
            json_decref(value);
            return NULL;
        }
        error = remove_value(*root, from);
    } else {
        *n_copied += json_dumpb(value, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
        if (*n_copied > MAX_COPIED_BYTES) {
            error = xstrdup("the patch copies too much");
        }
    }
    if (error) {
        json_decref(value);
        return error;
    }
    json_t *copy = json_deep_copy(value);
    json_decref(value);
    return add_value(root, path, copy);
}

static char *
apply(json_t **root, const json_t *operation, size_t *n_copied)
{
    const char *op = json_string_value(json_object_get(operation, "op"));
    const char *path = json_string_value(json_object_get(operation, "path"));
    const char *from = json_string_value(json_object_get(operation, "from"));
    const json_t *value = json_object_get(operation, "value");

    if (!op || !path) {
        return xstrdup("an operation of a JSON patch needs \"op\" and \"path\"");
    }
    bool moves = !strcmp(op, "move");
    if (moves || !strcmp(op, "copy")) {
        return from ? copy_value(root, from, path, moves, n_copied)
                    : xasprintf("\"%s\" needs \"from\"", op);
    }
    if (!strcmp(op, "remove")) {
        return remove_value(*root, path);
    }
    if (!value) {
        return xasprintf("\"%s\" needs \"value\"", op);
    }
    if (!strcmp(op, "add")) {
        return add_value(root, path, json_deep_copy(value));
    }
    if (!strcmp(op, "test")) {
        return test_value(*root, path, value);
    }
    if (!strcmp(op, "replace")) {
        char *error = *path ? remove_value(*root, path) : NULL;
        return error ? error : add_value(root, path, json_deep_copy(value));
    }
    return xasprintf("unknown operation \"%s\"", op);
}

char *
json_patch(const json_t *document, const json_t *patch, json_t **result)
{
    json_t *root = json_deep_copy(document);
    char *error = NULL;
    size_t n_copied = 0;

    if (!json_is_array(patch) || json_array_size(patch) > MAX_OPERATIONS) {
        error = xasprintf("a JSON patch is an array of at most %d operations", MAX_OPERATIONS);
    }
    for (size_t i = 0; !error && i < json_array_size(patch); i++) {
        error = apply(&root, json_array_get(patch, i), &n_copied);
    }
    if (error) {
        json_decref(root);
        root = NULL;
    }
    *result = root;
    return error;
}
