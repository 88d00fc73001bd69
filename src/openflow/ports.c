#include "openflow/ports.h"

/* Takes from the low end the largest aligned block that fits, again and again:
 * a block can end no later, so no list is shorter. */
size_t
port_masks(uint16_t first, uint16_t last, struct port_mask masks[PORT_MASKS_MAX])
{
    uint32_t low = first, end = (uint32_t) last + 1;
    size_t n = 0;

    while (low < end) {
        uint32_t size = 1;
        while (size < 0x10000 && !(low & size) && low + 2 * size <= end) {
            size *= 2;
        }
        masks[n++] = (struct port_mask){ .value = low, .mask = ~(size - 1) };
        low += size;
    }
    return n;
}
