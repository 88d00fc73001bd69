/* The compiler alone, for W4: objects to records, in memory.
 *
 *   compute FILE N_NODES N_RELABELS
 *
 * FILE has one Kubernetes object a line (tests/bench/generate.py).  Prints one JSON object:
 * seconds to decode all, seconds to compile all ("seconds": from decoded objects to
 * records), memory at the end and at most, what came of it, and microseconds of relabels
 * of single pods.  Small inputs are compared with the oracle, which is quadratic. */
#include <errno.h>
#include <jansson.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "compile/compile.h"
#include "model/field_errors.h"
#include "model/objects.h"
#include "util.h"

enum { MAX_CHECKED = 3000 };

/* A decoded object: one of these. */
struct item {
    struct k8s_namespace *ns;
    struct k8s_pod *pod;
    struct network_policy *policy;
};

struct input {
    struct item *items;
    size_t n, allocated;
    char **pods; /* Lines of some pods, to be relabelled. */
    size_t n_pods, n_relabels;
};

static double
now_seconds(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}

/* In MB; 'key' as in /proc/self/status. */
static double
memory_mb(const char *key)
{
    char line[256];
    double mb = 0;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file)) {
        if (!strncmp(line, key, strlen(key))) {
            mb = strtod(line + strlen(key) + 1, NULL) / 1024;
        }
    }
    if (file) {
        fclose(file);
    }
    return mb;
}

/* --- Decode ----------------------------------------------------------------------- */

static bool
decode_json(const json_t *json, struct item *item)
{
    const char *kind = json_string_value(json_object_get(json, "kind"));
    struct field_errors errors;
    field_errors_init(&errors);
    if (kind && !strcmp(kind, "Namespace")) {
        item->ns = k8s_namespace_decode(json, &errors);
    } else if (kind && !strcmp(kind, "Pod")) {
        item->pod = k8s_pod_decode(json, &errors);
    } else if (kind) {
        item->policy = network_policy_decode(json, &errors);
    }
    field_errors_uninit(&errors);
    return item->ns || item->pod || item->policy;
}

static struct item
decode_line(const char *line)
{
    struct item item = { NULL, NULL, NULL };
    json_t *json = json_loads(line, 0, NULL);
    if (!json || !decode_json(json, &item)) {
        ovs_fatal(0, "this object cannot be decoded: %s", line);
    }
    json_decref(json);
    return item;
}

static void
read_input(const char *path, struct input *in)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t size = 0;
    if (!file) {
        ovs_fatal(errno, "%s", path);
    }
    in->pods = xcalloc(in->n_relabels + 1, sizeof *in->pods);
    while (getline(&line, &size, file) > 0) {
        if (in->n == in->allocated) {
            in->items = x2nrealloc(in->items, &in->allocated, sizeof *in->items);
        }
        struct item item = decode_line(line);
        if (item.pod && in->n_pods < in->n_relabels) {
            in->pods[in->n_pods++] = xstrdup(line);
        }
        in->items[in->n++] = item;
    }
    free(line);
    fclose(file);
}

/* --- Compile ---------------------------------------------------------------------- */

static void
set_item(struct compile *c, struct item item)
{
    if (item.ns) {
        compile_set_namespace(c, item.ns);
    } else if (item.pod) {
        compile_set_pod(c, item.pod);
    } else {
        compile_set_policy(c, item.policy);
    }
}

static void
set_nodes(struct compile *c, int n)
{
    for (int i = 0; i < n; i++) {
        char *name = xasprintf("node-%d", i + 1);
        struct in6_addr addr;
        char *text = xasprintf("172.31.%d.%d", i / 250, 1 + i % 250);
        char *error = addr_parse(text, &addr);
        ovs_assert(!error);
        compile_set_node(c, name, &addr, &addr, 1);
        free(text);
        free(name);
    }
}

static double
compile_all(struct compile *c, struct input *in)
{
    double begun = now_seconds();
    for (size_t i = 0; i < in->n; i++) {
        set_item(c, in->items[i]);
    }
    compile_run(c);
    return now_seconds() - begun;
}

/* The pod's first label takes the value of another pod's, and its own again:
 * microseconds each. */
static double
relabel(struct compile *c, const struct input *in)
{
    double seconds = 0;
    size_t n = 0;
    for (size_t i = 0; i + 1 < in->n_pods; i++) {
        struct item mine = decode_line(in->pods[i]), other = decode_line(in->pods[i + 1]);
        struct labels labels = mine.pod->meta.labels;
        mine.pod->meta.labels = other.pod->meta.labels;
        other.pod->meta.labels = labels;
        k8s_pod_destroy(other.pod);
        struct k8s_pod *back = decode_line(in->pods[i]).pod;

        records_clear_changes(compile_records(c));
        double begun = now_seconds();
        compile_set_pod(c, mine.pod);
        compile_run(c);
        compile_set_pod(c, back);
        compile_run(c);
        seconds += now_seconds() - begun;
        n += 2;
    }
    return n ? 1e6 * seconds / (double) n : 0;
}

static void
check(const struct compile *c, const struct input *in)
{
    char *error = in->n <= MAX_CHECKED ? compile_check_full(c) : NULL;
    if (error) {
        ovs_fatal(0, "not what a full computation gives: %s", error);
    }
}

int
main(int argc, char *argv[])
{
    if (argc != 4) {
        ovs_fatal(0, "usage: compute FILE N_NODES N_RELABELS");
    }
    struct compile_config config;
    compile_config_default(&config);
    struct compile *c = compile_create(&config);
    struct input in = { .n_relabels = strtoul(argv[3], NULL, 10) };

    double begun = now_seconds();
    read_input(argv[1], &in);
    double decoded = now_seconds() - begun;
    set_nodes(c, (int) strtol(argv[2], NULL, 10));
    double compiled = compile_all(c, &in);
    double rss = memory_mb("VmRSS"), peak = memory_mb("VmHWM");
    double relabelled = relabel(c, &in);
    check(c, &in);
    struct records *records = compile_records(c);
    printf("{\"objects\": %zu, \"decode_seconds\": %.4f, \"seconds\": %.4f, \"rss_mb\": %.1f, "
           "\"peak_mb\": %.1f, \"relabel_us\": %.2f, "
           "\"endpoints\": %zu, \"identities\": %zu, \"sets\": %zu, \"rules\": %zu}\n",
           in.n, decoded, compiled, rss, peak, relabelled, records_count(records, RECORD_ENDPOINT),
           records_count(records, RECORD_IDENTITY), records_count(records, RECORD_SET),
           records_count(records, RECORD_RULE));
    for (size_t i = 0; i < in.n_pods; i++) {
        free(in.pods[i]);
    }
    free(in.pods);
    free(in.items);
    compile_destroy(c);
    return 0;
}
