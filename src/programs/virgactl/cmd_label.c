/* virgactl label and annotate: merge patches of metadata. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/util.h"
#include "programs/virgactl/cli.h"
#include "programs/virgactl/client.h"
#include "programs/virgactl/objects.h"
#include "util.h"

const char cmd_label_help[] = "KEY=VALUE sets a label (or changes it), KEY- removes it.\n\n"
                              "Examples:\n"
                              "  virgactl label pod web-1 role=frontend -n shop\n"
                              "  virgactl label pod/web-1 canary- tier=front -n shop\n"
                              "  virgactl label namespace shop team=blue\n";

const char cmd_annotate_help[] =
    "KEY=VALUE sets an annotation (or changes it), KEY- removes it.\n\n"
    "Examples:\n"
    "  virgactl annotate namespace shop virga.dev/subnets=10.200.0.0/24\n"
    "  virgactl annotate pod redis-0 note- -n shop\n";

/* "k=v" and "k-" as a merge patch; false after telling what is wrong. */
static bool
add_change(json_t *changes, const char *word)
{
    const char *equals = strchr(word, '=');
    size_t length = strlen(word);
    char *key;

    if (!equals && (length < 2 || word[length - 1] != '-')) {
        cli_error("'%s': must be KEY=VALUE or KEY-", word);
        return false;
    }
    key = xmemdup0(word, equals ? (size_t) (equals - word) : length - 1);
    json_object_set_new(changes, key, equals ? json_string(equals + 1) : json_null());
    free(key);
    return true;
}

static int
patch(struct cli *cli, const struct resource_kind *kind, const char *ns, const char *name,
      json_t *body, const char *verb)
{
    char *path = object_path(kind, ns, name, NULL);
    char *title = object_title(kind, ns, name);
    struct reply reply;
    int error = client_request(cli, "PATCH", path, body, "application/merge-patch+json", &reply);

    if (!error && reply.status < 400) {
        printf("%s %s\n", title, verb);
    } else if (!error) {
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

/* What the command line names. */
struct label_args {
    const char *ns;
    const struct resource_kind *kind;
    char *kind_word;
    const char *name;
    json_t *changes;
};

static int
parse_object(int *argc, char ***argv, const char *command, struct label_args *args)
{
    const char *slash = *argc ? strchr((*argv)[0], '/') : NULL;
    int n_words = slash ? 1 : 2;

    if (*argc <= n_words) {
        return cli_usage(command, "give KIND, NAME and at least one KEY=VALUE or KEY-");
    }
    args->kind_word = slash ? xmemdup0((*argv)[0], slash - (*argv)[0]) : xstrdup((*argv)[0]);
    args->name = slash ? slash + 1 : (*argv)[1];
    args->kind = kind_from_word(args->kind_word);
    *argc -= n_words;
    *argv += n_words;
    return args->kind ? CLI_OK : CLI_REFUSED;
}

static int
parse_args(struct cli *cli, int argc, char **argv, const char *command, struct label_args *args)
{
    static const struct option options[] = {
        { "namespace", required_argument, NULL, 'n' },
        { "overwrite", no_argument, NULL, 'o' }, /* Always; kubectl asks for it. */
        { NULL, 0, NULL, 0 },
    };
    int option, error;

    while ((option = cli_getopt(cli, argc, argv, "n:", options)) != -1) {
        if (option == 'n') {
            args->ns = optarg;
        } else if (option != 'o') {
            return CLI_USAGE;
        }
    }
    argc -= optind;
    argv += optind;
    error = parse_object(&argc, &argv, command, args);
    for (int i = 0; i < argc && !error; i++) {
        error = add_change(args->changes, argv[i]) ? CLI_OK : CLI_USAGE;
    }
    return error;
}

static int
change_metadata(struct cli *cli, int argc, char **argv, const char *command, const char *field,
                const char *verb)
{
    struct label_args args = { .ns = "default", .changes = json_object() };
    int error = parse_args(cli, argc, argv, command, &args);

    if (!error) {
        json_t *body = json_pack("{s:{s:O}}", "metadata", field, args.changes);

        error = patch(cli, args.kind, args.ns, args.name, body, verb);
        json_decref(body);
    }
    free(args.kind_word);
    json_decref(args.changes);
    return error;
}

int
cmd_label(struct cli *cli, int argc, char **argv)
{
    return change_metadata(cli, argc, argv, "label", "labels", "labeled");
}

int
cmd_annotate(struct cli *cli, int argc, char **argv)
{
    return change_metadata(cli, argc, argv, "annotate", "annotations", "annotated");
}
