/* Replies that wait until what they speak of is durable.
 *
 * Replies leave in the order in which they were made.  A reply is made before
 * the ticket of the transaction that carries its changes is known for sure,
 * so tickets are given to all new replies at once, after the puts of a round. */
#ifndef VIRGA_OUTBOX_H
#define VIRGA_OUTBOX_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_reply;

struct outbox;
struct outbox *outbox_create(void (*send)(struct http_reply *take, void *aux), void *aux);
void outbox_destroy(struct outbox *);

void outbox_put(struct outbox *, struct http_reply *take);
/* New replies may leave when 'ticket' is committed. */
void outbox_seal(struct outbox *, uint64_t ticket);
/* Sends what may leave. */
void outbox_release(struct outbox *, uint64_t committed);
/* Whether outbox_release() would send something. */
bool outbox_may_release(const struct outbox *, uint64_t committed);
/* What has not left never will: its requests get 503 instead, its watches
 * end. */
void outbox_fail(struct outbox *);
size_t outbox_depth(const struct outbox *);

#endif
