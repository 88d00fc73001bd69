/* What the tests of object decoders share: JSON text in, errors as text out. */
#ifndef VIRGA_OBJECT_TEST_H
#define VIRGA_OBJECT_TEST_H 1

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/test.h"
#include "model/field_errors.h"
#include "model/labels.h"
#include "openvswitch/dynamic-string.h"

/* Text in single quotes for double, so that tests read well. */
static inline json_t *
object_from_text(const char *text)
{
    char *s = strdup(text);
    json_error_t error;

    for (char *p = s; *p; p++) {
        *p = *p == '\'' ? '"' : *p;
    }

    json_t *json = json_loads(s, JSON_DECODE_ANY, &error);

    free(s);
    if (!json) {
        fail_msg("%s at %d in %s", error.text, error.position, text);
    }
    return json;
}

/* All errors, one per line; uninits them. */
static inline char *
errors_to_text(struct field_errors *errors)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < errors->n; i++) {
        ds_put_cstr(&ds, i ? "\n" : "");
        field_error_format(&errors->a[i], &ds);
    }
    field_errors_uninit(errors);
    return ds_steal_cstr(&ds);
}

static inline void
assert_errors(struct field_errors *errors, const char *expected)
{
    char *text = errors_to_text(errors);

    assert_string_equal(text, expected);
    free(text);
}

static inline void
assert_selector(const struct selector *s, const char *expected)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    selector_format(s, &ds);
    assert_string_equal(ds_cstr(&ds), expected);
    ds_destroy(&ds);
}

static inline void
assert_prefix(const struct prefix *p, const char *expected)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    prefix_format(p, &ds);
    assert_string_equal(ds_cstr(&ds), expected);
    ds_destroy(&ds);
}

static inline void
assert_address(const struct in6_addr *addr, const char *expected)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    addr_format(addr, &ds);
    assert_string_equal(ds_cstr(&ds), expected);
    ds_destroy(&ds);
}

/* Functions good_X(TEXT), which decodes what must decode, and bad_X(TEXT, ERRORS). */
#define OBJECT_TEST_FUNCTIONS(TYPE)                                       \
    static inline struct TYPE *good_##TYPE(const char *text)              \
    {                                                                     \
        json_t *json = object_from_text(text);                            \
        struct field_errors errors;                                       \
                                                                          \
        field_errors_init(&errors);                                       \
        struct TYPE *object = TYPE##_decode(json, &errors);               \
        json_decref(json);                                                \
        assert_errors(&errors, "");                                       \
        assert_non_null(object);                                          \
        return object;                                                    \
    }                                                                     \
    static inline void bad_##TYPE(const char *text, const char *expected) \
    {                                                                     \
        json_t *json = object_from_text(text);                            \
        struct field_errors errors;                                       \
                                                                          \
        field_errors_init(&errors);                                       \
        struct TYPE *object = TYPE##_decode(json, &errors);               \
        json_decref(json);                                                \
        assert_errors(&errors, expected);                                 \
        assert_null(object);                                              \
    }

#endif
