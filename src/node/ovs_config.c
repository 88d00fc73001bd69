/* 'ports' holds what is wanted, and what the database still has of what is no
 * longer wanted.  ovs_config_reconcile() compares it with the database's copy
 * and puts the difference into one transaction; one is under way at a time.
 * The copy follows when the transaction is done, and refresh() takes from it
 * what Open vSwitch reports. */
#include "node/ovs_config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "flow.h"
#include "node/ovs_config_internal.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "smap.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(ovs_config);

enum { RETRY_MS = 500 };

const struct patch ovs_config_patches[N_PATCHES] = {
#define PORT(NAME, NUMBER, INTERFACE, HELP) { INTERFACE, NUMBER },
#include "ovs-flows/ports.def"
#undef PORT
};

/* --- Endpoint ports -------------------------------------------------------- */

static char *
dup_or_empty(const char *s)
{
    return xstrdup(s ? s : "");
}

static void
endpoint_copy(struct ovs_endpoint *dst, const struct ovs_endpoint *src)
{
    *dst = (struct ovs_endpoint){
        .port = xstrdup(src->port),
        .name = dup_or_empty(src->name),
        .uid = dup_or_empty(src->uid),
        .container = dup_or_empty(src->container),
        .ifname = dup_or_empty(src->ifname),
        .netns = dup_or_empty(src->netns),
        .network = dup_or_empty(src->network),
        .created_ms = src->created_ms,
    };
}

static void
port_destroy(struct port *p)
{
    free(p->e.port);
    free(p->e.name);
    free(p->e.uid);
    free(p->e.container);
    free(p->e.ifname);
    free(p->e.netns);
    free(p->e.network);
    free(p->e.error);
    free(p);
}

static void
touch(struct ovs_config *cfg)
{
    cfg->dirty = true;
    cfg->dirty_now = true;
}

static struct port *
put_port(struct ovs_config *cfg, const struct ovs_endpoint *e)
{
    struct port *old = shash_find_and_delete(&cfg->ports, e->port);
    struct port *p = xzalloc(sizeof *p);
    endpoint_copy(&p->e, e);
    p->wanted = true;
    if (old) {
        p->present = old->present;
        port_destroy(old);
    }
    shash_add(&cfg->ports, p->e.port, p);
    return p;
}

void
ovs_config_add_endpoint(struct ovs_config *cfg, const struct ovs_endpoint *e)
{
    put_port(cfg, e);
    touch(cfg);
}

void
ovs_config_remove_endpoint(struct ovs_config *cfg, const char *name)
{
    struct port *p = shash_find_data(&cfg->ports, name);
    if (p) {
        p->wanted = false;
        touch(cfg);
    }
}

bool
ovs_config_is_removing(const struct ovs_config *cfg, const char *name)
{
    const struct port *p = shash_find_data(&cfg->ports, name);
    return p && !p->wanted;
}

const struct ovs_endpoint *
ovs_config_find(const struct ovs_config *cfg, const char *name)
{
    const struct port *p = shash_find_data(&cfg->ports, name);
    return p && p->wanted ? &p->e : NULL;
}

const struct ovs_endpoint **
ovs_config_endpoints(const struct ovs_config *cfg, size_t *n)
{
    const struct shash_node **nodes = shash_sort(&cfg->ports);
    size_t n_nodes = shash_count(&cfg->ports);
    const struct ovs_endpoint **all = xcalloc(n_nodes + 1, sizeof *all);
    *n = 0;
    for (size_t i = 0; i < n_nodes; i++) {
        const struct port *p = nodes[i]->data;
        if (p->wanted) {
            all[(*n)++] = &p->e;
        }
    }
    free(nodes);
    return all;
}

/* --- Life ------------------------------------------------------------------- */

static void
monitor(struct ovsdb_idl *idl, const struct ovsdb_idl_column *const columns[], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ovsdb_idl_add_column(idl, columns[i]);
    }
}

static void
monitor_all(struct ovsdb_idl *idl)
{
    const struct ovsdb_idl_column *const columns[] = {
        &ovsrec_open_vswitch_col_bridges,  &ovsrec_bridge_col_name,
        &ovsrec_bridge_col_ports,          &ovsrec_bridge_col_fail_mode,
        &ovsrec_bridge_col_datapath_type,  &ovsrec_bridge_col_protocols,
        &ovsrec_bridge_col_external_ids,   &ovsrec_port_col_name,
        &ovsrec_port_col_interfaces,       &ovsrec_port_col_external_ids,
        &ovsrec_interface_col_name,        &ovsrec_interface_col_type,
        &ovsrec_interface_col_options,     &ovsrec_interface_col_mac,
        &ovsrec_interface_col_mtu_request, &ovsrec_interface_col_external_ids,
        &ovsrec_interface_col_ofport,      &ovsrec_interface_col_ofport_request,
        &ovsrec_interface_col_error,
    };
    ovsdb_idl_add_table(idl, &ovsrec_table_open_vswitch);
    ovsdb_idl_add_table(idl, &ovsrec_table_bridge);
    ovsdb_idl_add_table(idl, &ovsrec_table_port);
    ovsdb_idl_add_table(idl, &ovsrec_table_interface);
    monitor(idl, columns, ARRAY_SIZE(columns));
}

struct ovs_config *
ovs_config_create(const struct ovs_config_options *opt)
{
    struct ovs_config *cfg = xzalloc(sizeof *cfg);
    cfg->opt = *opt;
    cfg->opt.remote = xstrdup(opt->remote);
    cfg->opt.bridge = xstrdup(opt->bridge);
    cfg->opt.datapath_type = xstrdup(opt->datapath_type);
    cfg->opt.node_name = xstrdup(opt->node_name);
    cfg->opt.tunnel_port = xstrdup(opt->tunnel_port);
    cfg->opt.gateway_port = xstrdup(opt->gateway_port);
    cfg->loop = (struct ovsdb_idl_loop) OVSDB_IDL_LOOP_INITIALIZER(
        ovsdb_idl_create(opt->remote, &ovsrec_idl_class, false, true));
    ovsdb_idl_set_leader_only(cfg->loop.idl, false);
    monitor_all(cfg->loop.idl);
    shash_init(&cfg->ports);
    cfg->message = xstrdup("not connected to the Open vSwitch database");
    return cfg;
}

void
ovs_config_destroy(struct ovs_config *cfg)
{
    if (!cfg) {
        return;
    }
    ovsdb_idl_loop_destroy(&cfg->loop);
    struct shash_node *node;
    SHASH_FOR_EACH (node, &cfg->ports) {
        port_destroy(node->data);
    }
    shash_destroy(&cfg->ports);
    free(CONST_CAST(char *, cfg->opt.remote));
    free(CONST_CAST(char *, cfg->opt.bridge));
    free(CONST_CAST(char *, cfg->opt.datapath_type));
    free(CONST_CAST(char *, cfg->opt.node_name));
    free(CONST_CAST(char *, cfg->opt.tunnel_port));
    free(CONST_CAST(char *, cfg->opt.gateway_port));
    free(cfg->message);
    free(cfg);
}

void
ovs_config_set_message(struct ovs_config *cfg, char *take)
{
    if (strcmp(cfg->message, take) && take[0]) {
        VLOG_INFO("%s", take);
    }
    free(cfg->message);
    cfg->message = take;
}

/* --- Reading the database ---------------------------------------------------- */

const struct ovsrec_bridge *
ovs_config_bridge(const struct ovs_config *cfg)
{
    const struct ovsrec_bridge *br;
    OVSREC_BRIDGE_FOR_EACH(br, cfg->loop.idl)
    {
        if (!strcmp(br->name, cfg->opt.bridge)) {
            return br;
        }
    }
    return NULL;
}

const struct ovsrec_port *
ovs_config_port(const struct ovsrec_bridge *br, const char *name)
{
    for (size_t i = 0; br && i < br->n_ports; i++) {
        if (!strcmp(br->ports[i]->name, name)) {
            return br->ports[i];
        }
    }
    return NULL;
}

const struct ovsrec_interface *
ovs_config_interface(const struct ovsrec_port *port)
{
    return port && port->n_interfaces ? port->interfaces[0] : NULL;
}

static ofp_port_t
ofport_of(const struct ovsrec_interface *iface)
{
    bool valid = iface && iface->n_ofport && *iface->ofport > 0 && *iface->ofport < 0xff00;
    return valid ? u16_to_ofp(*iface->ofport) : 0;
}

static const char *
error_of(const struct ovsrec_interface *iface)
{
    return iface && iface->error && iface->error[0] ? iface->error : NULL;
}

bool
ovs_config_is_ours(const struct ovs_config *cfg, const struct ovsrec_bridge *br)
{
    if (smap_get(&br->external_ids, ID_NODE)) {
        return true;
    }
    for (size_t i = 0; i < br->n_ports; i++) {
        if (strcmp(br->ports[i]->name, cfg->opt.bridge)) {
            return false;
        }
    }
    return true;
}

static void
load_port(struct ovs_config *cfg, const struct ovsrec_port *row)
{
    const struct ovsrec_interface *iface = ovs_config_interface(row);
    const struct smap *ids = iface ? &iface->external_ids : NULL;
    if (!ids || !smap_get(ids, ID_ENDPOINT)) {
        return;
    }
    struct ovs_endpoint e = {
        .port = row->name,
        .name = CONST_CAST(char *, smap_get(ids, ID_ENDPOINT)),
        .uid = CONST_CAST(char *, smap_get(ids, ID_UID)),
        .container = CONST_CAST(char *, smap_get(ids, ID_CONTAINER)),
        .ifname = CONST_CAST(char *, smap_get(ids, ID_IFNAME)),
        .netns = CONST_CAST(char *, smap_get(ids, ID_NETNS)),
        .network = CONST_CAST(char *, smap_get(ids, ID_NETWORK)),
        .created_ms = smap_get_ullong(ids, ID_CREATED, 0),
    };
    put_port(cfg, &e)->present = true;
}

static void
load(struct ovs_config *cfg, const struct ovsrec_bridge *br)
{
    for (size_t i = 0; br && ovs_config_is_ours(cfg, br) && i < br->n_ports; i++) {
        if (!shash_find(&cfg->ports, br->ports[i]->name)) {
            load_port(cfg, br->ports[i]);
        }
    }
    cfg->loaded = true;
    VLOG_INFO("%" PRIuSIZE " endpoint ports found", shash_count(&cfg->ports));
}

static bool
refresh_port(struct port *p, const struct ovsrec_interface *iface)
{
    ofp_port_t ofport = ofport_of(iface);
    const char *error = error_of(iface);
    bool changed = p->present != (iface != NULL) || p->e.ofport != ofport
                   || !nullable_string_is_equal(p->e.error, error);
    if (changed) {
        p->present = iface != NULL;
        p->e.ofport = ofport;
        free(p->e.error);
        p->e.error = nullable_xstrdup(error);
    }
    return changed;
}

static void
refresh_ports(struct ovs_config *cfg, const struct ovsrec_bridge *br)
{
    struct shash_node *node;
    SHASH_FOR_EACH_SAFE (node, &cfg->ports) {
        struct port *p = node->data;
        if (refresh_port(p, ovs_config_interface(ovs_config_port(br, p->e.port)))) {
            cfg->seqno++;
        }
        if (!p->wanted && !p->present && !cfg->loop.committing_txn) {
            shash_delete(&cfg->ports, node);
            port_destroy(p);
            cfg->seqno++;
        }
    }
}

static char *
describe_port(const char *name, const struct ovsrec_interface *iface)
{
    const char *error = error_of(iface);
    if (error) {
        return xasprintf("Open vSwitch cannot make port %s: %s", name, error);
    }
    return ofport_of(iface) ? NULL : xasprintf("waiting for Open vSwitch to make port %s", name);
}

/* Why the patch ports do not work; NULL if they do. */
static char *
describe_patches(const struct ovsrec_bridge *br)
{
    for (size_t i = 0; i < N_PATCHES; i++) {
        const struct patch *patch = &ovs_config_patches[i];
        const struct ovsrec_interface *iface = ovs_config_interface(
            ovs_config_port(br, patch->name));
        char *message = describe_port(patch->name, iface);
        if (!message && *iface->ofport != patch->ofport) {
            message = xasprintf("port %s has the OpenFlow number %" PRId64 " instead of %" PRId64,
                                patch->name, *iface->ofport, patch->ofport);
        }
        if (message) {
            return message;
        }
    }
    return NULL;
}

static void
refresh(struct ovs_config *cfg)
{
    const struct ovsrec_bridge *br = ovs_config_bridge(cfg);
    if (!cfg->loaded) {
        load(cfg, br);
    }
    if (br && !ovs_config_is_ours(cfg, br)) {
        ovs_config_set_message(cfg,
                               xasprintf("bridge %s has ports that are not Virga's; remove it, or "
                                         "set its external_ids:" ID_NODE "=%s to give it to Virga",
                                         cfg->opt.bridge, cfg->opt.node_name));
        cfg->tunnel = cfg->gateway = 0;
        cfg->patched = false;
        return;
    }
    const struct ovsrec_interface *tunnel = ovs_config_interface(
        ovs_config_port(br, cfg->opt.tunnel_port));
    const struct ovsrec_interface *gateway = ovs_config_interface(
        ovs_config_port(br, cfg->opt.gateway_port));
    cfg->tunnel = ofport_of(tunnel);
    cfg->gateway = ofport_of(gateway);
    refresh_ports(cfg, br);
    char *message = describe_patches(br);
    cfg->patched = !message;
    if (!message) {
        message = describe_port(cfg->opt.tunnel_port, tunnel);
    }
    if (!message) {
        message = describe_port(cfg->opt.gateway_port, gateway);
    }
    ovs_config_set_message(cfg, message ? message : xstrdup(""));
}

/* --- Loop ------------------------------------------------------------------------ */

void
ovs_config_run(struct ovs_config *cfg)
{
    cfg->dirty_now = false;
    struct ovsdb_idl_txn *txn = ovsdb_idl_loop_run(&cfg->loop);
    if (!ovsdb_idl_has_ever_connected(cfg->loop.idl)) {
        return;
    }
    unsigned int now = ovsdb_idl_get_seqno(cfg->loop.idl);
    if (now != cfg->seen || cfg->dirty) {
        cfg->dirty = true;
        cfg->seen = now;
        refresh(cfg);
    }
    if (txn && cfg->dirty && time_msec() >= cfg->retry_at) {
        ovs_config_reconcile(cfg);
    }
}

void
ovs_config_wait(struct ovs_config *cfg)
{
    if (!ovsdb_idl_loop_commit_and_wait(&cfg->loop)) {
        cfg->dirty = true;
        cfg->retry_at = time_msec() + RETRY_MS;
    }
    if (cfg->dirty_now) {
        poll_immediate_wake();
    } else if (cfg->dirty && time_msec() < cfg->retry_at) {
        poll_timer_wait_until(cfg->retry_at);
    }
}

bool
ovs_config_is_loaded(const struct ovs_config *cfg)
{
    return cfg->loaded;
}

bool
ovs_config_is_ready(const struct ovs_config *cfg)
{
    return cfg->loaded && cfg->tunnel && cfg->gateway && cfg->patched;
}

const char *
ovs_config_message(const struct ovs_config *cfg)
{
    return cfg->message;
}

ofp_port_t
ovs_config_tunnel_ofport(const struct ovs_config *cfg)
{
    return cfg->tunnel;
}

ofp_port_t
ovs_config_gateway_ofport(const struct ovs_config *cfg)
{
    return cfg->gateway;
}

void
ovs_config_set_gateway_mtu(struct ovs_config *cfg, int mtu)
{
    if (cfg->gateway_mtu != mtu) {
        cfg->gateway_mtu = mtu;
        touch(cfg);
    }
}

unsigned int
ovs_config_seqno(const struct ovs_config *cfg)
{
    return cfg->seqno;
}
