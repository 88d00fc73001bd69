/* What the decoders of single objects share: metadata, label selectors,
 * address lists, protocols and ports.  Private to model/; others call the
 * decoders of objects.h. */
#ifndef VIRGA_OBJECT_DECODE_H
#define VIRGA_OBJECT_DECODE_H 1

#include "model/json_fields.h"
#include "model/objects.h"

/* Fills 'meta' from "metadata" of 'object'.  'name_check' is the kind's rule
 * for names. */
void object_meta_decode(const struct json_field *object, bool namespaced,
                        char *(*name_check)(const char *), struct object_meta *meta);
void object_meta_uninit(struct object_meta *);

/* metadata.annotations[key], with the places above it. */
struct annotation {
    struct json_field metadata;
    struct json_field map;
    struct json_field entry;
    const char *text; /* NULL: absent, or blank. */
};
/* Fills 'annotation', which must stay where it is. */
void object_annotation(const struct json_field *object, const char *key, struct annotation *);

/* A LabelSelector; absent is empty. */
void label_selector_decode(const struct json_field *, struct selector *);

/* Adds a requirement for each entry of a map of labels. */
void match_labels_decode(const struct json_field *map, struct selector *);

/* Appends an IP address to a list of at most OBJECTS_MAX_ADDRESSES; an equal
 * one is there once. */
void address_list_add(const struct json_field *, const char *text, struct in6_addr **list,
                      size_t *n);
/* True if 'addr' can belong to one host: not unspecified, loopback or
 * multicast. */
bool address_is_host(const struct in6_addr *);

/* Calls cb for each item of comma-separated 'text', blanks around it removed.
 * 'item' is borrowed; an empty one is "". */
void each_item(const char *text, void (*cb)(const char *item, void *aux), void *aux);

/* "protocol" of a port: IPPROTO_TCP if absent, 0 with an error added. */
uint8_t protocol_decode(const struct json_field *port);
/* The same in letters of any case, as the APIs of 2016 took it. */
uint8_t protocol_decode_any_case(const struct json_field *port);
/* An integer of 1 to 65535; 0 if absent, or with an error added. */
uint16_t port_number_decode(const struct json_field *);

/* IPv4 addresses lie inside ::/0 in our form of them, but not in people's. */
bool prefix_is_strict_subset(const struct prefix *, const struct prefix *of);

#endif
