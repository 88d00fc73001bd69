/* A walk through a JSON value that knows where it is, for decoders.
 *
 * A json_field is a place: a value, which may be absent, and the way to it
 * from the root.  Places live on the stack of the decoder and point to their
 * parent; the path is spelled out only when an error needs it.  JSON null is
 * absence, as in the Kubernetes API, and a member of something absent is
 * absent, so optional objects need no special case.
 *
 * Getters add an error when the value is there but of another type, and then
 * return what they return for an absent value. */
#ifndef VIRGA_JSON_FIELDS_H
#define VIRGA_JSON_FIELDS_H 1

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/field_errors.h"

struct json_field {
    const json_t *value;             /* NULL: absent. */
    const struct json_field *parent; /* NULL: the root. */
    const char *name;                /* Of a member or key; NULL: an element. */
    bool is_key;                     /* Spelled [name], for maps, instead of .name */
    size_t index;
    struct field_errors *errors;
};

struct json_field json_field_root(const json_t *, struct field_errors *);
/* A member of an object; an entry of a map (an object with free keys).  An
 * error if the parent is there and not an object belongs to the parent:
 * json_field_is_object() reports it. */
struct json_field json_field_member(const struct json_field *, const char *name);
struct json_field json_field_key(const struct json_field *, const char *key);
struct json_field json_field_element(const struct json_field *, size_t index);

/* True if it is an object. */
bool json_field_is_object(const struct json_field *);
/* The number of elements; 0 if there are more than 'max', which is an error. */
size_t json_field_array_length(const struct json_field *, size_t max);
/* NULL if absent.  Never has a NUL inside. */
const char *json_field_string(const struct json_field *);
bool json_field_bool(const struct json_field *);
/* True if it is an integer. */
bool json_field_integer(const struct json_field *, int64_t *);

/* "spec.ingress[0].from"; "" for the root.  The caller frees. */
char *json_field_path(const struct json_field *);

/* An error about this place, with its value. */
void json_field_error(const struct json_field *, enum field_error_type, const char *detail_fmt,
                      ...) __attribute__((format(printf, 3, 4)));
/* The same about 'text' in it, which need not be its value. */
void json_field_error_text(const struct json_field *, enum field_error_type, const char *text,
                           const char *detail);
/* Adds an "Invalid value" if 'reason' is not NULL, and frees it.  True if it
 * was NULL. */
bool json_field_accept(const struct json_field *, const char *text, char *reason_take);

#endif
