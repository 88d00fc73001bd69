/* Port ranges as OpenFlow matches: the fewest value/mask pairs. */
#ifndef VIRGA_PORTS_H
#define VIRGA_PORTS_H 1

#include <stddef.h>
#include <stdint.h>

struct port_mask {
    uint16_t value;
    uint16_t mask;
};

/* A range of 16 bit numbers needs at most this many: 1-65534. */
enum { PORT_MASKS_MAX = 30 };

/* Writes the masks of first..last in ascending order; returns how many. */
size_t port_masks(uint16_t first, uint16_t last, struct port_mask[PORT_MASKS_MAX]);

#endif
