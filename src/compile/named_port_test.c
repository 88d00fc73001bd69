/* Named ports: resolved on each destination pod, by name and protocol. */
#include "compile/named_port.h"
#include "compile/reach_test.h"
#include "openvswitch/dynamic-string.h"

#define WEB "'ports': [{'port': 'web'}]"

/* 'containers' is the inside of the list, 'more' more of the spec. */
static void
set_pod(struct world *w, const char *ns, const char *name, const char *containers,
        const char *more, const char *status)
{
    world_set(w,
              "{'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'namespace': '%s', 'name': '%s',"
              " 'labels': {'pod': '%s'}}, 'spec': {'nodeName': 'node-1', 'containers': [%s]%s},"
              " 'status': {%s}}",
              ns, name, name, containers, more, status);
}

static void
set_port(struct world *w, const char *ns, const char *name, const char *protocol, int number)
{
    char *container = xasprintf("{'name': 'c', 'ports': [{'name': 'web', 'protocol': '%s',"
                                " 'containerPort': %d}]}",
                                protocol, number);

    set_pod(w, ns, name, container, "", "");
    free(container);
}

static void
set_policy(struct world *w, const char *spec)
{
    reach_set_policy(w, "x", "p", spec);
    world_run(w);
    assert_string_equal(world_problem(w, "NetworkPolicy", "x", "p"), "none");
}

static size_t
count(struct world *w, enum record_kind kind)
{
    return records_count(compile_records(w->c), kind);
}

static size_t
count_changed(struct world *w, enum record_kind kind)
{
    size_t n;

    free(records_changed(compile_records(w->c), kind, &n));
    return n;
}

static const char *
class_of(const struct world *w, const char *ns, const char *name)
{
    return records_identity(compile_records(w->c), world_endpoint(w, ns, name)->identity)->labels;
}

static void
test_keys(void **state)
{
    const struct pod_port ports[] = {
        { intern(""), IPPROTO_TCP, 1 },         { intern("web"), IPPROTO_UDP, 2 },
        { intern("web"), IPPROTO_TCP, 3 },      { intern("web"), IPPROTO_TCP, 4 },
        { intern("web"), IPPROTO_SCTP, 65535 },
    };

    assert_string_equal(named_port_key(IPPROTO_TCP, "web"), "port:tcp/web");
    assert_true(named_port_is_key("port:tcp/web"));
    assert_false(named_port_is_key("port/tcp"));
    assert_string_equal(named_port_resolve("port:tcp/web", ports, 5), "3");
    assert_string_equal(named_port_resolve("port:udp/web", ports, 5), "2");
    assert_string_equal(named_port_resolve("port:sctp/web", ports, 5), "65535");
    assert_null(named_port_resolve("port:udp/we", ports, 5));
    assert_null(named_port_resolve("port:tcp/web", ports, 2));
    assert_int_equal(named_port_number("65535"), 65535);
}

static void
test_ingress_by_each_subjects_number(void **state)
{
    struct world w;

    reach_init(&w);
    set_port(&w, "x", "a", "TCP", 8080);
    set_port(&w, "x", "b", "TCP", 9090);
    set_policy(&w, "'podSelector': {}, 'ingress': [{" WEB "}]");
    reach_assert(&w, IPPROTO_TCP, 8080, "deny * x/*, allow * x/a");
    reach_assert(&w, IPPROTO_TCP, 9090, "deny * x/*, allow * x/b");
    reach_assert(&w, IPPROTO_TCP, 80, "deny * x/*");
    world_uninit(&w);
}

static void
test_ingress_keeps_all_its_peers(void **state)
{
    struct world w;

    reach_init(&w);
    set_port(&w, "x", "a", "TCP", 8080);
    set_policy(&w,
               "'podSelector': {}, 'ingress': [{'from': [{'ipBlock': {'cidr':"
               " '192.0.2.0/24'}}, {'podSelector': {'matchLabels': {'pod': 'b'}}}], " WEB "}]");
    reach_assert(&w, IPPROTO_TCP, 8080, "deny * x/*, allow world x/a, allow x/b x/a");
    world_uninit(&w);
}

static void
test_protocol_belongs_to_the_name(void **state)
{
    struct world w;

    reach_init(&w);
    set_port(&w, "x", "a", "UDP", 80);
    set_port(&w, "x", "b", "SCTP", 80);
    set_policy(&w, "'podSelector': {}, 'ingress': [{" WEB "}]");
    reach_assert(&w, IPPROTO_TCP, 80, "deny * x/*");
    reach_assert(&w, IPPROTO_UDP, 80, "deny * x/*");
    set_policy(&w, "'podSelector': {}, 'ingress': [{'ports': [{'port': 'web', 'protocol':"
                   " 'SCTP'}]}]");
    reach_assert(&w, IPPROTO_SCTP, 80, "deny * x/*, allow * x/b");
    reach_assert(&w, IPPROTO_TCP, 80, "deny * x/*");
    world_uninit(&w);
}

#define CONTAINER(NAME, PROTOCOL, NUMBER)                                        \
    "{'name': '" NAME "', 'ports': [{'name': 'web', 'protocol': '" PROTOCOL "'," \
    " 'containerPort': " NUMBER "}]}"
#define INIT(MORE)                                                         \
    ", 'initContainers': [{'name': 'i'" MORE ", 'ports': [{'name': 'web'," \
    " 'containerPort': 83}]}]"
#define SIDECAR INIT(", 'restartPolicy': 'Always'")

static void
test_first_of_several_containers(void **state)
{
    struct world w;

    reach_init(&w);
    set_pod(&w, "x", "a",
            CONTAINER("c", "UDP", "80") ", " CONTAINER("d", "TCP", "81") ", " CONTAINER("e", "TCP",
                                                                                        "82"),
            SIDECAR, "");
    set_pod(&w, "x", "b", "{'name': 'c'}", SIDECAR, "");
    set_pod(&w, "x", "c", "{'name': 'c'}", INIT(""), "");
    set_policy(&w, "'podSelector': {}, 'ingress': [{" WEB "}]");
    reach_assert(&w, IPPROTO_TCP, 80, "deny * x/*");
    reach_assert(&w, IPPROTO_TCP, 81, "deny * x/*, allow * x/a");
    reach_assert(&w, IPPROTO_TCP, 82, "deny * x/*");
    reach_assert(&w, IPPROTO_TCP, 83, "deny * x/*, allow * x/b");
    world_uninit(&w);
}

static void
test_egress_by_each_peers_number(void **state)
{
    struct world w;

    reach_init(&w);
    set_port(&w, "x", "b", "TCP", 81);
    set_port(&w, "y", "a", "TCP", 8080);
    set_port(&w, "y", "b", "TCP", 9090);
    set_port(&w, "z", "a", "TCP", 8080);
    set_policy(&w, "'podSelector': {}, 'policyTypes': ['Egress'], 'egress': [{'to':"
                   " [{'namespaceSelector': {'matchLabels': {'kubernetes.io/metadata.name':"
                   " 'y'}}}, {'podSelector': {}}], " WEB "}]");
    reach_assert(&w, IPPROTO_TCP, 8080, "deny x/* *, allow x/* y/a");
    reach_assert(&w, IPPROTO_TCP, 9090, "deny x/* *, allow x/* y/b");
    reach_assert(&w, IPPROTO_TCP, 81, "deny x/* *, allow x/* x/b");
    world_uninit(&w);
}

static void
test_egress_anywhere_means_pods(void **state)
{
    struct world w;

    reach_init(&w);
    set_port(&w, "x", "b", "TCP", 8080);
    set_port(&w, "y", "a", "TCP", 8080);
    set_policy(&w, "'podSelector': {}, 'policyTypes': ['Egress'], 'egress': [{" WEB "}]");
    reach_assert(&w, IPPROTO_TCP, 8080, "deny x/* *, allow x/* x/b, allow x/* y/a");

    /* A pod of a namespace that comes later is one of them. */
    reach_set_namespace(&w, "late", "");
    set_port(&w, "late", "a", "TCP", 7070);
    world_run(&w);
    char *late = xstrdup(world_address(&w, "late", "a"));
    char *from = xstrdup(world_address(&w, "x", "a"));
    assert_true(reach_allows(&w, from, late, IPPROTO_TCP, 7070));
    assert_false(reach_allows(&w, from, late, IPPROTO_TCP, 8080));
    free(late);
    free(from);
    world_uninit(&w);
}

static void
test_ip_block_knows_no_names(void **state)
{
    struct world w;

    reach_init(&w);
    set_port(&w, "y", "a", "TCP", 80);
    set_policy(&w, "'podSelector': {}, 'policyTypes': ['Egress'], 'egress': [{'to': [{'ipBlock':"
                   " {'cidr': '0.0.0.0/0'}}], " WEB "}]");
    reach_assert(&w, IPPROTO_TCP, 80, "deny x/* *");

    /* Its numbers and the other peers stay. */
    set_policy(&w, "'podSelector': {}, 'policyTypes': ['Egress'], 'egress': [{'to': [{'ipBlock':"
                   " {'cidr': '192.0.2.0/24'}}, {'namespaceSelector': {}}], 'ports': [{'port':"
                   " 'web'}, {'port': 81}]}]");
    reach_assert(&w, IPPROTO_TCP, 80, "deny x/* *, allow x/* y/a");
    reach_assert(&w, IPPROTO_TCP, 81, "");
    world_uninit(&w);
}

static void
test_name_of_nobody(void **state)
{
    struct world w;

    reach_init(&w);
    set_policy(&w, "'podSelector': {}, 'ingress': [{" WEB "}]");
    reach_assert(&w, IPPROTO_TCP, 80, "deny * x/*");
    assert_int_equal(count(&w, RECORD_RULE), 1);
    set_policy(&w, "'podSelector': {}, 'ingress': [{'ports': [{'port': 'web'}, {'port': 80}]}]");
    reach_assert(&w, IPPROTO_TCP, 80, "");
    reach_assert(&w, IPPROTO_TCP, 81, "deny * x/*");
    world_uninit(&w);
}

static void
test_only_pods_on_the_network_have_names(void **state)
{
    struct world w;

    reach_init(&w);
    set_port(&w, "x", "b", "TCP", 80);
    set_pod(&w, "y", "a", CONTAINER("c", "TCP", "81"), ", 'hostNetwork': true", "");
    set_pod(&w, "y", "b", CONTAINER("c", "TCP", "82"), "", "'phase': 'Succeeded'");
    set_policy(&w, "'podSelector': {}, 'policyTypes': ['Egress'], 'egress': [{" WEB "}]");
    assert_int_equal(count(&w, RECORD_RULE), 2);
    char *from = xstrdup(world_address(&w, "x", "a"));
    assert_false(reach_allows(&w, from, "172.30.0.1", IPPROTO_TCP, 81));
    free(from);

    set_pod(&w, "x", "b", CONTAINER("c", "TCP", "80"), "", "'phase': 'Failed'");
    world_run(&w);
    assert_int_equal(count(&w, RECORD_RULE), 1);
    world_uninit(&w);
}

static void
test_classes_split_only_where_asked(void **state)
{
    struct world w;

    reach_init(&w);
    set_port(&w, "x", "a", "TCP", 8080);
    set_port(&w, "y", "a", "TCP", 8080);
    world_run(&w);
    assert_string_equal(class_of(&w, "x", "a"), "x{}");
    set_policy(&w, "'podSelector': {'matchLabels': {'pod': 'a'}}, 'ingress': [{" WEB "}]");
    assert_string_equal(class_of(&w, "x", "a"), "x{pod=a,port:tcp/web=8080}");
    assert_string_equal(class_of(&w, "x", "b"), "x{pod=b}");
    assert_string_equal(class_of(&w, "y", "a"), "y{}");
    world_del_policy(&w, "x", "p");
    world_run(&w);
    assert_string_equal(class_of(&w, "x", "a"), "x{}");
    assert_int_equal(count(&w, RECORD_SET), 0);
    world_uninit(&w);
}

static void
test_records_of_a_named_port(void **state)
{
    struct world w;

    world_init(&w);
    reach_set_namespace(&w, "x", "");
    set_port(&w, "x", "a", "TCP", 8080);
    set_policy(&w, "'podSelector': {'matchLabels': {'pod': 'a'}}, 'ingress': [{" WEB "}]");
    char *text = world_records(&w);
    assert_string_equal(
        strstr(text, "\nset ") + 1,
        "set 1 selector=ns{kubernetes.io/metadata.name=x}/pod{pod=a} identities=256\n"
        "set 2 selector=ns{kubernetes.io/metadata.name=x}/pod{pod=a,port:tcp/web=8080}"
        " identities=256\n"
        "rule 1 ingress tier=networkpolicy priority=0 action=isolate vni=4096 subject=1"
        " peers=any ports=any policy=NetworkPolicy/x/p index=-1\n"
        "rule 2 ingress tier=networkpolicy priority=0 action=allow vni=4096 subject=2"
        " peers=any ports=tcp:8080 policy=NetworkPolicy/x/p index=0\n");
    free(text);
    world_uninit(&w);
}

/* One more pod with a known number costs no rule and no set but its members; a
 * new number one of each. */
static void
test_changes_are_small(void **state)
{
    struct world w;

    reach_init(&w);
    set_port(&w, "x", "a", "TCP", 8080);
    set_policy(&w, "'podSelector': {}, 'ingress': [{" WEB "}]");
    assert_int_equal(count(&w, RECORD_RULE), 2);

    set_port(&w, "x", "b", "TCP", 8080);
    compile_run(w.c);
    assert_int_equal(count_changed(&w, RECORD_RULE), 0);
    assert_int_equal(count_changed(&w, RECORD_SET), 0);
    assert_int_equal(count_changed(&w, RECORD_ENDPOINT), 1);
    world_run(&w);

    set_port(&w, "x", "c", "TCP", 9090);
    compile_run(w.c);
    assert_int_equal(count_changed(&w, RECORD_RULE), 1);
    assert_int_equal(count_changed(&w, RECORD_SET), 2);
    world_run(&w);
    reach_assert(&w, IPPROTO_TCP, 9090, "deny * x/*, allow * x/c");

    /* Its last pod takes the number away. */
    set_port(&w, "x", "c", "TCP", 8080);
    world_run(&w);
    assert_int_equal(count(&w, RECORD_RULE), 2);
    assert_int_equal(count(&w, RECORD_SET), 2);
    reach_assert(&w, IPPROTO_TCP, 9090, "deny * x/*");
    reach_assert(&w, IPPROTO_TCP, 8080, "");
    world_uninit(&w);
}

/* An edit of the policy keeps the rules and sets that it keeps in content. */
static void
test_edit_keeps_numbers(void **state)
{
    struct world w;

    reach_init(&w);
    set_port(&w, "x", "a", "TCP", 8080);
    set_port(&w, "x", "b", "TCP", 9090);
    set_policy(&w, "'podSelector': {}, 'ingress': [{" WEB "}]");
    reach_set_policy(&w, "x", "p", "'podSelector': {}, 'ingress': [{" WEB "}]");
    compile_run(w.c);
    assert_false(records_any_changes(compile_records(w.c)));

    reach_set_policy(&w, "x", "p",
                     "'podSelector': {}, 'ingress': [{" WEB "}, {'ports':"
                     " [{'port': 1}]}]");
    compile_run(w.c);
    assert_int_equal(count_changed(&w, RECORD_RULE), 1);
    assert_int_equal(count_changed(&w, RECORD_SET), 0);
    world_run(&w);
    world_uninit(&w);
}

static void
test_restart_changes_nothing(void **state)
{
    struct world w;

    reach_init(&w);
    set_port(&w, "x", "a", "TCP", 8080);
    set_port(&w, "x", "b", "TCP", 9090);
    set_port(&w, "y", "a", "TCP", 7070);
    set_policy(&w, "'podSelector': {}, 'policyTypes': ['Ingress', 'Egress'], 'ingress': [{" WEB
                   "}], 'egress': [{" WEB "}, {'to': [{'podSelector': {}}], " WEB "}]");
    char *before = world_records(&w);
    world_restart(&w);
    compile_run(w.c);
    assert_false(records_any_changes(compile_records(w.c)));
    char *after = world_records(&w);
    assert_string_equal(after, before);
    free(before);
    free(after);
    world_uninit(&w);
}

/* A hundred names of a hundred peers twice over are more than a policy may
 * have.  It keeps its isolation and its other rules, and says so. */
static void
test_too_many_names(void **state)
{
    struct ds spec = DS_EMPTY_INITIALIZER;
    struct world w;

    reach_init(&w);
    set_port(&w, "x", "b", "TCP", 8080);
    ds_put_cstr(&spec, "'podSelector': {}, 'policyTypes': ['Egress'], 'egress': [{" WEB "}");
    for (int rule = 0; rule < 2; rule++) {
        ds_put_cstr(&spec, ", {'to': [");
        for (int i = 0; i < 100; i++) {
            ds_put_format(&spec, "%s{'podSelector': {'matchLabels': {'n': '%d'}}}", i ? ", " : "",
                          i);
        }
        ds_put_cstr(&spec, "], 'ports': [");
        for (int i = 0; i < 100; i++) {
            ds_put_format(&spec, "{'port': 'port-%d'}, ", i);
        }
        ds_put_cstr(&spec, "{'port': 81}]}");
    }
    ds_put_cstr(&spec, ", {'ports': [{'port': 80}, {'port': 'web', 'protocol': 'UDP'}]}]");
    reach_set_policy(&w, "x", "p", ds_cstr(&spec));
    world_run(&w);
    assert_string_equal(world_problem(&w, "NetworkPolicy", "x", "p"), "PolicyTooLarge");
    reach_assert(&w, IPPROTO_TCP, 80, "");
    reach_assert(&w, IPPROTO_TCP, 82, "deny x/* *");
    reach_assert(&w, IPPROTO_TCP, 8080, "deny x/* *, allow x/* x/b");
    set_policy(&w, "'podSelector': {}, 'ingress': [{" WEB "}]");
    ds_destroy(&spec);
    world_uninit(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_ingress_by_each_subjects_number),
        cmocka_unit_test(test_ingress_keeps_all_its_peers),
        cmocka_unit_test(test_protocol_belongs_to_the_name),
        cmocka_unit_test(test_first_of_several_containers),
        cmocka_unit_test(test_egress_by_each_peers_number),
        cmocka_unit_test(test_egress_anywhere_means_pods),
        cmocka_unit_test(test_ip_block_knows_no_names),
        cmocka_unit_test(test_name_of_nobody),
        cmocka_unit_test(test_only_pods_on_the_network_have_names),
        cmocka_unit_test(test_classes_split_only_where_asked),
        cmocka_unit_test(test_records_of_a_named_port),
        cmocka_unit_test(test_changes_are_small),
        cmocka_unit_test(test_edit_keeps_numbers),
        cmocka_unit_test(test_restart_changes_nothing),
        cmocka_unit_test(test_too_many_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
