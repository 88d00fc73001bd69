/* See object_filter.h.  The syntax is that of apimachinery's labels.Parse and
 * fields.ParseSelector; both become requirements on one value. */
#include "api/object_filter.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "model/labels.h"
#include "sources/object_store.h"
#include "svec.h"
#include "util.h"

enum op { OP_IN, OP_NOT_IN, OP_EXISTS, OP_DOES_NOT_EXIST };

struct filter_requirement {
    char *key; /* Of a label, or the path of a field: "spec.nodeName". */
    bool is_field;
    enum op op;
    struct svec values;
};

struct object_filter {
    struct filter_requirement *a;
    size_t n, allocated;
};

static struct filter_requirement *
add_requirement(struct object_filter *filter, char *key, bool is_field, enum op op)
{
    if (filter->n >= filter->allocated) {
        filter->a = x2nrealloc(filter->a, &filter->allocated, sizeof *filter->a);
    }
    struct filter_requirement *r = &filter->a[filter->n++];
    *r = (struct filter_requirement){ .key = key, .is_field = is_field, .op = op };
    svec_init(&r->values);
    return r;
}

/* --- Labels ----------------------------------------------------------------- */

static const char *
skip_space(const char *s)
{
    while (isspace((unsigned char) *s)) {
        s++;
    }
    return s;
}

/* Length of the word that 's' starts with; may be 0. */
static size_t
word_length(const char *s)
{
    return strcspn(s, "=!(), \t\r\n");
}

static char *
unexpected(const char *s, const char *expected)
{
    size_t length = word_length(s);
    length = length ? length : *s != '\0';
    return xasprintf("unable to parse requirement: found '%.*s', expected: %s", (int) length, s,
                     expected);
}

static char *
check_key(const char *key)
{
    char *reason = label_key_check(key);
    char *error = reason ? xasprintf("unable to parse requirement: key: Invalid value: \"%s\": %s",
                                     key, reason)
                         : NULL;
    free(reason);
    return error;
}

/* Takes 'value'. */
static char *
add_value(struct filter_requirement *r, char *value)
{
    char *reason = label_value_check(value);
    if (reason) {
        char *error = xasprintf("unable to parse requirement: values[%" PRIuSIZE "][%s]: "
                                "Invalid value: \"%s\": %s",
                                r->values.n, r->key, value, reason);
        free(reason);
        free(value);
        return error;
    }
    svec_add_nocopy(&r->values, value);
    return NULL;
}

/* "(a,b)" */
static char *
parse_set(const char **sp, struct filter_requirement *r)
{
    const char *s = skip_space(*sp);
    if (*s != '(') {
        return unexpected(s, "'('");
    }
    do {
        s = skip_space(s + 1);
        size_t length = word_length(s);
        char *error = add_value(r, xmemdup0(s, length));
        if (error) {
            return error;
        }
        s = skip_space(s + length);
    } while (*s == ',');
    if (*s != ')') {
        return unexpected(s, "',' or ')'");
    }
    *sp = s + 1;
    return NULL;
}

/* What follows a key. */
static char *
parse_operator(const char **sp, struct filter_requirement *r)
{
    const char *s = *sp;
    if (!*s || *s == ',') {
        r->op = OP_EXISTS;
        return NULL;
    }
    if (*s == '=' || !strncmp(s, "!=", 2)) {
        r->op = *s == '=' ? OP_IN : OP_NOT_IN;
        s += s[0] == '!' || s[1] == '=' ? 2 : 1;
        s = skip_space(s);
        size_t length = word_length(s);
        *sp = s + length;
        return add_value(r, xmemdup0(s, length));
    }
    size_t length = word_length(s);
    if (length == 2 && !strncmp(s, "in", 2)) {
        r->op = OP_IN;
    } else if (length == 5 && !strncmp(s, "notin", 5)) {
        r->op = OP_NOT_IN;
    } else {
        return unexpected(s, "in, notin, =, ==, !=, gt, lt");
    }
    *sp = s + length;
    return parse_set(sp, r);
}

static char *
parse_label_requirement(const char **sp, struct object_filter *filter)
{
    const char *s = skip_space(*sp);
    bool negated = *s == '!';
    s = skip_space(s + negated);
    size_t length = word_length(s);
    if (!length) {
        return unexpected(s, "identifier");
    }
    char *key = xmemdup0(s, length);
    struct filter_requirement *r = add_requirement(filter, key, false, OP_DOES_NOT_EXIST);
    char *error = check_key(key);
    *sp = skip_space(s + length);
    if (!error && !negated) {
        error = parse_operator(sp, r);
    }
    *sp = skip_space(*sp);
    return error;
}

static char *
parse_labels(const char *s, struct object_filter *filter)
{
    s = skip_space(s);
    while (*s) {
        char *error = parse_label_requirement(&s, filter);
        if (error) {
            return error;
        }
        if (*s && *s != ',') {
            return unexpected(s, "',' or end of input");
        }
        s += *s == ',';
        s = skip_space(s);
    }
    return NULL;
}

/* --- Fields ----------------------------------------------------------------- */

static bool
field_is_supported(const struct resource_kind *kind, const char *field)
{
    static const struct {
        const char *kind; /* NULL: any. */
        const char *field;
    } fields[] = {
        { NULL, "metadata.name" },       { NULL, "metadata.namespace" },
        { "Pod", "spec.nodeName" },      { "Pod", "status.phase" },
        { "Pod", "status.podIP" },       { "Pod", "spec.hostNetwork" },
        { "Namespace", "status.phase" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        if (!strcmp(field, fields[i].field)
            && (!fields[i].kind || !strcmp(kind->kind, fields[i].kind))) {
            return true;
        }
    }
    return false;
}

static char *
parse_field_requirement(const struct resource_kind *kind, const char *term, size_t length,
                        struct object_filter *filter)
{
    size_t key_length = strcspn(term, "=!");
    const char *operator= term + key_length;
    size_t op_length = !strncmp(operator, "==", 2) || !strncmp(operator, "!=", 2) ? 2 : 1;
    if (key_length >= length || key_length + op_length > length
        || (*operator== '!' && op_length == 1)) {
        return xasprintf("invalid selector: '%.*s'; can't understand '%.*s'", (int) length, term,
                         (int) length, term);
    }
    char *key = xmemdup0(term, key_length);
    struct filter_requirement *r = add_requirement(filter, key, true,
                                                   *operator== '!' ? OP_NOT_IN : OP_IN);
    if (!field_is_supported(kind, key)) {
        return xasprintf("field label not supported: %s", key);
    }
    const char *value = operator+ op_length;
    svec_add_nocopy(&r->values, xmemdup0(value, term + length - value));
    return NULL;
}

static char *
parse_fields(const struct resource_kind *kind, const char *s, struct object_filter *filter)
{
    while (*s) {
        size_t length = strcspn(s, ",");
        if (length) {
            char *error = parse_field_requirement(kind, s, length, filter);
            if (error) {
                return error;
            }
        }
        s += length;
        s += *s == ',';
    }
    return NULL;
}

/* --- Use -------------------------------------------------------------------- */

char *
object_filter_create(const struct resource_kind *kind, const char *label_selector,
                     const char *field_selector, struct object_filter **filterp)
{
    struct object_filter *filter = xzalloc(sizeof *filter);
    char *error = parse_labels(label_selector, filter);
    if (!error) {
        error = parse_fields(kind, field_selector, filter);
    }
    if (error) {
        object_filter_destroy(filter);
        filter = NULL;
    }
    *filterp = filter;
    return error;
}

void
object_filter_destroy(struct object_filter *filter)
{
    if (filter) {
        for (size_t i = 0; i < filter->n; i++) {
            free(filter->a[i].key);
            svec_destroy(&filter->a[i].values);
        }
        free(filter->a);
        free(filter);
    }
}

/* The value of "spec.nodeName" as text; an absent field is "", as it is in
 * the Go structure behind the real API. */
static const char *
field_value(const json_t *object, const char *path)
{
    const char *dot = strchr(path, '.');
    char *outer = xmemdup0(path, dot - path);
    const json_t *value = json_object_get(json_object_get(object, outer), dot + 1);
    free(outer);
    if (json_is_boolean(value)) {
        return json_is_true(value) ? "true" : "false";
    }
    const char *text = json_string_value(value);
    return text ? text : !strcmp(path, "spec.hostNetwork") ? "false" : "";
}

static bool
requirement_holds(const struct filter_requirement *r, const json_t *object, const json_t *labels)
{
    const char *value = r->is_field ? field_value(object, r->key)
                                    : json_string_value(json_object_get(labels, r->key));
    switch (r->op) {
    case OP_EXISTS:
        return value != NULL;
    case OP_DOES_NOT_EXIST:
        return value == NULL;
    case OP_IN:
    case OP_NOT_IN:
        break;
    }
    bool found = false;
    for (size_t i = 0; value && i < r->values.n && !found; i++) {
        found = !strcmp(value, r->values.names[i]);
    }
    return found == (r->op == OP_IN);
}

bool
object_filter_matches(const struct object_filter *filter, const json_t *object)
{
    const json_t *labels = json_object_get(json_object_get(object, "metadata"), "labels");
    for (size_t i = 0; i < filter->n; i++) {
        if (!requirement_holds(&filter->a[i], object, labels)) {
            return false;
        }
    }
    return true;
}

bool
object_filter_is_empty(const struct object_filter *filter)
{
    return !filter->n;
}
