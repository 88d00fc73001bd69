/* What the schema of a CustomResourceDefinition asks of a field, with the
 * errors that a Kubernetes API server gives (kube-openapi validation): bounds,
 * enumerations, sizes, "exactly one property".
 *
 * Rules in CEL are another layer: the server checks them only if nothing in
 * the object has the wrong type or size, and says so.  A decoder collects them
 * in a schema_rules while it goes.  Private to model/. */
#ifndef VIRGA_SCHEMA_CHECKS_H
#define VIRGA_SCHEMA_CHECKS_H 1

#include "model/json_fields.h"

/* Adds "Required value" and returns false if the field is absent. */
bool schema_required(const struct json_field *);

/* Returns 'otherwise' if absent or out of bounds, which is an error. */
int64_t schema_integer(const struct json_field *, int64_t min, int64_t max, int64_t otherwise);

/* NULL if absent, or with an error. */
const char *schema_string(const struct json_field *, size_t max_length);

/* The position in 'words'; -1 if absent, which is an error, or none of them. */
int schema_enum(const struct json_field *, const char *const words[], size_t n_words);

/* As json_field_array_length(), with a lower bound for a list that is there. */
size_t schema_list(const struct json_field *, size_t min, size_t max);

/* The one member of an object, which may not have more or fewer; false if it
 * is not so, with an error unless it is absent. */
bool schema_one_member(const struct json_field *, struct json_field *member);

/* Adds an error about an object that may have any members but not none, if
 * 'has_some' is false. */
void schema_some_member(const struct json_field *, bool has_some);

/* Adds an error for each of the first 'n' strings that stands in the list
 * before. */
void schema_set_of_strings(const struct json_field *list, size_t n);

/* Fields that are none, since a newer version may mean a restriction by them,
 * and a slip of the pen leaves one out: each returns the path of the first, a
 * new string, or NULL. */
/* Of an object whose fields are those of 'known'. */
char *schema_unknown_member(const struct json_field *, const char *const *known, size_t n);
/* In a LabelSelector. */
char *schema_unknown_in_selector(const struct json_field *);
/* In {namespaceSelector, podSelector}. */
char *schema_unknown_in_pods(const struct json_field *);

/* Rules in CEL that were broken. */
struct schema_rules {
    struct field_errors *errors; /* Where they go in the end. */
    size_t before;               /* Number of errors at the start. */
    struct field_errors broken;
};

void schema_rules_init(struct schema_rules *, struct field_errors *);
/* 'value': the type of the field's value, as such errors have it. */
void schema_rule_broken(struct schema_rules *, const struct json_field *, const char *type,
                        const char *message);
/* The broken rules become errors, or one that says that they were not checked. */
void schema_rules_finish(struct schema_rules *);

#endif
