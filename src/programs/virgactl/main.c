/* virgactl: the command line of Virga.  A table of commands, nothing else. */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "openvswitch/util.h"
#include "openvswitch/vlog.h"
#include "programs/virgactl/cli.h"
#include "programs/virgactl/client.h"
#include "util.h"

#define DEFAULT_API "unix:/run/virga/api.sock"

const struct command commands[] = {
#define COMMAND(NAME, FUNCTION, SYNOPSIS, SUMMARY) \
    { NAME, cmd_##FUNCTION, SYNOPSIS, SUMMARY, cmd_##FUNCTION##_help },
#include "programs/virgactl/commands.def"
#undef COMMAND
};
const size_t n_commands = ARRAY_SIZE(commands);

static const struct option main_options[] = {
    { "help", no_argument, NULL, 'h' },
    { "version", no_argument, NULL, 'V' },
    { NULL, 0, NULL, 0 },
};

static void
print_help(void)
{
    puts("virgactl: the command line of Virga\n"
         "Usage: virgactl [OPTION...] COMMAND [ARGUMENT...]\n\nCommands:");
    for (size_t i = 0; i < n_commands; i++) {
        printf("  %-12s%s\n", commands[i].name, commands[i].summary);
    }
    puts("\nOptions of every command:\n"
         "  --api=URL|unix:PATH  where the API is ($VIRGA_API, else " DEFAULT_API ")\n"
         "  --token-file=FILE    bearer token for a URL ($VIRGA_TOKEN_FILE)\n"
         "  --ca-file=FILE       certificate authority of an https URL\n"
         "  --help, --version\n\n"
         "Exit code: 0 done, 1 refused or bad input, 2 usage, 3 the API cannot be reached.\n\n"
         "Try:\n"
         "  virgactl apply -f tests/examples/shop/ --wait\n"
         "  virgactl get pods -A\n"
         "  virgactl policy stats\n"
         "  virgactl COMMAND --help");
}

static void
print_command_help(const struct command *command)
{
    printf("virgactl %s: %s\nUsage: virgactl %s %s\n\n%s", command->name, command->summary,
           command->name, command->synopsis, command->help);
}

static const struct command *
find_command(const char *name)
{
    for (size_t i = 0; i < n_commands; i++) {
        if (!strcmp(commands[i].name, name)) {
            return &commands[i];
        }
    }
    return NULL;
}

static bool
asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--"); i++) {
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            return true;
        }
    }
    return false;
}

static int
run_command(struct cli *cli, int argc, char **argv)
{
    const struct command *command = find_command(argv[0]);
    char *name;
    int code;

    if (!command) {
        return cli_usage(NULL, "'%s' is not a command", argv[0]);
    }
    if (asks_for_help(argc, argv)) {
        print_command_help(command);
        return CLI_OK;
    }
    name = xasprintf("virgactl %s", command->name);
    argv[0] = name; /* getopt_long() names it in its messages. */
    optind = 0;
    code = command->run(cli, argc, argv);
    free(name);
    return code;
}

static int
parse_and_run(struct cli *cli, int argc, char **argv)
{
    int option;

    while ((option = cli_getopt(cli, argc, argv, "+hV", main_options)) != -1) {
        switch (option) {
        case 'h':
            print_help();
            return CLI_OK;
        case 'V':
            puts("virgactl " VIRGA_VERSION);
            return CLI_OK;
        default:
            return CLI_USAGE;
        }
    }
    if (optind == argc) {
        return cli_usage(NULL, "no command given");
    }
    return run_command(cli, argc - optind, argv + optind);
}

static const char *
env_or(const char *name, const char *otherwise)
{
    const char *value = getenv(name);

    return value && *value ? value : otherwise;
}

int
main(int argc, char *argv[])
{
    struct cli cli = {
        .api = env_or("VIRGA_API", DEFAULT_API),
        .token_file = env_or("VIRGA_TOKEN_FILE", NULL),
        .color = isatty(STDOUT_FILENO) && !env_or("NO_COLOR", NULL),
    };
    int code;

    set_program_name(argv[0]);
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    code = parse_and_run(&cli, argc, argv);
    client_destroy(cli.client);
    curl_global_cleanup();
    if (fflush(stdout) || ferror(stdout)) {
        cli_error("writing to standard output failed");
        return code ? code : CLI_REFUSED;
    }
    return code;
}
