#include "programs/virga-agent/agent.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/records.h"
#include "flow.h"
#include "node/cni_server.h"
#include "node/gateway.h"
#include "node/host_links.h"
#include "node/ovs_config.h"
#include "node/underlay.h"
#include "openflow/flow_table.h"
#include "openflow/lower.h"
#include "openflow/pipeline.h"
#include "openflow/switch.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "programs/virga-agent/flow_logger.h"
#include "programs/virga-agent/generation_waits.h"
#include "programs/virga-agent/packets.h"
#include "programs/virga-agent/policy_problems.h"
#include "programs/virga-agent/resolver.h"
#include "programs/virga-agent/host_side.h"
#include "programs/virga-agent/revoke.h"
#include "programs/virga-agent/revoke_edge.h"
#include "stats/collector.h"
#include "store/store.h"
#include "timeval.h"
#include "unixctl.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(agent);

#define BRIDGE "br-int"
#define TUNNEL_PORT "vxlan0"
#define GATEWAY_PORT "virga0"

enum {
    VXLAN_PORT = 4789,   /* RFC 7348. */
    VXLAN_OVERHEAD = 50, /* Outer IPv4, UDP, VXLAN, inner Ethernet. */
    HEARTBEAT_MS = 5000,
    STATUSES_PER_S = 1000,  /* Of all nodes together, besides heartbeats. */
    STATUSES_SEEN = 125000, /* A second: the server looks at each for each agent, 1 us. */
    POLLS_PER_S = 50,       /* Of all nodes together; each writes the counters that changed. */
    END_MS = 500,           /* For the switch to answer the last word. */
};

struct agent {
    char *node;
    struct in6_addr vtep;
    struct compile_config cluster;

    struct store *store;
    struct records *records;
    uint64_t generation; /* Of 'records'. */
    unsigned int store_seen;
    bool known;              /* 'records' are a desired state. */
    bool surroundings_known; /* The gateway and the underlay know its nodes and networks. */

    struct ovs_config *ovs_config;
    struct cni_server *cni;
    bool adopted; /* The ports of an earlier life are attached. */
    struct lower *lower;
    bool ports_known;
    struct ofswitch *sw;
    uint64_t confirmed; /* By the switch, when the CNI server last looked. */
    struct revoke_edge *revoke_edge;
    struct revoke *revoke;
    unsigned int closed_seen; /* Of lower_closed(), by 'revoke'. */
    struct resolver *resolver;
    struct flow_logger *log;
    struct packets *packets;
    struct policy_problems *policy_problems;
    struct collector *collector;
    struct gateway *gateway;
    struct underlay *underlay;
    struct generation_waits *waits;

    int mtu; /* Of pods; 0: not known. */
    struct in6_addr *addresses;
    size_t n_addresses;
    long long int heartbeat_at;

    /* What the database was told. */
    uint64_t told_applied, told_stats;
    bool told_ready;
    char *told_message;
    long long int tell_at; /* News wait until then. */
    bool problems_news;    /* policy_problems_run() had some. */

    char *message;  /* Why not ready; "" if it is. */
    bool end_heard; /* By the switch. */
};

/* --- What the CNI server asks of flows ------------------------------------------- */

static void
cni_attach(void *agent_, const char *name, const char *uid, ofp_port_t port)
{
    struct agent *agent = agent_;
    VLOG_INFO("%s: port %u", name, ofp_to_u16(port));
    lower_attach(agent->lower, name, uid, port);
}

static bool
cni_is_realized(void *agent_, const char *name, const char *uid)
{
    struct agent *agent = agent_;
    return lower_is_realized(agent->lower, name, uid);
}

static uint64_t
cni_epoch(void *agent_)
{
    return ofswitch_epoch(((struct agent *) agent_)->sw);
}

static uint64_t
cni_confirmed(void *agent_)
{
    return ofswitch_confirmed(((struct agent *) agent_)->sw);
}

static const char *
cni_not_ready(void *agent_)
{
    struct agent *agent = agent_;
    return agent->message[0] ? agent->message : NULL;
}

/* --- unixctl ------------------------------------------------------------------------ */

static void
reply_take(struct unixctl_conn *conn, struct ds *s)
{
    unixctl_command_reply(conn, ds_cstr(s));
    ds_destroy(s);
}

static void
ctl_flows(struct unixctl_conn *conn, int argc, const char *argv[], void *agent_)
{
    struct agent *agent = agent_;
    struct ds s = DS_EMPTY_INITIALIZER;
    flow_table_format(lower_flows(agent->lower), &s);
    reply_take(conn, &s);
}

static void
ctl_audit(struct unixctl_conn *conn, int argc, const char *argv[], void *agent_)
{
    struct agent *agent = agent_;
    ofswitch_audit(agent->sw);
    unixctl_command_reply(conn, NULL);
}

static void
ctl_records(struct unixctl_conn *conn, int argc, const char *argv[], void *agent_)
{
    struct agent *agent = agent_;
    struct ds s = DS_EMPTY_INITIALIZER;
    records_format_all(agent->records, &s);
    reply_take(conn, &s);
}

static void
ctl_check(struct unixctl_conn *conn, int argc, const char *argv[], void *agent_)
{
    struct agent *agent = agent_;
    char *error = lower_check_full(agent->lower, agent->records);
    if (error) {
        unixctl_command_reply_error(conn, error);
    } else {
        unixctl_command_reply(conn, "the flows are those of a full computation");
    }
    free(error);
}

static void
ctl_show(struct unixctl_conn *conn, int argc, const char *argv[], void *agent_)
{
    struct agent *agent = agent_;
    struct ds s = DS_EMPTY_INITIALIZER;
    ds_put_format(&s, "node %s vtep ", agent->node);
    addr_format(&agent->vtep, &s);
    ds_put_format(&s, "\nready: %s\n", agent->message[0] ? agent->message : "yes");
    ds_put_format(&s, "generation: %" PRIu64 " wanted, %" PRIu64 " applied\n", agent->generation,
                  ofswitch_applied(agent->sw));
    ds_put_format(&s, "flows: %" PRIuSIZE " wanted, %" PRIu64 " confirmed, %" PRIu64 " sent\n",
                  flow_table_count(lower_flows(agent->lower)), ofswitch_n_flows(agent->sw),
                  ofswitch_n_flow_mods(agent->sw));
    ds_put_format(&s, "tunnel port: %u, gateway port: %u, MTU of pods: %d\n",
                  ofp_to_u16(ovs_config_tunnel_ofport(agent->ovs_config)),
                  ofp_to_u16(ovs_config_gateway_ofport(agent->ovs_config)), agent->mtu);
    cni_server_format(agent->cni, &s);
    reply_take(conn, &s);
}

static void
ctl_revocation(struct unixctl_conn *conn, int argc, const char *argv[], void *agent_)
{
    struct agent *agent = agent_;
    struct ds s = DS_EMPTY_INITIALIZER;
    revoke_format(agent->revoke, &s);
    reply_take(conn, &s);
}

static void
ctl_packets(struct unixctl_conn *conn, int argc, const char *argv[], void *agent_)
{
    struct agent *agent = agent_;
    struct ds s = DS_EMPTY_INITIALIZER;
    packets_format(agent->packets, &s);
    flow_logger_format(agent->log, &s);
    reply_take(conn, &s);
}

static void
ctl_domains(struct unixctl_conn *conn, int argc, const char *argv[], void *agent_)
{
    struct agent *agent = agent_;
    struct ds s = DS_EMPTY_INITIALIZER;
    resolver_format(agent->resolver, time_msec(), &s);
    reply_take(conn, &s);
}

static void
ctl_reopen(struct unixctl_conn *conn, int argc, const char *argv[], void *agent_)
{
    struct agent *agent = agent_;
    flow_logger_reopen(agent->log);
    unixctl_command_reply(conn, NULL);
}

static void
register_commands(struct agent *agent)
{
    unixctl_command_register("show", "", 0, 0, ctl_show, agent);
    unixctl_command_register("flows/desired", "", 0, 0, ctl_flows, agent);
    unixctl_command_register("flows/check", "", 0, 0, ctl_check, agent);
    unixctl_command_register("flows/audit", "", 0, 0, ctl_audit, agent);
    unixctl_command_register("packets/show", "", 0, 0, ctl_packets, agent);
    unixctl_command_register("domains/show", "", 0, 0, ctl_domains, agent);
    unixctl_command_register("flow-log/reopen", "", 0, 0, ctl_reopen, agent);
    unixctl_command_register("revocation/show", "", 0, 0, ctl_revocation, agent);
    unixctl_command_register("records/show", "", 0, 0, ctl_records, agent);
}

/* --- Life ---------------------------------------------------------------------------- */

static int
create_cni_server(struct agent *agent, const struct agent_options *opt, char *socket)
{
    struct cni_server_options cni = {
        .socket = socket,
        .node_name = agent->node,
        .checksum_offload = strcmp(opt->datapath, "netdev"),
        .flows = {
            .aux = agent,
            .attach = cni_attach,
            .is_realized = cni_is_realized,
            .epoch = cni_epoch,
            .confirmed = cni_confirmed,
            .not_ready = cni_not_ready,
        },
    };
    return cni_server_create(&cni, agent->ovs_config, &agent->cni);
}

static struct ovs_config *
create_ovs_config(const struct agent_options *opt)
{
    struct ovs_config_options ovs = {
        .remote = opt->ovs_db,
        .bridge = BRIDGE,
        .datapath_type = opt->datapath,
        .node_name = opt->node,
        .tunnel_port = TUNNEL_PORT,
        .local_ip = opt->vtep,
        .tunnel_udp_port = VXLAN_PORT,
        .gateway_port = GATEWAY_PORT,
        .gateway_mac = pipeline_mac(MAC_gateway),
    };
    return ovs_config_create(&ovs);
}

static void
create_packets(struct agent *agent, const struct agent_options *opt)
{
    char *file = xasprintf("%s/domains", opt->rundir);
    agent->resolver = resolver_create(&(struct resolver_options){
        .sw = agent->sw,
        .lower = agent->lower,
        .ovs_rundir = opt->ovs_rundir,
        .file = file,
        .servers = opt->dns_servers,
        .n_servers = opt->n_dns_servers,
    });
    free(file);
    agent->log = flow_logger_create(opt->flow_log, agent->node, agent->records);
    agent->packets = packets_create(agent->sw, agent->records, agent->log, agent->resolver);
}

/* What is under way to the switch goes on while the next change is read and lowered. */
static void
push_flows(void *agent_)
{
    ofswitch_push(((struct agent *) agent_)->sw);
}

static void
create_flows(struct agent *agent, const struct agent_options *opt)
{
    struct interlude interlude = { push_flows, agent };
    struct lower_config lower = {
        .node_name = agent->node,
        .policy_flows_max = opt->policy_flows_max,
        .interlude = interlude,
    };
    store_set_interlude(agent->store, &interlude);
    agent->lower = lower_create(&lower);
    agent->policy_problems = policy_problems_create(agent->lower, opt->policy_flows_max);
    char *target = xasprintf("unix:%s/%s.mgmt", opt->ovs_rundir, BRIDGE);
    agent->sw = ofswitch_create(target);
    free(target);
    create_packets(agent, opt);
    agent->collector = collector_create(agent->store, agent->sw, COLLECTOR_INTERVAL_MS);
    char *settled = xasprintf("%s/settled", opt->rundir);
    agent->revoke_edge = revoke_edge_create(agent->sw, opt->ovs_rundir, settled);
    free(settled);
    agent->revoke = revoke_create(&(struct revoke_options){
        .node = agent->node,
        .datapath_type = opt->datapath,
        .flows = lower_flows(agent->lower),
        .learned = lower_learned(agent->lower),
        .closed = lower_closed(agent->lower, &agent->closed_seen),
        .settled = revoke_edge_was_settled(agent->revoke_edge),
        .seam = revoke_edge_seam(agent->revoke_edge),
    });
}

struct agent *
agent_create(const struct agent_options *opt, char **error)
{
    struct agent *agent = xzalloc(sizeof *agent);
    agent->node = xstrdup(opt->node);
    agent->vtep = opt->vtep;
    agent->cluster = opt->cluster;
    agent->message = xstrdup("starting");
    agent->told_message = xstrdup("");
    agent->store = store_create(opt->db, STORE_AGENT);
    agent->records = records_create();
    agent->ovs_config = create_ovs_config(opt);
    agent->gateway = gateway_create(GATEWAY_PORT);
    agent->underlay = underlay_create(&opt->vtep);
    create_flows(agent, opt);
    char *socket = xasprintf("%s/cni.sock", opt->rundir);
    int retval = create_cni_server(agent, opt, socket);
    *error = retval ? xasprintf("%s: %s", socket, ovs_strerror(retval)) : NULL;
    free(socket);
    if (retval) {
        agent_destroy(agent);
        return NULL;
    }
    register_commands(agent);
    agent->waits = generation_waits_create();
    return agent;
}

void
agent_destroy(struct agent *agent)
{
    if (!agent) {
        return;
    }
    generation_waits_destroy(agent->waits);
    cni_server_destroy(agent->cni);
    collector_destroy(agent->collector);
    packets_destroy(agent->packets);
    flow_logger_destroy(agent->log);
    resolver_destroy(agent->resolver);
    ofswitch_destroy(agent->sw);
    revoke_destroy(agent->revoke);
    revoke_edge_destroy(agent->revoke_edge); /* The switch may call it to the end. */
    policy_problems_destroy(agent->policy_problems);
    lower_destroy(agent->lower);
    underlay_destroy(agent->underlay);
    gateway_destroy(agent->gateway);
    ovs_config_destroy(agent->ovs_config);
    records_destroy(agent->records);
    store_destroy(agent->store);
    free(agent->addresses);
    free(agent->told_message);
    free(agent->message);
    free(agent->node);
    free(agent);
}

/* --- The desired state ----------------------------------------------------------------- */

static void
configure_underlay(struct agent *agent)
{
    size_t n = 0;
    struct in6_addr *peers = xcalloc(records_count(agent->records, RECORD_NODE) + 1,
                                     sizeof *peers);
    const struct record *r;
    for (r = records_first(agent->records, RECORD_NODE); r; r = records_next(agent->records, r)) {
        const struct rec_node *node = (const struct rec_node *) r;
        if (strcmp(node->name, agent->node)) {
            peers[n++] = node->vtep;
        }
    }
    underlay_set_peers(agent->underlay, peers, n);
    free(peers);
}

/* A database that no controller has written (generation 0) is not a desired
 * state: an empty one would take all flows of a running node away. */
static void
read_desired(struct agent *agent)
{
    unsigned int seqno = store_seqno(agent->store);
    if (!store_is_ready(agent->store) || seqno == agent->store_seen) {
        return;
    }
    agent->store_seen = seqno;
    store_read_records(agent->store, agent->records, &agent->generation);
    if (!agent->known && agent->generation) {
        VLOG_INFO("desired state known: generation %" PRIu64, agent->generation);
        agent->known = true;
    }
    if (agent->known
        && (!agent->surroundings_known || records_any_changed(agent->records, RECORD_NODE)
            || records_any_changed(agent->records, RECORD_NETWORK))) {
        agent->surroundings_known = true;
        host_side_configure(agent->gateway, agent->records, &agent->cluster, agent->node,
                            &agent->vtep, VXLAN_PORT);
        configure_underlay(agent);
    }
}

/* A policy that becomes too large for this node takes away what it allowed, and
 * no record needs to change for that. */
static void
look_at_closed(struct agent *agent)
{
    unsigned int seqno;
    lower_closed(agent->lower, &seqno);
    if (seqno != agent->closed_seen) {
        agent->closed_seen = seqno;
        revoke_closed_changed(agent->revoke);
    }
}

static void
lower_desired(struct agent *agent)
{
    if (ovs_config_is_ready(agent->ovs_config)) {
        lower_set_ports(agent->lower, ovs_config_tunnel_ofport(agent->ovs_config),
                        ovs_config_gateway_ofport(agent->ovs_config));
        agent->ports_known = true;
    }
    if (records_any_changes(agent->records)) {
        flow_logger_changed(agent->log);
    }
    resolver_feed(agent->resolver, agent->records, agent->known, time_msec());
    lower_run(agent->lower, agent->records);
    if (agent->known) {
        look_at_closed(agent);
        revoke_look(agent->revoke, agent->records, time_msec());
    }
    records_clear_changes(agent->records);
}

/* Before the ports are known there is no bridge to connect to. */
static void
program_switch(struct agent *agent)
{
    if (!agent->ports_known) {
        return;
    }
    revoke_edge_run(agent->revoke_edge, agent->revoke);
    bool ready = agent->known && agent->adopted && revoke_edge_is_ready(agent->revoke_edge);
    ofswitch_run(agent->sw, ready ? lower_flows(agent->lower) : NULL, agent->generation);
    resolver_run(agent->resolver, time_msec());
    flow_logger_run(agent->log);
}

/* --- The node's status ------------------------------------------------------------------- */

static char *
find_problem(const struct agent *agent)
{
    static const char behind[] = "the controller is of an earlier version and writes no feed; "
                                 "upgrade it: flows stay as they are meanwhile";

    if (!agent->known) {
        return xstrdup(!store_is_ready(agent->store) ? "not connected to the Virga database"
                       : store_feed_is_behind(agent->store)
                           ? behind
                           : "waiting for the controller to write the desired state");
    }
    if (store_feed_is_behind(agent->store)) {
        return xstrdup(behind);
    }
    if (!agent->mtu) {
        return xstrdup("no interface of the node has the VTEP address");
    }
    if (!ovs_config_is_ready(agent->ovs_config)) {
        return xstrdup(ovs_config_message(agent->ovs_config));
    }
    if (!ofswitch_is_connected(agent->sw)) {
        return xstrdup("not connected to the switch");
    }
    if (ofswitch_last_error(agent->sw)) {
        return xasprintf("the switch refuses flows: %s", ofswitch_last_error(agent->sw));
    }
    if (!ofswitch_applied(agent->sw)) {
        return xstrdup("waiting for the switch to take the flows");
    }
    return xstrdup(gateway_message(agent->gateway));
}

static void
update_message(struct agent *agent)
{
    char *message = find_problem(agent);
    if (strcmp(message, agent->message)) {
        VLOG_INFO("%s%s", message[0] ? "not ready: " : "ready", message);
    }
    free(agent->message);
    agent->message = message;
}

static void
look_at_node(struct agent *agent)
{
    int underlay = host_links_mtu_of_address(&agent->vtep);
    agent->mtu = underlay > VXLAN_OVERHEAD ? underlay - VXLAN_OVERHEAD : 0;
    cni_server_set_mtu(agent->cni, agent->mtu);
    if (agent->mtu) {
        ovs_config_set_gateway_mtu(agent->ovs_config, agent->mtu);
    }
    free(agent->addresses);
    agent->addresses = host_links_addresses(&agent->vtep, GATEWAY_PORT, &agent->n_addresses);
}

/* Each change of the desired state is news on every node: the more nodes there
 * are, the more of it one row has to sum up. */
static long long int
status_pause(const struct agent *agent)
{
    long long int n = records_count(agent->records, RECORD_NODE);
    long long int ms = MAX(n * 1000 / STATUSES_PER_S, n * n * 1000 / STATUSES_SEEN);
    return MIN(ms, HEARTBEAT_MS);
}

static void
tell_status(struct agent *agent)
{
    struct store_node_status status = {
        .name = agent->node,
        .vtep = agent->vtep,
        .addresses = agent->addresses,
        .n_addresses = agent->n_addresses,
        .applied = ofswitch_applied(agent->sw),
        .stats_applied = collector_stats_applied(agent->collector),
        .heartbeat_ms = time_wall_msec(),
        .ready = !agent->message[0],
        .message = agent->message,
        .n_flows = ofswitch_n_flows(agent->sw),
        .policy_problems = policy_problems_all(agent->policy_problems),
    };
    store_set_node_status(agent->store, &status);
    agent->told_applied = status.applied;
    agent->told_stats = status.stats_applied;
    agent->told_ready = status.ready;
    agent->tell_at = time_msec() + status_pause(agent);
    agent->problems_news = false;
    free(agent->told_message);
    agent->told_message = xstrdup(agent->message);
}

static bool
has_news(const struct agent *agent)
{
    return agent->told_applied != ofswitch_applied(agent->sw)
           || agent->told_stats != collector_stats_applied(agent->collector)
           || agent->told_ready != !agent->message[0]
           || strcmp(agent->told_message, agent->message);
}

/* Five seconds up to 250 nodes; who asks for statistics gets them at once anyway. */
static int
poll_interval(const struct agent *agent)
{
    size_t ms = records_count(agent->records, RECORD_NODE) * 1000 / POLLS_PER_S;
    return MIN(MAX(ms, COLLECTOR_INTERVAL_MS), MAX_COLLECTOR_INTERVAL_MS);
}

static void
report(struct agent *agent)
{
    bool heartbeat = time_msec() >= agent->heartbeat_at;
    if (heartbeat) {
        agent->heartbeat_at = time_msec() + HEARTBEAT_MS;
        collector_set_interval(agent->collector, poll_interval(agent));
        look_at_node(agent);
    }
    update_message(agent);
    agent->problems_news |= policy_problems_run(agent->policy_problems);
    bool news = agent->problems_news || has_news(agent);
    if (heartbeat || (news && time_msec() >= agent->tell_at)) {
        tell_status(agent);
    }
}

/* --- Loop ------------------------------------------------------------------------------------ */

void
agent_run(struct agent *agent)
{
    store_run(agent->store);
    read_desired(agent);
    ovs_config_run(agent->ovs_config);
    if (!agent->adopted && ovs_config_is_loaded(agent->ovs_config)) {
        cni_server_adopt(agent->cni);
        agent->adopted = true;
    }
    agent->confirmed = ofswitch_confirmed(agent->sw);
    cni_server_run(agent->cni, agent->known ? agent->records : NULL);
    lower_desired(agent);
    program_switch(agent);
    if (agent->known) {
        revoke_run(agent->revoke, agent->records, time_msec());
    }
    gateway_run(agent->gateway);
    underlay_run(agent->underlay);
    collector_run(agent->collector);
    report(agent);
    generation_waits_run(agent->waits, ofswitch_applied(agent->sw), time_msec());
}

void
agent_wait(struct agent *agent)
{
    store_wait(agent->store);
    ovs_config_wait(agent->ovs_config);
    cni_server_wait(agent->cni);
    if (agent->ports_known) {
        ofswitch_wait(agent->sw);
        resolver_wait(agent->resolver);
        flow_logger_wait(agent->log);
    }
    if (agent->confirmed != ofswitch_confirmed(agent->sw)) {
        poll_immediate_wake(); /* The CNI server waits for that. */
    }
    gateway_wait(agent->gateway);
    underlay_wait(agent->underlay);
    collector_wait(agent->collector);
    revoke_edge_wait(agent->revoke_edge, agent->revoke);
    if (agent->problems_news || has_news(agent)) {
        poll_timer_wait_until(agent->tell_at);
    }
    poll_timer_wait_until(MIN(agent->heartbeat_at, generation_waits_wake_at(agent->waits)));
}

/* --- The end ----------------------------------------------------------------------------------- */

static void
end_heard_cb(const struct ofputil_flow_stats *fs, bool complete OVS_UNUSED, void *heard)
{
    if (!fs) {
        *(bool *) heard = true;
    }
}

/* Messages of one connection are answered in order.  A connection that is closed with
 * an answer under way takes with it what the switch has not read. */
void
agent_end(struct agent *agent)
{
    long long int deadline = time_msec() + END_MS;

    resolver_end(agent->resolver);
    if (!ofswitch_is_connected(agent->sw)) {
        return;
    }
    ofswitch_request_stats(agent->sw, TABLE_dns_hold, NULL, 0, 0, end_heard_cb, &agent->end_heard);
    while (!agent->end_heard && time_msec() < deadline) {
        ofswitch_run(agent->sw, NULL, agent->generation);
        ofswitch_wait(agent->sw);
        poll_timer_wait_until(deadline);
        poll_block();
    }
}
