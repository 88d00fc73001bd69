/* Shared by the files of rest.h; nobody else includes this. */
#ifndef VIRGA_REST_INTERNAL_H
#define VIRGA_REST_INTERNAL_H 1

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/http_message.h"
#include "api/rest.h"
#include "openvswitch/shash.h"
#include "sources/object_store.h"

struct watch_set;
struct object_filter;

struct rest {
    struct object_store *objects;
    rest_reply_cb *reply;
    void *aux;
    struct watch_set *watches;
    bool serving;
    long long now;
    long long wall;
};

/* One request on its way through. */
struct call {
    struct rest *rest;
    const struct http_request *request;
    enum http_method method;
    struct shash query;
    const struct resource_kind *kind;
    const char *ns;   /* NULL: all namespaces, or cluster scoped. */
    const char *name; /* NULL: the collection. */
    bool status;      /* The /status subresource. */
    bool old_watch;   /* "watch" in the path, for ?watch=1. */
};

/* Each verb returns the JSON to answer with and sets *code, or returns a
 * Status and leaves *code 0; NULL: the reply is under way. */
json_t *rest_get(struct call *, int *code);
json_t *rest_list(struct call *, int *code);
json_t *rest_watch(struct call *, int *code);
json_t *rest_post(struct call *, int *code);
json_t *rest_put(struct call *, int *code);
json_t *rest_patch(struct call *, int *code);
json_t *rest_delete(struct call *, int *code);
json_t *rest_delete_collection(struct call *, int *code);

/* NULL, or a Status; then *filter is NULL. */
json_t *rest_parse_filter(struct call *, struct object_filter **filter);
/* Finds the version that a read may ask for.  NULL, or a Status. */
json_t *rest_check_version(struct call *, const char *text);
bool rest_dry_run(const struct call *);

/* Discovery documents; NULL if there is no such group or version. */
json_t *discovery_core(void);
json_t *discovery_groups(void);
json_t *discovery_group(const char *group);
json_t *discovery_resources(const char *group, const char *version);
json_t *discovery_version(void);

#endif
