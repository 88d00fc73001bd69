/* The Kubernetes-shaped REST API over the object store: routing and verbs.
 *
 * Requests in, replies out, by messages (http_message.h); no socket, no
 * database, no clock but what rest_set_time() says.  Changes reach the caller
 * through the object store's callback before their reply is made; the caller
 * decides when a reply may leave (the controller: when the change is
 * durable) and must keep the order of replies. */
#ifndef VIRGA_REST_H
#define VIRGA_REST_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_reply;
struct http_request;
struct object_event;
struct object_store;

typedef void rest_reply_cb(struct http_reply *take, void *aux);

struct rest;
struct rest *rest_create(struct object_store *, rest_reply_cb *, void *aux);
void rest_destroy(struct rest *);

/* 'now' is monotonic, 'wall' since 1970, both in ms.  Sends bookmarks and
 * ends watches that are due. */
void rest_set_time(struct rest *, long long now, long long wall);
/* When rest_set_time() has something to do; LLONG_MAX if never. */
long long rest_next(const struct rest *);

/* Until set, all but /healthz, /livez and /version get 503.  Unset ends all
 * watches. */
void rest_set_serving(struct rest *, bool serving);

/* Replies to a request (or opens its watch), or forgets a closed one. */
void rest_handle(struct rest *, const struct http_request *);
/* To be called from the object store's callback. */
void rest_event(struct rest *, const struct object_event *);

/* Open watches. */
size_t rest_n_watches(const struct rest *);

#endif
