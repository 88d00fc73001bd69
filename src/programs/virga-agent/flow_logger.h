/* The flow log (node/flow_log.h): a file, or standard output, that gets a line
 * for each new connection that a rule with 'log' decides on this node.
 *
 * At most FLOW_LOGGER_RATE lines a second; once a second a line says how many
 * were left out.  Beyond the meter "log" (ovs-flows/meters.def) packets do not
 * come here at all and are in no such count; the rules' own counters have them. */
#ifndef VIRGA_FLOW_LOGGER_H
#define VIRGA_FLOW_LOGGER_H 1

struct ds;
struct packet_in;
struct records;

enum { FLOW_LOGGER_RATE = 500, FLOW_LOGGER_BURST = 1000 };

/* 'file' is made when there is something to write; "-": standard output. */
struct flow_logger *flow_logger_create(const char *file, const char *node, const struct records *);
void flow_logger_destroy(struct flow_logger *);

void flow_logger_write(struct flow_logger *, const struct packet_in *);
/* The records changed. */
void flow_logger_changed(struct flow_logger *);
void flow_logger_run(struct flow_logger *);
void flow_logger_wait(const struct flow_logger *);
/* The file was renamed: the next line makes a new one. */
void flow_logger_reopen(struct flow_logger *);
void flow_logger_format(const struct flow_logger *, struct ds *);

#endif
