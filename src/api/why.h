/* What would become of a connection, and why: the evaluator's answer
 * (compile/evaluate.h) with names for numbers, as the document that
 * /virga/v1/why serves and "virgactl why" prints.
 *
 * Pure: reads records, asks no switch.  The shape of the document stands in
 * virga/api_paths.h. */
#ifndef VIRGA_WHY_H
#define VIRGA_WHY_H 1

#include <jansson.h>

struct ds;
struct records;
struct sset;

/* 'from', 'to': a pod as NAMESPACE/NAME, a node's name, or any address.
 * 'port': "80", "80/TCP", "53/UDP", "5060/SCTP" or "icmp".  'too_large' (NULL: none)
 * has "NODE POLICY" for each policy that is too large for a node, and fails closed
 * there.  A new document; or NULL and in '*error' a malloc'd message. */
json_t *why_document(const struct records *, const struct sset *too_large, const char *from,
                     const char *to, const char *port, char **error);

/* The document in words, many lines. */
void why_format(const json_t *document, struct ds *);

#endif
