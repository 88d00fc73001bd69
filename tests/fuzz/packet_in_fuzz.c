/* A message of the switch: what is taken for a packet of ours is one, whole. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "openflow/packet_in.h"
#include "openflow/reject.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/vlog.h"
#include "packets.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
use(const struct packet_in *p)
{
    static struct reject_answer answer;
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < p->frame_len; i++) {
        sum ^= p->frame[i];
    }
    if (!p->features || p->frame < (const uint8_t *) 1) {
        abort();
    }
    reject_build(p->frame, p->frame_len, eth_addr_zero, eth_addr_zero, &answer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool quiet;
    if (!quiet) {
        vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
        quiet = true;
    }
    if (size < sizeof(struct ofp_header) || size > UINT16_MAX) {
        return 0;
    }
    struct ofp_header *oh = malloc(size);
    if (!oh) {
        abort();
    }
    memcpy(oh, data, size);
    oh->length = htons(size);
    enum ofptype type;
    struct packet_in p;
    if (!ofptype_decode(&type, oh) && type == OFPTYPE_PACKET_IN && packet_in_decode(oh, &p)) {
        use(&p);
        packet_in_uninit(&p);
    }
    free(oh);
    return 0;
}
