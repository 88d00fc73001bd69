/* The bearer token of the TCP listener. */
#ifndef VIRGA_TOKEN_H
#define VIRGA_TOKEN_H 1

#include <stdbool.h>

/* Reads the token from 'file'; if there is no such file, makes one with 32
 * random bytes in hexadecimal and mode 0600.  Refuses a file that others may
 * read.  0 with *token malloc'd, or a positive errno. */
int token_load(const char *file, char **token) __attribute__((warn_unused_result));

/* Whether the value of an Authorization header (or NULL) is "Bearer TOKEN".
 * Takes a time that does not depend on where the two differ. */
bool token_check(const char *token, const char *authorization);

#endif
