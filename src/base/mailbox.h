/* Owned messages from one thread to another, with a wake-up descriptor.
 *
 * A message is a structure with a 'struct mail' first.  Posting hands it over:
 * the sender must not touch it again.  The receiver polls the descriptor, in
 * OVS's poll loop by mailbox_wait() or in libevent as a readable event, and
 * takes messages in the order in which they were posted.  Any thread may
 * post; one thread takes. */
#ifndef VIRGA_MAILBOX_H
#define VIRGA_MAILBOX_H 1

#include <stddef.h>

struct mail {
    struct mail *next;
};

struct mailbox;
struct mailbox *mailbox_create(void);
/* The mailbox must be empty: what is left in it belongs to nobody. */
void mailbox_destroy(struct mailbox *);

void mailbox_post(struct mailbox *, struct mail *take);
/* The oldest message, now the caller's; NULL if there is none. */
struct mail *mailbox_take(struct mailbox *);
/* Posted and not yet taken. */
size_t mailbox_depth(struct mailbox *);

/* Readable while messages may be waiting. */
int mailbox_fd(const struct mailbox *);
/* Makes poll_block() return when a message waits. */
void mailbox_wait(struct mailbox *);

#endif
