/* What the HTTP thread and the engine thread say to each other.
 *
 * Each message is owned by whoever holds it and travels by mailbox.  A request
 * has a number; the replies to it carry that number.  A request is answered
 * by one HTTP_WHOLE, or by HTTP_START, any number of HTTP_CHUNK and HTTP_END. */
#ifndef VIRGA_HTTP_MESSAGE_H
#define VIRGA_HTTP_MESSAGE_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mailbox.h"

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_PATCH,
    HTTP_DELETE,
    HTTP_OTHER,
};

struct http_request {
    struct mail mail;
    uint64_t id;
    bool closed; /* The client of request 'id' went away; nothing else is set. */
    enum http_method method;
    char *path;         /* As sent, percent-encoded. */
    char *query;        /* After '?', percent-encoded; "" if none. */
    char *content_type; /* "" if absent. */
    char *accept;       /* "" if absent. */
    char *body;         /* Not terminated; may hold any byte. */
    size_t body_length;
};

enum http_part { HTTP_WHOLE, HTTP_START, HTTP_CHUNK, HTTP_END };

struct http_reply {
    struct mail mail;
    uint64_t id;
    enum http_part part;
    int code;                 /* HTTP_WHOLE and HTTP_START. */
    const char *content_type; /* A constant. */
    int retry_after;          /* Seconds; 0: no such header. */
    bool urgent;              /* Says nothing of objects: need not wait until they are durable. */
    char *body;               /* HTTP_WHOLE and HTTP_CHUNK. */
    size_t length;
};

struct http_request *http_request_create(uint64_t id, enum http_method, const char *path,
                                         const char *query);
void http_request_destroy(struct http_request *);

/* Takes 'body'. */
struct http_reply *http_reply_create(uint64_t id, enum http_part, int code,
                                     const char *content_type, char *body, size_t length);
/* With a copy of a string as the body. */
struct http_reply *http_reply_text(uint64_t id, int code, const char *text);
void http_reply_destroy(struct http_reply *);

#endif
