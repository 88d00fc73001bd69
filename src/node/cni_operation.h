/* One CNI operation, from request to answer.  The socket is not its business
 * (node/cni_server.h).
 *
 * cni_operation_run() advances it as far as it can go without waiting. */
#ifndef VIRGA_CNI_OPERATION_H
#define VIRGA_CNI_OPERATION_H 1

#include <stdbool.h>
#include <stdint.h>

#include "openvswitch/types.h"

struct attachments;
struct cni_request;
struct ds;
struct ovs_config;
struct records;

/* What the operations need of flows, which are made in later rooms. */
struct cni_flows {
    void *aux;
    /* Endpoint 'name' with 'uid' is at 'port'; 0: it is gone. */
    void (*attach)(void *aux, const char *name, const char *uid, ofp_port_t port);
    /* Has the desired state the flows of the attached endpoint? */
    bool (*is_realized)(void *aux, const char *name, const char *uid);
    /* The number of the batch that brings all desired flows to the switch,
     * and of the last one that the switch confirmed. */
    uint64_t (*epoch)(void *aux);
    uint64_t (*confirmed)(void *aux);
    /* NULL if pods can be attached; else why not, borrowed. */
    const char *(*not_ready)(void *aux);
};

/* What all operations of a node share.  Borrowed. */
struct cni_node {
    const char *node_name;
    bool checksum_offload;
    int mtu; /* Of pods; 0: not known yet. */
    struct cni_flows flows;
    struct ovs_config *ovs_config;
    struct attachments *attachments;
    const struct records *records; /* NULL: not known yet. */
    bool flows_pending;            /* attach() was called and the flows are not made yet. */
};

struct cni_operation *cni_operation_create(const struct cni_node *, struct cni_request *take);
/* Undoes an ADD that has no answer yet. */
void cni_operation_destroy(struct cni_operation *);

/* The answer (malloc'd, given once) when it is done, NULL while it waits. */
char *cni_operation_run(struct cni_operation *);
/* Undoes an ADD whose answer could not be delivered. */
void cni_operation_undo(struct cni_operation *);
/* Monotonic time of its timeout. */
long long int cni_operation_deadline(const struct cni_operation *);
void cni_operation_format(const struct cni_operation *, struct ds *);

/* The node's end of the veth pair of an attachment: the same name for the
 * same attachment, always.  'ifname' has room for IFNAMSIZ bytes. */
void cni_host_ifname(const char *container, const char *pod_ifname, char *ifname);

#endif
