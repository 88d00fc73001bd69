#include "compile/selection.h"

#include <stdlib.h>
#include <string.h>

#include "compile/named_port.h"
#include "compile/pod_name.h"
#include "compile/selection_sets.h"
#include "hash.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

/* One label of one scope: finds the scopes that a selector asks for. */
struct scope_label {
    struct hmap_node hmap_node; /* In struct selection 'scopes_by_label'. */
    struct label label;
    struct scope *scope;
};

static uint32_t
label_hash(const char *key, const char *value)
{
    return hash_pointer(key, hash_pointer(value, 0));
}

void
selection_init(struct selection *selection, struct records *records, struct numbers *numbers)
{
    *selection = (struct selection){ .records = records, .numbers = numbers };
    hmap_init(&selection->ns_selectors);
    hmap_init(&selection->sets_by_id);
    selector_index_init(&selection->index);
    hmap_init(&selection->scopes_by_label);
    ovs_list_init(&selection->scopes);
    ovs_list_init(&selection->idle);
    ovs_list_init(&selection->dirty);
    ovs_list_init(&selection->renumbered);
    simap_init(&selection->restored);
}

/* All scopes are detached, and no set has users. */
void
selection_uninit(struct selection *selection)
{
    selection_collect(selection);
    hmap_destroy(&selection->ns_selectors);
    hmap_destroy(&selection->sets_by_id);
    selector_index_uninit(&selection->index);
    hmap_destroy(&selection->scopes_by_label);
    simap_destroy(&selection->restored);
    free(selection->key_changes);
}

/* Relevant keys. */

static struct key_count *
key_find(const struct hmap *keys, const char *key)
{
    struct key_count *count;

    HMAP_FOR_EACH_WITH_HASH (count, hmap_node, hash_pointer(key, 0), keys) {
        if (count->key == key) {
            return count;
        }
    }
    return NULL;
}

bool
scope_key_is_relevant(const struct scope *scope, const char *key)
{
    return key_find(&scope->keys, key) != NULL;
}

/* Returns true if the key is new. */
bool
key_counts_add(struct hmap *keys, const char *key)
{
    struct key_count *count = key_find(keys, key);

    if (count) {
        count->n++;
        return false;
    }
    count = xmalloc(sizeof *count);
    count->key = key;
    count->n = 1;
    hmap_insert(keys, &count->hmap_node, hash_pointer(key, 0));
    return true;
}

/* Returns true if the key is gone. */
bool
key_counts_remove(struct hmap *keys, const char *key)
{
    struct key_count *count = key_find(keys, key);

    if (--count->n) {
        return false;
    }
    hmap_remove(keys, &count->hmap_node);
    free(count);
    return true;
}

static void
note_key_change(struct selection *selection, struct scope *scope, const char *key)
{
    if (selection->n_key_changes >= selection->allocated_key_changes) {
        selection->key_changes = x2nrealloc(selection->key_changes,
                                            &selection->allocated_key_changes,
                                            sizeof *selection->key_changes);
    }
    selection->key_changes[selection->n_key_changes++] = (struct key_change){ scope, key };
}

static bool
is_pseudo_key(const char *key)
{
    return named_port_is_key(key) || pod_name_is_key(key);
}

void
selection_scope_add_key(struct selection *selection, struct scope *scope, const char *key)
{
    if (key_counts_add(&scope->keys, key)) {
        scope->n_pseudo_keys += is_pseudo_key(key);
        note_key_change(selection, scope, key);
    }
}

void
selection_scope_remove_key(struct selection *selection, struct scope *scope, const char *key)
{
    if (key_counts_remove(&scope->keys, key)) {
        scope->n_pseudo_keys -= is_pseudo_key(key);
        note_key_change(selection, scope, key);
    }
}

/* Links. */

static void
change_members(struct selection *selection, struct ns_selector *from, struct scope *scope,
               bool add)
{
    const struct identity *identity;

    if (hmap_is_empty(&from->sets)) {
        return;
    }
    HMAP_FOR_EACH (identity, hmap_node, &scope->identities) {
        selection_match_sets(selection, from, identity, add);
    }
}

void
selection_link(struct selection *selection, struct ns_selector *from, struct scope *scope)
{
    struct link *link = xmalloc(sizeof *link);
    const struct key_count *key;

    link->from = from;
    link->scope = scope;
    ovs_list_push_back(&from->links, &link->selector_node);
    ovs_list_push_back(&scope->links, &link->scope_node);
    HMAP_FOR_EACH (key, hmap_node, &from->keys) {
        selection_scope_add_key(selection, scope, key->key);
    }
    change_members(selection, from, scope, true);
}

void
selection_unlink(struct selection *selection, struct link *link)
{
    const struct key_count *key;

    change_members(selection, link->from, link->scope, false);
    HMAP_FOR_EACH (key, hmap_node, &link->from->keys) {
        selection_scope_remove_key(selection, link->scope, key->key);
    }
    ovs_list_remove(&link->selector_node);
    ovs_list_remove(&link->scope_node);
    free(link);
}

/* Scopes. */

void
scope_init(struct scope *scope, const char *name)
{
    *scope = (struct scope){ .name = name };
    labels_init(&scope->labels);
    ovs_list_init(&scope->links);
    hmap_init(&scope->keys);
    hmap_init(&scope->identities);
}

void
scope_uninit(struct scope *scope)
{
    ovs_assert(!scope->attached && hmap_is_empty(&scope->identities));
    hmap_destroy(&scope->keys);
    hmap_destroy(&scope->identities);
}

static void
file_labels(struct selection *selection, struct scope *scope, const struct labels *labels)
{
    labels_clone(&scope->labels, labels);
    scope->label_entries = xmalloc((labels->n + 1) * sizeof *scope->label_entries);
    for (size_t i = 0; i < labels->n; i++) {
        struct scope_label *entry = &scope->label_entries[i];

        entry->label = labels->a[i];
        entry->scope = scope;
        hmap_insert(&selection->scopes_by_label, &entry->hmap_node,
                    label_hash(entry->label.key, entry->label.value));
    }
}

static void
unfile_labels(struct selection *selection, struct scope *scope)
{
    for (size_t i = 0; i < scope->labels.n; i++) {
        hmap_remove(&selection->scopes_by_label, &scope->label_entries[i].hmap_node);
    }
    free(scope->label_entries);
    scope->label_entries = NULL;
    labels_uninit(&scope->labels);
}

struct attach_ctx {
    struct selection *selection;
    struct scope *scope;
};

static bool
is_linked(const struct ns_selector *from, const struct scope *scope)
{
    const struct link *link;

    LIST_FOR_EACH (link, scope_node, &scope->links) {
        if (link->from == from) {
            return true;
        }
    }
    return false;
}

static void
attach_cb(void *owner, void *aux)
{
    struct ns_selector *from = owner;
    struct attach_ctx *ctx = aux;

    if (selector_matches(&from->selector, &ctx->scope->labels) && !is_linked(from, ctx->scope)) {
        selection_link(ctx->selection, from, ctx->scope);
    }
}

void
selection_attach(struct selection *selection, struct scope *scope, const struct labels *labels)
{
    struct attach_ctx ctx = { selection, scope };
    struct link *link, *next;

    if (scope->attached) {
        unfile_labels(selection, scope);
    } else {
        ovs_list_push_back(&selection->scopes, &scope->all_node);
        scope->attached = true;
    }
    file_labels(selection, scope, labels);
    LIST_FOR_EACH_SAFE (link, next, scope_node, &scope->links) {
        if (!selector_matches(&link->from->selector, labels)) {
            selection_unlink(selection, link);
        }
    }
    selector_index_match(&selection->index, NULL, labels, attach_cb, &ctx);
}

void
selection_detach(struct selection *selection, struct scope *scope)
{
    struct link *link, *next;

    LIST_FOR_EACH_SAFE (link, next, scope_node, &scope->links) {
        selection_unlink(selection, link);
    }
    unfile_labels(selection, scope);
    ovs_list_remove(&scope->all_node);
    scope->attached = false;
}

/* Joins a new namespace selector with the scopes there are. */
void
selection_link_all(struct selection *selection, struct ns_selector *from)
{
    const struct requirement *anchor = selector_anchor(&from->selector);
    struct scope *scope;

    if (!anchor || anchor->op != SELECTOR_IN) {
        LIST_FOR_EACH (scope, all_node, &selection->scopes) {
            if (selector_matches(&from->selector, &scope->labels)) {
                selection_link(selection, from, scope);
            }
        }
        return;
    }
    for (size_t i = 0; i < anchor->n_values; i++) {
        const struct scope_label *entry;

        HMAP_FOR_EACH_WITH_HASH (entry, hmap_node, label_hash(anchor->key, anchor->values[i]),
                                 &selection->scopes_by_label) {
            if (entry->label.key == anchor->key && entry->label.value == anchor->values[i]
                && selector_matches(&from->selector, &entry->scope->labels)) {
                selection_link(selection, from, entry->scope);
            }
        }
    }
}
