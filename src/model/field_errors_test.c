/* Field errors read as kubectl prints them, and are capped. */
#include "model/field_errors.h"

#include <string.h>

#include "base/test.h"
#include "openvswitch/dynamic-string.h"

static void
assert_text(const struct field_error *e, const char *expected)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    field_error_format(e, &ds);
    assert_string_equal(ds_cstr(&ds), expected);
    ds_destroy(&ds);
}

static void
test_words_are_those_of_the_kubernetes_api(void **state)
{
    struct field_errors errors;

    field_errors_init(&errors);
    field_errors_add(&errors, FIELD_INVALID, "spec.x", "\"y\"", "must be %d", 3);
    field_errors_add(&errors, FIELD_REQUIRED, "metadata.name", NULL, "%s", "");
    field_errors_add(&errors, FIELD_NOT_SUPPORTED, "spec.policyTypes[0]", "\"In\"",
                     "supported values: \"Egress\", \"Ingress\"");
    field_errors_add(&errors, FIELD_FORBIDDEN, "spec.y", "\"hidden\"", "may not be set");
    field_errors_add(&errors, FIELD_TOO_MANY, "spec.z", "5", "must have at most 4 items");
    field_errors_add(&errors, FIELD_TYPE_INVALID, "", "[]", "must be an object");

    assert_int_equal(errors.n, 6);
    assert_text(&errors.a[0], "spec.x: Invalid value: \"y\": must be 3");
    assert_text(&errors.a[1], "metadata.name: Required value");
    assert_text(&errors.a[2], "spec.policyTypes[0]: Unsupported value: \"In\": "
                              "supported values: \"Egress\", \"Ingress\"");
    assert_text(&errors.a[3], "spec.y: Forbidden: may not be set");
    assert_text(&errors.a[4], "spec.z: Too many: 5: must have at most 4 items");
    assert_text(&errors.a[5], "Invalid value: []: must be an object");
    assert_string_equal(field_error_reason(FIELD_REQUIRED), "FieldValueRequired");
    assert_string_equal(field_error_reason(FIELD_TYPE_INVALID), "FieldValueTypeInvalid");
    field_errors_uninit(&errors);
    assert_int_equal(errors.n, 0);
}

static void
test_errors_and_values_are_capped(void **state)
{
    struct field_errors errors;
    char value[1000];

    field_errors_init(&errors);
    /* 2-byte characters at odd offsets: the cut must not split one. */
    value[0] = 'x';
    for (size_t i = 1; i + 2 < sizeof value; i += 2) {
        memcpy(&value[i], "\xc3\xa9", 3);
    }
    for (int i = 0; i < 100; i++) {
        field_errors_add(&errors, FIELD_INVALID, "f", value, "%d", i);
    }
    assert_int_equal(errors.n, 64);
    assert_int_equal(errors.n_more, 36);
    assert_int_equal(strlen(errors.a[0].value), 255 + 3);
    assert_string_equal(errors.a[0].value + 253, "\xc3\xa9...");
    field_errors_uninit(&errors);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_are_those_of_the_kubernetes_api),
        cmocka_unit_test(test_errors_and_values_are_capped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
