/* Small worlds that change at random.  After each step every connection of
 * the old world is judged by the old and the new records; what was kept and is
 * denied now must be in a zone that the scope said.  Who judges all the while
 * and follows the changes says what one says who is made for the step. */
#include "node/revocation_scope.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/test.h"
#include "node/revocation.h"
#include "openvswitch/dynamic-string.h"
#include "random.h"
#include "util.h"

enum {
    NETWORKS = 3,
    IDENTITIES = 5,
    ENDPOINTS = 9,
    SETS = 6,
    RULES = 10,
    STEPS = 4000,
    SEED = 20261120,
};

static void
put(struct records *records, const char *line)
{
    char *error = records_parse(line, records);
    if (error) {
        fail_msg("%s: %s", line, error);
    }
}

static void
put_random_endpoint(struct records *records, uint32_t i)
{
    char *line = xasprintf(
        "endpoint %u name=n%u/e%u uid=%u vni=%u identity=%u node=%u mac=02:56:00:00:00:%02x"
        " ips=10.128.%u.%u\n",
        i, i % NETWORKS, i, random_range(12) ? i : i + 100, 4096 + i % NETWORKS,
        256 + random_range(IDENTITIES), 1 + i % 2, i, i % NETWORKS, 10 + i);
    put(records, line);
    free(line);
}

static void
put_random_set(struct records *records, uint32_t i)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    static const char *const others[] = {
        "",
        "",
        " prefixes=192.0.2.0/25",
        " prefixes=10.128.0.0/23,192.0.2.1/32",
        " domains=a.example",
    };
    ds_put_format(&s, "set %u selector=s%u identities=", i, i);
    const char *separator = "";
    if (random_range(8) == 0) {
        ds_put_format(&s, "%d", random_range(2) ? IDENTITY_WORLD : IDENTITY_REMOTE_NODE);
        separator = ",";
    }
    for (uint32_t id = 0; id < IDENTITIES; id++) {
        if (random_range(3) == 0) {
            ds_put_format(&s, "%s%u", separator, 256 + id);
            separator = ",";
        }
    }
    ds_put_format(&s, "%s\n", others[random_range(ARRAY_SIZE(others))]);
    put(records, ds_cstr(&s));
    ds_destroy(&s);
}

/* Without NetworkPolicy, where one allow hides what the others do. */
static bool only_ordered;

/* Half of the rules are of NetworkPolicy, some of the others of any network. */
static void
put_random_rule(struct records *records, uint32_t i)
{
    int tier = (only_ordered      ? (random_range(3) ? TIER_ADMIN : TIER_BASELINE)
                : random_range(2) ? TIER_NETWORKPOLICY
                                  : (int) random_range(N_RULE_TIERS));
    bool np = tier == TIER_NETWORKPOLICY, isolate = np && random_range(3) == 0;
    static const enum rule_action actions[] = { RULE_ALLOW, RULE_DENY, RULE_REJECT, RULE_PASS };
    enum rule_action action = (isolate ? RULE_ISOLATE
                               : np    ? RULE_ALLOW
                                       : actions[random_range(ARRAY_SIZE(actions))]);
    struct ds s = DS_EMPTY_INITIALIZER;
    ds_put_format(&s, "rule %u %s tier=%s priority=0 rank=%u action=%s vni=%u subject=%u ", i,
                  random_range(2) ? "ingress" : "egress", rule_tier_names[tier],
                  np ? 0 : 10 * i + random_range(50), rule_action_names[action],
                  np || random_range(4) ? 4096 + random_range(NETWORKS) : 0,
                  1 + random_range(SETS));
    if (isolate) {
        ds_put_cstr(&s, "peers=any ports=any");
    } else if (random_range(6) == 0) {
        ds_put_cstr(&s, "peers=pods ports=any");
    } else if (random_range(4) == 0) {
        ds_put_format(&s, "peers=10.128.0.0/%u ports=any", 22 + random_range(3));
    } else {
        ds_put_format(&s, "peers=set:%u ports=%s", 1 + random_range(SETS),
                      random_range(2) ? "tcp:80" : "any");
    }
    ds_put_format(&s, " policy=NetworkPolicy/n/p index=%d%s\n", isolate ? -1 : 0,
                  !np && random_range(4) == 0 ? " flags=dry-run" : "");
    put(records, ds_cstr(&s));
    ds_destroy(&s);
}

static struct records *
create_world(void)
{
    struct records *records = records_create();
    put(records, "node 1 name=here vtep=172.30.0.1 addresses=172.30.0.1\n"
                 "node 2 name=there vtep=172.30.0.2 addresses=172.30.0.2\n");
    for (uint32_t i = 0; i < NETWORKS; i++) {
        char *line = xasprintf("network %u name=n%u zone=%u subnets=10.128.%u.0/24"
                               " gateways=10.128.%u.1\n",
                               4096 + i, i, 16 + i, i, i);
        put(records, line);
        free(line);
    }
    for (uint32_t i = 1; i <= SETS; i++) {
        put_random_set(records, i);
    }
    return records;
}

static void
change_one(struct records *records)
{
    uint32_t endpoint = 1 + random_range(ENDPOINTS), rule = 1 + random_range(RULES);
    if (random_range(50) == 0) {
        if (!records_remove(records, RECORD_NODE, 3)) {
            put(records, "node 3 name=third vtep=172.30.0.3 addresses=172.30.0.3\n");
        }
        return;
    }
    switch (random_range(7)) {
    case 0:
    case 1:
        put_random_endpoint(records, endpoint);
        break;
    case 2:
        records_remove(records, RECORD_ENDPOINT, endpoint);
        break;
    case 3:
        put_random_set(records, 1 + random_range(SETS));
        break;
    case 4:
    case 5:
        put_random_rule(records, rule);
        break;
    default:
        records_remove(records, RECORD_RULE, rule);
        break;
    }
}

static struct records *
copy(const struct records *records)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    records_format_all(records, &s);
    struct records *twin = records_create();
    put(twin, ds_cstr(&s));
    ds_destroy(&s);
    return twin;
}

/* ovs-flows/README.md, "Zones". */
static uint16_t
zone_between(const struct rec_endpoint *src, const struct rec_endpoint *dst)
{
    if (src->node == 1 && dst->node == 1 && src->vni != dst->vni) {
        return 1;
    }
    uint32_t vni = dst->node == 1 ? dst->vni : src->vni;
    return (uint16_t) (16 + vni - 4096);
}

static bool
in_scope(const struct revocation_scope *scope, uint16_t zone)
{
    size_t n;
    uint16_t *zones = revocation_scope_zones(scope, &n);
    bool found = revocation_scope_all(scope);
    for (size_t i = 0; i < n; i++) {
        found = found || zones[i] == zone;
    }
    free(zones);
    return found;
}

struct check {
    const struct revocation *was, *now;
    const struct revocation *kept; /* NULL: is not asked in this step. */
    const struct revocation_scope *scope;
    size_t n_denied;
};

static void
check_pair(struct check *check, const struct rec_endpoint *src, const struct rec_endpoint *dst,
           uint16_t port)
{
    struct conntrack_entry entry = {
        .protocol = IPPROTO_TCP,
        .zone = zone_between(src, dst),
        .orig = { src->ips[0], dst->ips[0], 1000, port, 0, 0, 0 },
    };
    enum revocation_verdict verdict = revocation_judge(check->now, &entry);
    if (check->kept) {
        assert_int_equal(revocation_judge(check->kept, &entry), verdict);
    }
    if (verdict == REVOCATION_DENIED && revocation_judge(check->was, &entry) == REVOCATION_KEEP) {
        check->n_denied++;
        if (!in_scope(check->scope, entry.zone)) {
            fail_msg("a connection of %s to %s port %u in zone %u is denied now", src->name,
                     dst->name, port, entry.zone);
        }
    }
}

/* With somebody who is no endpoint. */
static void
check_stranger(struct check *check, const struct rec_endpoint *endpoint, const char *address)
{
    struct rec_endpoint stranger = { .vni = endpoint->vni, .node = 0 };
    struct in6_addr ip;
    char name[] = "a stranger";
    char *error = addr_parse(address, &ip);
    assert_null(error);
    stranger.name = name;
    stranger.ips = &ip;
    stranger.n_ips = 1;
    if (endpoint->node == 1) {
        check_pair(check, endpoint, &stranger, 80);
        check_pair(check, &stranger, endpoint, 80);
    }
}

static void
check_strangers(struct check *check, const struct records *was)
{
    for (uint32_t i = 1; i <= ENDPOINTS; i++) {
        const struct rec_endpoint *endpoint = records_endpoint(was, i);
        if (endpoint) {
            check_stranger(check, endpoint, "192.0.2.1");
            check_stranger(check, endpoint, "192.0.2.2");
            check_stranger(check, endpoint, "172.30.0.2");
            check_stranger(check, endpoint, "172.30.0.3");
        }
    }
}

static void
check_all_pairs(struct check *check, const struct records *was)
{
    check_strangers(check, was);
    for (uint32_t i = 1; i <= ENDPOINTS; i++) {
        for (uint32_t j = 1; j <= ENDPOINTS; j++) {
            const struct rec_endpoint *src = records_endpoint(was, i);
            const struct rec_endpoint *dst = records_endpoint(was, j);
            if (src && dst) {
                check_pair(check, src, dst, 80);
                check_pair(check, src, dst, 81);
            }
        }
    }
}

static void
check_random_changes(uint32_t changes_max)
{
    random_set_seed(SEED);
    struct records *now = create_world();
    struct revocation_scope *scope = revocation_scope_create("here");
    revocation_scope_look(scope, now);
    assert_true(revocation_scope_all(scope));
    revocation_scope_clear(scope);
    records_clear_changes(now);
    struct revocation *kept = revocation_create(now, NULL, "here");
    size_t n_denied = 0, n_quiet = 0, n_partly = 0;
    for (int step = 0; step < STEPS; step++) {
        struct records *was = copy(now);
        for (uint32_t n = 1 + random_range(changes_max); n; n--) {
            change_one(now);
        }
        revocation_scope_look(scope, now);
        if (!revocation_follow(kept)) {
            revocation_destroy(kept);
            kept = revocation_create(now, NULL, "here");
        }
        struct check check = {
            .was = revocation_create(was, NULL, "here"),
            .now = revocation_create(now, NULL, "here"),
            .kept = random_range(3) ? kept : NULL,
            .scope = scope,
        };
        check_all_pairs(&check, was);
        n_denied += check.n_denied;
        n_quiet += !revocation_scope_any(scope);
        n_partly += revocation_scope_any(scope) && !revocation_scope_all(scope);
        revocation_destroy((struct revocation *) check.was);
        revocation_destroy((struct revocation *) check.now);
        revocation_scope_clear(scope);
        records_clear_changes(now);
        records_destroy(was);
    }
    /* The world was no desert, and the scope did not just say "all". */
    assert_true(n_denied > STEPS / 4);
    assert_true(n_quiet > STEPS / 20);
    assert_true(n_partly > STEPS / 10);
    revocation_destroy(kept);
    revocation_scope_destroy(scope);
    records_destroy(now);
}

static void
test_random_changes(void **state)
{
    check_random_changes(3);
}

static void
test_random_changes_of_ordered_rules(void **state)
{
    only_ordered = true;
    check_random_changes(1);
    only_ordered = false;
}

/* --- By hand ---------------------------------------------------------------------- */

struct fixture {
    struct records *records;
    struct revocation_scope *scope;
};

static int
setup(void **state)
{
    struct fixture *f = xzalloc(sizeof *f);
    f->records = records_create();
    put(f->records,
        "node 1 name=here vtep=172.30.0.1 addresses=172.30.0.1\n"
        "node 2 name=there vtep=172.30.0.2 addresses=172.30.0.2\n"
        "network 4096 name=a zone=16 subnets=10.128.0.0/24 gateways=10.128.0.1\n"
        "network 4097 name=b zone=17 subnets=10.128.1.0/24 gateways=10.128.1.1\n"
        "endpoint 1 name=a/server uid=1 vni=4096 identity=256 node=1 mac=02:56:0a:80:00:02"
        " ips=10.128.0.2\n"
        "endpoint 2 name=b/client uid=2 vni=4097 identity=257 node=2 mac=02:56:0a:80:01:02"
        " ips=10.128.1.2\n"
        "set 1 selector=server identities=256\n"
        "set 2 selector=client identities=257\n"
        "rule 1 ingress tier=networkpolicy priority=0 action=isolate vni=4096 subject=1 peers=any"
        " ports=any policy=NetworkPolicy/a/p index=-1\n"
        "rule 2 ingress tier=networkpolicy priority=0 action=allow vni=4096 subject=1 peers=set:2"
        " ports=any policy=NetworkPolicy/a/p index=0\n");
    f->scope = revocation_scope_create("here");
    revocation_scope_look(f->scope, f->records);
    records_clear_changes(f->records);
    revocation_scope_clear(f->scope);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *f = *state;
    revocation_scope_destroy(f->scope);
    records_destroy(f->records);
    free(f);
    return 0;
}

static void
look(const struct fixture *f, const char *change)
{
    revocation_scope_clear(f->scope);
    put(f->records, change);
    revocation_scope_look(f->scope, f->records);
    records_clear_changes(f->records);
}

#define CLIENT(IDENTITY)                                         \
    "endpoint 2 name=b/client uid=2 vni=4097 identity=" IDENTITY \
    " node=2 mac=02:56:0a:80:01:02 ips=10.128.1.2\n"

static void
test_relabel_concerns_the_network_that_loses_a_peer(void **state)
{
    const struct fixture *f = *state;
    look(f, CLIENT("300"));
    size_t n;
    uint16_t *zones = revocation_scope_zones(f->scope, &n);
    assert_false(revocation_scope_all(f->scope));
    assert_int_equal(n, 2);
    assert_int_equal(zones[0], 1);
    assert_int_equal(zones[1], 16);
    free(zones);
    /* Back again: only opens. */
    look(f, CLIENT("257"));
    assert_false(revocation_scope_any(f->scope));
    assert_true(revocation_scope_may_allow(f->scope));
}

static void
test_what_only_allows_says_nothing(void **state)
{
    const struct fixture *f = *state;
    look(f, "endpoint 3 name=b/new uid=3 vni=4097 identity=257 node=1 mac=02:56:0a:80:01:03"
            " ips=10.128.1.3\n");
    assert_false(revocation_scope_any(f->scope));
    assert_false(revocation_scope_may_allow(f->scope));
    look(f, "set 2 selector=client identities=257,258\n"
            "rule 3 ingress tier=networkpolicy priority=0 action=allow vni=4096 subject=1"
            " peers=any ports=any policy=NetworkPolicy/a/q index=0\n");
    assert_false(revocation_scope_any(f->scope));
    look(f, "node 3 name=new vtep=172.30.0.3 addresses=172.30.0.3\n"
            "network 4098 name=c zone=18 subnets=10.128.2.0/24 gateways=10.128.2.1\n");
    assert_false(revocation_scope_any(f->scope));
    records_remove(f->records, RECORD_ENDPOINT, 2);
    look(f, "");
    assert_false(revocation_scope_any(f->scope));
}

#define ORDERED(ID, RANK, ACTION)                                            \
    "rule " ID " ingress tier=admin priority=0 rank=" RANK " action=" ACTION \
    " vni=4096 subject=1 peers=set:2 ports=any policy=ClusterNetworkPolicy//p index=0"

static void
test_ordered_rules(void **state)
{
    const struct fixture *f = *state;
    look(f, ORDERED("5", "100", "allow"));
    assert_false(revocation_scope_any(f->scope));
    look(f, ORDERED("6", "200", "deny") " flags=dry-run");
    assert_false(revocation_scope_any(f->scope));
    look(f, ORDERED("6", "200", "deny"));
    assert_true(revocation_scope_any(f->scope));
    look(f, ORDERED("6", "50", "deny")); /* Comes before the other. */
    assert_true(revocation_scope_any(f->scope));
    records_remove(f->records, RECORD_RULE, 6);
    look(f, "");
    assert_false(revocation_scope_any(f->scope));
    look(f, ORDERED("7", "10", "pass"));
    assert_true(revocation_scope_any(f->scope));
    records_remove(f->records, RECORD_RULE, 7);
    look(f, "");
    assert_true(revocation_scope_any(f->scope));
}

static void
test_addresses_of_sets(void **state)
{
    const struct fixture *f = *state;
    look(f, "set 2 selector=client identities=257 prefixes=10.0.0.0/8 domains=a.example\n");
    assert_false(revocation_scope_any(f->scope));
    look(f, "set 2 selector=client identities=257 prefixes=10.1.0.0/16 domains=a.example\n");
    assert_true(revocation_scope_any(f->scope));
    look(f, "set 2 selector=client identities=257 prefixes=10.0.0.0/8,192.0.2.1/32"
            " domains=a.example\n");
    assert_false(revocation_scope_any(f->scope));
    look(f, "set 2 selector=client identities=257 prefixes=10.0.0.0/8,192.0.2.1/32\n");
    assert_true(revocation_scope_any(f->scope));
}

static void
test_network_without_endpoints_here(void **state)
{
    const struct fixture *f = *state;
    look(f, "rule 9 ingress tier=networkpolicy priority=0 action=isolate vni=4097 subject=2"
            " peers=any ports=any policy=NetworkPolicy/b/p index=-1\n");
    assert_false(revocation_scope_any(f->scope));
}

static void
test_address_that_changes_hands(void **state)
{
    const struct fixture *f = *state;
    size_t n;
    records_remove(f->records, RECORD_ENDPOINT, 2);
    look(f, "");
    assert_false(revocation_scope_any(f->scope));
    look(f, "endpoint 5 name=b/heir uid=5 vni=4097 identity=257 node=2 mac=02:56:0a:80:01:02"
            " ips=10.128.1.2\n");
    assert_true(revocation_scope_all(f->scope));
    assert_non_null(revocation_scope_reused(f->scope, &n));
    assert_int_equal(n, 1);
    /* A pod of the same name that is another object. */
    look(f, "endpoint 1 name=a/server uid=99 vni=4096 identity=256 node=1 mac=02:56:0a:80:00:02"
            " ips=10.128.0.2\n");
    assert_true(revocation_scope_all(f->scope));
    revocation_scope_reused(f->scope, &n);
    assert_int_equal(n, 1);
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_changes),
        cmocka_unit_test(test_random_changes_of_ordered_rules),
        TEST(test_relabel_concerns_the_network_that_loses_a_peer),
        TEST(test_what_only_allows_says_nothing),
        TEST(test_ordered_rules),
        TEST(test_addresses_of_sets),
        TEST(test_network_without_endpoints_here),
        TEST(test_address_that_changes_hands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
