#include "openflow/small_actions.h"

#include <stdlib.h>
#include <string.h>

#include "util.h"

static bool
fits(size_t len)
{
    return len <= sizeof(struct ofpact_conjunction);
}

void
small_actions_uninit(struct small_actions *a)
{
    if (!fits(a->len)) {
        free(a->heap);
    }
    a->len = 0;
}

void
small_actions_set(struct small_actions *a, const struct ofpact *ofpacts, size_t len)
{
    small_actions_uninit(a);
    if (!fits(len)) {
        a->heap = xmemdup(ofpacts, len);
    } else if (len) {
        memcpy(&a->one, ofpacts, len);
    }
    a->len = len;
}

struct ofpact *
small_actions_get(const struct small_actions *a)
{
    return !a->len ? NULL : fits(a->len) ? CONST_CAST(struct ofpact *, &a->one.ofpact) : a->heap;
}
