/* The REST API: any bytes as requests.  The input is lines
 *
 *    METHOD TARGET CONTENT-TYPE
 *    BODY
 *
 * one pair per request.  Each request gets exactly one whole reply or opens
 * one watch, each reply is JSON or plain text, and no object is stored that
 * the decoders would refuse. */
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/http_message.h"
#include "api/rest.h"
#include "model/field_errors.h"
#include "model/objects.h"
#include "sources/object_store.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct target {
    struct rest *rest;
    uint64_t id;      /* Of the request under way. */
    size_t n_answers; /* To it. */
};

static void
check_reply(struct http_reply *reply, void *target_)
{
    struct target *target = target_;
    bool answers = reply->part == HTTP_WHOLE || reply->part == HTTP_START;
    target->n_answers += answers && reply->id == target->id;
    if (reply->part == HTTP_WHOLE && !strcmp(reply->content_type, "application/json")) {
        json_t *json = json_loadb(reply->body, reply->length, 0, NULL);
        if (!json || reply->code < 200 || reply->code > 599) {
            abort();
        }
        json_decref(json);
    }
    http_reply_destroy(reply);
}

static void
check_event(const struct object_event *event, void *target_)
{
    struct target *target = target_;
    struct field_errors errors;
    field_errors_init(&errors);
    object_validate(event->object, &errors);
    if (errors.n && event->type != OBJECT_DELETED) {
        abort();
    }
    field_errors_uninit(&errors);
    rest_event(target->rest, event);
}

/* Cuts the next word of '*s' off. */
static char *
next_word(char **s)
{
    char *word = strsep(s, " ");
    return xstrdup(word ? word : "");
}

static enum http_method
method_of(const char *word)
{
    static const char *const names[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE" };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (!strcmp(names[i], word)) {
            return i;
        }
    }
    return HTTP_OTHER;
}

static void
send_request(struct target *target, char *line, const char *body, size_t length)
{
    char *method = next_word(&line);
    char *path = next_word(&line);
    char *query = strchr(path, '?');
    if (query) {
        *query++ = '\0';
    }
    struct http_request *request = http_request_create(++target->id, method_of(method), path,
                                                       query ? query : "");
    free(request->content_type);
    request->content_type = next_word(&line);
    request->body = xmemdup0(body, length);
    request->body_length = length;
    target->n_answers = 0;
    rest_handle(target->rest, request);
    if (target->n_answers != 1) {
        abort();
    }
    http_request_destroy(request);
    free(method);
    free(path);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct object_store *objects = object_store_create(4);
    struct target target = { NULL, 0, 0 };
    char *text = xmemdup0((const char *) data, size);
    char *rest_of_text = text;

    target.rest = rest_create(objects, check_reply, &target);
    object_store_set_callback(objects, check_event, &target);
    rest_set_time(target.rest, 0, 0);
    rest_set_serving(target.rest, true);
    for (char *line; (line = strsep(&rest_of_text, "\n"));) {
        char *body = strsep(&rest_of_text, "\n");
        send_request(&target, line, body ? body : "", body ? strlen(body) : 0);
        rest_set_time(target.rest, target.id * 10000, 0);
    }
    rest_destroy(target.rest);
    object_store_destroy(objects);
    free(text);
    return 0;
}
