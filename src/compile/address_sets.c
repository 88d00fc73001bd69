#include "compile/address_sets.h"

#include <stdlib.h>
#include <string.h>

#include "compile/rule_parts.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

struct address_set {
    char *text;
    uint32_t id;
    uint32_t n_users;
    struct ovs_list idle_node; /* In struct address_sets 'idle' if n_users is 0. */
    bool is_nodes;
    bool is_new; /* Has no record yet. */
    struct selector nodes;
    struct rec_set *model; /* What does not depend on nodes; no id, no text. */
};

void
address_sets_init(struct address_sets *sets, struct selection *selection)
{
    sets->selection = selection;
    shash_init(&sets->by_text);
    ovs_list_init(&sets->idle);
}

void
address_sets_uninit(struct address_sets *sets)
{
    address_sets_collect(sets);
    shash_destroy(&sets->by_text);
}

/* Texts. */

void
address_set_nodes_format(const struct selector *selector, struct ds *ds)
{
    ds_put_cstr(ds, "nodes{");
    selector_format(selector, ds);
    ds_put_char(ds, '}');
}

void
address_set_domains_format(char *const *domains, size_t n, struct ds *ds)
{
    ds_put_cstr(ds, "domains{");
    for (size_t i = 0; i < n; i++) {
        ds_put_format(ds, "%s%s", i ? "," : "", domains[i]);
    }
    ds_put_char(ds, '}');
}

/* Sets. */

static struct address_set *
set_get(struct address_sets *sets, struct ds *text)
{
    struct address_set *set = shash_find_data(&sets->by_text, ds_cstr(text));

    if (!set) {
        set = xzalloc(sizeof *set);
        set->text = xstrdup(ds_cstr(text));
        set->id = selection_take_number(sets->selection, set->text);
        set->is_new = true;
        set->model = rec_set_create(set->id);
        set->model->selector = xstrdup(set->text);
        shash_add(&sets->by_text, set->text, set);
        ovs_list_push_back(&sets->idle, &set->idle_node);
    }
    ds_destroy(text);
    return set;
}

struct address_set *
address_set_nodes(struct address_sets *sets, const struct selector *selector)
{
    struct ds text = DS_EMPTY_INITIALIZER;

    address_set_nodes_format(selector, &text);
    struct address_set *set = set_get(sets, &text);
    if (!set->is_nodes) {
        set->is_nodes = true;
        selector_clone(&set->nodes, selector);
    }
    return set;
}

struct address_set *
address_set_domains(struct address_sets *sets, char *const *domains, size_t n)
{
    struct ds text = DS_EMPTY_INITIALIZER;

    address_set_domains_format(domains, n, &text);
    struct address_set *set = set_get(sets, &text);
    if (!set->model->n_domains && n) {
        set->model->domains = xcalloc(n, sizeof *set->model->domains);
        for (size_t i = 0; i < n; i++) {
            set->model->domains[i] = xstrdup(domains[i]);
        }
        set->model->n_domains = n;
    }
    return set;
}

struct address_set *
address_set_world(struct address_sets *sets)
{
    struct ds text = DS_EMPTY_INITIALIZER;

    ds_put_cstr(&text, "world");
    struct address_set *set = set_get(sets, &text);
    if (!set->model->n_identities) {
        set->model->identities = xmalloc(sizeof *set->model->identities);
        set->model->identities[0] = IDENTITY_WORLD;
        set->model->n_identities = 1;
    }
    return set;
}

uint32_t
address_set_id(const struct address_set *set)
{
    return set->id;
}

void
address_set_ref(struct address_set *set)
{
    if (!set->n_users++) {
        ovs_list_remove(&set->idle_node);
    }
}

void
address_set_unref(struct address_sets *sets, struct address_set *set)
{
    if (!--set->n_users) {
        ovs_list_push_back(&sets->idle, &set->idle_node);
    }
}

void
address_sets_collect(struct address_sets *sets)
{
    struct address_set *set;

    LIST_FOR_EACH_POP (set, idle_node, &sets->idle) {
        records_remove(sets->selection->records, RECORD_SET, set->id);
        shash_find_and_delete(&sets->by_text, set->text);
        selector_uninit(&set->nodes);
        record_destroy(&set->model->r);
        free(set->text);
        free(set);
    }
}

/* Records. */

void
address_sets_flush(struct address_sets *sets, bool changed, node_prefixes_fn *find,
                   const void *aux)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &sets->by_text) {
        struct address_set *set = node->data;

        if (!set->is_new && !(set->is_nodes && changed)) {
            continue;
        }

        struct rec_set *rec = (struct rec_set *) record_clone(&set->model->r);
        if (set->is_nodes) {
            rec->prefixes = find(aux, &set->nodes, &rec->n_prefixes);
            rec->n_prefixes = prefixes_canonical(rec->prefixes, rec->n_prefixes);
        }
        records_put(sets->selection->records, &rec->r);
        set->is_new = false;
    }
}
