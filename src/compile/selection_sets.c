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
        if (set->id == id) {
            return set;
        }
    }
    OVS_NOT_REACHED();
}

/* Members. */

static void
set_mark_dirty(struct selection *selection, struct pod_set *set)
{
    if (!set->is_dirty) {
        set->is_dirty = true;
        ovs_list_push_back(&selection->dirty, &set->dirty_node);
    }
}

static void
set_note(struct selection *selection, struct pod_set *set, const struct identity *identity,
         bool add)
{
    if (set->numbers) {
        port_numbers_note(selection, set, identity, add);
        return;
    }
    if (set->n_changes >= set->allocated_changes) {
        set->changes = x2nrealloc(set->changes, &set->allocated_changes, sizeof *set->changes);
    }
    set->changes[set->n_changes] = (struct member_change){ identity->id, set->n_changes, add };
    set->n_changes++;
    set_mark_dirty(selection, set);
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

static int
compare_changes(const void *a_, const void *b_)
{
    const struct member_change *a = a_, *b = b_;

    if (a->identity != b->identity) {
        return a->identity < b->identity ? -1 : 1;
    }
    return a->order < b->order ? -1 : a->order > b->order;
}

/* Merges the sorted 'old' identities with the set's sorted changes. */
static void
merge_members(const struct pod_set *set, const uint32_t *old, size_t n_old, struct rec_set *rec)
{
    size_t i = 0, j = 0;

    rec->identities = xmalloc((n_old + set->n_changes + 1) * sizeof *rec->identities);
    while (i < n_old || j < set->n_changes) {
        if (j == set->n_changes || (i < n_old && old[i] < set->changes[j].identity)) {
            rec->identities[rec->n_identities++] = old[i++];
            continue;
        }
        const struct member_change *change = &set->changes[j++];
        if (j < set->n_changes && set->changes[j].identity == change->identity) {
            continue;
        }
        i += i < n_old && old[i] == change->identity;
        if (change->add) {
            rec->identities[rec->n_identities++] = change->identity;
        }
    }
    if (rec->n_identities < n_old + set->n_changes) {
        rec->identities = xrealloc(rec->identities,
                                   (rec->n_identities + 1) * sizeof *rec->identities);
    }
}

static void
set_flush(struct selection *selection, struct pod_set *set)
{
    const struct rec_set *old = set->is_new ? NULL : records_set(selection->records, set->id);
    struct rec_set *rec = rec_set_create(set->id);
    struct ds text = DS_EMPTY_INITIALIZER;

    if (set->n_changes) {
        qsort(set->changes, set->n_changes, sizeof *set->changes, compare_changes);
    }
    merge_members(set, old ? old->identities : NULL, old ? old->n_identities : 0, rec);
    selection_format(&set->from->selector, &set->selector, &text);
    rec->selector = ds_steal_cstr(&text);
    records_put(selection->records, &rec->r);

    free(set->changes);
    set->changes = NULL;
    set->n_changes = set->allocated_changes = 0;
    set->is_new = set->is_dirty = false;
}

void
selection_flush(struct selection *selection)
{
    struct pod_set *set;

    LIST_FOR_EACH_POP (set, dirty_node, &selection->dirty) {
        set_flush(selection, set);
    }
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

static void
set_add_members(struct selection *selection, struct pod_set *set)
{
    const struct link *link;
    const struct identity *identity;

    LIST_FOR_EACH (link, selector_node, &set->from->links) {
        HMAP_FOR_EACH (identity, hmap_node, &link->scope->identities) {
            if (selector_matches(&set->selector, &identity->labels)) {
                set_note(selection, set, identity, true);
            }
        }
    }
}

static bool
set_id_is_used(const void *records, uint32_t id)
{
    return records_set(records, id) != NULL;
}

/* The number that the set had in an earlier life, else a new one. */
static uint32_t
set_number(struct selection *selection, const struct pod_set *set)
{
    uint32_t id = 0;

    if (!simap_is_empty(&selection->restored)) {
        struct ds text = DS_EMPTY_INITIALIZER;

        selection_format(&set->from->selector, &set->selector, &text);
        id = simap_get(&selection->restored, ds_cstr(&text));
        simap_find_and_delete(&selection->restored, ds_cstr(&text));
        ds_destroy(&text);
    }
    if (!id
        && !numbers_take(selection->numbers, NUMBER_SET, set_id_is_used, selection->records,
                         &id)) {
        ovs_abort(0, "more than 4 billion sets");
    }
    return id;
}

static void
set_prepare_record(struct selection *selection, struct pod_set *set)
{
    set->id = set_number(selection, set);
    set->is_new = true;
    hmap_insert(&selection->sets_by_id, &set->id_node, hash_int(set->id, 0));
    set_mark_dirty(selection, set);
}

static struct pod_set *
set_create(struct selection *selection, struct ns_selector *from, const struct selector *selector,
           const char *port_key)
{
    struct pod_set *set = xzalloc(sizeof *set);

    set->from = from;
    selector_clone(&set->selector, selector);
    if (port_key) {
        set->numbers = port_numbers_create(port_key);
    } else {
        set_prepare_record(selection, set);
    }
    hmap_insert(&from->sets, &set->hmap_node, selector_hash(selector));
    selector_index_insert(&selection->index, from, &set->selector, set, &set->filing);
    ovs_list_push_back(&selection->idle, &set->idle_node);
    set_add_keys(selection, set);
    set_add_members(selection, set);
    return set;
}

static void
set_destroy(struct selection *selection, struct pod_set *set)
{
    set_remove_keys(selection, set);
    if (set->is_dirty) {
        ovs_list_remove(&set->dirty_node);
    }
    selector_index_remove(&selection->index, &set->filing);
    hmap_remove(&set->from->sets, &set->hmap_node);
    if (set->numbers) {
        port_numbers_destroy(set->numbers);
    } else {
        hmap_remove(&selection->sets_by_id, &set->id_node);
        records_remove(selection->records, RECORD_SET, set->id);
    }
    if (hmap_is_empty(&set->from->sets)) {
        ns_selector_destroy(selection, set->from);
    }
    selector_uninit(&set->selector);
    free(set->changes);
    free(set);
}

struct pod_set *
pod_set_get(struct selection *selection, const struct selector *namespaces,
            const struct selector *pods, const char *port_key)
{
    struct ns_selector *from = ns_selector_get(selection, namespaces);
    struct pod_set *set;

    HMAP_FOR_EACH_WITH_HASH (set, hmap_node, selector_hash(pods), &from->sets) {
        if (selector_equal(&set->selector, pods)) {
            return set;
        }
    }
    return set_create(selection, from, pods, port_key);
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
    return pod_set_get(selection, namespaces, pods, NULL)->id;
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
