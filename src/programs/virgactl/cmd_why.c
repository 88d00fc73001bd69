/* virgactl why: what would become of a connection, and which rule decides. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/why.h"
#include "compile/compile.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "programs/virgactl/cli.h"
#include "programs/virgactl/client.h"
#include "programs/virgactl/manifests.h"
#include "programs/virgactl/offline.h"
#include "programs/virgactl/sync.h"
#include "svec.h"
#include "util.h"
#include "virga/api_paths.h"

const char cmd_why_help[] =
    "FROM and TO are pods as NAMESPACE/NAME, nodes by name, or addresses of anybody.\n"
    "PORT is the first packet's destination port, TCP unless said otherwise, or icmp.\n"
    "Tells for each direction, tier by tier, which rule or default decides, and on\n"
    "which node.  It asks the policy, not the switches: no packet is sent.\n\n"
    "  -f FILE|DIR  offline, of manifests as with \"compile\"\n"
    "  -n NS        namespace of objects in manifests that name none (\"default\")\n"
    "  -o FORM      text or json\n"
    "  --questions=FILE  FROM TO PORT on each line of the file (-: standard input)\n"
    "               instead of the command line; one JSON document a line\n\n"
    "Exit codes: 0 allowed, 1 denied, 2 rejected, 3 no answer; with --questions 0 if all\n"
    "were answered.\n\n"
    "Examples:\n"
    "  virgactl why shop/api shop/redis 6379\n"
    "  virgactl why 192.0.2.7 shop/frontend-1 80/TCP -o json | jq .ingress.rule.policy\n"
    "  virgactl why shop/api shop/redis 53/UDP -f tests/examples/shop/\n";

enum { WHY_ALLOWED = 0, WHY_DENIED = 1, WHY_REJECTED = 2, WHY_NO_ANSWER = 3 };

struct why_args {
    struct svec paths;
    const char *ns;
    bool json;
    const char *questions; /* File, or NULL: that of the command line. */
    const char *from, *to, *port;
};

static int
parse_args(struct cli *cli, int argc, char **argv, struct why_args *args)
{
    static const struct option options[] = {
        { "filename", required_argument, NULL, 'f' },
        { "namespace", required_argument, NULL, 'n' },
        { "output", required_argument, NULL, 'o' },
        { "questions", required_argument, NULL, 'q' },
        { NULL, 0, NULL, 0 },
    };
    int option;

    while ((option = cli_getopt(cli, argc, argv, "f:n:o:", options)) != -1) {
        if (option == 'f') {
            svec_add(&args->paths, optarg);
        } else if (option == 'n') {
            args->ns = optarg;
        } else if (option == 'q') {
            args->questions = optarg;
        } else if (option == 'o' && (!strcmp(optarg, "json") || !strcmp(optarg, "text"))) {
            args->json = !strcmp(optarg, "json");
        } else {
            return option == 'o' ? cli_usage("why", "-o %s: must be text or json", optarg)
                                 : CLI_USAGE;
        }
    }
    if (argc - optind != (args->questions ? 0 : 3)) {
        return cli_usage("why", args->questions ? "give FROM, TO and PORT or --questions"
                                                : "give FROM, TO and PORT");
    }
    if (args->questions) {
        return CLI_OK;
    }
    args->from = argv[optind];
    args->to = argv[optind + 1];
    args->port = argv[optind + 2];
    return CLI_OK;
}

/* Where answers come from: manifests, or without them the API. */
struct source {
    struct cli *cli;
    struct compile *compile;
};

static bool
source_open(struct source *source, struct cli *cli, const struct why_args *args)
{
    struct manifests manifests;
    int error;

    *source = (struct source){ cli, NULL };
    if (!args->paths.n) {
        return true;
    }
    error = manifests_load(&args->paths, args->ns, &manifests);
    if (!error) {
        source->compile = offline_compile(&manifests);
        offline_tell_problems(source->compile);
    }
    manifests_uninit(&manifests);
    return !error;
}

static json_t *
ask_records(const struct records *records, const struct why_args *args)
{
    char *error;
    json_t *document = why_document(records, NULL, args->from, args->to, args->port, &error);

    if (!document) {
        cli_error("%s", error);
        free(error);
    }
    return document;
}

static void
put_parameter(struct ds *path, const char *name, const char *value)
{
    ds_put_format(path, "%c%s=", strchr(ds_cstr(path), '?') ? '&' : '?', name);
    for (const char *p = value; *p; p++) {
        if (strchr("/:.-_", *p) || (*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z')
            || (*p >= 'A' && *p <= 'Z')) {
            ds_put_char(path, *p);
        } else {
            ds_put_format(path, "%%%02X", (unsigned char) *p);
        }
    }
}

static json_t *
ask_api(struct cli *cli, const struct why_args *args)
{
    struct ds path = DS_EMPTY_INITIALIZER;
    json_t *document;

    ds_put_cstr(&path, API_PATH_WHY);
    put_parameter(&path, "from", args->from);
    put_parameter(&path, "to", args->to);
    put_parameter(&path, "port", args->port);
    if (client_get_json(cli, ds_cstr(&path), &document)) {
        document = NULL;
    }
    ds_destroy(&path);
    return document;
}

static int
print_answer(const json_t *document, bool as_json)
{
    const char *verdict = json_string_value(json_object_get(document, "verdict"));

    if (as_json) {
        json_dumpf(document, stdout, JSON_INDENT(4));
        putchar('\n');
    } else {
        struct ds out = DS_EMPTY_INITIALIZER;

        why_format(document, &out);
        fputs(ds_cstr(&out), stdout);
        ds_destroy(&out);
    }
    return !verdict                      ? WHY_NO_ANSWER
           : !strcmp(verdict, "allowed") ? WHY_ALLOWED
           : !strcmp(verdict, "denied")  ? WHY_DENIED
                                         : WHY_REJECTED;
}

static json_t *
ask(const struct source *source, const struct why_args *args)
{
    return source->compile ? ask_records(compile_records(source->compile), args)
                           : ask_api(source->cli, args);
}

/* "FROM TO PORT" in place; false if there are not three words. */
static bool
parse_question(char *line, struct why_args *args)
{
    const char **words[] = { &args->from, &args->to, &args->port };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        line += strspn(line, " \t");
        *words[i] = line;
        line += strcspn(line, " \t");
        if (*words[i] == line) {
            return false;
        }
        line += *line ? (*line = '\0', 1) : 0;
    }
    return !*(line + strspn(line, " \t"));
}

static int
answer_file(const struct source *source, struct why_args *args, FILE *file)
{
    struct ds line = DS_EMPTY_INITIALIZER;
    int code = CLI_OK;

    while (!ds_get_line(&line, file)) {
        json_t *document = NULL;

        if (parse_question(ds_cstr(&line), args)) {
            document = ask(source, args);
        } else {
            cli_error("each line must be FROM TO PORT");
        }
        code = document ? code : WHY_NO_ANSWER;
        document = document ? document : json_null();
        json_dumpf(document, stdout, JSON_COMPACT | JSON_ENCODE_ANY);
        putchar('\n');
        json_decref(document);
    }
    ds_destroy(&line);
    return code;
}

static int
answer_questions(const struct source *source, struct why_args *args)
{
    bool standard = !strcmp(args->questions, "-");
    FILE *file = standard ? stdin : fopen(args->questions, "r");
    int code;

    if (!file) {
        cli_error("%s: %s", args->questions, ovs_strerror(errno));
        return WHY_NO_ANSWER;
    }
    code = answer_file(source, args, file);
    if (!standard) {
        fclose(file);
    }
    return code;
}

static int
answer_one(const struct source *source, const struct why_args *args)
{
    json_t *document = ask(source, args);
    int code = document ? print_answer(document, args->json) : WHY_NO_ANSWER;

    json_decref(document);
    return code;
}

int
cmd_why(struct cli *cli, int argc, char **argv)
{
    struct why_args args = { .paths = SVEC_EMPTY_INITIALIZER, .ns = "default" };
    struct source source = { NULL, NULL };
    int code = WHY_NO_ANSWER;

    if (!parse_args(cli, argc, argv, &args) && source_open(&source, cli, &args)) {
        code = args.questions ? answer_questions(&source, &args) : answer_one(&source, &args);
    }
    compile_destroy(source.compile);
    svec_destroy(&args.paths);
    return code;
}
