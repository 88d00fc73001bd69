/* The agent of one node: desired state of the database in, flows of the
 * switch, ports, routes and pods' interfaces out.
 *
 * Fails closed.  It changes no flow before it knows the desired state, the
 * ports of the node's endpoints and the numbers of the tunnel and the host's
 * port; what it does not know it leaves as it was.  When it dies or loses
 * the database, the switch goes on with the flows that it has. */
#ifndef VIRGA_AGENT_H
#define VIRGA_AGENT_H 1

#include <netinet/in.h>
#include <stddef.h>

struct prefix;

#include "compile/compile.h"

struct agent_options {
    const char *db; /* OVSDB connection method of the Virga database. */
    const char *rundir;
    const char *node;
    struct in6_addr vtep;
    const char *ovs_db;               /* OVSDB connection method of Open vSwitch. */
    const char *ovs_rundir;           /* Where ovs-vswitchd has its management sockets. */
    const char *datapath;             /* "netdev" or "system" */
    const char *flow_log;             /* File for the lines of rules with 'log'. */
    size_t policy_flows_max;          /* Of one policy on this node (openflow/lower.h). */
    const struct prefix *dns_servers; /* Whose answers are believed; none: all. */
    size_t n_dns_servers;
    struct compile_config cluster; /* Ranges that networks get their subnets from. */
};

struct agent;

/* NULL with *error (malloc'd) if the CNI socket cannot be made.  Registers
 * unixctl commands. */
struct agent *agent_create(const struct agent_options *, char **error);
void agent_destroy(struct agent *);
void agent_run(struct agent *);
void agent_wait(struct agent *);
/* Before the agent is destroyed in peace: nobody waits for it any more.  Blocks until
 * the switch has heard of that, half a second at most. */
void agent_end(struct agent *);

#endif
