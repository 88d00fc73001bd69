/* status.conditions of the policies of policy.networking.k8s.io, as the schema
 * of metav1.Condition in their definitions asks. */
#include "model/ordered_decode.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model/names.h"
#include "util.h"

enum { MAX_CONDITIONS = 256, MAX_TYPE = 316, MAX_REASON = 1024, MAX_MESSAGE = 32768 };

static bool
is_reason(const char *s)
{
    size_t n = strlen(s);

    if (!n || !((s[0] | 0x20) >= 'a' && (s[0] | 0x20) <= 'z') || s[n - 1] == ','
        || s[n - 1] == ':') {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!((s[i] | 0x20) >= 'a' && (s[i] | 0x20) <= 'z') && !(s[i] >= '0' && s[i] <= '9')
            && !strchr("_,:", s[i])) {
            return false;
        }
    }
    return true;
}

/* RFC 3339, with any fraction and zone. */
static bool
is_time(const char *s)
{
    struct tm tm;
    const char *rest = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);

    if (!rest) {
        return false;
    }
    rest += *rest == '.' ? 1 + strspn(rest + 1, "0123456789") : 0;
    return !strcmp(rest, "Z") || strptime(rest, "%z", &tm) == rest + 6;
}

/* A string that must be there and is as 'is_right' asks. */
static void
string_check(const struct json_field *condition, const char *member, size_t max,
             bool (*is_right)(const char *), const char *wanted)
{
    struct json_field f = json_field_member(condition, member);
    const char *s = schema_required(&f) ? schema_string(&f, max) : NULL;

    if (s && is_right && !is_right(s)) {
        char *path = json_field_path(&f);

        json_field_error(&f, FIELD_INVALID, "%s in body should %s", path, wanted);
        free(path);
    }
}

/* A qualified name, of which the name may be long. */
static bool
is_type(const char *s)
{
    const char *slash = strchr(s, '/');
    char *prefix = slash ? xmemdup0(s, slash - s) : xstrdup("a");
    char *error = name_subdomain_check(prefix);
    const char *word = slash ? slash + 1 : s;

    free(prefix);
    free(error);
    return !error && name_is_word(word, strlen(word));
}

static void
condition_check(const struct json_field *f)
{
    static const char *const statuses[] = { "True", "False", "Unknown" };
    struct json_field status = json_field_member(f, "status");
    struct json_field observed = json_field_member(f, "observedGeneration");

    if (!json_field_is_object(f)) {
        schema_required(f);
        return;
    }
    schema_enum(&status, statuses, ARRAY_SIZE(statuses));
    string_check(f, "lastTransitionTime", MAX_MESSAGE, is_time, "be a date-time");
    string_check(f, "message", MAX_MESSAGE, NULL, "");
    string_check(f, "reason", MAX_REASON, is_reason,
                 "match '^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$'");
    string_check(f, "type", MAX_TYPE, is_type, "be a qualified name");
    schema_integer(&observed, 0, INT64_MAX, 0);
}

static bool
same_type_before(const struct json_field *list, size_t i)
{
    const json_t *type = json_object_get(json_array_get(list->value, i), "type");

    for (size_t j = 0; type && j < i; j++) {
        if (json_equal(json_object_get(json_array_get(list->value, j), "type"), type)) {
            return true;
        }
    }
    return false;
}

void
ordered_conditions_check(const struct json_field *status)
{
    struct json_field list = json_field_member(status, "conditions");

    if (!json_field_is_object(status)) {
        return;
    }
    schema_required(&list);

    size_t n = json_field_array_length(&list, MAX_CONDITIONS);

    for (size_t i = 0; i < n; i++) {
        struct json_field element = json_field_element(&list, i);

        condition_check(&element);
        if (same_type_before(&list, i)) {
            json_field_error(&element, FIELD_DUPLICATE, "%s", "");
        }
    }
}
