/* virgactl why: what would become of a connection, and which rule decides. */
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
    "  -o FORM      text or json\n\n"
    "Exit codes: 0 allowed, 1 denied, 2 rejected, 3 no answer.\n\n"
    "Examples:\n"
    "  virgactl why shop/api shop/redis 6379\n"
    "  virgactl why 192.0.2.7 shop/frontend-1 80/TCP -o json | jq .ingress.rule.policy\n"
    "  virgactl why shop/api shop/redis 53/UDP -f tests/examples/shop/\n";

enum { WHY_ALLOWED = 0, WHY_DENIED = 1, WHY_REJECTED = 2, WHY_NO_ANSWER = 3 };

struct why_args {
    struct svec paths;
    const char *ns;
    bool json;
    const char *from, *to, *port;
};

static int
parse_args(struct cli *cli, int argc, char **argv, struct why_args *args)
{
    static const struct option options[] = {
        { "filename", required_argument, NULL, 'f' },
        { "namespace", required_argument, NULL, 'n' },
        { "output", required_argument, NULL, 'o' },
        { NULL, 0, NULL, 0 },
    };
    int option;

    while ((option = cli_getopt(cli, argc, argv, "f:n:o:", options)) != -1) {
        if (option == 'f') {
            svec_add(&args->paths, optarg);
        } else if (option == 'n') {
            args->ns = optarg;
        } else if (option == 'o' && (!strcmp(optarg, "json") || !strcmp(optarg, "text"))) {
            args->json = !strcmp(optarg, "json");
        } else {
            return option == 'o' ? cli_usage("why", "-o %s: must be text or json", optarg)
                                 : CLI_USAGE;
        }
    }
    if (argc - optind != 3) {
        return cli_usage("why", "give FROM, TO and PORT");
    }
    args->from = argv[optind];
    args->to = argv[optind + 1];
    args->port = argv[optind + 2];
    return CLI_OK;
}

static json_t *
ask_manifests(const struct why_args *args)
{
    struct manifests manifests;
    json_t *document = NULL;

    if (!manifests_load(&args->paths, args->ns, &manifests)) {
        struct compile *compile = offline_compile(&manifests);
        char *error;

        offline_tell_problems(compile);
        document = why_document(compile_records(compile), args->from, args->to, args->port,
                                &error);
        if (!document) {
            cli_error("%s", error);
            free(error);
        }
        compile_destroy(compile);
    }
    manifests_uninit(&manifests);
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

int
cmd_why(struct cli *cli, int argc, char **argv)
{
    struct why_args args = { .paths = SVEC_EMPTY_INITIALIZER, .ns = "default" };
    json_t *document = NULL;
    int code = WHY_NO_ANSWER;

    if (!parse_args(cli, argc, argv, &args)) {
        document = args.paths.n ? ask_manifests(&args) : ask_api(cli, &args);
    }
    if (document) {
        code = print_answer(document, args.json);
        json_decref(document);
    }
    svec_destroy(&args.paths);
    return code;
}
