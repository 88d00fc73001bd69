/* The 112 NetworkPolicy cases that come as data, each with the truth table of
 * another policy engine: networkpolicy-cases.json beside the checkout, or the
 * file that VIRGA_CONFORMANCE names.  Skipped without it. */
#include "compile/opinion_test.h"

#include <netinet/in.h>

#define DEFAULT_FILE "../shared/conformance/networkpolicy-cases.json"

enum { N_CASES = 112 };

struct tally {
    int cases, cells, wrong;
    struct ds first; /* The first wrong cell of the case at hand. */
};

/* Subnets that hold the addresses of the cases without touching. */
static char *
subnets_of(const char *ns, const json_t *pods)
{
    static const char *const fixed[][2] = {
        { "x", "10.244.0.0/27" },
        { "y", "10.244.1.0/26" },
        { "z", "10.244.0.32/27,10.244.0.64/27" },
    };
    struct ds ds = DS_EMPTY_INITIALIZER;
    size_t i;
    json_t *pod;

    for (i = 0; i < ARRAY_SIZE(fixed); i++) {
        if (!strcmp(fixed[i][0], ns)) {
            ds_put_cstr(&ds, fixed[i][1]);
        }
    }
    json_array_foreach (pods, i, pod) {
        if (!strcmp(json_string_value(json_object_get(pod, "ns")), ns)
            && !strncmp(json_string_value(json_object_get(pod, "ip")), "192.168.1.", 10)) {
            ds_put_format(&ds, "%s192.168.1.0/24", ds.length ? "," : "");
            break;
        }
    }
    return ds_steal_cstr(&ds);
}

static void
set_namespaces(struct world *w, const json_t *step)
{
    json_t *pods = json_object_get(step, "pods"), *labels;
    const char *name;

    json_object_foreach (json_object_get(step, "namespaces"), name, labels) {
        char *subnets = subnets_of(name, pods);

        world_set_json(w, json_pack("{s:s, s:s, s:{s:s, s:O, s:{s:s}}}", "apiVersion", "v1",
                                    "kind", "Namespace", "metadata", "name", name, "labels",
                                    labels, "annotations", "virga.dev/subnets", subnets));
        free(subnets);
    }
}

/* What every pod listens on, as container ports. */
static json_t *
container_ports(const json_t *root)
{
    json_t *ports = json_array(), *port;
    size_t i;

    json_array_foreach (json_object_get(root, "podPorts"), i, port) {
        json_array_append_new(ports,
                              json_pack("{s:O, s:O, s:O}", "name", json_object_get(port, "name"),
                                        "protocol", json_object_get(port, "protocol"),
                                        "containerPort", json_object_get(port, "port")));
    }
    assert_true(json_array_size(ports) > 0);
    return ports;
}

static void
set_pods(struct world *w, const json_t *step, json_t *ports)
{
    json_t *pod;
    size_t i;

    json_array_foreach (json_object_get(step, "pods"), i, pod) {
        world_set_json(w,
                       json_pack("{s:s, s:s, s:{s:O, s:O, s:O, s:{s:O}}, s:{s:[{s:s, s:O}]}}",
                                 "apiVersion", "v1", "kind", "Pod", "metadata", "namespace",
                                 json_object_get(pod, "ns"), "name", json_object_get(pod, "name"),
                                 "labels", json_object_get(pod, "labels"), "annotations",
                                 "virga.dev/ip", json_object_get(pod, "ip"), "spec", "containers",
                                 "name", "c", "ports", ports));
    }
}

static void
set_policies(struct world *w, const json_t *step)
{
    json_t *policy;
    size_t i;

    json_array_foreach (json_object_get(step, "policies"), i, policy) {
        world_set_json(w, json_deep_copy(policy));
    }
}

static bool
has_object(const json_t *step, const char *kind, const char *ns, const char *name)
{
    json_t *item;
    size_t i;

    json_array_foreach (json_object_get(step, kind), i, item) {
        bool is_pod = !strcmp(kind, "pods");
        const char *item_ns = is_pod ? json_string_value(json_object_get(item, "ns"))
                                     : world_meta(item, "namespace");
        const char *item_name = is_pod ? json_string_value(json_object_get(item, "name"))
                                       : world_meta(item, "name");

        if (!strcmp(item_ns, ns) && !strcmp(item_name, name)) {
            return true;
        }
    }
    return false;
}

/* What the step before had and this has not. */
static void
delete_gone(struct world *w, const json_t *step)
{
    json_t *objects = json_copy(w->objects), *object;
    const char *key;

    json_object_foreach (objects, key, object) {
        const char *ns = world_meta(object, "namespace"), *name = world_meta(object, "name");

        if (!strncmp(key, "Pod/", 4) && !has_object(step, "pods", ns, name)) {
            world_del_pod(w, ns, name);
        } else if (!strncmp(key, "NetworkPolicy/", 14)
                   && !has_object(step, "policies", ns, name)) {
            world_del_policy(w, ns, name);
        } else if (!strncmp(key, "Namespace/", 10)
                   && !json_object_get(json_object_get(step, "namespaces"), name)) {
            world_del_namespace(w, name);
        }
    }
    json_decref(objects);
}

static struct in6_addr
address_of(const struct world *w, const char *name)
{
    const char *slash = strchr(name, '/');
    char *ns = xmemdup0(name, slash - name);
    const struct rec_endpoint *endpoint = world_endpoint(w, ns, slash + 1);

    assert_non_null(endpoint);
    free(ns);
    return endpoint->ips[0];
}

static struct evaluate_tuple
tuple_of(const struct world *w, const char *from, const char *to, const char *port)
{
    struct evaluate_tuple tuple = {
        .src = address_of(w, from),
        .dst = address_of(w, to),
        .protocol = !strncmp(port, "TCP", 3)   ? IPPROTO_TCP
                    : !strncmp(port, "UDP", 3) ? IPPROTO_UDP
                                               : IPPROTO_SCTP,
        .dst_port = strtoul(strchr(port, '/') + 1, NULL, 10),
    };

    return tuple;
}

static char
cell(const json_t *table, const char *which, size_t from, size_t to)
{
    return json_string_value(json_array_get(json_object_get(table, which), from))[to];
}

static char
mark(bool allow)
{
    return allow ? '.' : 'X';
}

static void
check_cell(struct world *w, const struct evaluate *e, const char *port, const json_t *table,
           const json_t *order, size_t i, size_t j, struct tally *tally)
{
    const char *from = json_string_value(json_array_get(order, i));
    const char *to = json_string_value(json_array_get(order, j));
    struct evaluate_tuple tuple = tuple_of(w, from, to, port);
    struct evaluate_verdict v = evaluate(e, &tuple);

    if (cell(table, "combined", i, j) != mark(world_verdict(w, e, &tuple))
        || cell(table, "egress", i, j) != mark(!v.egress || v.egress->action == RULE_ALLOW)
        || cell(table, "ingress", i, j) != mark(!v.ingress || v.ingress->action == RULE_ALLOW)) {
        tally->wrong++;
        if (!tally->first.length) {
            ds_put_format(&tally->first, ": %s -> %s on %s should be %c", from, to, port,
                          cell(table, "combined", i, j));
        }
    }
}

static void
check_table(struct world *w, const json_t *step, struct tally *tally)
{
    const json_t *order = json_object_get(step, "order");
    struct evaluate *e = evaluate_create(compile_records(w->c));
    size_t n = json_array_size(order);
    const char *port;
    json_t *table;

    json_object_foreach (json_object_get(step, "expected"), port, table) {
        for (size_t i = 0; i < n; i++) {
            for (size_t j = 0; j < n; j++) {
                if (i != j) {
                    check_cell(w, e, port, table, order, i, j, tally);
                    tally->cells++;
                }
            }
        }
    }
    evaluate_destroy(e);
}

static void
run_case(const json_t *test_case, json_t *ports, struct tally *tally)
{
    int cells = tally->cells, wrong = tally->wrong;
    struct world w;
    json_t *step;
    size_t i, n_problems;

    world_init(&w);
    json_array_foreach (json_object_get(test_case, "steps"), i, step) {
        delete_gone(&w, step);
        set_namespaces(&w, step);
        set_policies(&w, step);
        set_pods(&w, step, ports);
        world_run(&w);
        compile_problems(w.c, &n_problems);
        assert_int_equal(n_problems, 0);
        check_table(&w, step, tally);
    }
    tally->cases++;
    world_uninit(&w);
    /* tests/conformance reads it. */
    print_message("case %d: %d of %d cells wrong%s\n",
                  (int) json_integer_value(json_object_get(test_case, "n")), tally->wrong - wrong,
                  tally->cells - cells, ds_cstr(&tally->first));
    ds_clear(&tally->first);
}

static void
test_conformance(void **state)
{
    const char *file = getenv("VIRGA_CONFORMANCE") ? getenv("VIRGA_CONFORMANCE") : DEFAULT_FILE;
    json_t *root = json_load_file(file, 0, NULL), *ports, *test_case;
    struct tally tally = { .first = DS_EMPTY_INITIALIZER };
    size_t i;

    if (!root) {
        print_message("skipped: there is no %s\n", file);
        skip();
    }
    ports = container_ports(root);
    json_array_foreach (json_object_get(root, "cases"), i, test_case) {
        run_case(test_case, ports, &tally);
    }
    json_decref(ports);
    json_decref(root);
    ds_destroy(&tally.first);
    assert_int_equal(tally.wrong, 0);
    assert_int_equal(tally.cases, N_CASES);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conformance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
