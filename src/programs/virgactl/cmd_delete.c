/* virgactl delete. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/util.h"
#include "programs/virgactl/cli.h"
#include "programs/virgactl/client.h"
#include "programs/virgactl/manifests.h"
#include "programs/virgactl/objects.h"
#include "programs/virgactl/references.h"
#include "programs/virgactl/sync.h"
#include "svec.h"
#include "util.h"

const char cmd_delete_help[] =
    "  -f FILE|DIR  the objects of these manifests, in the reverse order of apply\n"
    "  -n NS        namespace of objects that name none (\"default\")\n"
    "  --ignore-not-found   what is not there is no error\n"
    "  --wait       return when every node has applied it\n\n"
    "Examples:\n"
    "  virgactl delete networkpolicy redis -n shop\n"
    "  virgactl delete pod/web-1 pod/web-2 -n shop\n"
    "  virgactl delete -f tests/examples/shop/ --ignore-not-found\n";

struct delete_args {
    struct svec paths;
    const char *ns;
    bool ignore_not_found;
    bool wait;
};

static int
parse_args(struct cli *cli, int argc, char **argv, struct delete_args *args)
{
    static const struct option options[] = {
        { "filename", required_argument, NULL, 'f' },
        { "namespace", required_argument, NULL, 'n' },
        { "ignore-not-found", no_argument, NULL, 'i' },
        { "wait", no_argument, NULL, 'w' },
        { NULL, 0, NULL, 0 },
    };
    int option;

    while ((option = cli_getopt(cli, argc, argv, "f:n:", options)) != -1) {
        if (option == 'f') {
            svec_add(&args->paths, optarg);
        } else if (option == 'n') {
            args->ns = optarg;
        } else if (option == 'i') {
            args->ignore_not_found = true;
        } else if (option == 'w') {
            args->wait = true;
        } else {
            return CLI_USAGE;
        }
    }
    return CLI_OK;
}

static int
delete_one(struct cli *cli, const struct delete_args *args, const struct resource_kind *kind,
           const char *ns, const char *name)
{
    char *path = object_path(kind, ns, name, NULL);
    char *title = object_title(kind, ns, name);
    struct reply reply;
    int error = client_request(cli, "DELETE", path, NULL, NULL, &reply);

    if (!error && reply.status < 400) {
        printf("%s deleted\n", title);
    } else if (!error && !(reply.status == 404 && args->ignore_not_found)) {
        char *message = reply_message(&reply);

        cli_error("%s: %s", title, message);
        free(message);
        error = CLI_REFUSED;
    }
    reply_uninit(&reply);
    free(title);
    free(path);
    return error;
}

/* Goes on after a refusal, not after a lost API. */
static int
merge(int code, int error)
{
    return error ? error : code;
}

static int
delete_manifests(struct cli *cli, const struct delete_args *args)
{
    struct manifests manifests;
    int code = manifests_load(&args->paths, args->ns, &manifests);

    for (size_t i = manifests.n; i > 0 && code != CLI_UNREACHABLE; i--) {
        const struct manifest_entry *entry = &manifests.a[i - 1];

        code = merge(code, delete_one(cli, args, entry->kind, entry->ns, entry->name));
    }
    manifests_uninit(&manifests);
    return code;
}

static int
delete_references(struct cli *cli, const struct delete_args *args, int argc, char **argv)
{
    struct references refs;
    int code = references_parse(argc, argv, &refs);

    if (code) {
        return code;
    }
    for (size_t i = 0; i < refs.n && code != CLI_UNREACHABLE; i++) {
        if (!refs.a[i].name) {
            code = cli_usage("delete", "which %s? give a name", refs.a[i].kind->singular);
            break;
        }
        code = merge(code, delete_one(cli, args, refs.a[i].kind, args->ns, refs.a[i].name));
    }
    references_uninit(&refs);
    return code;
}

int
cmd_delete(struct cli *cli, int argc, char **argv)
{
    struct delete_args args = { .paths = SVEC_EMPTY_INITIALIZER, .ns = "default" };
    int code = parse_args(cli, argc, argv, &args);

    if (!code && args.paths.n && optind < argc) {
        code = cli_usage("delete", "give either -f or KIND NAME, not both");
    } else if (!code && args.paths.n) {
        code = delete_manifests(cli, &args);
    } else if (!code && optind < argc) {
        code = delete_references(cli, &args, argc - optind, argv + optind);
    } else if (!code) {
        code = cli_usage("delete", "nothing to delete: give -f FILE or KIND NAME");
    }
    if (!code && args.wait) {
        code = sync_nodes(cli, SYNC_DEFAULT_SECONDS);
    }
    svec_destroy(&args.paths);
    return code;
}
