/* What columns hold: words, numbers, addresses, prefixes, to C and back.
 *
 * Decoders return NULL or a malloc'd message that says what is wrong with the
 * value.  Private to this room. */
#ifndef VIRGA_ROW_VALUES_H
#define VIRGA_ROW_VALUES_H 1

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "base/prefix.h"

/* The index of 'word' in 'words'. */
char *row_word(const char *word, const char *const words[], size_t n, int *value);

/* Sorted; the caller frees. */
uint32_t *row_numbers(const int64_t *, size_t n);
void row_set_numbers(const uint32_t *, size_t n, int64_t **out);

/* Sorts; returns how many are left without duplicates. */
size_t addresses_sort(struct in6_addr *, size_t n);
/* Sorted; the caller frees. */
char *addresses_decode(char *const *texts, size_t n, struct in6_addr **);
/* The same, but the caller frees after an error, too. */
char *prefixes_decode(char *const *texts, size_t n, struct prefix **, size_t *n_prefixes);
char *address_text(const struct in6_addr *);
char *prefix_text(const struct prefix *);

/* Ranges of the schema. */
enum { VNI_MIN = 4096, VNI_MAX = 0xffffff, NETWORK_ZONE_MIN = 16, NETWORK_ZONE_MAX = 65534 };

/* A list of texts for the generated setters. */
struct texts {
    char **a;
    size_t n;
};

struct texts texts_create(size_t n);
struct texts prefix_texts(const struct prefix *, size_t n);
const char **texts_get(const struct texts *);
void texts_destroy(struct texts *);

#endif
