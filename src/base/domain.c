#include "base/domain.h"

#include <stddef.h>
#include <string.h>

#define LABEL_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789-_"

bool
domain_name_is_valid(const char *name)
{
    if (strlen(name) > DOMAIN_NAME_MAX) {
        return false;
    }
    for (;;) {
        size_t n = strspn(name, LABEL_CHARACTERS);

        if (!n || n > DOMAIN_LABEL_MAX || name[0] == '-' || name[n - 1] == '-') {
            return false;
        } else if (!name[n]) {
            return true;
        } else if (name[n] != '.') {
            return false;
        }
        name += n + 1;
    }
}

bool
domain_pattern_is_valid(const char *pattern)
{
    return domain_name_is_valid(strncmp(pattern, "*.", 2) ? pattern : pattern + 2);
}

bool
domain_pattern_matches(const char *pattern, const char *name)
{
    if (strncmp(pattern, "*.", 2)) {
        return !strcmp(pattern, name);
    }
    const char *suffix = pattern + 1; /* With its dot. */
    size_t n = strlen(name), m = strlen(suffix);

    return n > m && !strcmp(name + n - m, suffix);
}
