/* See http_message.h. */
#include "api/http_message.h"

#include <stdlib.h>
#include <string.h>

#include "util.h"

struct http_request *
http_request_create(uint64_t id, enum http_method method, const char *path, const char *query)
{
    struct http_request *request = xzalloc(sizeof *request);
    request->id = id;
    request->method = method;
    request->path = xstrdup(path);
    request->query = xstrdup(query);
    request->content_type = xstrdup("");
    request->accept = xstrdup("");
    return request;
}

void
http_request_destroy(struct http_request *request)
{
    if (request) {
        free(request->path);
        free(request->query);
        free(request->content_type);
        free(request->accept);
        free(request->body);
        free(request);
    }
}

struct http_reply *
http_reply_create(uint64_t id, enum http_part part, int code, const char *content_type, char *body,
                  size_t length)
{
    struct http_reply *reply = xzalloc(sizeof *reply);
    reply->id = id;
    reply->part = part;
    reply->code = code;
    reply->content_type = content_type;
    reply->body = body;
    reply->length = length;
    return reply;
}

struct http_reply *
http_reply_text(uint64_t id, int code, const char *text)
{
    return http_reply_create(id, HTTP_WHOLE, code, "text/plain; charset=utf-8", xstrdup(text),
                             strlen(text));
}

void
http_reply_destroy(struct http_reply *reply)
{
    if (reply) {
        free(reply->body);
        free(reply);
    }
}
