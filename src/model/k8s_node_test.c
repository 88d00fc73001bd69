/* Nodes: their IP addresses. */
#include "model/objects.h"

#include "model/object_test.h"

OBJECT_TEST_FUNCTIONS(k8s_node)

static void
test_ip_addresses_of_a_node(void **state)
{
    struct k8s_node *node = good_k8s_node(
        "{'metadata': {'name': 'node-1.example.com'}, 'status': {'addresses': ["
        "{'type': 'InternalIP', 'address': '192.0.2.21'},"
        "{'type': 'Hostname', 'address': 'node-1'},"
        "{'type': 'ExternalIP', 'address': '2001:DB8::21'},"
        "{'type': 'InternalIP', 'address': '192.0.2.21'}]}}");

    assert_string_equal(node->meta.name, "node-1.example.com");
    assert_int_equal(node->n_addresses, 2);
    assert_address(&node->addresses[0], "192.0.2.21");
    assert_address(&node->addresses[1], "2001:db8::21");
    k8s_node_destroy(node);

    node = good_k8s_node("{'metadata': {'name': 'n'}}"); /* Not yet registered by an agent. */
    assert_int_equal(node->n_addresses, 0);
    k8s_node_destroy(node);
    k8s_node_destroy(NULL);
}

static void
test_bad_addresses(void **state)
{
    bad_k8s_node("{'metadata': {'name': 'n'}, 'status': {'addresses': ["
                 "{'type': 'InternalIP', 'address': '192.0.2.256'},"
                 "{'type': 'InternalIP', 'address': '127.0.0.1'}, 3]}}",
                 "status.addresses[0].address: Invalid value: \"192.0.2.256\": must be a valid IP "
                 "address, (e.g. 10.9.8.7 or 2001:db8::ffff)\n"
                 "status.addresses[1].address: Invalid value: \"127.0.0.1\": must be the address "
                 "of one host\n"
                 "status.addresses[2]: Invalid value: 3: must be an object");
    bad_k8s_node("{'metadata': {'name': 'n', 'namespace': 'x'}, 'status': 1}",
                 "metadata.namespace: Forbidden: not allowed on this type\n"
                 "status: Invalid value: 1: must be an object");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ip_addresses_of_a_node),
        cmocka_unit_test(test_bad_addresses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
