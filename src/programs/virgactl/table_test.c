#include "programs/virgactl/table.h"

#include "base/test.h"
#include "openvswitch/dynamic-string.h"

static const char *const headings[] = { "NAME", ">HITS", "NODE" };

static void
check(const struct table *table, bool color, const char *expected)
{
    struct ds out = DS_EMPTY_INITIALIZER;

    table_format(table, color, &out);
    assert_string_equal(ds_cstr(&out), expected);
    ds_destroy(&out);
}

static void
test_columns_align(void **state)
{
    struct table *table = table_create(headings, 3);

    (void) state;
    check(table, false, "");
    table_cell(table, "redis");
    table_cell(table, "%d", 12345);
    table_cell(table, "node-1");
    table_cell(table, "a");
    table_cell(table, "7");
    table_cell(table, "%s", "");
    table_sort(table);
    check(table, false,
          "NAME    HITS  NODE\n"
          "a          7  -\n"
          "redis  12345  node-1\n");
    table_destroy(table);
}

static void
test_color_does_not_count_as_width(void **state)
{
    struct table *table = table_create(headings, 3);

    (void) state;
    table_colored_cell(table, COLOR_GOOD, "ok");
    table_cell(table, "1");
    table_cell(table, "n");
    check(table, true,
          "\033[1mNAME\033[0m  \033[1mHITS\033[0m  \033[1mNODE\033[0m\n"
          "\033[32mok\033[0m       1  n\n");
    check(table, false,
          "NAME  HITS  NODE\n"
          "ok       1  n\n");
    table_destroy(table);
}

static void
test_sort_looks_at_later_cells(void **state)
{
    static const char *const two[] = { "A", "B" };
    struct table *table = table_create(two, 2);

    (void) state;
    table_cell(table, "x");
    table_cell(table, "2");
    table_cell(table, "x");
    table_cell(table, "1");
    table_sort(table);
    check(table, false, "A  B\nx  1\nx  2\n");
    table_destroy(table);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns_align),
        cmocka_unit_test(test_color_does_not_count_as_width),
        cmocka_unit_test(test_sort_looks_at_later_cells),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
