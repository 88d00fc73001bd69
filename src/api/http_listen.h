/* Bound, non-blocking sockets for http_server.c: a unix socket of mode 0600
 * and TCP on a loopback address.  Each returns NULL and sets *fd, or a
 * malloc'd message. */
#ifndef VIRGA_HTTP_LISTEN_H
#define VIRGA_HTTP_LISTEN_H 1

/* Replaces a socket file that no server listens on any more. */
char *http_listen_unix(const char *path, int *fd) __attribute__((warn_unused_result));

/* "127.0.0.1:PORT" or "[::1]:PORT"; port 0: any. */
char *http_listen_tcp(const char *address, int *fd) __attribute__((warn_unused_result));

/* "http://127.0.0.1:PORT" of such a socket; the caller frees it. */
char *http_listen_url(int fd);

#endif
