/* The CNI service of a node: a Unix socket on which virga-cni asks for
 * attachments.
 *
 * Each request is a small state machine that the loop drives; many run at
 * once.  ADD answers when the endpoint's flows are confirmed by the switch,
 * so isolation is in place before the pod runs.  What fails, times out or
 * loses its client is undone.  State lives in the ports of the Open vSwitch
 * database (node/ovs_config.h) and so survives the agent. */
#ifndef VIRGA_CNI_SERVER_H
#define VIRGA_CNI_SERVER_H 1

#include <stdbool.h>
#include <stdint.h>

#include "node/cni_operation.h"

struct cni_server;
struct ds;
struct ovs_config;
struct records;

struct cni_server_options {
    const char *socket; /* Path. */
    const char *node_name;
    bool checksum_offload; /* Of pods: false with a userspace datapath. */
    struct cni_flows flows;
};

/* 0 and a server, or a positive errno. */
int cni_server_create(const struct cni_server_options *, struct ovs_config *, struct cni_server **)
    __attribute__((warn_unused_result));
void cni_server_destroy(struct cni_server *);

/* MTU of pods; ADD waits until it is known. */
void cni_server_set_mtu(struct cni_server *, int mtu);

/* Attaches the ports that were there when the agent started, and drops those
 * whose interface is gone (the node was rebooted).  Call once, when
 * 'ovs_config' is loaded. */
void cni_server_adopt(struct cni_server *);

/* 'records': the desired state; NULL if it is not known yet. */
void cni_server_run(struct cni_server *, const struct records *);
void cni_server_wait(struct cni_server *);

/* Attached endpoints and requests under way, as text for people. */
void cni_server_format(const struct cni_server *, struct ds *);

#endif
