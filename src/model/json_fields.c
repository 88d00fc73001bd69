#include "model/json_fields.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "util.h"

static const json_t *
present(const json_t *value)
{
    return json_is_null(value) ? NULL : value;
}

struct json_field
json_field_root(const json_t *value, struct field_errors *errors)
{
    return (struct json_field){ .value = present(value), .errors = errors };
}

struct json_field
json_field_member(const struct json_field *object, const char *name)
{
    return (struct json_field){
        .value = present(json_object_get(object->value, name)),
        .parent = object,
        .name = name,
        .errors = object->errors,
    };
}

struct json_field
json_field_key(const struct json_field *map, const char *key)
{
    struct json_field f = json_field_member(map, key);

    f.is_key = true;
    return f;
}

struct json_field
json_field_element(const struct json_field *array, size_t index)
{
    return (struct json_field){
        .value = present(json_array_get(array->value, index)),
        .parent = array,
        .index = index,
        .errors = array->errors,
    };
}

static void
put_path(const struct json_field *f, struct ds *ds)
{
    if (!f->parent) {
        return;
    }
    put_path(f->parent, ds);
    if (!f->name) {
        ds_put_format(ds, "[%" PRIuSIZE "]", f->index);
    } else if (f->is_key) {
        ds_put_format(ds, "[%s]", f->name);
    } else {
        ds_put_format(ds, "%s%s", ds->length ? "." : "", f->name);
    }
}

char *
json_field_path(const struct json_field *f)
{
    struct ds path = DS_EMPTY_INITIALIZER;

    put_path(f, &path);
    return ds_steal_cstr(&path);
}

static void
add_error(const struct json_field *f, enum field_error_type type, const json_t *value,
          const char *detail)
{
    struct ds path = DS_EMPTY_INITIALIZER;
    bool is_scalar = value && !json_is_object(value) && !json_is_array(value);
    char *text = is_scalar ? json_dumps(value, JSON_ENCODE_ANY) : NULL;

    put_path(f, &path);
    field_errors_add(f->errors, type, ds_cstr(&path), text, "%s", detail);
    ds_destroy(&path);
    free(text);
}

void
json_field_error(const struct json_field *f, enum field_error_type type, const char *detail_fmt,
                 ...)
{
    va_list args;

    va_start(args, detail_fmt);
    char *detail = xvasprintf(detail_fmt, args);
    va_end(args);
    add_error(f, type, f->value, detail);
    free(detail);
}

void
json_field_error_text(const struct json_field *f, enum field_error_type type, const char *text,
                      const char *detail)
{
    json_t *value = json_string(text);

    add_error(f, type, value, detail);
    json_decref(value);
}

bool
json_field_accept(const struct json_field *f, const char *text, char *reason)
{
    if (!reason) {
        return true;
    }
    json_field_error_text(f, FIELD_INVALID, text, reason);
    free(reason);
    return false;
}

static bool
has_type(const struct json_field *f, bool right, const char *type)
{
    if (f->value && !right) {
        json_field_error(f, FIELD_TYPE_INVALID, "must be %s", type);
    }
    return f->value && right;
}

bool
json_field_is_object(const struct json_field *f)
{
    return has_type(f, json_is_object(f->value), "an object");
}

size_t
json_field_array_length(const struct json_field *f, size_t max)
{
    if (!has_type(f, json_is_array(f->value), "a list")) {
        return 0;
    }

    size_t n = json_array_size(f->value);

    if (n > max) {
        json_t *count = json_integer(n);
        char *detail = xasprintf("must have at most %" PRIuSIZE " items", max);

        add_error(f, FIELD_TOO_MANY, count, detail);
        free(detail);
        json_decref(count);
        return 0;
    }
    return n;
}

const char *
json_field_string(const struct json_field *f)
{
    if (!has_type(f, json_is_string(f->value), "a string")) {
        return NULL;
    }

    const char *s = json_string_value(f->value);

    if (strlen(s) != json_string_length(f->value)) {
        json_field_error(f, FIELD_INVALID, "must not contain a NUL character");
        return NULL;
    }
    return s;
}

bool
json_field_bool(const struct json_field *f)
{
    return has_type(f, json_is_boolean(f->value), "true or false") && json_is_true(f->value);
}

bool
json_field_integer(const struct json_field *f, int64_t *value)
{
    if (!has_type(f, json_is_integer(f->value), "an integer")) {
        return false;
    }
    *value = json_integer_value(f->value);
    return true;
}
