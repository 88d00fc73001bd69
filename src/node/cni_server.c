#include "node/cni_server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "node/attachments.h"
#include "node/cni_protocol.h"
#include "node/link.h"
#include "node/ovs_config.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "stream.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(cni_server);

enum {
    MAX_CLIENTS = 256,
    READ_TIMEOUT_MS = 10000, /* For a request, and for its answer to go out. */
    CHUNK = 4096,
};

/* READING --one line--> WORKING --answer--> WRITING --sent--> gone */
struct client {
    struct ovs_list node;
    struct stream *stream;
    long long int deadline; /* READING and WRITING. */
    struct ds in;
    struct cni_operation *operation; /* WORKING and later; NULL if the request was bad. */
    char *answer;                    /* WRITING. */
    size_t sent;
};

struct cni_server {
    char *socket;
    char *node_name;
    struct pstream *listener;
    struct ovs_list clients;
    size_t n_clients;
    struct cni_node node;
    unsigned int seen; /* ovs_config_seqno() at the last sync. */
};

static void
attach_cb(void *server_, const char *name, const char *uid, ofp_port_t port)
{
    struct cni_server *server = server_;
    server->node.flows_pending = true;
    server->node.flows.attach(server->node.flows.aux, name, uid, port);
}

int
cni_server_create(const struct cni_server_options *opt, struct ovs_config *cfg,
                  struct cni_server **serverp)
{
    *serverp = NULL;
    char *name = xasprintf("punix:%s", opt->socket);
    struct pstream *listener;
    int error = pstream_open(name, &listener, 0);
    free(name);
    if (error) {
        return error;
    }
    if (chmod(opt->socket, 0600)) {
        error = errno;
        pstream_close(listener);
        return error;
    }
    struct cni_server *server = xzalloc(sizeof *server);
    server->socket = xstrdup(opt->socket);
    server->node_name = xstrdup(opt->node_name);
    server->listener = listener;
    ovs_list_init(&server->clients);
    server->node = (struct cni_node){
        .node_name = server->node_name,
        .checksum_offload = opt->checksum_offload,
        .flows = opt->flows,
        .ovs_config = cfg,
        .attachments = attachments_create(attach_cb, server),
    };
    *serverp = server;
    return 0;
}

static void
client_destroy(struct cni_server *server, struct client *c)
{
    ovs_list_remove(&c->node);
    server->n_clients--;
    cni_operation_destroy(c->operation);
    stream_close(c->stream);
    ds_destroy(&c->in);
    free(c->answer);
    free(c);
}

void
cni_server_destroy(struct cni_server *server)
{
    if (!server) {
        return;
    }
    struct client *c;
    LIST_FOR_EACH_SAFE (c, node, &server->clients) {
        client_destroy(server, c);
    }
    pstream_close(server->listener);
    attachments_destroy(server->node.attachments);
    free(server->socket);
    free(server->node_name);
    free(server);
}

void
cni_server_set_mtu(struct cni_server *server, int mtu)
{
    server->node.mtu = mtu;
}

void
cni_server_adopt(struct cni_server *server)
{
    size_t n;
    const struct ovs_endpoint **all = ovs_config_endpoints(server->node.ovs_config, &n);
    for (size_t i = 0; i < n; i++) {
        if (!link_exists(all[i]->port)) {
            VLOG_INFO("%s: interface %s is gone, removing its port", all[i]->name, all[i]->port);
            char *port = xstrdup(all[i]->port);
            ovs_config_remove_endpoint(server->node.ovs_config, port);
            free(port);
        }
    }
    free(all);
    attachments_sync(server->node.attachments, server->node.ovs_config);
}

/* --- Clients --------------------------------------------------------------------- */

static void
accept_clients(struct cni_server *server)
{
    while (server->n_clients < MAX_CLIENTS) {
        struct stream *stream;
        int error = pstream_accept(server->listener, &stream);
        if (error) {
            if (error != EAGAIN) {
                VLOG_WARN("%s: accept: %s", server->socket, ovs_strerror(error));
            }
            return;
        }
        struct client *c = xzalloc(sizeof *c);
        c->stream = stream;
        c->deadline = time_msec() + READ_TIMEOUT_MS;
        ds_init(&c->in);
        ovs_list_push_back(&server->clients, &c->node);
        server->n_clients++;
    }
}

static void
answer(struct client *c, char *take)
{
    c->answer = xasprintf("%s\n", take);
    c->deadline = time_msec() + READ_TIMEOUT_MS;
    free(take);
}

static void
take_request(struct cni_server *server, struct client *c, size_t len)
{
    struct cni_error error = { .code = CNI_OK };
    char *version;
    struct cni_request *request = cni_request_parse(ds_cstr(&c->in), len, &error, &version);
    ds_destroy(&c->in);
    ds_init(&c->in);
    if (request) {
        c->operation = cni_operation_create(&server->node, request);
    } else {
        VLOG_WARN("bad request: %s", error.msg);
        answer(c, cni_answer_error(version, &error));
        cni_error_uninit(&error);
        free(version);
    }
}

static void
refuse_long(struct client *c)
{
    struct cni_error error = { .code = CNI_OK };
    cni_error_set(&error, CNI_DECODE, NULL, "the request is longer than %d bytes",
                  CNI_MAX_REQUEST);
    answer(c, cni_answer_error(NULL, &error));
    cni_error_uninit(&error);
}

/* Reads what there is.  False if the client is gone. */
static bool
client_read(struct cni_server *server, struct client *c)
{
    for (;;) {
        char chunk[CHUNK];
        int n = stream_recv(c->stream, chunk, sizeof chunk);
        if (n == -EAGAIN) {
            return true;
        }
        if (n <= 0) {
            return false;
        }
        if (c->operation || c->answer) {
            continue; /* After the request there is nothing to say. */
        }
        size_t before = c->in.length;
        ds_put_buffer(&c->in, chunk, n);
        const char *end = memchr(ds_cstr(&c->in) + before, '\n', n);
        if (end) {
            take_request(server, c, end - ds_cstr(&c->in));
        } else if (c->in.length > CNI_MAX_REQUEST) {
            refuse_long(c);
        }
    }
}

/* False if the client is gone or has its answer. */
static bool
client_write(struct client *c)
{
    size_t len = strlen(c->answer);
    while (c->sent < len) {
        int n = stream_send(c->stream, c->answer + c->sent, len - c->sent);
        if (n == -EAGAIN) {
            return true;
        }
        if (n <= 0) {
            if (c->operation) {
                cni_operation_undo(c->operation);
            }
            return false;
        }
        c->sent += n;
    }
    return false;
}

/* False if the client is to be forgotten. */
static bool
client_run(struct cni_server *server, struct client *c)
{
    stream_run(c->stream);
    if (!client_read(server, c)) {
        if (c->operation && c->answer) {
            cni_operation_undo(c->operation);
        }
        return false;
    }
    if (c->operation && !c->answer) {
        char *text = cni_operation_run(c->operation);
        if (text) {
            answer(c, text);
        }
    }
    if (c->answer && !client_write(c)) {
        return false;
    }
    return c->operation && !c->answer ? true : time_msec() < c->deadline;
}

void
cni_server_run(struct cni_server *server, const struct records *records)
{
    server->node.flows_pending = false;
    server->node.records = records;
    unsigned int seqno = ovs_config_seqno(server->node.ovs_config);
    if (seqno != server->seen && ovs_config_is_loaded(server->node.ovs_config)) {
        server->seen = seqno;
        attachments_sync(server->node.attachments, server->node.ovs_config);
    }
    accept_clients(server);
    struct client *c;
    LIST_FOR_EACH_SAFE (c, node, &server->clients) {
        if (!client_run(server, c)) {
            client_destroy(server, c);
        }
    }
}

static void
client_wait(struct client *c)
{
    stream_run_wait(c->stream);
    stream_recv_wait(c->stream);
    if (c->answer) {
        stream_send_wait(c->stream);
    }
    bool working = c->operation && !c->answer;
    poll_timer_wait_until(working ? cni_operation_deadline(c->operation) : c->deadline);
}

void
cni_server_wait(struct cni_server *server)
{
    if (server->n_clients < MAX_CLIENTS) {
        pstream_wait(server->listener);
    }
    struct client *c;
    LIST_FOR_EACH (c, node, &server->clients) {
        client_wait(c);
    }
    if (server->node.flows_pending) {
        poll_immediate_wake();
    }
}

void
cni_server_format(const struct cni_server *server, struct ds *s)
{
    attachments_format(server->node.attachments, s);
    const struct client *c;
    LIST_FOR_EACH (c, node, &server->clients) {
        if (c->operation && !c->answer) {
            cni_operation_format(c->operation, s);
        }
    }
}
