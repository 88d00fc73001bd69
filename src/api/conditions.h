/* Problems of the compiler as status conditions of the objects concerned:
 *
 *    {"type": "virga.dev/NetworkReady", "status": "False", "reason": ...,
 *     "message": ..., "lastTransitionTime": ...}
 *
 * When the problem is gone the condition turns "True"; an object that never
 * had one gets none, to keep writes low, unless it is of virga.dev: these say
 * that they were taken up.  One log line per new problem.
 *
 * Objects wait to be looked at, and some of them are at a time: when all nodes of
 * a large cluster fall silent, each of their pods has a problem, and who asks the
 * controller something must not wait for all of these. */
#ifndef VIRGA_CONDITIONS_H
#define VIRGA_CONDITIONS_H 1

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct compile_problem;
struct object_event;
struct object_store;
struct resource_kind;
struct sset;

#define CONDITION_NETWORK_READY "virga.dev/NetworkReady"

struct conditions;
/* Objects that an earlier life left with a problem or without its greeting wait from
 * the beginning. */
struct conditions *conditions_create(struct object_store *);
void conditions_destroy(struct conditions *);

/* An object of any kind came, changed or went: it waits. */
void conditions_note(struct conditions *, const struct object_event *);
/* So do the objects of 'keys', "KIND/NAMESPACE/NAME" as of compile's problems;
 * every one whose problem changed. */
void conditions_look_at(struct conditions *, const struct sset *keys);

/* What is wrong with the object of a key; NULL: nothing. */
typedef const struct compile_problem *conditions_find_cb(const void *aux, const char *key);
/* Brings objects that wait up to date, until 'max' have been written or some thousands
 * looked at; 'wall' in ms since 1970.  Writes only what differs.  Returns how many. */
size_t conditions_run(struct conditions *, size_t max, conditions_find_cb *, const void *aux,
                      long long wall);
bool conditions_wait(const struct conditions *); /* Do some wait? */

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
