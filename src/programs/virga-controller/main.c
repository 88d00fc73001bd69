/* virga-controller: from Kubernetes objects to desired network state. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/http_message.h"
#include "api/http_server.h"
#include "api/token.h"
#include "base/mailbox.h"
#include "command-line.h"
#include "compile/compile.h"
#include "daemon.h"
#include "dirs.h"
#include "fatal-signal.h"
#include "latch.h"
#include "memory.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "programs/virga-controller/engine.h"
#include "simap.h"
#include "store/store.h"
#include "timeval.h"
#include "unixctl.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(virga_controller);

#define DEFAULT_RUNDIR "/run/virga"
#define DEFAULT_DB "unix:/run/virga-ovsdb/virga.sock"

struct options {
    char *db;
    char *rundir;
    char *http;    /* NULL: no TCP. */
    char *unixctl; /* NULL: in the run directory. */
    struct compile_config compile;
};

static struct latch stop;

static void
usage(void)
{
    printf(
        "%s: turns Kubernetes objects into desired network state\n"
        "usage: %s [OPTIONS]\n"
        "\nOptions:\n"
        "  --db=REMOTE      Virga database: unix:FILE or tcp:IP:PORT, several with commas\n"
        "                   (default: " DEFAULT_DB ")\n"
        "  --rundir=DIR     for api.sock, token, api.url and the control socket\n"
        "                   (default: " DEFAULT_RUNDIR ")\n"
        "  --http=IP:PORT   also serve the API there, on loopback, with the token;\n"
        "                   port 0: any, see api.url\n"
        "  --cluster-cidr=CIDR[,CIDR]\n"
        "                   networks get their subnets from here: IPv4, IPv6, or one of each\n"
        "                   for a dual-stack cluster (default: 10.128.0.0/9)\n"
        "  --unixctl=FILE   control socket (default: virga-controller.ctl in the run directory)\n"
        "  -h, --help       show this help\n"
        "  -V, --version    show the version\n",
        program_name, program_name);
    daemon_usage();
    vlog_usage();
    exit(EXIT_SUCCESS);
}

/* OVS's own options, parsed later, put their default files into the run
 * directory: it has to be known before. */
static char *
find_rundir(int argc, char *argv[])
{
    static const char option[] = "--rundir";
    for (int i = 1; i < argc; i++) {
        if (!strncmp(argv[i], option, strlen(option))) {
            const char *rest = argv[i] + strlen(option);
            if (*rest == '=') {
                return xstrdup(rest + 1);
            } else if (!*rest && i + 1 < argc) {
                return xstrdup(argv[i + 1]);
            }
        }
    }
    return xstrdup(DEFAULT_RUNDIR);
}

static void
replace(char **option, const char *value)
{
    free(*option);
    *option = xstrdup(value);
}

static void
set_cluster_cidr(struct options *o, const char *value)
{
    char *error = compile_config_set_cidrs(&o->compile, value);
    if (error) {
        ovs_fatal(0, "--cluster-cidr=%s: %s", value, error);
    }
}

static void
parse_options(int argc, char *argv[], struct options *o)
{
    enum {
        OPT_DB = UCHAR_MAX + 1,
        OPT_RUNDIR,
        OPT_HTTP,
        OPT_UNIXCTL,
        OPT_CLUSTER_CIDR,
        VLOG_OPTION_ENUMS,
        DAEMON_OPTION_ENUMS
    };
    static const struct option long_options[] = {
        { "db", required_argument, NULL, OPT_DB },
        { "rundir", required_argument, NULL, OPT_RUNDIR },
        { "http", required_argument, NULL, OPT_HTTP },
        { "cluster-cidr", required_argument, NULL, OPT_CLUSTER_CIDR },
        { "unixctl", required_argument, NULL, OPT_UNIXCTL },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        VLOG_LONG_OPTIONS,
        DAEMON_LONG_OPTIONS,
        { NULL, 0, NULL, 0 },
    };
    char *short_options = ovs_cmdl_long_options_to_short_options(long_options);
    int c;

    while ((c = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
        switch (c) {
        case OPT_DB:
            replace(&o->db, optarg);
            break;
        case OPT_RUNDIR:
            break;
        case OPT_HTTP:
            replace(&o->http, optarg);
            break;
        case OPT_CLUSTER_CIDR:
            set_cluster_cidr(o, optarg);
            break;
        case OPT_UNIXCTL:
            replace(&o->unixctl, optarg);
            break;
        case 'h':
            usage();
            break;
        case 'V':
            printf("%s (Virga) %s\n", program_name, VIRGA_VERSION);
            exit(EXIT_SUCCESS);
            VLOG_OPTION_HANDLERS
            DAEMON_OPTION_HANDLERS
        default:
            exit(EXIT_FAILURE);
        }
    }
    if (optind != argc) {
        ovs_fatal(0, "unexpected argument \"%s\"; see --help", argv[optind]);
    }
    free(short_options);
}

static void
options_init(int argc, char *argv[], struct options *o)
{
    o->db = xstrdup(DEFAULT_DB);
    o->http = NULL;
    o->unixctl = NULL;
    compile_config_default(&o->compile);
    char *rundir = find_rundir(argc, argv);
    /* A daemon changes its directory. */
    o->rundir = abs_file_name(NULL, rundir);
    free(rundir);
    setenv("OVS_RUNDIR", o->rundir, 1);
    setenv("OVS_LOGDIR", "/var/log/virga", 0);
    parse_options(argc, argv, o);
}

static void
options_uninit(struct options *o)
{
    free(o->db);
    free(o->rundir);
    free(o->http);
    free(o->unixctl);
}

static char *
run_file(const struct options *o, const char *name)
{
    return xasprintf("%s/%s", o->rundir, name);
}

/* --- Surroundings ----------------------------------------------------------------- */

static void
on_signal(int signr OVS_UNUSED)
{
    latch_set(&stop);
}

/* Before anything of OVS installs its own handlers, which do not replace
 * these: the end is to be a clean one. */
static void
catch_signals(void)
{
    struct sigaction action = { .sa_handler = on_signal };
    latch_init(&stop);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* Each client is a descriptor. */
static void
raise_file_limit(void)
{
    struct rlimit limit;
    if (!getrlimit(RLIMIT_NOFILE, &limit)) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void
make_rundir(const struct options *o)
{
    if (mkdir(o->rundir, 0755) && errno != EEXIST) {
        ovs_fatal(errno, "cannot make the run directory %s", o->rundir);
    }
}

static void
unixctl_exit(struct unixctl_conn *conn, int argc OVS_UNUSED, const char *argv[] OVS_UNUSED,
             void *aux OVS_UNUSED)
{
    latch_set(&stop);
    unixctl_command_reply(conn, NULL);
}

/* The oracle: is what was computed step by step what one computation gives? */
static void
unixctl_check(struct unixctl_conn *conn, int argc OVS_UNUSED, const char *argv[] OVS_UNUSED,
              void *engine)
{
    char *error = engine_check(engine);
    if (error) {
        unixctl_command_reply_error(conn, error);
    } else {
        unixctl_command_reply(conn, "the records are those of a full computation");
    }
    free(error);
}

static struct unixctl_server *
start_unixctl(const struct options *o)
{
    struct unixctl_server *unixctl;
    char *path = o->unixctl ? abs_file_name(o->rundir, o->unixctl)
                            : run_file(o, "virga-controller.ctl");
    int error = unixctl_server_create(path, &unixctl);
    if (error) {
        ovs_fatal(error, "cannot listen on %s", path);
    }
    free(path);
    unixctl_command_register("exit", "", 0, 0, unixctl_exit, NULL);
    return unixctl;
}

static struct http_server *
start_http(const struct options *o, struct mailbox *requests)
{
    char *socket_path = run_file(o, "api.sock");
    char *token_path = run_file(o, "token");
    char *token = NULL;
    struct http_server *server;

    int error = o->http ? token_load(token_path, &token) : 0;
    if (error) {
        ovs_fatal(error, "%s: cannot use this token file", token_path);
    }
    struct http_server_config config = {
        .unix_path = socket_path,
        .tcp = o->http,
        .token = token,
    };
    char *message = http_server_create(&config, requests, &server);
    if (message) {
        ovs_fatal(0, "%s", message);
    }
    VLOG_INFO("the API is at unix:%s %s", socket_path, http_server_url(server));
    free(token);
    free(token_path);
    free(socket_path);
    return server;
}

/* For people and scripts: where the API is. */
static void
write_url(const struct options *o, const struct http_server *server)
{
    char *path = run_file(o, "api.url");
    char *aside = run_file(o, "api.url.tmp");
    const char *url = http_server_url(server);
    FILE *file = *url ? fopen(aside, "w") : NULL;
    unlink(path);
    if (file) {
        fprintf(file, "%s\n", url);
        if (fclose(file) || rename(aside, path)) {
            VLOG_WARN("cannot write %s: %s", path, ovs_strerror(errno));
        }
    } else if (*url) {
        VLOG_WARN("cannot write %s: %s", aside, ovs_strerror(errno));
    }
    free(aside);
    free(path);
}

static void
remove_url(const struct options *o)
{
    char *path = run_file(o, "api.url");
    unlink(path);
    free(path);
}

/* --- Main --------------------------------------------------------------------------- */

static void
send_reply(struct http_reply *reply, void *server)
{
    http_server_reply(server, reply);
}

static void
run_memory(const struct engine *engine)
{
    memory_run();
    if (memory_should_report()) {
        struct simap usage = SIMAP_INITIALIZER(&usage);
        engine_get_memory_usage(engine, &usage);
        memory_report(&usage);
        simap_destroy(&usage);
    }
}

static void
loop(struct engine *engine, struct unixctl_server *unixctl)
{
    while (!latch_is_set(&stop)) {
        run_memory(engine);
        engine_run(engine);
        unixctl_server_run(unixctl);

        memory_wait();
        engine_wait(engine);
        unixctl_server_wait(unixctl);
        latch_wait(&stop);
        poll_block();
    }
}

/* What clients still sent is not answered any more. */
static void
drop_requests(struct mailbox *requests)
{
    struct mail *mail;
    while ((mail = mailbox_take(requests))) {
        http_request_destroy(CONTAINER_OF(mail, struct http_request, mail));
    }
    mailbox_destroy(requests);
}

int
main(int argc, char *argv[])
{
    struct options options;
    ovs_cmdl_proctitle_init(argc, argv);
    ovs_set_program_name(argv[0], VIRGA_VERSION);
    catch_signals();
    options_init(argc, argv, &options);
    make_rundir(&options);
    raise_file_limit();
    daemonize_start(false);
    fatal_signal_init(); /* Wants to be the only thread. */

    /* First the API's socket: it refuses to run beside another controller in
     * this directory, whose control socket would be taken away otherwise. */
    struct mailbox *requests = mailbox_create();
    struct http_server *server = start_http(&options, requests);
    struct unixctl_server *unixctl = start_unixctl(&options);
    struct store *store = store_create(options.db, STORE_CONTROLLER);
    struct engine *engine = engine_create(store, requests, &options.compile, send_reply, server);
    unixctl_command_register("compile/check", "", 0, 0, unixctl_check, engine);
    write_url(&options, server);
    daemonize_complete();

    loop(engine, unixctl);

    VLOG_INFO("stopping");
    remove_url(&options);
    engine_destroy(engine);
    http_server_destroy(server);
    drop_requests(requests);
    store_destroy(store);
    unixctl_server_destroy(unixctl);
    latch_destroy(&stop);
    options_uninit(&options);
    return EXIT_SUCCESS;
}
