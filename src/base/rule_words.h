/* A rule as a sentence, for people.  Pure. */
#ifndef VIRGA_RULE_WORDS_H
#define VIRGA_RULE_WORDS_H 1

#include "base/records.h"

struct ds;

/* "pods app=redis of namespace shop accept TCP 6379 from pods role=frontend of
 * namespace shop"; of a default deny "... accept only what a rule allows"; of a
 * rule that is not in force "... (dry run)". */
void rule_words(const struct records *, const struct rec_rule *, struct ds *);

#endif
