/* Names of pods as labels, for groups that list pods by name.
 *
 * To the compiler the name of a pod is a label "pod:NAME" without value, which
 * that pod alone has, so that a class splits only where a name is in use.  See
 * named_port.h, whose labels are of the same sort. */
#ifndef VIRGA_POD_NAME_H
#define VIRGA_POD_NAME_H 1

#include <stdbool.h>

struct selector;

/* Interned. */
const char *pod_name_key(const char *name);
bool pod_name_is_key(const char *key);
/* Whether it is the key of the pod of this name. */
bool pod_name_has_key(const char *name, const char *key);

/* '*dst' becomes the pods of this name. */
void pod_name_select(struct selector *dst, const char *name);

#endif
