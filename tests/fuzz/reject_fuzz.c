/* A rejected packet: the answer is within its bounds, and is never answered
 * itself, whoever rejects it. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "openflow/reject.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct eth_addr a = { .ea = { 2, 0, 0, 0, 0, 1 } };
    static const struct eth_addr b = { .ea = { 2, 0, 0, 0, 0, 2 } };
    uint8_t *frame = malloc(size ? size : 1);
    if (!frame) {
        abort();
    }
    if (size) {
        memcpy(frame, data, size);
    }
    struct reject_answer answer, again;
    if (reject_build(frame, size, a, b, &answer)) {
        if (answer.len > sizeof answer.frame
            || reject_build(answer.frame, answer.len, b, a, &again)) {
            abort();
        }
    }
    free(frame);
    return 0;
}
