/* virgactl matrix: packets and bytes between identities. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/records.h"
#include "openvswitch/util.h"
#include "programs/virgactl/cli.h"
#include "programs/virgactl/client.h"
#include "programs/virgactl/counters.h"
#include "programs/virgactl/fetch_records.h"
#include "programs/virgactl/table.h"
#include "util.h"
#include "virga/api_paths.h"

const char cmd_matrix_help[] =
    "One line per pair of identities (classes of pods) that talk, and the rules that\n"
    "let them; \"-\" where nothing isolates.\n\n"
    "  -o FORM   table or json\n"
    "  --cached  do not ask the nodes for fresh counters first\n\n"
    "Examples:\n"
    "  virgactl matrix\n"
    "  virgactl matrix -o json | jq '.pairs | max_by(.bytes)'\n";

/* "shop/redis[0]"; the rule of a deleted policy is known by its number. */
static void
rule_cell(struct table *table, const struct records *records, json_int_t id)
{
    const struct rec_rule *rule = records_rule(records, id);
    const char *slash = rule ? strchr(rule->policy, '/') : NULL;

    if (!id) {
        table_cell(table, "%s", "");
    } else if (!rule) {
        table_cell(table, "rule %" JSON_INTEGER_FORMAT " (gone)", id);
    } else {
        table_cell(table, "%s[%" PRId32 "]", slash ? slash + 1 : rule->policy, rule->index);
    }
}

static void
print_pairs(const struct cli *cli, const struct records *records, const json_t *pairs)
{
    static const char *const headings[] = { "FROM",         "TO",       "EGRESS RULE",
                                            "INGRESS RULE", ">PACKETS", ">BYTES" };
    struct table *table = table_create(headings, ARRAY_SIZE(headings));

    for (size_t i = 0; i < json_array_size(pairs); i++) {
        const json_t *pair = json_array_get(pairs, i);

        table_cell(table, "%s", counter_string(pair, "from"));
        table_cell(table, "%s", counter_string(pair, "to"));
        rule_cell(table, records, counter_integer(pair, "egress_rule"));
        rule_cell(table, records, counter_integer(pair, "ingress_rule"));
        table_cell(table, "%" JSON_INTEGER_FORMAT, counter_integer(pair, "packets"));
        table_cell(table, "%" JSON_INTEGER_FORMAT, counter_integer(pair, "bytes"));
    }
    table_sort(table);
    table_print(table, cli->color);
    table_destroy(table);
}

static int
print_matrix(struct cli *cli, const json_t *matrix)
{
    const json_t *pairs = json_object_get(matrix, "pairs");
    struct records *records;
    int error;

    if (!json_array_size(pairs)) {
        fputs("Nobody has talked yet.\n", stderr);
        return CLI_OK;
    }
    error = fetch_records(cli, &records);
    if (!error) {
        print_pairs(cli, records, pairs);
        records_destroy(records);
    }
    return error;
}

int
cmd_matrix(struct cli *cli, int argc, char **argv)
{
    struct counters_args args = { .output = OUTPUT_TABLE };
    json_t *matrix;
    int error = counters_parse_args(cli, argc, argv, "matrix", &args);

    if (!error && optind < argc) {
        error = cli_usage("matrix", "'%s' is one argument too many", argv[optind]);
    }
    if (!error) {
        error = counters_get(cli, API_PATH_MATRIX, &args, &matrix);
    }
    if (error) {
        return error;
    }
    if (args.output == OUTPUT_JSON) {
        json_dumpf(matrix, stdout, JSON_INDENT(4));
        putchar('\n');
    } else {
        error = print_matrix(cli, matrix);
    }
    json_decref(matrix);
    return error;
}
