/* The life of a connection:
 *
 *    accept -> evhttp makes the connection's bufferevent (listener_new_bev)
 *           -> at once after that, connection_adopt() finds evhttp's
 *              connection behind it and watches it until it closes
 *    request complete -> handle_request(): token, then post to the engine;
 *              evhttp reads no more from this connection
 *    reply(s) from the engine -> evhttp writes them
 *    client closes -> connection_closed(): the engine is told if it still
 *              owed a reply
 *
 * evhttp has no cap on connections and tells nobody of a new one; but the
 * argument of the bufferevent's callbacks is its connection, so a callback of
 * higher priority that runs right after the accept can get hold of it.
 *
 * While a request waits for the engine evhttp does not read, so the close of
 * its client shows only when the reply is written.  A watch is being written
 * all its life and notices at once. */
#include "api/http_server.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/http_listen.h"
#include "api/http_message.h"
#include "api/token.h"
#include "hash.h"
#include "openvswitch/hmap.h"
#include "openvswitch/thread.h"
#include "openvswitch/vlog.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(http_server);

enum {
    MAX_CONNECTIONS = 512,
    MAX_HEADERS = 64 * 1024,
    MAX_BODY = 8 * 1024 * 1024,
    MAX_BUFFERED = 16 * 1024 * 1024,
    MAX_BUFFERED_ALL = 64 * 1024 * 1024,
    MAX_UNREAD = 4096, /* What a client may send on top of a watch. */
    IDLE_TIMEOUT = 90,
    BACKLOG = MAX_CONNECTIONS, /* Full, it is an error at once for who may not block. */
    LAST_WORDS_MS = 200,
};
enum { PRIORITY_ADOPT, PRIORITY_NORMAL, N_PRIORITIES };

struct listener {
    struct http_server *server;
    struct evhttp *http;
    bool needs_token;
    size_t n_connections;
};

struct connection {
    struct hmap_node node; /* In server->connections, by evcon. */
    struct listener *listener;
    struct evhttp_connection *evcon;
    struct evhttp_request *request; /* That the engine owes a reply, or NULL. */
    uint64_t id;                    /* Of 'request'. */
    struct hmap_node id_node;       /* In server->pending, if 'request'. */
    bool streams;
};

struct http_server {
    struct event_base *base;
    struct listener unix_listener;
    struct listener tcp_listener;
    char *unix_path;
    char *url;
    char *token;
    size_t max_connections;
    size_t max_body;
    size_t max_buffered, max_buffered_all;
    size_t pushed; /* To watches, since all that waits was last counted. */
    int idle_timeout;

    struct hmap connections;
    struct hmap pending;
    uint64_t last_id;

    struct mailbox *requests; /* To the engine; not ours. */
    struct mailbox *replies;
    struct event *replies_event;
    pthread_t thread;
};

/* A reply with this number ends the thread. */
enum { STOP_ID = 0 };

static const char unauthorized[] = "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},"
                                   "\"status\":\"Failure\",\"message\":\"Unauthorized\","
                                   "\"reason\":\"Unauthorized\",\"code\":401}\n";

/* --- Connections ----------------------------------------------------------- */

static uint32_t
hash_id(uint64_t id)
{
    return hash_uint64(id);
}

static struct connection *
connection_find(struct http_server *server, const struct evhttp_connection *evcon)
{
    struct connection *c;
    HMAP_FOR_EACH_WITH_HASH (c, node, hash_pointer(evcon, 0), &server->connections) {
        if (c->evcon == evcon) {
            return c;
        }
    }
    return NULL;
}

static struct connection *
connection_by_id(struct http_server *server, uint64_t id)
{
    struct connection *c;
    HMAP_FOR_EACH_WITH_HASH (c, id_node, hash_id(id), &server->pending) {
        if (c->id == id) {
            return c;
        }
    }
    return NULL;
}

/* The engine owes nothing more for the connection's request. */
static struct evhttp_request *
connection_release(struct connection *c)
{
    struct evhttp_request *request = c->request;
    if (request) {
        hmap_remove(&c->listener->server->pending, &c->id_node);
        c->request = NULL;
    }
    return request;
}

static void
connection_closed(struct evhttp_connection *evcon OVS_UNUSED, void *c_)
{
    struct connection *c = c_;
    struct http_server *server = c->listener->server;
    struct evhttp_request *request = connection_release(c);

    if (request) {
        struct http_request *note = http_request_create(c->id, HTTP_OTHER, "", "");
        note->closed = true;
        mailbox_post(server->requests, &note->mail);
        /* evhttp leaves a request that it has not answered to us, unless the
         * whole connection is being freed with it. */
        if (!evhttp_request_get_connection(request)) {
            evhttp_request_free(request);
        }
    }
    hmap_remove(&server->connections, &c->node);
    c->listener->n_connections--;
    free(c);
}

struct adoption {
    struct listener *listener;
    struct bufferevent *bev;
};

static void
connection_adopt(evutil_socket_t fd OVS_UNUSED, short what OVS_UNUSED, void *adoption_)
{
    struct adoption *adoption = adoption_;
    struct listener *listener = adoption->listener;
    struct http_server *server = listener->server;
    void *evcon = NULL;

    bufferevent_getcb(adoption->bev, NULL, NULL, NULL, &evcon);
    bufferevent_decref(adoption->bev);
    free(adoption);
    if (!evcon) {
        return;
    }
    if (listener->n_connections >= server->max_connections) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);
        VLOG_WARN_RL(&rl, "%" PRIuSIZE " connections are open, closing a new one",
                     listener->n_connections);
        evhttp_connection_free(evcon);
        return;
    }
    struct connection *c = xzalloc(sizeof *c);
    c->listener = listener;
    c->evcon = evcon;
    hmap_insert(&server->connections, &c->node, hash_pointer(evcon, 0));
    listener->n_connections++;
    evhttp_connection_set_closecb(evcon, connection_closed, c);
}

/* evhttp's callback for a new connection's bufferevent. */
static struct bufferevent *
listener_new_bev(struct event_base *base, void *listener_)
{
    struct bufferevent *bev = bufferevent_socket_new(base, -1, 0);
    struct adoption *adoption = xmalloc(sizeof *adoption);
    struct timeval now = { 0, 0 };

    if (!bev) {
        out_of_memory();
    }
    bufferevent_priority_set(bev, PRIORITY_NORMAL);
    bufferevent_incref(bev);
    *adoption = (struct adoption){ listener_, bev };
    if (event_base_once(base, -1, EV_TIMEOUT, connection_adopt, adoption, &now)) {
        out_of_memory();
    }
    return bev;
}

/* --- Requests -------------------------------------------------------------- */

static enum http_method
method_from_evhttp(enum evhttp_cmd_type type)
{
    switch ((int) type) {
    case EVHTTP_REQ_GET:
        return HTTP_GET;
    case EVHTTP_REQ_HEAD:
        return HTTP_HEAD;
    case EVHTTP_REQ_POST:
        return HTTP_POST;
    case EVHTTP_REQ_PUT:
        return HTTP_PUT;
    case EVHTTP_REQ_PATCH:
        return HTTP_PATCH;
    case EVHTTP_REQ_DELETE:
        return HTTP_DELETE;
    default:
        return HTTP_OTHER;
    }
}

static bool
is_open_path(const char *path)
{
    static const char *const paths[] = { "/healthz", "/livez", "/readyz", "/version" };
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        if (!strcmp(path, paths[i])) {
            return true;
        }
    }
    return false;
}

static void
replace_header(char **value, struct evhttp_request *request, const char *name)
{
    const char *s = evhttp_find_header(evhttp_request_get_input_headers(request), name);
    if (s) {
        free(*value);
        *value = xstrdup(s);
    }
}

static struct http_request *
request_to_message(struct evhttp_request *request, uint64_t id, const char *path)
{
    const char *query = evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request));
    struct http_request *message = http_request_create(
        id, method_from_evhttp(evhttp_request_get_command(request)), path, query ? query : "");
    struct evbuffer *body = evhttp_request_get_input_buffer(request);

    replace_header(&message->content_type, request, "Content-Type");
    replace_header(&message->accept, request, "Accept");
    message->body_length = evbuffer_get_length(body);
    message->body = xmalloc(message->body_length + 1);
    evbuffer_remove(body, message->body, message->body_length);
    return message;
}

static void
add_header(struct evhttp_request *request, const char *name, const char *value)
{
    evhttp_add_header(evhttp_request_get_output_headers(request), name, value);
}

static void
refuse_unauthorized(struct evhttp_request *request)
{
    struct evbuffer *body = evbuffer_new();
    evbuffer_add(body, unauthorized, strlen(unauthorized));
    add_header(request, "Content-Type", "application/json");
    evhttp_send_reply(request, 401, "Unauthorized", body);
    evbuffer_free(body);
}

/* evhttp's callback for a complete request. */
static void
handle_request(struct evhttp_request *request, void *listener_)
{
    struct listener *listener = listener_;
    struct http_server *server = listener->server;
    struct connection *c = connection_find(server, evhttp_request_get_connection(request));
    const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(request));
    const char *authorization = evhttp_find_header(evhttp_request_get_input_headers(request),
                                                   "Authorization");

    ovs_assert(c && !c->request);
    path = path && *path ? path : "/";
    if (listener->needs_token && !is_open_path(path)
        && !token_check(server->token, authorization)) {
        refuse_unauthorized(request);
        return;
    }
    c->request = request;
    c->id = ++server->last_id;
    hmap_insert(&server->pending, &c->id_node, hash_id(c->id));
    mailbox_post(server->requests, &request_to_message(request, c->id, path)->mail);
}

/* --- Replies --------------------------------------------------------------- */

static void
free_body(const void *data OVS_UNUSED, size_t length OVS_UNUSED, void *reply)
{
    http_reply_destroy(reply);
}

/* The reply's body without a copy; the buffer destroys 'reply' when sent. */
static struct evbuffer *
reply_to_buffer(struct http_reply *reply)
{
    struct evbuffer *buffer = evbuffer_new();
    if (reply->length) {
        evbuffer_add_reference(buffer, reply->body, reply->length, free_body, reply);
    } else {
        http_reply_destroy(reply);
    }
    return buffer;
}

static void
add_reply_headers(struct evhttp_request *request, const struct http_reply *reply)
{
    add_header(request, "Cache-Control", "no-cache, private");
    if (reply->content_type) {
        add_header(request, "Content-Type", reply->content_type);
    }
    if (reply->retry_after) {
        char seconds[16];
        snprintf(seconds, sizeof seconds, "%d", reply->retry_after);
        add_header(request, "Retry-After", seconds);
    }
}

/* A watch may be silent for long: only a reader that does not read times out.
 * What the client sends meanwhile is not for us. */
static void
start_stream(struct connection *c, const struct http_reply *reply)
{
    struct bufferevent *bev = evhttp_connection_get_bufferevent(c->evcon);
    struct timeval write_timeout = { c->listener->server->idle_timeout, 0 };

    c->streams = true;
    add_header(c->request, "Connection", "close");
    bufferevent_setwatermark(bev, EV_READ, 0, MAX_UNREAD);
    bufferevent_set_timeouts(bev, NULL, &write_timeout);
    evhttp_send_reply_start(c->request, reply->code, NULL);
}

/* Bytes that the client has not taken yet. */
static size_t
waiting_bytes(const struct connection *c)
{
    struct bufferevent *bev = evhttp_connection_get_bufferevent(c->evcon);
    return evbuffer_get_length(bufferevent_get_output(bev));
}

static void
close_slow(struct connection *c)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);
    VLOG_WARN_RL(&rl, "closing a watch whose client does not keep up");
    evhttp_connection_free(c->evcon);
}

/* All that waits for clients of watches, and the one that most waits for. */
static size_t
waiting_in_all(struct http_server *server, struct connection **slowest)
{
    struct connection *c;
    size_t total = 0, most = 0;
    HMAP_FOR_EACH (c, node, &server->connections) {
        size_t n = c->streams ? waiting_bytes(c) : 0;
        total += n;
        if (n > most) {
            most = n;
            *slowest = c;
        }
    }
    return total;
}

/* Many that are slow must not take together what one may not.  Counts only
 * when enough was pushed since the last time to matter. */
static void
close_slowest(struct http_server *server)
{
    struct connection *slowest = NULL;
    if (server->pushed < server->max_buffered_all / 8) {
        return;
    }
    server->pushed = 0;
    while (waiting_in_all(server, &slowest) > server->max_buffered_all) {
        close_slow(slowest);
    }
}

static void
send_chunk(struct connection *c, struct http_reply *reply)
{
    struct http_server *server = c->listener->server;
    server->pushed += reply->length;
    struct evbuffer *buffer = reply_to_buffer(reply);

    evhttp_send_reply_chunk(c->request, buffer);
    evbuffer_free(buffer);
    if (waiting_bytes(c) > server->max_buffered) {
        close_slow(c);
    }
    close_slowest(server);
}

static void
send_reply(struct http_server *server, struct http_reply *reply)
{
    struct connection *c = connection_by_id(server, reply->id);
    if (!c) {
        http_reply_destroy(reply);
        return;
    }
    switch (reply->part) {
    case HTTP_WHOLE: {
        struct evhttp_request *request = connection_release(c);
        int code = reply->code;
        add_reply_headers(request, reply);
        struct evbuffer *buffer = reply_to_buffer(reply);
        evhttp_send_reply(request, code, NULL, buffer);
        evbuffer_free(buffer);
        break;
    }
    case HTTP_START:
        add_reply_headers(c->request, reply);
        start_stream(c, reply);
        http_reply_destroy(reply);
        break;
    case HTTP_CHUNK:
        send_chunk(c, reply);
        break;
    case HTTP_END:
        evhttp_send_reply_end(connection_release(c));
        http_reply_destroy(reply);
        break;
    }
}

static bool
all_sent(struct http_server *server)
{
    struct connection *c;
    HMAP_FOR_EACH (c, node, &server->connections) {
        struct bufferevent *bev = evhttp_connection_get_bufferevent(c->evcon);
        if (evbuffer_get_length(bufferevent_get_output(bev))) {
            return false;
        }
    }
    return true;
}

static void
handle_replies(evutil_socket_t fd OVS_UNUSED, short what OVS_UNUSED, void *server_)
{
    struct http_server *server = server_;
    struct mail *mail;
    while ((mail = mailbox_take(server->replies))) {
        struct http_reply *reply = CONTAINER_OF(mail, struct http_reply, mail);
        if (reply->id == STOP_ID) {
            struct timeval moment = { 0, all_sent(server) ? 0 : LAST_WORDS_MS * 1000 };
            event_base_loopexit(server->base, &moment);
            http_reply_destroy(reply);
        } else {
            send_reply(server, reply);
        }
    }
}

void
http_server_reply(struct http_server *server, struct http_reply *reply)
{
    mailbox_post(server->replies, &reply->mail);
}

/* --- Listening ------------------------------------------------------------- */

static char *
listener_init(struct listener *listener, struct http_server *server, int fd, bool needs_token)
{
    struct evconnlistener *lev = evconnlistener_new(
        server->base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, BACKLOG, fd);
    if (!lev) {
        char *error = xasprintf("cannot listen: %s", ovs_strerror(errno));
        close(fd);
        return error;
    }
    listener->server = server;
    listener->needs_token = needs_token;
    listener->http = evhttp_new(server->base);
    evhttp_bind_listener(listener->http, lev);
    evhttp_set_bevcb(listener->http, listener_new_bev, listener);
    evhttp_set_gencb(listener->http, handle_request, listener);
    evhttp_set_timeout(listener->http, server->idle_timeout);
    evhttp_set_max_headers_size(listener->http, MAX_HEADERS);
    evhttp_set_max_body_size(listener->http, server->max_body);
    evhttp_set_flags(listener->http, EVHTTP_SERVER_LINGERING_CLOSE);
    evhttp_set_default_content_type(listener->http, NULL);
    /* What is not served gets its 405 from the engine. */
    evhttp_set_allowed_methods(listener->http, UINT16_MAX);
    return NULL;
}

/* Starts to listen where 'config' says. */
static char *
listen_all(struct http_server *server, const struct http_server_config *config)
{
    char *error;
    int fd;
    if (config->unix_path) {
        error = http_listen_unix(config->unix_path, &fd);
        if (error) {
            return error;
        }
        server->unix_path = xstrdup(config->unix_path);
        error = listener_init(&server->unix_listener, server, fd, false);
        if (error) {
            return error;
        }
    }
    if (config->tcp) {
        if (!config->token || !*config->token) {
            return xasprintf("%s: TCP needs a token", config->tcp);
        }
        server->token = xstrdup(config->token);
        error = http_listen_tcp(config->tcp, &fd);
        if (error) {
            return error;
        }
        free(server->url);
        server->url = http_listen_url(fd);
        return listener_init(&server->tcp_listener, server, fd, true);
    }
    return NULL;
}

/* --- Life ------------------------------------------------------------------ */

static void
log_event(int severity, const char *message)
{
    VLOG(severity >= EVENT_LOG_ERR    ? VLL_ERR
         : severity == EVENT_LOG_WARN ? VLL_WARN
                                      : VLL_DBG,
         "libevent: %s", message);
}

static void *
http_thread(void *server_)
{
    struct http_server *server = server_;
    /* This thread uses nothing that RCU protects and sleeps in libevent: it
     * must not hold up the grace periods of others. */
    ovsrcu_quiesce_start();
    event_base_dispatch(server->base);
    return NULL;
}

static void
http_server_free(struct http_server *server)
{
    if (server->unix_listener.http) {
        evhttp_free(server->unix_listener.http);
    }
    if (server->tcp_listener.http) {
        evhttp_free(server->tcp_listener.http);
    }
    ovs_assert(hmap_is_empty(&server->connections));
    hmap_destroy(&server->connections);
    hmap_destroy(&server->pending);
    event_free(server->replies_event);
    event_base_free(server->base);

    struct mail *mail;
    while ((mail = mailbox_take(server->replies))) {
        http_reply_destroy(CONTAINER_OF(mail, struct http_reply, mail));
    }
    mailbox_destroy(server->replies);
    if (server->unix_path) {
        unlink(server->unix_path);
    }
    free(server->unix_path);
    free(server->url);
    free(server->token);
    free(server);
}

char *
http_server_create(const struct http_server_config *config, struct mailbox *requests,
                   struct http_server **serverp)
{
    struct http_server *server = xzalloc(sizeof *server);

    *serverp = NULL;
    event_set_log_callback(log_event);
    server->max_connections = config->max_connections ? config->max_connections : MAX_CONNECTIONS;
    server->max_body = config->max_body ? config->max_body : MAX_BODY;
    server->max_buffered = config->max_buffered ? config->max_buffered : MAX_BUFFERED;
    server->max_buffered_all = config->max_buffered_all ? config->max_buffered_all
                                                        : MAX_BUFFERED_ALL;
    server->idle_timeout = config->idle_timeout ? config->idle_timeout : IDLE_TIMEOUT;
    server->url = xstrdup("");
    hmap_init(&server->connections);
    hmap_init(&server->pending);
    server->requests = requests;
    server->replies = mailbox_create();
    server->base = event_base_new();
    event_base_priority_init(server->base, N_PRIORITIES);
    server->replies_event = event_new(server->base, mailbox_fd(server->replies),
                                      EV_READ | EV_PERSIST, handle_replies, server);
    event_priority_set(server->replies_event, PRIORITY_NORMAL);
    event_add(server->replies_event, NULL);

    char *error = listen_all(server, config);
    if (error) {
        http_server_free(server);
        return error;
    }
    server->thread = ovs_thread_create("http", http_thread, server);
    *serverp = server;
    return NULL;
}

void
http_server_destroy(struct http_server *server)
{
    if (server) {
        http_server_reply(server, http_reply_create(STOP_ID, HTTP_END, 0, NULL, NULL, 0));
        xpthread_join(server->thread, NULL);
        http_server_free(server);
    }
}

const char *
http_server_url(const struct http_server *server)
{
    return server->url;
}
