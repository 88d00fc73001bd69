/* A conntrack dump: every line that is not empty is taken or counted as bad. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "node/conntrack_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A copy of the exact size: reading past the end is found. */
    char *text = malloc(size ? size : 1);
    if (!text) {
        abort();
    }
    if (size) {
        memcpy(text, data, size);
    }
    size_t lines = 0, taken = 0;
    for (size_t i = 0, start = 0; i <= size; i++) {
        if (i == size || text[i] == '\n') {
            lines += i > start;
            start = i + 1;
        }
    }
    struct conntrack_reader reader = { .pos = text, .end = text + size };
    struct conntrack_entry entry;
    while (conntrack_read(&reader, &entry)) {
        taken++;
    }
    if (taken + reader.n_bad != lines) {
        abort();
    }
    free(text);
    return 0;
}
