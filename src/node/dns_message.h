/* DNS answers, decoded (RFC 1035, RFC 3596).  Pure; every count is capped.
 *
 * Of an answer counts what follows from its question: the chain of CNAMEs that
 * begins there and the addresses at its end.  Everything else in it is
 * ignored.  Names are lower case, labels joined by dots, without the last
 * dot; one with a byte that no host name has makes the answer useless. */
#ifndef VIRGA_DNS_MESSAGE_H
#define VIRGA_DNS_MESSAGE_H 1

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DNS_NAME_SIZE = 256,     /* With the null byte. */
    DNS_NAMES_MAX = 16,      /* The question and its aliases. */
    DNS_ADDRESSES_MAX = 512, /* More than fit into a datagram in practice. */
};

struct dns_address {
    struct in6_addr addr; /* IPv4-mapped for an A record. */
    uint32_t ttl;         /* Seconds; the lowest on the way from the question. */
};

struct dns_answer {
    char names[DNS_NAMES_MAX][DNS_NAME_SIZE]; /* [0] is the question's. */
    size_t n_names;
    struct dns_address addresses[DNS_ADDRESSES_MAX]; /* Of every one of the names. */
    size_t n_addresses;
};

/* The payload of a UDP datagram.  False if it is not a good answer to one
 * question about addresses. */
bool dns_answer_decode(const uint8_t *, size_t len, struct dns_answer *);
/* An Ethernet frame with such a datagram from port 53, whole; *server is who
 * sent it. */
bool dns_frame_decode(const uint8_t *, size_t len, struct dns_answer *, struct in6_addr *server);

#endif
