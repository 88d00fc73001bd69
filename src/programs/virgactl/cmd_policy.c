/* virgactl policy stats: what every rule let pass or dropped. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/util.h"
#include "programs/virgactl/cli.h"
#include "programs/virgactl/client.h"
#include "programs/virgactl/counters.h"
#include "programs/virgactl/table.h"
#include "util.h"
#include "virga/api_paths.h"

const char cmd_policy_help[] =
    "One line per rule, and one per default deny.  HITS are packets that started a\n"
    "connection; PACKETS and BYTES all packets of it in both directions, of a\n"
    "rule that denies what it dropped.  A rule that passes hands on to the next tier.\n"
    "POLICY is NAME, NAMESPACE/NAME, KIND/NAMESPACE/NAME, or KIND/NAME without namespace.\n\n"
    "  -o FORM   table or json\n"
    "  --cached  do not ask the nodes for fresh counters first\n\n"
    "Examples:\n"
    "  virgactl policy stats\n"
    "  virgactl policy stats shop/redis\n"
    "  virgactl policy stats -o json | jq '.rules[] | select(.hits == 0).policy'\n";

static bool
ends_with(const char *policy, const char *word)
{
    size_t n = strlen(policy), m = strlen(word);

    return m <= n && !strcmp(policy + n - m, word) && (m == n || policy[n - m - 1] == '/');
}

/* "KIND/NS/NAME" is what a person calls NAME, NS/NAME or all of it; without a
 * namespace, "KIND//NAME", it is KIND/NAME too. */
static bool
is_called(const char *policy, const char *word)
{
    const char *slashes = strstr(policy, "//");
    char *without = slashes ? xasprintf("%.*s%s", (int) (slashes - policy), policy, slashes + 1)
                            : xstrdup(policy);
    bool called = ends_with(policy, word) || ends_with(without, word);

    free(without);
    return called;
}

static bool
is_asked_for(const char *policy, char *const *words, int n)
{
    for (int i = 0; i < n; i++) {
        if (is_called(policy, words[i])) {
            return true;
        }
    }
    return !n;
}

/* Keeps what the command line names. */
static void
filter_rules(json_t *rules, char *const *words, int n)
{
    for (size_t i = json_array_size(rules); i > 0; i--) {
        const char *policy = json_string_value(
            json_object_get(json_array_get(rules, i - 1), "policy"));

        if (!policy || !is_asked_for(policy, words, n)) {
            json_array_remove(rules, i - 1);
        }
    }
}

static enum table_color
action_color(const char *action)
{
    return !strcmp(action, "allow")  ? COLOR_GOOD
           : !strcmp(action, "pass") ? COLOR_PLAIN
                                     : COLOR_BAD;
}

static void
add_rule(struct table *table, const json_t *rule)
{
    const char *action = counter_string(rule, "action");
    bool is_default = !strcmp(action, "isolate");
    bool is_dry = json_is_true(json_object_get(rule, "dryRun"));

    table_cell(table, "%s", counter_string(rule, "policy"));
    table_cell(table, "%s", counter_string(rule, "direction"));
    if (is_default) {
        table_cell(table, "default");
    } else {
        table_cell(table, "%" JSON_INTEGER_FORMAT, counter_integer(rule, "index"));
    }
    table_colored_cell(table, is_dry ? COLOR_DIM : action_color(action), "%s%s",
                       is_default ? "deny" : action, is_dry ? " (dry run)" : "");
    table_cell(table, "%" JSON_INTEGER_FORMAT, counter_integer(rule, "hits"));
    table_cell(table, "%" JSON_INTEGER_FORMAT, counter_integer(rule, "packets"));
    table_cell(table, "%" JSON_INTEGER_FORMAT, counter_integer(rule, "bytes"));
    table_colored_cell(table, COLOR_DIM, "%s", counter_string(rule, "text"));
}

static void
print_rules(const struct cli *cli, const json_t *rules)
{
    static const char *const headings[] = { "POLICY", "DIRECTION", "RULE",   "ACTION",
                                            ">HITS",  ">PACKETS",  ">BYTES", "MEANING" };
    struct table *table = table_create(headings, ARRAY_SIZE(headings));

    for (size_t i = 0; i < json_array_size(rules); i++) {
        add_rule(table, json_array_get(rules, i));
    }
    table_sort(table);
    table_print(table, cli->color);
    table_destroy(table);
}

static void
print_drops(const struct cli *cli, const json_t *drops)
{
    static const char *const headings[] = { "DROP", "NODE", ">PACKETS", ">BYTES" };
    struct table *table = table_create(headings, ARRAY_SIZE(headings));

    for (size_t i = 0; i < json_array_size(drops); i++) {
        const json_t *drop = json_array_get(drops, i);

        if (counter_integer(drop, "packets")) {
            table_colored_cell(table, COLOR_WARN, "%s", counter_string(drop, "name"));
            table_cell(table, "%s", counter_string(drop, "node"));
            table_cell(table, "%" JSON_INTEGER_FORMAT, counter_integer(drop, "packets"));
            table_cell(table, "%" JSON_INTEGER_FORMAT, counter_integer(drop, "bytes"));
        }
    }
    table_sort(table);
    if (!table_is_empty(table)) {
        puts("\nDropped before any policy:");
        table_print(table, cli->color);
    }
    table_destroy(table);
}

static void
print_stats(const struct cli *cli, const struct counters_args *args, json_t *stats,
            char *const *words, int n)
{
    json_t *rules = json_object_get(stats, "rules");

    filter_rules(rules, words, n);
    if (args->output == OUTPUT_JSON) {
        json_dumpf(stats, stdout, JSON_INDENT(4));
        putchar('\n');
        return;
    }
    if (json_array_size(rules)) {
        print_rules(cli, rules);
    } else {
        fprintf(stderr, "No rules%s.\n", n ? " of these policies" : ": no policy selects a pod");
    }
    if (!n) {
        print_drops(cli, json_object_get(stats, "drops"));
    }
}

int
cmd_policy(struct cli *cli, int argc, char **argv)
{
    struct counters_args args = { .output = OUTPUT_TABLE };
    json_t *stats;
    int error = counters_parse_args(cli, argc, argv, "policy", &args);

    if (error) {
        return error;
    }
    argc -= optind;
    argv += optind;
    if (!argc || strcmp(argv[0], "stats")) {
        return cli_usage("policy", "'policy' is followed by 'stats'");
    }
    error = counters_get(cli, API_PATH_STATS, &args, &stats);
    if (!error) {
        print_stats(cli, &args, stats, argv + 1, argc - 1);
        json_decref(stats);
    }
    return error;
}
