#include "node/cni_protocol.h"

#include "base/test.h"

#include <stdlib.h>
#include <string.h>

#include "util.h"

static struct cni_error error;
static char *version;

static struct cni_request *
parse(const char *text)
{
    return cni_request_parse(text, strlen(text), &error, &version);
}

/* A request with 'head' (environment) and 'config' (beside name and version). */
static struct cni_request *
parse_parts(const char *head, const char *cni_version, const char *config)
{
    char *text = xasprintf("{%s,\"config\":{\"cniVersion\":\"%s\",\"name\":\"net\","
                           "\"type\":\"virga\"%s}}",
                           head, cni_version, config);
    struct cni_request *r = parse(text);
    free(text);
    return r;
}

static void
clear(void)
{
    cni_error_uninit(&error);
    free(version);
    version = NULL;
}

#define ADD_HEAD                                                             \
    "\"command\":\"ADD\",\"containerID\":\"c1\",\"netns\":\"/run/netns/x\"," \
    "\"ifname\":\"eth0\",\"args\":\"IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;" \
    "K8S_POD_NAME=redis-0;K8S_POD_UID=u-1\""

static void
assert_refused(const char *head, const char *cni_version, const char *config, enum cni_code code,
               const char *word)
{
    struct cni_request *r = parse_parts(head, cni_version, config);
    assert_null(r);
    assert_int_equal(error.code, code);
    if (!strstr(error.msg, word)) {
        fail_msg("\"%s\" does not mention %s", error.msg, word);
    }
    assert_non_null(version);
    clear();
}

static void
test_add(void **state)
{
    struct cni_request *r = parse_parts(ADD_HEAD ",\"timeout\":7", "1.0.0", "");
    assert_non_null(r);
    assert_int_equal(r->command, CNI_ADD);
    assert_string_equal(r->pod, "shop/redis-0");
    assert_string_equal(r->uid, "u-1");
    assert_string_equal(r->container, "c1");
    assert_string_equal(r->ifname, "eth0");
    assert_string_equal(r->netns, "/run/netns/x");
    assert_string_equal(r->network, "net");
    assert_int_equal(r->timeout_s, 7);
    cni_request_destroy(r);
}

static void
test_del_needs_no_netns_and_no_pod(void **state)
{
    struct cni_request *r = parse_parts("\"command\":\"DEL\",\"containerID\":\"c1\","
                                        "\"ifname\":\"eth0\"",
                                        "0.3.1", "");
    assert_non_null(r);
    assert_string_equal(r->netns, "");
    assert_string_equal(r->pod, "");
    assert_int_equal(r->timeout_s, CNI_DEFAULT_TIMEOUT_S);
    cni_request_destroy(r);
}

static void
test_gc(void **state)
{
    struct cni_request *r = parse_parts(
        "\"command\":\"GC\"", "1.1.0",
        ",\"cni.dev/valid-attachments\":[{\"containerID\":\"a\",\"ifname\":\"eth0\"},{}]");
    assert_non_null(r);
    assert_int_equal(r->n_valid, 2);
    assert_string_equal(r->valid[0].container, "a");
    assert_string_equal(r->valid[1].container, "");
    cni_request_destroy(r);
    /* A list that is missing must not mean "nothing is valid". */
    assert_refused("\"command\":\"GC\"", "1.1.0", "", CNI_BAD_CONFIG, "valid-attachments");
}

static void
test_refuses(void **state)
{
    const char *del = "\"command\":\"DEL\",\"containerID\":\"c1\",\"ifname\":\"eth0\"";
    assert_refused(del, "0.2.0", "", CNI_INCOMPATIBLE_VERSION, "0.2.0");
    assert_refused(del, "9.9.9", "", CNI_INCOMPATIBLE_VERSION, "9.9.9");
    assert_refused("\"command\":\"CHECK\"", "0.3.1", "", CNI_INCOMPATIBLE_VERSION, "CHECK");
    assert_refused("\"command\":\"STATUS\"", "1.0.0", "", CNI_INCOMPATIBLE_VERSION, "STATUS");
    assert_refused("\"command\":\"JUMP\"", "1.0.0", "", CNI_BAD_ENVIRONMENT, "CNI_COMMAND");
    assert_refused("\"command\":\"DEL\",\"containerID\":\"../x\",\"ifname\":\"eth0\"", "1.0.0", "",
                   CNI_BAD_ENVIRONMENT, "CNI_CONTAINERID");
    const char *bad_ifnames[] = { "", ".", "..", "a/b", "a:b", "a b", "0123456789abcdef" };
    for (size_t i = 0; i < ARRAY_SIZE(bad_ifnames); i++) {
        char *head = xasprintf("\"command\":\"DEL\",\"containerID\":\"c\",\"ifname\":\"%s\"",
                               bad_ifnames[i]);
        assert_refused(head, "1.0.0", "", CNI_BAD_ENVIRONMENT, "CNI_IFNAME");
        free(head);
    }
    assert_refused("\"command\":\"ADD\",\"containerID\":\"c\",\"ifname\":\"eth0\","
                   "\"netns\":\"/x\",\"args\":\"K8S_POD_NAME=a\"",
                   "1.0.0", "", CNI_BAD_ENVIRONMENT, "K8S_POD_NAMESPACE");
    assert_refused(ADD_HEAD, "1.0.0", ",\"runtimeConfig\":{\"portMappings\":[{\"hostPort\":80}]}",
                   CNI_UNSUPPORTED_FIELD, "portMappings");
    assert_null(parse("[]"));
    assert_int_equal(error.code, CNI_DECODE);
    clear();
    assert_null(parse("{\"command\":\"ADD\",\"config\":7}"));
    assert_int_equal(error.code, CNI_DECODE);
    clear();
    assert_null(parse("{\"command\":\"DEL\",\"config\":{\"cniVersion\":\"1.0.0\"}}"));
    assert_int_equal(error.code, CNI_BAD_CONFIG);
    assert_string_equal(version, "1.0.0");
    clear();
}

static void
test_empty_capabilities_are_fine(void **state)
{
    struct cni_request *r = parse_parts(
        ADD_HEAD, "1.0.0",
        ",\"runtimeConfig\":{\"portMappings\":[],\"dns\":{\"servers\":[\"x\"]}}");
    assert_non_null(r);
    cni_request_destroy(r);
}

static void
make_result(struct cni_result *result, struct prefix *address, struct in6_addr *gateway)
{
    char *message = prefix_parse("10.128.1.2/24", false, address);
    assert_null(message);
    message = addr_parse("10.128.1.2", &address->addr);
    assert_null(message);
    message = addr_parse("10.128.1.1", gateway);
    assert_null(message);
    *result = (struct cni_result){
        .host_ifname = "vp0",
        .host_mac = ETH_ADDR_C(0a, 00, 00, 00, 00, 01),
        .ifname = "eth0",
        .mac = ETH_ADDR_C(02, 56, 0a, 80, 01, 02),
        .netns = "/run/netns/x",
        .mtu = 1450,
        .addresses = address,
        .gateways = gateway,
        .n_addresses = 1,
    };
}

static json_t *
answer_of(const char *cni_version, const char *config)
{
    struct cni_result result;
    struct prefix address;
    struct in6_addr gateway;
    make_result(&result, &address, &gateway);
    struct cni_request *r = parse_parts(ADD_HEAD, cni_version, config);
    assert_non_null(r);
    char *text = cni_answer_result(r, &result);
    assert_null(strchr(text, '\n'));
    json_t *o = json_loads(text, 0, NULL);
    free(text);
    cni_request_destroy(r);
    json_t *inner = json_incref(json_object_get(o, "result"));
    json_decref(o);
    assert_non_null(inner);
    return inner;
}

static void
assert_json(const json_t *o, const char *expected)
{
    json_t *e = json_loads(expected, 0, NULL);
    assert_non_null(e);
    if (!json_equal(o, e)) {
        char *text = json_dumps(o, JSON_COMPACT);
        fail_msg("%s is not %s", text, expected);
    }
    json_decref(e);
}

static void
test_result_per_version(void **state)
{
    json_t *o = answer_of("1.1.0", "");
    assert_json(o, "{\"cniVersion\":\"1.1.0\",\"interfaces\":["
                   "{\"name\":\"vp0\",\"mac\":\"0a:00:00:00:00:01\",\"mtu\":1450},"
                   "{\"name\":\"eth0\",\"mac\":\"02:56:0a:80:01:02\",\"mtu\":1450,"
                   "\"sandbox\":\"/run/netns/x\"}],"
                   "\"ips\":[{\"address\":\"10.128.1.2/24\",\"gateway\":\"10.128.1.1\","
                   "\"interface\":1}],"
                   "\"routes\":[{\"dst\":\"0.0.0.0/0\",\"gw\":\"10.128.1.1\"}],\"dns\":{}}");
    json_decref(o);
    o = answer_of("0.4.0", "");
    assert_json(json_array_get(json_object_get(o, "ips"), 0),
                "{\"address\":\"10.128.1.2/24\",\"gateway\":\"10.128.1.1\",\"interface\":1,"
                "\"version\":\"4\"}");
    assert_json(json_array_get(json_object_get(o, "interfaces"), 0),
                "{\"name\":\"vp0\",\"mac\":\"0a:00:00:00:00:01\"}");
    json_decref(o);
}

static void
test_result_is_added_to_previous(void **state)
{
    json_t *o = answer_of("1.0.0", ",\"prevResult\":{\"cniVersion\":\"1.0.0\",\"interfaces\":["
                                   "{\"name\":\"lo\"}],\"dns\":{\"domain\":\"x\"}}");
    assert_int_equal(json_array_size(json_object_get(o, "interfaces")), 3);
    json_t *ip = json_array_get(json_object_get(o, "ips"), 0);
    assert_int_equal(json_integer_value(json_object_get(ip, "interface")), 2);
    assert_json(json_object_get(o, "dns"), "{\"domain\":\"x\"}");
    json_decref(o);
}

static char *
check_against(const char *prev)
{
    struct cni_result result;
    struct prefix address;
    struct in6_addr gateway;
    make_result(&result, &address, &gateway);
    char *config = xasprintf(",\"prevResult\":%s", prev);
    struct cni_request *r = parse_parts("\"command\":\"CHECK\",\"containerID\":\"c1\","
                                        "\"ifname\":\"eth0\",\"netns\":\"/x\"",
                                        "1.0.0", config);
    assert_non_null(r);
    char *message = cni_check_prev_result(r, &result);
    cni_request_destroy(r);
    free(config);
    return message;
}

static void
test_check_compares_previous_result(void **state)
{
    json_t *o = answer_of("1.0.0", "");
    char *prev = json_dumps(o, 0);
    assert_null(check_against(prev));
    free(prev);

    /* What chained plugins add does not matter. */
    json_array_append_new(json_object_get(o, "ips"), json_pack("{s:s}", "address", "10.9.9.9/32"));
    prev = json_dumps(o, 0);
    assert_null(check_against(prev));
    free(prev);
    json_decref(o);

    char *message = check_against("{\"interfaces\":[]}");
    assert_non_null(strstr(message, "eth0"));
    free(message);
    message = check_against(
        "{\"interfaces\":[{\"name\":\"eth0\",\"mac\":\"02:00:00:00:00:00\"}]}");
    assert_non_null(strstr(message, "02:00:00:00:00:00"));
    free(message);
    message = check_against("{\"interfaces\":[{\"name\":\"eth0\"}],\"ips\":[]}");
    assert_non_null(strstr(message, "10.128.1.2/24"));
    free(message);
}

static void
test_error_answer(void **state)
{
    struct cni_error e = { .code = CNI_OK };
    cni_error_set(&e, CNI_TRY_AGAIN, "because", "no \"%s\"", "luck");
    char *text = cni_answer_error("0.4.0", &e);
    json_t *o = json_loads(text, 0, NULL);
    assert_json(json_object_get(o, "error"),
                "{\"cniVersion\":\"0.4.0\",\"code\":11,\"msg\":\"no \\\"luck\\\"\","
                "\"details\":\"because\"}");
    json_decref(o);
    free(text);
    cni_error_uninit(&e);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add),
        cmocka_unit_test(test_del_needs_no_netns_and_no_pod),
        cmocka_unit_test(test_gc),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_empty_capabilities_are_fine),
        cmocka_unit_test(test_result_per_version),
        cmocka_unit_test(test_result_is_added_to_previous),
        cmocka_unit_test(test_check_compares_previous_result),
        cmocka_unit_test(test_error_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
