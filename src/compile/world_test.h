/* What the tests of the compiler share: a world of objects, told in JSON.  See
 * also opinion_test.h. */
#ifndef VIRGA_WORLD_TEST_H
#define VIRGA_WORLD_TEST_H 1

#include <stdlib.h>
#include <string.h>

#include "base/test.h"
#include "compile/compile.h"
#include "compile/evaluate.h"
#include "model/groups.h"
#include "model/object_test.h"
#include "model/objects.h"
#include "util.h"

struct world_node {
    char *name;
    struct in6_addr address;
};

struct world {
    struct compile_config config;
    struct compile *c;
    struct records *mirror; /* Follows the change logs. */
    json_t *objects;        /* "Kind/ns/name" to JSON, in order. */

    /* Decoded a second time, for the second opinion. */
    struct k8s_namespace *namespaces[128];
    struct k8s_pod *pods[512];
    struct network_policy *policies[128];
    struct ordered_policy *ordered[128];
    struct k8s_node *node_objects[16];
    struct policy_group *policy_groups[64];
    struct network_group *network_groups[16];
    struct world_node nodes[16];
    size_t n_policy_groups, n_network_groups;
    size_t n_namespaces, n_pods, n_policies, n_ordered, n_node_objects, n_nodes;
};

static inline void
world_init(struct world *w)
{
    memset(w, 0, sizeof *w);
    compile_config_default(&w->config);
    w->c = compile_create(&w->config);
    w->mirror = records_create();
    w->objects = json_object();
}

static inline void
world_init_small(struct world *w, const char *cidr, int subnet_plen)
{
    world_init(w);
    compile_destroy(w->c);
    char *error = compile_config_set_cidrs(&w->config, cidr);
    assert_null(error);
    w->config.ranges[0].plen = 96 + subnet_plen;
    w->c = compile_create(&w->config);
}

#define WORLD_REMOVE(ARRAY, N, I, DESTROY) \
    do {                                   \
        DESTROY((ARRAY)[I]);               \
        (ARRAY)[I] = (ARRAY)[--(N)];       \
    } while (0)

static inline size_t
world_find_namespace(const struct world *w, const char *name)
{
    size_t i = 0;
    while (i < w->n_namespaces && strcmp(w->namespaces[i]->meta.name, name)) {
        i++;
    }
    return i;
}

static inline size_t
world_find_pod(const struct world *w, const char *ns, const char *name)
{
    size_t i = 0;
    while (i < w->n_pods
           && (strcmp(w->pods[i]->meta.name, name) || strcmp(w->pods[i]->meta.namespace_, ns))) {
        i++;
    }
    return i;
}

static inline size_t
world_find_policy(const struct world *w, const char *kind, const char *ns, const char *name)
{
    size_t i = 0;
    while (i < w->n_policies
           && (strcmp(w->policies[i]->meta.name, name)
               || strcmp(w->policies[i]->meta.namespace_, ns)
               || strcmp(w->policies[i]->kind, kind))) {
        i++;
    }
    return i;
}

static inline size_t
world_find_ordered(const struct world *w, const char *kind, const char *name)
{
    size_t i = 0;
    while (i < w->n_ordered
           && (strcmp(w->ordered[i]->meta.name, name) || strcmp(w->ordered[i]->kind, kind))) {
        i++;
    }
    return i;
}

static inline size_t
world_find_node_object(const struct world *w, const char *name)
{
    size_t i = 0;
    while (i < w->n_node_objects && strcmp(w->node_objects[i]->meta.name, name)) {
        i++;
    }
    return i;
}

static inline size_t
world_find_policy_group(const struct world *w, const char *name)
{
    size_t i = 0;
    while (i < w->n_policy_groups && strcmp(w->policy_groups[i]->meta.name, name)) {
        i++;
    }
    return i;
}

static inline size_t
world_find_network_group(const struct world *w, const char *name)
{
    size_t i = 0;
    while (i < w->n_network_groups && strcmp(w->network_groups[i]->meta.name, name)) {
        i++;
    }
    return i;
}

static inline void
world_uninit(struct world *w)
{
    while (w->n_policy_groups) {
        WORLD_REMOVE(w->policy_groups, w->n_policy_groups, 0, policy_group_destroy);
    }
    while (w->n_network_groups) {
        WORLD_REMOVE(w->network_groups, w->n_network_groups, 0, network_group_destroy);
    }
    while (w->n_namespaces) {
        WORLD_REMOVE(w->namespaces, w->n_namespaces, 0, k8s_namespace_destroy);
    }
    while (w->n_pods) {
        WORLD_REMOVE(w->pods, w->n_pods, 0, k8s_pod_destroy);
    }
    while (w->n_policies) {
        WORLD_REMOVE(w->policies, w->n_policies, 0, network_policy_destroy);
    }
    while (w->n_ordered) {
        WORLD_REMOVE(w->ordered, w->n_ordered, 0, ordered_policy_destroy);
    }
    while (w->n_node_objects) {
        WORLD_REMOVE(w->node_objects, w->n_node_objects, 0, k8s_node_destroy);
    }
    while (w->n_nodes) {
        free(w->nodes[--w->n_nodes].name);
    }
    records_destroy(w->mirror);
    compile_destroy(w->c);
    json_decref(w->objects);
}

static inline const char *
world_meta(const json_t *object, const char *field)
{
    const char *s = json_string_value(json_object_get(json_object_get(object, "metadata"), field));
    return s ? s : "";
}

/* Decodes once for the compiler and once for the second opinion. */
#define WORLD_SET(TYPE, SETTER, ARRAY, N, FIND)               \
    do {                                                      \
        struct field_errors errors;                           \
        field_errors_init(&errors);                           \
        struct TYPE *mine = TYPE##_decode(object, &errors);   \
        struct TYPE *theirs = TYPE##_decode(object, &errors); \
        assert_errors(&errors, "");                           \
        assert_non_null(mine);                                \
        size_t at = (FIND);                                   \
        if (at < (N)) {                                       \
            WORLD_REMOVE(ARRAY, N, at, TYPE##_destroy);       \
        }                                                     \
        assert_true((N) < ARRAY_SIZE(ARRAY));                 \
        (ARRAY)[(N)++] = mine;                                \
        SETTER(w->c, theirs);                                 \
    } while (0)

static inline void
world_give(struct world *w, const json_t *object)
{
    const char *kind = json_string_value(json_object_get(object, "kind"));
    const char *ns = world_meta(object, "namespace"), *name = world_meta(object, "name");

    if (!strcmp(kind, "Namespace")) {
        WORLD_SET(k8s_namespace, compile_set_namespace, w->namespaces, w->n_namespaces,
                  world_find_namespace(w, name));
    } else if (!strcmp(kind, "Pod")) {
        WORLD_SET(k8s_pod, compile_set_pod, w->pods, w->n_pods, world_find_pod(w, ns, name));
    } else if (!strcmp(kind, "Node")) {
        WORLD_SET(k8s_node, compile_set_node_object, w->node_objects, w->n_node_objects,
                  world_find_node_object(w, name));
    } else if (!strcmp(kind, "PolicyGroup")) {
        WORLD_SET(policy_group, compile_set_policy_group, w->policy_groups, w->n_policy_groups,
                  world_find_policy_group(w, name));
    } else if (!strcmp(kind, "NetworkGroup")) {
        WORLD_SET(network_group, compile_set_network_group, w->network_groups, w->n_network_groups,
                  world_find_network_group(w, name));
    } else if (strcmp(kind, "NetworkPolicy")) {
        WORLD_SET(ordered_policy, compile_set_ordered_policy, w->ordered, w->n_ordered,
                  world_find_ordered(w, kind, name));
    } else {
        WORLD_SET(network_policy, compile_set_policy, w->policies, w->n_policies,
                  world_find_policy(w, mine->kind, ns, name));
    }
}

/* Steals 'object'. */
static inline void
world_set_json(struct world *w, json_t *object)
{
    const char *version = json_string_value(json_object_get(object, "apiVersion"));
    bool alpha = version && !strcmp(version, "net.alpha.kubernetes.io/v1alpha1");
    const char *kind = json_string_value(json_object_get(object, "kind"));
    char *key = xasprintf("%s/%s/%s", alpha ? POLICY_KIND_ALPHA : kind,
                          world_meta(object, "namespace"), world_meta(object, "name"));

    world_give(w, object);
    json_object_set_new(w->objects, key, object);
    free(key);
}

/* One object in JSON, with single quotes. */
static inline void __attribute__((format(printf, 2, 3)))
world_set(struct world *w, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    char *text = xvasprintf(format, args);
    va_end(args);
    world_set_json(w, object_from_text(text));
    free(text);
}

static inline void
world_forget(struct world *w, const char *kind, const char *ns, const char *name)
{
    char *key = xasprintf("%s/%s/%s", kind, ns, name);

    json_object_del(w->objects, key);
    free(key);
}

static inline void
world_del_namespace(struct world *w, const char *name)
{
    size_t i = world_find_namespace(w, name);

    if (i < w->n_namespaces) {
        WORLD_REMOVE(w->namespaces, w->n_namespaces, i, k8s_namespace_destroy);
    }
    world_forget(w, "Namespace", "", name);
    compile_del_namespace(w->c, name);
}

static inline void
world_del_pod(struct world *w, const char *ns, const char *name)
{
    size_t i = world_find_pod(w, ns, name);

    if (i < w->n_pods) {
        WORLD_REMOVE(w->pods, w->n_pods, i, k8s_pod_destroy);
    }
    world_forget(w, "Pod", ns, name);
    compile_del_pod(w->c, ns, name);
}

static inline void
world_del_policy_of(struct world *w, const char *kind, const char *ns, const char *name)
{
    size_t i = world_find_policy(w, kind, ns, name);

    if (i < w->n_policies) {
        WORLD_REMOVE(w->policies, w->n_policies, i, network_policy_destroy);
    }
    world_forget(w, kind, ns, name);
    compile_del_policy(w->c, kind, ns, name);
}

static inline void
world_del_policy(struct world *w, const char *ns, const char *name)
{
    world_del_policy_of(w, POLICY_KIND_NETWORK, ns, name);
}

static inline void
world_del_ordered(struct world *w, const char *kind, const char *name)
{
    size_t i = world_find_ordered(w, kind, name);

    if (i < w->n_ordered) {
        WORLD_REMOVE(w->ordered, w->n_ordered, i, ordered_policy_destroy);
    }
    world_forget(w, kind, "", name);
    compile_del_ordered_policy(w->c, kind, name);
}

static inline void
world_del_policy_group(struct world *w, const char *name)
{
    size_t i = world_find_policy_group(w, name);

    if (i < w->n_policy_groups) {
        WORLD_REMOVE(w->policy_groups, w->n_policy_groups, i, policy_group_destroy);
    }
    world_forget(w, "PolicyGroup", "", name);
    compile_del_policy_group(w->c, name);
}

static inline void
world_del_network_group(struct world *w, const char *name)
{
    size_t i = world_find_network_group(w, name);

    if (i < w->n_network_groups) {
        WORLD_REMOVE(w->network_groups, w->n_network_groups, i, network_group_destroy);
    }
    world_forget(w, "NetworkGroup", "", name);
    compile_del_network_group(w->c, name);
}

static inline void
world_del_node_object(struct world *w, const char *name)
{
    size_t i = world_find_node_object(w, name);

    if (i < w->n_node_objects) {
        WORLD_REMOVE(w->node_objects, w->n_node_objects, i, k8s_node_destroy);
    }
    world_forget(w, "Node", "", name);
    compile_del_node_object(w->c, name);
}

static inline struct in6_addr
world_ip(const char *text)
{
    struct in6_addr ip;
    char *error = addr_parse(text, &ip);

    assert_null(error);
    return ip;
}

static inline void
world_give_node(struct world *w, const struct world_node *node)
{
    compile_set_node(w->c, node->name, &node->address, &node->address, 1);
}

static inline void
world_del_node(struct world *w, const char *name)
{
    for (size_t i = 0; i < w->n_nodes; i++) {
        if (!strcmp(w->nodes[i].name, name)) {
            free(w->nodes[i].name);
            w->nodes[i] = w->nodes[--w->n_nodes];
            break;
        }
    }
    compile_del_node(w->c, name);
}

static inline void
world_set_node(struct world *w, const char *name, const char *address)
{
    world_del_node(w, name);
    struct world_node *node = &w->nodes[w->n_nodes++];
    node->name = xstrdup(name);
    node->address = world_ip(address);
    world_give_node(w, node);
}

static inline char *
world_records(struct world *w)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    records_format_all(compile_records(w->c), &ds);
    return ds_steal_cstr(&ds);
}

static inline void
world_assert_mirror(struct world *w)
{
    struct ds want = DS_EMPTY_INITIALIZER, have = DS_EMPTY_INITIALIZER;

    records_format_all(compile_records(w->c), &want);
    records_format_all(w->mirror, &have);
    assert_string_equal(ds_cstr(&have), ds_cstr(&want));
    ds_destroy(&want);
    ds_destroy(&have);
}

/* Runs; then the oracle must agree, and the log tell all that changed. */
static inline void
world_run(struct world *w)
{
    compile_run(w->c);
    char *difference = compile_check_full(w->c);
    if (difference) {
        fail_msg("%s", difference);
    }

    struct records *rs = compile_records(w->c);
    for (int kind = 0; kind < N_RECORD_KINDS; kind++) {
        size_t n;
        uint32_t *keys = records_changed(rs, kind, &n);
        for (size_t i = 0; i < n; i++) {
            const struct record *r = records_find(rs, kind, keys[i]);
            if (r) {
                records_put(w->mirror, record_clone(r));
            } else {
                records_remove(w->mirror, kind, keys[i]);
            }
        }
        free(keys);
    }
    records_clear_changes(rs);
    records_clear_changes(w->mirror);
}

static inline void
world_give_all(struct world *w)
{
    const char *key;
    json_t *object;
    json_t *objects = json_copy(w->objects);

    json_object_foreach (objects, key, object) {
        world_give(w, object);
    }
    json_decref(objects);
    for (size_t i = 0; i < w->n_nodes; i++) {
        world_give_node(w, &w->nodes[i]);
    }
}

/* A new compiler from the records, counters and objects of the old one; not
 * run yet. */
static inline void
world_restart(struct world *w)
{
    struct compile *old = w->c;
    struct ds counters = DS_EMPTY_INITIALIZER;

    compile_counters_format(old, &counters);
    w->c = compile_create(&w->config);
    char *error = compile_counters_parse(w->c, ds_cstr(&counters));
    assert_null(error);
    for (int kind = 0; kind < N_RECORD_KINDS; kind++) {
        const struct record *r;
        for (r = records_first(compile_records(old), kind); r;
             r = records_next(compile_records(old), r)) {
            compile_restore(w->c, record_clone(r));
        }
    }
    world_give_all(w);
    compile_destroy(old);
    ds_destroy(&counters);
}

/* Questions. */

static inline const struct rec_endpoint *
world_endpoint(const struct world *w, const char *ns, const char *name)
{
    uint32_t id = compile_endpoint_of(w->c, ns, name);

    return id ? records_endpoint(compile_records(w->c), id) : NULL;
}

/* "10.1.2.3", or "none". */
static inline const char *
world_address(const struct world *w, const char *ns, const char *name)
{
    static char text[INET6_ADDRSTRLEN];
    const struct rec_endpoint *endpoint = world_endpoint(w, ns, name);
    struct ds ds = DS_EMPTY_INITIALIZER;

    if (!endpoint) {
        return "none";
    }
    addr_format(&endpoint->ips[0], &ds);
    ovs_strzcpy(text, ds_cstr(&ds), sizeof text);
    ds_destroy(&ds);
    return text;
}

/* The reason of an object's problem, or "none". */
static inline const char *
world_problem(const struct world *w, const char *kind, const char *ns, const char *name)
{
    size_t n;
    const struct compile_problem *p = compile_problems(w->c, &n);

    for (size_t i = 0; i < n; i++) {
        if (!strcmp(p[i].kind, kind) && !strcmp(p[i].namespace_, ns) && !strcmp(p[i].name, name)) {
            assert_true(p[i].message[0]);
            return p[i].reason;
        }
    }
    return "none";
}

#endif
