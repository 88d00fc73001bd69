#include "model/objects.h"

#include <stdlib.h>
#include <string.h>

#include "model/names.h"
#include "model/object_decode.h"
#include "sset.h"
#include "util.h"

/* Containers. */

static const char *
container_port_name_decode(const struct json_field *port, struct sset *names)
{
    struct json_field f = json_field_member(port, "name");
    const char *name = json_field_string(&f);

    if (!name || !name[0]) {
        return "";
    }
    if (!json_field_accept(&f, name, name_port_check(name))) {
        return "";
    }
    if (!sset_add(names, name)) {
        json_field_error(&f, FIELD_DUPLICATE, "%s", "");
    }
    return name;
}

static void
container_port_decode(const struct json_field *f, struct sset *names, struct pod_port *port)
{
    struct json_field number = json_field_member(f, "containerPort");

    json_field_is_object(f);
    if (!number.value) {
        json_field_error(&number, FIELD_REQUIRED, "%s", "");
    }
    port->number = port_number_decode(&number);
    port->protocol = protocol_decode(f);
    port->name = container_port_name_decode(f, names);
}

/* 'listens': its ports are ports of the pod; else they are only checked. */
static void
container_ports_decode(const struct json_field *container, bool listens, struct k8s_pod *pod)
{
    struct json_field ports = json_field_member(container, "ports");
    size_t n = json_field_array_length(&ports, OBJECTS_MAX_PORTS);
    struct sset names = SSET_INITIALIZER(&names);

    if (pod->n_ports + n > OBJECTS_MAX_PORTS) {
        json_field_error(&ports, FIELD_TOO_MANY, "a pod must have at most %d ports",
                         OBJECTS_MAX_PORTS);
        n = 0;
    }
    if (n) {
        pod->ports = xrealloc(pod->ports, (pod->n_ports + n) * sizeof *pod->ports);
    }
    for (size_t i = 0; i < n; i++) {
        struct json_field element = json_field_element(&ports, i);
        struct pod_port port;
        size_t before = field_errors_count(ports.errors);

        container_port_decode(&element, &names, &port);
        if (listens && field_errors_count(ports.errors) == before) {
            port.name = intern(port.name);
            pod->ports[pod->n_ports++] = port;
        }
    }
    sset_destroy(&names);
}

static void
container_name_decode(const struct json_field *container, struct sset *names)
{
    struct json_field f = json_field_member(container, "name");
    const char *name = json_field_string(&f);

    if (!name || !name[0]) {
        if (!f.value || name) {
            json_field_error(&f, FIELD_REQUIRED, "%s", "");
        }
    } else if (json_field_accept(&f, name, name_label_check(name)) && !sset_add(names, name)) {
        json_field_error(&f, FIELD_DUPLICATE, "%s", "");
    }
}

/* A sidecar: an init container that keeps running. */
static bool
is_restartable(const struct json_field *container)
{
    struct json_field policy = json_field_member(container, "restartPolicy");
    const char *s = json_field_string(&policy);

    return s && !strcmp(s, "Always");
}

static void
containers_decode(const struct json_field *list, bool init, struct sset *names,
                  struct k8s_pod *pod)
{
    size_t n = json_field_array_length(list, OBJECTS_MAX_CONTAINERS);

    for (size_t i = 0; i < n; i++) {
        struct json_field container = json_field_element(list, i);

        json_field_is_object(&container);
        container_name_decode(&container, names);
        container_ports_decode(&container, !init || is_restartable(&container), pod);
    }
}

static void
all_containers_decode(const struct json_field *spec, struct k8s_pod *pod)
{
    struct json_field containers = json_field_member(spec, "containers");
    struct json_field init = json_field_member(spec, "initContainers");
    struct sset names = SSET_INITIALIZER(&names);

    if (!containers.value
        || (json_is_array(containers.value) && !json_array_size(containers.value))) {
        json_field_error(&containers, FIELD_REQUIRED, "%s", "");
    }
    containers_decode(&containers, false, &names, pod);
    containers_decode(&init, true, &names, pod);
    sset_destroy(&names);
}

/* The rest of the spec. */

static void
spec_decode(const struct json_field *spec, struct k8s_pod *pod)
{
    struct json_field node_name = json_field_member(spec, "nodeName");
    struct json_field host_network = json_field_member(spec, "hostNetwork");
    const char *node = json_field_string(&node_name);

    json_field_is_object(spec);
    if (node && node[0]) {
        json_field_accept(&node_name, node, name_subdomain_check(node));
    }
    pod->node_name = xstrdup(node ? node : "");
    pod->host_network = json_field_bool(&host_network);
    all_containers_decode(spec, pod);
}

struct addresses_walk {
    const struct json_field *field;
    struct k8s_pod *pod;
};

static void
static_ip_add(const char *item, void *walk_)
{
    struct addresses_walk *walk = walk_;

    address_list_add(walk->field, item, &walk->pod->static_ips, &walk->pod->n_static_ips);
}

static void
static_ips_decode(const struct json_field *object, struct k8s_pod *pod)
{
    struct annotation ip;

    object_annotation(object, "virga.dev/ip", &ip);
    if (ip.text) {
        struct addresses_walk walk = { &ip.entry, pod };

        each_item(ip.text, static_ip_add, &walk);
    }
}

/* status.podIPs replaced status.podIP, its first element. */
static void
status_ips_decode(const struct json_field *status, struct k8s_pod *pod)
{
    struct json_field ips = json_field_member(status, "podIPs");
    struct json_field ip = json_field_member(status, "podIP");
    size_t n = json_field_array_length(&ips, OBJECTS_MAX_ADDRESSES);

    for (size_t i = 0; i < n; i++) {
        struct json_field element = json_field_element(&ips, i);
        struct json_field f = json_field_member(&element, "ip");
        const char *text = json_field_string(&f);

        json_field_is_object(&element);
        if (text && text[0]) {
            address_list_add(&f, text, &pod->status_ips, &pod->n_status_ips);
        }
    }

    const char *text = json_field_string(&ip);

    if (!n && text && text[0]) {
        address_list_add(&ip, text, &pod->status_ips, &pod->n_status_ips);
    }
}

static void
status_decode(const struct json_field *status, struct k8s_pod *pod)
{
    struct json_field phase_field = json_field_member(status, "phase");
    const char *phase = json_field_string(&phase_field);

    json_field_is_object(status);
    pod->completed = phase && (!strcmp(phase, "Succeeded") || !strcmp(phase, "Failed"));
    status_ips_decode(status, pod);
}

struct k8s_pod *
k8s_pod_decode(const json_t *json, struct field_errors *errors)
{
    struct json_field object = json_field_root(json, errors);
    struct json_field spec = json_field_member(&object, "spec");
    struct json_field status = json_field_member(&object, "status");
    struct k8s_pod *pod = xzalloc(sizeof *pod);
    size_t before = field_errors_count(errors);

    object_meta_decode(&object, true, name_subdomain_check, &pod->meta);
    spec_decode(&spec, pod);
    static_ips_decode(&object, pod);
    status_decode(&status, pod);
    if (field_errors_count(errors) != before) {
        k8s_pod_destroy(pod);
        return NULL;
    }
    return pod;
}

void
k8s_pod_destroy(struct k8s_pod *pod)
{
    if (pod) {
        object_meta_uninit(&pod->meta);
        free(pod->node_name);
        free(pod->static_ips);
        free(pod->status_ips);
        free(pod->ports);
        free(pod);
    }
}
