/* Policies that nodes do not realise as they say, as problems of the objects.
 *
 * Each node tells its own (store_node_status.policy_problems); here they become
 * one problem per policy, with the reason "TooLarge", which names the first node
 * and says how many there are. */
#ifndef VIRGA_NODE_PROBLEMS_H
#define VIRGA_NODE_PROBLEMS_H 1

#include <stdbool.h>
#include <stddef.h>

struct compile_problem;
struct store_node_status;

struct node_problems;
struct node_problems *node_problems_create(void);
void node_problems_destroy(struct node_problems *);

/* A round over all nodes: begin, see each, end.  End adds to 'changed' the policies
 * (KIND/NAMESPACE/NAME) whose problem is not that of the round before. */
struct sset;
void node_problems_begin(struct node_problems *);
void node_problems_see(struct node_problems *, const struct store_node_status *);
void node_problems_end(struct node_problems *, struct sset *changed);

/* The problem of a policy, or NULL.  Borrowed, until the next round. */
const struct compile_problem *node_problems_find(const struct node_problems *, const char *policy);

#endif
