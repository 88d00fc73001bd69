/* The text of a URL: percent-decoding, path segments, query parameters. */
#ifndef VIRGA_QUERY_H
#define VIRGA_QUERY_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "openvswitch/shash.h"

/* Decodes "%41" and, with 'plus', '+' as a space.  NULL if malformed or if a
 * NUL byte comes out. */
char *percent_decode(const char *, size_t length, bool plus);

enum { MAX_SEGMENTS = 8 };
struct segments {
    char *a[MAX_SEGMENTS];
    size_t n;
};
/* Splits "/api/v1/pods" (one '/' at the end is no matter).  False if the path
 * is malformed or has too many segments; 'segments' is to be freed anyway. */
bool segments_parse(const char *path, struct segments *);
void segments_uninit(struct segments *);

/* Parameter name to the first value given for it.  False if malformed. */
bool query_parse(const char *, struct shash *);
void query_uninit(struct shash *);
/* "" if absent. */
const char *query_get(const struct shash *, const char *name);
/* Absent, "0" and "false" are false, as in conversions of apimachinery. */
bool query_flag(const struct shash *, const char *name);
/* A number without sign.  False if the text is something else. */
bool parse_uint64(const char *, uint64_t *);

#endif
