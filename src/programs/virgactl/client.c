#include "programs/virgactl/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "programs/virgactl/cli.h"
#include "util.h"

/* A reply is kept in memory; more than this is not one of ours. */
enum { MAX_REPLY = 1 << 30, MAX_TOKEN = 16384 };

struct client {
    CURL *curl;
    char *socket;        /* Of a unix: API; NULL for a URL. */
    char *base;          /* URL without a slash at its end. */
    char *authorization; /* Header, or NULL. */
};

void
reply_uninit(struct reply *reply)
{
    free(reply->text);
    json_decref(reply->json);
    memset(reply, 0, sizeof *reply);
}

char *
reply_message(const struct reply *reply)
{
    const char *message = json_string_value(json_object_get(reply->json, "message"));

    if (reply->status == 401) {
        return xstrdup("not authorized: give the API's token with --token-file");
    }
    if (message) {
        return xstrdup(message);
    }
    return xasprintf("the API answered with HTTP status %ld", reply->status);
}

/* Reads the token, without the newline at its end. */
static char *
read_token(const char *path)
{
    FILE *file = fopen(path, "r");
    char *token;
    size_t n;

    if (!file) {
        cli_error("%s: cannot read the token: %s", path, ovs_strerror(errno));
        return NULL;
    }
    token = xzalloc(MAX_TOKEN + 1);
    n = fread(token, 1, MAX_TOKEN, file);
    fclose(file);
    token[strcspn(token, "\r\n")] = '\0';
    if (!n || !*token) {
        cli_error("%s: holds no token", path);
        free(token);
        return NULL;
    }
    return token;
}

static int
client_create(struct cli *cli, struct client **clientp)
{
    struct client *client;
    char *token = NULL;

    if (strncmp(cli->api, "unix:", 5) && strncmp(cli->api, "http://", 7)
        && strncmp(cli->api, "https://", 8)) {
        cli_error("--api=%s: must be unix:PATH, http://... or https://...", cli->api);
        return CLI_USAGE;
    }
    if (cli->token_file) {
        token = read_token(cli->token_file);
        if (!token) {
            return CLI_REFUSED;
        }
    }
    client = xzalloc(sizeof *client);
    client->curl = curl_easy_init();
    if (!strncmp(cli->api, "unix:", 5)) {
        client->socket = xstrdup(cli->api + 5);
        client->base = xstrdup("http://localhost");
    } else {
        client->base = xstrdup(cli->api);
        client->base[strlen(client->base) - (client->base[strlen(client->base) - 1] == '/')] = 0;
    }
    client->authorization = token ? xasprintf("Authorization: Bearer %s", token) : NULL;
    free(token);
    *clientp = client;
    return CLI_OK;
}

void
client_destroy(struct client *client)
{
    if (client) {
        curl_easy_cleanup(client->curl);
        free(client->socket);
        free(client->base);
        free(client->authorization);
        free(client);
    }
}

static size_t
receive(char *data, size_t size, size_t n, void *out_)
{
    struct ds *out = out_;

    if (out->length + size * n > MAX_REPLY) {
        return 0; /* libcurl takes it as an error. */
    }
    ds_put_buffer(out, data, size * n);
    return size * n;
}

static struct curl_slist *
make_headers(const struct client *client, const char *content_type)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Accept: application/json, */*");

    headers = curl_slist_append(headers, "Expect:");
    if (client->authorization) {
        headers = curl_slist_append(headers, client->authorization);
    }
    if (content_type) {
        char *header = xasprintf("Content-Type: %s", content_type);

        headers = curl_slist_append(headers, header);
        free(header);
    }
    return headers;
}

static CURLcode
perform(struct client *client, const struct cli *cli, const char *method, const char *url,
        const char *body, struct curl_slist *headers, struct ds *out)
{
    CURL *curl = client->curl;

    curl_easy_reset(curl); /* Keeps the connection. */
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, out);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, 10L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 330L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    if (client->socket) {
        curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, client->socket);
        curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    }
    if (cli->ca_file) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, cli->ca_file);
    }
    if (body) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long) strlen(body));
    }
    return curl_easy_perform(curl);
}

static int
unreachable(const struct cli *cli, CURLcode code)
{
    cli_error("cannot reach the API at %s: %s", cli->api, curl_easy_strerror(code));
    cli_error("is virga-controller running there? --api or $VIRGA_API says where it is");
    return CLI_UNREACHABLE;
}

static void
fill_reply(struct client *client, struct ds *body, struct reply *reply)
{
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &reply->status);
    reply->length = body->length;
    reply->text = ds_steal_cstr(body);
    reply->json = json_loadb(reply->text, reply->length, 0, NULL);
}

int
client_request(struct cli *cli, const char *method, const char *path, const json_t *body,
               const char *content_type, struct reply *reply)
{
    struct ds out = DS_EMPTY_INITIALIZER;
    struct curl_slist *headers;
    char *url, *text;
    CURLcode code;

    memset(reply, 0, sizeof *reply);
    if (!cli->client) {
        int error = client_create(cli, &cli->client);

        if (error) {
            return error;
        }
    }
    text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    url = xasprintf("%s%s", cli->client->base, path);
    headers = make_headers(cli->client, body ? content_type : NULL);
    code = perform(cli->client, cli, method, url, text, headers, &out);
    curl_slist_free_all(headers);
    free(url);
    free(text);
    if (code) {
        ds_destroy(&out);
        return unreachable(cli, code);
    }
    fill_reply(cli->client, &out, reply);
    return CLI_OK;
}

int
client_get(struct cli *cli, const char *path, struct reply *reply)
{
    int error = client_request(cli, "GET", path, NULL, NULL, reply);

    if (!error && reply->status != 200) {
        char *message = reply_message(reply);

        cli_error("%s", message);
        free(message);
        reply_uninit(reply);
        error = CLI_REFUSED;
    }
    return error;
}

int
client_get_json(struct cli *cli, const char *path, json_t **json)
{
    struct reply reply;
    int error = client_get(cli, path, &reply);

    *json = NULL;
    if (!error && !json_is_object(reply.json)) {
        cli_error("%s: the answer is not a JSON object; is %s the API of Virga?", path, cli->api);
        error = CLI_REFUSED;
    }
    if (!error) {
        *json = json_incref(reply.json);
    }
    if (reply.text) {
        reply_uninit(&reply);
    }
    return error;
}
