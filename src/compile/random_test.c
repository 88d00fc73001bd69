/* Random scripts: after every run the incremental result equals the full one,
 * the change log tells every change, and evaluate() agrees with the second
 * opinion.  VIRGA_SEED and VIRGA_STEPS repeat or lengthen a script. */
#include "compile/opinion_test.h"

#include "random.h"
#include "timeval.h"

static const char *const namespaces[] = { "red", "green", "blue", "grey" };
static const char *const pod_names[] = { "a", "b", "c", "d", "e", "f", "g" };
static const char *const node_names[] = { "node-1", "node-2", "node-3" };
static const char *const keys[] = { "app", "tier", "canary" };
static const char *const port_names[] = { "http", "web", "dns" };
static const char *const protocols[] = { "TCP", "UDP", "SCTP" };
static const char *const values[] = { "x", "y", "z", "" };
static const char *const cidrs[] = {
    "10.0.0.0/24",  "0.0.0.0/0",     "10.0.0.0/26",  "10.0.0.16/28",
    "10.0.0.18/32", "172.30.0.0/24", "192.0.2.0/25", "172.30.0.2/32",
};
static const char *const networks[] = {
    "10.0.0.32/28",
    "10.0.0.64/27",
    "10.0.0.0/29",
    "192.168.7.0/30",
    "192.168.7.0/30,10.0.0.128/28",
    "10.0.0.0/24",
};

/* The same in both families; a script has one form or the other. */
static bool dual;
static const char *const dual_cidrs[] = {
    "fd00::/60",         "::/0",      "fd00:0:0:1::/64", "fd00::2/127",
    "fd00:0:0:2::3/128", "0.0.0.0/0", "2001:db8::/32",
};
static const char *const dual_networks[] = {
    "10.0.0.32/28,fd00:0:0:3::/64",
    "fd00:0:0:4::/126",
    "10.0.0.64/30,fd00:0:0:5::/64",
    "fd00:0:0:8::/62",
};

static bool
chance(unsigned int percent)
{
    return random_range(100) < (int) percent;
}

#define PICK(ARRAY) ((ARRAY)[random_range(ARRAY_SIZE(ARRAY))])

static json_t *
random_labels(void)
{
    json_t *labels = json_object();

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        if (chance(60)) {
            json_object_set_new(labels, keys[i], json_string(PICK(values)));
        }
    }
    return labels;
}

static json_t *
random_expression(void)
{
    static const char *const operators[] = { "In", "NotIn", "Exists", "DoesNotExist" };
    const char *operator= PICK(operators);
    json_t *e = json_pack("{s:s, s:s}", "key", PICK(keys), "operator", operator);

    if (strstr(operator, "In")) {
        json_t *list = json_array();
        for (int i = random_range(2); i >= 0; i--) {
            json_array_append_new(list, json_string(PICK(values)));
        }
        json_object_set_new(e, "values", list);
    }
    return e;
}

static json_t *
random_selector(void)
{
    json_t *selector = json_object();

    if (chance(50)) {
        json_object_set_new(selector, "matchLabels", json_pack("{s:s}", PICK(keys), PICK(values)));
    }
    if (chance(50)) {
        json_t *list = json_array();
        for (int i = random_range(2); i >= 0; i--) {
            json_array_append_new(list, random_expression());
        }
        json_object_set_new(selector, "matchExpressions", list);
    }
    return selector;
}

static json_t *
random_ip_block(void)
{
    json_t *block = json_object();
    const char *cidr = dual && chance(60) ? PICK(dual_cidrs) : PICK(cidrs);

    json_object_set_new(block, "cidr", json_string(cidr));
    if (!strcmp(cidr, "10.0.0.0/24") || !strcmp(cidr, "0.0.0.0/0")) {
        json_object_set_new(block, "except", json_pack("[s, s]", "10.0.0.16/29", "10.0.0.34/32"));
    }
    if (!strcmp(cidr, "::/0")) {
        json_object_set_new(block, "except",
                            json_pack("[s, s]", "fd00::/64", "fd00:0:0:1::2/128"));
    }
    return json_pack("{s:o}", "ipBlock", block);
}

static json_t *
random_peer(void)
{
    if (chance(25)) {
        return random_ip_block();
    }
    json_t *peer = json_object();
    unsigned int which = 1 + random_range(3);
    if (which & 1) {
        json_object_set_new(peer, "podSelector", random_selector());
    }
    if (which & 2) {
        json_object_set_new(peer, "namespaceSelector",
                            chance(30) ? json_pack("{s:{s:s}}", "matchLabels",
                                                   "kubernetes.io/metadata.name", PICK(namespaces))
                                       : random_selector());
    }
    return peer;
}

static json_t *
random_port(void)
{
    json_t *port = json_object();

    if (chance(70)) {
        json_object_set_new(port, "protocol", json_string(PICK(protocols)));
    }
    if (chance(30)) {
        json_object_set_new(port, "port", json_string(PICK(port_names)));
    } else if (chance(80)) {
        int first = 80 + random_range(4);
        json_object_set_new(port, "port", json_integer(first));
        if (chance(30)) {
            json_object_set_new(port, "endPort", json_integer(first + random_range(3)));
        }
    }
    return port;
}

static json_t *
random_rules(const char *peers)
{
    json_t *rules = json_array();

    for (int i = random_range(4); i > 0; i--) {
        json_t *rule = json_object(), *from = json_array(), *ports = json_array();

        for (int j = random_range(4); j > 0; j--) {
            json_array_append_new(from, random_peer());
        }
        for (int j = random_range(3); j > 0; j--) {
            json_array_append_new(ports, random_port());
        }
        json_object_set_new(rule, peers, from);
        json_object_set_new(rule, "ports", ports);
        json_array_append_new(rules, rule);
    }
    return rules;
}

static json_t *
random_alpha_peer(void)
{
    json_t *peer = json_object();
    unsigned int which = 1 + random_range(3);

    if (which & 1) {
        json_object_set_new(peer, "pods", json_pack("{s:s}", PICK(keys), PICK(values)));
    }
    if (which & 2) {
        json_object_set_new(peer, "namespaces",
                            chance(30) ? json_object()
                                       : json_pack("{s:s}", PICK(keys), PICK(values)));
    }
    return peer;
}

static void
set_alpha_policy(struct world *w)
{
    json_t *from = json_array(), *ports = json_array();

    for (int i = random_range(3); i > 0; i--) {
        json_array_append_new(from, random_alpha_peer());
    }
    for (int i = random_range(3); i > 0; i--) {
        json_array_append_new(ports, random_port());
    }
    json_t *spec = json_pack("{s:o, s:{s:o, s:o}}", "podSelector",
                             chance(30) ? json_object()
                                        : json_pack("{s:s}", PICK(keys), PICK(values)),
                             "allowIncoming", "from", from, "toPorts", ports);
    world_set_json(w, json_pack("{s:s, s:s, s:{s:s, s:s}, s:o}", "apiVersion",
                                "net.alpha.kubernetes.io/v1alpha1", "kind", "NetworkPolicy",
                                "metadata", "namespace", PICK(namespaces), "name", "p", "spec",
                                spec));
}

static void
set_policy(struct world *w)
{
    static const char *const names[] = { "p", "q" };
    static const char *const types[] = { "['Ingress']", "['Egress']", "['Ingress', 'Egress']" };
    json_t *spec = json_pack("{s:o, s:o, s:o, s:o}", "podSelector", random_selector(),
                             "policyTypes", object_from_text(PICK(types)), "ingress",
                             random_rules("from"), "egress", random_rules("to"));

    world_set_json(w, json_pack("{s:s, s:s, s:{s:s, s:s}, s:o}", "apiVersion",
                                "networking.k8s.io/v1", "kind", "NetworkPolicy", "metadata",
                                "namespace", PICK(namespaces), "name", PICK(names), "spec", spec));
}

/* Ordered policies. */

static json_t *
random_ordered_selection(bool may_lack_namespaces)
{
    json_t *pods = json_pack("{s:o}", "podSelector", random_selector());

    if (chance(40)) {
        json_decref(pods);
        return json_pack("{s:o}", "namespaces", chance(30) ? json_object() : random_selector());
    }
    if (!may_lack_namespaces || chance(60)) {
        json_object_set_new(pods, "namespaceSelector",
                            chance(40) ? json_object() : random_selector());
    }
    return json_pack("{s:o}", "pods", pods);
}

static json_t *
random_ordered_peer(bool is_cluster, bool egress, bool *has_no_names)
{
    if (chance(4)) {
        return json_pack("{s:{}}", "vms");
    } else if (!egress || chance(55)) {
        return random_ordered_selection(is_cluster);
    }
    *has_no_names = true;
    if (chance(40)) {
        return json_pack("{s:o}", "nodes", chance(30) ? json_object() : random_selector());
    }
    return chance(80) ? json_pack("{s:[s]}", "networks", PICK(cidrs))
                      : json_pack("{s:[s,s]}", "networks", "0.0.0.0/0", "::/0");
}

static json_t *
random_protocol(bool may_have_names)
{
    static const char *const words[] = { "tcp", "udp", "sctp", "icmp" };
    int first = 80 + random_range(4);

    if (may_have_names && chance(40)) {
        return json_pack("{s:s}", "destinationNamedPort", PICK(port_names));
    } else if (chance(20)) {
        return json_pack("{s:{}}", words[random_range(3)]);
    }
    return json_pack("{s:{s:o}}", chance(5) ? "icmp" : words[random_range(3)], "destinationPort",
                     chance(60) ? json_pack("{s:i}", "number", first)
                                : json_pack("{s:{s:i, s:i}}", "range", "start", first, "end",
                                            first + 1 + random_range(3)));
}

static json_t *
random_ordered_port(bool may_have_names)
{
    int first = 80 + random_range(4);

    if (may_have_names && chance(40)) {
        return json_pack("{s:s}", "namedPort", PICK(port_names));
    }
    return chance(60) ? json_pack("{s:{s:s, s:i}}", "portNumber", "protocol", PICK(protocols),
                                  "port", first)
                      : json_pack("{s:{s:s, s:i, s:i}}", "portRange", "protocol", PICK(protocols),
                                  "start", first, "end", first + 1 + random_range(3));
}

static json_t *
random_ordered_rules(const char *kind, bool egress)
{
    bool is_cluster = !strcmp(kind, POLICY_KIND_CLUSTER);
    const char *actions[] = { is_cluster ? "Accept" : "Allow", "Deny", "Pass" };
    int n_actions = strcmp(kind, POLICY_KIND_BASELINE) ? 3 : 2;
    json_t *rules = json_array();

    for (int i = random_range(5); i > 0; i--) {
        json_t *rule = json_pack("{s:s}", "action", actions[random_range(n_actions)]);
        json_t *peers = json_array(), *ports = json_array();
        bool has_no_names = false;

        for (int j = random_range(3); j >= 0; j--) {
            json_array_append_new(peers, random_ordered_peer(is_cluster, egress, &has_no_names));
        }
        for (int j = random_range(3); j > 0; j--) {
            json_array_append_new(ports, is_cluster ? random_protocol(!has_no_names)
                                                    : random_ordered_port(!has_no_names));
        }
        json_object_set_new(rule, egress ? "to" : "from", peers);
        if (json_array_size(ports)) {
            json_object_set(rule, is_cluster ? "protocols" : "ports", ports);
        }
        json_decref(ports);
        json_array_append_new(rules, rule);
    }
    return rules;
}

static const char *const ordered_names[] = { "default", "q", "r", "s" };

static const char *
random_ordered_kind(void)
{
    return chance(60)   ? POLICY_KIND_CLUSTER
           : chance(70) ? POLICY_KIND_ADMIN
                        : POLICY_KIND_BASELINE;
}

static void
set_ordered(struct world *w)
{
    const char *kind = random_ordered_kind();
    bool is_cluster = !strcmp(kind, POLICY_KIND_CLUSTER);
    json_t *spec = json_pack("{s:o, s:i, s:o, s:o}", "subject",
                             random_ordered_selection(is_cluster), "priority", random_range(5),
                             "ingress", random_ordered_rules(kind, false), "egress",
                             random_ordered_rules(kind, true));

    if (is_cluster) {
        json_object_set_new(spec, "tier", json_string(chance(60) ? "Admin" : "Baseline"));
    }
    world_set_json(w,
                   json_pack("{s:s, s:s, s:{s:s}, s:o}", "apiVersion",
                             is_cluster ? "policy.networking.k8s.io/v1alpha2"
                                        : "policy.networking.k8s.io/v1alpha1",
                             "kind", kind, "metadata", "name",
                             strcmp(kind, POLICY_KIND_BASELINE) ? PICK(ordered_names) : "default",
                             "spec", spec));
}

static void
set_node_object(struct world *w)
{
    char *address = xasprintf("172.30.0.%d", 1 + random_range(5));

    world_set_json(w, json_pack("{s:s, s:s, s:{s:s, s:o}, s:{s:[{s:s, s:s}]}}", "apiVersion", "v1",
                                "kind", "Node", "metadata", "name", PICK(node_names), "labels",
                                random_labels(), "status", "addresses", "type", "InternalIP",
                                "address", address));
    free(address);
}

static void
set_namespace(struct world *w)
{
    json_t *meta = json_pack("{s:s, s:o}", "name", PICK(namespaces), "labels", random_labels());

    if (chance(25)) {
        json_object_set_new(meta, "annotations",
                            json_pack("{s:s}", "virga.dev/subnets",
                                      dual && chance(70) ? PICK(dual_networks) : PICK(networks)));
    } else if (chance(30)) {
        json_object_set_new(meta, "annotations",
                            json_pack("{s:s}", "net.alpha.kubernetes.io/network-isolation",
                                      chance(70) ? "on" : "off"));
    }
    world_set_json(w, json_pack("{s:s, s:s, s:o}", "apiVersion", "v1", "kind", "Namespace",
                                "metadata", meta));
}

/* Its name is unique in it, as the API asks. */
static json_t *
random_container(const char *name)
{
    json_t *ports = json_array();

    for (size_t i = 0; i < ARRAY_SIZE(port_names); i++) {
        if (chance(50)) {
            json_array_append_new(ports,
                                  json_pack("{s:s, s:s, s:i}", "name", port_names[i], "protocol",
                                            chance(60) ? "TCP" : PICK(protocols), "containerPort",
                                            80 + random_range(4)));
        }
    }
    return json_pack("{s:s, s:o}", "name", name, "ports", ports);
}

static json_t *
random_containers(void)
{
    json_t *spec = json_pack("{s:[o]}", "containers", random_container("c"));

    if (chance(30)) {
        json_array_append_new(json_object_get(spec, "containers"), random_container("d"));
    }
    if (chance(30)) {
        json_t *init = random_container("i");

        if (chance(60)) {
            json_object_set_new(init, "restartPolicy", json_string("Always"));
        }
        json_object_set_new(spec, "initContainers", json_pack("[o]", init));
    }
    return spec;
}

static void
set_pod(struct world *w)
{
    json_t *meta = json_pack("{s:s, s:s, s:s, s:o}", "namespace", PICK(namespaces), "name",
                             PICK(pod_names), "uid", chance(50) ? "1" : "2", "labels",
                             random_labels());
    json_t *spec = random_containers();
    json_t *pod = json_pack("{s:s, s:s, s:o, s:o}", "apiVersion", "v1", "kind", "Pod", "metadata",
                            meta, "spec", spec);

    if (chance(15)) {
        char *ip = !dual ? xasprintf("10.0.0.%d", random_range(64))
                   : chance(50)
                       ? xasprintf("10.0.0.%d,fd00::%d", random_range(64), random_range(9))
                       : xasprintf("fd00:0:0:%d::%d", random_range(5), random_range(9));
        json_object_set_new(meta, "annotations", json_pack("{s:s}", "virga.dev/ip", ip));
        free(ip);
    }
    if (chance(80)) {
        json_object_set_new(spec, "nodeName", json_string(PICK(node_names)));
    }
    if (chance(5)) {
        json_object_set_new(spec, "hostNetwork", json_true());
    }
    if (chance(10)) {
        json_object_set_new(pod, "status",
                            json_pack("{s:s}", "phase", chance(50) ? "Succeeded" : "Failed"));
    }
    world_set_json(w, pod);
}

/* If no object changes meanwhile, no record does. */
static void
restart(struct world *w)
{
    char *before = world_records(w);

    world_restart(w);
    if (chance(50)) {
        world_run(w);
        char *after = world_records(w);
        assert_string_equal(after, before);
        free(after);
    }
    free(before);
}

static void
random_step(struct world *w)
{
    int dice = random_range(100);

    if (dice < 40) {
        set_pod(w);
    } else if (dice < 55) {
        world_del_pod(w, PICK(namespaces), PICK(pod_names));
    } else if (dice < 60) {
        set_policy(w);
    } else if (dice < 66) {
        set_ordered(w);
    } else if (dice < 68) {
        world_del_ordered(w, random_ordered_kind(), PICK(ordered_names));
    } else if (dice < 70) {
        set_alpha_policy(w);
    } else if (dice < 76) {
        world_del_policy(w, PICK(namespaces), chance(50) ? "p" : "q");
    } else if (dice < 78) {
        world_del_policy_of(w, POLICY_KIND_ALPHA, PICK(namespaces), "p");
    } else if (dice < 80) {
        set_node_object(w);
    } else if (dice < 81) {
        world_del_node_object(w, PICK(node_names));
    } else if (dice < 90) {
        set_namespace(w);
    } else if (dice < 93) {
        world_del_namespace(w, PICK(namespaces));
    } else if (dice < 97) {
        char *address = xasprintf("172.30.0.%d", 1 + random_range(3));
        world_set_node(w, PICK(node_names), address);
        free(address);
    } else if (dice < 99) {
        world_del_node(w, PICK(node_names));
    } else {
        world_run(w);
        restart(w);
    }
}

static struct in6_addr
random_address(const struct world *w)
{
    const struct records *rs = compile_records(w->c);
    size_t n = records_count(rs, RECORD_ENDPOINT);
    static const char *const others[] = { "172.30.0.1",  "172.30.0.2",   "172.30.0.3",
                                          "192.0.2.9",   "10.0.0.34",    "10.0.0.200",
                                          "2001:db8::9", "fd00:0:0:1::9" };

    if (!n || chance(20)) {
        return world_ip(PICK(others));
    }
    const struct record **endpoints = records_sorted(rs, RECORD_ENDPOINT, &n);
    const struct rec_endpoint *endpoint = (const struct rec_endpoint *) endpoints[random_range(n)];
    struct in6_addr ip = endpoint->ips[random_range(endpoint->n_ips)];
    free(endpoints);
    return ip;
}

static void
check_tuples(struct world *w)
{
    static const uint8_t numbers[] = { IPPROTO_TCP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP,
                                       IPPROTO_ICMP };
    struct evaluate *e = evaluate_create(compile_records(w->c));

    for (int i = 0; i < 40; i++) {
        struct evaluate_tuple tuple = {
            .src = random_address(w),
            .dst = random_address(w),
            .protocol = PICK(numbers),
        };
        while (addr_is_ip4(&tuple.src) != addr_is_ip4(&tuple.dst)) {
            tuple.src = random_address(w);
            tuple.dst = random_address(w);
        }
        tuple.dst_port = tuple.protocol == IPPROTO_ICMP ? 0 : 79 + random_range(8);
        world_verdict(w, e, &tuple);
    }
    evaluate_destroy(e);
}

/* Equal scripts must give equal numbers: what differs is where memory lies. */
static char *
run_script(uint32_t seed, int steps, bool both)
{
    struct world w;

    random_set_seed(seed);
    dual = both;
    world_init_small(&w, dual ? "10.0.0.0/24,fd00::/60" : "10.0.0.0/24", 28);
    for (int i = 0; i < steps; i++) {
        random_step(&w);
        if (chance(75)) {
            world_run(&w);
            world_assert_mirror(&w);
            check_tuples(&w);
        }
    }
    world_run(&w);
    char *text = world_records(&w);
    world_uninit(&w);
    return text;
}

static long
setting(const char *name, long otherwise)
{
    const char *value = getenv(name);

    return value ? strtol(value, NULL, 0) : otherwise;
}

static void
test_random_scripts(void **state)
{
    uint32_t seed = setting("VIRGA_SEED", 0x56495247);
    int steps = setting("VIRGA_STEPS", 3000);

    print_message("VIRGA_SEED=%" PRIu32 " VIRGA_STEPS=%d\n", seed, steps);
    free(run_script(seed, steps, false));
}

static void
test_random_dual_stack_scripts(void **state)
{
    free(run_script(setting("VIRGA_SEED", 0x56495247), setting("VIRGA_STEPS", 1500), true));
}

static void
test_equal_scripts_give_equal_numbers(void **state)
{
    char *first = run_script(7, 400, false);
    void *shift = xmalloc(123457);
    char *second = run_script(7, 400, false);

    assert_string_equal(first, second);
    free(first);
    free(second);
    free(shift);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_scripts),
        cmocka_unit_test(test_random_dual_stack_scripts),
        cmocka_unit_test(test_equal_scripts_give_equal_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
