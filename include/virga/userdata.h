/* Layout of the user data of every controller() action that Virga installs:
 * what the agent is to do with the packet, and for which rule.
 *
 *   0          1          2          3          4                    7
 *  +----------+----------+----------+----------+----------------------+
 *  | 0x56 'V' | version  | features | zero     | id, big endian       |
 *  +----------+----------+----------+----------+----------------------+
 *
 * The id is a rule id for REJECT and LOG, 0 for DNS.  "virgactl explain" puts
 * it in words. */
#ifndef VIRGA_USERDATA_H
#define VIRGA_USERDATA_H 1

#include <stddef.h>
#include <stdint.h>

#define VIRGA_USERDATA_MAGIC 0x56
#define VIRGA_USERDATA_VERSION 1

enum virga_userdata_feature {
    VIRGA_USERDATA_REJECT = 1 << 0, /* Answer the sender; the packet is dropped. */
    VIRGA_USERDATA_LOG = 1 << 1,    /* Log the rule's verdict; a copy. */
    VIRGA_USERDATA_DNS = 1 << 2,    /* A DNS answer, held until it is resumed. */
};

struct virga_userdata {
    uint8_t magic;
    uint8_t version;
    uint8_t features; /* Of enum virga_userdata_feature. */
    uint8_t zero;
    uint8_t id[4];
};

_Static_assert(sizeof(struct virga_userdata) == 8, "as on the wire");
_Static_assert(offsetof(struct virga_userdata, features) == 2, "as on the wire");
_Static_assert(offsetof(struct virga_userdata, id) == 4, "as on the wire");

#endif
