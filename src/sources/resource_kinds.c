/* The rows of kinds.def, and ways to find one. */
#include "sources/object_store.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "openvswitch/util.h"
#include "util.h"

const struct resource_kind resource_kinds[] = {
#define KIND(GROUP, VERSION, PLURAL, SINGULAR, NAME, SHORT_NAMES, NAMESPACED, HAS_STATUS, KEY) \
    { GROUP, VERSION, PLURAL, SINGULAR, NAME, SHORT_NAMES, NAMESPACED, HAS_STATUS, KEY, NULL },
#define FORM(...)
#include "sources/kinds.def"
#undef KIND
#undef FORM
#define KIND(...)
#define FORM(GROUP, VERSION, PLURAL, SINGULAR, NAME, KEY, FORM_OF) \
    { GROUP, VERSION, PLURAL, SINGULAR, NAME, "", true, false, KEY, FORM_OF },
#include "sources/kinds.def"
#undef KIND
#undef FORM
};

const size_t n_resource_kinds = 0
#define KIND(...) +1
#define FORM(...)
#include "sources/kinds.def"
#undef KIND
#undef FORM
    ;
const size_t n_resource_forms = ARRAY_SIZE(resource_kinds);

const struct resource_kind *
resource_kind_stored(const struct resource_kind *kind)
{
    for (size_t i = 0; kind->form_of && i < n_resource_kinds; i++) {
        if (!strcmp(resource_kinds[i].key, kind->form_of)) {
            return &resource_kinds[i];
        }
    }
    return kind;
}

char *
resource_kind_api_version(const struct resource_kind *kind)
{
    return kind->group[0] ? xasprintf("%s/%s", kind->group, kind->version)
                          : xstrdup(kind->version);
}

json_t *
resource_kind_in_form(const struct resource_kind *kind, json_t *object)
{
    if (!kind->form_of) {
        return json_incref(object);
    }

    json_t *copy = json_copy(object);
    char *api_version = resource_kind_api_version(kind);

    json_object_set_new(copy, "apiVersion", json_string(api_version));
    free(api_version);
    return copy;
}

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
    for (size_t i = 0; i < n_resource_forms; i++) {
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
    for (size_t i = 0; i < n_resource_forms; i++) {
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
    for (size_t i = 0; i < n_resource_forms; i++) {
        const struct resource_kind *rk = &resource_kinds[i];

        if (!strcasecmp(rk->plural, word) || !strcasecmp(rk->singular, word)
            || !strcasecmp(rk->kind, word) || !strcasecmp(rk->key, word)
            || is_short_name(rk, word)) {
            return rk;
        }
    }
    return NULL;
}
