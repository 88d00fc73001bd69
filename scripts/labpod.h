/* What the listener and the prober of labpod share; what it is for stands in
 * labpod.c. */
#ifndef LABPOD_H
#define LABPOD_H 1

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { ANSWER_BYTES = 256 };

void fatal(const char *, ...) __attribute__((noreturn, format(printf, 1, 2)));
int64_t now_ms(void);
bool parse_number(const char *, long max, long *);
/* epoll_ctl() that does not fail. */
void watch(int epoll_fd, int op, int fd, uint32_t events, void *data);
/* Behind the IPv4 header, which a raw socket gets too, as it does not that of
 * IPv6; NULL: no packet. */
const uint8_t *ip_payload(int family, const uint8_t *data, ssize_t *n);

void do_listen(const char *pidfile, const char *name, char **specs) __attribute__((noreturn));
/* Exit code. */
int do_probe(const char *timeout_ms);

#endif
