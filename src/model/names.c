#include "model/names.h"

#include <stdlib.h>
#include <string.h>

#include "util.h"

/* The C library's classes depend on the locale. */
static bool
is_lower_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool
is_alnum(char c)
{
    return is_lower_alnum(c) || (c >= 'A' && c <= 'Z');
}

/* [a-z0-9]([-a-z0-9]*[a-z0-9])? */
static bool
is_dns_label(const char *s, size_t n)
{
    if (!n || s[0] == '-' || s[n - 1] == '-') {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!is_lower_alnum(s[i]) && s[i] != '-') {
            return false;
        }
    }
    return true;
}

static bool
is_dns_subdomain(const char *s)
{
    for (;;) {
        size_t n = strcspn(s, ".");

        if (!is_dns_label(s, n)) {
            return false;
        }
        if (!s[n]) {
            return true;
        }
        s += n + 1;
    }
}

bool
name_is_word(const char *s, size_t n)
{
    if (!n || !is_alnum(s[0]) || !is_alnum(s[n - 1])) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!is_alnum(s[i]) && s[i] != '-' && s[i] != '_' && s[i] != '.') {
            return false;
        }
    }
    return true;
}

static char *
too_long(const char *part, int max)
{
    return xasprintf("%smust be no more than %d bytes", part, max);
}

char *
name_label_check(const char *s)
{
    if (strlen(s) > NAME_LABEL_MAX) {
        return too_long("", NAME_LABEL_MAX);
    }
    if (!is_dns_label(s, strlen(s))) {
        return xstrdup("a lowercase RFC 1123 label must consist of lower case alphanumeric "
                       "characters or '-', and must start and end with an alphanumeric "
                       "character (e.g. 'my-name',  or '123-abc', regex used for validation "
                       "is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')");
    }
    return NULL;
}

static char *
subdomain_check(const char *part, const char *s)
{
    if (strlen(s) > NAME_SUBDOMAIN_MAX) {
        return too_long(part, NAME_SUBDOMAIN_MAX);
    }
    if (!is_dns_subdomain(s)) {
        return xasprintf("%sa lowercase RFC 1123 subdomain must consist of lower case "
                         "alphanumeric characters, '-' or '.', and must start and end with an "
                         "alphanumeric character (e.g. 'example.com', regex used for validation "
                         "is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
                         part);
    }
    return NULL;
}

char *
name_subdomain_check(const char *s)
{
    return subdomain_check("", s);
}

#define WORD_RULE                                                                               \
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an " \
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "      \
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"

static char *
qualified_name_part_check(const char *name)
{
    size_t n = strlen(name);

    if (!n) {
        return xstrdup("name part must be non-empty");
    }
    if (n > NAME_LABEL_MAX) {
        return too_long("name part ", NAME_LABEL_MAX);
    }
    return name_is_word(name, n) ? NULL : xstrdup("name part " WORD_RULE);
}

char *
name_qualified_check(const char *s)
{
    const char *slash = strchr(s, '/');

    if (!slash) {
        return qualified_name_part_check(s);
    }
    if (strchr(slash + 1, '/')) {
        return xstrdup("a qualified name " WORD_RULE " with an optional DNS subdomain prefix and "
                       "'/' (e.g. 'example.com/MyName')");
    }
    if (slash == s) {
        return xstrdup("prefix part must be non-empty");
    }

    char *prefix = xmemdup0(s, slash - s);
    char *error = subdomain_check("prefix part ", prefix);

    free(prefix);
    return error ? error : qualified_name_part_check(slash + 1);
}

char *
name_port_check(const char *s)
{
    size_t n = strlen(s);
    bool letter = false;

    if (n > NAME_PORT_MAX) {
        return too_long("", NAME_PORT_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        if (!is_lower_alnum(s[i]) && s[i] != '-') {
            return xstrdup("must contain only alpha-numeric characters (a-z, 0-9), and hyphens "
                           "(-)");
        }
        letter |= s[i] >= 'a' && s[i] <= 'z';
    }
    if (!letter) {
        return xstrdup("must contain at least one letter (a-z)");
    }
    if (strstr(s, "--")) {
        return xstrdup("must not contain consecutive hyphens");
    }
    if (s[0] == '-' || s[n - 1] == '-') {
        return xstrdup("must not begin or end with a hyphen");
    }
    return NULL;
}
