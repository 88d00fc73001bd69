/* The documents behind virga_views.h, made from what the controller holds. */
#ifndef VIRGA_VIRGA_DOCUMENTS_H
#define VIRGA_VIRGA_DOCUMENTS_H 1

#include <jansson.h>

struct ds;
struct virga_views_sources;

json_t *document_status(const struct virga_views_sources *);
/* Both without "complete" and "missing". */
json_t *document_stats(const struct virga_views_sources *);
json_t *document_matrix(const struct virga_views_sources *);
void document_records(const struct virga_views_sources *, struct ds *);

#endif
