/* What the commands of virgactl share: exit codes, options that every command
 * takes, messages, and the way to the API. */
#ifndef VIRGACTL_CLI_H
#define VIRGACTL_CLI_H 1

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

#include "openvswitch/compiler.h"

/* Exit codes; in virgactl(1). */
enum {
    CLI_OK = 0,
    CLI_REFUSED = 1,     /* Bad input, or the API said no. */
    CLI_USAGE = 2,       /* The command line makes no sense. */
    CLI_UNREACHABLE = 3, /* The API cannot be reached. */
};

struct client;

struct cli {
    const char *api;        /* unix:PATH, http://... or https://... */
    const char *token_file; /* NULL: no token. */
    const char *ca_file;    /* NULL: the system's authorities. */
    bool color;             /* Standard output is a terminal. */
    struct client *client;  /* Created by the first request. */
};

typedef int command_fn(struct cli *, int argc, char **argv);

struct command {
    const char *name;
    command_fn *run;
    const char *synopsis;
    const char *summary;
    const char *help; /* What it does and examples. */
};

extern const struct command commands[];
extern const size_t n_commands;

#define COMMAND(NAME, FUNCTION, SYNOPSIS, SUMMARY) \
    extern const char cmd_##FUNCTION##_help[];     \
    command_fn cmd_##FUNCTION;
#include "programs/virgactl/commands.def"
#undef COMMAND

/* Like getopt_long(), but takes the options of every command itself.  Returns
 * '?' after telling what is wrong: return CLI_USAGE then. */
int cli_getopt(struct cli *, int argc, char **argv, const char *shorts, const struct option *);

/* "virgactl: MESSAGE" on standard error. */
void cli_error(const char *fmt, ...) OVS_PRINTF_FORMAT(1, 2);
/* The same, then where to find help; returns CLI_USAGE. */
int cli_usage(const char *command, const char *fmt, ...) OVS_PRINTF_FORMAT(2, 3);

/* Values of -o. */
enum cli_output { OUTPUT_TABLE, OUTPUT_WIDE, OUTPUT_JSON, OUTPUT_YAML, OUTPUT_NAME };
/* 'allowed': bits 1 << OUTPUT_*.  False after telling what is wrong. */
bool cli_parse_output(const char *, unsigned int allowed, enum cli_output *);

#endif
