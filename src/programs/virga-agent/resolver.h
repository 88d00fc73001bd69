/* DNS answers become flows before they reach the pod.
 *
 * The flows of table dns_hold (openflow/dns_hold.h) hand over each answer to an
 * endpoint whose rules name domains.  What it teaches goes to the lowering;
 * the answer is held until the switch has confirmed the flows and has looked
 * through its cached ones, HOLD_MAX_MS at most, so that the pod's first packet
 * finds them.  An answer that teaches nothing goes on at once.
 *
 * What was learned is kept in a file, for the agent's next life. */
#ifndef VIRGA_RESOLVER_H
#define VIRGA_RESOLVER_H 1

#include <stdbool.h>
#include <stddef.h>

struct ds;
struct lower;
struct ofswitch;
struct packet_in;
struct prefix;
struct records;

struct resolver_options {
    struct ofswitch *sw;
    struct lower *lower;
    const char *ovs_rundir;
    const char *file;
    /* Answers of others are not believed; none: all are. */
    const struct prefix *servers;
    size_t n_servers;
};

struct resolver *resolver_create(const struct resolver_options *);
/* Before the switch. */
void resolver_destroy(struct resolver *);

void resolver_receive(struct resolver *, struct packet_in *);
/* Call it before the lowering runs, with the change log of 'records'; 'known':
 * they are a desired state. */
void resolver_feed(struct resolver *, const struct records *, bool known, long long int now);
/* Call it after the switch ran. */
void resolver_run(struct resolver *, long long int now);
void resolver_wait(const struct resolver *);
/* Lets all answers go, and those that come later as they come.  It does not run again. */
void resolver_end(struct resolver *);
void resolver_format(const struct resolver *, long long int now, struct ds *);

#endif
