#include "node/attachments.h"

#include <stdlib.h>
#include <string.h>

#include "flow.h"
#include "node/ovs_config.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/shash.h"
#include "util.h"

struct attachment {
    char *uid;
    char *port;
    ofp_port_t ofport;
};

struct attachments {
    struct shash by_name; /* struct attachment by endpoint name. */
    attachments_cb *cb;
    void *aux;
};

struct attachments *
attachments_create(attachments_cb *cb, void *aux)
{
    struct attachments *at = xzalloc(sizeof *at);
    shash_init(&at->by_name);
    at->cb = cb;
    at->aux = aux;
    return at;
}

static void
attachment_destroy(struct attachment *a)
{
    free(a->uid);
    free(a->port);
    free(a);
}

void
attachments_destroy(struct attachments *at)
{
    if (at) {
        struct shash_node *node;
        SHASH_FOR_EACH (node, &at->by_name) {
            attachment_destroy(node->data);
        }
        shash_destroy(&at->by_name);
        free(at);
    }
}

/* The port that counts for each endpoint: struct ovs_endpoint by name. */
static void
current_ports(const struct ovs_config *cfg, struct shash *current)
{
    size_t n;
    const struct ovs_endpoint **all = ovs_config_endpoints(cfg, &n);
    for (size_t i = 0; i < n; i++) {
        const struct ovs_endpoint *other = shash_find_data(current, all[i]->name);
        if (!other || other->created_ms < all[i]->created_ms) {
            shash_replace(current, all[i]->name, all[i]);
        }
    }
    free(all);
}

static bool
report(struct attachments *at, const struct ovs_endpoint *e)
{
    struct attachment *a = shash_find_data(&at->by_name, e->name);
    if (a && a->ofport == e->ofport && !strcmp(a->uid, e->uid) && !strcmp(a->port, e->port)) {
        return false;
    }
    if (!a) {
        if (!e->ofport) {
            return false;
        }
        a = xzalloc(sizeof *a);
        shash_add(&at->by_name, e->name, a);
    }
    free(a->uid);
    free(a->port);
    a->uid = xstrdup(e->uid);
    a->port = xstrdup(e->port);
    a->ofport = e->ofport;
    at->cb(at->aux, e->name, a->uid, a->ofport);
    return true;
}

bool
attachments_sync(struct attachments *at, const struct ovs_config *cfg)
{
    struct shash current = SHASH_INITIALIZER(&current);
    current_ports(cfg, &current);
    bool any = false;
    struct shash_node *node;
    SHASH_FOR_EACH_SAFE (node, &at->by_name) {
        if (!shash_find(&current, node->name)) {
            struct attachment *a = node->data;
            at->cb(at->aux, node->name, a->uid, 0);
            attachment_destroy(a);
            shash_delete(&at->by_name, node);
            any = true;
        }
    }
    SHASH_FOR_EACH (node, &current) {
        any |= report(at, node->data);
    }
    shash_destroy(&current);
    return any;
}

bool
attachments_is_at(const struct attachments *at, const char *name, const char *port)
{
    const struct attachment *a = shash_find_data(&at->by_name, name);
    return a && a->ofport && !strcmp(a->port, port);
}

void
attachments_format(const struct attachments *at, struct ds *s)
{
    const struct shash_node **nodes = shash_sort(&at->by_name);
    for (size_t i = 0; i < shash_count(&at->by_name); i++) {
        const struct attachment *a = nodes[i]->data;
        ds_put_format(s, "%s uid=%s port=%s ofport=%u\n", nodes[i]->name, a->uid, a->port,
                      ofp_to_u16(a->ofport));
    }
    free(nodes);
}
