/* What the tests of the REST API share: an object store in memory, the API
 * over it, and requests in one line. */
#ifndef VIRGA_REST_FIXTURE_H
#define VIRGA_REST_FIXTURE_H 1

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/http_message.h"
#include "api/rest.h"
#include "base/test.h"
#include "openvswitch/dynamic-string.h"
#include "sources/object_store.h"
#include "util.h"

/* --- The fixture: a store, an API, and the replies it makes ------------------- */

enum { MAX_REPLIES = 256 };

struct fixture {
    struct object_store *objects;
    struct rest *rest;
    struct http_reply *replies[MAX_REPLIES];
    size_t n;
    uint64_t last_id;
    long long now;
};

static inline void
take_reply(struct http_reply *reply, void *f_)
{
    struct fixture *f = f_;
    assert_true(f->n < MAX_REPLIES);
    f->replies[f->n++] = reply;
}

static inline void
object_changed(const struct object_event *event, void *f_)
{
    struct fixture *f = f_;
    rest_event(f->rest, event);
}

static inline struct fixture *
fixture_create(size_t window)
{
    struct fixture *f = xzalloc(sizeof *f);
    f->objects = object_store_create(window);
    f->rest = rest_create(f->objects, take_reply, f);
    object_store_set_callback(f->objects, object_changed, f);
    rest_set_time(f->rest, f->now, 1795200000000LL);
    rest_set_serving(f->rest, true);
    return f;
}

static inline void
fixture_destroy(struct fixture *f)
{
    for (size_t i = 0; i < f->n; i++) {
        http_reply_destroy(f->replies[i]);
    }
    rest_destroy(f->rest);
    object_store_destroy(f->objects);
    free(f);
}

static inline enum http_method
parse_method(const char *s)
{
    static const char *const names[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE" };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (!strcmp(s, names[i])) {
            return i;
        }
    }
    return HTTP_OTHER;
}

/* 'line' is "METHOD PATH[?QUERY]".  Returns the request's number. */
static inline uint64_t
send_typed(struct fixture *f, const char *line, const char *type, const char *body)
{
    char method[16], target[4096];
    assert_int_equal(sscanf(line, "%15s %4095s", method, target), 2);
    char *query = strchr(target, '?');
    if (query) {
        *query++ = '\0';
    }
    struct http_request *request = http_request_create(++f->last_id, parse_method(method), target,
                                                       query ? query : "");
    free(request->content_type);
    request->content_type = xstrdup(type);
    if (body) {
        request->body = xstrdup(body);
        request->body_length = strlen(body);
    }
    rest_handle(f->rest, request);
    http_request_destroy(request);
    return f->last_id;
}

/* The oldest reply. */
static inline struct http_reply *
next_reply(struct fixture *f)
{
    assert_true(f->n > 0);
    struct http_reply *reply = f->replies[0];
    memmove(&f->replies[0], &f->replies[1], --f->n * sizeof f->replies[0]);
    return reply;
}

static inline json_t *
parse_body(const struct http_reply *reply)
{
    json_error_t error;
    json_t *json = json_loadb(reply->body, reply->length, 0, &error);
    if (!json) {
        fail_msg("%s in: %.*s", error.text, (int) reply->length, reply->body);
    }
    return json;
}

/* A request with one whole reply. */
static inline json_t *
do_typed(struct fixture *f, const char *line, const char *type, const char *body, int code)
{
    uint64_t id = send_typed(f, line, type, body);
    assert_int_equal(f->n, 1);
    struct http_reply *reply = next_reply(f);
    assert_int_equal(reply->id, id);
    assert_int_equal(reply->part, HTTP_WHOLE);
    if (reply->code != code) {
        fail_msg("%s: %d instead of %d: %.*s", line, reply->code, code, (int) reply->length,
                 reply->body);
    }
    json_t *json = parse_body(reply);
    http_reply_destroy(reply);
    return json;
}

static inline json_t *
do_request(struct fixture *f, const char *line, const char *body, int code)
{
    return do_typed(f, line, "application/json", body, code);
}

static inline void
expect(struct fixture *f, const char *line, const char *body, int code)
{
    json_decref(do_request(f, line, body, code));
}

/* The value at "spec.ingress.0.ports", or NULL. */
static inline const json_t *
at(const json_t *json, const char *path)
{
    while (json && *path) {
        size_t length = strcspn(path, "/");
        char *key = xmemdup0(path, length);
        json = json_is_array(json) ? json_array_get(json, strtoul(key, NULL, 10))
                                   : json_object_get(json, key);
        free(key);
        path += length;
        path += *path == '/';
    }
    return json;
}

static inline const char *
string_at(const json_t *json, const char *path)
{
    const char *s = json_string_value(at(json, path));
    return s ? s : "(absent)";
}

#define assert_at(JSON, PATH, TEXT) assert_string_equal(string_at(JSON, PATH), TEXT)

#define NS_X "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"x\"}}"
#define POD(NAME, MORE)                                                                \
    "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"" NAME "\"" MORE \
    "},\"spec\":{\"nodeName\":\"node-1\",\"containers\":[{\"name\":\"c\"}]}}"
#define POLICY(NAME, SPEC)                                                               \
    "{\"apiVersion\":\"networking.k8s.io/v1\",\"kind\":\"NetworkPolicy\",\"metadata\":{" \
    "\"name\":\"" NAME "\"},\"spec\":" SPEC "}"
#define PODS "/api/v1/namespaces/x/pods"
#define POLICIES "/apis/networking.k8s.io/v1/namespaces/x/networkpolicies"

static inline struct fixture *
fixture_with_namespace(void)
{
    struct fixture *f = fixture_create(0);
    expect(f, "POST /api/v1/namespaces", NS_X, 201);
    return f;
}

static inline size_t
count_items(struct fixture *f, const char *line)
{
    json_t *json = do_request(f, line, NULL, 200);
    size_t n = json_array_size(at(json, "items"));
    json_decref(json);
    return n;
}

#endif
