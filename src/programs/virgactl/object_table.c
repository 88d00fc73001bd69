#include "programs/virgactl/object_table.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "programs/virgactl/objects.h"
#include "programs/virgactl/table.h"
#include "util.h"

enum { MAX_NETWORKS_SHOWN = 3 };

typedef void cells_fn(struct table *, const json_t *object, bool wide);

static const char *
string_at(const json_t *object, const char *a, const char *b)
{
    const char *s = json_string_value(json_object_get(json_object_get(object, a), b));

    return s ? s : "";
}

/* A condition that says what is wrong, or NULL. */
static const char *
problem_of(const json_t *object)
{
    const json_t *conditions = json_object_get(json_object_get(object, "status"), "conditions");

    for (size_t i = 0; i < json_array_size(conditions); i++) {
        const json_t *condition = json_array_get(conditions, i);
        const char *status = json_string_value(json_object_get(condition, "status"));
        const char *reason = json_string_value(json_object_get(condition, "reason"));

        if (status && !strcmp(status, "False") && reason && *reason) {
            return reason;
        }
    }
    return NULL;
}

/* Strings at KEY of each member of an array, comma-separated. */
static char *
join(const json_t *array, const char *key)
{
    struct ds out = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *item = json_array_get(array, i);
        const char *s = json_string_value(key ? json_object_get(item, key) : item);

        if (s) {
            ds_put_format(&out, "%s%s", out.length ? "," : "", s);
        }
    }
    return ds_steal_cstr(&out);
}

/* {"k": "v"} as "k=v,k=v". */
static char *
join_labels(const json_t *labels)
{
    struct ds out = DS_EMPTY_INITIALIZER;
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *) labels, key, value) {
        const char *s = json_string_value(value);

        ds_put_format(&out, "%s%s=%s", out.length ? "," : "", key, s ? s : "");
    }
    return ds_steal_cstr(&out);
}

static void
take_cell(struct table *table, char *text)
{
    table_cell(table, "%s", text);
    free(text);
}

static void
status_cell(struct table *table, const json_t *object, const char *otherwise)
{
    const char *problem = problem_of(object);

    table_colored_cell(table, problem ? COLOR_BAD : COLOR_PLAIN, "%s",
                       problem ? problem : otherwise);
}

static void
pod_cells(struct table *table, const json_t *pod, bool wide)
{
    const json_t *status = json_object_get(pod, "status");
    char *ips = join(json_object_get(status, "podIPs"), "ip");

    status_cell(table, pod, string_at(pod, "status", "phase"));
    table_cell(table, "%s", *ips ? ips : string_at(pod, "status", "podIP"));
    table_cell(table, "%s", string_at(pod, "spec", "nodeName"));
    free(ips);
}

static void
node_cells(struct table *table, const json_t *node, bool wide)
{
    const json_t *status = json_object_get(node, "status");

    status_cell(table, node,
                json_array_size(json_object_get(status, "conditions")) ? "Ready" : "");
    take_cell(table, join(json_object_get(status, "addresses"), "address"));
}

static void
namespace_cells(struct table *table, const json_t *ns, bool wide)
{
    const char *phase = string_at(ns, "status", "phase");

    status_cell(table, ns, *phase ? phase : "Active");
}

static void
put_requirement(struct ds *out, const json_t *expression)
{
    const char *key = json_string_value(json_object_get(expression, "key"));
    const char *operator= json_string_value(json_object_get(expression, "operator"));
    char *values = join(json_object_get(expression, "values"), NULL);

    ds_put_format(out, "%s%s %s", out->length ? "," : "", key ? key : "",
                  operator? operator: "");
    if (*values) {
        ds_put_format(out, " (%s)", values);
    }
    free(values);
}

static char *
selector_text(const json_t *selector)
{
    const json_t *expressions = json_object_get(selector, "matchExpressions");
    struct ds out = DS_EMPTY_INITIALIZER;
    char *labels = join_labels(json_object_get(selector, "matchLabels"));

    ds_put_cstr(&out, labels);
    free(labels);
    for (size_t i = 0; i < json_array_size(expressions); i++) {
        put_requirement(&out, json_array_get(expressions, i));
    }
    if (!out.length) {
        ds_put_cstr(&out, "<all>");
    }
    return ds_steal_cstr(&out);
}

static void
policy_cells(struct table *table, const json_t *policy, bool wide)
{
    const json_t *spec = json_object_get(policy, "spec");
    const json_t *types = json_object_get(spec, "policyTypes");

    take_cell(table, selector_text(json_object_get(spec, "podSelector")));
    if (json_is_array(types)) {
        take_cell(table, join(types, NULL));
    } else {
        table_cell(table, "%s",
                   json_array_size(json_object_get(spec, "egress")) ? "Ingress,Egress"
                                                                    : "Ingress");
    }
}

static void
alpha_policy_cells(struct table *table, const json_t *policy, bool wide)
{
    char *labels = join_labels(json_object_get(json_object_get(policy, "spec"), "podSelector"));

    table_cell(table, "%s", *labels ? labels : "<all>");
    free(labels);
}

static void
count_cell(struct table *table, const json_t *spec, const char *list)
{
    size_t n = json_array_size(json_object_get(spec, list));

    if (n) {
        table_cell(table, "%" PRIuSIZE, n);
    } else {
        table_cell(table, "%s", "");
    }
}

static void
policy_group_cells(struct table *table, const json_t *group, bool wide)
{
    const json_t *spec = json_object_get(group, "spec");

    status_cell(table, group, "Ready");
    count_cell(table, spec, "selectors");
    count_cell(table, spec, "names");
    take_cell(table, join(json_object_get(spec, "groups"), NULL));
}

static void
network_group_cells(struct table *table, const json_t *group, bool wide)
{
    const json_t *networks = json_object_get(json_object_get(group, "spec"), "networks");
    size_t n = json_array_size(networks);

    status_cell(table, group, "Ready");
    if (n > MAX_NETWORKS_SHOWN && !wide) {
        table_cell(table, "%" PRIuSIZE " networks", n);
    } else {
        take_cell(table, join(networks, "cidr"));
    }
}

static void
group_policy_cells(struct table *table, const json_t *policy, bool wide)
{
    const json_t *spec = json_object_get(policy, "spec");

    status_cell(table, policy, "Ready");
    table_cell(table, "%s", string_at(policy, "spec", "tier"));
    table_cell(table, "%" JSON_INTEGER_FORMAT,
               json_integer_value(json_object_get(spec, "priority")));
    table_cell(table, "%s", string_at(spec, "subject", "group"));
}

/* Of the condition that says where a policy is in force, if it is. */
static void
realized_cell(struct table *table, const json_t *policy)
{
    const json_t *conditions = json_object_get(json_object_get(policy, "status"), "conditions");
    bool in_force = false;

    for (size_t i = 0; i < json_array_size(conditions); i++) {
        const char *type = json_string_value(
            json_object_get(json_array_get(conditions, i), "type"));

        in_force |= type && !strcmp(type, "virga.dev/Realized");
    }
    status_cell(table, policy, in_force ? "InForce" : "");
}

/* "pods SELECTOR in SELECTOR", or the latter alone for all pods there. */
static char *
subject_text(const json_t *subject)
{
    const json_t *pods = json_object_get(subject, "pods");

    if (!pods) {
        return selector_text(json_object_get(subject, "namespaces"));
    }
    char *pod = selector_text(json_object_get(pods, "podSelector"));
    char *ns = selector_text(json_object_get(pods, "namespaceSelector"));
    char *text = xasprintf("pods %s in %s", pod, ns);
    free(pod);
    free(ns);
    return text;
}

static void
cluster_policy_cells(struct table *table, const json_t *policy, bool wide)
{
    const json_t *spec = json_object_get(policy, "spec");
    const json_t *tier = json_object_get(spec, "tier");
    const json_t *priority = json_object_get(spec, "priority");

    realized_cell(table, policy);
    if (tier) {
        table_cell(table, "%s", json_is_string(tier) ? json_string_value(tier) : "");
    }
    if (priority) {
        table_cell(table, "%" JSON_INTEGER_FORMAT, json_integer_value(priority));
    }
    take_cell(table, subject_text(json_object_get(spec, "subject")));
}

struct kind_columns {
    const char *key; /* resource_kind's. */
    cells_fn *cells;
    const char *headings[4];
};

static const struct kind_columns kind_columns[] = {
    { "pods", pod_cells, { "STATUS", "IP", "NODE" } },
    { "nodes", node_cells, { "STATUS", "ADDRESSES" } },
    { "namespaces", namespace_cells, { "STATUS" } },
    { "networkpolicies.networking.k8s.io", policy_cells, { "POD-SELECTOR", "TYPES" } },
    { "networkpolicys.net.alpha.kubernetes.io", alpha_policy_cells, { "POD-SELECTOR" } },
    { "clusternetworkpolicies.policy.networking.k8s.io",
      cluster_policy_cells,
      { "STATUS", "TIER", "PRIORITY", "SUBJECT" } },
    { "adminnetworkpolicies.policy.networking.k8s.io",
      cluster_policy_cells,
      { "STATUS", "PRIORITY", "SUBJECT" } },
    { "baselineadminnetworkpolicies.policy.networking.k8s.io",
      cluster_policy_cells,
      { "STATUS", "SUBJECT" } },
    { "policygroups.virga.dev", policy_group_cells, { "STATUS", "SELECTORS", "NAMES", "GROUPS" } },
    { "networkgroups.virga.dev", network_group_cells, { "STATUS", "NETWORKS" } },
    { "grouppolicies.virga.dev", group_policy_cells, { "STATUS", "TIER", "PRIORITY", "SUBJECT" } },
};
static const struct kind_columns no_columns;

static const struct kind_columns *
columns_of(const struct resource_kind *kind)
{
    for (size_t i = 0; i < ARRAY_SIZE(kind_columns); i++) {
        if (!strcmp(kind_columns[i].key, resource_kind_stored(kind)->key)) {
            return &kind_columns[i];
        }
    }
    return &no_columns;
}

/* "5d", "3h", "12m", "40s" since an RFC 3339 time. */
static char *
age_of(const json_t *object, time_t now)
{
    struct tm tm = { 0 };
    const char *rest = strptime(object_meta_string(object, "creationTimestamp"),
                                "%Y-%m-%dT%H:%M:%S", &tm);
    long long int s;

    if (!rest) {
        return xstrdup("");
    }
    s = MAX(0, (long long int) now - timegm(&tm));
    return s >= 172800 ? xasprintf("%lldd", s / 86400)
           : s >= 7200 ? xasprintf("%lldh", s / 3600)
           : s >= 120  ? xasprintf("%lldm", s / 60)
                       : xasprintf("%llds", s);
}

static const char *const *
headings_of(const struct kind_columns *columns, bool namespaces, bool wide, size_t *n)
{
    static const char *headings[ARRAY_SIZE(columns->headings) + 4];

    *n = 0;
    if (namespaces) {
        headings[(*n)++] = "NAMESPACE";
    }
    headings[(*n)++] = "NAME";
    for (size_t i = 0; i < ARRAY_SIZE(columns->headings) && columns->headings[i]; i++) {
        headings[(*n)++] = columns->headings[i];
    }
    headings[(*n)++] = "AGE";
    if (wide) {
        headings[(*n)++] = "LABELS";
    }
    return headings;
}

struct table *
object_table(const struct resource_kind *kind, const json_t *items, bool namespaces, bool wide,
             time_t now)
{
    const struct kind_columns *columns = columns_of(kind);
    size_t n;
    const char *const *headings = headings_of(columns, namespaces, wide, &n);
    struct table *table = table_create(headings, n);

    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *object = json_array_get(items, i);

        if (namespaces) {
            table_cell(table, "%s", object_meta_string(object, "namespace"));
        }
        table_cell(table, "%s", object_meta_string(object, "name"));
        if (columns->cells) {
            columns->cells(table, object, wide);
        }
        take_cell(table, age_of(object, now));
        if (wide) {
            const json_t *meta = json_object_get(object, "metadata");

            take_cell(table, join_labels(json_object_get(meta, "labels")));
        }
    }
    return table;
}
