/* virgactl get. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "programs/virgactl/cli.h"
#include "programs/virgactl/client.h"
#include "programs/virgactl/object_table.h"
#include "programs/virgactl/objects.h"
#include "programs/virgactl/references.h"
#include "programs/virgactl/table.h"
#include "programs/virgactl/yaml_out.h"
#include "util.h"

const char cmd_get_help[] =
    "KIND is a kind's name, plural or short name: pods, po, networkpolicy, netpol, cnp, ns.\n\n"
    "  -n NS    namespace (\"default\");  -A: all namespaces\n"
    "  -o FORM  table, wide (with labels), json, yaml, name\n\n"
    "Examples:\n"
    "  virgactl get pods -A\n"
    "  virgactl get networkpolicy redis -n shop -o yaml\n"
    "  virgactl get pods -n shop -o json | jq -r '.items[].status.podIP'\n";

struct get_args {
    const char *ns;
    bool all_namespaces;
    enum cli_output output;
};

static int
parse_args(struct cli *cli, int argc, char **argv, struct get_args *args)
{
    static const struct option options[] = {
        { "namespace", required_argument, NULL, 'n' },
        { "all-namespaces", no_argument, NULL, 'A' },
        { "output", required_argument, NULL, 'o' },
        { NULL, 0, NULL, 0 },
    };
    const unsigned int outputs = 1u << OUTPUT_TABLE | 1u << OUTPUT_WIDE | 1u << OUTPUT_JSON
                                 | 1u << OUTPUT_YAML | 1u << OUTPUT_NAME;
    int option;

    while ((option = cli_getopt(cli, argc, argv, "n:Ao:", options)) != -1) {
        if (option == 'n') {
            args->ns = optarg;
        } else if (option == 'A') {
            args->all_namespaces = true;
        } else if (option != 'o' || !cli_parse_output(optarg, outputs, &args->output)) {
            return CLI_USAGE;
        }
    }
    return optind < argc ? CLI_OK : cli_usage("get", "which KIND?");
}

static void
print_names(const struct resource_kind *kind, const json_t *items)
{
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *object = json_array_get(items, i);
        char *title = object_title(kind, object_meta_string(object, "namespace"),
                                   object_meta_string(object, "name"));

        puts(title);
        free(title);
    }
}

static void
print_table(const struct cli *cli, const struct get_args *args, const struct resource_kind *kind,
            const json_t *items)
{
    struct table *table = object_table(kind, items, args->all_namespaces && kind->namespaced,
                                       args->output == OUTPUT_WIDE, time(NULL));

    if (!json_array_size(items)) {
        fprintf(stderr, "No %s found%s%s.\n", kind->plural,
                kind->namespaced && !args->all_namespaces ? " in namespace " : "",
                kind->namespaced && !args->all_namespaces ? args->ns : "");
    }
    table_print(table, cli->color);
    table_destroy(table);
}

static void
print_value(const json_t *value, enum cli_output output)
{
    if (output == OUTPUT_YAML) {
        struct ds out = DS_EMPTY_INITIALIZER;

        json_format_yaml(value, &out);
        fputs(ds_cstr(&out), stdout);
        ds_destroy(&out);
    } else {
        json_dumpf(value, stdout, JSON_INDENT(4));
        putchar('\n');
    }
}

/* 'value' is a list, or one object. */
static void
print_result(const struct cli *cli, const struct get_args *args, const struct resource_kind *kind,
             json_t *value, bool is_list)
{
    json_t *items;

    if (args->output == OUTPUT_JSON || args->output == OUTPUT_YAML) {
        print_value(value, args->output);
        return;
    }
    items = is_list ? json_incref(json_object_get(value, "items")) : json_pack("[O]", value);
    if (args->output == OUTPUT_NAME) {
        print_names(kind, items);
    } else {
        print_table(cli, args, kind, items);
    }
    json_decref(items);
}

/* All objects that the command line names, as one list if there are several. */
static int
get_named(struct cli *cli, const struct get_args *args, const struct references *refs,
          json_t **value)
{
    json_t *items = json_array();
    int error = CLI_OK;

    for (size_t i = 0; i < refs->n && !error; i++) {
        char *path = object_path(refs->a[i].kind, args->ns, refs->a[i].name, NULL);
        json_t *object;

        error = client_get_json(cli, path, &object);
        if (!error) {
            json_array_append_new(items, object);
        }
        free(path);
    }
    *value = error
                 ? NULL
                 : json_pack("{s:s,s:s,s:O}", "apiVersion", "v1", "kind", "List", "items", items);
    json_decref(items);
    return error;
}

static int
get(struct cli *cli, const struct get_args *args, const struct references *refs)
{
    const struct reference *first = &refs->a[0];
    bool is_list = !first->name || refs->n > 1;
    json_t *value;
    int error;

    if (refs->n > 1) {
        error = get_named(cli, args, refs, &value);
    } else {
        char *path = object_path(first->kind, args->all_namespaces ? NULL : args->ns, first->name,
                                 NULL);

        error = client_get_json(cli, path, &value);
        free(path);
    }
    if (!error) {
        print_result(cli, args, first->kind, value, is_list);
        json_decref(value);
    }
    return error;
}

int
cmd_get(struct cli *cli, int argc, char **argv)
{
    struct get_args args = { .ns = "default" };
    struct references refs;
    int error = parse_args(cli, argc, argv, &args);

    if (!error) {
        error = references_parse(argc - optind, argv + optind, &refs);
    }
    if (!error) {
        if (args.all_namespaces && refs.a[0].name && refs.a[0].kind->namespaced) {
            error = cli_usage("get", "-A lists a kind; with a name give -n NS");
        } else {
            error = get(cli, &args, &refs);
        }
        references_uninit(&refs);
    }
    return error;
}
