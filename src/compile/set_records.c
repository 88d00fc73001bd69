/* Records of sets: numbers, and identities that follow what is noted. */
#include "compile/selection_sets.h"

#include <stdlib.h>

#include "openvswitch/dynamic-string.h"
#include "util.h"

static bool
set_id_is_used(const void *records, uint32_t id)
{
    return records_set(records, id) != NULL;
}

uint32_t
selection_take_number(struct selection *selection, const char *text)
{
    uint32_t id = simap_get(&selection->restored, text);

    simap_find_and_delete(&selection->restored, text);
    if (!id
        && !numbers_take(selection->numbers, NUMBER_SET, set_id_is_used, selection->records,
                         &id)) {
        ovs_abort(0, "more than 4 billion sets");
    }
    return id;
}

static void
mark_dirty(struct selection *selection, struct set_record *set)
{
    if (!set->is_dirty) {
        set->is_dirty = true;
        ovs_list_push_back(&selection->dirty, &set->dirty_node);
    }
}

void
set_record_init(struct selection *selection, struct set_record *set, const char *text)
{
    *set = (struct set_record){ .id = selection_take_number(selection, text),
                                .text = text,
                                .is_new = true };
    mark_dirty(selection, set);
}

void
set_record_uninit(struct selection *selection, struct set_record *set)
{
    if (set->is_dirty) {
        ovs_list_remove(&set->dirty_node);
    }
    records_remove(selection->records, RECORD_SET, set->id);
    free(set->changes);
}

void
set_record_note(struct selection *selection, struct set_record *set, uint32_t identity, bool add)
{
    if (set->n_changes >= set->allocated_changes) {
        set->changes = x2nrealloc(set->changes, &set->allocated_changes, sizeof *set->changes);
    }
    set->changes[set->n_changes] = (struct member_change){ identity, set->n_changes, add };
    set->n_changes++;
    mark_dirty(selection, set);
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
merge_members(const struct set_record *set, const uint32_t *old, size_t n_old, struct rec_set *rec)
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

static char *
record_text(const struct set_record *set)
{
    if (set->text) {
        return xstrdup(set->text);
    }

    const struct pod_set *pods = CONTAINER_OF(set, struct pod_set, record);
    struct ds text = DS_EMPTY_INITIALIZER;

    selection_format(&pods->from->selector, &pods->selector, &text);
    return ds_steal_cstr(&text);
}

static void
record_flush(struct selection *selection, struct set_record *set)
{
    const struct rec_set *old = set->is_new ? NULL : records_set(selection->records, set->id);
    struct rec_set *rec = rec_set_create(set->id);

    if (set->n_changes) {
        qsort(set->changes, set->n_changes, sizeof *set->changes, compare_changes);
    }
    merge_members(set, old ? old->identities : NULL, old ? old->n_identities : 0, rec);
    rec->selector = record_text(set);
    records_put(selection->records, &rec->r);

    free(set->changes);
    set->changes = NULL;
    set->n_changes = set->allocated_changes = 0;
    set->is_new = set->is_dirty = false;
}

void
selection_flush(struct selection *selection)
{
    struct set_record *set;

    LIST_FOR_EACH_POP (set, dirty_node, &selection->dirty) {
        record_flush(selection, set);
    }
}
