/* The rows of kinds.def, and ways to find one. */
#include "sources/object_store.h"

#include <string.h>
#include <strings.h>

const struct resource_kind resource_kinds[] = {
#define KIND(GROUP, VERSION, PLURAL, SINGULAR, NAME, SHORT_NAMES, NAMESPACED, HAS_STATUS, KEY) \
    { GROUP, VERSION, PLURAL, SINGULAR, NAME, SHORT_NAMES, NAMESPACED, HAS_STATUS, KEY },
#include "sources/kinds.def"
#undef KIND
};
const size_t n_resource_kinds = sizeof resource_kinds / sizeof *resource_kinds;

/* "v1" is version v1 of the core group, "a/v1" of group a. */
static bool
is_api_version(const struct resource_kind *rk, const char *api_version)
{
    size_t n = strlen(rk->group);

    if (n) {
        if (strncmp(api_version, rk->group, n) || api_version[n] != '/') {
            return false;
        }
        api_version += n + 1;
    }
    return !strcmp(api_version, rk->version);
}

const struct resource_kind *
resource_kind_by_gvk(const char *api_version, const char *kind)
{
    for (size_t i = 0; i < n_resource_kinds; i++) {
        const struct resource_kind *rk = &resource_kinds[i];

        if (!strcmp(rk->kind, kind) && is_api_version(rk, api_version)) {
            return rk;
        }
    }
    return NULL;
}

const struct resource_kind *
resource_kind_by_path(const char *group, const char *version, const char *plural)
{
    for (size_t i = 0; i < n_resource_kinds; i++) {
        const struct resource_kind *rk = &resource_kinds[i];

        if (!strcmp(rk->group, group) && !strcmp(rk->version, version)
            && !strcmp(rk->plural, plural)) {
            return rk;
        }
    }
    return NULL;
}

static bool
is_short_name(const struct resource_kind *rk, const char *word)
{
    size_t n = strlen(word);

    for (const char *s = rk->short_names; *s;) {
        size_t length = strcspn(s, ",");

        if (length == n && !strncasecmp(s, word, n)) {
            return true;
        }
        s += length + (s[length] == ',');
    }
    return false;
}

const struct resource_kind *
resource_kind_by_word(const char *word)
{
    for (size_t i = 0; i < n_resource_kinds; i++) {
        const struct resource_kind *rk = &resource_kinds[i];

        if (!strcasecmp(rk->plural, word) || !strcasecmp(rk->singular, word)
            || !strcasecmp(rk->kind, word) || !strcasecmp(rk->key, word)
            || is_short_name(rk, word)) {
            return rk;
        }
    }
    return NULL;
}
