/* Which endpoint is at which port of the bridge.
 *
 * Derived, never told: of the ports that the Open vSwitch database has for
 * one endpoint (an old sandbox may not be gone yet when the new one comes)
 * the one made last counts.  Differences to what was reported before go to
 * 'attach'. */
#ifndef VIRGA_ATTACHMENTS_H
#define VIRGA_ATTACHMENTS_H 1

#include <stdbool.h>

#include "openvswitch/types.h"

struct ds;
struct ovs_config;

/* Endpoint 'name' with 'uid' is at 'port'; 0: it is gone. */
typedef void attachments_cb(void *aux, const char *name, const char *uid, ofp_port_t port);

struct attachments *attachments_create(attachments_cb *, void *aux);
void attachments_destroy(struct attachments *);

/* Returns true if anything was reported. */
bool attachments_sync(struct attachments *, const struct ovs_config *);
/* Is the endpoint of port 'port' reported to be there? */
bool attachments_is_at(const struct attachments *, const char *name, const char *port);
void attachments_format(const struct attachments *, struct ds *);

#endif
