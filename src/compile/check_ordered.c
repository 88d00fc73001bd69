#include "compile/check.h"

#include <stdlib.h>
#include <string.h>

#include "compile/ordered_rules.h"
#include "compile/rule_parts.h"
#include "util.h"

/* Sets of addresses and names. */

static void
want_set(struct check *k, struct ds *text, struct rec_set *rec)
{
    rec->r.key = check_set_of_text(k, ds_cstr(text));
    rec->selector = ds_steal_cstr(text);
    if (rec->r.key) {
        records_put(k->want, &rec->r);
    } else {
        record_destroy(&rec->r);
    }
}

static uint32_t
use_nodes(void *k_, const struct selector *selector)
{
    struct check *k = k_;
    struct ds text = DS_EMPTY_INITIALIZER;
    struct rec_set *rec = rec_set_create(0);

    address_set_nodes_format(selector, &text);
    rec->prefixes = nodes_prefixes(k->c, selector, &rec->n_prefixes);
    rec->n_prefixes = prefixes_canonical(rec->prefixes, rec->n_prefixes);
    uint32_t set = check_set_of_text(k, ds_cstr(&text));
    want_set(k, &text, rec);
    return set;
}

static uint32_t
use_domains(void *k_, char *const *domains, size_t n)
{
    struct check *k = k_;
    struct ds text = DS_EMPTY_INITIALIZER;
    struct rec_set *rec = rec_set_create(0);

    address_set_domains_format(domains, n, &text);
    rec->domains = xcalloc(n + 1, sizeof *rec->domains);
    for (; rec->n_domains < n; rec->n_domains++) {
        rec->domains[rec->n_domains] = xstrdup(domains[rec->n_domains]);
    }
    uint32_t set = check_set_of_text(k, ds_cstr(&text));
    want_set(k, &text, rec);
    return set;
}

static uint32_t
use_world(void *k_)
{
    struct check *k = k_;
    struct ds text = DS_EMPTY_INITIALIZER;
    struct rec_set *rec = rec_set_create(0);

    ds_put_cstr(&text, "world");
    rec->identities = xmalloc(sizeof *rec->identities);
    rec->identities[rec->n_identities++] = IDENTITY_WORLD;
    uint32_t set = check_set_of_text(k, "world");
    want_set(k, &text, rec);
    return set;
}

/* Rules. */

static void
want_rule(struct check *k, struct rec_rule *rule, uint32_t key)
{
    const struct rec_rule *have = records_rule(k->c->records, key);

    rule->r.key = key;
    /* Any rank is right that keeps the order, which check_order() looks at. */
    if (have && rule->rank != RANK_OVERFLOW && have->rank <= RANK_LAST) {
        rule->rank = have->rank;
    }
    if (key) {
        records_put(k->want, &rule->r);
    } else {
        record_destroy(&rule->r);
    }
}

/* The rules of directions that have ranks come first. */
static void
want_policy(struct check *k, const struct ordered_entry *policy,
            const struct ordered_sources *sources)
{
    struct ordered_rules built, instead;
    size_t n = 0;

    ordered_rules_build(policy->object, sources, &built);
    for (size_t i = 0; i < built.n; i++) {
        if (policy->overflows[built.rules[i]->direction]) {
            record_destroy(&built.rules[i]->r);
        } else {
            want_rule(k, built.rules[i], n < policy->n_rules ? policy->rules[n] : 0);
            n++;
        }
    }
    free(built.rules);
    for (int direction = 0; direction < N_RULE_DIRECTIONS; direction++) {
        if (policy->overflows[direction]) {
            ordered_rules_build_overflow(policy->object, direction, sources, &instead);
            for (size_t i = 0; i < instead.n; i++, n++) {
                want_rule(k, instead.rules[i], n < policy->n_rules ? policy->rules[n] : 0);
            }
            free(instead.rules);
        }
    }
    if (n != policy->n_rules) {
        FAIL(k, "policy %s has %" PRIuSIZE " rules instead of %" PRIuSIZE, policy->name,
             policy->n_rules, n);
    }
    if ((built.too_large || built.unknown || built.group_trouble || built.subject_trouble
         || policy->overflows[0] || policy->overflows[1])
        != (policy->problem != NULL)) {
        FAIL(k, "policy %s has a wrong problem or none", policy->name);
    }
}

/* Order. */

static int
compare_policies(const struct rec_rule *a, const struct rec_rule *b)
{
    int cmp = a->tier != b->tier             ? (int) a->tier - (int) b->tier
              : a->direction != b->direction ? (int) a->direction - (int) b->direction
              : a->priority != b->priority   ? (a->priority < b->priority ? -1 : 1)
                                             : strcmp(a->policy, b->policy);

    return cmp;
}

static int
compare_order(const void *a_, const void *b_)
{
    const struct rec_rule *const *ap = a_, *const *bp = b_;
    const struct rec_rule *a = *ap, *b = *bp;
    int cmp = compare_policies(a, b);

    return cmp                    ? cmp
           : a->index != b->index ? (a->index < b->index ? -1 : 1)
                                  : (a->r.key < b->r.key ? -1 : a->r.key > b->r.key);
}

static void
check_neighbours(struct check *k, const struct rec_rule *a, const struct rec_rule *b)
{
    bool same_rule = !compare_policies(a, b) && a->index == b->index;

    if (a->tier != b->tier || a->direction != b->direction) {
        return;
    }
    if (same_rule ? a->rank != b->rank : a->rank >= b->rank) {
        FAIL(k, "rules %" PRIu32 " and %" PRIu32 " have ranks %u and %u", a->r.key, b->r.key,
             a->rank, b->rank);
    }
}

/* Of what is wanted, all but what stands for policies without ranks. */
static void
check_order(struct check *k)
{
    const struct rec_rule **rules = xmalloc((records_count(k->want, RECORD_RULE) + 1)
                                            * sizeof *rules);
    const struct record *r;
    size_t n = 0;

    for (r = records_first(k->want, RECORD_RULE); r; r = records_next(k->want, r)) {
        const struct rec_rule *rule = (const struct rec_rule *) r;

        if (rule->tier != TIER_NETWORKPOLICY && rule->rank != RANK_OVERFLOW) {
            rules[n++] = rule;
        }
    }
    qsort(rules, n, sizeof *rules, compare_order);
    for (size_t i = 0; i < n; i++) {
        if (!rules[i]->rank || rules[i]->rank > RANK_LAST) {
            FAIL(k, "rule %" PRIu32 " has no rank", rules[i]->r.key);
        }
        if (i) {
            check_neighbours(k, rules[i - 1], rules[i]);
        }
    }
    free(rules);
}

void
check_want_ordered(struct check *k)
{
    const struct ordered_sources sources = {
        .pods = { check_use_set, check_use_numbers, k },
        .nodes = use_nodes,
        .domains = use_domains,
        .world = use_world,
        .group = check_use_group,
        .group_pods = check_use_group_pods,
        .aux = k,
    };
    const struct ordered_entry *policy;

    HMAP_FOR_EACH (policy, hmap_node, &k->c->ordered) {
        if (policy->object) {
            want_policy(k, policy, &sources);
        } else {
            FAIL(k, "policy %s is kept for nothing", policy->name);
        }
    }
    for (int tier = 0; tier < N_RULE_TIERS; tier++) {
        for (int direction = 0; direction < N_RULE_DIRECTIONS; direction++) {
            const char *wrong = ranks_check(&k->c->ranks[tier][direction]);

            if (wrong) {
                FAIL(k, "%s", wrong);
            }
        }
    }
    check_order(k);
}
