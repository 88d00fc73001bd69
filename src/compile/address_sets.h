/* Sets of peers that are no pods: the nodes that a selector chooses, domain
 * names, the world.  They live among the sets of the selection, in one space
 * of numbers and texts:
 *
 *   nodes{role=worker}              prefixes: the addresses of these nodes
 *   domains{*.a.example,b.example}  domains: the names; each agent resolves
 *   world                           identities: IDENTITY_WORLD
 *
 * Sets without users live until address_sets_collect(), so that a set whose
 * last user is replaced by an equal one keeps its number. */
#ifndef VIRGA_ADDRESS_SETS_H
#define VIRGA_ADDRESS_SETS_H 1

#include "base/records.h"
#include "compile/selection.h"
#include "openvswitch/shash.h"

struct address_set;

struct address_sets {
    struct selection *selection; /* Borrowed; also its records. */
    struct shash by_text;        /* struct address_set. */
    struct ovs_list idle;        /* Those without users. */
};

void address_sets_init(struct address_sets *, struct selection *);
/* No set has users. */
void address_sets_uninit(struct address_sets *);

/* Each returns the set, made if there is none yet; without a user it goes at
 * the next address_sets_collect(). */
struct address_set *address_set_nodes(struct address_sets *, const struct selector *);
struct address_set *address_set_domains(struct address_sets *, char *const *domains, size_t n);
struct address_set *address_set_world(struct address_sets *);

uint32_t address_set_id(const struct address_set *);
void address_set_ref(struct address_set *);
void address_set_unref(struct address_sets *, struct address_set *);
void address_sets_collect(struct address_sets *);

/* Calls 'find' for each set of nodes whose members are asked for: all of them
 * if 'changed', else those that are new.  It returns the prefixes, which the
 * set takes over.  Then brings the records up to date. */
typedef struct prefix *node_prefixes_fn(const void *aux, const struct selector *, size_t *n);
void address_sets_flush(struct address_sets *, bool changed, node_prefixes_fn *find,
                        const void *aux);

/* The texts. */
void address_set_nodes_format(const struct selector *, struct ds *);
void address_set_domains_format(char *const *domains, size_t n, struct ds *);

#endif
