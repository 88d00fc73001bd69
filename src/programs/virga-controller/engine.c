/* See engine.h. */
#include "programs/virga-controller/engine.h"

#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "api/conditions.h"
#include "api/http_message.h"
#include "api/identity_names.h"
#include "api/node_objects.h"
#include "api/node_problems.h"
#include "api/policy_status.h"
#include "api/rest.h"
#include "api/virga_views.h"
#include "base/mailbox.h"
#include "base/records.h"
#include "compile/compile.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "programs/virga-controller/apply.h"
#include "programs/virga-controller/outbox.h"
#include "simap.h"
#include "sources/object_store.h"
#include "sset.h"
#include "store/store.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(engine);

enum {
    ROUND_MS = 20,            /* Requests are taken for this long, then written. */
    NODES_SHARE = 20,         /* A look at all nodes may take a twentieth of the time. */
    CONDITIONS_AT_ONCE = 200, /* Some 0.1 ms each, if they are written. */
    MAX_SETTLE_STEPS = 4,     /* Compile, write conditions, compile ... */
};

struct engine {
    struct store *store;
    struct mailbox *requests;
    struct outbox *outbox;
    struct object_store *objects;
    struct rest *rest;
    struct compile_config config;

    /* Only while leading. */
    bool leading;
    unsigned int lost; /* store_lost() when we came to lead. */
    struct compile *compile;
    struct conditions *conditions;
    struct node_objects *nodes;
    struct policy_status *policies;
    struct node_problems *problems;
    struct identity_names *names;
    struct virga_views *views;
    bool dirty;                 /* Objects or nodes changed since compile_run(). */
    uint64_t ticket;            /* Of the last put. */
    size_t conditions_left;     /* So many more may go before ... */
    uint64_t conditions_ticket; /* ... this is committed. */
    unsigned int nodes_seqno;   /* store_seqno() when nodes were read. */
    long long int nodes_at;     /* They are not read again before this. */
    char *counters;             /* As last put. */
};

static void on_object_event(const struct object_event *, void *engine);

static void
on_reply(struct http_reply *reply, void *engine_)
{
    struct engine *engine = engine_;
    outbox_put(engine->outbox, reply);
}

struct engine *
engine_create(struct store *store, struct mailbox *requests, const struct compile_config *config,
              void (*send)(struct http_reply *, void *), void *aux)
{
    struct engine *engine = xzalloc(sizeof *engine);
    engine->store = store;
    engine->requests = requests;
    engine->config = *config;
    engine->outbox = outbox_create(send, aux);
    engine->objects = object_store_create(0);
    engine->rest = rest_create(engine->objects, on_reply, engine);
    return engine;
}

/* --- Leading ------------------------------------------------------------------- */

static const struct resource_kind *
kind_by_key(const char *key)
{
    for (size_t i = 0; i < n_resource_kinds; i++) {
        if (!strcmp(resource_kinds[i].key, key)) {
            return &resource_kinds[i];
        }
    }
    return NULL;
}

static void
restore_object(const struct store_object *stored, void *engine_)
{
    struct engine *engine = engine_;
    const struct resource_kind *kind = kind_by_key(stored->kind);
    json_error_t error;
    json_t *object = kind ? json_loads(stored->json, 0, &error) : NULL;
    if (!json_is_object(object)) {
        VLOG_ERR("the database has an object that cannot be read: %s %s/%s", stored->kind,
                 stored->namespace_, stored->name);
        json_decref(object);
        return;
    }
    object_store_restore(engine->objects, kind, object, stored->resource_version);
}

static void
restore_numbers(struct engine *engine)
{
    struct records *records = records_create();
    uint64_t generation;
    store_read_records(engine->store, records, &generation);
    for (int kind = 0; kind < N_RECORD_KINDS; kind++) {
        const struct record *r;
        for (r = records_first(records, kind); r; r = records_next(records, r)) {
            compile_restore(engine->compile, record_clone(r));
        }
    }
    records_destroy(records);

    engine->counters = store_counters(engine->store);
    if (engine->counters) {
        char *error = compile_counters_parse(engine->compile, engine->counters);
        if (error) {
            VLOG_ERR("the database's counters cannot be read: %s", error);
            free(error);
        }
    }
}

struct apply_aux {
    struct compile *compile;
    const struct resource_kind *kind;
};

static void
apply_restored(json_t *object, void *aux_)
{
    struct apply_aux *aux = aux_;
    apply_object(aux->compile, aux->kind, object);
}

static void
apply_all(struct engine *engine)
{
    for (size_t i = 0; i < n_resource_kinds; i++) {
        struct apply_aux aux = { engine->compile, &resource_kinds[i] };
        object_store_each(engine->objects, aux.kind, NULL, apply_restored, &aux);
    }
}

/* Objects without a namespace of their own choice go to "default". */
static void
ensure_default_namespace(struct engine *engine)
{
    const struct resource_kind *kind = resource_kind_by_path("", "v1", "namespaces");
    if (object_store_get(engine->objects, kind, NULL, "default")) {
        return;
    }
    json_t *object = json_pack("{s:s, s:s, s:{s:s, s:{s:s}}, s:{s:s}}", "kind", "Namespace",
                               "apiVersion", "v1", "metadata", "name", "default", "labels",
                               "kubernetes.io/metadata.name", "default", "status", "phase",
                               "Active");
    struct uuid uuid;
    json_t *stored;
    char *uid;
    char *now = xastrftime_msec("%Y-%m-%dT%H:%M:%SZ", time_wall_msec(), true);
    uuid_generate(&uuid);
    uid = xasprintf(UUID_FMT, UUID_ARGS(&uuid));
    object_store_create_object(engine->objects, kind, NULL, object, uid, now, &stored);
    free(uid);
    free(now);
}

static void run_nodes(struct engine *, long long now);

static void
start_leading(struct engine *engine)
{
    long long started = time_msec();

    engine->leading = true;
    engine->lost = store_lost(engine->store);
    engine->ticket = 0;
    engine->conditions_ticket = 0;
    engine->dirty = true;
    engine->nodes_at = 0;
    engine->compile = compile_create(&engine->config);
    store_each_object(engine->store, restore_object, engine);
    object_store_restore_version(engine->objects, store_resource_version(engine->store));
    restore_numbers(engine);
    apply_all(engine);
    engine->conditions = conditions_create(engine->objects);
    engine->nodes = node_objects_create(engine->objects);
    engine->problems = node_problems_create();
    engine->policies = policy_status_create(engine->objects);
    engine->names = identity_names_create(compile_records(engine->compile));
    struct virga_views_sources sources = { engine->store, engine->objects, engine->compile,
                                           engine->nodes, engine->names };
    engine->views = virga_views_create(&sources, on_reply, engine);

    /* From here on changes are written. */
    object_store_set_callback(engine->objects, on_object_event, engine);
    ensure_default_namespace(engine);
    run_nodes(engine, time_msec());
    rest_set_serving(engine->rest, true);
    VLOG_INFO("leading at resource version %" PRIu64 ", loaded in %lld ms",
              object_store_version(engine->objects), time_msec() - started);
}

static void
stop_leading(struct engine *engine)
{
    if (!engine->leading) {
        return;
    }
    VLOG_INFO("not leading any more: dropping all state");
    outbox_fail(engine->outbox);
    virga_views_destroy(engine->views);
    rest_set_serving(engine->rest, false);
    outbox_seal(engine->outbox, 0);
    outbox_release(engine->outbox, 0);

    object_store_set_callback(engine->objects, NULL, NULL);
    object_store_clear(engine->objects);
    conditions_destroy(engine->conditions);
    node_objects_destroy(engine->nodes);
    node_problems_destroy(engine->problems);
    policy_status_destroy(engine->policies);
    identity_names_destroy(engine->names);
    compile_destroy(engine->compile);
    free(engine->counters);
    engine->views = NULL;
    engine->conditions = NULL;
    engine->nodes = NULL;
    engine->policies = NULL;
    engine->names = NULL;
    engine->compile = NULL;
    engine->counters = NULL;
    engine->leading = false;
}

void
engine_destroy(struct engine *engine)
{
    if (engine) {
        stop_leading(engine);
        rest_destroy(engine->rest);
        object_store_destroy(engine->objects);
        outbox_destroy(engine->outbox);
        free(engine);
    }
}

static void
run_leadership(struct engine *engine)
{
    if (engine->leading
        && (!store_is_leader(engine->store) || store_lost(engine->store) != engine->lost)) {
        stop_leading(engine);
    }
    if (!engine->leading && store_is_leader(engine->store)) {
        start_leading(engine);
    }
}

/* --- Changes of objects ---------------------------------------------------------- */

static void
put_object(struct engine *engine, const struct object_event *event)
{
    if (event->type == OBJECT_DELETED) {
        store_delete_object(engine->store, event->kind->key, event->namespace_, event->name);
        return;
    }
    struct store_object stored = {
        .kind = CONST_CAST(char *, event->kind->key),
        .namespace_ = CONST_CAST(char *, event->namespace_),
        .name = CONST_CAST(char *, event->name),
        .resource_version = event->resource_version,
        .json = json_dumps(event->object, JSON_COMPACT),
    };
    store_put_object(engine->store, &stored);
    free(stored.json);
}

static void forget_node(const char *name, void *engine);

static void
on_object_event(const struct object_event *event, void *engine_)
{
    struct engine *engine = engine_;
    put_object(engine, event);
    store_set_resource_version(engine->store, event->resource_version);
    engine->ticket = store_ticket(engine->store);

    if (event->type == OBJECT_DELETED) {
        apply_deletion(engine->compile, event->kind, event->namespace_, event->name);
    } else {
        apply_object(engine->compile, event->kind, event->object);
    }
    engine->dirty = true;
    node_objects_note(engine->nodes, event, forget_node, engine);
    policy_status_note(engine->policies, event);
    conditions_note(engine->conditions, event);
    rest_event(engine->rest, event);
}

/* --- Nodes ----------------------------------------------------------------------- */

static void
see_node(const struct store_node_status *status, void *engine_)
{
    struct engine *engine = engine_;
    bool ready;
    node_problems_see(engine->problems, status);
    if (node_objects_see(engine->nodes, status)) {
        compile_set_node(engine->compile, status->name, &status->vtep, status->addresses,
                         status->n_addresses);
        engine->dirty = true;
    }
    ready = node_objects_is_ready(engine->nodes, status->name);
    policy_status_see(engine->policies, status, ready);
    if (compile_set_node_ready(engine->compile, status->name, ready)) {
        engine->dirty = true;
    }
}

static void
node_gone(const char *name, void *engine_)
{
    struct engine *engine = engine_;
    VLOG_INFO("node %s is no longer registered", name);
    compile_del_node(engine->compile, name);
    engine->dirty = true;
}

static void
forget_node(const char *name, void *engine_)
{
    struct engine *engine = engine_;
    VLOG_INFO("node %s is forgotten: its object was deleted, and its agent is silent", name);
    store_forget_node(engine->store, name);
    engine->ticket = store_ticket(engine->store);
}

static void
note_node_problems(struct engine *engine)
{
    struct sset changed = SSET_INITIALIZER(&changed);
    node_problems_end(engine->problems, &changed);
    conditions_look_at(engine->conditions, &changed);
    engine->dirty |= !sset_is_empty(&changed);
    sset_destroy(&changed);
}

/* Whatever is written to the database leads here, so with many nodes one look
 * at all of them waits until it costs a small share of the time. */
static void
run_nodes(struct engine *engine, long long now)
{
    unsigned int seqno = store_seqno(engine->store);
    policy_status_committed(engine->policies, store_committed(engine->store),
                            store_generation(engine->store), now);
    if (now < engine->nodes_at
        || (seqno == engine->nodes_seqno && now < node_objects_next(engine->nodes)
            && now < policy_status_next(engine->policies))) {
        return;
    }
    long long began_us = time_usec();
    engine->nodes_seqno = seqno;
    node_objects_begin(engine->nodes, now, time_wall_msec());
    node_problems_begin(engine->problems);
    policy_status_begin(engine->policies, now, time_wall_msec());
    store_each_node(engine->store, see_node, engine);
    node_objects_end(engine->nodes, node_gone, forget_node, engine);
    note_node_problems(engine);
    policy_status_end(engine->policies);
    engine->nodes_at = now + NODES_SHARE * (time_usec() - began_us) / 1000;
}

/* --- Rounds ---------------------------------------------------------------------- */

static void
handle_request(struct engine *engine, const struct http_request *request, long long now)
{
    if (engine->leading && (request->closed || virga_views_is_path(request->path))) {
        virga_views_handle(engine->views, request, now);
        if (!request->closed) {
            return;
        }
    }
    rest_handle(engine->rest, request);
}

static void
run_requests(struct engine *engine, long long now)
{
    struct mail *mail;
    rest_set_time(engine->rest, now, time_wall_msec());
    while ((mail = mailbox_take(engine->requests))) {
        struct http_request *request = CONTAINER_OF(mail, struct http_request, mail);
        handle_request(engine, request, now);
        http_request_destroy(request);
        if (time_msec() - now > ROUND_MS) {
            poll_immediate_wake();
            break;
        }
    }
}

static void
put_results(struct engine *engine)
{
    struct records *records = compile_records(engine->compile);
    identity_names_update(engine->names, records);
    struct ds counters = DS_EMPTY_INITIALIZER;
    if (records_any_changes(records)) {
        store_put_records(engine->store, records);
        engine->ticket = store_ticket(engine->store);
    }
    compile_counters_format(engine->compile, &counters);
    if (!engine->counters || strcmp(engine->counters, ds_cstr(&counters))) {
        store_set_counters(engine->store, ds_cstr(&counters));
        engine->ticket = store_ticket(engine->store);
        free(engine->counters);
        engine->counters = xstrdup(ds_cstr(&counters));
    }
    ds_destroy(&counters);
}

static const struct compile_problem *
find_problem(const void *engine_, const char *key)
{
    const struct engine *engine = engine_;
    const struct compile_problem *problem = compile_find_problem(engine->compile, key);
    return problem ? problem : node_problems_find(engine->problems, key);
}

static bool
more_conditions_may_go(const struct engine *engine)
{
    return conditions_wait(engine->conditions)
           && store_committed(engine->store) >= engine->conditions_ticket;
}

/* CONDITIONS_AT_ONCE between two commits, lest one become very large. */
static void
update_conditions(struct engine *engine)
{
    struct sset keys = SSET_INITIALIZER(&keys);
    compile_take_problem_changes(engine->compile, &keys);
    conditions_look_at(engine->conditions, &keys);
    sset_destroy(&keys);
    if (more_conditions_may_go(engine)) {
        engine->conditions_left = CONDITIONS_AT_ONCE;
    }
    if (conditions_wait(engine->conditions) && engine->conditions_left) {
        size_t n = conditions_run(engine->conditions, engine->conditions_left, find_problem,
                                  engine, time_wall_msec());
        engine->conditions_left -= n;
        engine->conditions_ticket = n ? engine->ticket : engine->conditions_ticket;
    }
}

/* Conditions are changes of objects, which compile again; the second time
 * nothing comes of it. */
static void
settle(struct engine *engine)
{
    engine->dirty |= more_conditions_may_go(engine);
    for (int i = 0; engine->dirty && i < MAX_SETTLE_STEPS; i++) {
        engine->dirty = false;
        compile_run(engine->compile);
        update_conditions(engine);
        put_results(engine);
    }
    policy_status_put(engine->policies, engine->ticket);
}

void
engine_run(struct engine *engine)
{
    store_run(engine->store);
    run_leadership(engine);

    long long now = time_msec();
    if (engine->leading) {
        run_nodes(engine, now);
    }
    run_requests(engine, now);
    if (engine->leading) {
        settle(engine);
        virga_views_run(engine->views, engine->ticket, now);
        /* What was put goes out now, not with the next turn of the loop. */
        store_run(engine->store);
        if (!store_is_leader(engine->store) || store_lost(engine->store) != engine->lost) {
            return;
        }
    }
    outbox_seal(engine->outbox, engine->leading ? engine->ticket : 0);
    outbox_release(engine->outbox, store_committed(engine->store));
}

/* The store has news that this engine has not looked at: it came with the
 * second store_run() of a round. */
static bool
is_behind_store(const struct engine *engine)
{
    const struct store *store = engine->store;
    return store_is_leader(store) != engine->leading
           || outbox_may_release(engine->outbox, store_committed(store))
           || (engine->leading
               && (engine->dirty || more_conditions_may_go(engine)
                   || store_lost(store) != engine->lost
                   || (store_seqno(store) != engine->nodes_seqno
                       && time_msec() >= engine->nodes_at)));
}

void
engine_wait(struct engine *engine)
{
    store_wait(engine->store);
    mailbox_wait(engine->requests);
    if (is_behind_store(engine)) {
        poll_immediate_wake();
    }
    long long next = rest_next(engine->rest);
    if (engine->leading) {
        next = MIN(next, virga_views_next(engine->views));
        long long nodes = MIN(node_objects_next(engine->nodes),
                              policy_status_next(engine->policies));
        nodes = store_seqno(engine->store) != engine->nodes_seqno ? 0 : nodes;
        next = MIN(next, MAX(nodes, engine->nodes_at));
    }
    if (next != LLONG_MAX) {
        poll_timer_wait_until(next);
    }
}

char *
engine_check(const struct engine *engine)
{
    return engine->leading ? compile_check_full(engine->compile)
                           : xstrdup("this controller does not lead");
}

bool
engine_is_leading(const struct engine *engine)
{
    return engine->leading;
}

void
engine_get_memory_usage(const struct engine *engine, struct simap *usage)
{
    static const char *const names[N_RECORD_KINDS] = {
        [RECORD_NODE] = "nodes",
        [RECORD_NETWORK] = "networks",
        [RECORD_IDENTITY] = "identities",
        [RECORD_ENDPOINT] = "endpoints",
        [RECORD_SET] = "sets",
        [RECORD_RULE] = "rules",
    };
    simap_increase(usage, "held replies", outbox_depth(engine->outbox));
    simap_increase(usage, "watches", rest_n_watches(engine->rest));
    for (int kind = 0; engine->leading && kind < N_RECORD_KINDS; kind++) {
        simap_increase(usage, names[kind], records_count(compile_records(engine->compile), kind));
    }
}
