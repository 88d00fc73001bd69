/* A DNS message: what is taken is within its bounds. */
#include <ctype.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "node/dns_message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(const struct dns_answer *a)
{
    if (!a->n_names || a->n_names > DNS_NAMES_MAX || a->n_addresses > DNS_ADDRESSES_MAX) {
        abort();
    }
    for (size_t i = 0; i < a->n_names; i++) {
        size_t len = strnlen(a->names[i], DNS_NAME_SIZE);
        if (len == DNS_NAME_SIZE) {
            abort();
        }
        for (size_t j = 0; j < len; j++) {
            unsigned char c = a->names[i][j];
            if (isupper(c) || (!isalnum(c) && c != '.' && c != '-' && c != '_')) {
                abort();
            }
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct dns_answer answer;
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy) {
        abort();
    }
    if (size) {
        memcpy(copy, data, size);
    }
    if (dns_answer_decode(copy, size, &answer)) {
        check(&answer);
    }
    struct in6_addr server;
    if (dns_frame_decode(copy, size, &answer, &server)) {
        check(&answer);
    }
    free(copy);
    return 0;
}
