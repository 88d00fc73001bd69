/* NetworkPolicy of net.alpha.kubernetes.io/v1alpha1, the third-party resource
 * of 2016: one rule for ingress, selectors that are plain maps of labels. */
#include "model/policy_decode.h"

#include "model/object_decode.h"
#include "util.h"

/* "pods" alone are those of the policy's namespace, "namespaces" alone all
 * pods of these, both the pods that are named in the namespaces that are. */
static void
peer_decode(const struct json_field *f, struct policy_peer *peer)
{
    struct json_field pods = json_field_member(f, "pods");
    struct json_field namespaces = json_field_member(f, "namespaces");

    selector_init(&peer->pod_selector);
    selector_init(&peer->namespace_selector);
    if (f->value && !json_field_is_object(f)) {
        return;
    }
    match_labels_decode(&pods, &peer->pod_selector);
    match_labels_decode(&namespaces, &peer->namespace_selector);
    peer->has_namespace_selector = namespaces.value != NULL;
    if (!pods.value && !namespaces.value) {
        json_field_error(f, FIELD_REQUIRED, "must specify a peer: pods, namespaces or both");
    }
}

static void
peers_decode(const struct json_field *list, struct policy_rule *rule)
{
    rule->n_peers = json_field_array_length(list, OBJECTS_MAX_PEERS);
    rule->peers = rule->n_peers ? xcalloc(rule->n_peers, sizeof *rule->peers) : NULL;
    for (size_t i = 0; i < rule->n_peers; i++) {
        struct json_field element = json_field_element(list, i);

        peer_decode(&element, &rule->peers[i]);
    }
}

void
alpha_policy_spec_decode(const struct json_field *spec, struct network_policy *policy)
{
    struct json_field pods = json_field_member(spec, "podSelector");
    struct json_field allow = json_field_member(spec, "allowIncoming");
    struct json_field from = json_field_member(&allow, "from");
    struct json_field ports = json_field_member(&allow, "toPorts");

    policy->needs_isolation = true;
    selector_init(&policy->pod_selector);
    json_field_is_object(spec);
    match_labels_decode(&pods, &policy->pod_selector);
    if (json_field_is_object(&allow)) {
        policy->n_ingress = 1;
        policy->ingress = xcalloc(1, sizeof *policy->ingress);
        peers_decode(&from, policy->ingress);
        policy_ports_decode(&ports, true, policy->ingress);
    }
}
