/* See virga_views.h.  This file has the requests that wait; the documents
 * themselves are made in virga_documents.c. */
#include "api/virga_views.h"

#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "api/http_message.h"
#include "api/node_objects.h"
#include "api/query.h"
#include "api/status.h"
#include "api/virga_documents.h"
#include "api/why.h"
#include "compile/compile.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/list.h"
#include "smap.h"
#include "sset.h"
#include "store/store.h"
#include "util.h"
#include "virga/api_paths.h"

enum {
    SYNC_DEFAULT_S = 10,
    SYNC_MAX_S = 300,
    STATS_WAIT_MS = 3000,
    MAX_WAITING = 1024,
};

enum view { VIEW_SYNC, VIEW_STATS, VIEW_MATRIX };

/* A request that waits for agents. */
struct waiting {
    struct ovs_list node;
    enum view view;
    uint64_t id;
    bool pretty;
    bool has_ticket;
    uint64_t ticket;     /* Sync: of the last write before the request. */
    uint64_t generation; /* Sync: that agents must have applied; 0: not known yet. */
    uint64_t request;    /* Counters: that agents must have answered. */
    long long deadline;
};

struct virga_views {
    struct virga_views_sources from;
    virga_views_reply_cb *reply;
    void *aux;
    struct ovs_list waiting;
    size_t n_waiting;
};

struct virga_views *
virga_views_create(const struct virga_views_sources *from, virga_views_reply_cb *reply, void *aux)
{
    struct virga_views *views = xzalloc(sizeof *views);
    views->from = *from;
    views->reply = reply;
    views->aux = aux;
    ovs_list_init(&views->waiting);
    return views;
}

/* --- Replies ----------------------------------------------------------------- */

/* Takes 'value'. */
static void
reply_json(struct virga_views *views, uint64_t id, bool pretty, json_t *value)
{
    char *text = json_dumps(value, pretty ? JSON_INDENT(2) : JSON_COMPACT);
    char *body = xasprintf("%s\n", text ? text : "{}");
    bool is_status = json_object_get(value, "code") != NULL;
    struct http_reply *reply = http_reply_create(id, HTTP_WHOLE,
                                                 is_status ? status_code(value) : 200,
                                                 "application/json", body, strlen(body));
    reply->retry_after = status_retry_after(value);
    free(text);
    json_decref(value);
    views->reply(reply, views->aux);
}

static void
finish(struct virga_views *views, struct waiting *w, json_t *value)
{
    reply_json(views, w->id, w->pretty, value);
    ovs_list_remove(&w->node);
    views->n_waiting--;
    free(w);
}

void
virga_views_destroy(struct virga_views *views)
{
    if (views) {
        struct waiting *w;
        LIST_FOR_EACH_SAFE (w, node, &views->waiting) {
            finish(views, w, status_unavailable("this controller no longer leads", 1));
        }
        free(views);
    }
}

/* --- Which agents are behind --------------------------------------------------- */

struct behind {
    const struct virga_views *views;
    const struct waiting *waiting;
    json_t *all;     /* Names of nodes that are behind, */
    size_t n_ready;  /* and how many of them are ready. */
    struct ds words; /* For people: the ready ones. */
};

static void
note_behind(const struct store_node_status *node, void *behind_)
{
    struct behind *b = behind_;
    const struct waiting *w = b->waiting;
    bool ready = node_objects_is_ready(b->views->from.nodes, node->name);
    bool is_behind = w->view == VIEW_SYNC ? node->applied < w->generation
                                          : node->stats_applied < w->request;
    if (is_behind) {
        json_array_append_new(b->all, json_string(node->name));
        if (ready) {
            b->n_ready++;
            ds_put_format(&b->words, "%s%s", b->words.length ? ", " : "", node->name);
        }
    }
}

static void
find_behind(const struct virga_views *views, const struct waiting *w, struct behind *b)
{
    *b = (struct behind){ views, w, json_array(), 0, DS_EMPTY_INITIALIZER };
    store_each_node(views->from.store, note_behind, b);
}

/* --- Sync ---------------------------------------------------------------------- */

static json_t *
sync_timeout(const struct waiting *w, const struct behind *b)
{
    if (!w->generation) {
        return status_failure(504, "Timeout", "the database has not confirmed the last changes");
    }
    return status_failure(504, "Timeout",
                          "these nodes have not applied generation %lld yet: %s; see the log of "
                          "their agents",
                          (long long) w->generation, ds_cstr_ro(&b->words));
}

static void
run_sync(struct virga_views *views, struct waiting *w, long long now)
{
    struct store *store = views->from.store;
    if (!w->generation && store_committed(store) >= w->ticket) {
        w->generation = store_generation(store);
    }
    bool known = store_committed(store) >= w->ticket;
    if (!known && now < w->deadline) {
        return;
    }
    struct behind b;
    find_behind(views, w, &b);
    /* Generation 0: nothing was ever written. */
    if (known && !b.n_ready) {
        finish(views, w, json_pack("{s:I}", "generation", (json_int_t) w->generation));
    } else if (now >= w->deadline) {
        finish(views, w, sync_timeout(w, &b));
    }
    json_decref(b.all);
    ds_destroy(&b.words);
}

/* --- Counters ------------------------------------------------------------------- */

static void
run_counters(struct virga_views *views, struct waiting *w, long long now)
{
    struct behind b;
    find_behind(views, w, &b);
    if (!b.n_ready || now >= w->deadline) {
        json_t *document = w->view == VIEW_STATS ? document_stats(&views->from)
                                                 : document_matrix(&views->from);
        json_object_set_new(document, "complete", json_boolean(!json_array_size(b.all)));
        json_object_set(document, "missing", b.all);
        finish(views, w, document);
    }
    json_decref(b.all);
    ds_destroy(&b.words);
}

void
virga_views_run(struct virga_views *views, uint64_t ticket, long long now)
{
    struct waiting *w;
    LIST_FOR_EACH_SAFE (w, node, &views->waiting) {
        if (!w->has_ticket) {
            w->has_ticket = true;
            w->ticket = ticket;
        }
        if (w->view == VIEW_SYNC) {
            run_sync(views, w, now);
        } else {
            run_counters(views, w, now);
        }
    }
}

long long
virga_views_next(const struct virga_views *views)
{
    long long next = LLONG_MAX;
    const struct waiting *w;
    LIST_FOR_EACH (w, node, &views->waiting) {
        next = MIN(next, w->deadline);
    }
    return next;
}

/* --- Requests ------------------------------------------------------------------- */

bool
virga_views_is_path(const char *path)
{
    return !strncmp(path, "/virga/", strlen("/virga/"));
}

static struct waiting *
add_waiting(struct virga_views *views, enum view view, uint64_t id, long long deadline)
{
    struct waiting *w = xzalloc(sizeof *w);
    w->view = view;
    w->id = id;
    w->deadline = deadline;
    ovs_list_push_back(&views->waiting, &w->node);
    views->n_waiting++;
    return w;
}

static json_t *
start_sync(struct virga_views *views, uint64_t id, const struct shash *query, long long now)
{
    const char *text = query_get(query, "timeout");
    uint64_t seconds = SYNC_DEFAULT_S;
    if (*text && (!parse_uint64(text, &seconds) || seconds > SYNC_MAX_S)) {
        return status_failure(400, "BadRequest", "timeout must be a number from 0 to %d",
                              SYNC_MAX_S);
    }
    add_waiting(views, VIEW_SYNC, id, now + (long long) seconds * 1000);
    return NULL;
}

static json_t *
start_counters(struct virga_views *views, enum view view, uint64_t id, const struct shash *query,
               long long now)
{
    bool fresh = !shash_find(query, "fresh") || query_flag(query, "fresh");
    struct waiting *w = add_waiting(views, view, id, now + (fresh ? STATS_WAIT_MS : 0));
    w->request = fresh ? store_request_stats(views->from.store) : 0;
    return NULL;
}

static void
reply_records(struct virga_views *views, uint64_t id)
{
    struct ds text = DS_EMPTY_INITIALIZER;
    document_records(&views->from, &text);
    size_t length = text.length;
    views->reply(http_reply_create(id, HTTP_WHOLE, 200, "text/plain; charset=utf-8",
                                   ds_steal_cstr(&text), length),
                 views->aux);
}

static void
note_too_large(const struct store_node_status *node, void *too_large)
{
    const struct smap_node *problem;
    if (node->policy_problems) {
        SMAP_FOR_EACH (problem, node->policy_problems) {
            sset_add_and_free(too_large, xasprintf("%s %s", node->name, problem->key));
        }
    }
}

static json_t *
why(const struct virga_views *views, const struct shash *query)
{
    char *error;
    struct sset too_large = SSET_INITIALIZER(&too_large);
    store_each_node(views->from.store, note_too_large, &too_large);
    json_t *document = why_document(compile_records(views->from.compile), &too_large,
                                    query_get(query, "from"), query_get(query, "to"),
                                    query_get(query, "port"), &error);
    sset_destroy(&too_large);
    if (!document) {
        document = status_failure(400, "BadRequest", "%s", error);
        free(error);
    }
    return document;
}

static json_t *
route(struct virga_views *views, const struct http_request *request, const struct shash *query,
      long long now)
{
    const char *path = request->path;
    if (request->method != HTTP_GET && request->method != HTTP_HEAD) {
        return status_method_not_allowed();
    }
    if (views->n_waiting >= MAX_WAITING) {
        return status_failure(429, "TooManyRequests", "too many requests wait for agents");
    }
    if (!strcmp(path, API_PATH_STATUS)) {
        return document_status(&views->from);
    } else if (!strcmp(path, API_PATH_SYNC)) {
        return start_sync(views, request->id, query, now);
    } else if (!strcmp(path, API_PATH_STATS)) {
        return start_counters(views, VIEW_STATS, request->id, query, now);
    } else if (!strcmp(path, API_PATH_MATRIX)) {
        return start_counters(views, VIEW_MATRIX, request->id, query, now);
    } else if (!strcmp(path, API_PATH_RECORDS)) {
        reply_records(views, request->id);
        return NULL;
    } else if (!strcmp(path, API_PATH_WHY)) {
        return why(views, query);
    }
    return status_unknown_resource();
}

void
virga_views_handle(struct virga_views *views, const struct http_request *request, long long now)
{
    struct shash query;
    struct waiting *w;
    if (request->closed) {
        LIST_FOR_EACH_SAFE (w, node, &views->waiting) {
            if (w->id == request->id) {
                ovs_list_remove(&w->node);
                views->n_waiting--;
                free(w);
            }
        }
        return;
    }
    bool ok = query_parse(request->query, &query);
    bool pretty = query_flag(&query, "pretty");
    json_t *answer = ok ? route(views, request, &query, now)
                        : status_failure(400, "BadRequest", "malformed query");
    query_uninit(&query);
    if (answer) {
        reply_json(views, request->id, pretty, answer);
    } else if (!ovs_list_is_empty(&views->waiting)) {
        w = CONTAINER_OF(ovs_list_back(&views->waiting), struct waiting, node);
        w->pretty |= w->id == request->id && pretty;
    }
}
