#include "node/gateway.h"

#include "base/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/prefix.h"

static struct prefix
prefix(const char *s)
{
    struct prefix p;
    char *error = prefix_parse(s, true, &p);
    assert_null(error);
    return p;
}

static void
test_commands(void **state)
{
    struct prefix subnets[] = { prefix("10.128.0.0/9"), prefix("192.168.7.0/24"),
                                prefix("2001:db8::/32") };
    struct in6_addr nodes[] = { prefix("172.30.0.1").addr, prefix("172.30.0.2").addr,
                                prefix("fd00::1").addr };
    struct in6_addr own[] = { prefix("172.30.0.1").addr, prefix("fd00::7").addr };
    struct gateway_config c = {
        .subnets = subnets,
        .n_subnets = 3,
        .nodes = nodes,
        .n_nodes = 3,
        .own = own,
        .n_own = 2,
        .tunnel_udp_port = 4789,
    };
    char *text = gateway_nft_commands("virga0", &c);
    /* One transaction that replaces the table, whether or not it was there. */
    assert_ptr_equal(strstr(text, "add table ip virga\ndelete table ip virga\ntable ip virga {\n"),
                     text);
    assert_non_null(strstr(text, "elements = { 10.128.0.0/9, 192.168.7.0/24 }"));
    assert_non_null(strstr(text, "elements = { 172.30.0.1, 172.30.0.2 }"));
    assert_non_null(strstr(text, "oifname != \"virga0\" ip saddr @pods ip daddr != @pods "
                                 "ip daddr != @nodes counter masquerade"));
    assert_non_null(strstr(text, "iifname \"virga0\" ip saddr @pods udp dport 4789 counter drop"));
    assert_non_null(
        strstr(text, "add table ip6 virga\ndelete table ip6 virga\ntable ip6 virga {\n"));
    assert_non_null(strstr(text, "elements = { 2001:db8::/32 }"));
    assert_non_null(strstr(text, "elements = { fd00::1 }"));
    assert_non_null(strstr(text, "oifname != \"virga0\" ip6 saddr @pods ip6 daddr != @pods "
                                 "ip6 daddr != @nodes counter masquerade"));
    assert_non_null(
        strstr(text, "iifname \"virga0\" ip6 saddr @pods udp dport 4789 counter drop"));
    /* Nobody else speaks to pods with the node's own addresses. */
    assert_non_null(strstr(text, "set own {\n\t\ttype ipv4_addr\n\t\telements = { 172.30.0.1 }"));
    assert_non_null(strstr(text, "set own {\n\t\ttype ipv6_addr\n\t\telements = { fd00::7 }"));
    assert_non_null(strstr(text, "oifname \"virga0\" ip saddr @own counter drop"));
    assert_non_null(strstr(text, "oifname \"virga0\" ip6 saddr @own counter drop"));
    free(text);
}

static void
test_empty_sets_have_no_elements(void **state)
{
    struct gateway_config c = { .n_subnets = 0 };
    char *text = gateway_nft_commands("virga0", &c);
    assert_null(strstr(text, "elements"));
    assert_null(strstr(text, "table ip6 virga {")); /* Nor a table that nobody needs. */
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_empty_sets_have_no_elements),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
