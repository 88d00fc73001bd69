/* Namespaces, and the metadata that every object has. */
#include "model/objects.h"

#include "model/object_test.h"
#include "util.h"

OBJECT_TEST_FUNCTIONS(k8s_namespace)

static void
test_labels_have_the_name(void **state)
{
    struct k8s_namespace *ns = good_k8s_namespace(
        "{'metadata': {'name': 'shop', 'uid': 'u-1', 'labels': {'team': 'a', "
        "'kubernetes.io/metadata.name': 'forged'}}}");
    struct ds ds = DS_EMPTY_INITIALIZER;

    assert_string_equal(ns->meta.name, "shop");
    assert_string_equal(ns->meta.namespace_, "");
    assert_string_equal(ns->meta.uid, "u-1");
    labels_format(&ns->meta.labels, &ds);
    assert_string_equal(ds_cstr(&ds), "kubernetes.io/metadata.name=shop,team=a");
    assert_int_equal(ns->n_subnets, 0);
    ds_destroy(&ds);
    k8s_namespace_destroy(ns);
    k8s_namespace_destroy(NULL);
}

static void
test_subnets(void **state)
{
    struct k8s_namespace *ns = good_k8s_namespace(
        "{'metadata': {'name': 'shop', 'annotations': {'virga.dev/subnets': "
        "' 10.130.0.0/30 ,10.130.1.0/24'}}}");

    assert_int_equal(ns->n_subnets, 2);
    assert_prefix(&ns->subnets[0], "10.130.0.0/30");
    assert_prefix(&ns->subnets[1], "10.130.1.0/24");
    k8s_namespace_destroy(ns);

    ns = good_k8s_namespace(
        "{'metadata': {'name': 'shop', 'annotations': {'virga.dev/subnets': ' '}}}");
    assert_int_equal(ns->n_subnets, 0);
    k8s_namespace_destroy(ns);
}

static void
bad_subnets(const char *subnets, const char *expected)
{
    char text[256];
    char errors[512];

    snprintf(text, sizeof text,
             "{'metadata': {'name': 'shop', 'annotations': {'virga.dev/subnets': '%s'}}}",
             subnets);
    snprintf(errors, sizeof errors, "metadata.annotations[virga.dev/subnets]: Invalid value: %s",
             expected);
    bad_k8s_namespace(text, errors);
}

static void
test_bad_subnets(void **state)
{
    bad_subnets("10.0.0.0/31",
                "\"10.0.0.0/31\": subnet is too small: the prefix must be no longer than /30");
    bad_subnets("10.0.0.0/16,10.1.0.0/16,10.0.3.0/24", "\"10.0.3.0/24\": overlaps 10.0.0.0/16");
    bad_subnets("10.0.3.0/24,10.0.0.0/16", "\"10.0.0.0/16\": overlaps 10.0.3.0/24");
    bad_subnets("224.0.0.0/24", "\"224.0.0.0/24\": must be a range of addresses for hosts");
    bad_subnets("10.0.0.1/24",
                "\"10.0.0.1/24\": \"10.0.0.1/24\" has bits set beyond its prefix length");
    bad_subnets("10.0.0.0/24,", "\"\": \"\" is not an IPv4 or IPv6 address, e.g. 10.0.0.1 "
                                "or 2001:db8::1");
}

static void
test_metadata_errors(void **state)
{
    bad_k8s_namespace("{}", "metadata.name: Required value: name is required");
    bad_k8s_namespace("{'metadata': {'name': ''}}",
                      "metadata.name: Required value: name is required");
    bad_k8s_namespace("{'metadata': {'name': 5}}",
                      "metadata.name: Invalid value: 5: must be a string");
    bad_k8s_namespace("[]", "Invalid value: must be an object\n"
                            "metadata.name: Required value: name is required");
    bad_k8s_namespace("{'metadata': []}", "metadata: Invalid value: must be an object\n"
                                          "metadata.name: Required value: name is required");
    bad_k8s_namespace("{'metadata': {'name': 'a', 'namespace': 'b'}}",
                      "metadata.namespace: Forbidden: not allowed on this type");
    bad_k8s_namespace("{'metadata': {'name': 'a.b'}}",
                      "metadata.name: Invalid value: \"a.b\": a lowercase RFC 1123 label must "
                      "consist of lower case alphanumeric characters or '-', and must start and "
                      "end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex "
                      "used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')");
}

static void
test_label_and_annotation_errors(void **state)
{
    bad_k8s_namespace("{'metadata': {'name': 'a', 'labels': {'/x': 'y', 'ok': 1}}}",
                      "metadata.labels: Invalid value: \"/x\": prefix part must be non-empty\n"
                      "metadata.labels[ok]: Invalid value: 1: must be a string");
    bad_k8s_namespace("{'metadata': {'name': 'a', 'labels': []}}",
                      "metadata.labels: Invalid value: must be an object");
    bad_k8s_namespace("{'metadata': {'name': 'a', 'annotations': {'x/': 'y', 'K.x/y': true}}}",
                      "metadata.annotations: Invalid value: \"x/\": name part must be non-empty\n"
                      "metadata.annotations[K.x/y]: Invalid value: true: must be a string");
}

/* A namespace with one annotation. */
static struct k8s_namespace *
annotated(const char *annotation, const char *value, struct field_errors *errors, bool *doubtful)
{
    json_t *json = json_pack("{s:{s:s, s:{s:s}}}", "metadata", "name", "a", "annotations",
                             annotation, value);
    struct k8s_namespace *ns = doubtful ? k8s_namespace_decode_stored(json, errors, doubtful)
                                        : k8s_namespace_decode(json, errors);

    json_decref(json);
    return ns;
}

#define ALPHA "net.alpha.kubernetes.io/network-isolation"
#define BETA "net.beta.kubernetes.io/network-policy"

static void
test_isolation(void **state)
{
    static const struct {
        const char *annotation, *value;
        bool isolated;
    } cases[] = {
        { ALPHA, "on", true },
        { ALPHA, "off", false },
        { BETA, "{\"ingress\":{\"isolation\":\"DefaultDeny\"}}", true },
        { BETA, " {\n\t\"ingress\" : { \"isolation\": \"DefaultDeny\" } }\n", true },
        { BETA, "{\"ingress\": {\"isolation\": null}, \"more\": 1}", false },
        { BETA, "{\"ingress\": null}", false },
        { BETA, "{}", false },
        { "other/network-isolation", "on", false },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct field_errors errors;
        bool doubtful = true;

        field_errors_init(&errors);
        struct k8s_namespace *ns = annotated(cases[i].annotation, cases[i].value, &errors, NULL);
        struct k8s_namespace *stored = annotated(cases[i].annotation, cases[i].value, &errors,
                                                 &doubtful);
        assert_errors(&errors, "");
        assert_int_equal(ns->isolated, cases[i].isolated);
        assert_int_equal(stored->isolated, cases[i].isolated);
        assert_int_equal(labels_get(&ns->meta.labels, intern(NAMESPACE_ISOLATED_LABEL)) != NULL,
                         cases[i].isolated);
        assert_false(doubtful);
        k8s_namespace_destroy(ns);
        k8s_namespace_destroy(stored);
    }
}

/* What cannot be made out is refused, and isolates where it is stored. */
static void
test_bad_isolation(void **state)
{
    static const char want[] = "must be {\"ingress\":{\"isolation\":\"DefaultDeny\"}}, or {} for "
                               "no isolation";
    static const struct {
        const char *annotation, *value, *error;
    } cases[] = {
        { ALPHA, "On", "Unsupported value: \"On\": supported values: \"on\", \"off\"" },
        { ALPHA, "", "Unsupported value: \"\": supported values: \"on\", \"off\"" },
        { BETA, "", "Invalid value: \"\": must be JSON" },
        { BETA, "[]", NULL },
        { BETA, "{\"ingress\": \"DefaultDeny\"}", NULL },
        { BETA, "{\"ingress\": {\"isolation\": \"DefaultAllow\"}}", NULL },
        { BETA, "{\"ingress\": {\"isolation\": true}}", NULL },
        { BETA, "{\"ingress\": ", "" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct field_errors errors;
        bool doubtful = false;

        field_errors_init(&errors);
        assert_null(annotated(cases[i].annotation, cases[i].value, &errors, NULL));
        char *text = errors_to_text(&errors);
        const char *expected = cases[i].error ? cases[i].error : want;
        assert_non_null(strstr(text, "metadata.annotations["));
        assert_non_null(strstr(text, cases[i].annotation));
        assert_non_null(strstr(text, expected));
        assert_null(strchr(text, '\n'));
        free(text);

        field_errors_init(&errors);
        struct k8s_namespace *ns = annotated(cases[i].annotation, cases[i].value, &errors,
                                             &doubtful);
        assert_errors(&errors, "");
        assert_true(doubtful);
        assert_true(ns->isolated);
        assert_non_null(labels_get(&ns->meta.labels, intern(NAMESPACE_ISOLATED_LABEL)));
        k8s_namespace_destroy(ns);
    }
}

/* Other errors stay errors; people cannot take the label that means isolated. */
static void
test_stored_namespace_must_be_sound_otherwise(void **state)
{
    json_t *json = object_from_text("{'metadata': {'name': 'A'}}");
    struct field_errors errors;
    bool doubtful;

    field_errors_init(&errors);
    assert_null(k8s_namespace_decode_stored(json, &errors, &doubtful));
    assert_true(field_errors_count(&errors) > 0);
    field_errors_uninit(&errors);
    json_decref(json);

    char *reason = label_key_check(NAMESPACE_ISOLATED_LABEL);
    assert_non_null(reason);
    free(reason);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_labels_have_the_name),
        cmocka_unit_test(test_subnets),
        cmocka_unit_test(test_bad_subnets),
        cmocka_unit_test(test_metadata_errors),
        cmocka_unit_test(test_label_and_annotation_errors),
        cmocka_unit_test(test_isolation),
        cmocka_unit_test(test_bad_isolation),
        cmocka_unit_test(test_stored_namespace_must_be_sound_otherwise),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
