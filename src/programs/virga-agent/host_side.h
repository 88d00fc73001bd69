/* What the host's side of the pods' network follows from: records and the
 * cluster's ranges to the configuration of node/gateway.h. */
#ifndef VIRGA_HOST_SIDE_H
#define VIRGA_HOST_SIDE_H 1

#include <netinet/in.h>
#include <stdint.h>

struct compile_config;
struct gateway;
struct records;

/* 'node', 'vtep': this node's. */
void host_side_configure(struct gateway *, const struct records *, const struct compile_config *,
                         const char *node, const struct in6_addr *vtep, uint16_t tunnel_udp_port);

#endif
