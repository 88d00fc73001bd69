#include "openflow/policy_sizes.h"

#include <stdlib.h>
#include <string.h>

#include "base/number_set.h"
#include "hash.h"
#include "openflow/lower_ids.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "util.h"

struct policy {
    struct hmap_node hmap_node; /* In 'policies', by name. */
    char *name;
    size_t size;
    struct ovs_list rules;
};

struct rule {
    struct hmap_node hmap_node; /* In 'rules', by id. */
    struct ovs_list list_node;  /* In its policy's 'rules'. */
    uint32_t id;
    size_t size;
    struct policy *policy;
};

struct policy_sizes {
    size_t limit;
    struct hmap policies, rules;
    unsigned int seqno;
    struct number_set closed; /* Rules of policies that exceed the limit. */
    unsigned int closed_seqno;
};

struct policy_sizes *
policy_sizes_create(size_t limit)
{
    struct policy_sizes *sizes = xzalloc(sizeof *sizes);
    sizes->limit = limit;
    hmap_init(&sizes->policies);
    hmap_init(&sizes->rules);
    number_set_init(&sizes->closed);
    return sizes;
}

void
policy_sizes_destroy(struct policy_sizes *sizes)
{
    if (!sizes) {
        return;
    }
    struct rule *r;
    HMAP_FOR_EACH_POP (r, hmap_node, &sizes->rules) {
        free(r);
    }
    struct policy *p;
    HMAP_FOR_EACH_POP (p, hmap_node, &sizes->policies) {
        free(p->name);
        free(p);
    }
    hmap_destroy(&sizes->rules);
    hmap_destroy(&sizes->policies);
    number_set_uninit(&sizes->closed);
    free(sizes);
}

static struct rule *
rule_find(const struct policy_sizes *sizes, uint32_t id)
{
    struct rule *r;
    HMAP_FOR_EACH_WITH_HASH (r, hmap_node, hash_int(id, 0), &sizes->rules) {
        if (r->id == id) {
            return r;
        }
    }
    return NULL;
}

static struct policy *
policy_get(struct policy_sizes *sizes, const char *name)
{
    struct policy *p;
    uint32_t hash = hash_string(name, 0);
    HMAP_FOR_EACH_WITH_HASH (p, hmap_node, hash, &sizes->policies) {
        if (!strcmp(p->name, name)) {
            return p;
        }
    }
    p = xzalloc(sizeof *p);
    p->name = xstrdup(name);
    ovs_list_init(&p->rules);
    hmap_insert(&sizes->policies, &p->hmap_node, hash);
    return p;
}

static void
set_closed(struct policy_sizes *sizes, uint32_t id, bool closed)
{
    if (number_set_has(&sizes->closed, id) == closed) {
        return;
    }
    sizes->closed_seqno++;
    if (closed) {
        number_set_add(&sizes->closed, id);
    } else {
        number_set_subtract(&sizes->closed, id);
    }
}

static void
set_size(struct policy_sizes *sizes, struct policy *p, size_t size, struct lower_ids *dirty)
{
    bool did = p->size > sizes->limit, does = size > sizes->limit;
    sizes->seqno += does || did;
    p->size = size;
    if (did != does) {
        struct rule *r;
        LIST_FOR_EACH (r, list_node, &p->rules) {
            lower_ids_mark(dirty, r->id);
            set_closed(sizes, r->id, does);
        }
    }
}

static void
rule_remove(struct policy_sizes *sizes, struct rule *r, struct lower_ids *dirty)
{
    struct policy *p = r->policy;
    hmap_remove(&sizes->rules, &r->hmap_node);
    ovs_list_remove(&r->list_node);
    set_closed(sizes, r->id, false);
    set_size(sizes, p, p->size - r->size, dirty);
    if (ovs_list_is_empty(&p->rules)) {
        hmap_remove(&sizes->policies, &p->hmap_node);
        free(p->name);
        free(p);
    }
    free(r);
}

void
policy_sizes_set(struct policy_sizes *sizes, uint32_t id, const char *policy, size_t size,
                 struct lower_ids *dirty)
{
    struct rule *r = rule_find(sizes, id);
    if (r && (!policy || strcmp(policy, r->policy->name))) {
        rule_remove(sizes, r, dirty);
        r = NULL;
    }
    if (!policy) {
        return;
    }
    if (!r) {
        r = xzalloc(sizeof *r);
        r->id = id;
        r->policy = policy_get(sizes, policy);
        hmap_insert(&sizes->rules, &r->hmap_node, hash_int(id, 0));
        ovs_list_push_back(&r->policy->rules, &r->list_node);
    }
    size_t total = r->policy->size - r->size + size;
    r->size = size;
    set_size(sizes, r->policy, total, dirty);
    set_closed(sizes, id, total > sizes->limit);
}

bool
policy_sizes_exceeds(const struct policy_sizes *sizes, uint32_t id)
{
    const struct rule *r = rule_find(sizes, id);
    return r && r->policy->size > sizes->limit;
}

const struct number_set *
policy_sizes_closed(const struct policy_sizes *sizes, unsigned int *seqno)
{
    *seqno = sizes->closed_seqno;
    return &sizes->closed;
}

size_t
policy_sizes_limit(const struct policy_sizes *sizes)
{
    return sizes->limit;
}

void
policy_sizes_each(const struct policy_sizes *sizes, policy_sizes_cb *cb, void *aux)
{
    const struct policy *p;
    HMAP_FOR_EACH (p, hmap_node, &sizes->policies) {
        if (p->size > sizes->limit) {
            cb(aux, p->name, p->size);
        }
    }
}

unsigned int
policy_sizes_seqno(const struct policy_sizes *sizes)
{
    return sizes->seqno;
}
