/* Order, ownership and wake-up of mailbox.h, within and between threads. */
#include "base/mailbox.h"

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/test.h"
#include "openvswitch/poll-loop.h"

struct note {
    struct mail mail;
    int sender;
    int number;
};

static void
post(struct mailbox *box, int sender, int number)
{
    struct note *note = malloc(sizeof *note);
    *note = (struct note){ .sender = sender, .number = number };
    mailbox_post(box, &note->mail);
}

static bool
is_readable(struct mailbox *box)
{
    struct pollfd pfd = { .fd = mailbox_fd(box), .events = POLLIN };
    return poll(&pfd, 1, 0) == 1;
}

static void
test_order_and_descriptor(void **state)
{
    (void) state;
    struct mailbox *box = mailbox_create();
    assert_null(mailbox_take(box));
    assert_false(is_readable(box));

    for (int i = 0; i < 3; i++) {
        post(box, 0, i);
    }
    assert_int_equal(mailbox_depth(box), 3);
    for (int i = 0; i < 3; i++) {
        assert_true(is_readable(box));
        struct note *note = (struct note *) mailbox_take(box);
        assert_int_equal(note->number, i);
        free(note);
    }
    assert_false(is_readable(box));
    assert_int_equal(mailbox_depth(box), 0);

    /* It wakes again after it was drained. */
    post(box, 0, 9);
    assert_true(is_readable(box));
    free(mailbox_take(box));
    mailbox_destroy(box);
}

enum { N_SENDERS = 4, N_NOTES = 5000 };

struct sender {
    struct mailbox *box;
    int id;
};

static void *
send_notes(void *sender_)
{
    struct sender *sender = sender_;
    for (int i = 0; i < N_NOTES; i++) {
        post(sender->box, sender->id, i);
    }
    return NULL;
}

/* Nothing is lost, each sender's messages keep their order, and the receiver
 * that only looks when it is woken gets all of them. */
static void
test_threads(void **state)
{
    (void) state;
    struct mailbox *box = mailbox_create();
    struct sender senders[N_SENDERS];
    pthread_t threads[N_SENDERS];
    int next[N_SENDERS] = { 0 };

    for (int i = 0; i < N_SENDERS; i++) {
        senders[i] = (struct sender){ box, i };
        assert_int_equal(pthread_create(&threads[i], NULL, send_notes, &senders[i]), 0);
    }
    for (int n = 0; n < N_SENDERS * N_NOTES;) {
        mailbox_wait(box);
        poll_block();
        for (struct note *note; (note = (struct note *) mailbox_take(box)); n++) {
            assert_int_equal(note->number, next[note->sender]++);
            free(note);
        }
    }
    for (int i = 0; i < N_SENDERS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(next[i], N_NOTES);
    }
    assert_null(mailbox_take(box));
    mailbox_destroy(box);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_descriptor),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
