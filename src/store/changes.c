#include "store/changes.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "util.h"

void
changes_init(struct changes *c)
{
    memset(c, 0, sizeof *c);
    hmap_init(&c->records);
    hmap_init(&c->objects);
    hmap_init(&c->counters);
    sset_init(&c->gone_nodes);
}

static void
object_change_destroy(struct object_change *change)
{
    free(change->object.kind);
    free(change->object.namespace_);
    free(change->object.name);
    free(change->object.json);
    free(change);
}

static void
clear_maps(struct changes *c)
{
    struct record_change *record;
    HMAP_FOR_EACH_POP (record, hmap_node, &c->records) {
        record_destroy(record->record);
        free(record);
    }
    struct object_change *object;
    HMAP_FOR_EACH_POP (object, hmap_node, &c->objects) {
        object_change_destroy(object);
    }
    struct counter_change *counter;
    HMAP_FOR_EACH_POP (counter, hmap_node, &c->counters) {
        free(counter);
    }
    sset_clear(&c->gone_nodes);
}

void
changes_clear(struct changes *c)
{
    clear_maps(c);
    changes_set_compile_counters(c, NULL);
    c->resource_version = c->stats_request = 0;
    c->touched = false;
}

void
changes_uninit(struct changes *c)
{
    changes_clear(c);
    hmap_destroy(&c->records);
    hmap_destroy(&c->objects);
    hmap_destroy(&c->counters);
    sset_destroy(&c->gone_nodes);
}

void
changes_swap(struct changes *a, struct changes *b)
{
    hmap_swap(&a->records, &b->records);
    hmap_swap(&a->objects, &b->objects);
    hmap_swap(&a->counters, &b->counters);
    sset_swap(&a->gone_nodes, &b->gone_nodes);

    struct changes c = *a;
    a->compile_counters = b->compile_counters;
    a->resource_version = b->resource_version;
    a->stats_request = b->stats_request;
    a->touched = b->touched;
    b->compile_counters = c.compile_counters;
    b->resource_version = c.resource_version;
    b->stats_request = c.stats_request;
    b->touched = c.touched;
}

void
changes_set_compile_counters(struct changes *c, const char *text)
{
    free(c->compile_counters);
    c->compile_counters = nullable_xstrdup(text);
    c->touched = true;
}

/* --- Records ---------------------------------------------------------- */

void
changes_put_record(struct changes *c, enum record_kind kind, uint32_t key,
                   struct record *record_take)
{
    uint32_t hash = hash_2words(kind, key);
    struct record_change *change;

    c->touched = true;
    HMAP_FOR_EACH_WITH_HASH (change, hmap_node, hash, &c->records) {
        if (change->kind == kind && change->key == key) {
            record_destroy(change->record);
            change->record = record_take;
            return;
        }
    }
    change = xmalloc(sizeof *change);
    *change = (struct record_change){ .kind = kind, .key = key, .record = record_take };
    hmap_insert(&c->records, &change->hmap_node, hash);
}

/* --- Objects ---------------------------------------------------------- */

static uint32_t
object_hash(const struct store_object *o)
{
    return hash_string(o->name, hash_string(o->namespace_, hash_string(o->kind, 0)));
}

static struct object_change *
find_object(const struct changes *c, const struct store_object *o, uint32_t hash)
{
    struct object_change *change;

    HMAP_FOR_EACH_WITH_HASH (change, hmap_node, hash, &c->objects) {
        if (!strcmp(change->object.name, o->name)
            && !strcmp(change->object.namespace_, o->namespace_)
            && !strcmp(change->object.kind, o->kind)) {
            return change;
        }
    }
    return NULL;
}

void
changes_put_object(struct changes *c, const struct store_object *o)
{
    uint32_t hash = object_hash(o);
    struct object_change *change = find_object(c, o, hash);

    c->touched = true;
    if (!change) {
        change = xzalloc(sizeof *change);
        change->object.kind = xstrdup(o->kind);
        change->object.namespace_ = xstrdup(o->namespace_);
        change->object.name = xstrdup(o->name);
        hmap_insert(&c->objects, &change->hmap_node, hash);
    }
    free(change->object.json);
    change->object.json = nullable_xstrdup(o->json);
    change->object.resource_version = o->resource_version;
}

/* --- Counters --------------------------------------------------------- */

bool
counter_same_key(const struct counter *x, const struct counter *y)
{
    return x->kind == y->kind && x->a == y->a && x->b == y->b && x->c == y->c && x->d == y->d;
}

uint32_t
counter_hash(const struct counter *c)
{
    return hash_add(hash_3words(c->kind, c->a, c->b), hash_2words(c->c, c->d));
}

bool
counter_is_zero(const struct counter *c)
{
    return !c->hits && !c->packets && !c->bytes && !c->raw_hits && !c->raw_packets
           && !c->raw_bytes;
}

void
changes_put_counter(struct changes *c, const struct counter *counter)
{
    uint32_t hash = counter_hash(counter);
    struct counter_change *change;

    c->touched = true;
    HMAP_FOR_EACH_WITH_HASH (change, hmap_node, hash, &c->counters) {
        if (counter_same_key(&change->counter, counter)) {
            change->counter = *counter;
            return;
        }
    }
    change = xmalloc(sizeof *change);
    change->counter = *counter;
    hmap_insert(&c->counters, &change->hmap_node, hash);
}

/* --- Nodes ------------------------------------------------------------ */

void
changes_forget_node(struct changes *c, const char *name)
{
    sset_add(&c->gone_nodes, name);
    c->touched = true;
}

/* --- Merge ------------------------------------------------------------ */

void
changes_merge(struct changes *older, struct changes *newer)
{
    struct record_change *record;
    HMAP_FOR_EACH (record, hmap_node, &newer->records) {
        changes_put_record(older, record->kind, record->key, record->record);
        record->record = NULL;
    }
    struct object_change *object;
    HMAP_FOR_EACH (object, hmap_node, &newer->objects) {
        changes_put_object(older, &object->object);
    }
    struct counter_change *counter;
    HMAP_FOR_EACH (counter, hmap_node, &newer->counters) {
        changes_put_counter(older, &counter->counter);
    }
    const char *name;
    SSET_FOR_EACH (name, &newer->gone_nodes) {
        changes_forget_node(older, name);
    }
    if (newer->compile_counters) {
        changes_set_compile_counters(older, newer->compile_counters);
    }
    older->resource_version = MAX(older->resource_version, newer->resource_version);
    older->stats_request = MAX(older->stats_request, newer->stats_request);
    older->touched |= newer->touched;
    changes_clear(newer);
}
