#include "model/groups.h"

#include <stdlib.h>
#include <string.h>

#include "model/names.h"
#include "model/object_decode.h"
#include "model/schema_checks.h"
#include "openvswitch/util.h"
#include "util.h"

/* A CIDR as isCIDR() of an API server has it: no address of one family inside
 * the other. */
static bool
network_cidr_decode(struct schema_rules *rules, const struct json_field *f, struct prefix *p)
{
    const char *text = schema_string(f, GROUPS_MAX_CIDR);

    if (!schema_required(f) || !text) {
        return false;
    }

    char *error = prefix_parse(text, false, p);
    bool ok = !error && strchr(text, '/') && (strchr(text, ':') != NULL) != prefix_is_ip4(p);

    free(error);
    if (!ok) {
        schema_rule_broken(rules, f, "string", "must be a CIDR of IPv4 or IPv6");
    }
    return ok;
}

static void
excepts_decode(struct schema_rules *rules, const struct json_field *list, bool cidr_ok,
               struct group_network *network)
{
    size_t n = schema_list(list, 0, GROUPS_MAX_EXCEPTS), n_right = 0;

    network->excepts = n ? xcalloc(n, sizeof *network->excepts) : NULL;
    for (size_t i = 0; i < n; i++) {
        struct json_field element = json_field_element(list, i);
        struct prefix *p = &network->excepts[network->n_excepts];

        if (network_cidr_decode(rules, &element, p)) {
            n_right++;
            network->n_excepts += cidr_ok && prefix_is_strict_subset(p, &network->cidr);
        }
    }
    if (cidr_ok && n_right == n && network->n_excepts < n) {
        schema_rule_broken(rules, list, "array", "each must be a strict subset of cidr");
    }
}

static void
network_decode(struct schema_rules *rules, const struct json_field *f,
               struct group_network *network)
{
    struct json_field cidr = json_field_member(f, "cidr");
    struct json_field except = json_field_member(f, "except");

    if (schema_required(f) && json_field_is_object(f)) {
        bool cidr_ok = network_cidr_decode(rules, &cidr, &network->cidr);

        excepts_decode(rules, &except, cidr_ok, network);
    }
}

static void
take_unknown(struct network_group *group, char *path)
{
    if (group->unknown) {
        free(path);
    } else {
        group->unknown = path;
    }
}

static void
networks_decode(struct schema_rules *rules, const struct json_field *spec,
                struct network_group *group)
{
    static const char *const known[] = { "networks" };
    static const char *const of_network[] = { "cidr", "except" };
    struct json_field list = json_field_member(spec, "networks");

    take_unknown(group, schema_unknown_member(spec, known, ARRAY_SIZE(known)));
    group->n_networks = schema_list(&list, 0, GROUPS_MAX_NETWORKS);
    group->networks = xcalloc(group->n_networks + 1, sizeof *group->networks);
    for (size_t i = 0; i < group->n_networks; i++) {
        struct json_field element = json_field_element(&list, i);

        network_decode(rules, &element, &group->networks[i]);
        take_unknown(group, schema_unknown_member(&element, of_network, ARRAY_SIZE(of_network)));
    }
}

struct network_group *
network_group_decode(const json_t *json, struct field_errors *errors)
{
    struct json_field object = json_field_root(json, errors);
    struct json_field spec = json_field_member(&object, "spec");
    struct network_group *group = xzalloc(sizeof *group);
    size_t before = field_errors_count(errors);
    struct schema_rules rules;

    schema_rules_init(&rules, errors);
    object_meta_decode(&object, false, name_subdomain_check, &group->meta);
    if (schema_required(&spec) && json_field_is_object(&spec)) {
        networks_decode(&rules, &spec, group);
    }
    schema_rules_finish(&rules);
    if (field_errors_count(errors) != before) {
        network_group_destroy(group);
        return NULL;
    }
    return group;
}

void
network_group_destroy(struct network_group *group)
{
    if (group) {
        object_meta_uninit(&group->meta);
        for (size_t i = 0; i < group->n_networks; i++) {
            free(group->networks[i].excepts);
        }
        free(group->networks);
        free(group->unknown);
        free(group);
    }
}

/* Addresses. */

struct prefixes {
    struct prefix *a;
    size_t n, allocated;
};

static bool
add_network(struct prefixes *all, const struct group_network *network)
{
    size_t n;
    struct prefix *rest = prefix_subtract(&network->cidr, network->excepts, network->n_excepts,
                                          &n);
    bool fits = all->n + n <= GROUPS_MAX_PREFIXES;

    for (size_t i = 0; fits && i < n; i++) {
        if (all->n >= all->allocated) {
            all->a = x2nrealloc(all->a, &all->allocated, sizeof *all->a);
        }
        all->a[all->n++] = rest[i];
    }
    free(rest);
    return fits;
}

static int
compare_prefixes(const void *a, const void *b)
{
    return prefix_compare(a, b);
}

/* Sorted, a prefix stands before all that it covers, and of its family only
 * those between. */
static void
drop_covered(struct prefixes *all)
{
    const struct prefix *last[2] = { NULL, NULL };
    size_t n = 0;

    for (size_t i = 0; i < all->n; i++) {
        const struct prefix **of_family = &last[prefix_is_ip4(&all->a[i])];

        if (!*of_family || !prefix_covers(*of_family, &all->a[i])) {
            all->a[n] = all->a[i];
            *of_family = &all->a[n++];
        }
    }
    all->n = n;
}

struct prefix *
network_group_prefixes(const struct network_group *group, size_t *n)
{
    struct prefixes all = { .a = xmalloc(sizeof *all.a), .allocated = 1 };

    for (size_t i = 0; i < group->n_networks; i++) {
        if (!add_network(&all, &group->networks[i])) {
            free(all.a);
            return NULL;
        }
    }
    qsort(all.a, all.n, sizeof *all.a, compare_prefixes);
    drop_covered(&all);
    *n = all.n;
    return all.a;
}
