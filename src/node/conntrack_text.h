/* The connections that Open vSwitch tracks, as "dpctl/dump-conntrack" tells
 * them: one line each (OVS lib/ct-dpif.c, ct_dpif_format_entry(); the same for
 * the userspace and the kernel datapath).
 *
 * Pure and without allocation.  Fields that are not here are skipped, so a
 * dump with "-m" or "-s" is read too. */
#ifndef VIRGA_CONNTRACK_TEXT_H
#define VIRGA_CONNTRACK_TEXT_H 1

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conntrack_tuple {
    struct in6_addr src, dst;    /* IPv4 as mapped addresses (base/prefix.h). */
    uint16_t src_port, dst_port; /* 0 for ICMP and for protocols without. */
    uint16_t icmp_id;
    uint8_t icmp_type, icmp_code;
};

struct conntrack_entry {
    uint8_t protocol; /* IPPROTO_* */
    uint16_t zone;
    struct conntrack_tuple orig, reply;
    uint64_t label; /* Bits 0-31: ingress rule, 32-63: egress rule. */
};

/* Parses one line without its newline.  False if it is none; *entry is
 * undefined then. */
bool conntrack_parse_line(const char *line, size_t len, struct conntrack_entry *entry)
    __attribute__((warn_unused_result));

/* Reads a whole dump: set 'pos' and 'end', zero 'n_bad'. */
struct conntrack_reader {
    const char *pos, *end;
    size_t n_bad; /* Lines skipped since they made no sense. */
};
/* False at the end. */
bool conntrack_read(struct conntrack_reader *, struct conntrack_entry *);

#endif
