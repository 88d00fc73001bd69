/* Plain scalars by the core schema. */
#include "sources/yaml_scalar.h"

#include <stdlib.h>
#include <string.h>

#include "base/test.h"

static void
check(const char *text, const char *expected)
{
    json_t *json = yaml_scalar_resolve(text);
    char *result = json ? json_dumps(json, JSON_ENCODE_ANY) : NULL;

    if (!expected != !result || (expected && strcmp(result, expected))) {
        fail_msg("%s: got %s, expected %s", text, result, expected);
    }
    free(result);
    json_decref(json);
}

static void
test_words(void **state)
{
    check("", "null");
    check("~", "null");
    check("Null", "null");
    check("nULL", "\"nULL\"");
    check("TRUE", "true");
    check("false", "false");
    check("yes", "\"yes\"");
    check("on", "\"on\"");
    check("n", "\"n\"");
    check("shop/redis", "\"shop/redis\"");
}

static void
test_numbers(void **state)
{
    check("6379", "6379");
    check("-1", "-1");
    check("+1", "1");
    check("0777", "777");
    check("0o17", "15");
    check("0x1F", "31");
    check("0o8", "\"0o8\"");
    check("-0x1", "\"-0x1\"");
    check("1_000", "\"1_000\"");
    check("9223372036854775807", "9223372036854775807");
    check("9223372036854775808", NULL);
    check("0xffffffffffffffff", NULL);
    check("1.5", "1.5");
    check("1.", "1.0");
    check(".5", "0.5");
    check("5e3", "5000.0");
    check("-", "\"-\"");
    check(".", "\".\"");
    check("1e", "\"1e\"");
    check("1.2.3", "\"1.2.3\"");
    check("10.0.0.0/8", "\"10.0.0.0/8\"");
    check("1e999", NULL);
    check(".inf", NULL);
    check("-.INF", NULL);
    check(".nan", NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
