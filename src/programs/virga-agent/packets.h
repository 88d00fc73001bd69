/* What the agent does with the packets that flows send to it, by their user
 * data (include/virga/userdata.h).
 *
 * Answers those that a rule rejects (openflow/answer.h), 500 a second; the
 * rest of a flood stays dropped without an answer, most of it in the datapath
 * (ovs-flows/meters.def).  Logs verdicts (flow_logger.h).  Reads DNS answers
 * (resolver.h). */
#ifndef VIRGA_PACKETS_H
#define VIRGA_PACKETS_H 1

struct ds;
struct flow_logger;
struct ofswitch;
struct records;
struct resolver;

/* All must outlive this; it becomes the switch's receiver of packets. */
struct packets *packets_create(struct ofswitch *, const struct records *, struct flow_logger *,
                               struct resolver *);
void packets_destroy(struct packets *);
void packets_format(const struct packets *, struct ds *);

#endif
