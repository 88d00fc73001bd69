/* See outbox.h. */
#include "programs/virga-controller/outbox.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "api/http_message.h"
#include "api/status.h"
#include "openvswitch/list.h"
#include "util.h"

struct held {
    struct ovs_list node;
    struct http_reply *reply;
    bool sealed;
    uint64_t ticket;
};

struct outbox {
    void (*send)(struct http_reply *, void *);
    void *aux;
    struct ovs_list held;
    size_t n;
    size_t n_sealed; /* The first ones. */
};

struct outbox *
outbox_create(void (*send)(struct http_reply *, void *), void *aux)
{
    struct outbox *outbox = xzalloc(sizeof *outbox);
    outbox->send = send;
    outbox->aux = aux;
    ovs_list_init(&outbox->held);
    return outbox;
}

/* Removes the oldest; its reply is the caller's. */
static struct http_reply *
pop(struct outbox *outbox)
{
    struct held *held = CONTAINER_OF(ovs_list_pop_front(&outbox->held), struct held, node);
    struct http_reply *reply = held->reply;
    outbox->n--;
    outbox->n_sealed -= held->sealed;
    free(held);
    return reply;
}

void
outbox_destroy(struct outbox *outbox)
{
    if (outbox) {
        while (outbox->n) {
            http_reply_destroy(pop(outbox));
        }
        free(outbox);
    }
}

void
outbox_put(struct outbox *outbox, struct http_reply *reply)
{
    if (reply->urgent) {
        outbox->send(reply, outbox->aux);
        return;
    }
    struct held *held = xzalloc(sizeof *held);
    held->reply = reply;
    ovs_list_push_back(&outbox->held, &held->node);
    outbox->n++;
}

void
outbox_seal(struct outbox *outbox, uint64_t ticket)
{
    struct held *held;
    if (outbox->n_sealed == outbox->n) {
        return;
    }
    LIST_FOR_EACH_REVERSE(held, node, &outbox->held)
    {
        if (held->sealed) {
            break;
        }
        held->sealed = true;
        held->ticket = ticket;
    }
    outbox->n_sealed = outbox->n;
}

bool
outbox_may_release(const struct outbox *outbox, uint64_t committed)
{
    if (!outbox->n) {
        return false;
    }
    const struct held *first = CONTAINER_OF(ovs_list_front(&outbox->held), struct held, node);
    return first->sealed && first->ticket <= committed;
}

void
outbox_release(struct outbox *outbox, uint64_t committed)
{
    while (outbox_may_release(outbox, committed)) {
        outbox->send(pop(outbox), outbox->aux);
    }
}

static struct http_reply *
unavailable(uint64_t id)
{
    json_t *status = status_unavailable("the database was lost while this was written; whether it "
                                        "was is not known",
                                        1);
    char *body = json_dumps(status, JSON_COMPACT);
    struct http_reply *reply = http_reply_create(id, HTTP_WHOLE, 503, "application/json", body,
                                                 strlen(body));
    reply->retry_after = status_retry_after(status);
    json_decref(status);
    return reply;
}

void
outbox_fail(struct outbox *outbox)
{
    while (outbox->n) {
        struct http_reply *reply = pop(outbox);
        enum http_part part = reply->part;
        uint64_t id = reply->id;
        if (part == HTTP_END) {
            outbox->send(reply, outbox->aux);
            continue;
        }
        http_reply_destroy(reply);
        if (part == HTTP_WHOLE || part == HTTP_START) {
            outbox->send(unavailable(id), outbox->aux);
        }
    }
}

size_t
outbox_depth(const struct outbox *outbox)
{
    return outbox->n;
}
