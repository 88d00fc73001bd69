/* virga-agent: programs Open vSwitch on one node. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/prefix.h"
#include "command-line.h"
#include "daemon.h"
#include "dirs.h"
#include "fatal-signal.h"
#include "latch.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "programs/virga-agent/agent.h"
#include "signals.h"
#include "stream-ssl.h"
#include "stream.h"
#include "unixctl.h"
#include "util.h"

#define DEFAULT_RUNDIR "/run/virga"
#define DEFAULT_OVS_RUNDIR "/run/openvswitch"
#define DEFAULT_FLOW_LOG "/var/log/virga/flows.log"

enum { DEFAULT_POLICY_FLOWS_MAX = 100000, MAX_DNS_SERVERS = 64 };

static void
usage(void)
{
    printf("%s: programs Open vSwitch on one node of a Virga cluster\n"
           "usage: %s --db=REMOTE --node=NAME --vtep=IP [OPTION...]\n\n"
           "  --db=REMOTE          the Virga database (unix:FILE, tcp:IP:PORT, ssl:IP:PORT;\n"
           "                       several separated by commas)\n"
           "  --node=NAME          name of this node, as in the nodeName of pods\n"
           "  --vtep=IP            address of this node in the underlay; tunnels end there\n"
           "  --rundir=DIR         sockets and pidfile (default: " DEFAULT_RUNDIR ")\n"
           "  --ovs-rundir=DIR     where ovs-vswitchd runs (default: " DEFAULT_OVS_RUNDIR ")\n"
           "  --ovs-db=REMOTE      database of Open vSwitch (default: unix:OVS-RUNDIR/db.sock)\n"
           "  --cluster-cidr=CIDR[,CIDR]\n"
           "                       the controller's ranges (default: 10.128.0.0/9)\n"
           "  --datapath=TYPE      netdev (default, no kernel module) or system\n"
           "  --flow-log=FILE      where rules with \"log\" write their verdicts, as JSON lines\n"
           "                       (default: " DEFAULT_FLOW_LOG "; -: standard output)\n"
           "  --dns-servers=CIDRS  whose answers teach the addresses of domainNames, separated\n"
           "                       by commas (default: every server that a pod may ask)\n"
           "  --policy-flows-max=N flows that one policy may need on this node; a larger one\n"
           "                       only denies (default: %d; 0: no limit)\n",
           program_name, program_name, DEFAULT_POLICY_FLOWS_MAX);
    daemon_usage();
    vlog_usage();
    stream_usage("REMOTE", true, false, true);
    printf("\nOther options:\n"
           "  -h, --help           display this help message\n"
           "  -V, --version        display version information\n\n"
           "The agent removes no flow when it ends.  Ask it with\n"
           "  ovs-appctl -t RUNDIR/virga-agent.ctl show\n");
    exit(EXIT_SUCCESS);
}

struct arguments {
    struct agent_options agent;
    const char *vtep;
    struct prefix dns_servers[MAX_DNS_SERVERS];
};

enum {
    OPT_DB = UCHAR_MAX + 1,
    OPT_NODE,
    OPT_VTEP,
    OPT_RUNDIR,
    OPT_OVS_RUNDIR,
    OPT_OVS_DB,
    OPT_DATAPATH,
    OPT_FLOW_LOG,
    OPT_DNS_SERVERS,
    OPT_POLICY_FLOWS_MAX,
    OPT_CLUSTER_CIDR,
    OPT_BOOTSTRAP_CA_CERT,
    VLOG_OPTION_ENUMS,
    DAEMON_OPTION_ENUMS,
    SSL_OPTION_ENUMS,
};

static const struct option long_options[] = {
    { "db", required_argument, NULL, OPT_DB },
    { "node", required_argument, NULL, OPT_NODE },
    { "vtep", required_argument, NULL, OPT_VTEP },
    { "rundir", required_argument, NULL, OPT_RUNDIR },
    { "ovs-rundir", required_argument, NULL, OPT_OVS_RUNDIR },
    { "ovs-db", required_argument, NULL, OPT_OVS_DB },
    { "datapath", required_argument, NULL, OPT_DATAPATH },
    { "flow-log", required_argument, NULL, OPT_FLOW_LOG },
    { "dns-servers", required_argument, NULL, OPT_DNS_SERVERS },
    { "policy-flows-max", required_argument, NULL, OPT_POLICY_FLOWS_MAX },
    { "cluster-cidr", required_argument, NULL, OPT_CLUSTER_CIDR },
    { "bootstrap-ca-cert", required_argument, NULL, OPT_BOOTSTRAP_CA_CERT },
    { "help", no_argument, NULL, 'h' },
    { "version", no_argument, NULL, 'V' },
    VLOG_LONG_OPTIONS,
    DAEMON_LONG_OPTIONS,
    STREAM_SSL_LONG_OPTIONS,
    { NULL, 0, NULL, 0 },
};

static void
parse_library_option(int c)
{
    switch (c) {
        VLOG_OPTION_HANDLERS
        DAEMON_OPTION_HANDLERS
        STREAM_SSL_OPTION_HANDLERS
    case OPT_BOOTSTRAP_CA_CERT:
        stream_ssl_set_ca_cert_file(optarg, true);
        break;
    default:
        exit(EXIT_FAILURE);
    }
}

static void
add_dns_server(const char *text, struct arguments *args)
{
    if (args->agent.n_dns_servers == MAX_DNS_SERVERS) {
        ovs_fatal(0, "--dns-servers: more than %d", MAX_DNS_SERVERS);
    }
    struct prefix *p = &args->dns_servers[args->agent.n_dns_servers++];
    char *error = prefix_parse(text, false, p);
    if (error) {
        ovs_fatal(0, "--dns-servers: %s: %s", text, error);
    }
}

static void
set_cluster_cidr(struct agent_options *a, const char *value)
{
    char *error = compile_config_set_cidrs(&a->cluster, value);
    if (error) {
        ovs_fatal(0, "--cluster-cidr=%s: %s", value, error);
    }
}

static void
parse_dns_servers(const char *text, struct arguments *args)
{
    while (*text) {
        size_t n = strcspn(text, ",");
        char *one = xmemdup0(text, n);
        add_dns_server(one, args);
        free(one);
        text += n + (text[n] == ',');
    }
    args->agent.dns_servers = args->dns_servers;
}

static void
parse_flows_max(const char *text, struct arguments *args)
{
    int n;
    if (!str_to_int(text, 10, &n) || n < 0) {
        ovs_fatal(0, "--policy-flows-max=%s: must be a number", text);
    }
    args->agent.policy_flows_max = n;
}

static void
parse_option(int c, struct arguments *args)
{
    switch (c) {
    case OPT_DB:
        args->agent.db = optarg;
        break;
    case OPT_NODE:
        args->agent.node = optarg;
        break;
    case OPT_VTEP:
        args->vtep = optarg;
        break;
    case OPT_RUNDIR:
        args->agent.rundir = optarg;
        break;
    case OPT_OVS_RUNDIR:
        args->agent.ovs_rundir = optarg;
        break;
    case OPT_OVS_DB:
        args->agent.ovs_db = optarg;
        break;
    case OPT_DATAPATH:
        args->agent.datapath = optarg;
        break;
    case OPT_FLOW_LOG:
        args->agent.flow_log = optarg;
        break;
    case OPT_DNS_SERVERS:
        parse_dns_servers(optarg, args);
        break;
    case OPT_POLICY_FLOWS_MAX:
        parse_flows_max(optarg, args);
        break;
    case OPT_CLUSTER_CIDR:
        set_cluster_cidr(&args->agent, optarg);
        break;
    case 'h':
        usage();
        break;
    case 'V':
        ovs_print_version(0, 0);
        exit(EXIT_SUCCESS);
    default:
        parse_library_option(c);
    }
}

static void
parse_options(int argc, char *argv[], struct arguments *args)
{
    char *short_options = ovs_cmdl_long_options_to_short_options(long_options);
    int c;
    while ((c = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
        parse_option(c, args);
    }
    free(short_options);
    if (optind < argc) {
        ovs_fatal(0, "unexpected argument \"%s\" (use --help for help)", argv[optind]);
    }
}

/* The default places of pidfile and log follow from the run directory, and
 * the library asks for them while it parses options. */
static void
set_directories(int argc, char *argv[])
{
    const char *rundir = DEFAULT_RUNDIR;
    for (int i = 1; i < argc; i++) {
        if (!strncmp(argv[i], "--rundir=", 9)) {
            rundir = argv[i] + 9;
        } else if (!strcmp(argv[i], "--rundir") && i + 1 < argc) {
            rundir = argv[i + 1];
        }
    }
    char *absolute = abs_file_name(NULL, rundir); /* --detach changes directory. */
    setenv("OVS_RUNDIR", absolute, 1);
    free(absolute);
    setenv("OVS_LOGDIR", "/var/log/virga", 0);
}

static void
check_arguments(struct arguments *args)
{
    struct agent_options *a = &args->agent;
    if (!a->db || !a->node || !args->vtep) {
        ovs_fatal(0, "--db, --node and --vtep are required (use --help for help)");
    }
    if (strcmp(a->datapath, "netdev") && strcmp(a->datapath, "system")) {
        ovs_fatal(0, "--datapath=%s: must be netdev or system", a->datapath);
    }
    char *error = addr_parse(args->vtep, &a->vtep);
    if (error) {
        ovs_fatal(0, "--vtep=%s: %s", args->vtep, error);
    }
    if (!addr_is_ip4(&a->vtep)) {
        ovs_fatal(0, "--vtep=%s: must be an IPv4 address", args->vtep);
    }
    if (mkdir(a->rundir, 0755) && errno != EEXIST) {
        ovs_fatal(errno, "%s", a->rundir);
    }
}

static void
exit_command(struct unixctl_conn *conn, int argc, const char *argv[], void *exiting_)
{
    bool *exiting = exiting_;
    *exiting = true;
    unixctl_command_reply(conn, NULL);
}

static struct unixctl_server *
create_unixctl(const char *rundir)
{
    char *path = xasprintf("%s/virga-agent.ctl", rundir);
    struct unixctl_server *server;
    int error = unixctl_server_create(path, &server);
    if (error) {
        ovs_fatal(error, "%s", path);
    }
    free(path);
    return server;
}

/* SIGTERM and SIGINT ask to end in peace; the second one ends at once. */
static struct latch end_asked;

static void
ask_to_end(int signr OVS_UNUSED)
{
    latch_set(&end_asked);
}

static void
take_signals(void)
{
    struct sigaction sa = { .sa_handler = ask_to_end, .sa_flags = SA_RESTART | SA_RESETHAND };

    latch_init(&end_asked);
    sigemptyset(&sa.sa_mask);
    xsigaction(SIGTERM, &sa, NULL);
    xsigaction(SIGINT, &sa, NULL);
}

static void
run(const struct agent_options *opt)
{
    struct unixctl_server *unixctl = create_unixctl(opt->rundir);
    bool exiting = false;
    unixctl_command_register("exit", "", 0, 0, exit_command, &exiting);
    char *error = NULL;
    struct agent *agent = agent_create(opt, &error);
    if (!agent) {
        ovs_fatal(0, "%s", error);
    }
    take_signals();
    daemonize_complete();
    while (!exiting && !latch_is_set(&end_asked)) {
        agent_run(agent);
        unixctl_server_run(unixctl);

        agent_wait(agent);
        unixctl_server_wait(unixctl);
        latch_wait(&end_asked);
        if (exiting) {
            poll_immediate_wake();
        }
        poll_block();
    }
    agent_end(agent);
    agent_destroy(agent);
    latch_destroy(&end_asked);
    unixctl_server_destroy(unixctl);
}

int
main(int argc, char *argv[])
{
    /* Each large allocation merges all fast bins, and JSON is small ones between large. */
    mallopt(M_MXFAST, 0);
    set_directories(argc, argv);
    ovs_cmdl_proctitle_init(argc, argv);
    ovs_set_program_name(argv[0], VIRGA_VERSION);
    fatal_ignore_sigpipe();
    struct arguments args = {
        .agent = {
            .rundir = DEFAULT_RUNDIR,
            .ovs_rundir = DEFAULT_OVS_RUNDIR,
            .datapath = "netdev",
            .flow_log = DEFAULT_FLOW_LOG,
            .policy_flows_max = DEFAULT_POLICY_FLOWS_MAX,
        },
    };
    compile_config_default(&args.agent.cluster);
    set_pidfile(NULL); /* RUNDIR/virga-agent.pid, unless an option says another. */
    parse_options(argc, argv, &args);
    char *ovs_db = xasprintf("unix:%s/db.sock", args.agent.ovs_rundir);
    if (!args.agent.ovs_db) {
        args.agent.ovs_db = ovs_db;
    }
    args.agent.rundir = ovs_rundir();
    check_arguments(&args);
    daemonize_start(false);
    run(&args.agent);
    free(ovs_db);
    return EXIT_SUCCESS;
}
