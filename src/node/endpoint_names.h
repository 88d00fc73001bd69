/* Who has an address, by name, for people.
 *
 * Looks at the records when asked first and then once a second at most while
 * they change, so that it costs nothing where nobody asks.  Between two looks an
 * endpoint may be missing; a wrong one is never told. */
#ifndef VIRGA_ENDPOINT_NAMES_H
#define VIRGA_ENDPOINT_NAMES_H 1

#include "base/records.h"

/* 'records' must outlive this. */
struct endpoint_names *endpoint_names_create(const struct records *);
void endpoint_names_destroy(struct endpoint_names *);
/* The records changed. */
void endpoint_names_changed(struct endpoint_names *);
/* NULL: no endpoint, as far as is known.  'now' in ms. */
const struct rec_endpoint *endpoint_names_find(struct endpoint_names *, const struct in6_addr *,
                                               long long int now);

#endif
