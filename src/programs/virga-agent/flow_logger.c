#include "programs/virga-agent/flow_logger.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/records.h"
#include "node/endpoint_names.h"
#include "node/flow_log.h"
#include "openflow/packet_in.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/token-bucket.h"
#include "openvswitch/vlog.h"
#include "socket-util.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(flow_logger);

/* The bucket gets one token a millisecond. */
enum { LINE_TOKENS = 1000 / FLOW_LOGGER_RATE, SUMMARY_MS = 1000 };

struct flow_logger {
    char *file;
    char *node;
    int fd; /* -1: not open. */
    const struct records *records;
    struct endpoint_names *names;
    struct token_bucket bucket;
    uint64_t n_lines, n_suppressed, n_lost;
    uint64_t suppressed; /* Since the last line that said so. */
    long long int summary_at;
};

struct flow_logger *
flow_logger_create(const char *file, const char *node, const struct records *records)
{
    struct flow_logger *log = xzalloc(sizeof *log);
    log->file = xstrdup(file);
    log->node = xstrdup(node);
    log->fd = -1;
    log->records = records;
    log->names = endpoint_names_create(records);
    token_bucket_init(&log->bucket, 1, FLOW_LOGGER_BURST * LINE_TOKENS);
    return log;
}

void
flow_logger_reopen(struct flow_logger *log)
{
    if (log->fd > STDOUT_FILENO) {
        close(log->fd);
    }
    log->fd = -1;
}

void
flow_logger_destroy(struct flow_logger *log)
{
    if (log) {
        flow_logger_reopen(log);
        endpoint_names_destroy(log->names);
        free(log->file);
        free(log->node);
        free(log);
    }
}

static void
complain(struct flow_logger *log, int error)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 1);
    log->n_lost++;
    VLOG_WARN_RL(&rl, "%s: %s", log->file, ovs_strerror(error));
}

static bool
open_file(struct flow_logger *log)
{
    if (log->fd < 0 && !strcmp(log->file, "-")) {
        log->fd = STDOUT_FILENO;
    } else if (log->fd < 0) {
        log->fd = open(log->file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    }
    return log->fd >= 0;
}

static void
put_line(struct flow_logger *log, const struct ds *line)
{
    ssize_t length = line->length;
    if (!open_file(log) || write(log->fd, line->string, line->length) != length) {
        complain(log, errno);
    } else {
        log->n_lines++;
    }
}

static const char *
name_of(struct flow_logger *log, const struct in6_addr *addr)
{
    const struct rec_endpoint *ep = endpoint_names_find(log->names, addr, time_msec());
    return ep ? ep->name : NULL;
}

void
flow_logger_write(struct flow_logger *log, const struct packet_in *p)
{
    if (!token_bucket_withdraw(&log->bucket, LINE_TOKENS)) {
        log->n_suppressed++;
        log->suppressed++;
        return;
    }
    struct flow_log_entry e = {
        .wall = time_wall_msec(),
        .node = log->node,
        .rule = records_rule(log->records, p->id),
        .rule_id = p->id,
        .src_identity = p->src_identity,
        .dst_identity = p->dst_identity,
        .frame = p->frame,
        .frame_len = p->frame_len,
    };
    struct in6_addr src, dst;
    if (flow_log_addresses(p->frame, p->frame_len, &src, &dst)) {
        e.src_endpoint = name_of(log, &src);
        e.dst_endpoint = name_of(log, &dst);
    }
    struct ds line = DS_EMPTY_INITIALIZER;
    flow_log_format(&e, &line);
    put_line(log, &line);
    ds_destroy(&line);
}

void
flow_logger_changed(struct flow_logger *log)
{
    endpoint_names_changed(log->names);
}

void
flow_logger_run(struct flow_logger *log)
{
    if (!log->suppressed || time_msec() < log->summary_at) {
        return;
    }
    struct ds line = DS_EMPTY_INITIALIZER;
    flow_log_format_suppressed(time_wall_msec(), log->node, log->suppressed, &line);
    put_line(log, &line);
    ds_destroy(&line);
    log->suppressed = 0;
    log->summary_at = time_msec() + SUMMARY_MS;
}

void
flow_logger_wait(const struct flow_logger *log)
{
    if (log->suppressed) {
        poll_timer_wait_until(log->summary_at);
    }
}

void
flow_logger_format(const struct flow_logger *log, struct ds *s)
{
    ds_put_format(s,
                  "flow log: %s, %" PRIu64 " lines written, %" PRIu64 " left out, %" PRIu64
                  " could not be written\n",
                  log->file, log->n_lines, log->n_suppressed, log->n_lost);
}
