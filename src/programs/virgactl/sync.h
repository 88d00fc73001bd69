/* Waiting until the nodes have applied what was written. */
#ifndef VIRGACTL_SYNC_H
#define VIRGACTL_SYNC_H 1

struct cli;

enum { SYNC_DEFAULT_SECONDS = 30, SYNC_MAX_SECONDS = 300 };

/* CLI_OK when every ready node has applied all that was written before. */
int sync_nodes(struct cli *, unsigned int seconds);

#endif
