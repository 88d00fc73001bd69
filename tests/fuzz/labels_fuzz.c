/* Selectors: a selector from the input matches labels from the input as its
 * requirements say one by one, and the order of adding changes nothing.
 *
 * Input: lines of "KEY OP VALUE...", with OP one of = ! + -; a line without
 * OP is a label "KEY VALUE". */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "model/labels.h"
#include "openvswitch/dynamic-string.h"
#include "svec.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Words are interned for good: few per run. */
enum { MAX_LINES = 64, MAX_BYTES = 256 };

static bool
parse_op(const char *word, enum selector_op *op)
{
    static const char ops[] = "=!+-";
    const char *p = word[0] && !word[1] ? strchr(ops, word[0]) : NULL;

    if (!p) {
        return false;
    }
    *op = (enum selector_op)(p - ops);
    return true;
}

static void
require(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void
check_syntax(const char *word)
{
    free(label_key_check(word));
    free(label_value_check(word));
}

static void
add_line(const char *line, struct labels *labels, struct selector *s)
{
    struct svec words = SVEC_EMPTY_INITIALIZER;
    enum selector_op op;

    svec_parse_words(&words, line);
    for (size_t i = 0; i < words.n; i++) {
        check_syntax(words.names[i]);
    }
    if (words.n >= 2 && parse_op(words.names[1], &op)) {
        selector_add(s, words.names[0], op, (const char *const *) &words.names[2], words.n - 2);
    } else if (words.n == 2) {
        labels_set(labels, words.names[0], words.names[1]);
    }
    svec_destroy(&words);
}

static void
check(const struct svec *lines, size_t n)
{
    struct labels labels;
    struct selector forward, backward, copy;
    struct ds a = DS_EMPTY_INITIALIZER;
    struct ds b = DS_EMPTY_INITIALIZER;
    bool all = true;

    labels_init(&labels);
    selector_init(&forward);
    selector_init(&backward);
    for (size_t i = 0; i < n; i++) {
        add_line(lines->names[i], &labels, &forward);
    }

    struct labels ignored;

    labels_clone(&ignored, &labels);
    for (size_t i = n; i-- > 0;) {
        struct selector one;

        add_line(lines->names[i], &ignored, &backward);
        selector_init(&one);
        add_line(lines->names[i], &ignored, &one);
        all = selector_matches(&one, &labels) && all;
        selector_uninit(&one);
    }
    require(selector_matches(&forward, &labels) == all);
    require(selector_equal(&forward, &backward));
    selector_clone(&copy, &forward);
    selector_format(&copy, &a);
    selector_format(&backward, &b);
    require(!strcmp(ds_cstr(&a), ds_cstr(&b)));
    selector_uninit(&copy);
    selector_uninit(&forward);
    selector_uninit(&backward);
    labels_uninit(&labels);
    labels_uninit(&ignored);
    ds_destroy(&a);
    ds_destroy(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct svec lines = SVEC_EMPTY_INITIALIZER;
    char *text = xmemdup0((const char *) data, size);
    char *rest = text;
    char *line;

    if (size <= MAX_BYTES) {
        while ((line = strsep(&rest, "\n"))) {
            svec_add(&lines, line);
        }
        check(&lines, lines.n < MAX_LINES ? lines.n : MAX_LINES);
    }
    svec_destroy(&lines);
    free(text);
    return 0;
}
