/* The fixed part of the pipeline: its tables, fields and numbers by name, and
 * the flows of ovs-flows/pipeline/, which are embedded in the program.
 *
 * In those files "$NAME" stands for a field (registers.def), a priority
 * (priorities.def), a cookie ("$drop_NAME" of drops.def, "$static"), a fixed
 * port (ports.def), a MAC ("$mac_NAME" of macs.def) or one of the values of
 * pipeline.c's list.  Tables go by their names. */
#ifndef VIRGA_PIPELINE_H
#define VIRGA_PIPELINE_H 1

#include <stdint.h>

#include "openflow/flow_table.h"
#include "openvswitch/types.h"
#include "virga/cookie.h"

struct ofpbuf;
struct ofputil_table_map;

enum pipeline_table {
#define TABLE(NAME, NUMBER, HELP) TABLE_##NAME = NUMBER,
#include "ovs-flows/tables.def"
#undef TABLE
};

enum pipeline_priority {
#define PRIORITY(NAME, VALUE, HELP) PRIORITY_##NAME = VALUE,
#include "ovs-flows/priorities.def"
#undef PRIORITY
};

enum pipeline_port {
#define PORT(NAME, NUMBER, INTERFACE, HELP) PORT_##NAME = NUMBER,
#include "ovs-flows/ports.def"
#undef PORT
};

enum pipeline_meter {
#define METER(NAME, ID, RATE, BURST, HELP) METER_##NAME = ID,
#include "ovs-flows/meters.def"
#undef METER
};

enum pipeline_drop {
#define DROP(NAME, INDEX, HELP) DROP_##NAME = INDEX,
#include "ovs-flows/drops.def"
#undef DROP
};

enum pipeline_field {
#define FIELD(NAME, REGISTER, FIRST_BIT, BITS, HELP) FIELD_##NAME,
#include "ovs-flows/registers.def"
#undef FIELD
    N_PIPELINE_FIELDS
};

enum pipeline_mac {
#define MAC(NAME, TEXT, HELP) MAC_##NAME,
#include "ovs-flows/macs.def"
#undef MAC
};

/* Values of the fields origin and target. */
enum pipeline_side { SIDE_LOCAL = 1, SIDE_TUNNEL = 2, SIDE_GATEWAY = 3 };

enum {
    NODE_NETWORK = 1, /* VNI of packets to a node's own addresses. */
    ZONE_BETWEEN = 1, /* Between local endpoints of different networks. */
};

/* Table names for OVS's parsers and printers; for the life of the process. */
const struct ofputil_table_map *pipeline_tables(void);
struct eth_addr pipeline_mac(enum pipeline_mac);

/* 'value' must fit into the field. */
void field_match(struct match *, enum pipeline_field, uint32_t value);
/* The field's 'bits' alone; 'value' has no others. */
void field_match_masked(struct match *, enum pipeline_field, uint32_t value, uint32_t bits);
void field_set(struct ofpbuf *ofpacts, enum pipeline_field, uint32_t value);
/* The value of a field that 'match' matches exactly, else false. */
bool field_matched(const struct match *, enum pipeline_field, uint32_t *value);

/* Flows of a table of rules that count say so by matching its packets' own side:
 * "origin is local" in egress tables, "target is local" in ingress tables.  All
 * packets there have it; what it is for is a question for statistics, which can
 * ask for flows that match it and so pass over all others (ofswitch_request_stats()).
 * Nothing for other tables. */
void match_counting(struct match *, enum pipeline_table);

/* Adds the flows of 'text' (ovs-flows/pipeline/ syntax) as FLOW_OWNER_STATIC.
 * NULL or a malloc'd message with the line. */
char *pipeline_parse(const char *text, struct flow_table *) __attribute__((warn_unused_result));
/* The embedded flows. */
void pipeline_add(struct flow_table *);

#endif
