/* The controller's and the agent's work done here, from manifests alone: what
 * "compile" and "flows" print and golden files pin. */
#ifndef VIRGACTL_OFFLINE_H
#define VIRGACTL_OFFLINE_H 1

struct compile;
struct ds;
struct manifests;
struct records;

/* Objects to records.  A Node object's first address is its VTEP. */
struct compile *offline_compile(const struct manifests *);
/* On standard error: what could not be compiled as it was meant. */
void offline_tell_problems(const struct compile *);

/* The flows of a node.  Its pods have OpenFlow ports from 100 on in the order
 * of namespace and name, the tunnel has port 1, the gateway 2. */
void offline_flows(const struct records *, const char *node, struct ds *);

#endif
