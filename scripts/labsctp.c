#include "labsctp.h"

#include <arpa/inet.h>
#include <string.h>

enum {
    HEADER_BYTES = 12, /* Ports, tag, checksum. */
    CHUNK_BYTES = 4,   /* Type, flags, length. */
    INIT_BYTES = 16,   /* Tag, window, streams out and in, first TSN. */
    PARAMETER_BYTES = 4,
    STATE_COOKIE = 7,
    WINDOW = 65536,
};

static uint16_t
get16(const uint8_t *p)
{
    return (uint16_t) (p[0] << 8 | p[1]);
}

static uint32_t
get32(const uint8_t *p)
{
    return (uint32_t) get16(p) << 16 | get16(p + 2);
}

static void
put16(uint8_t *p, uint16_t value)
{
    p[0] = value >> 8;
    p[1] = value & 0xff;
}

static void
put32(uint8_t *p, uint32_t value)
{
    put16(p, value >> 16);
    put16(p + 2, value & 0xffff);
}

/* CRC32c of the packet with a checksum of zero. */
static uint32_t
checksum(const uint8_t *data, size_t size)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < size; i++) {
        crc ^= i >= 8 && i < 12 ? 0 : data[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
        }
    }
    return ~crc;
}

/* The checksum stands in the packet with its lowest byte first. */
static uint32_t
stored_checksum(const uint8_t *data)
{
    return data[8] | data[9] << 8 | data[10] << 16 | (uint32_t) data[11] << 24;
}

static void
parse_cookie(const uint8_t *p, size_t left, struct sctp_packet *packet)
{
    while (left >= PARAMETER_BYTES) {
        size_t length = get16(p + 2), padded = (length + 3) & ~(size_t) 3;

        if (length < PARAMETER_BYTES || length > left) {
            return;
        }
        if (get16(p) == STATE_COOKIE) {
            size_t n = length - PARAMETER_BYTES;

            n = n < sizeof packet->cookie ? n : sizeof packet->cookie - 1;
            memcpy(packet->cookie, p + PARAMETER_BYTES, n);
            packet->cookie[n] = '\0';
            return;
        }
        if (padded > left) {
            return;
        }
        p += padded;
        left -= padded;
    }
}

int
sctp_parse(const uint8_t *data, size_t size, struct sctp_packet *packet)
{
    const uint8_t *chunk = data + HEADER_BYTES;
    size_t length;

    if (size < HEADER_BYTES + CHUNK_BYTES || checksum(data, size) != stored_checksum(data)) {
        return -1;
    }
    length = get16(chunk + 2);
    if (length < CHUNK_BYTES || length > size - HEADER_BYTES) {
        return -1;
    }
    memset(packet, 0, sizeof *packet);
    packet->src_port = get16(data);
    packet->dst_port = get16(data + 2);
    packet->tag = get32(data + 4);
    packet->type = chunk[0];
    if (packet->type == SCTP_INIT || packet->type == SCTP_INIT_ACK) {
        if (length < CHUNK_BYTES + INIT_BYTES) {
            return -1;
        }
        packet->initiate_tag = get32(chunk + CHUNK_BYTES);
        parse_cookie(chunk + CHUNK_BYTES + INIT_BYTES, length - CHUNK_BYTES - INIT_BYTES, packet);
    }
    return 0;
}

static size_t
put_cookie(uint8_t *p, const char *cookie)
{
    size_t n = strnlen(cookie, 255);

    put16(p, STATE_COOKIE);
    put16(p + 2, PARAMETER_BYTES + n);
    memcpy(p + PARAMETER_BYTES, cookie, n);
    return PARAMETER_BYTES + n;
}

static size_t
put_init(uint8_t *p, const struct sctp_packet *packet)
{
    put32(p, packet->initiate_tag);
    put32(p + 4, WINDOW);
    put16(p + 8, 1);
    put16(p + 10, 1);
    put32(p + 12, packet->initiate_tag);
    return INIT_BYTES + (*packet->cookie ? put_cookie(p + INIT_BYTES, packet->cookie) : 0);
}

size_t
sctp_format(const struct sctp_packet *packet, uint8_t *data)
{
    uint8_t *chunk = data + HEADER_BYTES;
    size_t length = CHUNK_BYTES, size;
    uint32_t sum;

    memset(data, 0, SCTP_MAX_PACKET);
    put16(data, packet->src_port);
    put16(data + 2, packet->dst_port);
    put32(data + 4, packet->tag);
    chunk[0] = packet->type;
    if (packet->type == SCTP_INIT || packet->type == SCTP_INIT_ACK) {
        length += put_init(chunk + CHUNK_BYTES, packet);
    }
    put16(chunk + 2, length);
    size = HEADER_BYTES + ((length + 3) & ~(size_t) 3);
    sum = checksum(data, size);
    for (int i = 0; i < 4; i++) {
        data[8 + i] = sum >> 8 * i & 0xff;
    }
    return size;
}
