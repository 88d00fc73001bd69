/* Labels and selectors: they match as the Kubernetes API says, and equal
 * meaning is equal text, which is what selectors are shared by. */
#include "model/labels.h"

#include <stdlib.h>
#include <string.h>

#include "base/test.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "util.h"

static void
test_intern_gives_one_copy(void **state)
{
    char a[] = "app";
    char b[] = "app";

    assert_ptr_equal(intern(a), intern(b));
    assert_ptr_not_equal(intern(a), intern("ap"));
    assert_string_equal(intern(""), "");
    for (int i = 0; i < 5000; i++) { /* The table grows. */
        char text[24];

        snprintf(text, sizeof text, "v%d", i);
        assert_string_equal(intern(text), text);
    }
    assert_ptr_equal(intern(a), intern("app"));
}

static struct labels
make_labels(const char *const (*pairs)[2], size_t n)
{
    struct labels labels;

    labels_init(&labels);
    for (size_t i = 0; i < n; i++) {
        labels_set(&labels, pairs[i][0], pairs[i][1]);
    }
    return labels;
}

static void
assert_labels_text(const struct labels *labels, const char *expected)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    labels_format(labels, &ds);
    assert_string_equal(ds_cstr(&ds), expected);
    ds_destroy(&ds);
}

static void
test_labels_are_sorted_and_replaced(void **state)
{
    static const char *const pairs[][2] = {
        { "tier", "db" },
        { "app", "redis" },
        { "role", "" },
        { "app", "memcached" },
    };
    struct labels labels = make_labels(pairs, ARRAY_SIZE(pairs));
    struct labels copy;

    assert_labels_text(&labels, "app=memcached,role=,tier=db");
    assert_string_equal(labels_get(&labels, intern("role")), "");
    assert_null(labels_get(&labels, intern("rol")));

    labels_clone(&copy, &labels);
    assert_true(labels_equal(&copy, &labels));
    labels_set(&copy, "zone", "z"); /* A clone may grow. */
    labels_set(&copy, "zone2", "z");
    assert_false(labels_equal(&copy, &labels));
    assert_labels_text(&copy, "app=memcached,role=,tier=db,zone=z,zone2=z");
    assert_labels_text(&labels, "app=memcached,role=,tier=db");
    labels_uninit(&copy);
    labels_uninit(&labels);
    assert_labels_text(&labels, "");
}

static void
test_many_labels(void **state)
{
    struct labels labels;

    labels_init(&labels);
    for (int i = 0; i < 1024; i++) {
        char key[24];

        snprintf(key, sizeof key, "k%04d", i * 7 % 1024);
        labels_set(&labels, key, key);
    }
    assert_int_equal(labels.n, 1024);
    for (size_t i = 0; i < labels.n; i++) {
        assert_true(!i || strcmp(labels.a[i - 1].key, labels.a[i].key) < 0);
        assert_ptr_equal(labels.a[i].key, labels.a[i].value);
    }
    labels_uninit(&labels);
}

/* One requirement against one pod: app=redis,empty= */
static bool
matches(const char *key, enum selector_op op, const char *const *values, size_t n)
{
    static const char *const pairs[][2] = { { "app", "redis" }, { "empty", "" } };
    struct labels labels = make_labels(pairs, ARRAY_SIZE(pairs));
    struct selector s;
    bool result;

    selector_init(&s);
    selector_add(&s, key, op, values, n);
    result = selector_matches(&s, &labels);
    selector_uninit(&s);
    labels_uninit(&labels);
    return result;
}

static void
test_requirements(void **state)
{
    static const char *const values[] = { "redis", "mysql" };
    static const char *const other[] = { "mysql" };
    static const char *const empty[] = { "" };

    assert_true(matches("app", SELECTOR_IN, values, 2));
    assert_false(matches("app", SELECTOR_IN, other, 1));
    assert_false(matches("gone", SELECTOR_IN, values, 2));
    assert_false(matches("app", SELECTOR_NOT_IN, values, 2));
    assert_true(matches("app", SELECTOR_NOT_IN, other, 1));
    /* An absent key is "not in" and "does not exist". */
    assert_true(matches("gone", SELECTOR_NOT_IN, values, 2));
    assert_true(matches("gone", SELECTOR_DOES_NOT_EXIST, NULL, 0));
    assert_false(matches("app", SELECTOR_DOES_NOT_EXIST, NULL, 0));
    assert_true(matches("empty", SELECTOR_EXISTS, NULL, 0));
    assert_false(matches("gone", SELECTOR_EXISTS, NULL, 0));
    /* The empty value needs the key. */
    assert_true(matches("empty", SELECTOR_IN, empty, 1));
    assert_false(matches("gone", SELECTOR_IN, empty, 1));
}

static void
test_empty_selector_matches_all_and_requirements_are_anded(void **state)
{
    static const char *const pairs[][2] = { { "app", "redis" }, { "tier", "db" } };
    static const char *const redis[] = { "redis" };
    static const char *const web[] = { "web" };
    struct labels labels = make_labels(pairs, ARRAY_SIZE(pairs));
    struct labels none = { NULL, 0 };
    struct selector s;

    selector_init(&s);
    assert_true(selector_matches(&s, &labels));
    assert_true(selector_matches(&s, &none));
    selector_add(&s, "app", SELECTOR_IN, redis, 1);
    assert_true(selector_matches(&s, &labels));
    assert_false(selector_matches(&s, &none));
    selector_add(&s, "tier", SELECTOR_IN, web, 1);
    assert_false(selector_matches(&s, &labels));
    selector_uninit(&s);
    labels_uninit(&labels);
}

static void
assert_selector_text(const struct selector *s, const char *expected)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    selector_format(s, &ds);
    assert_string_equal(ds_cstr(&ds), expected);
    ds_destroy(&ds);
}

static void
test_selector_text_is_canonical(void **state)
{
    static const char *const ab[] = { "a", "b" };
    static const char *const bab[] = { "b", "a", "b" };
    static const char *const db[] = { "db" };
    struct selector s, t;

    selector_init(&s);
    selector_init(&t);
    assert_selector_text(&s, "");
    selector_add(&s, "tier", SELECTOR_IN, db, 1);
    selector_add(&s, "canary", SELECTOR_DOES_NOT_EXIST, NULL, 0);
    selector_add(&s, "app", SELECTOR_IN, bab, 3);
    assert_selector_text(&s, "app in (a,b),!canary,tier=db");

    selector_add(&t, "app", SELECTOR_IN, ab, 2);
    assert_false(selector_equal(&s, &t));
    selector_add(&t, "tier", SELECTOR_IN, db, 1);
    selector_add(&t, "canary", SELECTOR_DOES_NOT_EXIST, NULL, 0);
    selector_add(&t, "tier", SELECTOR_IN, db, 1); /* Said twice. */
    assert_true(selector_equal(&s, &t));
    assert_selector_text(&t, "app in (a,b),!canary,tier=db");

    selector_add(&t, "tier", SELECTOR_NOT_IN, db, 1);
    selector_add(&t, "tier", SELECTOR_NOT_IN, ab, 2);
    selector_add(&t, "app", SELECTOR_EXISTS, NULL, 0);
    assert_selector_text(&t, "app in (a,b),app,!canary,tier=db,tier notin (a,b),tier!=db");
    selector_uninit(&s);
    selector_uninit(&t);
}

static void
test_selector_clone_is_independent(void **state)
{
    static const char *const ab[] = { "a", "b" };
    struct selector s, t;

    selector_init(&s);
    for (int i = 0; i < 3; i++) {
        char key[24];

        snprintf(key, sizeof key, "k%d", i);
        selector_add(&s, key, SELECTOR_IN, ab, 2);
    }
    selector_clone(&t, &s);
    selector_add(&t, "k3", SELECTOR_EXISTS, NULL, 0);
    selector_add(&t, "k4", SELECTOR_EXISTS, NULL, 0);
    selector_uninit(&s);
    assert_selector_text(&t, "k0 in (a,b),k1 in (a,b),k2 in (a,b),k3,k4");
    selector_uninit(&t);
}

static void
check(char *(*f)(const char *), const char *text, const char *expected_part)
{
    char *error = f(text);

    if (!expected_part && error) {
        fail_msg("\"%s\" refused: %s", text, error);
    }
    if (expected_part && (!error || !strstr(error, expected_part))) {
        fail_msg("\"%s\": expected \"%s\", got \"%s\"", text, expected_part, error);
    }
    free(error);
}

static char *
repeat(char c, size_t n)
{
    char *s = malloc(n + 1);

    memset(s, c, n);
    s[n] = '\0';
    return s;
}

static void
test_key_syntax(void **state)
{
    static const char *const good[] = { "app", "A",    "1-2_3.x", "kubernetes.io/metadata.name",
                                        "a/B", "1.2/x" };
    static const char *const bad[][2] = {
        { "", "name part must be non-empty" },
        { "a/", "name part must be non-empty" },
        { "/a", "prefix part must be non-empty" },
        { "a/b/c", "a qualified name must consist" },
        { "-a", "name part must consist" },
        { "a_", "name part must consist" },
        { "a b", "name part must consist" },
        { "caf\xc3\xa9", "name part must consist" },
        { "A/b", "prefix part a lowercase RFC 1123 subdomain" },
        { "a..b/c", "prefix part a lowercase RFC 1123 subdomain" },
        { "a.-b/c", "prefix part a lowercase RFC 1123 subdomain" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        check(label_key_check, good[i], NULL);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        check(label_key_check, bad[i][0], bad[i][1]);
    }
}

static void
test_key_lengths(void **state)
{
    char *name63 = repeat('n', 63);
    char *name64 = repeat('n', 64);
    char *prefix253 = repeat('p', 253);
    char *prefix254 = repeat('p', 254);
    char *key;

    check(label_key_check, name63, NULL);
    check(label_key_check, name64, "name part must be no more than 63 bytes");
    check(label_value_check, name63, NULL);
    check(label_value_check, name64, "must be no more than 63 bytes");
    key = xasprintf("%s/%s", prefix253, name63);
    check(label_key_check, key, NULL);
    free(key);
    key = xasprintf("%s/%s", prefix254, name63);
    check(label_key_check, key, "prefix part must be no more than 253 bytes");
    free(key);
    free(name63);
    free(name64);
    free(prefix253);
    free(prefix254);
}

static void
test_value_syntax(void **state)
{
    check(label_value_check, "", NULL);
    check(label_value_check, "My.value_1-x", NULL);
    check(label_value_check, "a/b", "a valid label must be an empty string or");
    check(label_value_check, "-", "a valid label must be an empty string or");
    check(label_value_check, "a ", "a valid label must be an empty string or");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_intern_gives_one_copy),
        cmocka_unit_test(test_labels_are_sorted_and_replaced),
        cmocka_unit_test(test_many_labels),
        cmocka_unit_test(test_requirements),
        cmocka_unit_test(test_empty_selector_matches_all_and_requirements_are_anded),
        cmocka_unit_test(test_selector_text_is_canonical),
        cmocka_unit_test(test_selector_clone_is_independent),
        cmocka_unit_test(test_key_syntax),
        cmocka_unit_test(test_key_lengths),
        cmocka_unit_test(test_value_syntax),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
