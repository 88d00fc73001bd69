/* The numbers by which the pods of a set have a named port, for those who
 * make rules of them. */
#include "compile/selection_sets.h"

#include <stdlib.h>

#include "compile/named_port.h"
#include "util.h"

struct port_numbers *
port_numbers_create(const char *key)
{
    struct port_numbers *numbers = xmalloc(sizeof *numbers);

    numbers->key = key;
    hmap_init(&numbers->counts);
    ovs_list_init(&numbers->watches);
    return numbers;
}

void
port_numbers_destroy(struct port_numbers *numbers)
{
    struct key_count *count;

    HMAP_FOR_EACH_POP (count, hmap_node, &numbers->counts) {
        free(count);
    }
    hmap_destroy(&numbers->counts);
    free(numbers);
}

/* A member of the set appears or goes. */
void
port_numbers_note(struct selection *selection, struct pod_set *set,
                  const struct identity *identity, bool add)
{
    struct port_numbers *numbers = set->numbers;
    const char *number = labels_get(&identity->labels, numbers->key);
    bool changed = add ? key_counts_add(&numbers->counts, number)
                       : key_counts_remove(&numbers->counts, number);

    if (changed && !set->record.is_dirty) {
        set->record.is_dirty = true;
        ovs_list_push_back(&selection->renumbered, &set->record.dirty_node);
    }
}

struct port_watch *
selection_watch(struct selection *selection, const struct selector *namespaces,
                const struct selector *pods, const char *port_key, void *owner)
{
    struct port_watch *watch = xmalloc(sizeof *watch);
    struct selector selector;

    named_port_select(&selector, pods, port_key);
    watch->set = pod_set_get(selection, namespaces, &selector, POD_SET_NUMBERS, port_key);
    watch->owner = owner;
    pod_set_ref(watch->set);
    ovs_list_push_back(&watch->set->numbers->watches, &watch->set_node);
    selector_uninit(&selector);
    return watch;
}

void
selection_unwatch(struct selection *selection, struct port_watch *watch)
{
    ovs_list_remove(&watch->set_node);
    pod_set_unref(selection, watch->set);
    free(watch);
}

static int
compare_numbers(const void *a_, const void *b_)
{
    const uint16_t *a = a_, *b = b_;

    return *a - *b;
}

uint16_t *
selection_watch_numbers(const struct port_watch *watch, size_t *n)
{
    const struct hmap *counts = &watch->set->numbers->counts;
    const struct key_count *count;
    uint16_t *numbers;

    *n = 0;
    if (hmap_is_empty(counts)) {
        return NULL;
    }
    numbers = xmalloc(hmap_count(counts) * sizeof *numbers);
    HMAP_FOR_EACH (count, hmap_node, counts) {
        numbers[(*n)++] = named_port_number(count->key);
    }
    qsort(numbers, *n, sizeof *numbers, compare_numbers);
    return numbers;
}

void
selection_tell_watches(struct selection *selection, void (*cb)(void *owner, void *aux), void *aux)
{
    struct pod_set *set;

    LIST_FOR_EACH_POP (set, record.dirty_node, &selection->renumbered) {
        const struct port_watch *watch;

        set->record.is_dirty = false;
        LIST_FOR_EACH (watch, set_node, &set->numbers->watches) {
            cb(watch->owner, aux);
        }
    }
}
