/* What column Endpoint_Bucket.endpoints holds (docs/database.md): one line for each
 * endpoint, in order of their ids,
 *
 *     ID NAME UID VNI IDENTITY NODE MAC ADDRESS[,ADDRESS]...
 *
 * with one space between two fields and "\n" between two lines.  Blanks, '%' and
 * control characters of NAME and UID, which may be empty, are "%20" and the like.
 * Pure.  Private to this room. */
#ifndef VIRGA_ENDPOINT_TEXT_H
#define VIRGA_ENDPOINT_TEXT_H 1

#include <stddef.h>

#include "base/records.h"

struct ds;

enum { ENDPOINT_TEXT_MAX_IPS = 64 };

/* Appends the line, without its end. */
void endpoint_text_put(const struct rec_endpoint *, struct ds *);

/* A line that makes no sense, or has the id of an earlier one, is told to 'bad' with a
 * message. */
typedef void endpoint_text_good_cb(void *aux, struct rec_endpoint *take);
typedef void endpoint_text_bad_cb(void *aux, const char *message);
void endpoint_text_read(const char *text, endpoint_text_good_cb *good, endpoint_text_bad_cb *bad,
                        void *aux);

#endif
