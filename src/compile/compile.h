/* The policy compiler: Kubernetes objects in, records out.
 *
 * Pure: no I/O, no clock; the result depends on the objects and on the
 * numbers (VNI, zone, address, identity, set, rule ids) that were handed out
 * before, which compile_restore() puts back after a restart.  A change of one
 * object costs work in proportion to what it changes.  compile_check_full()
 * recomputes from nothing and compares; the tests call it after every step.
 *
 * Objects are keyed by namespace/name; a set of a known key replaces it.
 * Setters consume their object.  They only note what to do; compile_run()
 * does it, and leaves the changes in the log of compile_records().  The
 * caller clears the log when it has taken them over. */
#ifndef VIRGA_COMPILE_H
#define VIRGA_COMPILE_H 1

#include "base/records.h"
#include "compile/subnets.h"

struct ds;
struct k8s_namespace;
struct k8s_pod;
struct k8s_node;
struct network_policy;
struct policy_group;
struct network_group;
struct ordered_policy;

/* Networks without an annotation get a subnet of each range: /24 of IPv4, /64 of
 * IPv6, or the whole range if it is smaller. */
struct compile_config {
    struct subnet_range ranges[2]; /* At most one of each family; IPv4 first. */
    size_t n_ranges;
};
/* 10.128.0.0/9 */
void compile_config_default(struct compile_config *);
/* "10.128.0.0/9", "fd00:10::/48" or both, separated by a comma.  NULL, or a
 * malloc'd message that says what is wrong with the text. */
char *compile_config_set_cidrs(struct compile_config *, const char *cidrs)
    __attribute__((warn_unused_result));

struct compile *compile_create(const struct compile_config *);
void compile_destroy(struct compile *);

/* Before the first object: numbers of an earlier life.  Restored records
 * whose object does not come back are dropped at the first compile_run(), so
 * set all objects before that.  'counters': compile_counters_format(). */
void compile_restore(struct compile *, struct record *rec_take);
char *compile_counters_parse(struct compile *, const char *) __attribute__((warn_unused_result));
/* The next number of each kind, "identity=300 rule=17 ..."; stored with the
 * records in the same transaction so that no number is handed out twice. */
void compile_counters_format(const struct compile *, struct ds *);

/* With the policy that isolates it, if it is isolated. */
void compile_set_namespace(struct compile *, struct k8s_namespace *take);
void compile_set_pod(struct compile *, struct k8s_pod *take);
void compile_set_policy(struct compile *, struct network_policy *take);
void compile_set_ordered_policy(struct compile *, struct ordered_policy *take);
/* The Node object: its labels and addresses are for policies; pods need a
 * node that an agent registered. */
void compile_set_node_object(struct compile *, struct k8s_node *take);
void compile_del_namespace(struct compile *, const char *name);
void compile_del_pod(struct compile *, const char *ns, const char *name);
/* 'kind': POLICY_KIND_*. */
void compile_del_policy(struct compile *, const char *kind, const char *ns, const char *name);
/* Groups that policies refer to by name. */
void compile_set_policy_group(struct compile *, struct policy_group *take);
void compile_set_network_group(struct compile *, struct network_group *take);
void compile_del_policy_group(struct compile *, const char *name);
void compile_del_network_group(struct compile *, const char *name);
void compile_del_ordered_policy(struct compile *, const char *kind, const char *name);
void compile_del_node_object(struct compile *, const char *name);
/* A node that an agent registered; 'addresses' are borrowed.  Its record's id
 * is allocated here, by name. */
void compile_set_node(struct compile *, const char *name, const struct in6_addr *vtep,
                      const struct in6_addr *addresses, size_t n);
void compile_del_node(struct compile *, const char *name);
/* A registered node is ready until this says otherwise; its pods show it.
 * Returns true if that changes something. */
bool compile_set_node_ready(struct compile *, const char *name, bool ready);

void compile_run(struct compile *);
struct records *compile_records(struct compile *);

/* What could not be done and must show on the object: one entry per object
 * with a problem, gone when the problem is gone. */
struct compile_problem {
    const char *kind; /* "Pod", "Namespace", POLICY_KIND_* */
    const char *namespace_;
    const char *name;
    const char *
        reason; /* CamelCase: AddressTaken, AddressOutsideSubnet, SubnetExhausted, SubnetOverlap, NodeNotReady, ... */
    const char *message; /* For people; says the next step. */
};
/* Borrowed until the next compile_run(); sorted by kind, namespace, name. */
const struct compile_problem *compile_problems(const struct compile *, size_t *n);
/* The problem of one object, "KIND/NAMESPACE/NAME"; NULL if it has none. */
const struct compile_problem *compile_find_problem(const struct compile *, const char *key);
/* Adds to 'keys' the objects whose problem came, changed or went since the last call. */
struct sset;
void compile_take_problem_changes(struct compile *, struct sset *keys);

/* Endpoint id of a pod, 0 if it has none. */
uint32_t compile_endpoint_of(const struct compile *, const char *ns, const char *name);

/* Oracle: recomputes all from the current objects with the current numbers;
 * NULL, or a malloc'd description of the first difference. */
char *compile_check_full(const struct compile *) __attribute__((warn_unused_result));

#endif
