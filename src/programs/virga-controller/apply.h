/* Objects as the compiler takes them: decodes one and sets it. */
#ifndef VIRGA_APPLY_H
#define VIRGA_APPLY_H 1

#include <jansson.h>

struct compile;
struct resource_kind;

/* An object that cannot be decoded (the API would have refused it) counts as
 * absent, and is logged. */
void apply_object(struct compile *, const struct resource_kind *, const json_t *);
void apply_deletion(struct compile *, const struct resource_kind *, const char *ns,
                    const char *name);

#endif
