#include "programs/virgactl/object_table.h"

#include "base/test.h"
#include "openvswitch/dynamic-string.h"
#include "programs/virgactl/table.h"

/* 2026-01-02T03:04:05Z */
#define NOW 1767323045

static void
check(const char *kind, const char *items_text, bool namespaces, bool wide, const char *expected)
{
    json_t *items = json_loads(items_text, 0, NULL);
    struct ds out = DS_EMPTY_INITIALIZER;
    struct table *table;

    assert_non_null(items);
    table = object_table(resource_kind_by_word(kind), items, namespaces, wide, NOW);
    table_format(table, false, &out);
    assert_string_equal(ds_cstr(&out), expected);
    ds_destroy(&out);
    table_destroy(table);
    json_decref(items);
}

static void
test_pods(void **state)
{
    (void) state;
    check(
        "pods",
        "[{\"metadata\": {\"name\": \"a\", \"namespace\": \"shop\", \"labels\": {\"x\": \"y\"}, "
        "\"creationTimestamp\": \"2026-01-02T03:03:35Z\"}, \"spec\": {\"nodeName\": \"node-1\"}, "
        "\"status\": {\"phase\": \"Running\", \"podIPs\": [{\"ip\": \"10.128.0.2\"}]}},"
        " {\"metadata\": {\"name\": \"b\", \"namespace\": \"shop\"}, \"spec\": {}, "
        "\"status\": {\"phase\": \"Pending\", \"conditions\": [{\"type\": \"VirgaNetwork\", "
        "\"status\": \"False\", \"reason\": \"AddressTaken\"}]}}]",
        true, true,
        "NAMESPACE  NAME  STATUS        IP          NODE    AGE  LABELS\n"
        "shop       a     Running       10.128.0.2  node-1  30s  x=y\n"
        "shop       b     AddressTaken  -           -       -    -\n");
}

static void
test_policies_default_their_types(void **state)
{
    (void) state;
    check("netpol",
          "[{\"metadata\": {\"name\": \"p\", \"creationTimestamp\": \"2025-12-01T00:00:00Z\"}, "
          "\"spec\": {\"podSelector\": {}, \"egress\": [{}]}}, "
          "{\"metadata\": {\"name\": \"q\", \"creationTimestamp\": \"2026-01-02T00:00:00Z\"}, "
          "\"spec\": {\"podSelector\": {\"matchLabels\": {\"app\": \"db\"}}, \"policyTypes\": "
          "[\"Egress\"]}}]",
          false, false,
          "NAME  POD-SELECTOR  TYPES           AGE\n"
          "p     <all>         Ingress,Egress  32d\n"
          "q     app=db        Egress          3h\n");
}

static void
test_groups(void **state)
{
    (void) state;
    check("pg",
          "[{\"metadata\": {\"name\": \"web\"}, \"spec\": {\"selectors\": [{}, {}], "
          "\"groups\": [\"a\", \"b\"]}, \"status\": {\"conditions\": [{\"status\": \"False\", "
          "\"reason\": \"GroupNotResolved\"}]}}, {\"metadata\": {\"name\": \"x\"}, \"spec\": {}}]",
          false, false,
          "NAME  STATUS            SELECTORS  NAMES  GROUPS  AGE\n"
          "web   GroupNotResolved  2          -      a,b     -\n"
          "x     Ready             -          -      -       -\n");
    check("ng",
          "[{\"metadata\": {\"name\": \"a\"}, \"spec\": {\"networks\": [{\"cidr\": \"::/0\"}]}},"
          " {\"metadata\": {\"name\": \"b\"}, \"spec\": {\"networks\": [{}, {}, {}, {}]}}]",
          false, false,
          "NAME  STATUS  NETWORKS    AGE\n"
          "a     Ready   ::/0        -\n"
          "b     Ready   4 networks  -\n");
    check("gp",
          "[{\"metadata\": {\"name\": \"p\"}, \"spec\": {\"tier\": \"Admin\", \"priority\": 3, "
          "\"subject\": {\"group\": \"web\"}}}]",
          false, false,
          "NAME  STATUS  TIER   PRIORITY  SUBJECT  AGE\n"
          "p     Ready   Admin  3         web      -\n");
}

/* Selectors that are plain maps. */
static void
test_cluster_policies(void **state)
{
    (void) state;
    check("cnp",
          "[{\"metadata\": {\"name\": \"p\"}, \"spec\": {\"tier\": \"Admin\", \"priority\": 0, "
          "\"subject\": {\"namespaces\": {}}}, \"status\": {\"conditions\": [{\"type\": "
          "\"virga.dev/Realized\", \"status\": \"True\", \"reason\": \"InForce\"}]}}, "
          "{\"metadata\": {\"name\": \"q\"}, \"spec\": {\"tier\": \"Baseline\", \"priority\": 7, "
          "\"subject\": {\"pods\": {\"podSelector\": {\"matchLabels\": {\"a\": \"b\"}}}}}, "
          "\"status\": {\"conditions\": [{\"type\": \"virga.dev/Realized\", \"status\": "
          "\"True\"}, {\"type\": \"virga.dev/NetworkReady\", \"status\": \"False\", "
          "\"reason\": \"UnknownField\"}]}}]",
          false, false,
          "NAME  STATUS        TIER      PRIORITY  SUBJECT            AGE\n"
          "p     InForce       Admin     0         <all>              -\n"
          "q     UnknownField  Baseline  7         pods a=b in <all>  -\n");
    check("banp",
          "[{\"metadata\": {\"name\": \"default\"}, \"spec\": {\"subject\": {\"namespaces\": "
          "{\"matchLabels\": {\"x\": \"y\"}}}}}]",
          false, false,
          "NAME     STATUS  SUBJECT  AGE\n"
          "default  -       x=y      -\n");
}

static void
test_policies_of_2016(void **state)
{
    (void) state;
    check("networkpolicys",
          "[{\"metadata\": {\"name\": \"p\", \"creationTimestamp\": \"2025-12-01T00:00:00Z\"}, "
          "\"spec\": {\"podSelector\": {\"segment\": \"backend\"}}}, "
          "{\"metadata\": {\"name\": \"q\", \"creationTimestamp\": \"2026-01-02T00:00:00Z\"}, "
          "\"spec\": {}}]",
          false, false,
          "NAME  POD-SELECTOR     AGE\n"
          "p     segment=backend  32d\n"
          "q     <all>            3h\n");
}

/* An API server of another version may send anything. */
static void
test_wrong_types(void **state)
{
    (void) state;
    check(
        "nodes", "[{\"metadata\": 1, \"status\": {\"addresses\": {}, \"conditions\": [1]}}, {}]",
        false, false,
        "NAME  STATUS  ADDRESSES  AGE\n-     Ready   -          -\n-     -       -          -\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pods),
        cmocka_unit_test(test_policies_default_their_types),
        cmocka_unit_test(test_cluster_policies),
        cmocka_unit_test(test_policies_of_2016),
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_wrong_types),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
