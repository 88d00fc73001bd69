/* Matches and actions of Virga's flows in words: registers by the names of
 * their fields, numbers by what they stand for.  Pure. */
#ifndef VIRGACTL_FLOW_WORDS_H
#define VIRGACTL_FLOW_WORDS_H 1

struct ds;
struct words;

/* "reg0=0x100" as "src_identity=256 shop{app=redis}". */
void flow_words_put_match(const struct words *, const char *match, struct ds *);
/* "resubmit(,36)" as "go to egress_np". */
void flow_words_put_action(const struct words *, const char *action, struct ds *);

#endif
