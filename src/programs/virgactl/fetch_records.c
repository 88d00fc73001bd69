#include "programs/virgactl/fetch_records.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/records.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "programs/virgactl/cli.h"
#include "programs/virgactl/client.h"
#include "util.h"
#include "virga/api_paths.h"

static int
parse(const char *source, const char *text, struct records **recordsp)
{
    struct records *records = records_create();
    char *error = records_parse(text, records);

    if (error) {
        cli_error("%s: %s", source, error);
        free(error);
        records_destroy(records);
        return CLI_REFUSED;
    }
    *recordsp = records;
    return CLI_OK;
}

int
fetch_records(struct cli *cli, struct records **records)
{
    struct reply reply;
    int error = client_get(cli, API_PATH_RECORDS, &reply);

    if (!error) {
        error = parse(cli->api, reply.text, records);
        reply_uninit(&reply);
    }
    return error;
}

int
read_records(const char *name, struct records **records)
{
    bool is_stdin = !strcmp(name, "-");
    FILE *file = is_stdin ? stdin : fopen(name, "r");
    struct ds text = DS_EMPTY_INITIALIZER;
    char buffer[4096];
    size_t n;
    int error;

    if (!file) {
        cli_error("%s: %s", name, ovs_strerror(errno));
        return CLI_REFUSED;
    }
    while ((n = fread(buffer, 1, sizeof buffer, file)) > 0) {
        ds_put_buffer(&text, buffer, n);
    }
    if (!is_stdin) {
        fclose(file);
    }
    error = parse(name, ds_cstr(&text), records);
    ds_destroy(&text);
    return error;
}
