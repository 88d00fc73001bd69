/* virgactl apply: check everything, ask the API what it thinks of everything,
 * and only then change anything. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/util.h"
#include "programs/virgactl/cli.h"
#include "programs/virgactl/client.h"
#include "programs/virgactl/manifests.h"
#include "programs/virgactl/objects.h"
#include "programs/virgactl/sync.h"
#include "svec.h"
#include "util.h"

/* Somebody else may write between our GET and our PUT. */
enum { MAX_CONFLICTS = 5 };

const char cmd_apply_help[] =
    "Every document of every file is checked first; errors name file, line, field\n"
    "and reason, and then nothing is applied.\n\n"
    "  -f FILE|DIR  YAML or JSON; a directory's *.yaml, *.yml, *.json; -: standard input\n"
    "  -n NS        for objects that name no namespace (\"default\")\n"
    "  --dry-run=client   check the files only\n"
    "  --dry-run=server   let the API check them too, change nothing\n"
    "  --wait       return when every node has applied it\n\n"
    "Examples:\n"
    "  virgactl apply -f tests/examples/shop/ --wait\n"
    "  virgactl apply --dry-run=client -f policy.yaml\n"
    "  sed s/6379/6380/ redis.yaml | virgactl apply -f -\n";

enum dry_run { DRY_RUN_NONE, DRY_RUN_CLIENT, DRY_RUN_SERVER };

struct apply_args {
    struct svec paths;
    const char *ns;
    enum dry_run dry_run;
    bool wait;
};

static bool
parse_dry_run(const char *word, enum dry_run *dry_run)
{
    if (!strcmp(word, "client") || !strcmp(word, "server")) {
        *dry_run = word[0] == 'c' ? DRY_RUN_CLIENT : DRY_RUN_SERVER;
        return true;
    }
    *dry_run = DRY_RUN_NONE;
    return !strcmp(word, "none");
}

static int
parse_args(struct cli *cli, int argc, char **argv, struct apply_args *args)
{
    static const struct option options[] = {
        { "filename", required_argument, NULL, 'f' },
        { "namespace", required_argument, NULL, 'n' },
        { "dry-run", required_argument, NULL, 'd' },
        { "wait", no_argument, NULL, 'w' },
        { NULL, 0, NULL, 0 },
    };
    int option;

    while ((option = cli_getopt(cli, argc, argv, "f:n:", options)) != -1) {
        if (option == 'f') {
            svec_add(&args->paths, optarg);
        } else if (option == 'n') {
            args->ns = optarg;
        } else if (option == 'w') {
            args->wait = true;
        } else if (option != 'd') {
            return CLI_USAGE;
        } else if (!parse_dry_run(optarg, &args->dry_run)) {
            return cli_usage("apply", "--dry-run=%s: must be client or server", optarg);
        }
    }
    /* "-f a.yaml b.yaml", as a shell expands "-f *.yaml". */
    for (; optind < argc && args->paths.n; optind++) {
        svec_add(&args->paths, argv[optind]);
    }
    return args->paths.n ? CLI_OK : cli_usage("apply", "no -f FILE given");
}

static int
refused(const struct manifest_entry *entry, const struct reply *reply)
{
    char *where = manifest_entry_where(entry);
    char *message = reply_message(reply);

    fflush(stdout);
    fprintf(stderr, "%s: %s: %s\n", where, entry->title, message);
    free(message);
    free(where);
    return CLI_REFUSED;
}

/* What the API makes of one entry. */
struct outcome {
    const char *verb; /* created, configured, unchanged */
    struct reply reply;
};

static int
create(struct cli *cli, const struct manifest_entry *entry, const char *query,
       struct outcome *outcome)
{
    char *path = object_path(entry->kind, entry->ns, NULL, query);
    int error;

    outcome->verb = "created";
    error = client_request(cli, "POST", path, entry->object, "application/json", &outcome->reply);
    free(path);
    return error;
}

/* Replaces 'old' unless somebody else did: status 409 then. */
static int
replace(struct cli *cli, const struct manifest_entry *entry, const json_t *old, const char *query,
        struct outcome *outcome)
{
    const char *version = object_meta_string(old, "resourceVersion");
    json_t *object = json_deep_copy(entry->object);
    char *path = object_path(entry->kind, entry->ns, entry->name, query);
    int error;

    json_object_set_new(json_object_get(object, "metadata"), "resourceVersion",
                        json_string(version));
    error = client_request(cli, "PUT", path, object, "application/json", &outcome->reply);
    outcome->verb = !error
                            && !strcmp(object_meta_string(outcome->reply.json, "resourceVersion"),
                                       version)
                        ? "unchanged"
                        : "configured";
    json_decref(object);
    free(path);
    return error;
}

static int
create_or_replace(struct cli *cli, const struct manifest_entry *entry, const char *query,
                  struct outcome *outcome)
{
    char *path = object_path(entry->kind, entry->ns, entry->name, NULL);
    struct reply old;
    int error = client_request(cli, "GET", path, NULL, NULL, &old);

    free(path);
    if (error) {
        return error;
    }
    if (old.status == 404) {
        error = create(cli, entry, query, outcome);
    } else if (old.status == 200) {
        error = replace(cli, entry, old.json, query, outcome);
    } else {
        outcome->reply = old;
        return CLI_OK;
    }
    reply_uninit(&old);
    return error;
}

static int
send_entry(struct cli *cli, const struct manifest_entry *entry, const char *query,
           struct outcome *outcome)
{
    for (int i = 0;; i++) {
        int error = create_or_replace(cli, entry, query, outcome);

        if (error || outcome->reply.status != 409 || i == MAX_CONFLICTS) {
            return error;
        }
        reply_uninit(&outcome->reply);
    }
}

static bool
namespace_comes_along(const struct manifests *manifests, const char *ns)
{
    for (size_t i = 0; i < manifests->n; i++) {
        if (!strcmp(manifests->a[i].kind->kind, "Namespace")
            && !strcmp(manifests->a[i].name, ns)) {
            return true;
        }
    }
    return false;
}

/* A dry run does not make the namespace that comes along. */
static bool
is_acceptable(const struct manifests *manifests, const struct manifest_entry *entry,
              const struct reply *reply)
{
    return reply->status < 400
           || (reply->status == 404 && namespace_comes_along(manifests, entry->ns));
}

/* Asks the API about every entry, and tells all that it refuses. */
static int
try_all(struct cli *cli, const struct manifests *manifests, bool tell)
{
    int code = CLI_OK;

    for (size_t i = 0; i < manifests->n; i++) {
        const struct manifest_entry *entry = &manifests->a[i];
        struct outcome outcome;
        int error = send_entry(cli, entry, "dryRun=All", &outcome);

        if (error) {
            return error;
        }
        if (!is_acceptable(manifests, entry, &outcome.reply)) {
            code = refused(entry, &outcome.reply);
        } else if (tell) {
            printf("%s %s (server dry run)\n", entry->title, outcome.verb);
        }
        reply_uninit(&outcome.reply);
    }
    return code;
}

static int
apply_all(struct cli *cli, const struct manifests *manifests)
{
    for (size_t i = 0; i < manifests->n; i++) {
        const struct manifest_entry *entry = &manifests->a[i];
        struct outcome outcome;
        int error = send_entry(cli, entry, NULL, &outcome);

        if (error) {
            return error;
        }
        if (outcome.reply.status >= 400) {
            error = refused(entry, &outcome.reply);
            if (i) {
                cli_error("stopped; the objects listed above are applied");
            }
        } else {
            printf("%s %s\n", entry->title, outcome.verb);
        }
        reply_uninit(&outcome.reply);
        if (error) {
            return error;
        }
    }
    return CLI_OK;
}

static int
apply_manifests(struct cli *cli, const struct manifests *manifests, const struct apply_args *args)
{
    int error;

    if (args->dry_run == DRY_RUN_CLIENT) {
        for (size_t i = 0; i < manifests->n; i++) {
            printf("%s valid (client dry run)\n", manifests->a[i].title);
        }
        return CLI_OK;
    }
    error = try_all(cli, manifests, args->dry_run == DRY_RUN_SERVER);
    if (error && args->dry_run == DRY_RUN_NONE && error == CLI_REFUSED) {
        cli_error("nothing was applied");
    }
    if (!error && args->dry_run == DRY_RUN_NONE) {
        error = apply_all(cli, manifests);
        if (!error && args->wait) {
            error = sync_nodes(cli, SYNC_DEFAULT_SECONDS);
        }
    }
    return error;
}

int
cmd_apply(struct cli *cli, int argc, char **argv)
{
    struct apply_args args = { .paths = SVEC_EMPTY_INITIALIZER, .ns = "default" };
    int error = parse_args(cli, argc, argv, &args);

    if (!error) {
        struct manifests manifests;

        error = manifests_load(&args.paths, args.ns, &manifests);
        if (error && args.dry_run == DRY_RUN_NONE) {
            cli_error("nothing was applied");
        } else if (!error) {
            error = apply_manifests(cli, &manifests, &args);
        }
        manifests_uninit(&manifests);
    }
    svec_destroy(&args.paths);
    return error;
}
