/* virgactl explain: flows and cookies in words. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/records.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "programs/virgactl/cli.h"
#include "programs/virgactl/explain.h"
#include "programs/virgactl/fetch_records.h"
#include "programs/virgactl/words.h"
#include "util.h"

const char cmd_explain_help[] =
    "Reads the text of \"ovs-ofctl dump-flows\" from standard input or -f FILE, or takes\n"
    "cookies, and tells which policy, rule, endpoint or network each flow is for, with\n"
    "registers, identities and addresses by name.\n\n"
    "  --records=FILE  names from a file (virgactl compile, or the API's records)\n"
    "                  instead of the API\n\n"
    "Examples:\n"
    "  scripts/lab node node-1 -- ovs-ofctl dump-flows br-int | virgactl explain\n"
    "  virgactl explain 0x5606000000000009\n"
    "  virgactl compile -f shop/ >shop.records\n"
    "  virgactl flows -f shop/ --node=node-1 | virgactl explain --records=shop.records\n";

struct explain_args {
    const char *flows;   /* NULL: standard input. */
    const char *records; /* NULL: from the API. */
};

static int
parse_args(struct cli *cli, int argc, char **argv, struct explain_args *args)
{
    static const struct option options[] = {
        { "filename", required_argument, NULL, 'f' },
        { "records", required_argument, NULL, 'r' },
        { NULL, 0, NULL, 0 },
    };
    int option;

    while ((option = cli_getopt(cli, argc, argv, "f:", options)) != -1) {
        if (option == 'f') {
            args->flows = optarg;
        } else if (option == 'r') {
            args->records = optarg;
        } else {
            return CLI_USAGE;
        }
    }
    if (optind < argc && args->flows) {
        return cli_usage("explain", "give either -f FILE or cookies, not both");
    }
    return CLI_OK;
}

static int
explain_cookies(const struct words *words, char *const *cookies, int n)
{
    for (int i = 0; i < n; i++) {
        struct ds out = DS_EMPTY_INITIALIZER;
        uint64_t cookie;
        char *end;

        errno = 0;
        cookie = strtoull(cookies[i], &end, 0);
        if (errno || *end || end == cookies[i]) {
            return cli_usage("explain", "'%s' is not a cookie, such as 0x5606000000000009",
                             cookies[i]);
        }
        explain_cookie(words, cookie, &out);
        fputs(ds_cstr(&out), stdout);
        ds_destroy(&out);
    }
    return CLI_OK;
}

static int
explain_file(const struct words *words, FILE *file)
{
    struct ds line = DS_EMPTY_INITIALIZER;
    struct ds out = DS_EMPTY_INITIALIZER;
    size_t n = 0;

    while (!ds_get_line(&line, file)) {
        if (explain_flow(words, ds_cstr(&line), &out)) {
            n++;
            fputs(ds_cstr(&out), stdout);
            ds_clear(&out);
        }
    }
    ds_destroy(&line);
    ds_destroy(&out);
    if (!n) {
        cli_error("no flow in the input; it should be the text of 'ovs-ofctl dump-flows br-int'");
        return CLI_REFUSED;
    }
    return CLI_OK;
}

static int
explain_input(const struct words *words, const char *name)
{
    FILE *file = name && strcmp(name, "-") ? fopen(name, "r") : stdin;
    int error;

    if (!file) {
        cli_error("%s: %s", name, ovs_strerror(errno));
        return CLI_REFUSED;
    }
    if (file == stdin && isatty(STDIN_FILENO)) {
        fputs("virgactl: reading flows from the terminal; end with Ctrl-D\n", stderr);
    }
    error = explain_file(words, file);
    if (file != stdin) {
        fclose(file);
    }
    return error;
}

int
cmd_explain(struct cli *cli, int argc, char **argv)
{
    struct explain_args args = { NULL, NULL };
    int error = parse_args(cli, argc, argv, &args);
    struct records *records;
    struct words *words;

    if (!error) {
        error = args.records ? read_records(args.records, &records) : fetch_records(cli, &records);
    }
    if (error) {
        return error;
    }
    words = words_create(records);
    error = optind < argc ? explain_cookies(words, argv + optind, argc - optind)
                          : explain_input(words, args.flows);
    words_destroy(words);
    records_destroy(records);
    return error;
}
