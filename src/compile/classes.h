/* Identities: classes of the pods of a namespace that no selector in use can
 * tell apart.  A class is its namespace and the labels, named ports and names
 * among them (named_port.h, pod_name.h), whose keys are relevant there; as long as it has members it has a record and a number. */
#ifndef VIRGA_CLASSES_H
#define VIRGA_CLASSES_H 1

#include "compile/selection.h"

struct k8s_pod;

struct classes {
    struct selection *selection; /* Borrowed. */
    struct ovs_list idle;        /* struct identity without members. */
    struct simap restored;       /* Text to id, of an earlier life. */
    struct labels scratch;
    size_t allocated_scratch;
};

void classes_init(struct classes *, struct selection *);
void classes_uninit(struct classes *);

/* What the pod has for the interned key of a label, of a named port
 * (named_port.h) or of a name (pod_name.h); NULL if it has none. */
const char *class_label(const struct k8s_pod *, const char *key);

/* The class of the pod gains a member. */
struct identity *classes_join(struct classes *, struct scope *, const struct k8s_pod *);
/* It loses one; without members it goes at the next classes_collect(). */
void classes_leave(struct classes *, struct identity *);
void classes_collect(struct classes *);

/* "NAMESPACE{KEY=VALUE,...}", named ports among the keys. */
void class_format(const char *namespace_, const struct labels *relevant, struct ds *);

#endif
