/* See virga_documents.h; the shapes are those of virga/api_paths.h. */
#include "api/virga_documents.h"

#include <stdlib.h>
#include <string.h>

#include "api/identity_names.h"
#include "api/node_objects.h"
#include "api/virga_views.h"
#include "base/records.h"
#include "base/rule_words.h"
#include "compile/compile.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/hmap.h"
#include "sources/object_store.h"
#include "store/store.h"
#include "util.h"

/* --- Status ------------------------------------------------------------------- */

static json_t *
addr_to_json(const struct in6_addr *addr)
{
    struct ds text = DS_EMPTY_INITIALIZER;
    addr_format(addr, &text);
    json_t *value = json_string(ds_cstr(&text));
    ds_destroy(&text);
    return value;
}

static json_t *
prefix_to_json(const struct prefix *prefix)
{
    struct ds text = DS_EMPTY_INITIALIZER;
    prefix_format(prefix, &text);
    json_t *value = json_string(ds_cstr(&text));
    ds_destroy(&text);
    return value;
}

static json_t *
addrs_to_json(const struct in6_addr *addrs, size_t n)
{
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(array, addr_to_json(&addrs[i]));
    }
    return array;
}

struct nodes_aux {
    const struct virga_views_sources *from;
    json_t *array;
};

static void
append_node(const struct store_node_status *node, void *aux_)
{
    struct nodes_aux *aux = aux_;
    bool ready = node_objects_is_ready(aux->from->nodes, node->name);
    const char *message = !ready && node->ready ? "the agent has not been heard of"
                                                : node->message;
    json_array_append_new(aux->array,
                          json_pack("{s:s, s:o, s:b, s:s, s:I, s:I}", "name", node->name, "vtep",
                                    addr_to_json(&node->vtep), "ready", ready, "message",
                                    ready ? "" : message, "applied", (json_int_t) node->applied,
                                    "flows", (json_int_t) node->n_flows));
}

static const char *
meta_string(const json_t *object, const char *member)
{
    const char *s = json_string_value(
        json_object_get(json_object_get(object, "metadata"), member));
    return s ? s : "";
}

static void
append_pod(json_t *pod, void *aux_)
{
    struct nodes_aux *aux = aux_;
    const char *ns = meta_string(pod, "namespace");
    const char *name = meta_string(pod, "name");
    uint32_t id = compile_endpoint_of(aux->from->compile, ns, name);
    const struct rec_endpoint *endpoint = id ? records_endpoint(
                                              compile_records(aux->from->compile), id)
                                             : NULL;
    const char *node = json_string_value(
        json_object_get(json_object_get(pod, "spec"), "nodeName"));
    json_array_append_new(
        aux->array,
        json_pack("{s:s, s:s, s:s, s:o, s:I, s:I}", "namespace", ns, "name", name, "node",
                  node ? node : "", "ips",
                  addrs_to_json(endpoint ? endpoint->ips : NULL, endpoint ? endpoint->n_ips : 0),
                  "identity", (json_int_t) (endpoint ? endpoint->identity : 0), "endpoint",
                  (json_int_t) id));
}

static json_t *
networks_to_json(const struct records *records)
{
    size_t n;
    const struct record **networks = records_sorted(records, RECORD_NETWORK, &n);
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++) {
        const struct rec_network *net = (const struct rec_network *) networks[i];
        json_t *subnets = json_array();
        for (size_t j = 0; j < net->n_subnets; j++) {
            json_array_append_new(subnets, prefix_to_json(&net->subnets[j]));
        }
        json_array_append_new(array, json_pack("{s:s, s:I, s:i, s:o, s:o}", "name", net->name,
                                               "vni", (json_int_t) net->r.key, "zone", net->zone,
                                               "subnets", subnets, "gateways",
                                               addrs_to_json(net->gateways, net->n_subnets)));
    }
    free(networks);
    return array;
}

static json_t *
problems_to_json(const struct compile *compile)
{
    size_t n;
    const struct compile_problem *problems = compile_problems(compile, &n);
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++) {
        const struct compile_problem *p = &problems[i];
        json_array_append_new(array,
                              json_pack("{s:s, s:s, s:s, s:s, s:s}", "kind", p->kind, "namespace",
                                        p->namespace_ ? p->namespace_ : "", "name", p->name,
                                        "reason", p->reason, "message", p->message));
    }
    return array;
}

json_t *
document_status(const struct virga_views_sources *from)
{
    struct nodes_aux nodes = { from, json_array() };
    struct nodes_aux pods = { from, json_array() };
    store_each_node(from->store, append_node, &nodes);
    object_store_each(from->objects, resource_kind_by_path("", "v1", "pods"), NULL, append_pod,
                      &pods);
    return json_pack("{s:I, s:b, s:o, s:o, s:o, s:o}", "generation",
                     (json_int_t) store_generation(from->store), "leader", 1, "nodes", nodes.array,
                     "pods", pods.array, "networks",
                     networks_to_json(compile_records(from->compile)), "problems",
                     problems_to_json(from->compile));
}

/* --- Sums of counters over nodes ------------------------------------------------ */

struct sum {
    struct hmap_node node;
    struct counter c;
};

struct sums {
    enum counter_kind kind;
    struct hmap sums;
};

static struct sum *
find_sum(const struct sums *sums, const struct counter *key)
{
    struct sum *sum;
    HMAP_FOR_EACH_WITH_HASH (sum, node, counter_hash(key), &sums->sums) {
        if (counter_same_key(&sum->c, key)) {
            return sum;
        }
    }
    return NULL;
}

static void
add_counter(const char *node OVS_UNUSED, const struct counter *counter, void *sums_)
{
    struct sums *sums = sums_;
    if (counter->kind != sums->kind) {
        return;
    }
    struct sum *sum = find_sum(sums, counter);
    if (!sum) {
        sum = xzalloc(sizeof *sum);
        sum->c = *counter;
        hmap_insert(&sums->sums, &sum->node, counter_hash(counter));
        return;
    }
    sum->c.hits += counter->hits;
    sum->c.packets += counter->packets;
    sum->c.bytes += counter->bytes;
}

static void
sums_init(struct sums *sums, struct store *store, enum counter_kind kind)
{
    sums->kind = kind;
    hmap_init(&sums->sums);
    store_each_counter(store, NULL, add_counter, sums);
}

static void
sums_uninit(struct sums *sums)
{
    struct sum *sum;
    HMAP_FOR_EACH_POP (sum, node, &sums->sums) {
        free(sum);
    }
    hmap_destroy(&sums->sums);
}

/* --- Stats ----------------------------------------------------------------------- */

static json_t *
rule_to_json(const struct records *records, const struct rec_rule *rule, const struct sums *sums)
{
    const struct counter key = { .kind = COUNTER_RULE, .a = rule->r.key };
    const struct sum *sum = find_sum(sums, &key);
    struct ds text = DS_EMPTY_INITIALIZER;
    rule_words(records, rule, &text);
    json_t *value = json_pack(
        "{s:I, s:s, s:s, s:s, s:i, s:s, s:I, s:I, s:I, s:s}", "id", (json_int_t) rule->r.key,
        "policy", rule->policy, "tier", rule_tier_names[rule->tier], "direction",
        rule_direction_names[rule->direction], "index", rule->index, "action",
        rule_action_names[rule->action], "hits", (json_int_t) (sum ? sum->c.hits : 0), "packets",
        (json_int_t) (sum ? sum->c.packets : 0), "bytes", (json_int_t) (sum ? sum->c.bytes : 0),
        "text", ds_cstr(&text));
    ds_destroy(&text);
    if (rule->dry_run) {
        json_object_set_new(value, "dryRun", json_true());
    }
    return value;
}

static const char *
drop_name(uint32_t index)
{
    switch (index) {
#define DROP(NAME, INDEX, HELP) \
    case INDEX:                 \
        return #NAME;
#include "ovs-flows/drops.def"
#undef DROP
    default:
        return "unknown";
    }
}

static void
append_drop(const char *node, const struct counter *counter, void *array)
{
    if (counter->kind == COUNTER_DROP) {
        json_array_append_new(array,
                              json_pack("{s:s, s:s, s:I, s:I}", "name", drop_name(counter->a),
                                        "node", node, "packets", (json_int_t) counter->packets,
                                        "bytes", (json_int_t) counter->bytes));
    }
}

json_t *
document_stats(const struct virga_views_sources *from)
{
    const struct records *records = compile_records(from->compile);
    struct sums sums;
    size_t n;
    sums_init(&sums, from->store, COUNTER_RULE);
    const struct record **rules = records_sorted(records, RECORD_RULE, &n);
    json_t *rules_json = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(rules_json,
                              rule_to_json(records, (const struct rec_rule *) rules[i], &sums));
    }
    free(rules);
    sums_uninit(&sums);
    json_t *drops = json_array();
    store_each_counter(from->store, NULL, append_drop, drops);
    return json_pack("{s:o, s:o}", "rules", rules_json, "drops", drops);
}

/* --- Matrix ---------------------------------------------------------------------- */

static json_t *
identity_label(const struct identity_names *names, uint32_t id)
{
    static const char *const special[] = {
        [IDENTITY_UNKNOWN] = "unknown",
        [IDENTITY_WORLD] = "world",
        [IDENTITY_LOCAL_NODE] = "local-node",
        [IDENTITY_REMOTE_NODE] = "remote-node",
    };
    const char *labels = identity_names_find(names, id);
    if (id < ARRAY_SIZE(special)) {
        return json_string(special[id]);
    }
    return labels ? json_string(labels) : json_sprintf("identity %u", id);
}

static int
compare_sums(const void *a_, const void *b_)
{
    const struct sum *const *a = a_;
    const struct sum *const *b = b_;
    const uint32_t x[] = { (*a)->c.a, (*a)->c.b, (*a)->c.c, (*a)->c.d };
    const uint32_t y[] = { (*b)->c.a, (*b)->c.b, (*b)->c.c, (*b)->c.d };
    for (size_t i = 0; i < ARRAY_SIZE(x); i++) {
        if (x[i] != y[i]) {
            return x[i] < y[i] ? -1 : 1;
        }
    }
    return 0;
}

static json_t *
pair_to_json(const struct identity_names *names, const struct counter *c)
{
    return json_pack("{s:o, s:o, s:I, s:I, s:I, s:I, s:I, s:I}", "from",
                     identity_label(names, c->a), "to", identity_label(names, c->b),
                     "from_identity", (json_int_t) c->a, "to_identity", (json_int_t) c->b,
                     "egress_rule", (json_int_t) c->c, "ingress_rule", (json_int_t) c->d,
                     "packets", (json_int_t) c->packets, "bytes", (json_int_t) c->bytes);
}

json_t *
document_matrix(const struct virga_views_sources *from)
{
    struct sums sums;
    sums_init(&sums, from->store, COUNTER_PAIR);
    struct sum **sorted = xmalloc((hmap_count(&sums.sums) + 1) * sizeof *sorted);
    struct sum *sum;
    size_t n = 0;
    HMAP_FOR_EACH (sum, node, &sums.sums) {
        sorted[n++] = sum;
    }
    qsort(sorted, n, sizeof *sorted, compare_sums);
    json_t *pairs = json_array();
    for (size_t i = 0; i < n; i++) {
        json_array_append_new(pairs, pair_to_json(from->names, &sorted[i]->c));
    }
    free(sorted);
    sums_uninit(&sums);
    return json_pack("{s:o}", "pairs", pairs);
}

void
document_records(const struct virga_views_sources *from, struct ds *ds)
{
    records_format_all(compile_records(from->compile), ds);
}
