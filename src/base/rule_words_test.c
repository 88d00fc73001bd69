#include "base/rule_words.h"

#include <stdlib.h>

#include "base/test.h"
#include "openvswitch/dynamic-string.h"

/* The sentence about rule 1 of these records. */
static void
assert_words(const char *subject, const char *rule, const char *expected)
{
    struct records *records = records_create();
    struct ds text = DS_EMPTY_INITIALIZER, words = DS_EMPTY_INITIALIZER;

    ds_put_format(&text, "set 1 selector=%s identities=\n", subject);
    ds_put_cstr(&text, "set 2 selector=ns{}/pod{app=web}\n");
    ds_put_cstr(&text, "set 3 selector=\"\" prefixes=10.0.0.0/8 domains=a.example\n");
    ds_put_format(&text, "rule 1 ingress tier=networkpolicy priority=0 %s policy=p index=0\n",
                  rule);
    char *error = records_parse(ds_cstr(&text), records);
    assert_null(error);
    rule_words(records, records_rule(records, 1), &words);
    assert_string_equal(ds_cstr(&words), expected);
    ds_destroy(&words);
    ds_destroy(&text);
    records_destroy(records);
}

static void
test_sentences(void **state)
{
    assert_words("ns{kubernetes.io/metadata.name=a}/pod{x=y}",
                 "action=allow vni=4096 subject=1 peers=set:2 ports=tcp:80",
                 "pods x=y of namespace a accept TCP 80 from pods app=web of all namespaces");
    assert_words("ns{kubernetes.io/metadata.name=a}/pod{}",
                 "action=isolate vni=4096 subject=1 peers=any ports=any",
                 "all pods of namespace a accept only what a rule allows");
    assert_words("ns{kubernetes.io/metadata.name=a,namespace:isolated}/pod{x=y}",
                 "action=allow vni=4096 subject=1 peers=any ports=any",
                 "pods x=y of namespace a, while it is isolated, accept everything from anybody");
}

static void
test_actions(void **state)
{
    const char *subject = "ns{}/pod{}";

    assert_words(subject, "action=deny vni=0 subject=1 peers=pods,10.0.0.0/8 ports=any",
                 "all pods of all namespaces drop everything from any pod, 10.0.0.0/8");
    assert_words(subject, "action=reject vni=0 subject=1 peers=set:3 ports=tcp:1",
                 "all pods of all namespaces reject TCP 1 from 10.0.0.0/8, a.example");
    assert_words(subject, "action=pass vni=0 subject=1 peers=any ports=any",
                 "all pods of all namespaces leave to the next tier to accept everything from "
                 "anybody");
}

static void
test_sets_with_a_name(void **state)
{
    const char *rule = "action=deny vni=0 subject=1 peers=any ports=any";

    assert_words("group{web}", rule, "group web drop everything from anybody");
    assert_words("networks{offices}", rule, "network group offices drop everything from anybody");
    assert_words("nodes{}", rule, "all nodes drop everything from anybody");
    assert_words("nodes{role=db}", rule, "nodes role=db drop everything from anybody");
    assert_words("domains{*.a.b,c.d}", rule, "*.a.b,c.d drop everything from anybody");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sentences),
        cmocka_unit_test(test_actions),
        cmocka_unit_test(test_sets_with_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
