/* See node_objects.h. */
#include "api/node_objects.h"

#include <jansson.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/conditions.h"
#include "base/prefix.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "sources/object_store.h"
#include "store/store.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(node_objects);

struct agent {
    int64_t heartbeat;  /* As the agent wrote it. */
    long long moved_at; /* When we saw it move; LLONG_MIN / 2 if never. */
    bool ready;         /* Alive and it says so. */
    bool seen;          /* In this round. */
    bool had_object;    /* A Node was there, or we made one. */
    bool deleted;       /* Somebody deleted it, and the agent is silent. */
    bool told;          /* 'forget' was called. */
    struct in6_addr vtep;
    struct in6_addr *addresses;
    size_t n_addresses;
};

struct node_objects {
    struct object_store *objects;
    const struct resource_kind *kind;
    struct shash agents;
    long long now, wall;
};

struct node_objects *
node_objects_create(struct object_store *objects)
{
    struct node_objects *nodes = xzalloc(sizeof *nodes);
    nodes->objects = objects;
    nodes->kind = resource_kind_by_path("", "v1", "nodes");
    shash_init(&nodes->agents);
    return nodes;
}

static void
agent_destroy(struct agent *agent)
{
    free(agent->addresses);
    free(agent);
}

void
node_objects_destroy(struct node_objects *nodes)
{
    if (nodes) {
        struct shash_node *node;
        SHASH_FOR_EACH (node, &nodes->agents) {
            agent_destroy(node->data);
        }
        shash_destroy(&nodes->agents);
        free(nodes);
    }
}

/* --- What becomes of the object ---------------------------------------------------- */

static json_t *
addresses_to_json(const struct store_node_status *status)
{
    json_t *addresses = json_array();
    for (size_t i = 0; i < status->n_addresses; i++) {
        struct ds text = DS_EMPTY_INITIALIZER;
        addr_format(&status->addresses[i], &text);
        json_array_append_new(
            addresses, json_pack("{s:s, s:s}", "type", "InternalIP", "address", ds_cstr(&text)));
        ds_destroy(&text);
    }
    json_array_append_new(addresses,
                          json_pack("{s:s, s:s}", "type", "Hostname", "address", status->name));
    return addresses;
}

static void
create_object(struct node_objects *nodes, const char *name)
{
    json_t *object = json_pack("{s:s, s:s, s:{s:s, s:{s:s, s:s}}, s:{}, s:{}}", "kind", "Node",
                               "apiVersion", "v1", "metadata", "name", name, "labels",
                               "kubernetes.io/hostname", name, "kubernetes.io/os", "linux", "spec",
                               "status");
    char uid[UUID_LEN + 1], now[32];
    struct uuid uuid;
    time_t seconds = nodes->wall / 1000;
    struct tm tm;
    json_t *stored;
    if (!object) {
        return; /* The name is not UTF-8: no name for a Node. */
    }
    uuid_generate(&uuid);
    snprintf(uid, sizeof uid, UUID_FMT, UUID_ARGS(&uuid));
    gmtime_r(&seconds, &tm);
    strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", &tm);
    object_store_create_object(nodes->objects, nodes->kind, NULL, object, uid, now, &stored);
}

static void
set_addresses(struct node_objects *nodes, const struct store_node_status *status)
{
    json_t *object = object_store_get(nodes->objects, nodes->kind, NULL, status->name);
    json_t *old = json_object_get(json_object_get(object, "status"), "addresses");
    json_t *addresses = addresses_to_json(status);
    if (object && !(old && json_equal(old, addresses))) {
        json_t *copy = json_copy(object);
        json_t *new_status = json_object_get(object, "status");
        new_status = json_is_object(new_status) ? json_copy(new_status) : json_object();
        json_object_set(new_status, "addresses", addresses);
        json_object_set_new(copy, "status", new_status);
        object_store_update(nodes->objects, nodes->kind, NULL, status->name, copy, true, &object);
    }
    json_decref(addresses);
}

static void
set_ready(struct node_objects *nodes, const char *name, bool ready, const char *reason,
          const char *message)
{
    json_t *object = object_store_get(nodes->objects, nodes->kind, NULL, name);
    json_t *changed = object
                          ? condition_apply(object, "Ready", ready, reason, message, nodes->wall)
                          : NULL;
    if (changed) {
        VLOG_INFO("node %s is %sready%s%s", name, ready ? "" : "not ", *message ? ": " : "",
                  message);
        object_store_update(nodes->objects, nodes->kind, NULL, name, changed, true, &object);
    }
}

/* --- Rounds ------------------------------------------------------------------------ */

void
node_objects_begin(struct node_objects *nodes, long long now, long long wall)
{
    struct shash_node *node;
    nodes->now = now;
    nodes->wall = wall;
    SHASH_FOR_EACH (node, &nodes->agents) {
        struct agent *agent = node->data;
        agent->seen = false;
    }
}

static bool
agent_is_alive(const struct node_objects *nodes, const struct agent *agent)
{
    return nodes->now - agent->moved_at < NODE_HEARTBEAT_TIMEOUT_MS;
}

static struct agent *
find_agent(struct node_objects *nodes, const struct store_node_status *status)
{
    struct agent *agent = shash_find_data(&nodes->agents, status->name);
    if (!agent) {
        agent = xzalloc(sizeof *agent);
        agent->heartbeat = status->heartbeat_ms;
        long long age = nodes->wall - status->heartbeat_ms;
        bool fresh = llabs(age) < NODE_HEARTBEAT_TIMEOUT_MS;
        agent->moved_at = fresh ? nodes->now - MAX(age, 0) : LLONG_MIN / 2;
        shash_add(&nodes->agents, status->name, agent);
    }
    return agent;
}

/* Returns true if they are new. */
static bool
note_addresses(struct agent *agent, const struct store_node_status *status)
{
    size_t bytes = status->n_addresses * sizeof *status->addresses;
    if (agent->addresses && agent->n_addresses == status->n_addresses
        && !memcmp(agent->addresses, status->addresses, bytes)
        && !memcmp(&agent->vtep, &status->vtep, sizeof agent->vtep)) {
        return false;
    }
    free(agent->addresses);
    agent->addresses = xmalloc(bytes + 1);
    memcpy(agent->addresses, status->addresses, bytes);
    agent->n_addresses = status->n_addresses;
    agent->vtep = status->vtep;
    return true;
}

bool
node_objects_see(struct node_objects *nodes, const struct store_node_status *status)
{
    struct agent *agent = find_agent(nodes, status);
    bool moved = note_addresses(agent, status);
    if (agent->heartbeat != status->heartbeat_ms) {
        agent->heartbeat = status->heartbeat_ms;
        agent->moved_at = nodes->now;
    }
    bool alive = agent_is_alive(nodes, agent);
    agent->ready = alive && status->ready;
    agent->seen = true;

    bool has_object = object_store_get(nodes->objects, nodes->kind, NULL, status->name) != NULL;
    agent->deleted = !has_object && agent->had_object && !alive;
    if (agent->deleted) {
        return moved;
    }
    agent->told = false;
    agent->had_object = true;
    if (!has_object) {
        create_object(nodes, status->name);
    }
    set_addresses(nodes, status);
    if (!alive) {
        set_ready(nodes, status->name, false, "HeartbeatLost",
                  "the agent has not been heard of for 15 seconds");
    } else if (!status->ready) {
        set_ready(nodes, status->name, false, "AgentNotReady", status->message);
    } else {
        set_ready(nodes, status->name, true, "AgentReady", "");
    }
    return moved;
}

void
node_objects_end(struct node_objects *nodes, node_objects_cb *gone, node_objects_cb *forget,
                 void *aux)
{
    struct shash_node *node;
    SHASH_FOR_EACH_SAFE (node, &nodes->agents) {
        struct agent *agent = node->data;
        if (!agent->seen) {
            set_ready(nodes, node->name, false, "AgentGone", "the agent is not registered");
            gone(node->name, aux);
            agent_destroy(agent);
            shash_delete(&nodes->agents, node);
        } else if (agent->deleted && !agent->told) {
            agent->told = true;
            forget(node->name, aux);
        }
    }
}

void
node_objects_note(struct node_objects *nodes, const struct object_event *event,
                  node_objects_cb *forget, void *aux)
{
    struct agent *agent = event->type == OBJECT_DELETED && event->kind == nodes->kind
                              ? shash_find_data(&nodes->agents, event->name)
                              : NULL;
    if (agent && agent->had_object && !agent_is_alive(nodes, agent)) {
        agent->deleted = agent->told = true;
        forget(event->name, aux);
    }
}

long long
node_objects_next(const struct node_objects *nodes)
{
    long long next = LLONG_MAX;
    struct shash_node *node;
    SHASH_FOR_EACH (node, &nodes->agents) {
        const struct agent *agent = node->data;
        if (agent_is_alive(nodes, agent)) {
            next = MIN(next, agent->moved_at + NODE_HEARTBEAT_TIMEOUT_MS);
        }
    }
    return next;
}

bool
node_objects_is_ready(const struct node_objects *nodes, const char *name)
{
    const struct agent *agent = shash_find_data(&nodes->agents, name);
    return agent && agent->ready;
}
