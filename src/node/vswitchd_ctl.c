#include "node/vswitchd_ctl.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ovs_json.h"
#include "jsonrpc.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/types.h"
#include "stream.h"
#include "util.h"

enum {
    MAX_REPLY_BYTES = 1 << 30, /* A million connections are about 140 MB. */
    RECEIVES = 20,             /* Of 200 kB each, per run. */
};

struct vswitchd_ctl {
    char *rundir;
    struct stream *stream; /* While it connects. */
    struct jsonrpc *rpc;   /* Then. */
    struct jsonrpc_msg *request;
    int error; /* Found by vswitchd_ctl_send(), told by the next run. */
};

struct vswitchd_ctl *
vswitchd_ctl_create(const char *ovs_rundir)
{
    struct vswitchd_ctl *ctl = xzalloc(sizeof *ctl);
    ctl->rundir = xstrdup(ovs_rundir);
    return ctl;
}

void
vswitchd_ctl_cancel(struct vswitchd_ctl *ctl)
{
    stream_close(ctl->stream);
    jsonrpc_close(ctl->rpc);
    jsonrpc_msg_destroy(ctl->request);
    ctl->stream = NULL;
    ctl->rpc = NULL;
    ctl->request = NULL;
    ctl->error = 0;
}

void
vswitchd_ctl_destroy(struct vswitchd_ctl *ctl)
{
    if (ctl) {
        vswitchd_ctl_cancel(ctl);
        free(ctl->rundir);
        free(ctl);
    }
}

static int
read_pid(const char *rundir, long int *pid)
{
    char *path = xasprintf("%s/ovs-vswitchd.pid", rundir);
    FILE *file = fopen(path, "r");
    int error = errno;
    free(path);
    if (!file) {
        return error;
    }
    char line[32];
    char *end = line;
    *pid = fgets(line, sizeof line, file) ? strtol(line, &end, 10) : 0;
    fclose(file);
    return end != line && *pid > 0 ? 0 : EINVAL;
}

static int
open_stream(struct vswitchd_ctl *ctl)
{
    long int pid = 0;
    int error = read_pid(ctl->rundir, &pid);
    if (error) {
        return error;
    }
    char *target = xasprintf("unix:%s/ovs-vswitchd.%ld.ctl", ctl->rundir, pid);
    error = stream_open(target, &ctl->stream, DSCP_DEFAULT);
    free(target);
    return error;
}

void
vswitchd_ctl_send(struct vswitchd_ctl *ctl, const char *command, const char *const args[])
{
    vswitchd_ctl_cancel(ctl);
    struct json *params = json_array_create_empty();
    for (size_t i = 0; args[i]; i++) {
        json_array_add(params, json_string_create(args[i]));
    }
    ctl->request = jsonrpc_create_request(command, params, NULL);
    ctl->error = open_stream(ctl);
    poll_immediate_wake();
}

static int
connect_stream(struct vswitchd_ctl *ctl)
{
    if (ctl->stream) {
        int error = stream_connect(ctl->stream);
        if (error) {
            return error;
        }
        ctl->rpc = jsonrpc_open(ctl->stream);
        ctl->stream = NULL;
        jsonrpc_send(ctl->rpc, ctl->request);
        ctl->request = NULL;
    }
    return 0;
}

static int
take_reply(struct jsonrpc_msg *msg, char **text, size_t *len)
{
    bool refused = msg->type == JSONRPC_ERROR;
    struct json *body = refused ? msg->error : msg->result;
    if ((!refused && msg->type != JSONRPC_REPLY) || !body || body->type != JSON_STRING) {
        return EPROTO;
    }
    *len = strlen(json_string(body));
    *text = body->string; /* Taken, not copied: it may be large. */
    body->string = NULL;
    return refused ? ECOMM : 0;
}

static int
receive_message(struct jsonrpc *rpc, struct jsonrpc_msg **msg)
{
    int error = EAGAIN;
    unsigned int before = 1, now = 0;
    for (int i = 0; i < RECEIVES && error == EAGAIN && before != now; i++) {
        before = jsonrpc_get_received_bytes(rpc);
        error = jsonrpc_recv(rpc, msg);
        now = jsonrpc_get_received_bytes(rpc);
    }
    return error;
}

static int
receive(struct vswitchd_ctl *ctl, char **text, size_t *len)
{
    jsonrpc_run(ctl->rpc);
    struct jsonrpc_msg *msg;
    int error = receive_message(ctl->rpc, &msg);
    if (error) {
        bool large = jsonrpc_get_received_bytes(ctl->rpc) > MAX_REPLY_BYTES;
        return error == EOF ? ECONNRESET : error == EAGAIN && large ? EMSGSIZE : error;
    }
    error = take_reply(msg, text, len);
    jsonrpc_msg_destroy(msg);
    return error;
}

int
vswitchd_ctl_run(struct vswitchd_ctl *ctl, char **text, size_t *len)
{
    *text = NULL;
    *len = 0;
    int error = ctl->error;
    if (!error && (ctl->stream || ctl->rpc)) {
        error = connect_stream(ctl);
        error = error ? error : receive(ctl, text, len);
    } else if (!error) {
        return EAGAIN;
    }
    if (error != EAGAIN) {
        vswitchd_ctl_cancel(ctl);
    }
    return error;
}

void
vswitchd_ctl_wait(struct vswitchd_ctl *ctl)
{
    if (ctl->error) {
        poll_immediate_wake();
    } else if (ctl->stream) {
        stream_run_wait(ctl->stream);
        stream_connect_wait(ctl->stream);
    } else if (ctl->rpc) {
        jsonrpc_wait(ctl->rpc);
        jsonrpc_recv_wait(ctl->rpc);
    }
}
