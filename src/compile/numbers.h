/* Counters of the numbers that the leading controller hands out: each goes on
 * from the last one, so that a number comes back as late as possible, if at
 * all.  Their text is stored with the records. */
#ifndef VIRGA_NUMBERS_H
#define VIRGA_NUMBERS_H 1

#include <stdbool.h>
#include <stdint.h>

#include "base/records.h"

struct ds;

enum number_kind {
#define NUMBER(NAME, WORD, FIRST, LAST) NUMBER_##NAME,
#include "compile/numbers.def"
#undef NUMBER
    N_NUMBERS
};

struct numbers {
    uint64_t next[N_NUMBERS]; /* First..last + 1. */
};

void numbers_init(struct numbers *);

/* Whether 'number' is in use. */
typedef bool number_used_fn(const void *aux, uint32_t number);

/* The next free number; false if all are in use. */
bool numbers_take(struct numbers *numbers, enum number_kind kind, number_used_fn *used,
                  const void *aux, uint32_t *number);

/* Never hands out 'number' before all higher ones. */
void numbers_note(struct numbers *, enum number_kind, uint32_t number);

/* "node=3 vni=4100 ..."; parse takes any order and may lack some. */
void numbers_format(const struct numbers *, struct ds *);
char *numbers_parse(struct numbers *, const char *) __attribute__((warn_unused_result));

#endif
