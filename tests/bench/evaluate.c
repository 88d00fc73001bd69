/* The evaluator alone: how many tuples a second.
 *
 *   evaluate N_RULES SECONDS
 *
 * 10 rules per namespace, five pods in each: two thirds NetworkPolicy, the rest in the
 * ordered tiers, of which some are about all namespaces.  Every tuple is one of a pod
 * that some policy selects, half of them to a pod of its own namespace.  Prints one
 * JSON object. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "compile/evaluate.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

enum {
    RULES_PER_NAMESPACE = 10,
    PODS = 5,
    GLOBAL_RULES = 20, /* Of all namespaces, in the ordered tiers. */
    N_TUPLES = 1 << 16,
    SEED = 1,
};

static double
now_seconds(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}

static double
cpu_seconds(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}

static unsigned int
pick(unsigned int n)
{
    return (unsigned int) rand() % n;
}

/* Pod 'i' of the namespace has identity 256 + PODS * ns + i; set 1 + identity
 * holds it alone, set 1 + ns + all identities the whole namespace. */
static unsigned int
identity_of(unsigned int ns, unsigned int pod)
{
    return 256 + PODS * ns + pod;
}

static unsigned int
namespace_set(unsigned int ns, unsigned int n_namespaces)
{
    return 1 + 256 + PODS * n_namespaces + ns;
}

static void
format_namespace(struct ds *s, unsigned int ns, unsigned int n_namespaces)
{
    ds_put_format(s, "network %u name=n%u zone=%u subnets=10.%u.%u.0/24 gateways=10.%u.%u.1\n",
                  4096 + ns, ns, 16 + ns, ns / 256, ns % 256, ns / 256, ns % 256);
    for (unsigned int pod = 0; pod < PODS; pod++) {
        unsigned int identity = identity_of(ns, pod);
        ds_put_format(s,
                      "endpoint %u name=n%u/p%u uid=u vni=%u identity=%u node=1 "
                      "mac=02:56:00:00:00:02 ips=10.%u.%u.%u\n"
                      "set %u selector=s%u identities=%u\n",
                      identity, ns, pod, 4096 + ns, identity, ns / 256, ns % 256, pod + 2,
                      1 + identity, identity, identity);
    }
    ds_put_format(s, "set %u selector=n%u identities=", namespace_set(ns, n_namespaces), ns);
    for (unsigned int pod = 0; pod < PODS; pod++) {
        ds_put_format(s, "%s%u", pod ? "," : "", identity_of(ns, pod));
    }
    ds_put_char(s, '\n');
}

static void
format_np_rule(struct ds *s, unsigned int id, unsigned int ns, bool isolate)
{
    unsigned int subject = 1 + identity_of(ns, pick(PODS));
    ds_put_format(s, "rule %u %s tier=networkpolicy priority=0 action=%s vni=%u subject=%u ", id,
                  pick(3) ? "ingress" : "egress", isolate ? "isolate" : "allow", 4096 + ns,
                  subject);
    if (isolate) {
        ds_put_cstr(s, "peers=any ports=any");
    } else if (pick(4)) {
        ds_put_format(s, "peers=set:%u ports=tcp:%u", 1 + identity_of(ns, pick(PODS)),
                      80 + pick(3));
    } else {
        ds_put_format(s, "peers=10.%u.0.0/16 ports=tcp:80,udp:53", pick(4));
    }
    ds_put_cstr(s, " policy=p index=0\n");
}

static void
format_ordered_rule(struct ds *s, unsigned int id, unsigned int subject, unsigned int vni,
                    unsigned int rank)
{
    static const char *const tiers[] = { "admin", "group", "baseline" };
    static const char *const actions[] = { "pass", "deny", "allow" };
    ds_put_format(s,
                  "rule %u ingress tier=%s priority=1 rank=%u action=%s vni=%u subject=%u "
                  "peers=%s ports=tcp:%u policy=p index=0\n",
                  id, tiers[pick(3)], rank, actions[pick(3)], vni, subject,
                  pick(2) ? "pods" : "192.0.2.0/24", 80 + pick(10));
}

static struct records *
create_records(unsigned int n_rules, unsigned int n_namespaces)
{
    struct records *records = records_create();
    struct ds s = DS_EMPTY_INITIALIZER;
    unsigned int all = namespace_set(n_namespaces, n_namespaces);
    ds_put_cstr(&s, "node 1 name=node-1 vtep=172.30.0.1 addresses=172.30.0.1\n");
    for (unsigned int ns = 0; ns < n_namespaces; ns++) {
        format_namespace(&s, ns, n_namespaces);
    }
    ds_put_format(&s, "set %u selector=all identities=", all);
    for (unsigned int i = 0; i < PODS * n_namespaces; i++) {
        ds_put_format(&s, "%s%u", i ? "," : "", 256 + i);
    }
    ds_put_char(&s, '\n');
    for (unsigned int i = 0; i < n_rules; i++) {
        unsigned int ns = i / RULES_PER_NAMESPACE;
        if (i < GLOBAL_RULES) {
            format_ordered_rule(&s, 1 + i, all, 0, 1 + i);
        } else if (i % 3) {
            format_np_rule(&s, 1 + i, ns, i % 9 == 1);
        } else {
            format_ordered_rule(&s, 1 + i, namespace_set(ns, n_namespaces), 4096 + ns,
                                1 + i % RULE_RANK_MAX);
        }
    }
    char *error = records_parse(ds_cstr(&s), records);
    if (error) {
        ovs_fatal(0, "%s", error);
    }
    ds_destroy(&s);
    return records;
}

static void
random_address(struct in6_addr *ip, unsigned int ns)
{
    char *text = xasprintf("10.%u.%u.%u", ns / 256, ns % 256, 2 + pick(PODS));
    char *error = addr_parse(text, ip);
    if (error) {
        ovs_fatal(0, "%s", error);
    }
    free(text);
}

static struct evaluate_tuple *
create_tuples(unsigned int n_namespaces)
{
    struct evaluate_tuple *tuples = xcalloc(N_TUPLES, sizeof *tuples);
    for (size_t i = 0; i < N_TUPLES; i++) {
        unsigned int ns = pick(n_namespaces);
        random_address(&tuples[i].src, ns);
        random_address(&tuples[i].dst, pick(2) ? ns : pick(n_namespaces));
        tuples[i].protocol = IPPROTO_TCP;
        tuples[i].dst_port = (uint16_t) (80 + pick(10));
    }
    return tuples;
}

int
main(int argc, char *argv[])
{
    if (argc != 3) {
        ovs_fatal(0, "usage: evaluate N_RULES SECONDS");
    }
    unsigned int n_rules = (unsigned int) strtoul(argv[1], NULL, 10);
    unsigned int n_namespaces = n_rules / RULES_PER_NAMESPACE + 1;
    double limit = strtod(argv[2], NULL);
    srand(SEED);
    struct records *records = create_records(n_rules, n_namespaces);
    struct evaluate_tuple *tuples = create_tuples(n_namespaces);
    double begun = now_seconds();
    struct evaluate *e = evaluate_create(records);
    double indexed = now_seconds(), cpu = cpu_seconds();
    size_t n = 0, n_allowed = 0, n_by_rule = 0;
    while (now_seconds() - indexed < limit) {
        for (size_t i = 0; i < N_TUPLES; i++) {
            struct evaluate_verdict v = evaluate(e, &tuples[i]);
            n_allowed += v.allow;
            n_by_rule += v.egress || v.ingress;
        }
        n += N_TUPLES;
    }
    double seconds = now_seconds() - indexed;
    cpu = cpu_seconds() - cpu;
    printf("{\"rules\": %zu, \"tuples_per_s\": %.0f, "
           "\"tuples_per_cpu_s\": %.0f, \"index_ms\": %.1f, "
           "\"allowed\": %.2f, \"by_rule\": %.2f}\n",
           records_count(records, RECORD_RULE), (double) n / seconds, (double) n / cpu,
           (indexed - begun) * 1e3, (double) n_allowed / (double) n,
           (double) n_by_rule / (double) n);
    evaluate_destroy(e);
    records_destroy(records);
    free(tuples);
    return 0;
}
