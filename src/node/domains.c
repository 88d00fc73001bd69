#include "node/domains.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "heap.h"
#include "node/dns_message.h"
#include "openvswitch/hmap.h"
#include "util.h"

struct learned {
    struct hmap_node hmap_node; /* In its pattern's 'addresses'. */
    struct heap_node heap_node; /* In struct domains 'ends': the first on top. */
    struct pattern *pattern;
    struct in6_addr addr;
    long long int until;
};

struct pattern {
    struct hmap_node hmap_node; /* In struct domains 'patterns'. */
    char *text;
    size_t n_users; /* Sets. */
    struct hmap addresses;
};

struct set {
    struct hmap_node hmap_node; /* In struct domains 'sets'. */
    uint32_t id;
    struct pattern **patterns;
    size_t n_patterns;
    bool changed;
};

struct domains {
    struct hmap patterns;
    struct hmap sets;
    struct heap ends;
    bool changed; /* Is any set? */
};

/* --- Patterns ---------------------------------------------------------------------- */

static struct pattern *
pattern_find(const struct domains *d, const char *prefix, const char *name)
{
    struct pattern *p;
    uint32_t hash = hash_string(name, hash_string(prefix, 0));
    size_t n = strlen(prefix);
    HMAP_FOR_EACH_WITH_HASH (p, hmap_node, hash, &d->patterns) {
        if (!strncmp(p->text, prefix, n) && !strcmp(p->text + n, name)) {
            return p;
        }
    }
    return NULL;
}

/* "*." and the rest are hashed apart, so that names need not be copied. */
static const char *
split_pattern(const char *text, const char **rest)
{
    bool wildcard = text[0] == '*' && text[1] == '.';
    *rest = wildcard ? text + 2 : text;
    return wildcard ? "*." : "";
}

static struct pattern *
pattern_get(struct domains *d, const char *text)
{
    const char *rest, *prefix = split_pattern(text, &rest);
    struct pattern *p = pattern_find(d, prefix, rest);
    if (!p) {
        p = xzalloc(sizeof *p);
        p->text = xstrdup(text);
        hmap_init(&p->addresses);
        hmap_insert(&d->patterns, &p->hmap_node, hash_string(rest, hash_string(prefix, 0)));
    }
    return p;
}

static void
mark_users(struct domains *d, const struct pattern *p)
{
    struct set *set;
    HMAP_FOR_EACH (set, hmap_node, &d->sets) {
        for (size_t i = 0; i < set->n_patterns; i++) {
            if (set->patterns[i] == p) {
                set->changed = d->changed = true;
            }
        }
    }
}

static void
learned_remove(struct domains *d, struct learned *l)
{
    mark_users(d, l->pattern);
    hmap_remove(&l->pattern->addresses, &l->hmap_node);
    heap_remove(&d->ends, &l->heap_node);
    free(l);
}

static void
pattern_destroy(struct domains *d, struct pattern *p)
{
    struct learned *l;
    HMAP_FOR_EACH_SAFE (l, hmap_node, &p->addresses) {
        learned_remove(d, l);
    }
    hmap_destroy(&p->addresses);
    hmap_remove(&d->patterns, &p->hmap_node);
    free(p->text);
    free(p);
}

/* --- Sets --------------------------------------------------------------------------- */

static struct set *
set_find(const struct domains *d, uint32_t id)
{
    struct set *set;
    HMAP_FOR_EACH_WITH_HASH (set, hmap_node, hash_int(id, 0), &d->sets) {
        if (set->id == id) {
            return set;
        }
    }
    return NULL;
}

static void
set_clear(struct domains *d, struct set *set)
{
    for (size_t i = 0; i < set->n_patterns; i++) {
        set->patterns[i]->n_users--;
    }
    free(set->patterns);
    set->patterns = NULL;
    set->n_patterns = 0;
}

static void
set_destroy(struct domains *d, struct set *set)
{
    set_clear(d, set);
    hmap_remove(&d->sets, &set->hmap_node);
    free(set);
}

static struct set *
set_create(struct domains *d, uint32_t id)
{
    struct set *set = xzalloc(sizeof *set);
    set->id = id;
    hmap_insert(&d->sets, &set->hmap_node, hash_int(id, 0));
    return set;
}

static void
set_fill(struct domains *d, struct set *set, char *const *patterns, size_t n)
{
    set->patterns = xcalloc(n, sizeof *set->patterns);
    set->n_patterns = n;
    for (size_t i = 0; i < n; i++) {
        set->patterns[i] = pattern_get(d, patterns[i]);
        set->patterns[i]->n_users++;
    }
    set->changed = d->changed = true;
}

/* Patterns that the old and the new state share keep what they know. */
void
domains_set(struct domains *d, uint32_t id, char *const *patterns, size_t n)
{
    struct set *set = set_find(d, id);
    if (!set && !n) {
        return;
    }
    struct set old = { .n_patterns = 0 };
    if (set) {
        old.patterns = set->patterns;
        old.n_patterns = set->n_patterns;
    } else {
        set = set_create(d, id);
    }
    if (n) {
        set_fill(d, set, patterns, n);
    } else {
        hmap_remove(&d->sets, &set->hmap_node);
        free(set);
    }
    for (size_t i = 0; i < old.n_patterns; i++) {
        if (!--old.patterns[i]->n_users) {
            pattern_destroy(d, old.patterns[i]);
        }
    }
    free(old.patterns);
}

bool
domains_any(const struct domains *d)
{
    return !hmap_is_empty(&d->sets);
}

void
domains_settle(struct domains *d)
{
    struct pattern *p;
    HMAP_FOR_EACH_SAFE (p, hmap_node, &d->patterns) {
        if (!p->n_users) {
            pattern_destroy(d, p);
        }
    }
}

/* --- Learning -------------------------------------------------------------------------- */

static struct learned *
learned_find(const struct pattern *p, const struct in6_addr *addr)
{
    struct learned *l;
    HMAP_FOR_EACH_WITH_HASH (l, hmap_node, hash_bytes(addr, sizeof *addr, 0), &p->addresses) {
        if (!memcmp(&l->addr, addr, sizeof *addr)) {
            return l;
        }
    }
    return NULL;
}

static struct learned *
first_to_end(const struct pattern *p)
{
    struct learned *first = NULL, *l;
    HMAP_FOR_EACH (l, hmap_node, &p->addresses) {
        first = !first || l->until < first->until ? l : first;
    }
    return first;
}

/* True if it is new. */
static bool
pattern_learn(struct domains *d, struct pattern *p, const struct in6_addr *addr,
              long long int until)
{
    struct learned *l = learned_find(p, addr);
    if (l) {
        l->until = MAX(l->until, until);
        heap_change(&d->ends, &l->heap_node, UINT64_MAX - l->until);
        return false;
    }
    if (hmap_count(&p->addresses) >= DOMAINS_ADDRESSES_MAX) {
        learned_remove(d, first_to_end(p));
    }
    l = xzalloc(sizeof *l);
    l->pattern = p;
    l->addr = *addr;
    l->until = until;
    hmap_insert(&p->addresses, &l->hmap_node, hash_bytes(addr, sizeof *addr, 0));
    heap_insert(&d->ends, &l->heap_node, UINT64_MAX - until);
    mark_users(d, p);
    return true;
}

static bool
pattern_learn_all(struct domains *d, struct pattern *p, const struct dns_answer *answer,
                  long long int now)
{
    bool news = false;
    for (size_t i = 0; i < answer->n_addresses; i++) {
        long long int ttl = MIN(MAX(answer->addresses[i].ttl, DOMAINS_TTL_MIN_S),
                                DOMAINS_TTL_MAX_S);
        news |= pattern_learn(d, p, &answer->addresses[i].addr, now + ttl * 1000);
    }
    return news;
}

static bool
name_learn(struct domains *d, const char *name, const struct dns_answer *answer, long long int now)
{
    struct pattern *p = pattern_find(d, "", name);
    bool news = p && pattern_learn_all(d, p, answer, now);
    while ((name = strchr(name, '.')) != NULL) {
        name++;
        p = pattern_find(d, "*.", name);
        news |= p && pattern_learn_all(d, p, answer, now);
    }
    return news;
}

bool
domains_learn(struct domains *d, const struct dns_answer *answer, long long int now)
{
    bool news = false;
    for (size_t i = 0; i < answer->n_names; i++) {
        news |= name_learn(d, answer->names[i], answer, now);
    }
    return news;
}

void
domains_adopt(struct domains *d, const char *pattern, const struct in6_addr *addr,
              long long int until)
{
    pattern_learn(d, pattern_get(d, pattern), addr, until);
}

void
domains_run(struct domains *d, long long int now)
{
    while (!heap_is_empty(&d->ends)) {
        struct learned *l = CONTAINER_OF(heap_max(&d->ends), struct learned, heap_node);
        if (l->until > now) {
            return;
        }
        learned_remove(d, l);
    }
}

long long int
domains_next(const struct domains *d)
{
    return heap_is_empty(&d->ends)
               ? LLONG_MAX
               : CONTAINER_OF(heap_max(&d->ends), struct learned, heap_node)->until;
}

/* --- What is known ------------------------------------------------------------------------ */

static int
compare_addresses(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct in6_addr));
}

static struct in6_addr *
set_addresses(const struct set *set, size_t *n)
{
    struct in6_addr *all = NULL;
    size_t allocated = 0;
    *n = 0;
    for (size_t i = 0; i < set->n_patterns; i++) {
        const struct learned *l;
        HMAP_FOR_EACH (l, hmap_node, &set->patterns[i]->addresses) {
            if (*n == allocated) {
                all = x2nrealloc(all, &allocated, sizeof *all);
            }
            all[(*n)++] = l->addr;
        }
    }
    if (*n) {
        qsort(all, *n, sizeof *all, compare_addresses);
        size_t kept = 1;
        for (size_t i = 1; i < *n; i++) {
            if (memcmp(&all[i], &all[kept - 1], sizeof *all)) {
                all[kept++] = all[i];
            }
        }
        *n = kept;
    }
    return all;
}

void
domains_changed(struct domains *d, domains_set_cb *cb, void *aux)
{
    struct set *set;
    if (!d->changed) {
        return;
    }
    HMAP_FOR_EACH (set, hmap_node, &d->sets) {
        if (set->changed) {
            size_t n;
            struct in6_addr *all = set_addresses(set, &n);
            cb(aux, set->id, all, n);
            free(all);
            set->changed = false;
        }
    }
    d->changed = false;
}

void
domains_each(const struct domains *d, domains_entry_cb *cb, void *aux)
{
    const struct pattern *p;
    HMAP_FOR_EACH (p, hmap_node, &d->patterns) {
        const struct learned *l;
        HMAP_FOR_EACH (l, hmap_node, &p->addresses) {
            cb(aux, p->text, &l->addr, l->until);
        }
    }
}

struct domains *
domains_create(void)
{
    struct domains *d = xzalloc(sizeof *d);
    hmap_init(&d->patterns);
    hmap_init(&d->sets);
    heap_init(&d->ends);
    return d;
}

void
domains_destroy(struct domains *d)
{
    if (!d) {
        return;
    }
    struct set *set;
    HMAP_FOR_EACH_SAFE (set, hmap_node, &d->sets) {
        set_destroy(d, set);
    }
    struct pattern *p;
    HMAP_FOR_EACH_SAFE (p, hmap_node, &d->patterns) {
        pattern_destroy(d, p);
    }
    hmap_destroy(&d->sets);
    hmap_destroy(&d->patterns);
    heap_destroy(&d->ends);
    free(d);
}
