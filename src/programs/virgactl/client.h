/* HTTP requests to the API of the controller, or to a Kubernetes API server.
 * Blocking: for a program that does one thing. */
#ifndef VIRGACTL_CLIENT_H
#define VIRGACTL_CLIENT_H 1

#include <jansson.h>
#include <stddef.h>

struct cli;
struct client;

struct reply {
    long status; /* HTTP status. */
    char *text;  /* NUL-terminated; may hold NULs of its own. */
    size_t length;
    json_t *json; /* NULL if the body is not JSON. */
};
void reply_uninit(struct reply *);

/* What the Status object in a reply says, else the HTTP status; malloc'd. */
char *reply_message(const struct reply *);

void client_destroy(struct client *);

/* One request; 'body' may be NULL.  CLI_OK if there was a reply, whatever its
 * status; else tells what is wrong and returns CLI_UNREACHABLE, or
 * CLI_REFUSED if the token or CA file cannot be used. */
int client_request(struct cli *, const char *method, const char *path, const json_t *body,
                   const char *content_type, struct reply *);

/* GET of what must be there: CLI_OK with a reply of status 200, else tells
 * what is wrong. */
int client_get(struct cli *, const char *path, struct reply *);
/* The same, and the reply must be a JSON object; a new reference. */
int client_get_json(struct cli *, const char *path, json_t **);

#endif
