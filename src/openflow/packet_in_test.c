#include "openflow/packet_in.h"

#include <stdlib.h>
#include <string.h>

#include "base/test.h"
#include "openflow/pipeline.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-packet.h"
#include "openvswitch/ofpbuf.h"
#include "packets.h"
#include "util.h"

static uint8_t frame[60] = { 1, 2, 3 };

/* What ovs-vswitchd sends for a packet in 'table' with these fields. */
static struct ofpbuf *
message(const void *userdata, size_t userdata_len)
{
    struct ofputil_packet_in_private pin = {
        .base = {
            .packet = frame,
            .packet_len = sizeof frame,
            .reason = OFPR_ACTION,
            .table_id = 52,
            .userdata = CONST_CAST(uint8_t *, userdata),
            .userdata_len = userdata_len,
        },
    };
    struct match *m = &pin.base.flow_metadata;
    match_init_catchall(m);
    match_set_in_port(m, 7);
    field_match(m, FIELD_src_identity, 300);
    field_match(m, FIELD_dst_network, 4097);
    match_set_reg(m, 5, 16 | SIDE_TUNNEL << 16 | SIDE_LOCAL << 18);
    match_set_tun_src(m, htonl(0xac1e0001));
    return ofputil_encode_packet_in_private(&pin, OFPUTIL_P_OF15_OXM, OFPUTIL_PACKET_IN_NXT2);
}

static void
test_decode(void **state)
{
    struct virga_userdata u = packet_in_userdata(VIRGA_USERDATA_REJECT | VIRGA_USERDATA_LOG,
                                                 0x01020304);
    struct ofpbuf *msg = message(&u, sizeof u);
    struct packet_in p;
    assert_true(packet_in_decode(msg->data, &p));
    assert_int_equal(p.features, VIRGA_USERDATA_REJECT | VIRGA_USERDATA_LOG);
    assert_int_equal(p.id, 0x01020304);
    assert_int_equal(p.in_port, 7);
    assert_int_equal(p.src_identity, 300);
    assert_int_equal(p.dst_identity, 0);
    assert_int_equal(p.dst_network, 4097);
    assert_int_equal(p.origin, SIDE_TUNNEL);
    assert_int_equal(p.target, SIDE_LOCAL);
    assert_int_equal(ntohl(in6_addr_get_mapped_ipv4(&p.tunnel_src)), 0xac1e0001);
    assert_int_equal(p.frame_len, sizeof frame);
    assert_memory_equal(p.frame, frame, sizeof frame);
    assert_null(p.resume);
    packet_in_uninit(&p);
    ofpbuf_delete(msg);
}

static void
assert_refused(struct virga_userdata u, size_t len)
{
    struct ofpbuf *msg = message(&u, len);
    struct packet_in p;
    assert_false(packet_in_decode(msg->data, &p));
    ofpbuf_delete(msg);
}

static void
test_not_ours(void **state)
{
    struct virga_userdata good = packet_in_userdata(VIRGA_USERDATA_LOG, 1), u = good;
    assert_refused(good, 0);
    assert_refused(good, sizeof good - 1);
    u.magic++;
    assert_refused(u, sizeof u);
    u = good;
    u.version++;
    assert_refused(u, sizeof u);
    u = good;
    u.features = 0;
    assert_refused(u, sizeof u);
    u.features = 0x80;
    assert_refused(u, sizeof u);
    u = good;
    u.zero = 1;
    assert_refused(u, sizeof u);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decode),
        cmocka_unit_test(test_not_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
