/* From the wanted configuration to the rows of a transaction. */
#include "node/ovs_config_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "packets.h"
#include "smap.h"

enum {
    TUNNEL_OFPORT = 1, /* Asked for, so that flows of all nodes look alike. */
    GATEWAY_OFPORT = 2,
};

static void
set_string_id(struct smap *ids, const char *key, const char *value)
{
    if (value && value[0]) {
        smap_add(ids, key, value);
    }
}

/* Changes our keys only. */
static void
write_ids(const struct ovsrec_interface *iface, const struct smap *ids)
{
    struct smap_node *node;
    SMAP_FOR_EACH (node, ids) {
        const char *old = smap_get(&iface->external_ids, node->key);
        if (!old || strcmp(old, node->value)) {
            ovsrec_interface_update_external_ids_setkey(iface, node->key, node->value);
        }
    }
}

/* What the row of a port should say; 'mac' NULL and 0 elsewhere: leave it. */
struct port_spec {
    const char *name;
    const char *type;
    const struct smap *options;
    const struct smap *ids;
    const char *mac;
    int64_t ofport_request;
    int64_t mtu_request;
};

static void
write_interface(const struct ovsrec_interface *iface, const struct port_spec *spec)
{
    if (strcmp(iface->type, spec->type)) {
        ovsrec_interface_set_type(iface, spec->type);
    }
    if (!smap_equal(&iface->options, spec->options)) {
        ovsrec_interface_set_options(iface, spec->options);
    }
    if (spec->mac && (!iface->mac || strcmp(iface->mac, spec->mac))) {
        ovsrec_interface_set_mac(iface, spec->mac);
    }
    if (spec->ofport_request
        && (!iface->n_ofport_request || *iface->ofport_request != spec->ofport_request)) {
        ovsrec_interface_set_ofport_request(iface, &spec->ofport_request, 1);
    }
    if (spec->mtu_request && (!iface->n_mtu_request || *iface->mtu_request != spec->mtu_request)) {
        ovsrec_interface_set_mtu_request(iface, &spec->mtu_request, 1);
    }
    write_ids(iface, spec->ids);
}

static void
add_port(struct ovs_config *cfg, const struct ovsrec_bridge *br, const struct port_spec *spec)
{
    const struct ovsrec_port *other;
    OVSREC_PORT_FOR_EACH(other, cfg->loop.idl)
    {
        if (!strcmp(other->name, spec->name)) {
            ovs_config_set_message(cfg, xasprintf("port %s is on another bridge", spec->name));
            return;
        }
    }
    const struct ovsrec_interface *iface = ovsrec_interface_insert(cfg->loop.open_txn);
    const struct ovsrec_port *port = ovsrec_port_insert(cfg->loop.open_txn);
    ovsrec_interface_set_name(iface, spec->name);
    write_interface(iface, spec);
    ovsrec_port_set_name(port, spec->name);
    ovsrec_port_set_interfaces(port, CONST_CAST(struct ovsrec_interface **, &iface), 1);
    ovsrec_bridge_update_ports_addvalue(br, port);
}

static void
want_port(struct ovs_config *cfg, const struct ovsrec_bridge *br, const struct port_spec *spec)
{
    const struct ovsrec_interface *iface = ovs_config_interface(ovs_config_port(br, spec->name));
    if (iface) {
        write_interface(iface, spec);
    } else {
        add_port(cfg, br, spec);
    }
}

static void
want_tunnel(struct ovs_config *cfg, const struct ovsrec_bridge *br, const struct smap *ids)
{
    struct smap options = SMAP_INITIALIZER(&options);
    char ip[INET6_ADDRSTRLEN];
    ipv6_string_mapped(ip, &cfg->opt.local_ip);
    smap_add(&options, "remote_ip", "flow");
    smap_add(&options, "key", "flow");
    smap_add(&options, "local_ip", ip);
    smap_add_format(&options, "dst_port", "%u", cfg->opt.tunnel_udp_port);
    struct port_spec spec = {
        .name = cfg->opt.tunnel_port,
        .type = "vxlan",
        .options = &options,
        .ids = ids,
        .ofport_request = TUNNEL_OFPORT,
    };
    want_port(cfg, br, &spec);
    smap_destroy(&options);
}

static void
want_gateway(struct ovs_config *cfg, const struct ovsrec_bridge *br, const struct smap *ids)
{
    struct smap options = SMAP_INITIALIZER(&options);
    char mac[ETH_ADDR_STRLEN + 1];
    snprintf(mac, sizeof mac, ETH_ADDR_FMT, ETH_ADDR_ARGS(cfg->opt.gateway_mac));
    struct port_spec spec = {
        .name = cfg->opt.gateway_port,
        .type = "internal",
        .options = &options,
        .ids = ids,
        .mac = mac,
        .ofport_request = GATEWAY_OFPORT,
        .mtu_request = cfg->gateway_mtu,
    };
    want_port(cfg, br, &spec);
    smap_destroy(&options);
}

static void
want_patches(struct ovs_config *cfg, const struct ovsrec_bridge *br, const struct smap *ids)
{
    for (size_t i = 0; i < N_PATCHES; i++) {
        struct smap options = SMAP_INITIALIZER(&options);
        smap_add(&options, "peer", ovs_config_patches[i ^ 1].name);
        struct port_spec spec = {
            .name = ovs_config_patches[i].name,
            .type = "patch",
            .options = &options,
            .ids = ids,
            .ofport_request = ovs_config_patches[i].ofport,
        };
        want_port(cfg, br, &spec);
        smap_destroy(&options);
    }
}

static void
want_endpoint(struct ovs_config *cfg, const struct ovsrec_bridge *br, const struct port *p)
{
    struct smap options = SMAP_INITIALIZER(&options);
    struct smap ids = SMAP_INITIALIZER(&ids);
    set_string_id(&ids, ID_ENDPOINT, p->e.name);
    set_string_id(&ids, ID_UID, p->e.uid);
    set_string_id(&ids, ID_CONTAINER, p->e.container);
    set_string_id(&ids, ID_IFNAME, p->e.ifname);
    set_string_id(&ids, ID_NETNS, p->e.netns);
    set_string_id(&ids, ID_NETWORK, p->e.network);
    smap_add_format(&ids, ID_CREATED, "%" PRId64, p->e.created_ms);
    struct port_spec spec = { .name = p->e.port, .type = "", .options = &options, .ids = &ids };
    want_port(cfg, br, &spec);
    smap_destroy(&ids);
    smap_destroy(&options);
}

static void
remove_unwanted(struct ovs_config *cfg, const struct ovsrec_bridge *br)
{
    for (size_t i = 0; i < br->n_ports; i++) {
        const struct ovsrec_port *row = br->ports[i];
        const struct ovsrec_interface *iface = ovs_config_interface(row);
        if (iface && smap_get(&iface->external_ids, ID_ENDPOINT)
            && !ovs_config_find(cfg, row->name)) {
            ovsrec_bridge_update_ports_delvalue(br, row);
        }
    }
}

static void
write_bridge(struct ovs_config *cfg, const struct ovsrec_bridge *br)
{
    static const char *protocols[] = { "OpenFlow10", "OpenFlow13", "OpenFlow15" };
    bool same = br->n_protocols == ARRAY_SIZE(protocols);
    for (size_t i = 0; same && i < br->n_protocols; i++) {
        same = !strcmp(br->protocols[i], protocols[i]);
    }
    if (!same) {
        ovsrec_bridge_set_protocols(br, protocols, ARRAY_SIZE(protocols));
    }
    if (!br->fail_mode || strcmp(br->fail_mode, "secure")) {
        ovsrec_bridge_set_fail_mode(br, "secure");
    }
    if (strcmp(br->datapath_type, cfg->opt.datapath_type)) {
        ovsrec_bridge_set_datapath_type(br, cfg->opt.datapath_type);
    }
    const char *owner = smap_get(&br->external_ids, ID_NODE);
    if (!owner || strcmp(owner, cfg->opt.node_name)) {
        ovsrec_bridge_update_external_ids_setkey(br, ID_NODE, cfg->opt.node_name);
    }
}

static void
create_bridge(struct ovs_config *cfg, const struct ovsrec_open_vswitch *root)
{
    struct ovsdb_idl_txn *txn = cfg->loop.open_txn;
    const struct ovsrec_interface *iface = ovsrec_interface_insert(txn);
    const struct ovsrec_port *port = ovsrec_port_insert(txn);
    const struct ovsrec_bridge *br = ovsrec_bridge_insert(txn);
    ovsrec_interface_set_name(iface, cfg->opt.bridge);
    ovsrec_interface_set_type(iface, "internal");
    ovsrec_port_set_name(port, cfg->opt.bridge);
    ovsrec_port_set_interfaces(port, CONST_CAST(struct ovsrec_interface **, &iface), 1);
    ovsrec_bridge_set_name(br, cfg->opt.bridge);
    ovsrec_bridge_set_ports(br, CONST_CAST(struct ovsrec_port **, &port), 1);
    write_bridge(cfg, br);
    ovsrec_open_vswitch_update_bridges_addvalue(root, br);
}

static void
want_ports(struct ovs_config *cfg, const struct ovsrec_bridge *br)
{
    struct smap ids = SMAP_INITIALIZER(&ids);
    smap_add(&ids, ID_NODE, cfg->opt.node_name);
    want_tunnel(cfg, br, &ids);
    want_gateway(cfg, br, &ids);
    want_patches(cfg, br, &ids);
    smap_destroy(&ids);
    struct shash_node *node;
    SHASH_FOR_EACH (node, &cfg->ports) {
        const struct port *p = node->data;
        if (p->wanted) {
            want_endpoint(cfg, br, p);
        }
    }
    remove_unwanted(cfg, br);
}

void
ovs_config_reconcile(struct ovs_config *cfg)
{
    const struct ovsrec_open_vswitch *root = ovsrec_open_vswitch_first(cfg->loop.idl);
    const struct ovsrec_bridge *br = ovs_config_bridge(cfg);
    if (!root) {
        ovs_config_set_message(cfg,
                               xstrdup("the Open vSwitch database is empty; run ovs-vsctl init"));
    } else if (!br) {
        create_bridge(cfg, root);
    } else if (ovs_config_is_ours(cfg, br)) {
        write_bridge(cfg, br);
        want_ports(cfg, br);
    }
    cfg->dirty = false;
}
