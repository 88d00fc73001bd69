#include "openflow/lower_index.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "openvswitch/util.h"
#include "util.h"

/* Endpoints. */

void
place_index_init(struct place_index *px)
{
    hmap_init(&px->by_id);
    hmap_init(&px->by_name);
    hmap_init(&px->by_node);
}

void
place_index_uninit(struct place_index *px)
{
    struct place *p;

    HMAP_FOR_EACH_SAFE (p, by_id, &px->by_id) {
        place_remove(px, p);
    }
    hmap_destroy(&px->by_id);
    hmap_destroy(&px->by_name);
    hmap_destroy(&px->by_node);
}

struct place *
place_find(const struct place_index *px, uint32_t id)
{
    struct place *p;

    HMAP_FOR_EACH_WITH_HASH (p, by_id, hash_int(id, 0), &px->by_id) {
        if (p->id == id) {
            return p;
        }
    }
    return NULL;
}

struct place *
place_find_name(const struct place_index *px, const char *name, const char *uid)
{
    struct place *p;

    HMAP_FOR_EACH_WITH_HASH (p, by_name, hash_string(name, 0), &px->by_name) {
        if (!strcmp(p->name, name) && !strcmp(p->uid, uid)) {
            return p;
        }
    }
    return NULL;
}

void
place_remove(struct place_index *px, struct place *p)
{
    hmap_remove(&px->by_id, &p->by_id);
    hmap_remove(&px->by_name, &p->by_name);
    hmap_remove(&px->by_node, &p->by_node);
    free(p->name);
    free(p->uid);
    free(p);
}

static struct place *
place_create(struct place_index *px, const struct rec_endpoint *ep)
{
    struct place *p = xzalloc(sizeof *p);

    p->id = ep->r.key;
    p->node = ep->node;
    p->name = xstrdup(ep->name);
    p->uid = xstrdup(ep->uid);
    hmap_insert(&px->by_id, &p->by_id, hash_int(p->id, 0));
    hmap_insert(&px->by_name, &p->by_name, hash_string(p->name, 0));
    hmap_insert(&px->by_node, &p->by_node, hash_int(p->node, 0));
    return p;
}

/* All endpoints of a node are one chain of 'by_node', so one that stays there
 * keeps its place in it. */
struct place *
place_set(struct place_index *px, const struct rec_endpoint *ep, ofp_port_t port)
{
    struct place *p = place_find(px, ep->r.key);

    if (p && (p->node != ep->node || strcmp(p->name, ep->name) || strcmp(p->uid, ep->uid))) {
        place_remove(px, p);
        p = NULL;
    }
    p = p ? p : place_create(px, ep);
    p->identity = ep->identity;
    p->vni = ep->vni;
    p->port = port;
    return p;
}

void
place_mark_name(const struct place_index *px, const char *name, struct lower_ids *endpoints)
{
    const struct place *p;

    HMAP_FOR_EACH_WITH_HASH (p, by_name, hash_string(name, 0), &px->by_name) {
        if (!strcmp(p->name, name)) {
            lower_ids_mark(endpoints, p->id);
        }
    }
}

void
place_mark_node(const struct place_index *px, uint32_t node, struct lower_ids *endpoints)
{
    const struct place *p;

    HMAP_FOR_EACH_WITH_HASH (p, by_node, hash_int(node, 0), &px->by_node) {
        if (p->node == node) {
            lower_ids_mark(endpoints, p->id);
        }
    }
}

void
place_mark_all(const struct place_index *px, struct lower_ids *endpoints)
{
    const struct place *p;

    HMAP_FOR_EACH (p, by_id, &px->by_id) {
        lower_ids_mark(endpoints, p->id);
    }
}

/* Rules and sets. */

struct set_users {
    struct hmap_node hmap_node;
    uint32_t set;
    struct lower_ids subjects; /* Rules whose subject it is. */
    struct lower_ids peers;    /* Rules with it among their peers. */
};

struct rule_uses {
    struct hmap_node hmap_node;
    uint32_t rule;
    uint32_t subject;
    uint32_t *peers;
    size_t n_peers;
};

void
use_index_init(struct use_index *ux)
{
    hmap_init(&ux->sets);
    hmap_init(&ux->rules);
}

static struct set_users *
users_find(const struct use_index *ux, uint32_t set)
{
    struct set_users *u;

    HMAP_FOR_EACH_WITH_HASH (u, hmap_node, hash_int(set, 0), &ux->sets) {
        if (u->set == set) {
            return u;
        }
    }
    return NULL;
}

static struct set_users *
users_get(struct use_index *ux, uint32_t set)
{
    struct set_users *u = users_find(ux, set);

    if (!u) {
        u = xmalloc(sizeof *u);
        u->set = set;
        lower_ids_init(&u->subjects);
        lower_ids_init(&u->peers);
        hmap_insert(&ux->sets, &u->hmap_node, hash_int(set, 0));
    }
    return u;
}

static void
users_release(struct use_index *ux, struct set_users *u)
{
    if (hmap_is_empty(&u->subjects.hmap) && hmap_is_empty(&u->peers.hmap)) {
        hmap_remove(&ux->sets, &u->hmap_node);
        lower_ids_uninit(&u->subjects);
        lower_ids_uninit(&u->peers);
        free(u);
    }
}

static struct rule_uses *
uses_find(const struct use_index *ux, uint32_t rule)
{
    struct rule_uses *r;

    HMAP_FOR_EACH_WITH_HASH (r, hmap_node, hash_int(rule, 0), &ux->rules) {
        if (r->rule == rule) {
            return r;
        }
    }
    return NULL;
}

static void
uses_remove(struct use_index *ux, struct rule_uses *r)
{
    struct set_users *u = users_find(ux, r->subject);

    lower_ids_remove(&u->subjects, r->rule);
    users_release(ux, u);
    for (size_t i = 0; i < r->n_peers; i++) {
        u = users_find(ux, r->peers[i]);
        lower_ids_remove(&u->peers, r->rule);
        users_release(ux, u);
    }
    hmap_remove(&ux->rules, &r->hmap_node);
    free(r->peers);
    free(r);
}

static void
uses_add(struct use_index *ux, uint32_t id, const struct rec_rule *rule)
{
    struct rule_uses *r = xmalloc(sizeof *r);

    r->rule = id;
    r->subject = rule->subject;
    r->n_peers = rule->n_peer_sets;
    r->peers = r->n_peers ? xmemdup(rule->peer_sets, r->n_peers * sizeof *r->peers) : NULL;
    hmap_insert(&ux->rules, &r->hmap_node, hash_int(id, 0));
    lower_ids_add(&users_get(ux, r->subject)->subjects, id);
    for (size_t i = 0; i < r->n_peers; i++) {
        lower_ids_add(&users_get(ux, r->peers[i])->peers, id);
    }
}

void
use_index_set_rule(struct use_index *ux, uint32_t id, const struct rec_rule *rule)
{
    struct rule_uses *old = uses_find(ux, id);

    if (old) {
        uses_remove(ux, old);
    }
    if (rule) {
        uses_add(ux, id, rule);
    }
}

void
use_index_uninit(struct use_index *ux)
{
    struct rule_uses *r;

    HMAP_FOR_EACH_SAFE (r, hmap_node, &ux->rules) {
        uses_remove(ux, r);
    }
    hmap_destroy(&ux->rules);
    hmap_destroy(&ux->sets);
}

static void
mark_all(const struct lower_ids *from, struct lower_ids *to)
{
    const struct lower_id *node;

    LOWER_IDS_FOR_EACH(node, from)
    {
        lower_ids_mark(to, node->id);
    }
}

void
use_index_mark_set(const struct use_index *ux, uint32_t set, struct lower_ids *rules)
{
    const struct set_users *u = users_find(ux, set);

    if (u) {
        mark_all(&u->subjects, rules);
        mark_all(&u->peers, rules);
    }
}

static bool
set_has_any(const struct rec_set *set, const struct lower_ids *identities)
{
    for (size_t i = 0; set && i < set->n_identities; i++) {
        if (lower_ids_has(identities, set->identities[i])) {
            return true;
        }
    }
    return false;
}

void
use_index_mark_subjects(const struct use_index *ux, const struct records *records,
                        const struct lower_ids *identities, struct lower_ids *rules)
{
    const struct set_users *u;

    if (hmap_is_empty(&identities->hmap)) {
        return;
    }
    HMAP_FOR_EACH (u, hmap_node, &ux->sets) {
        if (!hmap_is_empty(&u->subjects.hmap)
            && set_has_any(records_set(records, u->set), identities)) {
            mark_all(&u->subjects, rules);
        }
    }
}
