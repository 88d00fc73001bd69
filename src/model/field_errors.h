/* A list of errors in one object, each with its field path, in the words of
 * the Kubernetes API (apimachinery util/validation/field). */
#ifndef VIRGA_FIELD_ERRORS_H
#define VIRGA_FIELD_ERRORS_H 1

#include <stdbool.h>
#include <stddef.h>

struct ds;

/* The "reason" of a Status cause. */
enum field_error_type {
    FIELD_REQUIRED,      /* FieldValueRequired: "Required value" */
    FIELD_INVALID,       /* FieldValueInvalid: "Invalid value" */
    FIELD_NOT_SUPPORTED, /* FieldValueNotSupported: "Unsupported value" */
    FIELD_DUPLICATE,     /* FieldValueDuplicate: "Duplicate value" */
    FIELD_FORBIDDEN,     /* FieldValueForbidden: "Forbidden" */
    FIELD_TOO_LONG,      /* FieldValueTooLong: "Too long" */
    FIELD_TOO_MANY,      /* FieldValueTooMany: "Too many" */
    FIELD_TYPE_INVALID,  /* FieldValueTypeInvalid: wrong JSON type */
};

struct field_error {
    char *field; /* spec.ingress[0].ports[1].endPort */
    enum field_error_type type;
    char *value;  /* The offending value as JSON text, or NULL. */
    char *detail; /* What would be right; may be "". */
};

struct field_errors {
    struct field_error *a;
    size_t n;
    size_t n_more; /* Beyond the cap of 64, counted only. */
};

void field_errors_init(struct field_errors *);
void field_errors_uninit(struct field_errors *);
void field_errors_add(struct field_errors *, enum field_error_type, const char *field,
                      const char *value, const char *detail_fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* How many there are, with those beyond the cap. */
size_t field_errors_count(const struct field_errors *);

const char *field_error_reason(enum field_error_type);
/* "spec.x: Invalid value: \"y\": must be ...", as kubectl prints it. */
void field_error_format(const struct field_error *, struct ds *);

#endif
