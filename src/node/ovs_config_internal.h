/* What the files of ovs_config share. */
#ifndef VIRGA_OVS_CONFIG_INTERNAL_H
#define VIRGA_OVS_CONFIG_INTERNAL_H 1

#include "node/ovs_config.h"
#include "openvswitch/shash.h"
#include "ovsdb-idl.h"
#include "util.h"
#include "vswitch-idl.h"

/* Keys in external_ids. */
#define ID_NODE "virga-node"
#define ID_ENDPOINT "virga-endpoint"
#define ID_UID "virga-uid"
#define ID_CONTAINER "virga-container"
#define ID_IFNAME "virga-ifname"
#define ID_NETNS "virga-netns"
#define ID_NETWORK "virga-network"
#define ID_CREATED "virga-created"

/* Ports of fixed numbers that the pipeline uses: pairs of patch ports, each
 * the peer of its neighbour in the list. */
struct patch {
    const char *name;
    int64_t ofport;
};
enum {
#define PORT(NAME, NUMBER, INTERFACE, HELP) PATCH_##NAME,
#include "ovs-flows/ports.def"
#undef PORT
    N_PATCHES
};
BUILD_ASSERT_DECL(N_PATCHES % 2 == 0);
extern const struct patch ovs_config_patches[N_PATCHES];

struct port {
    struct ovs_endpoint e;
    bool wanted;
    bool present; /* In the database's copy. */
};

struct ovs_config {
    struct ovs_config_options opt; /* Strings are our own. */
    struct ovsdb_idl_loop loop;
    unsigned int seen; /* IDL sequence number at the last refresh(). */
    bool loaded;
    bool dirty;     /* reconcile() has something to do, */
    bool dirty_now; /* which came since the last run. */
    long long int retry_at;
    struct shash ports; /* struct port by name. */
    unsigned int seqno;
    int gateway_mtu;
    ofp_port_t tunnel, gateway;
    bool patched; /* All of 'patches' are there with their numbers. */
    char *message;
};

void ovs_config_set_message(struct ovs_config *, char *take);

/* Rows; NULL if there is none. */
const struct ovsrec_bridge *ovs_config_bridge(const struct ovs_config *);
const struct ovsrec_port *ovs_config_port(const struct ovsrec_bridge *, const char *name);
const struct ovsrec_interface *ovs_config_interface(const struct ovsrec_port *);
/* Did we make the bridge, or somebody an empty one for us? */
bool ovs_config_is_ours(const struct ovs_config *, const struct ovsrec_bridge *);

/* Puts what the database lacks into the open transaction. */
void ovs_config_reconcile(struct ovs_config *);

#endif
