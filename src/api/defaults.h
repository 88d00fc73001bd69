/* What an API server fills in before it validates and stores an object. */
#ifndef VIRGA_DEFAULTS_H
#define VIRGA_DEFAULTS_H 1

#include <jansson.h>

struct resource_kind;

/* For every write: a namespace's name label, policyTypes and the protocol of
 * ports of a NetworkPolicy but net.alpha's, which are kept as they come. */
void defaults_apply(const struct resource_kind *, json_t *object);

/* Only when created: the status is the server's to say (a node's is taken as
 * it comes), a namespace is Active, a pod Pending. */
void defaults_for_create(const struct resource_kind *, json_t *object);

#endif
