/* See query.h. */
#include "api/query.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "util.h"

char *
percent_decode(const char *s, size_t length, bool plus)
{
    char *out = xmalloc(length + 1);
    size_t n = 0;
    for (size_t i = 0; i < length; i++) {
        char c = s[i];
        if (c == '%') {
            bool ok = i + 2 < length;
            c = ok ? (char) hexits_value(&s[i + 1], 2, &ok) : '\0';
            if (!ok) {
                free(out);
                return NULL;
            }
            i += 2;
        } else if (c == '+' && plus) {
            c = ' ';
        }
        if (!c) {
            free(out);
            return NULL;
        }
        out[n++] = c;
    }
    out[n] = '\0';
    return out;
}

bool
segments_parse(const char *path, struct segments *segments)
{
    memset(segments, 0, sizeof *segments);
    while (*path == '/') {
        path++;
        size_t length = strcspn(path, "/");
        if (!length && !*path) {
            return true;
        }
        if (!length || segments->n >= MAX_SEGMENTS) {
            return false;
        }
        char *segment = percent_decode(path, length, false);
        if (!segment) {
            return false;
        }
        segments->a[segments->n++] = segment;
        path += length;
    }
    return !*path;
}

void
segments_uninit(struct segments *segments)
{
    for (size_t i = 0; i < segments->n; i++) {
        free(segments->a[i]);
    }
}

bool
query_parse(const char *s, struct shash *query)
{
    shash_init(query);
    while (*s) {
        size_t length = strcspn(s, "&");
        const char *equals = memchr(s, '=', length);
        size_t name_length = equals ? (size_t) (equals - s) : length;
        char *name = percent_decode(s, name_length, true);
        char *value = equals ? percent_decode(equals + 1, length - name_length - 1, true)
                             : xstrdup("");
        if (!name || !value) {
            free(name);
            free(value);
            return false;
        }
        if (!shash_add_once(query, name, value)) {
            free(value);
        }
        free(name);
        s += length;
        s += *s == '&';
    }
    return true;
}

void
query_uninit(struct shash *query)
{
    shash_destroy_free_data(query);
}

const char *
query_get(const struct shash *query, const char *name)
{
    const char *value = shash_find_data(query, name);
    return value ? value : "";
}

bool
query_flag(const struct shash *query, const char *name)
{
    const char *value = shash_find_data(query, name);
    return value && strcmp(value, "0") && strcasecmp(value, "false");
}

bool
parse_uint64(const char *s, uint64_t *value)
{
    uint64_t n = 0;
    if (!*s) {
        return false;
    }
    for (; *s; s++) {
        unsigned int digit = (unsigned char) *s - '0';
        if (digit > 9 || n > (UINT64_MAX - digit) / 10) {
            return false;
        }
        n = n * 10 + digit;
    }
    *value = n;
    return true;
}
