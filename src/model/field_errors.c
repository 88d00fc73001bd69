#include "model/field_errors.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "util.h"

/* One broken object can hold millions of errors; nobody reads them. */
enum { MAX_ERRORS = 64, MAX_VALUE = 256 };

void
field_errors_init(struct field_errors *errors)
{
    memset(errors, 0, sizeof *errors);
}

void
field_errors_uninit(struct field_errors *errors)
{
    for (size_t i = 0; i < errors->n; i++) {
        free(errors->a[i].field);
        free(errors->a[i].value);
        free(errors->a[i].detail);
    }
    free(errors->a);
    field_errors_init(errors);
}

/* Cuts before a byte that starts a character, to keep UTF-8 whole. */
static char *
clone_value(const char *value)
{
    size_t n = strlen(value);

    if (n <= MAX_VALUE) {
        return xstrdup(value);
    }
    n = MAX_VALUE;
    while (n && (value[n] & 0xc0) == 0x80) {
        n--;
    }
    return xasprintf("%.*s...", (int) n, value);
}

void
field_errors_add(struct field_errors *errors, enum field_error_type type, const char *field,
                 const char *value, const char *detail_fmt, ...)
{
    va_list args;

    if (errors->n >= MAX_ERRORS) {
        errors->n_more++;
        return;
    }
    if (!errors->a) {
        errors->a = xmalloc(MAX_ERRORS * sizeof *errors->a);
    }

    struct field_error *e = &errors->a[errors->n++];

    e->field = xstrdup(field);
    e->type = type;
    e->value = value ? clone_value(value) : NULL;
    va_start(args, detail_fmt);
    e->detail = xvasprintf(detail_fmt, args);
    va_end(args);
}

size_t
field_errors_count(const struct field_errors *errors)
{
    return errors->n + errors->n_more;
}

/* The reason is for programs, the title is what people read. */
static const struct {
    const char *reason;
    const char *title;
    bool shows_value;
} types[] = {
    [FIELD_REQUIRED] = { "FieldValueRequired", "Required value", false },
    [FIELD_INVALID] = { "FieldValueInvalid", "Invalid value", true },
    [FIELD_NOT_SUPPORTED] = { "FieldValueNotSupported", "Unsupported value", true },
    [FIELD_DUPLICATE] = { "FieldValueDuplicate", "Duplicate value", true },
    [FIELD_FORBIDDEN] = { "FieldValueForbidden", "Forbidden", false },
    [FIELD_TOO_LONG] = { "FieldValueTooLong", "Too long", false },
    [FIELD_TOO_MANY] = { "FieldValueTooMany", "Too many", true },
    [FIELD_TYPE_INVALID] = { "FieldValueTypeInvalid", "Invalid value", true },
};

const char *
field_error_reason(enum field_error_type type)
{
    return types[type].reason;
}

void
field_error_format(const struct field_error *e, struct ds *ds)
{
    if (e->field[0]) {
        ds_put_format(ds, "%s: ", e->field);
    }
    ds_put_cstr(ds, types[e->type].title);
    if (types[e->type].shows_value && e->value) {
        ds_put_format(ds, ": %s", e->value);
    }
    if (e->detail[0]) {
        ds_put_format(ds, ": %s", e->detail);
    }
}
