#include "api/identity_names.h"

#include <stdlib.h>

#include "base/records.h"
#include "hash.h"
#include "openvswitch/hmap.h"
#include "util.h"

struct name {
    struct hmap_node hmap_node;
    uint32_t identity;
    char *labels;
};

struct identity_names {
    struct hmap names; /* struct name. */
};

static struct name *
find(const struct identity_names *names, uint32_t identity)
{
    struct name *name;

    HMAP_FOR_EACH_WITH_HASH (name, hmap_node, hash_int(identity, 0), &names->names) {
        if (name->identity == identity) {
            return name;
        }
    }
    return NULL;
}

/* The labels of a number never change: a class with others is another one. */
static void
learn(struct identity_names *names, const struct rec_identity *identity)
{
    if (identity && hmap_count(&names->names) < IDENTITY_NAMES_MAX
        && !find(names, identity->r.key)) {
        struct name *name = xmalloc(sizeof *name);

        name->identity = identity->r.key;
        name->labels = xstrdup(identity->labels);
        hmap_insert(&names->names, &name->hmap_node, hash_int(name->identity, 0));
    }
}

struct identity_names *
identity_names_create(const struct records *records)
{
    struct identity_names *names = xmalloc(sizeof *names);
    const struct record *r;

    hmap_init(&names->names);
    for (r = records_first(records, RECORD_IDENTITY); r; r = records_next(records, r)) {
        learn(names, (const struct rec_identity *) r);
    }
    return names;
}

void
identity_names_destroy(struct identity_names *names)
{
    struct name *name;

    if (!names) {
        return;
    }
    HMAP_FOR_EACH_POP (name, hmap_node, &names->names) {
        free(name->labels);
        free(name);
    }
    hmap_destroy(&names->names);
    free(names);
}

void
identity_names_update(struct identity_names *names, const struct records *records)
{
    size_t n;
    uint32_t *changed = records_changed(records, RECORD_IDENTITY, &n);

    for (size_t i = 0; i < n; i++) {
        learn(names, records_identity(records, changed[i]));
    }
    free(changed);
}

const char *
identity_names_find(const struct identity_names *names, uint32_t identity)
{
    const struct name *name = find(names, identity);

    return name ? name->labels : NULL;
}
