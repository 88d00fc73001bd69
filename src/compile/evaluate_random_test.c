/* The index finds what reading all rules one after the other finds. */
#include "compile/evaluate.h"
#include "compile/random_rules_test.h"

/* The semantics once more, without an index. */

static bool
has_identity(const struct rec_set *set, uint32_t identity)
{
    for (size_t i = 0; i < set->n_identities; i++) {
        if (set->identities[i] == identity) {
            return true;
        }
    }
    return false;
}

static bool
any_contains(const struct prefix *prefixes, size_t n, const struct in6_addr *ip)
{
    for (size_t i = 0; i < n; i++) {
        if (prefix_contains(&prefixes[i], ip)) {
            return true;
        }
    }
    return false;
}

struct world {
    struct records *records;
    struct learned *learned;
    struct evaluate *evaluate;
    bool node_is_gone; /* Its address is the world's. */
};

static bool
has_learned(const struct world *w, uint32_t set, const struct in6_addr *ip)
{
    size_t n;
    const struct in6_addr *a = learned_find(w->learned, set, &n);

    for (size_t i = 0; i < n; i++) {
        if (!memcmp(&a[i], ip, sizeof *ip)) {
            return true;
        }
    }
    return false;
}

static bool
has_peer(const struct world *w, const struct rec_rule *r, const struct end *peer)
{
    if (r->any_peer || (r->any_pod && peer->identity >= IDENTITY_FIRST)
        || any_contains(r->peer_prefixes, r->n_peer_prefixes, &peer->ip)) {
        return true;
    }
    for (size_t i = 0; i < r->n_peer_sets; i++) {
        const struct rec_set *set = records_set(w->records, r->peer_sets[i]);
        if (has_identity(set, peer->identity)
            || any_contains(set->prefixes, set->n_prefixes, &peer->ip)
            || (r->direction == RULE_EGRESS && has_learned(w, set->r.key, &peer->ip))) {
            return true;
        }
    }
    return false;
}

static bool
has_port(const struct rec_rule *r, uint8_t protocol, uint16_t port)
{
    for (size_t i = 0; i < r->n_ports; i++) {
        const struct rule_port *p = &r->ports[i];
        if (p->protocol == protocol && p->first <= port && port <= p->last) {
            return true;
        }
    }
    return r->any_port;
}

static bool
matches(const struct world *w, const struct rec_rule *r, const struct evaluate_tuple *t,
        const struct end *subject, const struct end *peer)
{
    return has_identity(records_set(w->records, r->subject), subject->identity)
           && (!r->vni || r->vni == subject->vni) && has_peer(w, r, peer)
           && has_port(r, t->protocol, t->dst_port);
}

/* What the tier says first among rules that match: the lowest rank; in tier
 * networkpolicy allow, by priority and id, then isolate by id. */
static bool
comes_before(const struct rec_rule *a, const struct rec_rule *b)
{
    if (!b) {
        return true;
    } else if (a->tier != TIER_NETWORKPOLICY) {
        return a->rank < b->rank;
    } else if (a->action != b->action) {
        return a->action == RULE_ALLOW;
    } else if (a->action == RULE_ALLOW && a->priority != b->priority) {
        return a->priority < b->priority;
    }
    return a->r.key < b->r.key;
}

static const struct rec_rule *
first_of_tier(const struct world *w, enum rule_tier tier, enum rule_direction direction,
              bool dry_run, const struct evaluate_tuple *t, const struct end *subject,
              const struct end *peer)
{
    const struct rec_rule *best = NULL;

    for (const struct record *r = records_first(w->records, RECORD_RULE); r;
         r = records_next(w->records, r)) {
        const struct rec_rule *rule = (const struct rec_rule *) r;
        if (rule->tier == tier && rule->direction == direction && rule->dry_run == dry_run
            && matches(w, rule, t, subject, peer) && comes_before(rule, best)) {
            best = rule;
        }
    }
    return best;
}

static struct evaluate_path
walk(const struct world *w, enum rule_direction direction, const struct evaluate_tuple *t,
     const struct end *subject, const struct end *peer)
{
    struct evaluate_path path = { .allow = true, .reason = EVALUATE_NO_SUBJECT };
    bool counted = false;

    if (subject->identity < IDENTITY_FIRST) {
        return path;
    }
    path.reason = EVALUATE_DEFAULT;
    for (int tier = 0; tier < N_RULE_TIERS; tier++) {
        const struct rec_rule *r = first_of_tier(w, tier, direction, false, t, subject, peer);
        const struct rec_rule *dry = first_of_tier(w, tier, direction, true, t, subject, peer);

        if (dry && !counted && comes_before(dry, r)) {
            path.dry_run[tier] = dry;
            counted = dry->action != RULE_PASS;
        }
        if (r && r->action == RULE_PASS) {
            path.passed[tier] = r;
        } else if (r) {
            path.reason = EVALUATE_RULE;
            path.rule = r;
            path.allow = r->action == RULE_ALLOW;
            return path;
        }
    }
    return path;
}

static void
assert_same_path(const struct evaluate_path *a, const struct evaluate_path *b)
{
    assert_int_equal(a->allow, b->allow);
    assert_int_equal(a->reason, b->reason);
    assert_ptr_equal(a->rule, b->rule);
    for (int tier = 0; tier < N_RULE_TIERS; tier++) {
        assert_ptr_equal(a->passed[tier], b->passed[tier]);
        assert_ptr_equal(a->dry_run[tier], b->dry_run[tier]);
    }
}

/* How often what happened. */
static int n_by_action[N_RULE_ACTIONS], n_by_default, n_passed, n_dry_run;

static void
count(const struct evaluate_path *path)
{
    if (path->rule) {
        n_by_action[path->rule->action]++;
    } else {
        n_by_default++;
    }
    for (int tier = 0; tier < N_RULE_TIERS; tier++) {
        n_passed += path->passed[tier] != NULL;
        n_dry_run += path->dry_run[tier] != NULL;
    }
}

static void
check_packet(const struct world *w, const struct end *src, const struct end *dst, uint8_t protocol,
             uint16_t port)
{
    struct evaluate_tuple t = { src->ip, dst->ip, protocol, port };
    struct evaluate_path want[] = {
        [RULE_EGRESS] = walk(w, RULE_EGRESS, &t, src, dst),
        [RULE_INGRESS] = walk(w, RULE_INGRESS, &t, dst, src),
    };
    struct evaluate_path got[N_RULE_DIRECTIONS];
    struct evaluate_verdict v = evaluate(w->evaluate, &t);

    evaluate_explain(w->evaluate, &t, got);
    for (int d = 0; d < N_RULE_DIRECTIONS; d++) {
        assert_same_path(&got[d], &want[d]);
        count(&got[d]);
    }
    assert_ptr_equal(v.egress, want[RULE_EGRESS].rule);
    assert_ptr_equal(v.ingress, want[RULE_INGRESS].rule);
    assert_int_equal(v.allow, want[RULE_EGRESS].allow && want[RULE_INGRESS].allow);
}

static struct end
end_in(const struct world *w, int i)
{
    struct end end = end_of(w->records, i);

    if (w->node_is_gone && end.identity == IDENTITY_REMOTE_NODE) {
        end.identity = IDENTITY_WORLD;
    }
    return end;
}

static void
check_world(const struct world *w)
{
    for (int from = 0; from < N_ENDS; from++) {
        for (int to = 0; to < N_ENDS; to++) {
            struct end src = end_in(w, from), dst = end_in(w, to);

            for (size_t i = 0; from != to && i < ARRAY_SIZE(probe_ports); i++) {
                check_packet(w, &src, &dst, probe_ports[i].protocol, probe_ports[i].port);
            }
        }
    }
}

static void
test_index_finds_what_reading_finds(void **state)
{
    srand(5);
    for (int i = 0; i < 100; i++) {
        struct world w = { .records = random_records(3 + i % 30), .learned = learned_addresses() };

        w.evaluate = evaluate_create_learned(w.records, w.learned);
        check_world(&w);
        evaluate_destroy(w.evaluate);
        learned_destroy(w.learned);
        records_destroy(w.records);
    }
    /* The dice are such that everything happens often. */
    for (int action = 0; action < N_RULE_ACTIONS; action++) {
        assert_int_equal(n_by_action[action] > 1000, action != (int) RULE_PASS);
    }
    assert_true(n_by_default > 1000 && n_passed > 1000 && n_dry_run > 1000);
}

/* An endpoint gets another identity of its network, or the address of another one. */
static void
change_endpoint(struct records *records)
{
    uint32_t key = 1 + pick(N_ENDPOINTS);
    struct rec_endpoint *e = (struct rec_endpoint *) record_clone(
        &records_endpoint(records, key)->r);

    if (pick(2)) {
        e->identity = 256 + (e->identity - 256 + N_NETWORKS) % N_IDENTITIES;
    } else {
        e->ips[0].s6_addr[15] = (uint8_t) (100 + key * 10 + pick(10));
    }
    records_put(records, &e->r);
}

static void
follow(struct world *w, bool stays_current)
{
    evaluate_follow(w->evaluate);
    assert_int_equal(evaluate_is_current(w->evaluate), stays_current);
    records_clear_changes(w->records);
    /* Who asks nothing need not renew it yet. */
    if (!stays_current && pick(2)) {
        change_endpoint(w->records);
        evaluate_follow(w->evaluate);
        records_clear_changes(w->records);
        assert_false(evaluate_is_current(w->evaluate));
    }
    if (!stays_current) {
        evaluate_renew(w->evaluate, NULL);
        assert_true(evaluate_is_current(w->evaluate));
    }
}

/* Goes, and comes back. */
static void
replace_endpoint(struct world *w)
{
    uint32_t key = 1 + pick(N_ENDPOINTS);
    struct record *r = record_clone(&records_endpoint(w->records, key)->r);
    struct in6_addr ip = ((struct rec_endpoint *) r)->ips[0];

    records_remove(w->records, RECORD_ENDPOINT, key);
    follow(w, true);
    assert_null(evaluate_endpoint(w->evaluate, &ip));
    records_put(w->records, r);
    follow(w, true);
}

/* The domain loses its address, or gets it back. */
static void
change_learned(struct world *w)
{
    struct in6_addr address;
    char *error = addr_parse(LEARNED_ADDRESS, &address);

    assert_null(error);
    if (!learned_put(w->learned, DOMAIN_SET, &address, 1)) {
        learned_put(w->learned, DOMAIN_SET, NULL, 0);
    }
    follow(w, false);
}

/* A rule or a set comes, goes or is another one. */
static void
change_policy(struct records *records)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    int i = (int) pick(40);

    switch (pick(4)) {
    case 0:
        records_remove(records, RECORD_RULE, 10 + i);
        break;
    case 1:
        format_set(&s, 1 + (int) pick(N_SETS));
        break;
    case 2:
        format_set(&s, (pick(2) ? NETWORK_SUBJECT : ANY_SUBJECT) + (int) pick(N_SUBJECTS));
        break;
    default:
        format_rule(&s, 10 + i, 1 + (i * 7919 + 13) % 60000);
        break;
    }
    must_parse(records, ds_cstr(&s));
    ds_destroy(&s);
}

/* The other node loses its address, which is the world's then, and gets it back. */
static void
replace_node_address(struct world *w)
{
    struct rec_node *gone = (struct rec_node *) record_clone(&records_node(w->records, 2)->r);
    struct record *back = record_clone(&gone->r);

    gone->n_addresses = 0;
    records_put(w->records, &gone->r);
    follow(w, true);
    w->node_is_gone = true;
    check_world(w);
    w->node_is_gone = false;
    records_put(w->records, back);
    follow(w, true);
}

static void
random_step(struct world *w)
{
    switch (pick(8)) {
    case 0:
        change_policy(w->records);
        change_endpoint(w->records);
        follow(w, !records_any_changed(w->records, RECORD_RULE)
                      && !records_any_changed(w->records, RECORD_SET));
        break;
    case 3:
        replace_node_address(w);
        break;
    case 1:
        change_learned(w);
        break;
    case 2:
        replace_endpoint(w);
        break;
    default:
        for (unsigned int i = pick(4); i > 0; i--) {
            change_endpoint(w->records);
        }
        follow(w, true);
    }
}

static void
test_index_follows_changes(void **state)
{
    srand(6);
    for (int i = 0; i < 20; i++) {
        struct world w = { .records = random_records(3 + i % 30), .learned = learned_addresses() };

        records_clear_changes(w.records);
        w.evaluate = evaluate_create_learned(w.records, w.learned);
        for (int step = 0; step < 100; step++) {
            random_step(&w);
            if (step % 5 == 0) {
                check_world(&w);
            }
        }
        evaluate_destroy(w.evaluate);
        learned_destroy(w.learned);
        records_destroy(w.records);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_index_finds_what_reading_finds),
        cmocka_unit_test(test_index_follows_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
