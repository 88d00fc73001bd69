/* Sets: which identities each selector in use matches.
 *
 * A set is a pair (namespace selector, pod selector).  The policy's own
 * namespace is the namespace selector kubernetes.io/metadata.name=NAME, so
 * that all sets work alike and equal ones are one, whoever asks.
 *
 *      set ──── ns_selector ══ link ══ scope ──── identities
 *
 * A scope is a namespace.  Links join each namespace selector with the scopes
 * that it matches now.  Through them each scope knows its relevant label
 * keys: those that a pod selector of one of its namespace selectors mentions.
 * An identity is tested against the sets of its scope's namespace selectors,
 * found by its labels; nothing is remembered per pair, since the same test
 * finds the same sets again when the identity goes.
 *
 * A named port is a label like others, see named_port.h.  Who needs to know
 * by which numbers the pods of a set have it watches them: a watch keeps the
 * port relevant where it looks, and is told when the numbers change.
 *
 * Sets without users live until selection_collect(), so that a set whose last
 * user is replaced by an equal one keeps its number. */
#ifndef VIRGA_SELECTION_H
#define VIRGA_SELECTION_H 1

#include <stdbool.h>
#include <stdint.h>

#include "base/records.h"
#include "compile/numbers.h"
#include "compile/selector_index.h"
#include "model/labels.h"
#include "openvswitch/list.h"
#include "simap.h"

/* Pods by two selectors, borrowed. */
struct pod_choice {
    const struct selector *namespaces;
    const struct selector *pods;
};

/* A class of pods of one scope; see classes.h. */
struct identity {
    struct hmap_node hmap_node; /* In struct scope 'identities'. */
    struct scope *scope;
    struct labels labels; /* The relevant ones. */
    uint32_t id;
    size_t n_members;
    struct ovs_list idle_node; /* In struct classes 'idle' if n_members is 0. */
};

/* A namespace as selectors see it. */
struct scope {
    const char *name;
    uint32_t vni;
    struct ovs_list all_node; /* In struct selection 'scopes' while attached. */
    bool attached;
    struct labels labels; /* Empty unless attached. */
    struct scope_label *label_entries;
    struct ovs_list links;  /* struct link 'scope_node'. */
    struct hmap keys;       /* struct key_count: relevant keys. */
    size_t n_pseudo_keys;   /* Those of them that are named ports or names of pods. */
    struct hmap identities; /* struct identity. */
};

struct key_count {
    struct hmap_node hmap_node;
    const char *key; /* Interned. */
    size_t n;
};

/* A key became relevant in a scope, or ceased to be. */
struct key_change {
    struct scope *scope;
    const char *key;
};

struct selection {
    struct records *records;     /* Borrowed. */
    struct numbers *numbers;     /* Borrowed. */
    struct hmap ns_selectors;    /* struct ns_selector, by selector. */
    struct hmap sets_by_id;      /* struct pod_set. */
    struct selector_index index; /* Both kinds of selectors. */
    struct hmap scopes_by_label; /* struct scope_label. */
    struct ovs_list scopes;      /* struct scope, attached. */
    struct ovs_list idle;        /* struct pod_set without users. */
    struct ovs_list dirty;       /* struct set_record that is behind. */
    struct ovs_list renumbered;  /* struct pod_set whose watches wait to be told. */
    struct simap restored;       /* Selector text to id, of an earlier life. */
    struct key_change *key_changes;
    size_t n_key_changes, allocated_key_changes;
};

void selection_init(struct selection *, struct records *, struct numbers *);
void selection_uninit(struct selection *);

void scope_init(struct scope *, const char *name);
void scope_uninit(struct scope *);
bool scope_key_is_relevant(const struct scope *, const char *interned_key);

/* The namespace has these labels now; attaches it if it was not. */
void selection_attach(struct selection *, struct scope *, const struct labels *);
/* The namespace is gone; its identities may go later. */
void selection_detach(struct selection *, struct scope *);

/* The id of the set, made if there is none yet.  Without a user it goes at
 * the next selection_collect(). */
uint32_t selection_get(struct selection *, const struct selector *namespaces,
                       const struct selector *pods);
void selection_ref(struct selection *, uint32_t set);
void selection_unref(struct selection *, uint32_t set);
void selection_collect(struct selection *);

void selection_add_identity(struct selection *, const struct identity *);
void selection_remove_identity(struct selection *, const struct identity *);

/* The numbers of a named port among the pods of a set. */
struct port_watch {
    struct ovs_list set_node; /* In struct port_numbers 'watches'. */
    struct port_watch *next;  /* For its owner. */
    struct pod_set *set;
    void *owner;
};

struct port_watch *selection_watch(struct selection *, const struct selector *namespaces,
                                   const struct selector *pods, const char *port_key, void *owner);
void selection_unwatch(struct selection *, struct port_watch *);
/* Sorted; NULL if there are none.  The caller frees. */
uint16_t *selection_watch_numbers(const struct port_watch *, size_t *n);
/* Calls 'cb' for each watch whose numbers changed since the last time. */
void selection_tell_watches(struct selection *, void (*cb)(void *owner, void *aux), void *aux);

/* The number that the set with this text had in an earlier life, else a new one. */
uint32_t selection_take_number(struct selection *, const char *text);

/* Brings the records of sets up to date. */
void selection_flush(struct selection *);

/* "ns{...}/pod{...}" */
void selection_format(const struct selector *namespaces, const struct selector *pods, struct ds *);

#endif
