/* PolicyGroup and NetworkGroup: what the schemas of their CRDs accept and
 * refuse, and at which field. */
#include "model/groups.h"

#include "model/object_test.h"
#include "util.h"

OBJECT_TEST_FUNCTIONS(policy_group)
OBJECT_TEST_FUNCTIONS(network_group)

#define META "'metadata': {'name': 'web'}"

static struct policy_group *
good_group(const char *spec)
{
    char *text = xasprintf("{" META ", 'spec': %s}", spec);
    struct policy_group *group = good_policy_group(text);

    free(text);
    return group;
}

static void
bad_group(const char *spec, const char *expected)
{
    char *text = xasprintf("{" META ", 'spec': %s}", spec);

    bad_policy_group(text, expected);
    free(text);
}

static struct network_group *
good_networks(const char *networks)
{
    char *text = xasprintf("{" META ", 'spec': {'networks': %s}}", networks);
    struct network_group *group = good_network_group(text);

    free(text);
    return group;
}

static void
bad_networks(const char *networks, const char *expected)
{
    char *text = xasprintf("{" META ", 'spec': {'networks': %s}}", networks);

    bad_network_group(text, expected);
    free(text);
}

static void
test_a_full_group(void **state)
{
    struct policy_group *group = good_group(
        "{'selectors': [{'podSelector': {'matchLabels': {'app': 'web'}}},"
        "               {'namespaceSelector': {'matchLabels': {'team': 'a'}}},"
        "               {'namespaceSelector': {}, 'podSelector': {}}],"
        " 'names': ['shop/web-0', 'shop/web.old'], 'groups': ['front', 'back.end']}");

    assert_int_equal(group->n_selectors, 3);
    assert_selector(&group->selectors[0].namespaces, "");
    assert_selector(&group->selectors[0].pods, "app=web");
    assert_selector(&group->selectors[1].namespaces, "team=a");
    assert_selector(&group->selectors[1].pods, "");
    assert_int_equal(group->n_pods, 2);
    assert_string_equal(group->pods[0].namespace_, "shop");
    assert_string_equal(group->pods[1].name, "web.old");
    assert_int_equal(group->n_groups, 2);
    assert_string_equal(group->groups[1], "back.end");
    policy_group_destroy(group);
}

/* Members come by label alone. */
static void
test_a_group_may_list_nothing(void **state)
{
    policy_group_destroy(good_group("{}"));
    policy_group_destroy(good_group("{'selectors': [], 'names': [], 'groups': []}"));
}

static void
test_a_group_has_a_spec_and_no_namespace(void **state)
{
    bad_policy_group("{'metadata': {'name': 'web', 'namespace': 'shop'}}",
                     "metadata.namespace: Forbidden: not allowed on this type\n"
                     "spec: Required value");
    bad_group("1", "spec: Invalid value: 1: must be an object");
}

static void
test_a_selector_selects(void **state)
{
    bad_group("{'selectors': [{}, {'pods': {}}, 1]}",
              "spec.selectors[0]: Invalid value: 0: spec.selectors[0] in body should have at "
              "least 1 properties\n"
              "spec.selectors[1]: Invalid value: 0: spec.selectors[1] in body should have at "
              "least 1 properties\n"
              "spec.selectors[2]: Invalid value: 1: must be an object");
    bad_group("{'selectors': [{'podSelector': {'matchExpressions': "
              "[{'key': 'a', 'operator': 'Near'}]}}]}",
              "spec.selectors[0].podSelector.matchExpressions[0].operator: Invalid value: "
              "\"Near\": not a valid selector operator");
}

static void
assert_unknown_of_group(const char *spec, const char *expected)
{
    struct policy_group *group = good_group(spec);

    assert_string_equal(group->unknown, expected);
    policy_group_destroy(group);
}

static void
test_unknown_fields_are_said(void **state)
{
    assert_unknown_of_group("{'selectors': [{'namespaceSelector': {}, 'podSelecter': {}}]}",
                            "spec.selectors[0].podSelecter");
    assert_unknown_of_group("{'selectors': [{'podSelector': {'matchLabel': {}}}], 'but': []}",
                            "spec.but");
    assert_unknown_of_group("{'selectors': [{'podSelector': {'matchLabel': {}}}]}",
                            "spec.selectors[0].podSelector.matchLabel");

    struct network_group *networks = good_networks("[{'cidr': '10.0.0.0/8', 'excepts': []}]");
    assert_string_equal(networks->unknown, "spec.networks[0].excepts");
    network_group_destroy(networks);
}

static void
test_names_are_of_pods(void **state)
{
    bad_group("{'names': ['web-0', 'shop/web-0', 'shop/web-0', 7]}",
              "spec.names[2]: Duplicate value: \"shop/web-0\"\n"
              "spec.names[0]: Invalid value: \"web-0\": must be NAMESPACE/NAME of a pod\n"
              "spec.names[3]: Invalid value: 7: must be a string");
}

static void
test_groups_are_names(void **state)
{
    bad_group("{'groups': ['a', 'a']}", "spec.groups[1]: Duplicate value: \"a\"");
    bad_group("{'groups': 'a'}", "spec.groups: Invalid value: \"a\": must be a list");
}

static void
assert_prefixes(const char *networks, const char *expected)
{
    struct network_group *group = good_networks(networks);
    size_t n;
    struct prefix *prefixes = network_group_prefixes(group, &n);
    struct ds ds = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < n; i++) {
        ds_put_cstr(&ds, i ? " " : "");
        prefix_format(&prefixes[i], &ds);
    }
    assert_string_equal(ds_cstr(&ds), expected);
    ds_destroy(&ds);
    free(prefixes);
    network_group_destroy(group);
}

static void
test_addresses_are_a_union(void **state)
{
    assert_prefixes("[]", "");
    assert_prefixes("[{'cidr': '10.0.0.0/8'}, {'cidr': '10.1.0.0/16'}, {'cidr': '10.0.0.0/8'}]",
                    "10.0.0.0/8");
    /* An except narrows its own network alone. */
    assert_prefixes("[{'cidr': '10.0.0.0/30', 'except': ['10.0.0.1/32', '10.0.0.2/31']},"
                    " {'cidr': '10.0.0.2/32'}]",
                    "10.0.0.0/32 10.0.0.2/32");
    assert_prefixes("[{'cidr': '::/0'}, {'cidr': '10.0.0.0/8'}, {'cidr': '2001:db8::/32'}]",
                    "::/0 10.0.0.0/8");
}

#define NOT_CHECKED                                                                          \
    "<nil>: Invalid value: null: some validation rules were not checked because the object " \
    "was invalid; correct the existing errors to complete validation"

static void
test_networks_are_cidrs(void **state)
{
    bad_networks("[{}]", "spec.networks[0].cidr: Required value\n" NOT_CHECKED);
    bad_networks("[{'cidr': '10.0.0.1'}, {'cidr': '::ffff:10.0.0.0/104'}]",
                 "spec.networks[0].cidr: Invalid value: \"string\": must be a CIDR of IPv4 or "
                 "IPv6\n"
                 "spec.networks[1].cidr: Invalid value: \"string\": must be a CIDR of IPv4 or "
                 "IPv6");
}

static void
test_an_except_is_inside(void **state)
{
#define NOT_INSIDE                                                                     \
    "spec.networks[0].except: Invalid value: \"array\": each must be a strict subset " \
    "of cidr"
    bad_networks("[{'cidr': '10.0.0.0/8', 'except': ['10.0.0.0/8']}]", NOT_INSIDE);
    bad_networks("[{'cidr': '::/0', 'except': ['10.0.0.0/8']}]", NOT_INSIDE);
    bad_networks("[{'cidr': '10.0.0.0/8', 'except': ['x']}]",
                 "spec.networks[0].except[0]: Invalid value: \"string\": must be a CIDR of IPv4 "
                 "or IPv6");
}

/* Each cut costs a prefix for each bit. */
static void
test_addresses_have_a_limit(void **state)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    ds_put_cstr(&ds, "[");
    for (int i = 0; i < 600; i++) {
        ds_put_format(&ds,
                      "%s{'cidr': '2001:%x::/32', 'except': ['2001:%x:1::1/128',"
                      "'2001:%x:8000::1/128']}",
                      i ? "," : "", i + 1, i + 1, i + 1);
    }
    ds_put_cstr(&ds, "]");

    struct network_group *group = good_networks(ds_cstr(&ds));
    size_t n;

    assert_null(network_group_prefixes(group, &n));
    network_group_destroy(group);
    ds_destroy(&ds);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_full_group),
        cmocka_unit_test(test_a_group_may_list_nothing),
        cmocka_unit_test(test_a_group_has_a_spec_and_no_namespace),
        cmocka_unit_test(test_a_selector_selects),
        cmocka_unit_test(test_unknown_fields_are_said),
        cmocka_unit_test(test_names_are_of_pods),
        cmocka_unit_test(test_groups_are_names),
        cmocka_unit_test(test_addresses_are_a_union),
        cmocka_unit_test(test_networks_are_cidrs),
        cmocka_unit_test(test_an_except_is_inside),
        cmocka_unit_test(test_addresses_have_a_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
