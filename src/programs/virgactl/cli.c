#include "programs/virgactl/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/util.h"
#include "util.h"

enum { OPT_API = 0x1000, OPT_TOKEN_FILE, OPT_CA_FILE };

static const struct option global_options[] = {
    { "api", required_argument, NULL, OPT_API },
    { "token-file", required_argument, NULL, OPT_TOKEN_FILE },
    { "ca-file", required_argument, NULL, OPT_CA_FILE },
    { NULL, 0, NULL, 0 },
};

static bool
take_global_option(struct cli *cli, int option)
{
    switch (option) {
    case OPT_API:
        cli->api = optarg;
        return true;
    case OPT_TOKEN_FILE:
        cli->token_file = optarg;
        return true;
    case OPT_CA_FILE:
        cli->ca_file = optarg;
        return true;
    default:
        return false;
    }
}

static size_t
count_options(const struct option *options)
{
    size_t n = 0;

    while (options && options[n].name) {
        n++;
    }
    return n;
}

int
cli_getopt(struct cli *cli, int argc, char **argv, const char *shorts, const struct option *longs)
{
    size_t n = count_options(longs);
    struct option *all = xcalloc(n + ARRAY_SIZE(global_options), sizeof *all);
    int option;

    if (n) {
        memcpy(all, longs, n * sizeof *all);
    }
    memcpy(all + n, global_options, sizeof global_options);
    do {
        option = getopt_long(argc, argv, shorts, all, NULL);
    } while (take_global_option(cli, option));
    free(all);
    return option;
}

void
cli_error(const char *fmt, ...)
{
    va_list args;

    fflush(stdout);
    fputs("virgactl: ", stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    putc('\n', stderr);
}

int
cli_usage(const char *command, const char *fmt, ...)
{
    va_list args;

    fflush(stdout);
    fputs("virgactl: ", stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fprintf(stderr, "\nTry 'virgactl%s%s --help'.\n", command ? " " : "", command ? command : "");
    return CLI_USAGE;
}

bool
cli_parse_output(const char *word, unsigned int allowed, enum cli_output *output)
{
    static const char *const words[] = {
        [OUTPUT_TABLE] = "table", [OUTPUT_WIDE] = "wide", [OUTPUT_JSON] = "json",
        [OUTPUT_YAML] = "yaml",   [OUTPUT_NAME] = "name",
    };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (allowed & 1u << i && !strcmp(word, words[i])) {
            *output = i;
            return true;
        }
    }
    fprintf(stderr, "virgactl: -o %s: must be one of:", word);
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (allowed & 1u << i) {
            fprintf(stderr, " %s", words[i]);
        }
    }
    putc('\n', stderr);
    return false;
}
