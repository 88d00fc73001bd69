/* What a flow or a cookie is for, in words.  Pure. */
#ifndef VIRGACTL_EXPLAIN_H
#define VIRGACTL_EXPLAIN_H 1

#include <stdbool.h>
#include <stdint.h>

struct ds;
struct words;

/* A line: whose flow a cookie marks; for a rule a second line with the rule as
 * a sentence, indented. */
void explain_cookie(const struct words *, uint64_t cookie, struct ds *);

/* A paragraph about one line of "ovs-ofctl dump-flows"; false (and nothing)
 * if the line is no flow. */
bool explain_flow(const struct words *, const char *line, struct ds *);

#endif
