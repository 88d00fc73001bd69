/* The switch and ovs-vswitchd as revoke.h wants them. */
#ifndef VIRGA_REVOKE_EDGE_H
#define VIRGA_REVOKE_EDGE_H 1

#include "programs/virga-agent/revoke.h"

struct ofswitch;

struct revoke_edge;
/* Destroy it after the switch, which calls it back. */
/* The file 'settled' is there while the agent, should it die, leaves no connection behind
 * that its flows deny.  Takes away what an earlier life left. */
struct revoke_edge *revoke_edge_create(struct ofswitch *, const char *ovs_rundir,
                                       const char *settled);
void revoke_edge_destroy(struct revoke_edge *);
struct revoke_seam revoke_edge_seam(struct revoke_edge *);
/* Was the file there? */
bool revoke_edge_was_settled(const struct revoke_edge *);
/* Asks the switch for the guards of an earlier life.  Before revoke_edge_is_ready()
 * the flows of the switch are not to be changed: the guards would go. */
void revoke_edge_run(struct revoke_edge *, struct revoke *);
bool revoke_edge_is_ready(const struct revoke_edge *);
/* Makes the poll loop wake up for 'revoke'. */
void revoke_edge_wait(struct revoke_edge *, const struct revoke *);

#endif
