/* Expectations on who reaches whom, for tests of the compiler: three
 * namespaces x, y, z with the pods a, b, c and their ports, as in the end to
 * end tests of Kubernetes.  "deny * x/a, allow x/b x/a": the last that fits holds; at
 * first everything is allowed.  A star stands for the rest of a name, or for
 * anybody; "world" is an address outside. */
#ifndef VIRGA_REACH_TEST_H
#define VIRGA_REACH_TEST_H 1

#include <netinet/in.h>

#include "compile/opinion_test.h"

static const char *const reach_namespaces[] = { "x", "y", "z" };
static const char *const reach_pods[] = { "a", "b", "c" };
#define REACH_WORLD "192.0.2.1"

#define REACH_PORT(NUMBER, PROTOCOL, WORD)                                                        \
    "{'name': 'serve-" #NUMBER "-" WORD "', 'containerPort': " #NUMBER ", 'protocol': '" PROTOCOL \
    "'}"
#define REACH_PORTS                                              \
    REACH_PORT(80, "TCP", "tcp")                                 \
    ", " REACH_PORT(81, "TCP", "tcp") ", " REACH_PORT(80, "UDP", \
                                                      "udp") ", " REACH_PORT(80, "SCTP", "sctp")

static inline void
reach_set_namespace(struct world *w, const char *ns, const char *labels)
{
    world_set(w,
              "{'apiVersion': 'v1', 'kind': 'Namespace', 'metadata': {'name': '%s',"
              " 'labels': {%s}}}",
              ns, labels);
}

static inline void
reach_set_pod(struct world *w, const char *ns, const char *name, const char *more_labels,
              const char *more_spec, const char *status)
{
    world_set(w,
              "{'apiVersion': 'v1', 'kind': 'Pod', 'metadata': {'namespace': '%s',"
              " 'name': '%s', 'uid': '%s-1', 'labels': {'pod': '%s'%s}}, 'spec':"
              " {'nodeName': 'node-1', 'containers': [{'name': 'c', 'ports': [%s]}]%s},"
              " 'status': {%s}}",
              ns, name, name, name, more_labels, REACH_PORTS, more_spec, status);
}

static inline void
reach_set_policy(struct world *w, const char *ns, const char *name, const char *spec)
{
    world_set(w,
              "{'apiVersion': 'networking.k8s.io/v1', 'kind': 'NetworkPolicy', 'metadata':"
              " {'namespace': '%s', 'name': '%s'}, 'spec': {%s}}",
              ns, name, spec);
}

static inline void
reach_init(struct world *w)
{
    world_init(w);
    world_set_node(w, "node-1", "172.30.0.1");
    world_set_node(w, "node-2", "172.30.0.2");
    for (size_t i = 0; i < 3; i++) {
        reach_set_namespace(w, reach_namespaces[i], "");
        for (size_t j = 0; j < 3; j++) {
            reach_set_pod(w, reach_namespaces[i], reach_pods[j], "", "", "");
        }
    }
    world_run(w);
}

static inline bool
reach_fits(const char *pattern, const char *who)
{
    size_t n = strlen(pattern);

    if (!strcmp(pattern, "*")) {
        return true;
    }
    return n && pattern[n - 1] == '*' ? !strncmp(pattern, who, n - 1) : !strcmp(pattern, who);
}

static inline bool
reach_expected(const char *expect, const char *from, const char *to)
{
    bool allow = true;

    for (const char *part = expect; *part; part += strspn(part, ",")) {
        char verb[8], a[32], b[32];

        assert_int_equal(sscanf(part, " %7s %31s %31[^, ]", verb, a, b), 3);
        assert_true(!strcmp(verb, "allow") || !strcmp(verb, "deny"));
        if (reach_fits(a, from) && reach_fits(b, to)) {
            allow = !strcmp(verb, "allow");
        }
        part += strcspn(part, ",");
    }
    return allow;
}

static inline struct in6_addr
reach_address(struct world *w, const char *who)
{
    if (!strcmp(who, "world")) {
        return world_ip(REACH_WORLD);
    }
    char *ns = xmemdup0(who, 1);
    const struct rec_endpoint *endpoint = world_endpoint(w, ns, who + 2);
    free(ns);
    assert_non_null(endpoint);
    return endpoint->ips[0];
}

/* All of x, y, z and the world against each other. */
static inline void
reach_assert(struct world *w, uint8_t protocol, uint16_t port, const char *expect)
{
    char names[10][8];
    struct evaluate *e = evaluate_create(compile_records(w->c));

    for (int i = 0; i < 9; i++) {
        snprintf(names[i], sizeof names[i], "%s/%s", reach_namespaces[i / 3], reach_pods[i % 3]);
    }
    snprintf(names[9], sizeof names[9], "world");
    for (int i = 0; i < 10; i++) {
        for (int j = 0; j < 10; j++) {
            struct evaluate_tuple tuple = {
                .src = reach_address(w, names[i]),
                .dst = reach_address(w, names[j]),
                .protocol = protocol,
                .dst_port = port,
            };
            bool allow = world_verdict(w, e, &tuple);
            if (i != j && allow != reach_expected(expect, names[i], names[j])) {
                fail_msg("%s -> %s, protocol %d, port %d is %s; expected \"%s\"", names[i],
                         names[j], protocol, port, allow ? "allowed" : "denied", expect);
            }
        }
    }
    evaluate_destroy(e);
}

static inline bool
reach_allows(struct world *w, const char *src, const char *dst, uint8_t protocol, uint16_t port)
{
    struct evaluate *e = evaluate_create(compile_records(w->c));
    struct evaluate_tuple tuple = {
        .src = world_ip(src),
        .dst = world_ip(dst),
        .protocol = protocol,
        .dst_port = port,
    };
    bool allow = world_verdict(w, e, &tuple);

    evaluate_destroy(e);
    return allow;
}

#endif
