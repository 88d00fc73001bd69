#include "compile/selection_sets.h"

#include <stdlib.h>

#include "hash.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

void
selection_format(const struct selector *namespaces, const struct selector *pods, struct ds *ds)
{
    ds_put_cstr(ds, "ns{");
    selector_format(namespaces, ds);
    ds_put_cstr(ds, "}/pod{");
    selector_format(pods, ds);
    ds_put_char(ds, '}');
}

static struct pod_set *
set_by_id(const struct selection *selection, uint32_t id)
{
    struct pod_set *set;

    HMAP_FOR_EACH_WITH_HASH (set, id_node, hash_int(id, 0), &selection->sets_by_id) {
        if (set->record.id == id) {
            return set;
        }
    }
    OVS_NOT_REACHED();
}

/* Members. */

static void
set_note(struct selection *selection, struct pod_set *set, const struct identity *identity,
         bool add)
{
    switch (set->use) {
    case POD_SET_RECORD:
        set_record_note(selection, &set->record, identity->id, add);
        break;
    case POD_SET_NUMBERS:
        port_numbers_note(selection, set, identity, add);
        break;
    case POD_SET_PART:
        set_unions_note(selection, set, identity, add);
        break;
    }
}

struct match_ctx {
    struct selection *selection;
    const struct identity *identity;
    bool add;
};

static void
match_cb(void *owner, void *aux)
{
    struct pod_set *set = owner;
    const struct match_ctx *ctx = aux;

    if (selector_matches(&set->selector, &ctx->identity->labels)) {
        set_note(ctx->selection, set, ctx->identity, ctx->add);
    }
}

void
selection_match_sets(struct selection *selection, struct ns_selector *from,
                     const struct identity *identity, bool add)
{
    struct match_ctx ctx = { selection, identity, add };

    selector_index_match(&selection->index, from, &identity->labels, match_cb, &ctx);
}

static void
match_scope(struct selection *selection, const struct identity *identity, bool add)
{
    const struct link *link;

    LIST_FOR_EACH (link, scope_node, &identity->scope->links) {
        selection_match_sets(selection, link->from, identity, add);
    }
}

void
selection_add_identity(struct selection *selection, const struct identity *identity)
{
    match_scope(selection, identity, true);
}

void
selection_remove_identity(struct selection *selection, const struct identity *identity)
{
    match_scope(selection, identity, false);
}

/* Namespace selectors. */

static struct ns_selector *
ns_selector_get(struct selection *selection, const struct selector *selector)
{
    uint32_t hash = selector_hash(selector);
    struct ns_selector *from;

    HMAP_FOR_EACH_WITH_HASH (from, hmap_node, hash, &selection->ns_selectors) {
        if (selector_equal(&from->selector, selector)) {
            return from;
        }
    }
    from = xzalloc(sizeof *from);
    selector_clone(&from->selector, selector);
    ovs_list_init(&from->links);
    hmap_init(&from->sets);
    hmap_init(&from->keys);
    hmap_insert(&selection->ns_selectors, &from->hmap_node, hash);
    selector_index_insert(&selection->index, NULL, &from->selector, from, &from->filing);
    selection_link_all(selection, from);
    return from;
}

static void
ns_selector_destroy(struct selection *selection, struct ns_selector *from)
{
    struct link *link, *next;

    LIST_FOR_EACH_SAFE (link, next, selector_node, &from->links) {
        selection_unlink(selection, link);
    }
    selector_index_remove(&selection->index, &from->filing);
    hmap_remove(&selection->ns_selectors, &from->hmap_node);
    hmap_destroy(&from->sets);
    hmap_destroy(&from->keys);
    selector_uninit(&from->selector);
    free(from);
}

/* Sets. */

static void
set_add_keys(struct selection *selection, struct pod_set *set)
{
    for (size_t i = 0; i < set->selector.n; i++) {
        const char *key = set->selector.reqs[i].key;
        const struct link *link;

        if (key_counts_add(&set->from->keys, key)) {
            LIST_FOR_EACH (link, selector_node, &set->from->links) {
                selection_scope_add_key(selection, link->scope, key);
            }
        }
    }
}

static void
set_remove_keys(struct selection *selection, struct pod_set *set)
{
    for (size_t i = 0; i < set->selector.n; i++) {
        const char *key = set->selector.reqs[i].key;
        const struct link *link;

        if (key_counts_remove(&set->from->keys, key)) {
            LIST_FOR_EACH (link, selector_node, &set->from->links) {
                selection_scope_remove_key(selection, link->scope, key);
            }
        }
    }
}

void
pod_set_each(const struct pod_set *set, void (*cb)(const struct identity *, void *), void *aux)
{
    const struct link *link;
    const struct identity *identity;

    LIST_FOR_EACH (link, selector_node, &set->from->links) {
        HMAP_FOR_EACH (identity, hmap_node, &link->scope->identities) {
            if (selector_matches(&set->selector, &identity->labels)) {
                cb(identity, aux);
            }
        }
    }
}

struct add_ctx {
    struct selection *selection;
    struct pod_set *set;
};

static void
add_member(const struct identity *identity, void *aux)
{
    const struct add_ctx *ctx = aux;

    set_note(ctx->selection, ctx->set, identity, true);
}

static void
set_init_use(struct selection *selection, struct pod_set *set, const char *port_key)
{
    if (set->use == POD_SET_NUMBERS) {
        set->numbers = port_numbers_create(port_key);
    } else if (set->use == POD_SET_RECORD) {
        struct ds text = DS_EMPTY_INITIALIZER;

        selection_format(&set->from->selector, &set->selector, &text);
        set_record_init(selection, &set->record, ds_cstr(&text));
        set->record.text = NULL;
        ds_destroy(&text);
        hmap_insert(&selection->sets_by_id, &set->id_node, hash_int(set->record.id, 0));
    }
}

static struct pod_set *
set_create(struct selection *selection, struct ns_selector *from, const struct selector *selector,
           enum pod_set_use use, const char *port_key)
{
    struct pod_set *set = xzalloc(sizeof *set);
    struct add_ctx ctx = { selection, set };

    set->use = use;
    set->from = from;
    selector_clone(&set->selector, selector);
    ovs_list_init(&set->unions);
    set_init_use(selection, set, port_key);
    hmap_insert(&from->sets, &set->hmap_node, selector_hash(selector));
    selector_index_insert(&selection->index, from, &set->selector, set, &set->filing);
    ovs_list_push_back(&selection->idle, &set->idle_node);
    set_add_keys(selection, set);
    pod_set_each(set, add_member, &ctx);
    return set;
}

static void
set_uninit_use(struct selection *selection, struct pod_set *set)
{
    if (set->use == POD_SET_NUMBERS) {
        if (set->record.is_dirty) {
            ovs_list_remove(&set->record.dirty_node);
        }
        port_numbers_destroy(set->numbers);
    } else if (set->use == POD_SET_RECORD) {
        hmap_remove(&selection->sets_by_id, &set->id_node);
        set_record_uninit(selection, &set->record);
    }
}

static void
set_destroy(struct selection *selection, struct pod_set *set)
{
    set_remove_keys(selection, set);
    selector_index_remove(&selection->index, &set->filing);
    hmap_remove(&set->from->sets, &set->hmap_node);
    set_uninit_use(selection, set);
    if (hmap_is_empty(&set->from->sets)) {
        ns_selector_destroy(selection, set->from);
    }
    selector_uninit(&set->selector);
    free(set);
}

struct pod_set *
pod_set_get(struct selection *selection, const struct selector *namespaces,
            const struct selector *pods, enum pod_set_use use, const char *port_key)
{
    struct ns_selector *from = ns_selector_get(selection, namespaces);
    struct pod_set *set;

    HMAP_FOR_EACH_WITH_HASH (set, hmap_node, selector_hash(pods), &from->sets) {
        if (set->use == use && selector_equal(&set->selector, pods)) {
            return set;
        }
    }
    return set_create(selection, from, pods, use, port_key);
}

void
pod_set_ref(struct pod_set *set)
{
    if (!set->n_users++) {
        ovs_list_remove(&set->idle_node);
    }
}

void
pod_set_unref(struct selection *selection, struct pod_set *set)
{
    if (!--set->n_users) {
        ovs_list_push_back(&selection->idle, &set->idle_node);
    }
}

uint32_t
selection_get(struct selection *selection, const struct selector *namespaces,
              const struct selector *pods)
{
    return pod_set_get(selection, namespaces, pods, POD_SET_RECORD, NULL)->record.id;
}

void
selection_ref(struct selection *selection, uint32_t id)
{
    pod_set_ref(set_by_id(selection, id));
}

void
selection_unref(struct selection *selection, uint32_t id)
{
    pod_set_unref(selection, set_by_id(selection, id));
}

void
selection_collect(struct selection *selection)
{
    struct pod_set *set;

    LIST_FOR_EACH_POP (set, idle_node, &selection->idle) {
        set_destroy(selection, set);
    }
}
