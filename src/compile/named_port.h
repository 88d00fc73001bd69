/* Named ports as labels.
 *
 * A port of a policy may be a name, which each destination pod resolves by
 * itself: the first of its container ports that has the name and the protocol
 * (FindPort in Kubernetes' endpointslice/utils.go; restartable init containers
 * come last).  To the compiler the resolution is one more label of the pod,
 * "port:tcp/web=8080".  The colon keeps such keys apart from those of people,
 * so that selectors, identities and sets need not know what they mean. */
#ifndef VIRGA_NAMED_PORT_H
#define VIRGA_NAMED_PORT_H 1

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pod_port;
struct selector;

/* "port:tcp/web", interned. */
const char *named_port_key(uint8_t protocol, const char *name);
bool named_port_is_key(const char *key);

/* The number, interned text, that a pod with these ports has for the key;
 * NULL if none. */
const char *named_port_resolve(const char *key, const struct pod_port *ports, size_t n);

uint16_t named_port_number(const char *value);

/* '*dst' becomes the pods of 'pods' that have the port... */
void named_port_select(struct selector *dst, const struct selector *pods, const char *key);
/* ...by this number. */
void named_port_select_number(struct selector *dst, const struct selector *pods, const char *key,
                              uint16_t number);

#endif
