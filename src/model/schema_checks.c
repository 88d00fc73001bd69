#include "model/schema_checks.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "util.h"

/* The server's words repeat the path. */
static void
bound_error(const struct json_field *f, const char *words, int64_t bound)
{
    char *path = json_field_path(f);

    json_field_error(f, FIELD_INVALID, "%s in body should %s %" PRId64, path, words, bound);
    free(path);
}

static void
too_few_error(const struct json_field *f, size_t n, const char *what)
{
    char *path = json_field_path(f);
    char *count = xasprintf("%" PRIuSIZE, n);

    field_errors_add(f->errors, FIELD_INVALID, path, count, "%s in body should have at least 1 %s",
                     path, what);
    free(count);
    free(path);
}

bool
schema_required(const struct json_field *f)
{
    if (!f->value) {
        json_field_error(f, FIELD_REQUIRED, "%s", "");
    }
    return f->value != NULL;
}

int64_t
schema_integer(const struct json_field *f, int64_t min, int64_t max, int64_t otherwise)
{
    int64_t value;

    if (!json_field_integer(f, &value)) {
        return otherwise;
    }
    if (value < min) {
        bound_error(f, "be greater than or equal to", min);
    } else if (value > max) {
        bound_error(f, "be less than or equal to", max);
    } else {
        return value;
    }
    return otherwise;
}

/* In characters, as the schema counts. */
static size_t
utf8_length(const char *s)
{
    size_t n = 0;

    for (; *s; s++) {
        n += (*s & 0xc0) != 0x80;
    }
    return n;
}

const char *
schema_string(const struct json_field *f, size_t max_length)
{
    const char *s = json_field_string(f);

    if (s && utf8_length(s) > max_length) {
        json_field_error(f, FIELD_TOO_LONG, "may not be more than %" PRIuSIZE " bytes",
                         max_length);
        return NULL;
    }
    return s;
}

int
schema_enum(const struct json_field *f, const char *const words[], size_t n_words)
{
    const char *s = json_field_string(f);
    struct ds supported = DS_EMPTY_INITIALIZER;

    if (!schema_required(f) || !s) {
        return -1;
    }
    for (size_t i = 0; i < n_words; i++) {
        if (!strcmp(s, words[i])) {
            ds_destroy(&supported);
            return i;
        }
        ds_put_format(&supported, "%s\"%s\"", i ? ", " : "", words[i]);
    }
    json_field_error(f, FIELD_NOT_SUPPORTED, "supported values: %s", ds_cstr(&supported));
    ds_destroy(&supported);
    return -1;
}

size_t
schema_list(const struct json_field *f, size_t min, size_t max)
{
    size_t n = json_field_array_length(f, max);

    if (json_is_array(f->value) && json_array_size(f->value) < min) {
        too_few_error(f, n, "items");
    }
    return n;
}

bool
schema_one_member(const struct json_field *f, struct json_field *member)
{
    size_t n = json_field_is_object(f) ? json_object_size(f->value) : 1;

    if (n > 1) {
        char *path = json_field_path(f);
        char *count = xasprintf("%" PRIuSIZE, n);

        field_errors_add(f->errors, FIELD_TOO_MANY, path, count, "must have at most 1 item");
        free(count);
        free(path);
    } else if (!n) {
        too_few_error(f, n, "properties");
    }
    if (n != 1 || !json_is_object(f->value)) {
        return false;
    }
    *member = json_field_member(
        f, json_object_iter_key(json_object_iter(CONST_CAST(json_t *, f->value))));
    if (!member->value) {
        json_field_error(member, FIELD_TYPE_INVALID, "must not be null");
    }
    return member->value != NULL;
}

void
schema_some_member(const struct json_field *f, bool has_some)
{
    if (!has_some) {
        too_few_error(f, 0, "properties");
    }
}

void
schema_set_of_strings(const struct json_field *list, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct json_field element = json_field_element(list, i);

        for (size_t j = 0; json_is_string(element.value) && j < i; j++) {
            if (json_equal(json_array_get(list->value, j), CONST_CAST(json_t *, element.value))) {
                json_field_error(&element, FIELD_DUPLICATE, "%s", "");
                break;
            }
        }
    }
}

/* What is not known. */

char *
schema_unknown_member(const struct json_field *f, const char *const *known, size_t n)
{
    const char *key;
    json_t *value;

    json_object_foreach (CONST_CAST(json_t *, f->value), key, value) {
        bool is_known = json_is_null(value);

        for (size_t i = 0; i < n; i++) {
            is_known |= !strcmp(key, known[i]);
        }
        if (!is_known) {
            struct json_field member = json_field_member(f, key);

            return json_field_path(&member);
        }
    }
    return NULL;
}

char *
schema_unknown_in_selector(const struct json_field *f)
{
    static const char *const known[] = { "matchLabels", "matchExpressions" };
    static const char *const of_expression[] = { "key", "operator", "values" };
    struct json_field expressions = json_field_member(f, "matchExpressions");
    char *path = schema_unknown_member(f, known, ARRAY_SIZE(known));

    for (size_t i = 0; !path && i < json_array_size(expressions.value); i++) {
        struct json_field element = json_field_element(&expressions, i);

        path = schema_unknown_member(&element, of_expression, ARRAY_SIZE(of_expression));
    }
    return path;
}

char *
schema_unknown_in_pods(const struct json_field *f)
{
    static const char *const known[] = { "namespaceSelector", "podSelector" };
    char *path = schema_unknown_member(f, known, ARRAY_SIZE(known));

    for (size_t i = 0; !path && i < ARRAY_SIZE(known); i++) {
        struct json_field selector = json_field_member(f, known[i]);

        path = schema_unknown_in_selector(&selector);
    }
    return path;
}

/* Rules. */

void
schema_rules_init(struct schema_rules *rules, struct field_errors *errors)
{
    rules->errors = errors;
    rules->before = field_errors_count(errors);
    field_errors_init(&rules->broken);
}

void
schema_rule_broken(struct schema_rules *rules, const struct json_field *f, const char *type,
                   const char *message)
{
    char *path = json_field_path(f);
    char *value = xasprintf("\"%s\"", type);

    field_errors_add(&rules->broken, FIELD_INVALID, path[0] ? path : "<nil>", value, "%s",
                     message);
    free(value);
    free(path);
}

/* Errors after which the server does not evaluate rules. */
static bool
hides_rules(enum field_error_type type)
{
    return type == FIELD_REQUIRED || type == FIELD_NOT_SUPPORTED || type == FIELD_TOO_LONG
           || type == FIELD_TOO_MANY || type == FIELD_TYPE_INVALID;
}

void
schema_rules_finish(struct schema_rules *rules)
{
    struct field_errors *errors = rules->errors;
    bool hidden = false;

    for (size_t i = rules->before; i < errors->n; i++) {
        hidden |= hides_rules(errors->a[i].type);
    }
    if (hidden) {
        field_errors_add(errors, FIELD_INVALID, "<nil>", "null",
                         "some validation rules were not checked because the object was invalid; "
                         "correct the existing errors to complete validation");
    }
    for (size_t i = 0; i < rules->broken.n && !hidden; i++) {
        const struct field_error *e = &rules->broken.a[i];

        field_errors_add(errors, e->type, e->field, e->value, "%s", e->detail);
    }
    field_errors_uninit(&rules->broken);
}
