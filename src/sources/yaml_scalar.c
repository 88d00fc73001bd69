#include "sources/yaml_scalar.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS "0123456789"

static bool
is_one_of(const char *text, const char *const *words)
{
    for (; *words; words++) {
        if (!strcmp(text, *words)) {
            return true;
        }
    }
    return false;
}

/* True if 's' is one or more characters of 'set' and nothing else. */
static bool
is_all(const char *s, const char *set)
{
    return s[0] && !s[strspn(s, set)];
}

static const char *
skip_sign(const char *s)
{
    return s + (*s == '-' || *s == '+');
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool
is_float(const char *s)
{
    size_t n;

    s = skip_sign(s);
    n = strspn(s, DIGITS);
    s += n;
    if (*s == '.') {
        size_t fraction = strspn(s + 1, DIGITS);

        if (!n && !fraction) {
            return false;
        }
        s += 1 + fraction;
    } else if (!n) {
        return false;
    }
    if (*s == 'e' || *s == 'E') {
        return is_all(skip_sign(s + 1), DIGITS);
    }
    return !*s;
}

static json_t *
resolve_unsigned(const char *digits, int base)
{
    unsigned long long value;

    errno = 0;
    value = strtoull(digits, NULL, base);
    return errno || value > INT64_MAX ? NULL : json_integer(value);
}

static json_t *
resolve_integer(const char *text)
{
    long long value;

    errno = 0;
    value = strtoll(text, NULL, 10);
    return errno ? NULL : json_integer(value);
}

json_t *
yaml_scalar_resolve(const char *text)
{
    static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
    static const char *const trues[] = { "true", "True", "TRUE", NULL };
    static const char *const falses[] = { "false", "False", "FALSE", NULL };
    static const char *const specials[] = { ".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN", NULL };

    if (is_one_of(text, nulls)) {
        return json_null();
    } else if (is_one_of(text, trues)) {
        return json_true();
    } else if (is_one_of(text, falses)) {
        return json_false();
    } else if (is_all(skip_sign(text), DIGITS)) {
        return resolve_integer(text);
    } else if (!strncmp(text, "0o", 2) && is_all(text + 2, "01234567")) {
        return resolve_unsigned(text + 2, 8);
    } else if (!strncmp(text, "0x", 2) && is_all(text + 2, DIGITS "abcdefABCDEF")) {
        return resolve_unsigned(text + 2, 16);
    } else if (is_one_of(skip_sign(text), specials)) {
        return NULL;
    } else if (is_float(text)) {
        return json_real(strtod(text, NULL));
    }
    return json_string(text);
}
