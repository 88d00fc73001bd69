/* Random records: after each step the index that followed says what the records
 * say, asked one by one, and is as long as one that was filled anew. */
#include "node/revocation_index.h"

#include <stdlib.h>

#include "base/test.h"
#include "openvswitch/dynamic-string.h"
#include "random.h"
#include "util.h"

enum {
    SETS = 12,
    IDENTITIES = 30,
    RULES = 40,
    NETWORKS = 5,
    FIRST_VNI = 4096,
    STEPS = 3000,
    SEED = 20261201,
};

static void
put_line(struct records *records, struct ds *line)
{
    char *error = records_parse(ds_cstr(line), records);
    if (error) {
        fail_msg("%s: %s", ds_cstr(line), error);
    }
    ds_destroy(line);
}

static void
put_random_set(struct records *records, uint32_t id)
{
    struct ds line = DS_EMPTY_INITIALIZER;
    ds_put_format(&line, "set %u selector=s%u", id, id);
    uint32_t one_of = 1 + random_range(6), n = 0;
    for (uint32_t i = 0; i < IDENTITIES; i++) {
        if (!random_range(one_of)) {
            ds_put_format(&line, "%s%u", n++ ? "," : " identities=", IDENTITY_FIRST + i);
        }
    }
    ds_put_char(&line, '\n');
    put_line(records, &line);
}

static void
put_random_rule(struct records *records, uint32_t id)
{
    static const char *const actions[] = { "allow", "deny", "pass" };
    struct ds line = DS_EMPTY_INITIALIZER;
    uint32_t subject = 1 + random_range(SETS), peer = 1 + random_range(SETS - 1);
    ds_put_format(&line,
                  "rule %u ingress tier=admin priority=0 rank=%u action=%s vni=%u subject=%u"
                  " peers=set:%u,set:%u ports=any policy=ClusterNetworkPolicy//p index=0%s\n",
                  id, id, actions[random_range(3)],
                  random_range(8) ? FIRST_VNI + random_range(NETWORKS) : 0, subject, peer,
                  peer + 1, random_range(8) ? "" : " flags=dry-run");
    put_line(records, &line);
}

static void
change_one(struct records *records)
{
    uint32_t set = 1 + random_range(SETS), rule = 1 + random_range(RULES);
    switch (random_range(4)) {
    case 0:
        records_remove(records, RECORD_SET, set);
        break;
    case 1:
        put_random_set(records, set);
        break;
    case 2:
        records_remove(records, RECORD_RULE, rule);
        break;
    default:
        put_random_rule(records, rule);
        break;
    }
}

/* --- By asking all records ------------------------------------------------------------ */

static bool
has(const struct rec_set *set, uint32_t identity)
{
    for (size_t i = 0; set && i < set->n_identities; i++) {
        if (set->identities[i] == identity) {
            return true;
        }
    }
    return false;
}

static bool
uses(const struct rec_rule *rule, uint32_t set)
{
    bool found = rule->subject == set;
    for (size_t i = 0; i < rule->n_peer_sets; i++) {
        found = found || rule->peer_sets[i] == set;
    }
    return found;
}

static bool
may_deny(const struct rec_rule *rule, enum membership_change change)
{
    bool gives = rule->action == RULE_ALLOW, takes = rule->action == RULE_DENY;
    return !rule->dry_run && (change == MEMBER_LEAVES ? !takes : !gives);
}

static bool
some_rule_may_deny(const struct records *records, uint32_t set, enum membership_change change,
                   uint32_t vni)
{
    const struct record *r;
    for (r = records_first(records, RECORD_RULE); r; r = records_next(records, r)) {
        const struct rec_rule *rule = (const struct rec_rule *) r;
        if (rule->vni == vni && uses(rule, set) && may_deny(rule, change)) {
            return true;
        }
    }
    return false;
}

/* --- Comparison ------------------------------------------------------------------------- */

static void
check_sets(const struct revocation_index *index, const struct records *records)
{
    for (uint32_t i = 0; i < IDENTITIES; i++) {
        size_t n, seen = 0;
        const uint32_t *sets = revocation_index_sets(index, IDENTITY_FIRST + i, &n);
        for (uint32_t id = 1; id <= SETS; id++) {
            if (has(records_set(records, id), IDENTITY_FIRST + i)) {
                assert_true(seen < n);
                assert_int_equal(sets[seen++], id);
            }
        }
        assert_int_equal(seen, n);
    }
}

/* All networks but the last are here. */
static void
check_networks(const struct revocation_index *index, const struct records *records,
               const struct number_set *local, uint32_t set, enum membership_change change)
{
    struct number_set networks;
    number_set_init(&networks);
    revocation_index_networks(index, set, change, local, &networks);
    assert_int_equal(number_set_has(&networks, 0), some_rule_may_deny(records, set, change, 0));
    for (uint32_t vni = FIRST_VNI; vni < FIRST_VNI + NETWORKS; vni++) {
        bool expected = number_set_has(local, vni)
                        && some_rule_may_deny(records, set, change, vni);
        assert_int_equal(number_set_has(&networks, vni), expected);
    }
    number_set_uninit(&networks);
}

static void
check_all(const struct revocation_index *index, const struct records *records,
          const struct number_set *local)
{
    for (uint32_t set = 1; set <= SETS; set++) {
        check_networks(index, records, local, set, MEMBER_LEAVES);
        check_networks(index, records, local, set, MEMBER_COMES);
    }
    struct revocation_index anew;
    revocation_index_init(&anew);
    revocation_index_fill(&anew, records);
    assert_int_equal(hmap_count(&index->members), hmap_count(&anew.members));
    assert_int_equal(hmap_count(&index->stakes), hmap_count(&anew.stakes));
    revocation_index_uninit(&anew);
}

/* Identities are asked for seldom, as in real life: lists settle by themselves, too. */
static void
test_follows_random_changes(void **state OVS_UNUSED)
{
    random_set_seed(SEED);
    struct records *records = records_create();
    struct revocation_index index;
    struct number_set local;
    revocation_index_init(&index);
    number_set_init(&local);
    for (uint32_t i = 0; i + 1 < NETWORKS; i++) {
        number_set_add(&local, FIRST_VNI + i);
    }
    for (int step = 0; step < STEPS; step++) {
        for (uint32_t n = 1 + random_range(4); n; n--) {
            change_one(records);
        }
        revocation_index_follow(&index, records);
        records_clear_changes(records);
        check_all(&index, records, &local);
        if (!random_range(10)) {
            check_sets(&index, records);
        }
    }
    number_set_uninit(&local);
    revocation_index_uninit(&index);
    records_destroy(records);
}

/* What is left of many sets that come and go while nobody asks. */
static void
test_what_left_is_forgotten(void **state OVS_UNUSED)
{
    struct records *records = records_create();
    struct revocation_index index;
    revocation_index_init(&index);
    for (uint32_t id = 1; id <= 200; id++) {
        struct ds line = DS_EMPTY_INITIALIZER;
        ds_put_format(&line, "set %u selector=s%u identities=256,%u\n", id, id, 256 + id);
        put_line(records, &line);
        records_remove(records, RECORD_SET, id - 1);
        revocation_index_follow(&index, records);
        records_clear_changes(records);
        assert_int_equal(hmap_count(&index.members), 2);
    }
    size_t n;
    const uint32_t *sets = revocation_index_sets(&index, 256, &n);
    assert_int_equal(n, 1);
    assert_int_equal(sets[0], 200);
    records_remove(records, RECORD_SET, 200);
    revocation_index_follow(&index, records);
    assert_true(hmap_is_empty(&index.members));
    assert_null(revocation_index_sets(&index, 256, &n));
    assert_int_equal(n, 0);
    revocation_index_uninit(&index);
    records_destroy(records);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_follows_random_changes),
        cmocka_unit_test(test_what_left_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
