/* Manifests: what they mean, the line of each field, what is refused. */
#include "sources/manifest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/test.h"

static void
parse(const char *text, struct manifest *m)
{
    char *error = manifest_parse("x.yaml", text, strlen(text), m);

    if (error) {
        fail_msg("%s", error);
    }
}

/* The object of a document, as JSON text with sorted keys. */
static void
assert_object(const struct manifest *m, size_t i, const char *expected)
{
    assert_true(i < m->n);

    char *s = json_dumps(m->docs[i].object, JSON_COMPACT | JSON_SORT_KEYS);

    assert_string_equal(s, expected);
    free(s);
}

static void
assert_one(const char *text, const char *expected)
{
    struct manifest m;

    parse(text, &m);
    assert_int_equal(m.n, 1);
    assert_object(&m, 0, expected);
    manifest_uninit(&m);
}

static void
assert_refused(const char *text, const char *expected)
{
    struct manifest m;
    char *error = manifest_parse("x.yaml", text, strlen(text), &m);

    if (!error) {
        fail_msg("accepted: %s", text);
    }
    assert_string_equal(error, expected);
    assert_int_equal(m.n, 0);
    free(error);
}

static const char policy[] = "# The policy of the article.\n"
                             "apiVersion: networking.k8s.io/v1\n"
                             "kind: NetworkPolicy\n"
                             "metadata:\n"
                             "  name: redis\n"
                             "  annotations:\n"
                             "    virga.dev/ip: \"10.0.0.1\"\n"
                             "spec:\n"
                             "  podSelector: {}\n"
                             "  ingress:\n"
                             "  - from:\n"
                             "    - podSelector:\n"
                             "        matchLabels: {role: frontend}\n"
                             "    ports:\n"
                             "    - protocol: TCP\n"
                             "      port: 6379\n"
                             "    - port: 80\n"
                             "      endPort: 79\n";

static void
test_a_policy_and_its_lines(void **state)
{
    static const struct {
        const char *field;
        int line;
    } lines[] = {
        { "", 2 },
        { "kind", 3 },
        { "metadata.annotations[virga.dev/ip]", 7 },
        { "metadata.namespace", 4 }, /* Absent: its parent. */
        { "spec.podSelector", 9 },
        { "spec.podSelector.matchLabels", 9 },
        { "spec.ingress[0]", 11 },
        { "spec.ingress[0].from[0].podSelector.matchLabels.role", 13 },
        { "spec.ingress[0].ports[0].port", 16 },
        { "spec.ingress[0].ports[1]", 17 },
        { "spec.ingress[0].ports[1].endPort", 18 },
        { "spec.ingress[0].ports[7].endPort", 14 },
        { "spec.ingress[x", 10 },
        { "spec.ingress[", 10 },
        { "spec..ingress", 8 },
        { "status", 2 },
        { "[0]", 2 },
    };
    struct manifest m;

    parse(policy, &m);
    assert_string_equal(m.file, "x.yaml");
    assert_int_equal(m.n, 1);
    assert_object(&m, 0,
                  "{\"apiVersion\":\"networking.k8s.io/v1\",\"kind\":\"NetworkPolicy\","
                  "\"metadata\":{\"annotations\":{\"virga.dev/ip\":\"10.0.0.1\"},"
                  "\"name\":\"redis\"},\"spec\":{\"ingress\":[{\"from\":[{\"podSelector\":"
                  "{\"matchLabels\":{\"role\":\"frontend\"}}}],\"ports\":[{\"port\":6379,"
                  "\"protocol\":\"TCP\"},{\"endPort\":79,\"port\":80}]}],\"podSelector\":{}}}");
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        int line = manifest_line(&m.docs[0], lines[i].field);

        if (line != lines[i].line) {
            fail_msg("%s: line %d, expected %d", lines[i].field, line, lines[i].line);
        }
    }
    manifest_uninit(&m);
}

static void
test_documents(void **state)
{
    struct manifest m;

    parse("---\n# nothing\n---\na: 1\n---\n---\n\nb:\n  c: 2\n...\n", &m);
    assert_int_equal(m.n, 2);
    assert_object(&m, 0, "{\"a\":1}");
    assert_object(&m, 1, "{\"b\":{\"c\":2}}");
    assert_int_equal(m.docs[0].line, 4);
    assert_int_equal(m.docs[1].line, 8);
    assert_int_equal(manifest_line(&m.docs[1], "b.c"), 9);
    manifest_uninit(&m);

    parse("", &m);
    assert_int_equal(m.n, 0);
    manifest_uninit(&m);
    parse("# just this\n", &m);
    assert_int_equal(m.n, 0);
    manifest_uninit(&m);
}

static void
test_lists_are_expanded(void **state)
{
    struct manifest m;

    parse("kind: List\n"
          "apiVersion: v1\n"
          "items:\n"
          "- kind: Pod\n"
          "  metadata:\n"
          "    name: a\n"
          "- kind: Pod\n"
          "  metadata: {name: b}\n"
          "---\n"
          "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\n"
          "\"metadata\":{\"resourceVersion\":\"9\"},\"items\":[\n"
          "{\"metadata\":{\"name\":\"c\"}}]}\n"
          "---\n"
          "kind: List\n"
          "items: []\n",
          &m);
    assert_int_equal(m.n, 3);
    assert_object(&m, 1, "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"b\"}}");
    assert_object(&m, 2, "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"c\"}}");
    assert_int_equal(m.docs[0].line, 4);
    assert_int_equal(manifest_line(&m.docs[0], "metadata.name"), 6);
    assert_int_equal(manifest_line(&m.docs[1], "metadata.name"), 8);
    assert_int_equal(manifest_line(&m.docs[2], "metadata.name"), 12);
    assert_int_equal(manifest_line(&m.docs[2], "kind"), 12);
    manifest_uninit(&m);

    assert_refused("kind: List\nitems:\n- kind: Pod\n- 3\n",
                   "x.yaml:4: an object must be a mapping of fields, such as \"kind: Pod\"");
}

static void
test_values(void **state)
{
    assert_one(
        "a: yes\nb: 'true'\nc: true\nd: \"8\"\ne: 8\nf:\ng: |\n  two\n  lines\nh: !!str 5\n",
        "{\"a\":\"yes\",\"b\":\"true\",\"c\":true,\"d\":\"8\",\"e\":8,\"f\":null,"
        "\"g\":\"two\\nlines\\n\",\"h\":\"5\"}");
    assert_one("80: a\n\"90\": b\n", "{\"80\":\"a\",\"90\":\"b\"}");
    /* JSON is YAML. */
    assert_one("{\"a\":[1,2.5,null,{\"b\":\"\\u00e9\\/\"}],\n\t\"c\":-1}\n",
               "{\"a\":[1,2.5,null,{\"b\":\"\xc3\xa9/\"}],\"c\":-1}");
}

static void
test_json_that_is_not_yaml(void **state)
{
    struct manifest m;

    parse(
        "\n "
        "{\"kind\":\"PodList\",\n\"apiVersion\":\"v1\",\"items\":[{\"a\":\"\x7f\\ud83d\\ude00\"},"
        "{\"b\":[2]}]}\n",
        &m);
    assert_int_equal(m.n, 2);
    assert_object(&m, 0,
                  "{\"a\":\"\x7f\xf0\x9f\x98\x80\",\"apiVersion\":\"v1\",\"kind\":\"Pod\"}");
    assert_object(&m, 1, "{\"apiVersion\":\"v1\",\"b\":[2],\"kind\":\"Pod\"}");
    assert_int_equal(manifest_line(&m.docs[1], "b[0]"), 2);
    manifest_uninit(&m);

    assert_refused("{\"a\": 1, \"a\": 2}", "x.yaml:1: key \"a\" is there twice");
    assert_refused("{\"a\": &x 2}", "x.yaml:1: anchors (&x) are not supported");
}

static void
test_broken_yaml_is_refused_with_its_line(void **state)
{
    assert_refused(
        "a: 1\nb: [1, 2\nc: 3\n",
        "x.yaml:3: did not find expected ',' or ']', while parsing a flow sequence that "
        "starts on line 2");
    assert_refused("kind: Pod\n\tmetadata:\n",
                   "x.yaml:2: found a tab character that violates indentation, while scanning a "
                   "plain scalar that starts on line 1");
    assert_refused("a: 1\n b: 2\n", "x.yaml:2: mapping values are not allowed in this context");
    assert_refused("a: \"open\n\n",
                   "x.yaml:3: found unexpected end of stream, while scanning a quoted scalar that "
                   "starts on line 1");
    assert_refused("a: 1\nb: \xff\n", "x.yaml:2: invalid leading UTF-8 octet");
    assert_refused("a: 1\nb: 2\na: 3\n", "x.yaml:3: key \"a\" is there twice");
    assert_refused("80: 1\n'80': 2\n", "x.yaml:2: key \"80\" is there twice");
    assert_refused("a: &x 1\nb: *x\n", "x.yaml:1: anchors (&x) are not supported");
    assert_refused("a: &x {b: 1}\n", "x.yaml:1: anchors (&x) are not supported");
    assert_refused("- &x []\n", "x.yaml:1: anchors (&x) are not supported");
    assert_refused("b:\n- *x\n", "x.yaml:2: aliases (*x) are not supported");
    assert_refused("a: !secret 1\n", "x.yaml:1: the tag !secret is not supported here");
    assert_refused("a: !!binary aGk=\n",
                   "x.yaml:1: the tag tag:yaml.org,2002:binary is not supported here");
    assert_refused("? [a]\n: b\n", "x.yaml:1: a key must be text");
    assert_refused("a: 1\nb: 99999999999999999999\n",
                   "x.yaml:2: \"99999999999999999999\" is not a value that JSON can hold");
    assert_refused("a: 1\nb: \"x\\0y\"\n", "x.yaml:2: text must not contain a NUL character");
    assert_refused("a: 1\n---\njust text\n",
                   "x.yaml:3: an object must be a mapping of fields, such as \"kind: Pod\"");
}

static void
test_depth_is_capped(void **state)
{
    char text[8 + 2 * 100000];
    struct manifest m;

    memcpy(text, "a: ", 4);
    memset(text + 3, '[', MANIFEST_MAX_DEPTH - 1);
    memset(text + 3 + MANIFEST_MAX_DEPTH - 1, ']', MANIFEST_MAX_DEPTH - 1);
    text[3 + 2 * (MANIFEST_MAX_DEPTH - 1)] = '\0';
    parse(text, &m);
    manifest_uninit(&m);

    memset(text + 3, '[', 100000);
    text[3 + 100000] = '\0';
    assert_refused(text, "x.yaml:1: nested more than 64 levels deep");
}

static void
test_files(void **state)
{
    char file[] = "/tmp/manifest_test.XXXXXX";
    int fd = mkstemp(file);
    struct manifest m;
    char expected[128];

    assert_true(fd >= 0);
    assert_int_equal(write(fd, policy, strlen(policy)), strlen(policy));
    close(fd);

    assert_null(manifest_read(file, &m));
    assert_int_equal(m.n, 1);
    assert_string_equal(m.file, file);
    manifest_uninit(&m);
    unlink(file);

    char *error = manifest_read(file, &m);

    snprintf(expected, sizeof expected, "%s: No such file or directory", file);
    assert_string_equal(error, expected);
    free(error);
    manifest_uninit(&m); /* Harmless. */
    error = manifest_read("/", &m);
    assert_string_equal(error, "/: Is a directory");
    free(error);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_policy_and_its_lines),
        cmocka_unit_test(test_documents),
        cmocka_unit_test(test_lists_are_expanded),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_json_that_is_not_yaml),
        cmocka_unit_test(test_broken_yaml_is_refused_with_its_line),
        cmocka_unit_test(test_depth_is_capped),
        cmocka_unit_test(test_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
