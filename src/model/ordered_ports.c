#include "model/ordered_decode.h"

#include <stdlib.h>
#include <string.h>

#include "model/names.h"
#include "model/object_decode.h"
#include "util.h"

static uint16_t
number_decode(const struct json_field *f)
{
    return schema_required(f) ? schema_integer(f, 1, UINT16_MAX, 0) : 0;
}

/* {start, end}, both in it. */
static void
range_decode(struct ordered_decode *d, const struct json_field *f, struct policy_port *port)
{
    struct json_field start = json_field_member(f, "start");
    struct json_field end = json_field_member(f, "end");

    if (!json_field_is_object(f)) {
        return;
    }
    port->last = number_decode(&end);
    port->first = number_decode(&start);
    if (port->first && port->last && port->first >= port->last) {
        schema_rule_broken(&d->rules, f, "object", "Start port must be less than End port");
    }
}

/* The name of a port that a pod cannot have would match nothing, in silence. */
static void
name_decode(const struct json_field *f, uint8_t protocol, struct policy_port *port)
{
    const char *name = json_field_string(f);

    if (name && json_field_accept(f, name, name_port_check(name))) {
        *port = (struct policy_port){ .protocol = protocol, .name = intern(name) };
    }
}

/* "tcp" and the like: {}, or a destinationPort that is a number or a range. */
static void
transport_decode(struct ordered_decode *d, const struct json_field *f, struct policy_port *port)
{
    struct json_field where = json_field_member(f, "destinationPort");
    struct json_field member;

    if (!json_field_is_object(f)) {
        return;
    }
    if (json_object_size(f->value) > (where.value ? 1 : 0)) {
        ordered_fail_closed(d, f, "has fields that are not known");
        return;
    }
    port->last = UINT16_MAX;
    if (!where.value || !schema_one_member(&where, &member)) {
        return;
    }
    if (!strcmp(member.name, "number")) {
        port->first = port->last = number_decode(&member);
    } else if (!strcmp(member.name, "range")) {
        range_decode(d, &member, port);
    } else {
        ordered_fail_closed(d, &member, "is not known");
    }
}

bool
ordered_protocol_decode(struct ordered_decode *d, const struct json_field *member,
                        struct policy_port *port)
{
    static const struct {
        const char *word;
        uint8_t protocol;
    } transports[] = { { "tcp", IPPROTO_TCP }, { "udp", IPPROTO_UDP }, { "sctp", IPPROTO_SCTP } };

    if (!strcmp(member->name, "destinationNamedPort")) {
        name_decode(member, 0, port);
        return true;
    }
    for (size_t i = 0; i < ARRAY_SIZE(transports); i++) {
        if (!strcmp(member->name, transports[i].word)) {
            port->protocol = transports[i].protocol;
            transport_decode(d, member, port);
            return true;
        }
    }
    return false;
}

bool
ordered_port_decode(struct ordered_decode *d, const struct json_field *member,
                    struct policy_port *port)
{
    struct json_field number = json_field_member(member, "port");

    if (!strcmp(member->name, "namedPort")) {
        name_decode(member, 0, port);
    } else if (!strcmp(member->name, "portNumber")) {
        if (json_field_is_object(member)) {
            port->protocol = protocol_decode(member);
            port->first = port->last = number_decode(&number);
        }
    } else if (!strcmp(member->name, "portRange")) {
        port->protocol = json_is_object(member->value) ? protocol_decode(member) : 0;
        range_decode(d, member, port);
    } else {
        return false;
    }
    return true;
}

void
ordered_ports_decode(struct ordered_decode *d, const struct json_field *list)
{
    struct ordered_rule *rule = d->rule;
    size_t n = schema_list(list, 1, d->api->max_ports);

    rule->ports = n ? xcalloc(n, sizeof *rule->ports) : NULL;
    for (size_t i = 0; i < n; i++) {
        struct json_field element = json_field_element(list, i);
        struct json_field member;

        if (!schema_one_member(&element, &member)) {
            continue;
        }
        if (d->api->port(d, &member, &rule->ports[rule->n_ports])) {
            rule->n_ports++;
        } else {
            ordered_fail_closed(d, &member, "is not known");
        }
    }
}
