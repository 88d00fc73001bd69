#include "openflow/answer.h"

#include <stdlib.h>
#include <string.h>

#include "base/records.h"
#include "base/test.h"
#include "openflow/packet_in.h"
#include "openflow/pipeline.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-packet.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "util.h"

/* A SYN of 10.128.1.2 to 10.128.2.3; Ethernet from 02:..:0a to 02:..:0b. */
static const uint8_t syn[54] = {
    2, 0,  0,    0, 0,  0xb, 2, 0, 0,  0,   0,    0xa, 8,  0,   0x45, 0, 0,   40,
    0, 0,  0x40, 0, 64, 6,   0, 0, 10, 128, 1,    2,   10, 128, 2,    3, 0xf, 0xa0,
    0, 80, 0,    0, 0,  1,   0, 0, 0,  0,   0x50, 2,   0,  0,   0,    0, 0,   0,
};

static struct records *records;

static int
setup(void **state)
{
    records = records_create();
    char *error = records_parse("identity 256 vni=4097 labels=\"a{}\"\n"
                                "identity 300 vni=4098 labels=\"b{}\"\n",
                                records);
    assert_null(error);
    return 0;
}

static int
teardown(void **state)
{
    records_destroy(records);
    return 0;
}

static struct packet_in
packet(enum pipeline_side origin)
{
    return (struct packet_in){
        .features = VIRGA_USERDATA_REJECT,
        .in_port = 5,
        .src_identity = 256,
        .dst_identity = 300,
        .origin = origin,
        .frame = syn,
        .frame_len = sizeof syn,
    };
}

/* What is done with the answer, and its Ethernet addresses. */
static void
assert_answer(const struct packet_in *p, const char *actions, struct eth_addr src,
              struct eth_addr dst)
{
    struct ofpbuf *msg = answer_encode(p, records);
    assert_non_null(msg);
    struct ofputil_packet_out po;
    struct ofpbuf ofpacts;
    ofpbuf_init(&ofpacts, 0);
    assert_int_equal(ofputil_decode_packet_out(&po, msg->data, NULL, &ofpacts), 0);
    struct ds s = DS_EMPTY_INITIALIZER;
    struct ofpact_format_params fp = { .s = &s };
    ofpacts_format(po.ofpacts, po.ofpacts_len, &fp);
    assert_string_equal(ds_cstr(&s), actions);
    assert_memory_equal(po.packet, &dst, sizeof dst);
    assert_memory_equal((const uint8_t *) po.packet + 6, &src, sizeof src);
    assert_int_equal(po.packet_len, 54);
    ds_destroy(&s);
    ofpbuf_uninit(&ofpacts);
    ofpbuf_delete(msg);
}

static void
test_local_and_host(void **state)
{
    struct eth_addr sender = { .ea = { 2, 0, 0, 0, 0, 0xa } };
    struct packet_in p = packet(SIDE_LOCAL);
    assert_answer(&p, "output:5", pipeline_mac(MAC_router), sender);
    p = packet(SIDE_GATEWAY);
    p.src_identity = IDENTITY_WORLD;
    assert_answer(&p, "output:5", pipeline_mac(MAC_router), sender);
}

static void
test_tunnel(void **state)
{
    struct eth_addr identity = { .ea = { 0x0a, 0, 0, 0, 1, 0x2c } };
    struct packet_in p = packet(SIDE_TUNNEL);
    p.tunnel_src = in6_addr_mapped_ipv4(htonl(0xac1e0001));
    assert_answer(&p, "set_field:0x1001->tun_id,set_field:172.30.0.1->tun_dst,output:5", identity,
                  pipeline_mac(MAC_router));
    p.src_identity = IDENTITY_REMOTE_NODE;
    assert_answer(&p, "set_field:0x1->tun_id,set_field:172.30.0.1->tun_dst,output:5", identity,
                  pipeline_mac(MAC_router));
}

static void
assert_none(const struct packet_in *p)
{
    assert_null(answer_encode(p, records));
}

static void
test_no_way(void **state)
{
    struct packet_in p = packet(0);
    assert_none(&p);
    p = packet(SIDE_LOCAL);
    p.in_port = 0;
    assert_none(&p);
    p = packet(SIDE_TUNNEL); /* From nowhere. */
    assert_none(&p);
    p.tunnel_src = in6_addr_mapped_ipv4(htonl(0xac1e0001));
    p.src_identity = 999; /* Nobody knows it. */
    assert_none(&p);
    p.src_identity = 256;
    p.dst_identity = IDENTITY_LOCAL_NODE; /* Never on the wire. */
    assert_none(&p);
    p = packet(SIDE_LOCAL);
    p.frame_len = 11;
    assert_none(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_local_and_host),
        cmocka_unit_test(test_tunnel),
        cmocka_unit_test(test_no_way),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
