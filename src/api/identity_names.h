/* Names of identities, also of those that are gone: counters outlive the
 * classes that they counted, and a number tells a person nothing.
 *
 * Remembers every identity that this controller has seen while it leads, up
 * to a cap; a later controller knows only what there is then. */
#ifndef VIRGA_IDENTITY_NAMES_H
#define VIRGA_IDENTITY_NAMES_H 1

#include <stdint.h>

struct records;

enum { IDENTITY_NAMES_MAX = 65536 };

struct identity_names;
/* Knows the identities of 'records' from the start. */
struct identity_names *identity_names_create(const struct records *);
void identity_names_destroy(struct identity_names *);

/* Takes in the identities in the change log of 'records'. */
void identity_names_update(struct identity_names *, const struct records *);

/* "shop{role=db}", or NULL. */
const char *identity_names_find(const struct identity_names *, uint32_t identity);

#endif
