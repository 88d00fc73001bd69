/* Status objects: how a Kubernetes API server says that a request failed, in
 * its words, so that clients which look at reason, code and causes work. */
#ifndef VIRGA_STATUS_H
#define VIRGA_STATUS_H 1

#include <jansson.h>
#include <stdint.h>

struct field_errors;
struct resource_kind;

/* Each returns a new object. */
json_t *status_failure(int code, const char *reason, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* With details that name the object; 'name' may be NULL. */
json_t *status_about(const struct resource_kind *, const char *name, int code, const char *reason,
                     const char *format, ...) __attribute__((format(printf, 5, 6)));
json_t *status_not_found(const struct resource_kind *, const char *name);
json_t *status_already_exists(const struct resource_kind *, const char *name);
json_t *status_conflict(const struct resource_kind *, const char *name, const char *why);
/* 422 with one cause per error. */
json_t *status_invalid(const struct resource_kind *, const char *name,
                       const struct field_errors *);
json_t *status_invalid_field(const struct resource_kind *, const char *name, const char *field,
                             const char *value, const char *detail);
json_t *status_method_not_allowed(void);
json_t *status_unknown_resource(void);
json_t *status_too_large_version(uint64_t asked, uint64_t current);
json_t *status_unavailable(const char *message, int retry_after);
json_t *status_deleted(const struct resource_kind *, const char *name, const char *uid);

int status_code(const json_t *);
/* details.retryAfterSeconds, or 0. */
int status_retry_after(const json_t *);

#endif
