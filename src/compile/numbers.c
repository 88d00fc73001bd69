#include "compile/numbers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "util.h"

static const struct number_range {
    const char *word;
    uint64_t first, last;
} ranges[N_NUMBERS] = {
#define NUMBER(NAME, WORD, FIRST, LAST) { WORD, FIRST, LAST },
#include "compile/numbers.def"
#undef NUMBER
};

void
numbers_init(struct numbers *numbers)
{
    for (int kind = 0; kind < N_NUMBERS; kind++) {
        numbers->next[kind] = ranges[kind].first;
    }
}

bool
numbers_take(struct numbers *numbers, enum number_kind kind, number_used_fn *used, const void *aux,
             uint32_t *number)
{
    const struct number_range *range = &ranges[kind];

    for (uint64_t left = range->last - range->first + 1; left; left--) {
        uint64_t n = numbers->next[kind];
        if (n > range->last) {
            n = range->first;
        }
        numbers->next[kind] = n + 1;
        if (!used(aux, n)) {
            *number = n;
            return true;
        }
    }
    return false;
}

void
numbers_note(struct numbers *numbers, enum number_kind kind, uint32_t number)
{
    numbers->next[kind] = MAX(numbers->next[kind], (uint64_t) number + 1);
}

void
numbers_format(const struct numbers *numbers, struct ds *ds)
{
    for (int kind = 0; kind < N_NUMBERS; kind++) {
        ds_put_format(ds, "%s%s=%" PRIu64, kind ? " " : "", ranges[kind].word,
                      numbers->next[kind]);
    }
}

static bool
parse_one(struct numbers *numbers, const char *word, size_t word_len, uint64_t value)
{
    for (int kind = 0; kind < N_NUMBERS; kind++) {
        const struct number_range *range = &ranges[kind];
        if (strlen(range->word) == word_len && !memcmp(range->word, word, word_len)) {
            numbers->next[kind] = value;
            return value >= range->first && value <= range->last + 1;
        }
    }
    return false;
}

char *
numbers_parse(struct numbers *numbers, const char *s)
{
    struct numbers parsed = *numbers;

    for (s += strspn(s, " "); *s; s += strspn(s, " ")) {
        size_t word_len = strcspn(s, "= ");
        const char *digits = s + word_len + (s[word_len] == '=');
        char *end = NULL;

        errno = 0;
        uint64_t value = strtoull(digits, &end, 10);
        if (errno || *digits < '0' || *digits > '9' || (*end && *end != ' ')
            || !parse_one(&parsed, s, word_len, value)) {
            return xasprintf("\"%.64s\" is not a counter and its value", s);
        }
        s = end;
    }
    *numbers = parsed;
    return NULL;
}
