/* The controller's HTTP/1.1 listeners: transport and nothing else.
 *
 * A thread of its own runs libevent's evhttp.  It hands each request to the
 * engine as a message (http_message.h) and sends what the engine replies; it
 * knows no resource.  The engine never waits for it, and it never waits for
 * the engine.  A unix socket (mode 0600) needs no token, TCP on loopback
 * does, but for /healthz, /livez, /readyz and /version.
 *
 * Caps: connections per listener (more are closed at once), bytes of headers
 * and body (413), bytes that a watch may have waiting for a slow reader (the
 * connection is closed), seconds that a connection may idle. */
#ifndef VIRGA_HTTP_SERVER_H
#define VIRGA_HTTP_SERVER_H 1

#include <stddef.h>

struct http_reply;
struct http_server;
struct mailbox;

struct http_server_config {
    const char *unix_path;  /* NULL: no unix socket. */
    const char *tcp;        /* "127.0.0.1:PORT", port 0: any; NULL: no TCP. */
    const char *token;      /* For TCP. */
    size_t max_connections; /* Per listener; 0: 512. */
    size_t max_body;        /* Bytes; 0: 8 MiB. */
    size_t max_buffered;    /* Bytes per watch; 0: 16 MiB. */
    /* Bytes of all watches together; 0: 64 MiB.  Then the slowest is closed. */
    size_t max_buffered_all;
    int idle_timeout; /* Seconds; 0: 90. */
};

/* Listens, then starts the thread, which posts requests to 'requests'.
 * Returns NULL and sets *server, or a malloc'd message. */
char *http_server_create(const struct http_server_config *, struct mailbox *requests,
                         struct http_server **server) __attribute__((warn_unused_result));
/* Sends what was replied so far, within a moment, and ends the thread. */
void http_server_destroy(struct http_server *);

/* "http://127.0.0.1:PORT", or "" without TCP. */
const char *http_server_url(const struct http_server *);

/* Takes the reply.  Replies to a request whose client is gone are dropped. */
void http_server_reply(struct http_server *, struct http_reply *);

#endif
