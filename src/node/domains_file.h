/* What was learned from DNS answers, kept in a file for the agent's next life.
 *
 * One entry a line: UNTIL PATTERN ADDRESS, the first in ms since 1970.  The
 * file is replaced whole; a reader never sees half of it. */
#ifndef VIRGA_DOMAINS_FILE_H
#define VIRGA_DOMAINS_FILE_H 1

#include <stddef.h>

struct domains;

enum { DOMAINS_FILE_MAX = 64 << 20 }; /* Bytes; a larger file is not read. */

/* 'now' and 'wall' are the same moment on the clock of 'domains' and since 1970.
 * Returns 0 or a positive errno. */
int domains_file_save(const char *path, const struct domains *, long long int now,
                      long long int wall) __attribute__((warn_unused_result));
/* Lines that make no sense, or are over, are left out.  No file: nothing. */
void domains_file_load(const char *path, struct domains *, long long int now, long long int wall);

#endif
