/* Records through a real database: what the controller's store puts, an agent's
 * gets, whole, and only what changed. */
#include "store/store.h"

#include "packets.h"
#include "store/ovsdb_test.h"
#include "store/store_internal.h"

/* --- Random records --------------------------------------------------- */

static char *
random_text(void)
{
    static const char *const texts[] = {
        "",
        "shop",
        "a b",
        "shop{app=redis,tier=\"x\\y\"}",
        "ns{k=v}/pod{!x}",
        "\xc3\xa9\xe2\x82\xac",
    };
    return xasprintf("%s%d", texts[random_range(ARRAY_SIZE(texts))], random_range(5));
}

static struct in6_addr
random_address(void)
{
    struct in6_addr a;

    random_bytes(&a, sizeof a);
    if (random_range(2)) {
        memset(&a, 0, 10);
        a.s6_addr[10] = a.s6_addr[11] = 0xff;
    } else {
        a.s6_addr[0] = 0x20;
    }
    return a;
}

static struct prefix
random_prefix(void)
{
    struct prefix p = { .addr = random_address() };

    p.plen = addr_is_ip4(&p.addr) ? 96 + random_range(33) : 8 + random_range(121);
    prefix_normalize(&p);
    return p;
}

static int
compare_u32(const void *a_, const void *b_)
{
    const uint32_t *a = a_, *b = b_;
    return *a < *b ? -1 : *a > *b;
}

static uint32_t *
random_numbers(size_t max, size_t *n)
{
    uint32_t *a = xmalloc((max + 1) * sizeof *a);
    size_t n_all = random_range(max + 1);

    for (size_t i = 0; i < n_all; i++) {
        a[i] = 1 + random_range(100000);
    }
    qsort(a, n_all, sizeof *a, compare_u32);
    *n = 0;
    for (size_t i = 0; i < n_all; i++) {
        if (!*n || a[*n - 1] != a[i]) {
            a[(*n)++] = a[i];
        }
    }
    return a;
}

static struct record *
random_network(uint32_t key)
{
    struct rec_network *n = rec_network_create(4096 + key);

    n->name = xasprintf("ns-%d", random_range(100));
    n->zone = 16 + random_range(60000);
    n->n_subnets = random_range(4);
    n->subnets = xcalloc(4, sizeof *n->subnets);
    n->gateways = xcalloc(4, sizeof *n->gateways);
    for (size_t i = 0; i < n->n_subnets; i++) { /* In an order of their own. */
        n->subnets[i] = random_prefix();
        n->gateways[i] = n->subnets[i].addr;
        n->gateways[i].s6_addr[15] |= n->subnets[i].plen < 128;
    }
    return &n->r;
}

static int
compare_address(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct in6_addr));
}

/* Several of each of a few buckets. */
static struct record *
random_endpoint(uint32_t key)
{
    struct rec_endpoint *e = rec_endpoint_create(1 + key % 3 + key / 3 * ENDPOINT_BUCKETS);

    e->name = random_text();
    e->uid = random_text();
    e->vni = 4096 + random_range(10);
    e->identity = random_uint32();
    e->node = random_range(3);
    eth_addr_random(&e->mac);
    e->n_ips = 1 + random_range(3);
    e->ips = xcalloc(e->n_ips, sizeof *e->ips);
    for (size_t i = 0; i < e->n_ips; i++) {
        e->ips[i] = random_address();
    }
    qsort(e->ips, e->n_ips, sizeof *e->ips, compare_address);
    return &e->r;
}

static int
compare_prefix(const void *a, const void *b)
{
    return prefix_compare(a, b);
}

static int
compare_port(const void *a_, const void *b_)
{
    const struct rule_port *a = a_, *b = b_;
    int d = a->protocol - b->protocol;

    d = d ? d : a->first - b->first;
    return d ? d : a->last - b->last;
}

static bool
overlaps(const struct prefix *a, size_t n, const struct prefix *p)
{
    for (size_t i = 0; i < n; i++) {
        if (prefix_covers(&a[i], p) || prefix_covers(p, &a[i])) {
            return true;
        }
    }
    return false;
}

static struct prefix *
random_prefixes(size_t *n)
{
    struct prefix *a = xcalloc(4, sizeof *a);

    *n = 0;
    for (int tries = random_range(8); tries > 0 && *n < 4; tries--) {
        struct prefix p = random_prefix();
        if (!overlaps(a, *n, &p)) {
            a[(*n)++] = p;
        }
    }
    qsort(a, *n, sizeof *a, compare_prefix);
    return a;
}

static void
random_rule_lists(struct rec_rule *r)
{
    static const uint8_t protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP };

    r->peer_sets = random_numbers(4, &r->n_peer_sets);
    r->peer_prefixes = random_prefixes(&r->n_peer_prefixes);
    r->n_ports = random_range(4);
    r->ports = xcalloc(4, sizeof *r->ports);
    for (size_t i = 0; i < r->n_ports; i++) {
        uint16_t first = random_uint16();
        r->ports[i].protocol = protocols[random_range(3)];
        r->ports[i].first = first;
        r->ports[i].last = random_range(2) ? first : first + random_range(65536 - first);
    }
    qsort(r->ports, r->n_ports, sizeof *r->ports, compare_port);
}

static struct record *
random_rule(uint32_t key)
{
    struct rec_rule *r = rec_rule_create(key);

    r->direction = random_range(2);
    r->tier = random_range(4);
    r->priority = random_range(2) ? (int32_t) random_range(1000) : -(int32_t) random_range(1000);
    r->rank = random_range(2) * random_range(RULE_RANK_MAX + 1);
    r->action = random_range(N_RULE_ACTIONS);
    r->log = random_range(2);
    r->dry_run = random_range(2);
    r->vni = random_range(2) ? 0 : 4096 + random_range(10);
    r->subject = 1 + random_range(20);
    r->any_peer = random_range(2);
    r->any_pod = random_range(2);
    r->any_port = random_range(2);
    r->policy = random_text();
    r->index = random_range(5) - 1;
    random_rule_lists(r);
    return &r->r;
}

static struct record *
random_set(uint32_t key)
{
    static const char *const domains[] = { "*.a.example", "a.example", "b.example" };
    struct rec_set *s = rec_set_create(key);

    s->selector = random_text();
    s->identities = random_numbers(random_range(2) ? 5 : 2000, &s->n_identities);
    s->prefixes = random_prefixes(&s->n_prefixes);
    s->domains = xcalloc(ARRAY_SIZE(domains), sizeof *s->domains);
    for (size_t i = 0; i < ARRAY_SIZE(domains); i++) {
        if (random_range(2)) {
            s->domains[s->n_domains++] = xstrdup(domains[i]);
        }
    }
    return &s->r;
}

static struct record *
random_record(enum record_kind kind, uint32_t key)
{
    switch (kind) {
    case RECORD_NETWORK:
        return random_network(key);
    case RECORD_IDENTITY: {
        struct rec_identity *i = rec_identity_create(256 + key);
        i->vni = 4096 + random_range(10);
        i->labels = random_text();
        return &i->r;
    }
    case RECORD_ENDPOINT:
        return random_endpoint(key);
    case RECORD_SET:
        return random_set(key);
    case RECORD_RULE:
        return random_rule(key);
    case RECORD_NODE:
    case N_RECORD_KINDS:
        break;
    }
    OVS_NOT_REACHED();
}

/* One member of a set comes, one goes: the way most changes of sets are. */
static void
change_members(struct records *rs)
{
    const struct rec_set *old = records_set(rs, 1 + random_range(20));

    if (!old || old->n_identities < 10) {
        return;
    }
    struct rec_set *s = (struct rec_set *) record_clone(&old->r);
    size_t n = s->n_identities;
    s->identities[n - 1] += 1 + random_range(3);
    memmove(&s->identities[3], &s->identities[4], (n - 4) * sizeof *s->identities);
    s->n_identities--;
    records_put(rs, &s->r);
}

static void
random_step(struct records *rs)
{
    change_members(rs);
    for (uint32_t n = 1 + random_range(20); n > 0; n--) {
        enum record_kind kind = RECORD_NETWORK + random_range(N_RECORD_KINDS - RECORD_NETWORK);
        struct record *rec = random_record(kind, 1 + random_range(20));

        if (random_range(3)) {
            records_put(rs, rec);
        } else {
            records_remove(rs, kind, rec->key);
            record_destroy(rec);
        }
    }
}

/* --- Records ---------------------------------------------------------- */

/* Each key in the change log of 'got' is in that of 'put' too. */
static void
assert_read_only_changes(const struct records *got, enum record_kind kind, const uint32_t *put,
                         size_t n_put)
{
    size_t n;
    uint32_t *keys = records_changed(got, kind, &n);

    for (size_t i = 0; i < n; i++) {
        bool found = false;
        for (size_t j = 0; j < n_put; j++) {
            found |= put[j] == keys[i];
        }
        assert_true(found);
    }
    free(keys);
}

static void
one_round(struct store *controller, struct store *agent, struct records *want, struct records *got)
{
    uint32_t *put[N_RECORD_KINDS];
    size_t n[N_RECORD_KINDS];

    random_step(want);
    for (int kind = 0; kind < N_RECORD_KINDS; kind++) {
        put[kind] = records_changed(want, kind, &n[kind]);
    }
    store_put_records(controller, want);
    assert_false(records_any_changes(want));
    lab_commit(controller);
    uint64_t generation = store_generation(controller);
    lab_until(store_generation(agent) == generation);
    records_clear_changes(got);
    assert_int_equal(lab_read(agent, got), generation);
    assert_records_same(want, got);
    for (int kind = 0; kind < N_RECORD_KINDS; kind++) {
        assert_read_only_changes(got, kind, put[kind], n[kind]);
        free(put[kind]);
    }
}

static void
check_round_trip(const char *controller_remote, const char *agent_remote, int rounds)
{
    struct store *controller = lab_open(controller_remote, STORE_CONTROLLER);
    struct store *agent = lab_open(agent_remote, STORE_AGENT);
    struct records *want = records_create(), *got = records_create(), *all = records_create();

    lab_until(store_is_leader(controller) && store_is_ready(agent));
    for (int i = 0; i < rounds; i++) {
        one_round(controller, agent, want, got);
    }

    /* One that comes late and the controller itself see the same. */
    struct store *late = lab_open(agent_remote, STORE_AGENT);
    lab_until(store_generation(late) == store_generation(controller));
    lab_read(late, all);
    assert_records_same(want, all);
    lab_read(controller, all);
    assert_records_same(want, all);

    records_destroy(want);
    records_destroy(got);
    records_destroy(all);
}

static void
test_records_round_trip(void **state)
{
    check_round_trip("db", "db", 150);
}

static void
test_records_through_cluster_and_relay(void **state)
{
    char *db = lab_path("raft", ".db"), *address = xasprintf("unix:%s/raft", lab.dir);
    char *relay = xasprintf("relay:Virga:unix:%s/raft.sock", lab.dir);

    lab_command((const char *[]){ "ovsdb-tool", "create-cluster", db, "include/virga.ovsschema",
                                  address, NULL });
    lab_start_server("raft", NULL);
    lab_start_server("relay", relay);
    check_round_trip("raft", "relay", 10);
    free(db);
    free(address);
    free(relay);
}

/* A put that changes nothing is durable at once and is no new state. */
static void
test_equal_records_are_no_new_generation(void **state)
{
    struct store *controller = lab_open("db", STORE_CONTROLLER);
    struct records *rs = records_create(), *same = records_create();

    lab_until(store_is_leader(controller));
    lab_put(controller, rs, "identity 256 vni=4097 labels=x");
    assert_int_equal(store_generation(controller), 1);
    lab_put(controller, same, "identity 256 vni=4097 labels=x");
    lab_put(controller, same, "");
    assert_int_equal(store_generation(controller), 1);
    records_remove(same, RECORD_IDENTITY, 256);
    lab_put(controller, same, "");
    assert_int_equal(store_generation(controller), 2);
    records_destroy(rs);
    records_destroy(same);
}

/* One transaction takes a row and makes another one with its key, behind the back of the
 * controller; the next term tells agents. */
static void
test_keys_in_other_rows(void **state)
{
    struct store *controller = lab_open("db", STORE_CONTROLLER);
    struct store *agent = lab_open("db", STORE_AGENT);
    struct records *want = records_create(), *got = records_create();

    lab_until(store_is_leader(controller) && store_is_ready(agent));
    lab_put(controller, want,
            "identity 256 vni=4097 labels=x\nidentity 257 vni=4097 labels=x\n"
            "endpoint 1 name=a/b uid=\"\" vni=4097 identity=256 node=1 mac=02:00:00:00:00:01 "
            "ips=10.0.0.1\nendpoint 2 name=a/c uid=\"\" vni=4097 identity=256 node=1 "
            "mac=02:00:00:00:00:02 ips=10.0.0.2\n");
    lab_until(store_generation(agent) == 1);
    lab_read(agent, got);
    assert_records_same(want, got);

    lab_transact("db",
                 "{'op':'delete','table':'Identity','where':[]},"
                 "{'op':'delete','table':'Endpoint_Bucket','where':[]},"
                 "{'op':'insert','table':'Identity','row':{'id':256,'vni':4097,'labels':'y'}},"
                 "{'op':'insert','table':'Endpoint_Bucket','row':{'bucket':1,'endpoints':"
                 "'1 a/b  4097 256 2 02:00:00:00:00:01 10.0.0.1'}},"
                 "{'op':'update','table':'Global','where':[],'row':{'generation':2}}");
    lab_close(controller);
    controller = lab_open("db", STORE_CONTROLLER);
    lab_until(store_is_leader(controller) && !store_feed_is_behind(agent));
    records_clear_changes(got);
    assert_int_equal(lab_read(agent, got), 3);
    assert_string_equal(records_identity(got, 256)->labels, "y");
    assert_null(records_identity(got, 257));
    assert_int_equal(records_endpoint(got, 1)->node, 2);
    assert_null(records_endpoint(got, 2));
    records_destroy(want);
    records_destroy(got);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_records_round_trip, lab_setup_standalone,
                                        lab_teardown),
        cmocka_unit_test_setup_teardown(test_records_through_cluster_and_relay, lab_setup,
                                        lab_teardown),
        cmocka_unit_test_setup_teardown(test_equal_records_are_no_new_generation,
                                        lab_setup_standalone, lab_teardown),
        cmocka_unit_test_setup_teardown(test_keys_in_other_rows, lab_setup_standalone,
                                        lab_teardown),
    };

    random_set_seed(1);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
