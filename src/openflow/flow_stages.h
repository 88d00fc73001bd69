/* A large change in stages, so that no single commit stalls the switch.
 *
 * With the userspace datapath the thread that commits a bundle also polls the
 * ports of veth type; a commit of 100,000 flows is a gap of a quarter of a
 * second for every packet.  A change must have its effect in one step, though.
 * Most of a large change has none by itself: the clauses of a conjunction that
 * lacks its subjects.  So
 *
 *    before   clauses of new rules but their subjects, some at a time
 *    core     all that can have an effect, as one bundle
 *    after    clauses of rules that lost their subjects, some at a time
 *
 * Pure.  Each stage is a bundle of its own. */
#ifndef VIRGA_FLOW_STAGES_H
#define VIRGA_FLOW_STAGES_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "openflow/flow_bundle.h"

struct flow_changes;
struct flow_table;

enum { FLOW_STAGE_MAX = 1000 }; /* Changes of a stage before or after the core. */

struct flow_stages {
    struct flow_bundle **bundles;
    size_t n, allocated;
    size_t current; /* Below 'n', unless 'n' is 0. */
};

void flow_stages_init(struct flow_stages *);
void flow_stages_uninit(struct flow_stages *);
void flow_stages_clear(struct flow_stages *);

/* Encodes 'changes' as bundles with the numbers '*id + 1' and up, leaves the
 * last one in '*id'.  There is one bundle at least, the core, perhaps without
 * messages.  'installed' is what the switch has, or NULL if it is known to have
 * what the changes start from. */
void flow_stages_begin(struct flow_stages *, const struct flow_changes *changes,
                       const struct flow_table *installed, uint32_t *id);

struct flow_bundle *flow_stages_bundle(struct flow_stages *);
/* Goes on to the next bundle; false if the current one is the last. */
bool flow_stages_next(struct flow_stages *);
/* Flow mods of all bundles. */
size_t flow_stages_n_mods(const struct flow_stages *);

/* For tests: where a change goes. */
enum flow_stage { FLOW_STAGE_BEFORE, FLOW_STAGE_CORE, FLOW_STAGE_AFTER };
void flow_stages_assign(const struct flow_changes *, const struct flow_table *installed,
                        enum flow_stage *stages);

#endif
