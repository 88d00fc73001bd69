/* On how many nodes a policy of the ordered tiers is in force, as a condition
 * of its object:
 *
 *    {"type": "virga.dev/Realized", "status": "True", "reason": "InForce",
 *     "message": "in force on 2 of 2 nodes", "observedGeneration": 3, ...}
 *
 * A node counts when its switch has confirmed a generation of the records that
 * has the policy as it is, and it has no trouble with it.  Otherwise the status
 * is "False", with the reason "Pending", and the message names a node that is
 * missing; one that is not ready is named first.
 *
 * Writes are few: the last node to follow is written about at once, those in
 * between not more than once in POLICY_STATUS_PAUSE_MS, and nothing is written
 * that the object says already. */
#ifndef VIRGA_POLICY_STATUS_H
#define VIRGA_POLICY_STATUS_H 1

#include <stdbool.h>
#include <stdint.h>

struct object_event;
struct object_store;
struct store_node_status;

#define CONDITION_REALIZED "virga.dev/Realized"

enum { POLICY_STATUS_PAUSE_MS = 2000 };

struct policy_status;
/* Takes note of all policies in the store. */
struct policy_status *policy_status_create(struct object_store *);
void policy_status_destroy(struct policy_status *);

/* An object of any kind came, changed or went. */
void policy_status_note(struct policy_status *, const struct object_event *);
/* What was noted until now is carried by the transaction with this ticket... */
void policy_status_put(struct policy_status *, uint64_t ticket);
/* ...and is in the database when this one is, with this generation or an
 * earlier one. */
void policy_status_committed(struct policy_status *, uint64_t ticket, uint64_t generation,
                             long long now);

/* A round over all nodes: begin, see each, end.  'now' is monotonic, 'wall'
 * since 1970, both in ms.  End writes conditions. */
void policy_status_begin(struct policy_status *, long long now, long long wall);
void policy_status_see(struct policy_status *, const struct store_node_status *, bool ready);
void policy_status_end(struct policy_status *);

/* When another round is due though no node changes; LLONG_MAX: not at all. */
long long policy_status_next(const struct policy_status *);

#endif
