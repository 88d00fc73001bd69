#include "programs/virgactl/sync.h"

#include <stdlib.h>

#include "openvswitch/util.h"
#include "programs/virgactl/cli.h"
#include "programs/virgactl/client.h"
#include "util.h"
#include "virga/api_paths.h"

const char cmd_sync_help[] =
    "Returns when the flows of every ready node are those of all objects written\n"
    "before; exit code 1 names the nodes that are behind.\n\n"
    "Examples:\n"
    "  virgactl sync\n"
    "  virgactl apply -f policy.yaml && virgactl sync --timeout=5\n";

int
sync_nodes(struct cli *cli, unsigned int seconds)
{
    char *path = xasprintf("%s?timeout=%u", API_PATH_SYNC, seconds);
    struct reply reply;
    int error = client_get(cli, path, &reply);

    free(path);
    if (!error) {
        reply_uninit(&reply);
    }
    return error;
}

int
cmd_sync(struct cli *cli, int argc, char **argv)
{
    static const struct option options[] = {
        { "timeout", required_argument, NULL, 't' },
        { NULL, 0, NULL, 0 },
    };
    unsigned int seconds = SYNC_DEFAULT_SECONDS;
    int option;

    while ((option = cli_getopt(cli, argc, argv, "", options)) != -1) {
        if (option != 't') {
            return CLI_USAGE;
        }
        if (!str_to_uint(optarg, 10, &seconds) || !seconds || seconds > SYNC_MAX_SECONDS) {
            return cli_usage("sync", "--timeout=%s: must be 1 to %d seconds", optarg,
                             SYNC_MAX_SECONDS);
        }
    }
    if (optind < argc) {
        return cli_usage("sync", "'%s' is one argument too many", argv[optind]);
    }
    return sync_nodes(cli, seconds);
}
