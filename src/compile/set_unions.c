/* Each pair is a pod_set without record, shared by all unions that have it.  A
 * union counts for each identity the parts that hold it: the first puts it
 * into the record, the last takes it out. */
#include "compile/set_unions.h"

#include <stdlib.h>

#include "compile/selection_sets.h"
#include "hash.h"
#include "hmapx.h"
#include "util.h"

struct union_part {
    struct ovs_list set_node;    /* In struct pod_set 'unions'. */
    struct hmap_node owner_node; /* In struct set_union 'parts_by_set'. */
    struct set_union *owner;
    struct pod_set *set;
};

struct member_count {
    struct hmap_node hmap_node; /* In struct set_union 'members'. */
    uint32_t identity;
    uint32_t n;
};

struct set_union {
    struct set_record record;
    char *text;
    struct hmap members; /* struct member_count. */
    struct union_part **parts;
    size_t n_parts;
    struct hmap parts_by_set; /* The same; a set may be in very many unions. */
};

static struct member_count *
find_member(const struct set_union *u, uint32_t identity)
{
    struct member_count *count;

    HMAP_FOR_EACH_WITH_HASH (count, hmap_node, hash_int(identity, 0), &u->members) {
        if (count->identity == identity) {
            return count;
        }
    }
    return NULL;
}

static void
add_member(struct selection *selection, struct set_union *u, uint32_t identity)
{
    struct member_count *count = find_member(u, identity);

    if (!count) {
        count = xmalloc(sizeof *count);
        *count = (struct member_count){ .identity = identity };
        hmap_insert(&u->members, &count->hmap_node, hash_int(identity, 0));
        set_record_note(selection, &u->record, identity, true);
    }
    count->n++;
}

static void
remove_member(struct selection *selection, struct set_union *u, uint32_t identity)
{
    struct member_count *count = find_member(u, identity);

    if (!--count->n) {
        hmap_remove(&u->members, &count->hmap_node);
        free(count);
        set_record_note(selection, &u->record, identity, false);
    }
}

static void
note(struct selection *selection, struct set_union *u, const struct identity *identity, bool add)
{
    if (add) {
        add_member(selection, u, identity->id);
    } else {
        remove_member(selection, u, identity->id);
    }
}

void
set_unions_note(struct selection *selection, struct pod_set *set, const struct identity *identity,
                bool add)
{
    const struct union_part *part;

    LIST_FOR_EACH (part, set_node, &set->unions) {
        note(selection, part->owner, identity, add);
    }
}

struct note_ctx {
    struct selection *selection;
    struct set_union *u;
    bool add;
};

static void
note_cb(const struct identity *identity, void *aux)
{
    const struct note_ctx *ctx = aux;

    note(ctx->selection, ctx->u, identity, ctx->add);
}

/* Parts. */

static struct union_part *
attach(struct selection *selection, struct set_union *u, struct pod_set *set)
{
    struct union_part *part = xmalloc(sizeof *part);
    struct note_ctx ctx = { selection, u, true };

    part->owner = u;
    part->set = set;
    pod_set_ref(set);
    ovs_list_push_back(&set->unions, &part->set_node);
    hmap_insert(&u->parts_by_set, &part->owner_node, hash_pointer(set, 0));
    pod_set_each(set, note_cb, &ctx);
    return part;
}

static void
detach(struct selection *selection, struct union_part *part)
{
    struct note_ctx ctx = { selection, part->owner, false };

    pod_set_each(part->set, note_cb, &ctx);
    ovs_list_remove(&part->set_node);
    hmap_remove(&part->owner->parts_by_set, &part->owner_node);
    pod_set_unref(selection, part->set);
    free(part);
}

/* The part of 'u' that 'set' is; NULL if it is none. */
static struct union_part *
find_part(const struct set_union *u, const struct pod_set *set)
{
    struct union_part *part;

    HMAP_FOR_EACH_WITH_HASH (part, owner_node, hash_pointer(set, 0), &u->parts_by_set) {
        if (part->set == set) {
            return part;
        }
    }
    return NULL;
}

/* New parts before old ones go, so that who is in both never leaves. */
void
set_union_set(struct selection *selection, struct set_union *u, const struct pod_choice *pairs,
              size_t n)
{
    struct union_part **old = u->parts;
    size_t n_old = u->n_parts;
    struct hmapx kept = HMAPX_INITIALIZER(&kept);

    u->parts = xmalloc((n + 1) * sizeof *u->parts);
    u->n_parts = 0;
    for (size_t i = 0; i < n; i++) {
        struct pod_set *set = pod_set_get(selection, pairs[i].namespaces, pairs[i].pods,
                                          POD_SET_PART, NULL);
        struct union_part *part = find_part(u, set);

        part = part ? part : attach(selection, u, set);
        if (hmapx_add(&kept, part)) {
            u->parts[u->n_parts++] = part;
        }
    }
    for (size_t i = 0; i < n_old; i++) {
        if (!hmapx_contains(&kept, old[i])) {
            detach(selection, old[i]);
        }
    }
    hmapx_destroy(&kept);
    free(old);
}

struct set_union *
set_union_create(struct selection *selection, const char *text)
{
    struct set_union *u = xzalloc(sizeof *u);

    u->text = xstrdup(text);
    hmap_init(&u->members);
    hmap_init(&u->parts_by_set);
    set_record_init(selection, &u->record, u->text);
    return u;
}

void
set_union_destroy(struct selection *selection, struct set_union *u)
{
    if (u) {
        set_union_set(selection, u, NULL, 0);
        free(u->parts);
        hmap_destroy(&u->members);
        hmap_destroy(&u->parts_by_set);
        set_record_uninit(selection, &u->record);
        free(u->text);
        free(u);
    }
}

uint32_t
set_union_id(const struct set_union *u)
{
    return u->record.id;
}
