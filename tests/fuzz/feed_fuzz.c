/* The feed: what is read of one text, and then of another, is what the lines between the
 * two make of the first, and what a base of it holds.  Anything may be given as a base.
 *
 *   PART (one byte) TEXT NUL TEXT */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "store/feed.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
skip(void *aux, const char *message)
{
}

static void
must_not_be(void *aux, const char *message)
{
    abort();
}

static void
must_be_same(const struct records *a, const struct records *b)
{
    struct ds s = DS_EMPTY_INITIALIZER, t = DS_EMPTY_INITIALIZER;

    records_format_all(a, &s);
    records_format_all(b, &t);
    if (strcmp(ds_cstr(&s), ds_cstr(&t))) {
        abort();
    }
    ds_destroy(&s);
    ds_destroy(&t);
}

/* The lines that were written of what changed, applied to what was there before. */
static void
check_lines(struct records *now, uint32_t part, struct records *before)
{
    struct ds lines = DS_EMPTY_INITIALIZER;

    for (int kind = 0; kind < N_RECORD_KINDS; kind++) {
        size_t n;
        uint32_t *keys = records_changed(now, kind, &n);

        for (size_t i = 0; i < n; i++) {
            feed_text_put(&lines, kind, keys[i], records_find(now, kind, keys[i]),
                          records_before(now, kind, keys[i]));
        }
        free(keys);
    }
    feed_text_apply(ds_cstr(&lines), part, before, must_not_be, NULL);
    must_be_same(now, before);
    ds_destroy(&lines);
}

static void
check_base(const struct records *records, uint32_t part)
{
    struct records *again = records_create();
    char *packed = feed_pack_part(records, part);
    const struct feed_view view = { .part = part, .base_last = 1, .base = packed };

    if (!feed_load(&view, again, must_not_be, NULL)) {
        abort();
    }
    must_be_same(records, again);
    free(packed);
    records_destroy(again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t part = size ? data[0] % FEED_PARTS : 0;
    char *text = xmemdup0((const char *) data + (size > 0), size - (size > 0));
    size_t n = strlen(text);
    const char *second = n + 1 < size ? text + n + 1 : "";
    struct records *now = records_create(), *before = records_create();
    char *error;

    feed_text_apply(text, part, now, skip, NULL);
    records_clear_changes(now);
    feed_text_apply(text, part, before, skip, NULL);
    feed_text_apply(second, part, now, skip, NULL);
    check_lines(now, part, before);
    check_base(now, part);
    free(feed_unpack(text, &error));
    free(error);
    records_destroy(now);
    records_destroy(before);
    free(text);
    return 0;
}
