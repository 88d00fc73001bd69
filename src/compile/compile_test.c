/* Numbers, addresses, problems and restarts. */
#include "compile/reach_test.h"

static void
set_namespace_with(struct world *w, const char *name, const char *subnets)
{
    world_set(w,
              "{'apiVersion': 'v1', 'kind': 'Namespace', 'metadata': {'name': '%s',"
              " 'annotations': {'virga.dev/subnets': '%s'}}}",
              name, subnets);
}

static void
set_pod_with(struct world *w, const char *ns, const char *name, const char *ip)
{
    world_set(w,
              "{'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'namespace': '%s', 'name':"
              " '%s', 'annotations': {'virga.dev/ip': '%s'}}, 'spec': {'containers':"
              " [{'name': 'c'}]}}",
              ns, name, ip);
}

static void
assert_records(struct world *w, const char *expected)
{
    char *text = world_records(w);

    assert_string_equal(text, expected);
    free(text);
}

static void
test_records_of_a_small_cluster(void **state)
{
    struct world w;

    world_init(&w);
    world_set_node(&w, "node-1", "172.30.0.1");
    reach_set_namespace(&w, "shop", "");
    reach_set_pod(&w, "shop", "redis-0", ", 'app': 'redis'", "", "");
    reach_set_pod(&w, "shop", "web-0", ", 'role': 'frontend'", "", "");
    reach_set_policy(&w, "shop", "redis",
                     "'podSelector': {'matchLabels': {'app': 'redis'}}, 'ingress': [{'from':"
                     " [{'podSelector': {'matchLabels': {'role': 'frontend'}}}, {'ipBlock':"
                     " {'cidr': '10.0.0.0/30', 'except': ['10.0.0.0/32']}}], 'ports':"
                     " [{'port': 6379}, {'protocol': 'UDP', 'port': 1000, 'endPort': 2000}]}]");
    world_run(&w);
    assert_records(
        &w, "node 1 name=node-1 vtep=172.30.0.1 addresses=172.30.0.1\n"
            "network 4096 name=shop zone=16 subnets=10.128.0.0/24 gateways=10.128.0.1\n"
            "identity 256 vni=4096 labels=shop{app=redis}\n"
            "identity 257 vni=4096 labels=shop{role=frontend}\n"
            "endpoint 1 name=shop/redis-0 uid=redis-0-1 vni=4096 identity=256 node=1"
            " mac=02:56:0a:80:00:02 ips=10.128.0.2\n"
            "endpoint 2 name=shop/web-0 uid=web-0-1 vni=4096 identity=257 node=1"
            " mac=02:56:0a:80:00:03 ips=10.128.0.3\n"
            "set 1 selector=ns{kubernetes.io/metadata.name=shop}/pod{app=redis} identities=256\n"
            "set 2 selector=ns{kubernetes.io/metadata.name=shop}/pod{role=frontend}"
            " identities=257\n"
            "rule 1 ingress tier=networkpolicy priority=0 action=isolate vni=4096 subject=1"
            " peers=any ports=any policy=NetworkPolicy/shop/redis index=-1\n"
            "rule 2 ingress tier=networkpolicy priority=0 action=allow vni=4096 subject=1"
            " peers=set:2,10.0.0.1/32,10.0.0.2/31 ports=tcp:6379,udp:1000-2000"
            " policy=NetworkPolicy/shop/redis index=0\n");
    world_uninit(&w);
}

/* A namespace's own pods and its name as a selector are one set; two policies
 * share it. */
static void
test_sets_are_shared(void **state)
{
    struct world w;

    reach_init(&w);
    reach_set_policy(&w, "x", "p",
                     "'podSelector': {}, 'ingress': [{'from': [{'podSelector': {}},"
                     " {'namespaceSelector': {'matchLabels': {'kubernetes.io/metadata.name':"
                     " 'x'}}}]}]");
    reach_set_policy(&w, "y", "q",
                     "'podSelector': {'matchLabels': {'pod': 'a'}}, 'ingress':"
                     " [{'from': [{'namespaceSelector': {'matchLabels':"
                     " {'kubernetes.io/metadata.name': 'x'}}}]}]");
    world_run(&w);
    assert_int_equal(records_count(compile_records(w.c), RECORD_SET), 2);

    /* An empty set is a record too. */
    reach_set_policy(&w, "x", "p", "'podSelector': {'matchLabels': {'pod': 'none'}}");
    world_run(&w);
    assert_int_equal(records_count(compile_records(w.c), RECORD_SET), 3);
    world_uninit(&w);
}

/* Pods share an identity until a selector tells them apart. */
static void
test_identities_split_and_merge(void **state)
{
    struct world w;

    reach_init(&w);
    assert_int_equal(records_count(compile_records(w.c), RECORD_IDENTITY), 3);
    reach_set_policy(&w, "x", "p", "'podSelector': {'matchLabels': {'pod': 'a'}}");
    world_run(&w);
    assert_int_equal(records_count(compile_records(w.c), RECORD_IDENTITY), 5);

    /* A selector over other namespaces tells apart the pods of those alone. */
    reach_set_policy(&w, "x", "p",
                     "'podSelector': {}, 'ingress': [{'from':"
                     " [{'namespaceSelector': {'matchLabels': {'kubernetes.io/metadata.name':"
                     " 'y'}}, 'podSelector': {'matchLabels': {'pod': 'a'}}}]}]");
    world_run(&w);
    assert_int_equal(world_endpoint(&w, "x", "a")->identity,
                     world_endpoint(&w, "x", "b")->identity);
    assert_int_not_equal(world_endpoint(&w, "y", "a")->identity,
                         world_endpoint(&w, "y", "b")->identity);
    assert_int_equal(records_count(compile_records(w.c), RECORD_IDENTITY), 5);
    world_del_policy(&w, "x", "p");
    world_run(&w);
    assert_int_equal(records_count(compile_records(w.c), RECORD_IDENTITY), 3);
    world_uninit(&w);
}

static const struct rec_rule *
rule_at(struct world *w, int index, size_t *n_at)
{
    const struct records *rs = compile_records(w->c);
    const struct rec_rule *found = NULL;

    *n_at = 0;
    for (const struct record *r = records_first(rs, RECORD_RULE); r; r = records_next(rs, r)) {
        const struct rec_rule *rule = (const struct rec_rule *) r;
        if (rule->index == index) {
            found = rule;
            ++*n_at;
        }
    }
    return found;
}

static void
test_rule_ids_follow_content(void **state)
{
    struct world w;
    size_t n;

    reach_init(&w);
    reach_set_policy(&w, "x", "p",
                     "'podSelector': {}, 'ingress': [{'ports': [{'port': 80}]},"
                     " {'ports': [{'port': 81}]}]");
    world_run(&w);
    uint32_t isolate = rule_at(&w, -1, &n)->r.key;
    uint32_t port80 = rule_at(&w, 0, &n)->r.key, port81 = rule_at(&w, 1, &n)->r.key;

    /* One more in front, and both equal rules keep theirs in order. */
    reach_set_policy(&w, "x", "p",
                     "'podSelector': {}, 'ingress': [{'ports': [{'port': 79}]},"
                     " {'ports': [{'port': 80}]}, {'ports': [{'port': 80}]},"
                     " {'ports': [{'port': 81}]}]");
    world_run(&w);
    assert_int_equal(rule_at(&w, -1, &n)->r.key, isolate);
    assert_int_equal(rule_at(&w, 1, &n)->r.key, port80);
    assert_int_equal(rule_at(&w, 3, &n)->r.key, port81);
    uint32_t second80 = rule_at(&w, 2, &n)->r.key;
    assert_int_not_equal(second80, port80);

    /* What goes does not come back under its old number. */
    reach_set_policy(&w, "x", "p", "'podSelector': {}, 'ingress': [{'ports': [{'port': 81}]}]");
    world_run(&w);
    assert_int_equal(rule_at(&w, 0, &n)->r.key, port81);
    reach_set_policy(&w, "x", "p",
                     "'podSelector': {}, 'ingress': [{'ports': [{'port': 81}]},"
                     " {'ports': [{'port': 80}]}]");
    world_run(&w);
    assert_true(rule_at(&w, 1, &n)->r.key > second80);
    world_uninit(&w);
}

/* Addresses. */

static void
test_pod_keeps_its_address_when_it_moves(void **state)
{
    struct world w;

    reach_init(&w);
    char *address = xstrdup(world_address(&w, "x", "b"));
    uint32_t id = compile_endpoint_of(w.c, "x", "b");
    world_set(&w, "{'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'namespace': 'x', 'name':"
                  " 'b', 'uid': 'b-1'}, 'spec': {'nodeName': 'node-2', 'containers':"
                  " [{'name': 'c'}]}}");
    world_run(&w);
    assert_string_equal(world_address(&w, "x", "b"), address);
    assert_int_equal(compile_endpoint_of(w.c, "x", "b"), id);
    assert_int_equal(world_endpoint(&w, "x", "b")->node, 2);

    /* Unknown nodes and none are node 0. */
    world_del_node(&w, "node-2");
    world_run(&w);
    assert_int_equal(world_endpoint(&w, "x", "b")->node, 0);
    set_pod_with(&w, "x", "b", address);
    world_run(&w);
    assert_int_equal(world_endpoint(&w, "x", "b")->node, 0);
    free(address);
    world_uninit(&w);
}

static void
test_freed_address_rests(void **state)
{
    struct world w;

    world_init_small(&w, "10.0.0.0/24", 29);
    reach_set_namespace(&w, "n", "");
    reach_set_pod(&w, "n", "a", "", "", "");
    reach_set_pod(&w, "n", "b", "", "", "");
    world_run(&w);
    assert_string_equal(world_address(&w, "n", "a"), "10.0.0.2");
    assert_string_equal(world_address(&w, "n", "b"), "10.0.0.3");
    world_del_pod(&w, "n", "a");
    world_run(&w);
    reach_set_pod(&w, "n", "c", "", "", "");
    world_run(&w);
    assert_string_equal(world_address(&w, "n", "c"), "10.0.0.4");
    world_uninit(&w);
}

/* A /29 has five pod addresses: not the network's, gateway's, broadcast's. */
static void
test_automatic_network_grows(void **state)
{
    struct world w;
    char name[16];

    world_init_small(&w, "10.0.0.0/28", 29);
    world_set_node(&w, "node-1", "172.30.0.1");
    reach_set_namespace(&w, "n", "");
    for (int i = 0; i < 11; i++) {
        snprintf(name, sizeof name, "p%02d", i);
        reach_set_pod(&w, "n", name, "", "", "");
    }
    world_run(&w);
    assert_string_equal(world_address(&w, "n", "p04"), "10.0.0.6");
    assert_string_equal(world_address(&w, "n", "p05"), "10.0.0.10");
    assert_int_equal(records_count(compile_records(w.c), RECORD_ENDPOINT), 10);
    assert_string_equal(world_problem(&w, "Pod", "n", "p10"), "SubnetExhausted");

    /* Who waits comes next. */
    world_del_pod(&w, "n", "p03");
    world_run(&w);
    assert_string_equal(world_address(&w, "n", "p10"), "10.0.0.5");
    assert_string_equal(world_problem(&w, "Pod", "n", "p10"), "none");
    world_uninit(&w);
}

static void
test_cluster_without_free_subnet(void **state)
{
    struct world w;

    world_init_small(&w, "10.0.0.0/28", 29);
    reach_set_namespace(&w, "n1", "");
    reach_set_namespace(&w, "n2", "");
    reach_set_namespace(&w, "n3", "");
    reach_set_pod(&w, "n3", "a", "", "", "");
    world_run(&w);
    assert_string_equal(world_problem(&w, "Namespace", "", "n3"), "SubnetExhausted");
    assert_string_equal(world_problem(&w, "Pod", "n3", "a"), "SubnetExhausted");
    world_del_namespace(&w, "n1");
    world_run(&w);
    assert_string_equal(world_problem(&w, "Namespace", "", "n3"), "none");
    assert_string_equal(world_address(&w, "n3", "a"), "10.0.0.2");
    world_uninit(&w);
}

/* A network that was full is known to be, until something comes free. */
static void
test_full_network_gets_room(void **state)
{
    struct world w;

    world_init_small(&w, "10.0.0.0/28", 29);
    world_set_node(&w, "node-1", "172.30.0.1");
    reach_set_namespace(&w, "other", "");
    reach_set_pod(&w, "other", "p", "", "", "");
    world_run(&w);
    reach_set_namespace(&w, "n", "");
    for (int i = 0; i < 6; i++) {
        char name[16];
        snprintf(name, sizeof name, "p%d", i);
        reach_set_pod(&w, "n", name, "", "", "");
    }
    world_run(&w);
    assert_string_equal(world_problem(&w, "Pod", "n", "p5"), "SubnetExhausted");
    reach_set_pod(&w, "n", "late", "", "", "");
    world_run(&w);
    assert_string_equal(world_problem(&w, "Pod", "n", "late"), "SubnetExhausted");

    /* Nobody waits when another network gives its subnet back. */
    world_del_pod(&w, "n", "p5");
    world_del_pod(&w, "n", "late");
    world_run(&w);
    world_del_pod(&w, "other", "p");
    world_del_namespace(&w, "other");
    world_run(&w);
    reach_set_pod(&w, "n", "next", "", "", "");
    world_run(&w);
    assert_string_equal(world_problem(&w, "Pod", "n", "next"), "none");
    world_uninit(&w);
}

/* The same of an address that comes free while nobody waits. */
static void
test_full_network_gets_an_address_back(void **state)
{
    struct world w;

    world_init(&w);
    set_namespace_with(&w, "n", "192.168.0.0/30");
    reach_set_pod(&w, "n", "a", "", "", "");
    reach_set_pod(&w, "n", "b", "", "", "");
    world_run(&w);
    assert_string_equal(world_problem(&w, "Pod", "n", "b"), "SubnetExhausted");
    world_del_pod(&w, "n", "b");
    world_run(&w);
    world_del_pod(&w, "n", "a");
    world_run(&w);
    reach_set_pod(&w, "n", "c", "", "", "");
    world_run(&w);
    assert_string_equal(world_address(&w, "n", "c"), "192.168.0.2");

    /* And of one that goes to another in the run in which the network was full. */
    reach_set_pod(&w, "n", "d", "", "", "");
    world_run(&w);
    world_del_pod(&w, "n", "c");
    reach_set_pod(&w, "n", "e", "", "", "");
    world_run(&w);
    assert_string_equal(world_address(&w, "n", "d"), "192.168.0.2");
    world_del_pod(&w, "n", "d");
    world_run(&w);
    assert_string_equal(world_address(&w, "n", "e"), "192.168.0.2");
    world_uninit(&w);
}

static void
test_annotated_subnets(void **state)
{
    struct world w;

    world_init(&w);
    set_namespace_with(&w, "n", "192.168.0.0/30,192.168.1.0/30");
    reach_set_pod(&w, "n", "a", "", "", "");
    reach_set_pod(&w, "n", "b", "", "", "");
    world_run(&w);
    assert_string_equal(world_address(&w, "n", "a"), "192.168.0.2");
    assert_string_equal(world_address(&w, "n", "b"), "192.168.1.2");

    /* They do not grow. */
    reach_set_pod(&w, "n", "c", "", "", "");
    world_run(&w);
    assert_string_equal(world_problem(&w, "Pod", "n", "c"), "SubnetExhausted");
    set_namespace_with(&w, "n", "192.168.0.0/30,192.168.1.0/29");
    world_run(&w);
    assert_string_equal(world_address(&w, "n", "b"), "192.168.1.2");
    assert_string_equal(world_address(&w, "n", "c"), "192.168.1.3");

    /* A pod whose subnet goes gets another address. */
    set_namespace_with(&w, "n", "192.168.1.0/29");
    world_run(&w);
    assert_string_equal(world_address(&w, "n", "a"), "192.168.1.4");
    world_uninit(&w);
}

static void
test_overlapping_subnets(void **state)
{
    struct world w;

    world_init(&w);
    set_namespace_with(&w, "n1", "192.168.0.0/24");
    world_run(&w);
    set_namespace_with(&w, "n2", "192.168.7.0/24,192.168.0.128/25");
    reach_set_pod(&w, "n2", "a", "", "", "");
    world_run(&w);
    assert_string_equal(world_problem(&w, "Namespace", "", "n2"), "SubnetOverlap");
    assert_string_equal(world_address(&w, "n2", "a"), "none");

    /* Automatic subnets avoid annotated ones. */
    set_namespace_with(&w, "n3", "10.128.0.0/23");
    reach_set_namespace(&w, "n4", "");
    reach_set_pod(&w, "n4", "a", "", "", "");
    world_run(&w);
    assert_string_equal(world_address(&w, "n4", "a"), "10.128.2.2");

    world_del_namespace(&w, "n1");
    world_run(&w);
    assert_string_equal(world_problem(&w, "Namespace", "", "n2"), "none");
    assert_string_equal(world_address(&w, "n2", "a"), "192.168.7.2");

    /* A change that cannot be followed leaves what runs alone. */
    set_namespace_with(&w, "n2", "10.128.1.0/24");
    world_run(&w);
    assert_string_equal(world_problem(&w, "Namespace", "", "n2"), "SubnetOverlap");
    assert_string_equal(world_address(&w, "n2", "a"), "192.168.7.2");
    world_uninit(&w);
}

static void
test_static_addresses(void **state)
{
    struct world w;

    world_init(&w);
    set_namespace_with(&w, "n", "192.168.0.0/24");
    reach_set_pod(&w, "n", "auto", "", "", "");
    set_pod_with(&w, "n", "own", "192.168.0.2");
    set_pod_with(&w, "n", "gateway", "192.168.0.1");
    set_pod_with(&w, "n", "broadcast", "192.168.0.255");
    set_pod_with(&w, "n", "outside", "192.168.1.9");
    world_run(&w);
    /* Of one batch, those with an annotation choose first. */
    assert_string_equal(world_address(&w, "n", "own"), "192.168.0.2");
    assert_string_equal(world_address(&w, "n", "auto"), "192.168.0.3");
    assert_string_equal(world_problem(&w, "Pod", "n", "gateway"), "AddressOutsideSubnet");
    assert_string_equal(world_problem(&w, "Pod", "n", "broadcast"), "AddressOutsideSubnet");
    assert_string_equal(world_problem(&w, "Pod", "n", "outside"), "AddressOutsideSubnet");
    assert_string_equal(world_address(&w, "n", "outside"), "none");

    set_pod_with(&w, "n", "late", "192.168.0.3");
    world_run(&w);
    assert_string_equal(world_problem(&w, "Pod", "n", "late"), "AddressTaken");
    world_del_pod(&w, "n", "auto");
    world_run(&w);
    assert_string_equal(world_address(&w, "n", "late"), "192.168.0.3");
    assert_string_equal(world_problem(&w, "Pod", "n", "late"), "none");

    set_pod_with(&w, "n", "late", "192.168.0.9");
    world_run(&w);
    assert_string_equal(world_address(&w, "n", "late"), "192.168.0.9");
    world_uninit(&w);
}

static void
test_completed_pod_frees_its_address(void **state)
{
    struct world w;

    world_init(&w);
    set_namespace_with(&w, "n", "192.168.0.0/30");
    reach_set_pod(&w, "n", "a", "", "", "");
    reach_set_pod(&w, "n", "b", "", "", "");
    world_run(&w);
    assert_string_equal(world_address(&w, "n", "b"), "none");
    reach_set_pod(&w, "n", "a", "", "", "'phase': 'Failed'");
    world_run(&w);
    assert_string_equal(world_address(&w, "n", "b"), "192.168.0.2");
    world_uninit(&w);
}

/* The pod keeps its endpoint; only its node is waited for. */
static void
test_node_that_is_not_ready(void **state)
{
    struct world w;

    world_init(&w);
    reach_set_namespace(&w, "n", "");
    reach_set_pod(&w, "n", "a", "", "", "");
    world_run(&w);
    assert_string_equal(world_problem(&w, "Pod", "n", "a"), "NodeNotReady");
    assert_string_not_equal(world_address(&w, "n", "a"), "none");

    world_set_node(&w, "node-1", "172.30.0.1");
    world_run(&w);
    assert_string_equal(world_problem(&w, "Pod", "n", "a"), "none");

    assert_true(compile_set_node_ready(w.c, "node-1", false));
    assert_false(compile_set_node_ready(w.c, "node-1", false));
    world_run(&w);
    assert_string_equal(world_problem(&w, "Pod", "n", "a"), "NodeNotReady");
    assert_int_equal(world_endpoint(&w, "n", "a")->node, 1);

    assert_true(compile_set_node_ready(w.c, "node-1", true));
    world_run(&w);
    assert_string_equal(world_problem(&w, "Pod", "n", "a"), "none");
    assert_false(compile_set_node_ready(w.c, "stranger", false));
    world_uninit(&w);
}

static void
test_missing_namespace(void **state)
{
    struct world w;

    world_init(&w);
    reach_set_pod(&w, "n", "a", "", "", "");
    reach_set_policy(&w, "n", "p", "'podSelector': {}");
    world_run(&w);
    assert_records(&w, "");
    world_set_node(&w, "node-1", "172.30.0.1");
    assert_string_equal(world_problem(&w, "Pod", "n", "a"), "NamespaceMissing");
    assert_string_equal(world_problem(&w, "NetworkPolicy", "n", "p"), "NamespaceMissing");
    reach_set_namespace(&w, "n", "");
    world_run(&w);
    assert_string_equal(world_problem(&w, "Pod", "n", "a"), "none");
    assert_int_equal(records_count(compile_records(w.c), RECORD_RULE), 1);
    world_del_namespace(&w, "n");
    world_del_node(&w, "node-1");
    world_run(&w);
    assert_records(&w, "");
    assert_string_equal(world_problem(&w, "NetworkPolicy", "n", "p"), "NamespaceMissing");
    world_del_pod(&w, "n", "a");
    world_del_policy(&w, "n", "p");
    world_run(&w);
    size_t n;
    compile_problems(w.c, &n);
    assert_int_equal(n, 0);
    world_uninit(&w);
}

static void
test_problems_are_sorted(void **state)
{
    struct world w;
    size_t n;

    world_init(&w);
    reach_set_pod(&w, "n", "b", "", "", "");
    reach_set_policy(&w, "n", "a", "'podSelector': {}");
    reach_set_pod(&w, "m", "z", "", "", "");
    reach_set_pod(&w, "n", "a", "", "", "");
    world_run(&w);
    const struct compile_problem *p = compile_problems(w.c, &n);
    assert_int_equal(n, 4);
    assert_string_equal(p[0].kind, "NetworkPolicy");
    assert_string_equal(p[1].namespace_, "m");
    assert_string_equal(p[2].name, "a");
    assert_string_equal(p[3].name, "b");
    world_uninit(&w);
}

/* Between runs only the last word counts. */
static void
test_set_and_deleted_between_runs(void **state)
{
    struct world w;

    world_init(&w);
    reach_set_namespace(&w, "n", "");
    reach_set_pod(&w, "n", "a", "", "", "");
    world_del_pod(&w, "n", "a");
    world_del_pod(&w, "n", "unheard-of");
    reach_set_policy(&w, "n", "p", "'podSelector': {}");
    world_del_policy(&w, "n", "p");
    reach_set_namespace(&w, "m", "");
    world_del_namespace(&w, "m");
    world_set_node(&w, "node", "172.30.0.1");
    world_del_node(&w, "node");
    world_run(&w);
    assert_records(&w, "network 4096 name=n zone=16 subnets=10.128.0.0/24"
                       " gateways=10.128.0.1\n");
    world_uninit(&w);
}

/* Restart. */

static void
make_cluster(struct world *w)
{
    reach_init(w);
    reach_set_policy(w, "x", "p",
                     "'podSelector': {'matchLabels': {'pod': 'a'}}, 'ingress':"
                     " [{'ports': [{'port': 80}]}, {'ports': [{'port': 80}]}, {'from':"
                     " [{'namespaceSelector': {}, 'podSelector': {'matchLabels': {'pod':"
                     " 'b'}}}]}]");
    reach_set_policy(w, "y", "q", "'podSelector': {}, 'policyTypes': ['Egress']");
    world_run(w);
    world_del_pod(w, "x", "a");
    reach_set_pod(w, "x", "d", "", "", "");
    reach_set_policy(w, "x", "p",
                     "'podSelector': {'matchLabels': {'pod': 'a'}}, 'ingress':"
                     " [{'ports': [{'port': 79}]}, {'ports': [{'port': 80}]}, {'ports':"
                     " [{'port': 80}]}]");
    world_run(w);
}

static void
test_restart_changes_nothing(void **state)
{
    struct world w;

    make_cluster(&w);
    char *before = world_records(&w);
    struct ds counters = DS_EMPTY_INITIALIZER, after = DS_EMPTY_INITIALIZER;
    compile_counters_format(w.c, &counters);
    world_restart(&w);
    compile_run(w.c);
    assert_false(records_any_changes(compile_records(w.c)));
    assert_records(&w, before);
    compile_counters_format(w.c, &after);
    assert_string_equal(ds_cstr(&after), ds_cstr(&counters));
    char *difference = compile_check_full(w.c);
    assert_null(difference);
    ds_destroy(&counters);
    ds_destroy(&after);
    free(before);
    world_uninit(&w);
}

/* Objects that vanished meanwhile leave nothing, the rest keeps its numbers. */
static void
test_restart_without_some_objects(void **state)
{
    struct world w;

    make_cluster(&w);
    char *address = xstrdup(world_address(&w, "y", "b"));
    uint32_t identity = world_endpoint(&w, "y", "b")->identity;
    world_restart(&w);
    world_del_pod(&w, "y", "a");
    world_del_policy(&w, "x", "p");
    world_del_namespace(&w, "z");
    world_del_node(&w, "node-2");
    world_run(&w);
    assert_int_equal(records_count(compile_records(w.c), RECORD_ENDPOINT), 5);
    assert_int_equal(records_count(compile_records(w.c), RECORD_RULE), 1);
    assert_int_equal(records_count(compile_records(w.c), RECORD_NODE), 1);
    assert_string_equal(world_address(&w, "y", "b"), address);
    assert_int_equal(world_endpoint(&w, "y", "b")->identity, identity);
    world_assert_mirror(&w);
    free(address);
    world_uninit(&w);
}

/* Numbers are not handed out again even if the counters were lost. */
static void
test_restart_without_counters(void **state)
{
    struct world w;

    make_cluster(&w);
    struct compile *old = w.c;
    w.c = compile_create(&w.config);
    for (int kind = 0; kind < N_RECORD_KINDS; kind++) {
        const struct record *r;
        for (r = records_first(compile_records(old), kind); r;
             r = records_next(compile_records(old), r)) {
            compile_restore(w.c, record_clone(r));
        }
    }
    world_give_all(&w);
    reach_set_namespace(&w, "new", "");
    reach_set_pod(&w, "new", "a", "", "", "");
    world_run(&w);
    assert_null(records_endpoint(compile_records(old), compile_endpoint_of(w.c, "new", "a")));
    compile_destroy(old);
    world_uninit(&w);
}

static void
test_bad_counters(void **state)
{
    struct compile_config config;

    compile_config_default(&config);
    struct compile *c = compile_create(&config);
    char *error = compile_counters_parse(c, "node=1 vni=x");
    assert_non_null(error);
    free(error);
    compile_destroy(c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records_of_a_small_cluster),
        cmocka_unit_test(test_sets_are_shared),
        cmocka_unit_test(test_identities_split_and_merge),
        cmocka_unit_test(test_rule_ids_follow_content),
        cmocka_unit_test(test_pod_keeps_its_address_when_it_moves),
        cmocka_unit_test(test_freed_address_rests),
        cmocka_unit_test(test_automatic_network_grows),
        cmocka_unit_test(test_cluster_without_free_subnet),
        cmocka_unit_test(test_full_network_gets_room),
        cmocka_unit_test(test_full_network_gets_an_address_back),
        cmocka_unit_test(test_annotated_subnets),
        cmocka_unit_test(test_overlapping_subnets),
        cmocka_unit_test(test_static_addresses),
        cmocka_unit_test(test_completed_pod_frees_its_address),
        cmocka_unit_test(test_node_that_is_not_ready),
        cmocka_unit_test(test_missing_namespace),
        cmocka_unit_test(test_problems_are_sorted),
        cmocka_unit_test(test_set_and_deleted_between_runs),
        cmocka_unit_test(test_restart_changes_nothing),
        cmocka_unit_test(test_restart_without_some_objects),
        cmocka_unit_test(test_restart_without_counters),
        cmocka_unit_test(test_bad_counters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
