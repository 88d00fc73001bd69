#include "programs/virgactl/counters.h"

#include <stdio.h>
#include <stdlib.h>

#include "openvswitch/util.h"
#include "programs/virgactl/client.h"
#include "util.h"

int
counters_parse_args(struct cli *cli, int argc, char **argv, const char *command,
                    struct counters_args *args)
{
    static const struct option options[] = {
        { "output", required_argument, NULL, 'o' },
        { "cached", no_argument, NULL, 'c' },
        { NULL, 0, NULL, 0 },
    };
    int option;

    while ((option = cli_getopt(cli, argc, argv, "o:", options)) != -1) {
        if (option == 'c') {
            args->cached = true;
        } else if (option != 'o'
                   || !cli_parse_output(optarg, 1u << OUTPUT_TABLE | 1u << OUTPUT_JSON,
                                        &args->output)) {
            return CLI_USAGE;
        }
    }
    return CLI_OK;
}

static void
tell_missing(const json_t *answer)
{
    const json_t *missing = json_object_get(answer, "missing");

    for (size_t i = 0; i < json_array_size(missing); i++) {
        cli_error("node %s did not answer: its last known counters are shown",
                  json_string_value(json_array_get(missing, i)));
    }
}

int
counters_get(struct cli *cli, const char *path, const struct counters_args *args, json_t **answer)
{
    char *full = xasprintf("%s?fresh=%s", path, args->cached ? "false" : "true");
    int error = client_get_json(cli, full, answer);

    free(full);
    if (!error && !args->cached) {
        tell_missing(*answer);
    }
    return error;
}

const char *
counter_string(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));

    return s ? s : "";
}

json_int_t
counter_integer(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}
