/* Who asked, by "ovs-appctl -t virga-agent.ctl wait GENERATION", to be told when
 * the switch has confirmed the flows of a generation: an answer at that moment,
 * where asking again and again costs the agent an answer each time. */
#ifndef VIRGA_GENERATION_WAITS_H
#define VIRGA_GENERATION_WAITS_H 1

#include <stdint.h>

struct generation_waits;

/* Registers the command. */
struct generation_waits *generation_waits_create(void);
/* Those who wait are told that the agent ends. */
void generation_waits_destroy(struct generation_waits *);

/* Answers those who wait for 'applied' (0: the switch has no flows that are known)
 * or less, and those whose time is up. */
void generation_waits_run(struct generation_waits *, uint64_t applied, long long int now);
/* When to run again at the latest, in ms; LLONG_MAX: no one waits. */
long long int generation_waits_wake_at(const struct generation_waits *);

#endif
