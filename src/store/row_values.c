#include "store/row_values.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "util.h"

char *
row_word(const char *word, const char *const words[], size_t n, int *value)
{
    for (size_t i = 0; i < n; i++) {
        if (!strcmp(word, words[i])) {
            *value = i;
            return NULL;
        }
    }
    return xasprintf("\"%.40s\" is not a known word", word);
}

static int
compare_u32(const void *a_, const void *b_)
{
    const uint32_t *a = a_, *b = b_;
    return *a < *b ? -1 : *a > *b;
}

uint32_t *
row_numbers(const int64_t *in, size_t n)
{
    uint32_t *out = xmalloc(MAX(n, 1) * sizeof *out);

    for (size_t i = 0; i < n; i++) {
        out[i] = in[i];
    }
    qsort(out, n, sizeof *out, compare_u32);
    return out;
}

void
row_set_numbers(const uint32_t *in, size_t n, int64_t **out)
{
    *out = xmalloc(MAX(n, 1) * sizeof **out);
    for (size_t i = 0; i < n; i++) {
        (*out)[i] = in[i];
    }
}

static int
compare_addresses(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct in6_addr));
}

size_t
addresses_sort(struct in6_addr *a, size_t n)
{
    size_t n_unique = 0;

    if (n) {
        qsort(a, n, sizeof *a, compare_addresses);
    }
    for (size_t i = 0; i < n; i++) {
        if (!n_unique || memcmp(&a[n_unique - 1], &a[i], sizeof *a)) {
            a[n_unique++] = a[i];
        }
    }
    return n_unique;
}

char *
addresses_decode(char *const *texts, size_t n, struct in6_addr **addresses)
{
    char *error = NULL;

    *addresses = xmalloc(MAX(n, 1) * sizeof **addresses);
    for (size_t i = 0; i < n && !error; i++) {
        error = addr_parse(texts[i], &(*addresses)[i]);
    }
    if (error) {
        free(*addresses);
        *addresses = NULL;
        return error;
    }
    qsort(*addresses, n, sizeof **addresses, compare_addresses);
    return NULL;
}

static int
compare_prefixes(const void *a, const void *b)
{
    return prefix_compare(a, b);
}

/* Sorted. */
char *
prefixes_decode(char *const *texts, size_t n, struct prefix **prefixes, size_t *n_prefixes)
{
    char *error = NULL;

    *prefixes = xcalloc(MAX(n, 1), sizeof **prefixes);
    for (*n_prefixes = 0; *n_prefixes < n && !error; ++*n_prefixes) {
        error = prefix_parse(texts[*n_prefixes], true, &(*prefixes)[*n_prefixes]);
    }
    qsort(*prefixes, *n_prefixes, sizeof **prefixes, compare_prefixes);
    return error;
}

char *
address_text(const struct in6_addr *a)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    addr_format(a, &ds);
    return ds_steal_cstr(&ds);
}

char *
prefix_text(const struct prefix *p)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    prefix_format(p, &ds);
    return ds_steal_cstr(&ds);
}

struct texts
texts_create(size_t n)
{
    return (struct texts){ xcalloc(MAX(n, 1), sizeof(char *)), n };
}

struct texts
prefix_texts(const struct prefix *prefixes, size_t n)
{
    struct texts t = texts_create(n);

    for (size_t i = 0; i < n; i++) {
        t.a[i] = prefix_text(&prefixes[i]);
    }
    return t;
}

const char **
texts_get(const struct texts *t)
{
    return (const char **) t->a;
}

void
texts_destroy(struct texts *t)
{
    for (size_t i = 0; i < t->n; i++) {
        free(t->a[i]);
    }
    free(t->a);
}
