/* virgactl status: nodes, networks and problems at a glance. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "programs/virgactl/cli.h"
#include "programs/virgactl/client.h"
#include "programs/virgactl/counters.h"
#include "programs/virgactl/table.h"
#include "util.h"
#include "virga/api_paths.h"

const char cmd_status_help[] =
    "BEHIND is by how many generations of the desired state a node's flows lag.\n\n"
    "Examples:\n"
    "  virgactl status\n"
    "  virgactl status -o json | jq '.problems'\n";

static void
print_nodes(const struct cli *cli, const json_t *status)
{
    static const char *const headings[] = {
        "NODE", "VTEP", "READY", ">FLOWS", ">BEHIND", "MESSAGE"
    };
    const json_t *nodes = json_object_get(status, "nodes");
    struct table *table = table_create(headings, ARRAY_SIZE(headings));

    for (size_t i = 0; i < json_array_size(nodes); i++) {
        const json_t *node = json_array_get(nodes, i);
        bool ready = json_is_true(json_object_get(node, "ready"));
        json_int_t behind = counter_integer(status, "generation")
                            - counter_integer(node, "applied");

        table_cell(table, "%s", counter_string(node, "name"));
        table_cell(table, "%s", counter_string(node, "vtep"));
        table_colored_cell(table, ready ? COLOR_GOOD : COLOR_BAD, "%s", ready ? "yes" : "no");
        table_cell(table, "%" JSON_INTEGER_FORMAT, counter_integer(node, "flows"));
        table_cell(table, "%" JSON_INTEGER_FORMAT, behind);
        table_cell(table, "%s", counter_string(node, "message"));
    }
    table_sort(table);
    table_print(table, cli->color);
    table_destroy(table);
}

static size_t
count_pods(const json_t *pods, const char *ns)
{
    size_t n = 0;

    for (size_t i = 0; i < json_array_size(pods); i++) {
        n += !strcmp(counter_string(json_array_get(pods, i), "namespace"), ns);
    }
    return n;
}

static void
strings_cell(struct table *table, const json_t *strings)
{
    struct ds text = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < json_array_size(strings); i++) {
        const char *s = json_string_value(json_array_get(strings, i));

        ds_put_format(&text, "%s%s", i ? "," : "", s ? s : "");
    }
    table_cell(table, "%s", ds_cstr(&text));
    ds_destroy(&text);
}

static void
print_networks(const struct cli *cli, const json_t *status)
{
    static const char *const headings[] = { "NETWORK", ">VNI",     ">ZONE",
                                            "SUBNETS", "GATEWAYS", ">PODS" };
    const json_t *networks = json_object_get(status, "networks");
    struct table *table = table_create(headings, ARRAY_SIZE(headings));

    for (size_t i = 0; i < json_array_size(networks); i++) {
        const json_t *network = json_array_get(networks, i);

        table_cell(table, "%s", counter_string(network, "name"));
        table_cell(table, "%" JSON_INTEGER_FORMAT, counter_integer(network, "vni"));
        table_cell(table, "%" JSON_INTEGER_FORMAT, counter_integer(network, "zone"));
        strings_cell(table, json_object_get(network, "subnets"));
        strings_cell(table, json_object_get(network, "gateways"));
        table_cell(table, "%" PRIuSIZE,
                   count_pods(json_object_get(status, "pods"), counter_string(network, "name")));
    }
    table_sort(table);
    table_print(table, cli->color);
    table_destroy(table);
}

static void
print_problems(const struct cli *cli, const json_t *problems)
{
    static const char *const headings[] = { "OBJECT", "REASON", "MESSAGE" };
    struct table *table = table_create(headings, ARRAY_SIZE(headings));

    for (size_t i = 0; i < json_array_size(problems); i++) {
        const json_t *problem = json_array_get(problems, i);
        const char *ns = counter_string(problem, "namespace");

        table_cell(table, "%s/%s%s%s", counter_string(problem, "kind"), ns, *ns ? "/" : "",
                   counter_string(problem, "name"));
        table_colored_cell(table, COLOR_BAD, "%s", counter_string(problem, "reason"));
        table_cell(table, "%s", counter_string(problem, "message"));
    }
    table_print(table, cli->color);
    table_destroy(table);
}

static void
print_status(const struct cli *cli, const json_t *status)
{
    const json_t *problems = json_object_get(status, "problems");

    printf("Generation %" JSON_INTEGER_FORMAT ", %" PRIuSIZE " pods, %" PRIuSIZE " problems\n\n",
           counter_integer(status, "generation"), json_array_size(json_object_get(status, "pods")),
           json_array_size(problems));
    if (json_array_size(json_object_get(status, "nodes"))) {
        print_nodes(cli, status);
    } else {
        puts("No node: no virga-agent has reached the database yet.");
    }
    putchar('\n');
    print_networks(cli, status);
    if (json_array_size(problems)) {
        puts("\nProblems:");
        print_problems(cli, problems);
    }
}

int
cmd_status(struct cli *cli, int argc, char **argv)
{
    struct counters_args args = { .output = OUTPUT_TABLE };
    json_t *status;
    int error = counters_parse_args(cli, argc, argv, "status", &args);

    if (!error && optind < argc) {
        error = cli_usage("status", "'%s' is one argument too many", argv[optind]);
    }
    if (!error) {
        error = client_get_json(cli, API_PATH_STATUS, &status);
    }
    if (error) {
        return error;
    }
    if (args.output == OUTPUT_JSON) {
        json_dumpf(status, stdout, JSON_INDENT(4));
        putchar('\n');
    } else {
        print_status(cli, status);
    }
    json_decref(status);
    return CLI_OK;
}
