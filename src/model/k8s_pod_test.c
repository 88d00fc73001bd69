/* Pods: where they run, their addresses and ports. */
#include "model/objects.h"

#include "model/object_test.h"

OBJECT_TEST_FUNCTIONS(k8s_pod)

#define META "'metadata': {'namespace': 'shop', 'name': 'redis-0', 'labels': {'app': 'redis'}}"

static void
test_a_full_pod(void **state)
{
    struct k8s_pod *pod = good_k8s_pod(
        "{'metadata': {'namespace': 'shop', 'name': 'redis.0', 'uid': 'u', "
        "'labels': {'app': 'redis'}, 'annotations': {'virga.dev/ip': '10.128.1.9, 2001:db8::9'}},"
        "'spec': {'nodeName': 'node-1', 'hostNetwork': true,"
        " 'initContainers': ["
        "  {'name': 'once', 'ports': [{'containerPort': 1}]},"
        "  {'name': 'proxy', 'restartPolicy': 'Always', 'ports': [{'containerPort': 15001}]}],"
        " 'containers': ["
        "  {'name': 'redis', 'ports': [{'name': 'redis', 'containerPort': 6379},"
        "                              {'name': 'dns', 'containerPort': 53, 'protocol': 'UDP'}]},"
        "  {'name': 'side', 'ports': [{'name': 'redis', 'containerPort': 65535,"
        "                              'protocol': 'SCTP'}]}]},"
        "'status': {'phase': 'Running', 'podIP': '10.1.1.1',"
        "           'podIPs': [{'ip': '10.128.1.2'}, {'ip': 'fd00::2'}]}}");

    assert_string_equal(pod->meta.namespace_, "shop");
    assert_string_equal(pod->meta.name, "redis.0");
    assert_string_equal(pod->node_name, "node-1");
    assert_true(pod->host_network);
    assert_false(pod->completed);
    assert_int_equal(pod->n_static_ips, 2);
    assert_address(&pod->static_ips[0], "10.128.1.9");
    assert_address(&pod->static_ips[1], "2001:db8::9");
    assert_int_equal(pod->n_status_ips, 2);
    assert_address(&pod->status_ips[0], "10.128.1.2");

    static const struct pod_port expected[] = {
        { "redis", IPPROTO_TCP, 6379 },
        { "dns", IPPROTO_UDP, 53 },
        { "redis", IPPROTO_SCTP, 65535 },
        { "", IPPROTO_TCP, 15001 },
    };

    assert_int_equal(pod->n_ports, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_ptr_equal(pod->ports[i].name, intern(expected[i].name));
        assert_int_equal(pod->ports[i].protocol, expected[i].protocol);
        assert_int_equal(pod->ports[i].number, expected[i].number);
    }
    k8s_pod_destroy(pod);
    k8s_pod_destroy(NULL);
}

static void
test_a_small_pod(void **state)
{
    struct k8s_pod *pod = good_k8s_pod("{" META ", 'spec': {'containers': [{'name': 'c'}]},"
                                       "'status': {'phase': 'Failed', 'podIP': '10.1.1.1'}}");

    assert_string_equal(pod->node_name, "");
    assert_false(pod->host_network);
    assert_true(pod->completed);
    assert_int_equal(pod->n_ports, 0);
    assert_int_equal(pod->n_static_ips, 0);
    assert_int_equal(pod->n_status_ips, 1);
    assert_address(&pod->status_ips[0], "10.1.1.1");
    k8s_pod_destroy(pod);
}

static void
test_containers_are_required(void **state)
{
    bad_k8s_pod("{" META "}", "spec.containers: Required value");
    bad_k8s_pod("{" META ", 'spec': {'containers': []}}", "spec.containers: Required value");
    bad_k8s_pod("{" META ", 'spec': {'containers': {}}}",
                "spec.containers: Invalid value: must be a list");
    bad_k8s_pod("{" META ", 'spec': {'containers': [{}, {'name': 'a'}, {'name': 'a'}]}}",
                "spec.containers[0].name: Required value\n"
                "spec.containers[2].name: Duplicate value: \"a\"");
}

static void
bad_ports(const char *ports, const char *expected)
{
    char text[512];

    snprintf(text, sizeof text, "{" META ", 'spec': {'containers': [{'name': 'c', 'ports': %s}]}}",
             ports);
    bad_k8s_pod(text, expected);
}

static void
test_bad_ports(void **state)
{
    bad_ports("[{}, {'containerPort': 0}, {'containerPort': 65536}, {'containerPort': '80'}]",
              "spec.containers[0].ports[0].containerPort: Required value\n"
              "spec.containers[0].ports[1].containerPort: Invalid value: 0: must be between 1 and "
              "65535, inclusive\n"
              "spec.containers[0].ports[2].containerPort: Invalid value: 65536: must be between 1 "
              "and 65535, inclusive\n"
              "spec.containers[0].ports[3].containerPort: Invalid value: \"80\": must be an "
              "integer");
    bad_ports("[{'containerPort': 80, 'protocol': 'tcp', 'name': '80'}]",
              "spec.containers[0].ports[0].protocol: Unsupported value: \"tcp\": supported "
              "values: \"TCP\", \"UDP\", \"SCTP\"\n"
              "spec.containers[0].ports[0].name: Invalid value: \"80\": must contain at least one "
              "letter (a-z)");
    bad_ports("[{'containerPort': 80, 'name': 'w'}, {'containerPort': 81, 'name': 'w'}]",
              "spec.containers[0].ports[1].name: Duplicate value: \"w\"");
}

static void
test_bad_addresses(void **state)
{
    bad_k8s_pod(
        "{'metadata': {'namespace': 'shop', 'name': 'a', 'annotations': "
        "{'virga.dev/ip': '10.1.1.1,10.1.1/24'}}, 'spec': {'containers': [{'name': 'c'}]},"
        "'status': {'podIPs': [{'ip': 'x'}]}}",
        "metadata.annotations[virga.dev/ip]: Invalid value: \"10.1.1/24\": must be a valid "
        "IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)\n"
        "status.podIPs[0].ip: Invalid value: \"x\": must be a valid IP address, (e.g. "
        "10.9.8.7 or 2001:db8::ffff)");
}

static void
test_wrong_types(void **state)
{
    bad_k8s_pod("{" META ", 'spec': {'nodeName': 7, 'hostNetwork': 'yes', 'containers': "
                "[{'name': 'c'}]}, 'status': {'phase': 1}}",
                "spec.nodeName: Invalid value: 7: must be a string\n"
                "spec.hostNetwork: Invalid value: \"yes\": must be true or false\n"
                "status.phase: Invalid value: 1: must be a string");
    bad_k8s_pod(
        "{'metadata': {'namespace': 'Shop', 'name': 'a'}, 'spec': {'nodeName': 'a', "
        "'containers': [{'name': 'C'}]}}",
        "metadata.namespace: Invalid value: \"Shop\": a lowercase RFC 1123 label must "
        "consist of lower case alphanumeric characters or '-', and must start and end with "
        "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for "
        "validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')\n"
        "spec.containers[0].name: Invalid value: \"C\": a lowercase RFC 1123 label must "
        "consist of lower case alphanumeric characters or '-', and must start and end with "
        "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for "
        "validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_full_pod),
        cmocka_unit_test(test_a_small_pod),
        cmocka_unit_test(test_containers_are_required),
        cmocka_unit_test(test_bad_ports),
        cmocka_unit_test(test_bad_addresses),
        cmocka_unit_test(test_wrong_types),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
