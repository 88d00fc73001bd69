/* virgactl compile and flows: the stages from manifest to flow, offline. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/records.h"
#include "compile/compile.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "programs/virgactl/cli.h"
#include "programs/virgactl/manifests.h"
#include "programs/virgactl/offline.h"
#include "svec.h"
#include "util.h"

const char cmd_compile_help[] =
    "Prints what the controller would make of the manifests: nodes, networks,\n"
    "identities, endpoints, sets and rules, one a line.  Needs no API.  Nodes are Node\n"
    "objects with status.addresses; the first address is the VTEP.\n\n"
    "Examples:\n"
    "  virgactl compile -f tests/examples/shop/\n"
    "  virgactl compile -f policy.yaml -f pods.yaml | grep ^rule\n";

const char cmd_flows_help[] =
    "Prints the flows of one node as \"ovs-ofctl dump-flows\" would, without counters.\n"
    "Needs no API.  The node's pods have OpenFlow ports from 100 on in the order of\n"
    "namespace and name, the tunnel has port 1, the gateway port 2.\n\n"
    "Examples:\n"
    "  virgactl flows -f tests/examples/shop/ --node=node-1\n"
    "  virgactl flows -f shop/ --node=node-1 | grep table=ingress_np\n";

struct offline_args {
    struct svec paths;
    const char *ns;
    const char *node;
};

static int
parse_args(struct cli *cli, int argc, char **argv, const char *command, struct offline_args *args)
{
    static const struct option options[] = {
        { "filename", required_argument, NULL, 'f' },
        { "namespace", required_argument, NULL, 'n' },
        { "node", required_argument, NULL, 'N' },
        { NULL, 0, NULL, 0 },
    };
    int option;

    while ((option = cli_getopt(cli, argc, argv, "f:n:", options)) != -1) {
        if (option == 'f') {
            svec_add(&args->paths, optarg);
        } else if (option == 'n') {
            args->ns = optarg;
        } else if (option == 'N') {
            args->node = optarg;
        } else {
            return CLI_USAGE;
        }
    }
    for (; optind < argc && args->paths.n; optind++) {
        svec_add(&args->paths, argv[optind]);
    }
    return args->paths.n ? CLI_OK : cli_usage(command, "no -f FILE given");
}

static bool
is_node(const struct records *records, const char *name)
{
    const struct record *r;

    for (r = records_first(records, RECORD_NODE); r; r = records_next(records, r)) {
        if (!strcmp(((const struct rec_node *) r)->name, name)) {
            return true;
        }
    }
    return false;
}

static int
print_stage(const struct records *records, const char *node)
{
    struct ds out = DS_EMPTY_INITIALIZER;

    if (!node) {
        records_format_all(records, &out);
    } else if (is_node(records, node)) {
        offline_flows(records, node, &out);
    } else {
        cli_error("--node=%s: the manifests have no Node of this name with an address", node);
        return CLI_REFUSED;
    }
    fputs(ds_cstr(&out), stdout);
    ds_destroy(&out);
    return CLI_OK;
}

static int
run_offline(const struct offline_args *args)
{
    struct manifests manifests;
    int error = manifests_load(&args->paths, args->ns, &manifests);

    if (!error) {
        struct compile *compile = offline_compile(&manifests);

        offline_tell_problems(compile);
        error = print_stage(compile_records(compile), args->node);
        compile_destroy(compile);
    }
    manifests_uninit(&manifests);
    return error;
}

int
cmd_compile(struct cli *cli, int argc, char **argv)
{
    struct offline_args args = { .paths = SVEC_EMPTY_INITIALIZER, .ns = "default" };
    int error = parse_args(cli, argc, argv, "compile", &args);

    if (!error) {
        args.node = NULL;
        error = run_offline(&args);
    }
    svec_destroy(&args.paths);
    return error;
}

int
cmd_flows(struct cli *cli, int argc, char **argv)
{
    struct offline_args args = { .paths = SVEC_EMPTY_INITIALIZER, .ns = "default" };
    int error = parse_args(cli, argc, argv, "flows", &args);

    if (!error) {
        error = args.node ? run_offline(&args) : cli_usage("flows", "which --node=NODE?");
    }
    svec_destroy(&args.paths);
    return error;
}
