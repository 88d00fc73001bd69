#include "programs/virga-agent/packets.h"

#include <inttypes.h>
#include <stdlib.h>

#include "openflow/answer.h"
#include "openflow/packet_in.h"
#include "openflow/switch.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/token-bucket.h"
#include "programs/virga-agent/flow_logger.h"
#include "programs/virga-agent/resolver.h"
#include "util.h"

/* The bucket gets one token a millisecond. */
enum { ANSWER_TOKENS = 2, ANSWER_BURST = 500 * ANSWER_TOKENS };

struct packets {
    struct ofswitch *sw;
    const struct records *records;
    struct flow_logger *log;
    struct resolver *resolver;
    struct token_bucket answers;
    uint64_t n_rejected, n_answered, n_suppressed;
};

static void
reject(struct packets *packets, const struct packet_in *p)
{
    packets->n_rejected++;
    if (!token_bucket_withdraw(&packets->answers, ANSWER_TOKENS)) {
        packets->n_suppressed++;
        return;
    }
    struct ofpbuf *msg = answer_encode(p, packets->records);
    if (msg) {
        ofswitch_send_take(packets->sw, msg);
        packets->n_answered++;
    }
}

static void
receive(struct packet_in *p, void *packets_)
{
    struct packets *packets = packets_;
    if (p->features & VIRGA_USERDATA_REJECT) {
        reject(packets, p);
    }
    if (p->features & VIRGA_USERDATA_LOG) {
        flow_logger_write(packets->log, p);
    }
    if (p->features & VIRGA_USERDATA_DNS) {
        resolver_receive(packets->resolver, p);
    }
}

struct packets *
packets_create(struct ofswitch *sw, const struct records *records, struct flow_logger *log,
               struct resolver *resolver)
{
    struct packets *packets = xzalloc(sizeof *packets);
    packets->sw = sw;
    packets->records = records;
    packets->log = log;
    packets->resolver = resolver;
    token_bucket_init(&packets->answers, 1, ANSWER_BURST);
    ofswitch_set_packet_cb(sw, receive, packets);
    return packets;
}

void
packets_destroy(struct packets *packets)
{
    if (packets) {
        ofswitch_set_packet_cb(packets->sw, NULL, NULL);
        free(packets);
    }
}

void
packets_format(const struct packets *packets, struct ds *s)
{
    ds_put_format(s,
                  "rejected: %" PRIu64 " packets seen, %" PRIu64 " answered, %" PRIu64
                  " too many to answer\n",
                  packets->n_rejected, packets->n_answered, packets->n_suppressed);
}
