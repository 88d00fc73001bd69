/* The flow that holds DNS answers until the agent lets them go on.
 *
 * It is in the open table dns_hold and ends by itself after DNS_HOLD_S unless it
 * is sent again: when the agent dies, answers are held no longer than that,
 * and then go to the pods directly. */
#ifndef VIRGA_DNS_HOLD_H
#define VIRGA_DNS_HOLD_H 1

#include <stdbool.h>

struct ofpbuf;

enum { DNS_HOLD_S = 5 };

/* A flow mod that begins or prolongs it, or ends it. */
struct ofpbuf *dns_hold_encode(bool hold);

#endif
