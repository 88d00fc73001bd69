/* What the forms of NetworkPolicy share.  Private to model/. */
#ifndef VIRGA_POLICY_DECODE_H
#define VIRGA_POLICY_DECODE_H 1

#include "model/json_fields.h"
#include "model/objects.h"

/* A list of ports, absent for all, with protocols in letters of any case or
 * in capitals only. */
void policy_ports_decode(const struct json_field *list, bool any_case, struct policy_rule *);

/* The spec of a net.alpha.kubernetes.io/v1alpha1 policy. */
void alpha_policy_spec_decode(const struct json_field *spec, struct network_policy *);

#endif
