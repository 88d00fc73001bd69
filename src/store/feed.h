/* The feed: records as agents are sent them, in few rows.
 *
 * A row for each record would cost ovsdb-server as much as thousands of characters of
 * text, for each agent that connects, so records are spread over FEED_PARTS parts, and
 * of each part there is
 *
 *   base      all of it as it was after some change, packed; and
 *   log rows  what changed since: one for each transaction, until some are joined.
 *
 *     base 40 │ 41-48 │ 49-56 │ 57 │ 58 │ 59
 *             └ joined ┘       └── fresh ──┘
 *
 * Changes of a part are numbered from 1.  A transaction appends one fresh row; when
 * there are FEED_FRESH, they become one; when there are FEED_JOINED of these, or they
 * are long, they become the base.  So there are few rows, and a change is written, and
 * sent to each agent, three times in all; a part is packed once in FEED_FRESH *
 * FEED_JOINED changes.  The change that is new is always a row of its own: who follows
 * reads new rows only, and no base.
 *
 * Pure: rows come and go as plain data. */
#ifndef VIRGA_FEED_H
#define VIRGA_FEED_H 1

#include "store/feed_text.h"

enum {
    FEED_FRESH = 8,
    FEED_JOINED = 16,
    FEED_LONG_ROW = 4096, /* A row with more characters counts as joined. */
};

/* Changes 'first' to 'last' of a part. */
struct feed_row {
    uint64_t first, last;
    const char *lines; /* feed_text.h, packed or not. */
};

/* What the database has of a part. */
struct feed_view {
    uint32_t part;
    uint64_t base_last; /* The last change in the base; 0: none. */
    const char *base;   /* Packed. */
    const struct feed_row *rows;
    size_t n_rows; /* Sorted by 'first'. */
};

/* The last change that the view has. */
uint64_t feed_last(const struct feed_view *);
/* Are the numbers of all rows as a writer makes them?  A part has no more changes than
 * there were generations. */
bool feed_is_sane(const struct feed_view *, uint64_t generation);

/* --- Reading ---------------------------------------------------------------- */

/* Applies to 'records', which have the part as it was after change *seen, what came
 * since, and sets *seen.  The view may lack rows that end at *seen or before.  False,
 * and nothing done, if the view does not tell: then the part is to be loaded. */
bool feed_follow(const struct feed_view *, uint64_t *seen, struct records *, feed_bad_cb *,
                 void *aux);
/* Adds all of the part to 'records', which have nothing of it; returns whether all
 * could be read. */
bool feed_load(const struct feed_view *, struct records *, feed_bad_cb *, void *aux);

/* --- Writing ------------------------------------------------------------------ */

/* What becomes of the rows that are there when one is appended. */
enum feed_step {
    FEED_KEEP,
    FEED_JOIN, /* The last 'n' of them become one. */
    FEED_FOLD, /* All of them become the base. */
};
enum feed_step feed_step(const struct feed_view *, size_t *n);
/* The lines of the last 'n' rows, which are fresh, packed; the caller frees. */
char *feed_join(const struct feed_view *, size_t n);
/* The new base, packed; NULL if it cannot be made.  Lines that make no sense are left
 * out.  The caller frees. */
char *feed_fold(const struct feed_view *);
/* The base of a part with these records; as above. */
char *feed_pack_part(const struct records *, uint32_t part);

#endif
