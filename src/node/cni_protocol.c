#include "node/cni_protocol.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "util.h"

static const char *const versions[] = { "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0" };

static const char *const command_names[] = {
    [CNI_ADD] = "ADD",       [CNI_DEL] = "DEL", [CNI_CHECK] = "CHECK",
    [CNI_STATUS] = "STATUS", [CNI_GC] = "GC",
};

const char *
cni_command_name(enum cni_command command)
{
    return command_names[command];
}

/* --- Errors --------------------------------------------------------------- */

void
cni_error_uninit(struct cni_error *error)
{
    free(error->msg);
    free(error->details);
    *error = (struct cni_error){ .code = CNI_OK };
}

void
cni_error_set(struct cni_error *error, enum cni_code code, const char *details,
              const char *msg_fmt, ...)
{
    va_list args;
    va_start(args, msg_fmt);
    char *msg = xvasprintf(msg_fmt, args);
    va_end(args);
    char *copy = nullable_xstrdup(details);
    cni_error_uninit(error);
    error->code = code;
    error->msg = msg;
    error->details = copy;
}

/* --- Requests --------------------------------------------------------------- */

static int
version_rank(const char *version)
{
    for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
        if (!strcmp(versions[i], version)) {
            return i;
        }
    }
    return -1;
}

static const char *
get_string(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));
    return s ? s : "";
}

/* Container ids and network names: ^[a-zA-Z0-9][a-zA-Z0-9_.-]*$ */
static bool
is_name(const char *s)
{
    if (!isalnum((unsigned char) s[0])) {
        return false;
    }
    return strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
           == strlen(s);
}

/* As dev_valid_name() of the kernel. */
static bool
is_ifname(const char *s)
{
    size_t len = strlen(s);
    if (!len || len >= IFNAMSIZ || !strcmp(s, ".") || !strcmp(s, "..")) {
        return false;
    }
    for (; *s; s++) {
        if (*s == '/' || *s == ':' || isspace((unsigned char) *s)) {
            return false;
        }
    }
    return true;
}

static bool
parse_command(const json_t *root, enum cni_command *command)
{
    const char *name = get_string(root, "command");
    for (size_t i = 0; i < ARRAY_SIZE(command_names); i++) {
        if (!strcmp(name, command_names[i])) {
            *command = i;
            return true;
        }
    }
    return false;
}

/* The value of 'key' in "A=1;B=2", malloc'd; "" if absent. */
static char *
find_arg(const char *args, const char *key)
{
    size_t key_len = strlen(key);
    while (*args) {
        size_t len = strcspn(args, ";");
        if (len > key_len && !strncmp(args, key, key_len) && args[key_len] == '=') {
            return xmemdup0(args + key_len + 1, len - key_len - 1);
        }
        args += len;
        args += *args == ';';
    }
    return xstrdup("");
}

static char *
parse_pod(const char *args)
{
    char *ns = find_arg(args, "K8S_POD_NAMESPACE");
    char *name = find_arg(args, "K8S_POD_NAME");
    char *pod = ns[0] && name[0] ? xasprintf("%s/%s", ns, name) : xstrdup("");
    free(ns);
    free(name);
    return pod;
}

/* Capabilities that change the network; the runtime gives them only if the
 * configuration asked for them. */
static const char *
unsupported_capability(const json_t *config)
{
    static const char *const names[] = { "portMappings", "bandwidth", "ips",           "mac",
                                         "ipRanges",     "deviceID",  "infinibandGUID" };
    const json_t *runtime = json_object_get(config, "runtimeConfig");
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const json_t *value = json_object_get(runtime, names[i]);
        bool empty = !value || json_is_null(value)
                     || (json_is_array(value) && !json_array_size(value))
                     || (json_is_object(value) && !json_object_size(value))
                     || (json_is_string(value) && !json_string_length(value));
        if (!empty) {
            return names[i];
        }
    }
    return NULL;
}

static bool
parse_version(struct cni_request *r, const json_t *config, struct cni_error *error)
{
    const char *version = get_string(config, "cniVersion");
    int rank = version_rank(version);
    if (rank < 0) {
        cni_error_set(error, CNI_INCOMPATIBLE_VERSION,
                      "supported: 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0",
                      "cniVersion \"%s\" is not supported", version);
        return false;
    }
    const char *since = r->command == CNI_CHECK                            ? "0.4.0"
                        : r->command == CNI_STATUS || r->command == CNI_GC ? "1.1.0"
                                                                           : "0.3.0";
    if (rank < version_rank(since)) {
        cni_error_set(error, CNI_INCOMPATIBLE_VERSION, NULL, "%s needs cniVersion %s, not %s",
                      cni_command_name(r->command), since, version);
        return false;
    }
    r->version = xstrdup(version);
    return true;
}

static bool
parse_config(struct cni_request *r, const json_t *config, struct cni_error *error)
{
    if (!json_is_object(config)) {
        cni_error_set(error, CNI_DECODE, NULL, "the network configuration is not a JSON object");
        return false;
    }
    if (!parse_version(r, config, error)) {
        return false;
    }
    r->network = xstrdup(get_string(config, "name"));
    if (!is_name(r->network)) {
        cni_error_set(error, CNI_BAD_CONFIG, NULL,
                      "\"name\" of the network is missing or invalid");
        return false;
    }
    const char *capability = unsupported_capability(config);
    if (capability && r->command == CNI_ADD) {
        cni_error_set(error, CNI_UNSUPPORTED_FIELD, NULL, "runtimeConfig.%s is not supported",
                      capability);
        return false;
    }
    json_t *prev = json_object_get(config, "prevResult");
    if (json_is_object(prev)) {
        r->prev_result = json_incref(prev);
    } else if (r->command == CNI_CHECK) {
        cni_error_set(error, CNI_BAD_CONFIG, NULL, "CHECK needs prevResult");
        return false;
    }
    return true;
}

static bool
parse_environment(struct cni_request *r, const json_t *root, struct cni_error *error)
{
    const char *args = get_string(root, "args");
    r->container = xstrdup(get_string(root, "containerID"));
    r->ifname = xstrdup(get_string(root, "ifname"));
    r->netns = xstrdup(get_string(root, "netns"));
    r->pod = parse_pod(args);
    r->uid = find_arg(args, "K8S_POD_UID");
    if (r->command == CNI_STATUS || r->command == CNI_GC) {
        return true;
    }
    const char *bad = !is_name(r->container)    ? "CNI_CONTAINERID"
                      : !is_ifname(r->ifname)   ? "CNI_IFNAME"
                      : r->command == CNI_DEL   ? NULL
                      : !r->netns[0]            ? "CNI_NETNS"
                      : r->command == CNI_CHECK ? NULL
                      : !r->pod[0]              ? "CNI_ARGS (K8S_POD_NAMESPACE, K8S_POD_NAME)"
                                                : NULL;
    if (bad) {
        cni_error_set(error, CNI_BAD_ENVIRONMENT, NULL, "%s is missing or invalid", bad);
    }
    return !bad;
}

static bool
parse_attachments(struct cni_request *r, const json_t *config, struct cni_error *error)
{
    const json_t *list = json_object_get(config, "cni.dev/valid-attachments");
    if (!list) {
        list = json_object_get(config, "cni.dev/attachments");
    }
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n > CNI_MAX_ATTACHMENTS) {
        cni_error_set(error, CNI_BAD_CONFIG, NULL,
                      "\"cni.dev/valid-attachments\" is missing or has more than %d items",
                      CNI_MAX_ATTACHMENTS);
        return false;
    }
    r->valid = xcalloc(n + 1, sizeof *r->valid);
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(list, i);
        r->valid[i].container = xstrdup(get_string(item, "containerID"));
        r->valid[i].ifname = xstrdup(get_string(item, "ifname"));
        r->n_valid++;
    }
    return true;
}

static bool
parse_request(struct cni_request *r, const json_t *root, struct cni_error *error)
{
    if (!parse_command(root, &r->command)) {
        cni_error_set(error, CNI_BAD_ENVIRONMENT, NULL, "CNI_COMMAND \"%s\" is not known",
                      get_string(root, "command"));
        return false;
    }
    json_int_t timeout = json_integer_value(json_object_get(root, "timeout"));
    r->timeout_s = timeout > 0 ? MIN(timeout, CNI_MAX_TIMEOUT_S) : CNI_DEFAULT_TIMEOUT_S;
    const json_t *config = json_object_get(root, "config");
    return parse_config(r, config, error) && parse_environment(r, root, error)
           && (r->command != CNI_GC || parse_attachments(r, config, error));
}

struct cni_request *
cni_request_parse(const char *text, size_t len, struct cni_error *error, char **version)
{
    json_error_t where;
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &where);
    *version = NULL;
    if (!json_is_object(root)) {
        cni_error_set(error, CNI_DECODE, where.text, "the request is not a JSON object");
        json_decref(root);
        return NULL;
    }
    struct cni_request *r = xzalloc(sizeof *r);
    bool good = parse_request(r, root, error);
    if (!good) {
        const char *asked = get_string(json_object_get(root, "config"), "cniVersion");
        *version = xstrdup(version_rank(asked) >= 0 ? asked : "1.0.0");
        cni_request_destroy(r);
        r = NULL;
    }
    json_decref(root);
    return r;
}

void
cni_request_destroy(struct cni_request *r)
{
    if (!r) {
        return;
    }
    free(r->version);
    free(r->network);
    free(r->container);
    free(r->ifname);
    free(r->netns);
    free(r->pod);
    free(r->uid);
    json_decref(r->prev_result);
    for (size_t i = 0; i < r->n_valid; i++) {
        free(r->valid[i].container);
        free(r->valid[i].ifname);
    }
    free(r->valid);
    free(r);
}

/* --- Results ------------------------------------------------------------------ */

static char *
addr_text(const struct in6_addr *addr)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    addr_format(addr, &s);
    return ds_steal_cstr(&s);
}

static char *
prefix_text(const struct prefix *p)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    prefix_format(p, &s);
    return ds_steal_cstr(&s);
}

static void
set_take(json_t *object, const char *key, char *text)
{
    json_object_set_new(object, key, json_string(text));
    free(text);
}

static json_t *
interface_json(const char *name, struct eth_addr mac, const char *sandbox, int mtu, bool with_mtu)
{
    json_t *o = json_object();
    json_object_set_new(o, "name", json_string(name));
    set_take(o, "mac", xasprintf(ETH_ADDR_FMT, ETH_ADDR_ARGS(mac)));
    if (sandbox) {
        json_object_set_new(o, "sandbox", json_string(sandbox));
    }
    if (with_mtu) {
        json_object_set_new(o, "mtu", json_integer(mtu));
    }
    return o;
}

static json_t *
ip_json(const struct cni_result *result, size_t i, size_t interface, bool with_family)
{
    json_t *o = json_object();
    set_take(o, "address", prefix_text(&result->addresses[i]));
    set_take(o, "gateway", addr_text(&result->gateways[i]));
    json_object_set_new(o, "interface", json_integer(interface));
    if (with_family) {
        bool ip4 = prefix_is_ip4(&result->addresses[i]);
        json_object_set_new(o, "version", json_string(ip4 ? "4" : "6"));
    }
    return o;
}

static json_t *
route_json(const struct in6_addr *gateway)
{
    json_t *o = json_object();
    json_object_set_new(o, "dst", json_string(addr_is_ip4(gateway) ? "0.0.0.0/0" : "::/0"));
    set_take(o, "gw", addr_text(gateway));
    return o;
}

/* The array 'key' of 'object', made if it is not there. */
static json_t *
array_in(json_t *object, const char *key)
{
    json_t *a = json_object_get(object, key);
    if (!json_is_array(a)) {
        json_object_set_new(object, key, json_array());
        a = json_object_get(object, key);
    }
    return a;
}

static void
fill_result(json_t *o, const struct cni_request *r, const struct cni_result *result)
{
    bool with_mtu = version_rank(r->version) >= version_rank("1.1.0");
    bool with_family = version_rank(r->version) < version_rank("1.0.0");
    json_object_set_new(o, "cniVersion", json_string(r->version));
    json_t *interfaces = array_in(o, "interfaces");
    json_array_append_new(interfaces, interface_json(result->host_ifname, result->host_mac, NULL,
                                                     result->mtu, with_mtu));
    size_t inside = json_array_size(interfaces);
    json_array_append_new(interfaces, interface_json(result->ifname, result->mac, result->netns,
                                                     result->mtu, with_mtu));
    json_t *ips = array_in(o, "ips"), *routes = array_in(o, "routes");
    for (size_t i = 0; i < result->n_addresses; i++) {
        json_array_append_new(ips, ip_json(result, i, inside, with_family));
        json_array_append_new(routes, route_json(&result->gateways[i]));
    }
    if (!json_object_get(o, "dns")) {
        json_object_set_new(o, "dns", json_object());
    }
}

static char *
dump(json_t *take)
{
    char *text = json_dumps(take, JSON_COMPACT);
    json_decref(take);
    char *copy = xstrdup(text ? text : "{}");
    free(text);
    return copy;
}

char *
cni_answer_result(const struct cni_request *r, const struct cni_result *result)
{
    json_t *o = r->prev_result ? json_deep_copy(r->prev_result) : json_object();
    fill_result(o, r, result);
    return dump(json_pack("{s:o}", "result", o));
}

char *
cni_answer_nothing(void)
{
    return xstrdup("{\"result\":null}");
}

char *
cni_answer_error(const char *version, const struct cni_error *error)
{
    json_t *o = json_object();
    json_object_set_new(o, "cniVersion", json_string(version ? version : "1.0.0"));
    json_object_set_new(o, "code", json_integer(error->code));
    /* json_string() is NULL for text that is not UTF-8, which only an input
     * that we quote can be; then the code has to do. */
    json_t *msg = json_string(error->msg);
    json_object_set_new(o, "msg", msg ? msg : json_string("invalid text in the request"));
    if (error->details && error->details[0]) {
        json_object_set_new(o, "details", json_string(error->details));
    }
    return dump(json_pack("{s:o}", "error", o));
}

/* --- CHECK ---------------------------------------------------------------------- */

static const json_t *
find_by(const json_t *array, const char *key, const char *value)
{
    size_t i;
    const json_t *item;
    json_array_foreach ((json_t *) array, i, item) {
        if (!strcmp(get_string(item, key), value)) {
            return item;
        }
    }
    return NULL;
}

static char *
check_interface(const json_t *prev, const char *name, struct eth_addr mac)
{
    const json_t *o = find_by(json_object_get(prev, "interfaces"), "name", name);
    char *expected = xasprintf(ETH_ADDR_FMT, ETH_ADDR_ARGS(mac));
    const char *got = get_string(o, "mac");
    char *error = NULL;
    if (!o) {
        error = xasprintf("prevResult has no interface %s", name);
    } else if (got[0] && strcasecmp(got, expected)) {
        error = xasprintf("interface %s of prevResult has MAC address %s, not %s", name, got,
                          expected);
    }
    free(expected);
    return error;
}

char *
cni_check_prev_result(const struct cni_request *r, const struct cni_result *now)
{
    char *error = check_interface(r->prev_result, now->ifname, now->mac);
    for (size_t i = 0; i < now->n_addresses && !error; i++) {
        char *address = prefix_text(&now->addresses[i]);
        if (!find_by(json_object_get(r->prev_result, "ips"), "address", address)) {
            error = xasprintf("prevResult lacks the address %s of the endpoint", address);
        }
        free(address);
    }
    return error;
}
