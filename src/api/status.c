/* See status.h.  The texts are those of apimachinery's pkg/api/errors. */
#include "api/status.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "model/field_errors.h"
#include "openvswitch/dynamic-string.h"
#include "sources/object_store.h"
#include "util.h"

/* Text of a client may end in a message: a broken character becomes '?'. */
static json_t *
json_text(const char *s)
{
    json_t *value = json_string(s);
    if (!value) {
        char *ascii = xstrdup(s);
        for (char *p = ascii; *p; p++) {
            *p = (unsigned char) *p < 0x80 ? *p : '?';
        }
        value = json_string(ascii);
        free(ascii);
    }
    return value;
}

static json_t *
failure(int code, const char *reason, const char *message, json_t *details)
{
    json_t *status = json_pack("{s:s, s:s, s:{}, s:s, s:o}", "kind", "Status", "apiVersion", "v1",
                               "metadata", "status", "Failure", "message", json_text(message));
    if (reason) {
        json_object_set_new(status, "reason", json_string(reason));
    }
    if (details) {
        json_object_set_new(status, "details", details);
    }
    json_object_set_new(status, "code", json_integer(code));
    return status;
}

json_t *
status_failure(int code, const char *reason, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *message = xvasprintf(format, args);
    va_end(args);
    json_t *status = failure(code, reason, message, NULL);
    free(message);
    return status;
}

static json_t *
details_of(const struct resource_kind *kind, const char *name, const char *kind_name)
{
    json_t *details = json_object();
    if (name && *name) {
        json_object_set_new(details, "name", json_text(name));
    }
    if (kind->group[0]) {
        json_object_set_new(details, "group", json_string(kind->group));
    }
    json_object_set_new(details, "kind", json_string(kind_name));
    return details;
}

json_t *
status_about(const struct resource_kind *kind, const char *name, int code, const char *reason,
             const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *message = xvasprintf(format, args);
    va_end(args);
    json_t *status = failure(code, reason, message, details_of(kind, name, kind->plural));
    free(message);
    return status;
}

json_t *
status_not_found(const struct resource_kind *kind, const char *name)
{
    return status_about(kind, name, 404, "NotFound", "%s \"%s\" not found", kind->key, name);
}

json_t *
status_already_exists(const struct resource_kind *kind, const char *name)
{
    return status_about(kind, name, 409, "AlreadyExists", "%s \"%s\" already exists", kind->key,
                        name);
}

json_t *
status_conflict(const struct resource_kind *kind, const char *name, const char *why)
{
    return status_about(kind, name, 409, "Conflict",
                        "Operation cannot be fulfilled on %s \"%s\": %s", kind->key, name, why);
}

/* "NetworkPolicy.networking.k8s.io" */
static char *
qualified_kind(const struct resource_kind *kind)
{
    return kind->group[0] ? xasprintf("%s.%s", kind->kind, kind->group) : xstrdup(kind->kind);
}

static json_t *
cause_of(const struct field_error *error)
{
    struct ds message = DS_EMPTY_INITIALIZER;
    field_error_format(error, &message);
    /* The field has a place of its own. */
    size_t skip = error->field[0] ? strlen(error->field) + strlen(": ") : 0;
    json_t *cause = json_pack("{s:s, s:o, s:o}", "reason", field_error_reason(error->type),
                              "message", json_text(ds_cstr(&message) + skip), "field",
                              json_text(error->field));
    ds_destroy(&message);
    return cause;
}

json_t *
status_invalid(const struct resource_kind *kind, const char *name,
               const struct field_errors *errors)
{
    struct ds message = DS_EMPTY_INITIALIZER;
    json_t *causes = json_array();
    char *qualified = qualified_kind(kind);
    bool several = errors->n + errors->n_more > 1;

    ds_put_format(&message, "%s \"%s\" is invalid: %s", qualified, name, several ? "[" : "");
    for (size_t i = 0; i < errors->n; i++) {
        ds_put_cstr(&message, i ? ", " : "");
        field_error_format(&errors->a[i], &message);
        json_array_append_new(causes, cause_of(&errors->a[i]));
    }
    if (errors->n_more) {
        ds_put_format(&message, ", and %" PRIuSIZE " more", errors->n_more);
    }
    ds_put_cstr(&message, several ? "]" : "");

    json_t *details = details_of(kind, name, kind->kind);
    json_object_set_new(details, "causes", causes);
    json_t *status = failure(422, "Invalid", ds_cstr(&message), details);
    free(qualified);
    ds_destroy(&message);
    return status;
}

json_t *
status_invalid_field(const struct resource_kind *kind, const char *name, const char *field,
                     const char *value, const char *detail)
{
    struct field_errors errors;
    field_errors_init(&errors);
    field_errors_add(&errors, FIELD_INVALID, field, value, "%s", detail);
    json_t *status = status_invalid(kind, name, &errors);
    field_errors_uninit(&errors);
    return status;
}

json_t *
status_method_not_allowed(void)
{
    return failure(405, "MethodNotAllowed",
                   "the server does not allow this method on the requested resource",
                   json_object());
}

json_t *
status_unknown_resource(void)
{
    return failure(404, "NotFound", "the server could not find the requested resource",
                   json_object());
}

json_t *
status_too_large_version(uint64_t asked, uint64_t current)
{
    char *message = xasprintf(
        "Timeout: Too large resource version: %" PRIu64 ", current: %" PRIu64, asked, current);
    json_t *details = json_pack("{s:[{s:s, s:s}], s:i}", "causes", "reason",
                                "ResourceVersionTooLarge", "message", "Too large resource version",
                                "retryAfterSeconds", 1);
    json_t *status = failure(504, "Timeout", message, details);
    free(message);
    return status;
}

json_t *
status_unavailable(const char *message, int retry_after)
{
    return failure(503, "ServiceUnavailable", message,
                   json_pack("{s:i}", "retryAfterSeconds", retry_after));
}

json_t *
status_deleted(const struct resource_kind *kind, const char *name, const char *uid)
{
    json_t *details = details_of(kind, name, kind->plural);
    json_object_set_new(details, "uid", json_text(uid));
    return json_pack("{s:s, s:s, s:{}, s:s, s:o}", "kind", "Status", "apiVersion", "v1",
                     "metadata", "status", "Success", "details", details);
}

int
status_code(const json_t *status)
{
    json_t *code = json_object_get(status, "code");
    return code ? (int) json_integer_value(code) : 200;
}

int
status_retry_after(const json_t *status)
{
    json_t *details = json_object_get(status, "details");
    return (int) json_integer_value(json_object_get(details, "retryAfterSeconds"));
}
