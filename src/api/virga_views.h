/* The /virga/v1 paths (virga/api_paths.h): what the controller knows beside
 * Kubernetes' objects, read-only.
 *
 * "sync" and fresh counters wait for agents: their replies come from
 * virga_views_run(). */
#ifndef VIRGA_VIRGA_VIEWS_H
#define VIRGA_VIRGA_VIEWS_H 1

#include <stdbool.h>
#include <stdint.h>

struct compile;
struct identity_names;
struct http_reply;
struct http_request;
struct node_objects;
struct object_store;
struct store;

typedef void virga_views_reply_cb(struct http_reply *take, void *aux);

/* What the views look at; all borrowed. */
struct virga_views_sources {
    struct store *store;
    struct object_store *objects;
    struct compile *compile;
    const struct node_objects *nodes;
    const struct identity_names *names;
};

struct virga_views;
struct virga_views *virga_views_create(const struct virga_views_sources *, virga_views_reply_cb *,
                                       void *aux);
/* Answers what waits with 503. */
void virga_views_destroy(struct virga_views *);

/* False: the path is not one of ours. */
bool virga_views_is_path(const char *path);
void virga_views_handle(struct virga_views *, const struct http_request *, long long now);

/* To be called after all changes so far were put into the store; 'ticket' is
 * that of the last put. */
void virga_views_run(struct virga_views *, uint64_t ticket, long long now);
/* When a wait ends at the latest; LLONG_MAX if nobody waits. */
long long virga_views_next(const struct virga_views *);

#endif
