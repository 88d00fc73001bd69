#include "programs/virgactl/offline.h"

#include <stdlib.h>
#include <string.h>

#include "base/records.h"
#include "compile/compile.h"
#include "model/groups.h"
#include "model/objects.h"
#include "openflow/flow_table.h"
#include "openflow/lower.h"
#include "openvswitch/types.h"
#include "openvswitch/util.h"
#include "programs/virgactl/cli.h"
#include "programs/virgactl/manifests.h"
#include "util.h"

enum { TUNNEL_PORT = 1, GATEWAY_PORT = 2, FIRST_POD_PORT = 100 };

static void
set_node(struct compile *compile, struct k8s_node *node)
{
    if (node->n_addresses) {
        compile_set_node(compile, node->meta.name, &node->addresses[0], node->addresses,
                         node->n_addresses);
    }
    compile_set_node_object(compile, node);
}

/* The object was validated: decoding works. */
static void
set_object(struct compile *compile, const struct manifest_entry *entry)
{
    const char *kind = entry->kind->kind;
    struct field_errors errors;

    field_errors_init(&errors);
    if (!strcmp(kind, "Namespace")) {
        compile_set_namespace(compile, k8s_namespace_decode(entry->object, &errors));
    } else if (!strcmp(kind, "Node")) {
        set_node(compile, k8s_node_decode(entry->object, &errors));
    } else if (!strcmp(kind, "Pod")) {
        compile_set_pod(compile, k8s_pod_decode(entry->object, &errors));
    } else if (!strcmp(kind, "NetworkPolicy")) {
        compile_set_policy(compile, network_policy_decode(entry->object, &errors));
    } else if (!strcmp(entry->kind->group, "policy.networking.k8s.io")
               || !strcmp(kind, POLICY_KIND_GROUP)) {
        compile_set_ordered_policy(compile, ordered_policy_decode(entry->object, &errors));
    } else if (!strcmp(kind, "PolicyGroup")) {
        compile_set_policy_group(compile, policy_group_decode(entry->object, &errors));
    } else if (!strcmp(kind, "NetworkGroup")) {
        compile_set_network_group(compile, network_group_decode(entry->object, &errors));
    }
    field_errors_uninit(&errors);
}

struct compile *
offline_compile(const struct manifests *manifests)
{
    struct compile_config config;
    struct compile *compile;

    compile_config_default(&config);
    compile = compile_create(&config);
    for (size_t i = 0; i < manifests->n; i++) {
        set_object(compile, &manifests->a[i]);
    }
    compile_run(compile);
    return compile;
}

void
offline_tell_problems(const struct compile *compile)
{
    size_t n;
    const struct compile_problem *problems = compile_problems(compile, &n);

    for (size_t i = 0; i < n; i++) {
        cli_error("%s %s%s%s: %s: %s", problems[i].kind, problems[i].namespace_,
                  *problems[i].namespace_ ? "/" : "", problems[i].name, problems[i].reason,
                  problems[i].message);
    }
}

static uint32_t
find_node(const struct records *records, const char *name)
{
    const struct record *r;

    for (r = records_first(records, RECORD_NODE); r; r = records_next(records, r)) {
        if (!strcmp(((const struct rec_node *) r)->name, name)) {
            return r->key;
        }
    }
    return 0;
}

static int
compare_endpoints(const void *a_, const void *b_)
{
    const struct rec_endpoint *const *a = a_, *const *b = b_;

    return strcmp((*a)->name, (*b)->name);
}

static void
attach_pods(struct lower *lower, const struct records *records, uint32_t node)
{
    const struct rec_endpoint **local;
    const struct record *r;
    size_t n = 0;

    local = xcalloc(records_count(records, RECORD_ENDPOINT) + 1, sizeof *local);
    for (r = records_first(records, RECORD_ENDPOINT); r; r = records_next(records, r)) {
        const struct rec_endpoint *endpoint = (const struct rec_endpoint *) r;

        if (endpoint->node == node) {
            local[n++] = endpoint;
        }
    }
    qsort(local, n, sizeof *local, compare_endpoints);
    for (size_t i = 0; i < n; i++) {
        lower_attach(lower, local[i]->name, local[i]->uid, OFP_PORT_C(FIRST_POD_PORT + i));
    }
    free(local);
}

void
offline_flows(const struct records *records, const char *node, struct ds *out)
{
    char *name = xstrdup(node);
    struct lower_config config = {
        .node_name = name,
        .tunnel_port = OFP_PORT_C(TUNNEL_PORT),
        .gateway_port = OFP_PORT_C(GATEWAY_PORT),
    };
    struct lower *lower = lower_create(&config);

    attach_pods(lower, records, find_node(records, node));
    lower_run(lower, records);
    flow_table_format(lower_flows(lower), out);
    lower_destroy(lower);
    free(name);
}
