/* What rows of the feed hold: changes of records, as lines of text.
 *
 *   RECORD                            is, or becomes, what record_format() says
 *   -KIND KEY                         is gone
 *   ~set KEY [add=A,B] [remove=C,D]   a set whose members changed, and nothing else
 *
 * Lines are applied in order.  All of them say what is so afterwards, so lines that
 * were applied before may be applied again, from any of them on.  (A set of which a line
 * says that members changed may then be one that a later line removes: it is not there,
 * and that is no mistake.)  Pure. */
#ifndef VIRGA_FEED_TEXT_H
#define VIRGA_FEED_TEXT_H 1

#include "base/records.h"

/* Records of all kinds but nodes are spread over so many parts by kind and key. */
enum { FEED_PARTS = 128 };
uint32_t feed_part(enum record_kind, uint32_t key);

/* Adds the line, with its newline, that turns 'before' into 'now'; NULL: no record. */
void feed_text_put(struct ds *, enum record_kind, uint32_t key, const struct record *now,
                   const struct record *before);

/* Applies the lines, which are to be of the part.  One that makes no sense changes
 * nothing and is reported; returns whether there was none. */
typedef void feed_bad_cb(void *aux, const char *message);
bool feed_text_apply(const char *text, uint32_t part, struct records *, feed_bad_cb *, void *aux);

/* Text small: "LENGTH:BASE64", base64 (RFC 4648) of zlib's form (RFC 1950) of LENGTH
 * bytes; "" for "".  feed_pack() returns NULL if 'text' is longer than FEED_TEXT_MAX;
 * feed_unpack() returns NULL and a malloc'd *error if that is not what it is given. */
enum { FEED_TEXT_MAX = 64 << 20 };
char *feed_pack(const char *text);
char *feed_unpack(const char *packed, char **error);

#endif
