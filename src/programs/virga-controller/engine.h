/* The controller's engine: objects in, records and durable replies out.
 *
 *    request ─► rest ─► object store ─► event ─► decode ─► compile ─► records
 *                          │              │                             │
 *                          │              └─► watches ─► outbox         │
 *                          ▼                               ▲            ▼
 *                        Object rows ──── one transaction ─┴── Record rows, counters
 *
 * One round handles all requests that wait, compiles once and writes all of
 * it in one transaction; replies and watch events leave when that
 * transaction is durable.  It works only while the store leads:
 *
 *    FOLLOWING ── store leads ──► load all, LEADING ── lost ──► drop all, FOLLOWING
 *
 * Runs in the thread of the OVS poll loop. */
#ifndef VIRGA_ENGINE_H
#define VIRGA_ENGINE_H 1

#include <stdbool.h>

struct compile_config;
struct http_reply;
struct mailbox;
struct simap;
struct store;

/* 'send' gets replies that may leave. */
struct engine *engine_create(struct store *, struct mailbox *requests,
                             const struct compile_config *,
                             void (*send)(struct http_reply *take, void *aux), void *aux);
void engine_destroy(struct engine *);
void engine_run(struct engine *);
void engine_wait(struct engine *);

bool engine_is_leading(const struct engine *);
/* Compares the records with those of a full computation; NULL, or a malloc'd
 * description of the first difference. */
char *engine_check(const struct engine *);
void engine_get_memory_usage(const struct engine *, struct simap *);

#endif
