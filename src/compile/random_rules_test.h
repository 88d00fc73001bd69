/* Random records of all tiers and actions, for tests that compare two ways to
 * decide.  All endpoints are on node 1. */
#ifndef VIRGA_RANDOM_RULES_TEST_H
#define VIRGA_RANDOM_RULES_TEST_H 1

#include "base/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/learned.h"
#include "base/records.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

enum { N_NETWORKS = 2, N_IDENTITIES = 6, N_ENDPOINTS = 8, N_SETS = 6 };
/* Sets with a number from here on have identities of one network, those from
 * ANY_SUBJECT on of any: subjects. */
enum { NETWORK_SUBJECT = 101, ANY_SUBJECT = 201, N_SUBJECTS = 4 };
/* Set 6 has a domain; these are learned for it. */
enum { DOMAIN_SET = 6 };
#define LEARNED_ADDRESS "8.8.8.8"

static inline unsigned int
pick(unsigned int n)
{
    return (unsigned int) rand() % n;
}

static inline void
format_fixed(struct ds *s)
{
    ds_put_cstr(s, "node 1 name=node-1 vtep=172.30.0.1 addresses=172.30.0.1\n"
                   "node 2 name=node-2 vtep=172.30.0.2 addresses=172.30.0.2\n");
    for (int i = 0; i < N_NETWORKS; i++) {
        ds_put_format(s,
                      "network %d name=ns%d zone=%d subnets=10.128.%d.0/24 "
                      "gateways=10.128.%d.1\n",
                      4096 + i, i, 16 + i, i, i);
    }
    for (int i = 0; i < N_IDENTITIES; i++) {
        ds_put_format(s, "identity %d vni=%d labels=\"ns{i=%d}\"\n", 256 + i,
                      4096 + i % N_NETWORKS, i);
    }
    for (int i = 0; i < N_ENDPOINTS; i++) {
        int identity = i % N_IDENTITIES, ns = identity % N_NETWORKS;
        ds_put_format(s,
                      "endpoint %d name=ns%d/p%d uid=u vni=%d identity=%d node=1 "
                      "mac=02:56:0a:80:%02x:%02x ips=10.128.%d.%d\n",
                      i + 1, ns, i, 4096 + ns, 256 + identity, ns, i + 2, ns, i + 2);
    }
}

static inline void
format_set(struct ds *s, int set)
{
    static const char *const prefixes[] = {
        "",
        "",
        " prefixes=192.0.2.0/25,192.0.2.200/32",
        " prefixes=10.128.0.0/28",
    };
    const char *comma = " identities=";

    ds_put_format(s, "set %d selector=\"s%d\"", set, set);
    for (int i = set < 100 && !pick(3) ? -2 : 0; i < N_IDENTITIES; i++) {
        bool fits = set < NETWORK_SUBJECT || set >= ANY_SUBJECT
                    || i % N_NETWORKS == set % N_NETWORKS;
        if (fits && pick(2)) { /* -2 and -1: world, other nodes. */
            int identity = i < 0 ? (i == -2 ? IDENTITY_WORLD : IDENTITY_REMOTE_NODE) : 256 + i;
            ds_put_format(s, "%s%d", comma, identity);
            comma = ",";
        }
    }
    ds_put_cstr(s, set < 100 ? prefixes[pick(ARRAY_SIZE(prefixes))] : "");
    ds_put_format(s, "%s\n", set == DOMAIN_SET ? " domains=a.example" : "");
}

static inline void
format_sets(struct ds *s)
{
    for (int set = 1; set <= N_SETS; set++) {
        format_set(s, set);
    }
    for (int i = 0; i < N_SUBJECTS; i++) {
        format_set(s, NETWORK_SUBJECT + i);
        format_set(s, ANY_SUBJECT + i);
    }
}

/* 'rank' orders it; it is unused in tier networkpolicy. */
static inline void
format_rule(struct ds *s, int id, int rank)
{
    static const char *const peers[] = {
        "any",
        "set:1",
        "set:2,set:3",
        "set:4,10.128.0.4/31",
        "10.128.1.0/30,192.0.2.0/25",
        "set:5,0.0.0.0/0",
        "192.0.2.128/25",
        "pods",
        "pods,192.0.2.1/32",
        "set:6",
    };
    static const char *const ports[] = {
        "any", "tcp:80", "tcp:79-81,udp:53", "tcp:1000-1999", "udp:0-65535", "tcp:0-80,tcp:80-90",
    };
    enum rule_tier tier = pick(N_RULE_TIERS);
    bool np = tier == TIER_NETWORKPOLICY, of_network = np || pick(2);
    int subject = (of_network ? NETWORK_SUBJECT : ANY_SUBJECT) + (int) pick(N_SUBJECTS);
    bool isolate = np && !pick(3);
    enum rule_action action = (np ? isolate ? RULE_ISOLATE : RULE_ALLOW
                               : pick(3)
                                   ? (enum rule_action[]){ RULE_DENY, RULE_PASS }[pick(2)]
                                   : (enum rule_action[]){ RULE_ALLOW, RULE_REJECT }[pick(2)]);

    ds_put_format(s, "rule %d %s tier=%s priority=%d", id, pick(2) ? "ingress" : "egress",
                  rule_tier_names[tier], np ? (int) pick(3) : 7);
    if (!np) {
        ds_put_format(s, " rank=%d", rank);
    }
    ds_put_format(s, " action=%s vni=%d subject=%d peers=%s ports=%s policy=P/ns/p index=%d%s\n",
                  rule_action_names[action], of_network ? 4096 + subject % N_NETWORKS : 0, subject,
                  isolate ? "any" : peers[pick(ARRAY_SIZE(peers))],
                  isolate ? "any" : ports[pick(ARRAY_SIZE(ports))], isolate ? -1 : 0,
                  !np && !pick(4) ? " flags=dry-run" : "");
}

static inline void
must_parse(struct records *records, const char *text)
{
    char *error = records_parse(text, records);

    if (error) {
        fail_msg("%s", error);
    }
}

/* 'n' rules with ids from 10 on and ranks in random order. */
static inline struct records *
random_records(int n)
{
    struct records *records = records_create();
    struct ds s = DS_EMPTY_INITIALIZER;

    format_fixed(&s);
    format_sets(&s);
    for (int i = 0; i < n; i++) {
        format_rule(&s, 10 + i, 1 + (i * 7919 + 13) % 60000);
    }
    must_parse(records, ds_cstr(&s));
    ds_destroy(&s);
    return records;
}

static inline struct learned *
learned_addresses(void)
{
    struct learned *learned = learned_create();
    struct in6_addr address;
    char *error = addr_parse(LEARNED_ADDRESS, &address);

    assert_null(error);
    learned_put(learned, DOMAIN_SET, &address, 1);
    return learned;
}

/* One end of a packet: an endpoint, or somebody else. */
struct end {
    struct in6_addr ip;
    uint32_t identity, vni;
};
enum { N_ENDS = N_ENDPOINTS + 4 };

static inline struct end
end_of(const struct records *records, int i)
{
    static const struct {
        const char *address;
        uint32_t identity;
    } outside[] = {
        { "192.0.2.1", IDENTITY_WORLD },
        { "192.0.2.200", IDENTITY_WORLD },
        { LEARNED_ADDRESS, IDENTITY_WORLD },
        { "172.30.0.2", IDENTITY_REMOTE_NODE },
    };
    struct end e;

    if (i < N_ENDPOINTS) {
        const struct rec_endpoint *ep = records_endpoint(records, i + 1);
        return (struct end){ ep->ips[0], ep->identity, ep->vni };
    }
    e = (struct end){ .identity = outside[i - N_ENDPOINTS].identity };
    char *error = addr_parse(outside[i - N_ENDPOINTS].address, &e.ip);
    assert_null(error);
    return e;
}

/* Ports that tell the rules apart. */
static const struct {
    uint8_t protocol;
    uint16_t port;
} probe_ports[] = {
    { IPPROTO_TCP, 79 },   { IPPROTO_TCP, 80 },   { IPPROTO_TCP, 91 },
    { IPPROTO_TCP, 1024 }, { IPPROTO_TCP, 1999 }, { IPPROTO_TCP, 2000 },
    { IPPROTO_UDP, 53 },   { IPPROTO_UDP, 80 },   { IPPROTO_ICMP, 0 },
};

#endif
