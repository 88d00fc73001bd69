/* Inside the decoder of policy.networking.k8s.io: how its kinds differ, and
 * the steps from a rule down.  For ordered_policy.c, ordered_peers.c and
 * ordered_ports.c alone. */
#ifndef VIRGA_ORDERED_DECODE_H
#define VIRGA_ORDERED_DECODE_H 1

#include "model/ordered_policy.h"
#include "model/schema_checks.h"

struct ordered_decode;

/* What one kind asks for. */
struct ordered_api {
    const char *kind;
    const char *actions[3]; /* For ORDERED_ALLOW, _DENY, _PASS; NULL: none. */
    size_t max_rules, max_peers, max_ports;
    bool has_tier, has_priority, has_domains;
    bool needs_namespace_selector; /* In "pods". */
    bool is_singleton;             /* Named "default". */
    const char *ports;             /* The rule's list of ports. */
    const char *named_port;        /* A member of its elements. */
    /* An element that is an object with one member; false if there is no such. */
    bool (*port)(struct ordered_decode *, const struct json_field *member, struct policy_port *);
    const char *cidr_message;       /* For what is no CIDR at all. */
    const char *named_port_message; /* For a named port beside peers that have none. */
};

/* One object on its way. */
struct ordered_decode {
    const struct ordered_api *api;
    struct schema_rules rules;
    struct ordered_rule *rule; /* The one in work. */
};

/* The rule in work asks for something that is not known at this place. */
void ordered_fail_closed(struct ordered_decode *, const struct json_field *, const char *why);

/* "status" of the object. */
void ordered_conditions_check(const struct json_field *);

void ordered_subject_decode(struct ordered_decode *, const struct json_field *,
                            struct ordered_peer *);
/* "from" or "to" of the rule in work. */
void ordered_peers_decode(struct ordered_decode *, const struct json_field *list, bool egress);

/* "protocols" or "ports" of the rule in work. */
void ordered_ports_decode(struct ordered_decode *, const struct json_field *list);
/* Of ClusterNetworkPolicy, and of the older two. */
bool ordered_protocol_decode(struct ordered_decode *, const struct json_field *member,
                             struct policy_port *);
bool ordered_port_decode(struct ordered_decode *, const struct json_field *member,
                         struct policy_port *);

#endif
