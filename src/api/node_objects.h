/* Node objects for the agents that have registered.
 *
 * An agent whose heartbeat has moved within the last 15 s, by this machine's
 * clock, and that says so is Ready; two clocks are compared only for agents
 * that were there when the controller came.  Users may add labels to a Node;
 * what the agent says goes to its status.
 *
 * A Node that somebody deletes comes back as long as its agent is alive, as a kubelet
 * registers again.  If the agent is silent the node is gone for good, and so is what
 * the database has of it. */
#ifndef VIRGA_NODE_OBJECTS_H
#define VIRGA_NODE_OBJECTS_H 1

#include <stdbool.h>

struct object_store;
struct store_node_status;

enum { NODE_HEARTBEAT_TIMEOUT_MS = 15000 };

struct node_objects;
struct node_objects *node_objects_create(struct object_store *);
void node_objects_destroy(struct node_objects *);

/* One round: begin, see each agent's status, end.  'now' is monotonic, 'wall'
 * since 1970, both in ms.  see() returns true if the node is new or its
 * addresses have changed; end() calls 'gone' for each that was not seen, and 'forget', once,
 * for each that is gone for good but was seen. */
void node_objects_begin(struct node_objects *, long long now, long long wall);
bool node_objects_see(struct node_objects *, const struct store_node_status *);
typedef void node_objects_cb(const char *name, void *aux);
void node_objects_end(struct node_objects *, node_objects_cb *gone, node_objects_cb *forget,
                      void *aux);

/* When a heartbeat becomes too old, so that another round is due; LLONG_MAX
 * if none will. */
long long node_objects_next(const struct node_objects *);

/* An object was deleted just now.  If it is the Node of a silent agent, 'forget' is
 * called as above, but at once: so that both are in one transaction, and no later
 * controller finds the agent's rows without the Node and makes one. */
struct object_event;
void node_objects_note(struct node_objects *, const struct object_event *, node_objects_cb *forget,
                       void *aux);

bool node_objects_is_ready(const struct node_objects *, const char *name);

#endif
