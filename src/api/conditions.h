/* Problems of the compiler as status conditions of the objects concerned:
 *
 *    {"type": "virga.dev/NetworkReady", "status": "False", "reason": ...,
 *     "message": ..., "lastTransitionTime": ...}
 *
 * When the problem is gone the condition turns "True"; an object that never
 * had one gets none, to keep writes low, unless it is of virga.dev: these say
 * that they were taken up.  One log line per new problem. */
#ifndef VIRGA_CONDITIONS_H
#define VIRGA_CONDITIONS_H 1

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct compile_problem;
struct object_event;
struct object_store;

#define CONDITION_NETWORK_READY "virga.dev/NetworkReady"

struct conditions;
/* Looks for conditions of an earlier life in the store's objects. */
struct conditions *conditions_create(struct object_store *);
void conditions_destroy(struct conditions *);

/* An object of any kind came, changed or went. */
void conditions_note(struct conditions *, const struct object_event *);

/* Brings the objects up to date with all the problems there are; 'wall' in ms
 * since 1970.  Writes only what differs. */
void conditions_update(struct conditions *, const struct compile_problem *, size_t n,
                       long long wall);

/* The same for the objects of 'keys' alone: every one that was written or whose
 * problem changed since the last update.  'compile' knows the problems. */
struct compile;
struct sset;
void conditions_update_some(struct conditions *, const struct sset *keys, const struct compile *,
                            long long wall);
/* What such keys are, malloc'd; also of compile's problems. */
struct resource_kind;
char *conditions_key(const struct resource_kind *, const char *ns, const char *name);

/* A copy of 'object' with a condition set in status.conditions; NULL if it
 * says just that already. */
json_t *condition_apply(const json_t *object, const char *type, bool status, const char *reason,
                        const char *message, long long wall);

/* The same of a condition that is about one state of the object's spec: its
 * metadata.generation. */
json_t *condition_apply_observed(const json_t *object, const char *type, bool status,
                                 const char *reason, const char *message, long long wall,
                                 int64_t generation);

#endif
