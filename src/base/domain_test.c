#include "base/domain.h"

#include <string.h>

#include "base/test.h"

static void
test_valid(void **state)
{
    char label[65];

    memset(label, 'a', 64);
    label[64] = '\0';
    assert_false(domain_name_is_valid(label));
    label[63] = '\0';
    assert_true(domain_name_is_valid(label));
    assert_true(domain_name_is_valid("www.example.com"));
    assert_true(domain_name_is_valid("_sip._tcp.x-1"));
    assert_true(domain_pattern_is_valid("www.example.com"));
    assert_true(domain_pattern_is_valid("*.example.com"));
    static const char *const bad[] = { "",  ".",  "a..b", "a.",  "-a",    "a-",  "A",  "a b",
                                       "*", "*.", "*a",   "a.*", "*.*.a", "a,b", "a\"" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(domain_pattern_is_valid(bad[i]));
    }
    assert_false(domain_name_is_valid("*.example.com"));
}

static void
test_whole_name_is_limited(void **state)
{
    char name[260];

    for (size_t i = 0; i < sizeof name - 1; i++) {
        name[i] = i % 2 ? '.' : 'a';
    }
    name[254] = '\0';
    name[253] = 'a'; /* 254 bytes. */
    assert_false(domain_name_is_valid(name));
    name[253] = '\0';
    assert_true(domain_name_is_valid(name));
}

static void
test_matches(void **state)
{
    assert_true(domain_pattern_matches("a.example", "a.example"));
    assert_false(domain_pattern_matches("a.example", "b.a.example"));
    assert_true(domain_pattern_matches("*.a.example", "b.a.example"));
    assert_true(domain_pattern_matches("*.a.example", "c.b.a.example"));
    assert_false(domain_pattern_matches("*.a.example", "a.example"));
    assert_false(domain_pattern_matches("*.a.example", "ba.example"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_whole_name_is_limited),
        cmocka_unit_test(test_matches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
