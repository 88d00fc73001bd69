#include "openflow/conjunctions.h"

#include <stdlib.h>

#include "openvswitch/ofpbuf.h"
#include "util.h"

bool
conjunctions_are_all(const struct ofpact *ofpacts, size_t len)
{
    const struct ofpact *a;

    OFPACT_FOR_EACH (a, ofpacts, len) {
        if (a->type != OFPACT_CONJUNCTION) {
            return false;
        }
    }
    return len > 0;
}

void
conjunctions_add(struct conjunctions *list, const struct ofpact *ofpacts, size_t len)
{
    const struct ofpact *a;

    OFPACT_FOR_EACH (a, ofpacts, len) {
        if (list->n >= list->allocated) {
            list->a = x2nrealloc(list->a, &list->allocated, sizeof *list->a);
        }
        list->a[list->n++] = ofpact_get_CONJUNCTION(a);
    }
}

static int
compare(const void *a_, const void *b_)
{
    const struct ofpact_conjunction *a = *(const struct ofpact_conjunction *const *) a_;
    const struct ofpact_conjunction *b = *(const struct ofpact_conjunction *const *) b_;

    if (a->id != b->id) {
        return a->id < b->id ? -1 : 1;
    }
    if (a->clause != b->clause) {
        return a->clause < b->clause ? -1 : 1;
    }
    return a->n_clauses < b->n_clauses ? -1 : a->n_clauses > b->n_clauses;
}

static void
put(struct ofpbuf *out, const struct ofpact_conjunction *src)
{
    struct ofpact_conjunction *oc = ofpact_put_CONJUNCTION(out);

    oc->clause = src->clause;
    oc->n_clauses = src->n_clauses;
    oc->id = src->id;
}

void
conjunctions_put(struct conjunctions *list, struct ofpbuf *out)
{
    qsort(list->a, list->n, sizeof *list->a, compare);
    for (size_t i = 0; i < list->n; i++) {
        if (!i || compare(&list->a[i - 1], &list->a[i])) {
            put(out, list->a[i]);
        }
    }
    free(list->a);
    *list = (struct conjunctions) CONJUNCTIONS_INITIALIZER;
}
