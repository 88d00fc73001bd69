/* Labels and label selectors, with the meaning of the Kubernetes API
 * (apimachinery labels.Requirement.Matches; meta/v1 LabelSelector).
 *
 * Keys and values are interned for the life of the process: equal text is an
 * equal pointer.  NotIn and DoesNotExist match when the key is absent; an
 * empty selector matches everything. */
#ifndef VIRGA_LABELS_H
#define VIRGA_LABELS_H 1

#include <stdbool.h>
#include <stddef.h>

struct ds;

/* Returns the one copy of 's'. */
const char *intern(const char *s);

struct label {
    const char *key;   /* Interned. */
    const char *value; /* Interned. */
};

/* Sorted by key text; keys unique. */
struct labels {
    struct label *a;
    size_t n;
};

void labels_init(struct labels *);
void labels_uninit(struct labels *);
void labels_clone(struct labels *dst, const struct labels *src);
void labels_set(struct labels *, const char *key, const char *value);
const char *labels_get(const struct labels *, const char *interned_key);
bool labels_equal(const struct labels *, const struct labels *);
/* "k=v,k=v"; empty for none. */
void labels_format(const struct labels *, struct ds *);

enum selector_op { SELECTOR_IN, SELECTOR_NOT_IN, SELECTOR_EXISTS, SELECTOR_DOES_NOT_EXIST };

struct requirement {
    const char *key; /* Interned. */
    enum selector_op op;
    const char **values; /* Interned, sorted by text, unique; empty unless IN or NOT_IN. */
    size_t n_values;
};

/* All requirements must hold; sorted (key, op, values).  matchLabels become
 * IN with one value. */
struct selector {
    struct requirement *reqs;
    size_t n;
};

void selector_init(struct selector *);
void selector_uninit(struct selector *);
void selector_clone(struct selector *dst, const struct selector *src);
void selector_add(struct selector *, const char *key, enum selector_op, const char *const *values,
                  size_t n_values);
bool selector_matches(const struct selector *, const struct labels *);
/* Canonical: equal meaning in text gives equal text, e.g.
 * "app in (a,b),!canary,tier=db"; empty for "everything". */
void selector_format(const struct selector *, struct ds *);
bool selector_equal(const struct selector *, const struct selector *);

/* Syntax of the Kubernetes API (validation.IsQualifiedName,
 * IsValidLabelValue).  NULL, or a malloc'd reason. */
char *label_key_check(const char *) __attribute__((warn_unused_result));
char *label_value_check(const char *) __attribute__((warn_unused_result));

#endif
