/* The words of CNI (https://www.cni.dev/docs/spec, versions 0.3.0 to 1.1.0)
 * as data: requests, results, errors.
 *
 * virga-cni hands what a container runtime gave it to the agent as one JSON
 * object on one line:
 *
 *   {"command":"ADD", "containerID":"...", "netns":"/run/netns/x",
 *    "ifname":"eth0", "args":"K8S_POD_NAME=...;...", "timeout":SECONDS,
 *    "config":{...what came on standard input...}}
 *
 * The answer is one line, {"result":{...}|null} or {"error":{"cniVersion",
 * "code","msg","details"}}, which virga-cni prints.
 *
 * Pure: no I/O.  Input is not trusted; tests/fuzz/cni_fuzz.c. */
#ifndef VIRGA_CNI_PROTOCOL_H
#define VIRGA_CNI_PROTOCOL_H 1

#include <jansson.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/prefix.h"
#include "openvswitch/types.h"

enum {
    CNI_MAX_REQUEST = 1024 * 1024, /* Bytes of one request. */
    CNI_MAX_ATTACHMENTS = 4096,    /* Of one GC. */
    CNI_DEFAULT_TIMEOUT_S = 30,
    CNI_MAX_TIMEOUT_S = 300,
};

enum cni_command { CNI_ADD, CNI_DEL, CNI_CHECK, CNI_STATUS, CNI_GC };

/* Error codes of the specification, section "Error". */
enum cni_code {
    CNI_OK = 0,
    CNI_INCOMPATIBLE_VERSION = 1,
    CNI_UNSUPPORTED_FIELD = 2,
    CNI_UNKNOWN_CONTAINER = 3,
    CNI_BAD_ENVIRONMENT = 4,
    CNI_IO = 5,
    CNI_DECODE = 6,
    CNI_BAD_CONFIG = 7,
    CNI_TRY_AGAIN = 11,
    CNI_NOT_AVAILABLE = 50,
    CNI_ALREADY_ATTACHED = 100, /* Virga's own. */
    CNI_CHECK_FAILED = 101,
};

/* code CNI_OK: no error.  'msg' says what, 'details' what to look at. */
struct cni_error {
    enum cni_code code;
    char *msg;
    char *details; /* May be NULL. */
};
void cni_error_uninit(struct cni_error *);
void cni_error_set(struct cni_error *, enum cni_code, const char *details, const char *msg_fmt,
                   ...) __attribute__((format(printf, 4, 5)));

struct cni_attachment {
    char *container;
    char *ifname;
};

struct cni_request {
    enum cni_command command;
    char *version;   /* cniVersion, one that we support. */
    char *network;   /* "name" of the configuration. */
    char *container; /* "" for STATUS and GC. */
    char *ifname;
    char *netns; /* "" if absent (DEL). */
    char *pod;   /* NAMESPACE/NAME from K8S_POD_*; "" if absent (DEL). */
    char *uid;   /* K8S_POD_UID, "" if absent. */
    int timeout_s;
    json_t *prev_result;          /* NULL if absent. */
    struct cni_attachment *valid; /* GC: those to keep. */
    size_t n_valid;
};

/* Returns a new request; or NULL with *error set and, in *version, the
 * version to answer in (malloc'd). */
struct cni_request *cni_request_parse(const char *text, size_t len, struct cni_error *,
                                      char **version);
void cni_request_destroy(struct cni_request *);
const char *cni_command_name(enum cni_command);

/* What ADD achieved. */
struct cni_result {
    const char *host_ifname;
    struct eth_addr host_mac;
    const char *ifname;
    struct eth_addr mac;
    const char *netns;
    int mtu;
    const struct prefix *addresses; /* With the length of the subnet. */
    const struct in6_addr *gateways;
    size_t n_addresses;
};

/* Answers, each one line without the newline; the caller frees.  A result of
 * ADD is appended to the request's prev_result, if there is one. */
char *cni_answer_result(const struct cni_request *, const struct cni_result *);
char *cni_answer_nothing(void);
char *cni_answer_error(const char *version, const struct cni_error *);

/* Does prev_result, which the runtime got from us at ADD, agree with 'now'?
 * NULL, or a malloc'd description of the difference. */
char *cni_check_prev_result(const struct cni_request *, const struct cni_result *now)
    __attribute__((warn_unused_result));

#endif
