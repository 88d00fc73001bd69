/* Requests of virga-cni: bytes to a request or an error, and the answers to
 * it. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "node/cni_protocol.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool ok)
{
    if (!ok) {
        abort();
    }
}

/* Every answer is one line of JSON. */
static void
check_answer(char *take)
{
    require(!strchr(take, '\n'));
    json_t *o = json_loads(take, 0, NULL);
    require(json_is_object(o));
    json_decref(o);
    free(take);
}

static void
answer(const struct cni_request *r)
{
    struct prefix address = { .plen = 120 };
    address.addr.s6_addr[10] = address.addr.s6_addr[11] = 0xff;
    struct cni_result result = {
        .host_ifname = "vp0",
        .ifname = "eth0",
        .netns = "/x",
        .addresses = &address,
        .gateways = &address.addr,
        .n_addresses = 1,
    };
    check_answer(cni_answer_result(r, &result));
    if (r->prev_result) {
        free(cni_check_prev_result(r, &result));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cni_error error = { .code = CNI_OK };
    char *version;
    struct cni_request *r = cni_request_parse((const char *) data, size, &error, &version);
    require(!r == (error.code != CNI_OK));
    if (r) {
        require(r->timeout_s > 0 && r->timeout_s <= CNI_MAX_TIMEOUT_S);
        require(strlen(r->ifname) < IFNAMSIZ || r->command == CNI_STATUS || r->command == CNI_GC);
        answer(r);
    } else {
        check_answer(cni_answer_error(version, &error));
    }
    cni_request_destroy(r);
    cni_error_uninit(&error);
    free(version);
    return 0;
}
