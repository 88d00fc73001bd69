/* One OpenFlow bundle of flow mods: changes in, messages out (OpenFlow 1.5
 * section 7.3.9).  Does no I/O.
 *
 * The messages, in order: flow_bundle_control(OPEN), those of
 * flow_bundle_next() until there is none, a barrier (the caller's), then
 * COMMIT or DISCARD.  The bundle is atomic and ordered.  One flow mod is that by
 * itself: flow_bundle_only() is then the one message. */
#ifndef VIRGA_FLOW_BUNDLE_H
#define VIRGA_FLOW_BUNDLE_H 1

#include <stddef.h>
#include <stdint.h>

#include "openvswitch/list.h"

struct flow_changes;
struct ofpbuf;

/* Tables from here on belong to Open vSwitch. */
enum { FLOW_BUNDLE_MAX_TABLE = 254 };

struct flow_bundle {
    uint32_t id;
    struct ovs_list pending; /* struct ofpbuf: flow mods not handed out yet. */
    size_t n_mods;
    int64_t n_added[FLOW_BUNDLE_MAX_TABLE]; /* By table; less those deleted. */
};

void flow_bundle_init(struct flow_bundle *);
void flow_bundle_uninit(struct flow_bundle *);

/* Empties the bundle and gives it the number 'id'. */
void flow_bundle_begin(struct flow_bundle *, uint32_t id);
void flow_bundle_add(struct flow_bundle *, const struct flow_changes *);

struct ofpbuf *flow_bundle_control(const struct flow_bundle *, uint16_t type);
struct ofpbuf *flow_bundle_next(struct flow_bundle *);
struct ofpbuf *flow_bundle_only(struct flow_bundle *); /* n_mods must be 1. */
void flow_bundle_drop_pending(struct flow_bundle *);

#endif
