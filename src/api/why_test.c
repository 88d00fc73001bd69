/* Answers about records of all tiers; what the evaluator itself decides is
 * evaluate_test's matter. */
#include "api/why.h"

#include <stdlib.h>

#include "base/records.h"
#include "base/test.h"
#include "openvswitch/dynamic-string.h"
#include "sset.h"
#include "util.h"

static const char cluster[] =
    "node 1 name=node-1 vtep=172.30.0.1 addresses=172.30.0.1\n"
    "node 2 name=node-2 vtep=172.30.0.2 addresses=172.30.0.2\n"
    "network 4097 name=shop zone=16 subnets=10.128.1.0/24,fd00:1::/64 "
    "gateways=10.128.1.1,fd00:1::1\n"
    "identity 256 vni=4097 labels=\"shop{app=api}\"\n"
    "identity 257 vni=4097 labels=\"shop{app=db}\"\n"
    "endpoint 1 name=shop/api uid=u1 vni=4097 identity=256 node=1 mac=02:56:0a:80:01:02 "
    "ips=10.128.1.2,fd00:1::2\n"
    "endpoint 2 name=shop/db uid=u2 vni=4097 identity=257 node=2 mac=02:56:0a:80:01:03 "
    "ips=10.128.1.3,fd00:1::3\n"
    "set 1 selector=\"ns{}/pod{app=api}\" identities=256\n"
    "set 2 selector=\"ns{}/pod{app=db}\" identities=257\n"
    "rule 1 ingress tier=admin priority=1 rank=10 action=pass vni=0 subject=2 peers=set:1 "
    "ports=tcp:80 policy=ClusterNetworkPolicy//first index=0\n"
    "rule 2 ingress tier=admin priority=2 rank=20 action=deny vni=0 subject=2 peers=any "
    "ports=tcp:81 policy=ClusterNetworkPolicy//first index=1 flags=dry-run\n"
    "rule 3 egress tier=group priority=2 rank=20 action=reject vni=0 subject=1 peers=set:2 "
    "ports=tcp:82 policy=GroupPolicy//shut index=0\n"
    "rule 4 ingress tier=networkpolicy priority=0 action=allow vni=4097 subject=2 peers=set:1 "
    "ports=tcp:80,tcp:82 policy=NetworkPolicy/shop/db index=0\n"
    "rule 5 ingress tier=networkpolicy priority=0 action=isolate vni=4097 subject=2 peers=any "
    "ports=any policy=NetworkPolicy/shop/db index=-1\n";

static int
setup(void **state)
{
    struct records *records = records_create();
    char *error = records_parse(cluster, records);

    assert_null(error);
    *state = records;
    return 0;
}

static int
teardown(void **state)
{
    records_destroy(*state);
    return 0;
}

static json_t *
ask(void **state, const char *from, const char *to, const char *port)
{
    char *error;
    json_t *document = why_document(*state, NULL, from, to, port, &error);

    assert_null(error);
    assert_non_null(document);
    return document;
}

static const char *
at(const json_t *document, const char *a, const char *b)
{
    const json_t *value = json_object_get(document, a);

    return json_string_value(b ? json_object_get(value, b) : value);
}

/* The result of each tier of a direction, "admin=pass networkpolicy=allow". */
static char *
tiers(const json_t *document, const char *direction)
{
    struct ds out = DS_EMPTY_INITIALIZER;
    json_t *tier;
    size_t i;

    json_array_foreach (json_object_get(json_object_get(document, direction), "tiers"), i, tier) {
        ds_put_format(&out, "%s%s=%s", i ? " " : "", at(tier, "tier", NULL),
                      at(tier, "result", NULL));
        if (json_is_object(json_object_get(tier, "dryRun"))) {
            ds_put_format(&out, "(%s)", at(tier, "dryRun", "action"));
        }
    }
    return ds_steal_cstr(&out);
}

static void
expect(void **state, const char *from, const char *to, const char *port, const char *verdict,
       const char *egress, const char *ingress)
{
    json_t *document = ask(state, from, to, port);
    char *e = tiers(document, "egress"), *i = tiers(document, "ingress");

    assert_string_equal(at(document, "verdict", NULL), verdict);
    assert_string_equal(e, egress);
    assert_string_equal(i, ingress);
    free(e);
    free(i);
    json_decref(document);
}

static void
test_tier_by_tier(void **state)
{
    expect(state, "shop/api", "shop/db", "80", "allowed",
           "admin=no match group=no match networkpolicy=no match baseline=no match",
           "admin=pass group=no match networkpolicy=allow");
    expect(state, "shop/api", "shop/db", "81/tcp", "denied",
           "admin=no match group=no match networkpolicy=no match baseline=no match",
           "admin=no match(deny) group=no match networkpolicy=deny");
    expect(state, "shop/api", "shop/db", "82", "rejected", "admin=no match group=reject",
           "admin=no match group=no match networkpolicy=allow");
}

static void
test_where_and_by_which_rule(void **state)
{
    json_t *document = ask(state, "shop/api", "10.128.1.3", "81");

    assert_string_equal(at(document, "to", "name"), "shop/db");
    assert_string_equal(at(document, "to", "kind"), "pod");
    assert_string_equal(at(document, "egress", "node"), "node-1");
    assert_string_equal(at(document, "egress", "reason"), "default");
    assert_string_equal(at(document, "ingress", "node"), "node-2");
    assert_string_equal(at(document, "ingress", "reason"), "rule");
    assert_string_equal(at(json_object_get(document, "ingress"), "rule", "policy"),
                        "NetworkPolicy/shop/db");
    json_decref(document);
}

static void
test_ends_that_are_no_pods(void **state)
{
    expect(state, "node-2", "shop/db", "81", "allowed", "", "");
    expect(state, "node-1", "shop/db", "80", "denied", "",
           "admin=no match group=no match networkpolicy=deny");
    expect(state, "192.0.2.1", "shop/db", "icmp", "denied", "",
           "admin=no match group=no match networkpolicy=deny");
    expect(state, "shop/db", "shop/db", "9", "allowed", "", "");
    expect(state, "shop/db", "192.0.2.1", "9/sctp", "allowed",
           "admin=no match group=no match networkpolicy=no match baseline=no match", "");

    json_t *document = ask(state, "node-2", "shop/db", "81");
    assert_string_equal(at(document, "from", "kind"), "node");
    assert_string_equal(at(document, "egress", "reason"), "no pod");
    assert_string_equal(at(document, "ingress", "reason"), "own node");
    json_decref(document);
}

static void
test_families_must_meet(void **state)
{
    json_t *document = ask(state, "shop/api", "fd00:1::3", "80");

    assert_string_equal(at(document, "from", "ip"), "fd00:1::2");
    assert_string_equal(at(document, "to", "name"), "shop/db");
    json_decref(document);
    document = ask(state, "shop/api", "shop/db", "80");
    assert_string_equal(at(document, "from", "ip"), "10.128.1.2");
    json_decref(document);
}

static void
test_questions_that_make_no_sense(void **state)
{
    static const char *const bad[][4] = {
        { "shop/none", "shop/db", "80", "shop/none: no pod" },
        { "shop/api", "node-9", "80", "node-9: neither a pod" },
        { "shop/api", "", "80", ": neither a pod" },
        { "shop/api", "shop/db", "80/icmp", "80/icmp: not PORT" },
        { "shop/api", "shop/db", "65536", "65536: not PORT" },
        { "shop/api", "shop/db", "", ": not PORT" },
        { "shop/api", "shop/db", "99999999999999999999", "99999999999999999999: not PORT" },
        { "node-1", "fd00:1::3", "80", "node-1 and fd00:1::3 have no addresses of one family" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        char *error;

        assert_null(why_document(*state, NULL, bad[i][0], bad[i][1], bad[i][2], &error));
        assert_non_null(error);
        assert_memory_equal(error, bad[i][3], strlen(bad[i][3]));
        free(error);
    }
}

static void
test_words(void **state)
{
    json_t *document = ask(state, "shop/api", "shop/db", "81");
    struct ds out = DS_EMPTY_INITIALIZER;

    why_format(document, &out);
    assert_string_equal(
        ds_cstr(&out),
        "shop/api (10.128.1.2, on node-1) to shop/db (10.128.1.3, on node-2), TCP 81: denied\n"
        "\n"
        "egress of shop/api, on node-1: allowed (no rule decides)\n"
        "  admin          no match\n"
        "  group          no match\n"
        "  networkpolicy  no match\n"
        "  baseline       no match\n"
        "\n"
        "ingress of shop/db, on node-2: denied\n"
        "  admin          no match\n"
        "                 (would)   rule 2, ClusterNetworkPolicy/first, ingress[1]: "
        "pods app=db of all namespaces drop TCP 81 from anybody (dry run)\n"
        "  group          no match\n"
        "  networkpolicy  deny      rule 5, NetworkPolicy/shop/db, its default deny: "
        "pods app=db of all namespaces accept only what a rule allows\n");
    ds_destroy(&out);
    json_decref(document);
}

static void
test_too_large_for_a_node(void **state)
{
    char *error;
    struct sset too_large = SSET_INITIALIZER(&too_large);

    sset_add(&too_large, "node-1 NetworkPolicy/shop/db"); /* It has no subject there. */
    json_t *document = why_document(*state, &too_large, "shop/api", "shop/db", "80", &error);
    assert_string_equal(at(document, "verdict", NULL), "allowed");
    assert_int_equal(json_array_size(json_object_get(document, "notes")), 0);
    json_decref(document);

    sset_add(&too_large, "node-2 NetworkPolicy/shop/db");
    document = why_document(*state, &too_large, "shop/api", "shop/db", "80", &error);
    assert_string_equal(at(document, "verdict", NULL), "denied");
    assert_string_equal(json_string_value(json_array_get(json_object_get(document, "notes"), 0)),
                        "NetworkPolicy/shop/db is too large for node-2: nothing that it allows is "
                        "let through there");
    json_decref(document);
    sset_destroy(&too_large);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_too_large_for_a_node, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tier_by_tier, setup, teardown),
        cmocka_unit_test_setup_teardown(test_where_and_by_which_rule, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ends_that_are_no_pods, setup, teardown),
        cmocka_unit_test_setup_teardown(test_families_must_meet, setup, teardown),
        cmocka_unit_test_setup_teardown(test_questions_that_make_no_sense, setup, teardown),
        cmocka_unit_test_setup_teardown(test_words, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
