/* A list under a mutex and an eventfd that is readable while the list is not
 * empty.  The descriptor is written when the list stops being empty and read
 * when the last message is taken, both under the mutex, so that it never
 * disagrees with the list and a burst of messages costs two system calls. */
#include "base/mailbox.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "openvswitch/poll-loop.h"
#include "openvswitch/thread.h"
#include "util.h"

struct mailbox {
    struct ovs_mutex mutex;
    struct mail *first;
    struct mail **last;
    size_t depth;
    int fd;
};

struct mailbox *
mailbox_create(void)
{
    struct mailbox *box = xzalloc(sizeof *box);
    ovs_mutex_init(&box->mutex);
    box->last = &box->first;
    box->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (box->fd < 0) {
        ovs_fatal(errno, "eventfd failed");
    }
    return box;
}

void
mailbox_destroy(struct mailbox *box)
{
    if (box) {
        ovs_assert(!box->first);
        close(box->fd);
        ovs_mutex_destroy(&box->mutex);
        free(box);
    }
}

static void
raise_fd(struct mailbox *box)
{
    uint64_t one = 1;
    while (write(box->fd, &one, sizeof one) < 0 && errno == EINTR) {
        continue;
    }
}

static void
lower_fd(struct mailbox *box)
{
    uint64_t count;
    while (read(box->fd, &count, sizeof count) < 0 && errno == EINTR) {
        continue;
    }
}

void
mailbox_post(struct mailbox *box, struct mail *mail)
{
    mail->next = NULL;
    ovs_mutex_lock(&box->mutex);
    if (!box->first) {
        raise_fd(box);
    }
    *box->last = mail;
    box->last = &mail->next;
    box->depth++;
    ovs_mutex_unlock(&box->mutex);
}

struct mail *
mailbox_take(struct mailbox *box)
{
    ovs_mutex_lock(&box->mutex);
    struct mail *mail = box->first;
    if (mail) {
        box->first = mail->next;
        box->depth--;
        if (!box->first) {
            box->last = &box->first;
            lower_fd(box);
        }
    }
    ovs_mutex_unlock(&box->mutex);
    if (mail) {
        mail->next = NULL;
    }
    return mail;
}

size_t
mailbox_depth(struct mailbox *box)
{
    ovs_mutex_lock(&box->mutex);
    size_t depth = box->depth;
    ovs_mutex_unlock(&box->mutex);
    return depth;
}

int
mailbox_fd(const struct mailbox *box)
{
    return box->fd;
}

void
mailbox_wait(struct mailbox *box)
{
    poll_fd_wait(box->fd, POLLIN);
}
