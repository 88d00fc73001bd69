/* A name outlives its identity. */
#include "api/identity_names.h"

#include "base/records.h"
#include "base/test.h"
#include "util.h"

static void
put(struct records *records, uint32_t id, const char *labels)
{
    struct rec_identity *identity = rec_identity_create(id);

    identity->labels = xstrdup(labels);
    records_put(records, &identity->r);
}

static void
test_names_outlive_identities(void **state)
{
    struct records *records = records_create();

    put(records, 256, "shop{}");
    struct identity_names *names = identity_names_create(records);
    records_clear_changes(records);

    put(records, 257, "shop{role=db}");
    records_remove(records, RECORD_IDENTITY, 256);
    identity_names_update(names, records);
    assert_string_equal(identity_names_find(names, 256), "shop{}");
    assert_string_equal(identity_names_find(names, 257), "shop{role=db}");
    assert_null(identity_names_find(names, 258));

    identity_names_destroy(names);
    records_destroy(records);
}

static void
test_cap(void **state)
{
    struct records *records = records_create();

    for (uint32_t id = 0; id <= IDENTITY_NAMES_MAX; id++) {
        put(records, IDENTITY_FIRST + id, "x{}");
    }
    struct identity_names *names = identity_names_create(records);
    size_t known = 0;
    for (uint32_t id = 0; id <= IDENTITY_NAMES_MAX; id++) {
        known += identity_names_find(names, IDENTITY_FIRST + id) != NULL;
    }
    assert_int_equal(known, IDENTITY_NAMES_MAX);
    identity_names_destroy(names);
    records_destroy(records);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_outlive_identities),
        cmocka_unit_test(test_cap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
