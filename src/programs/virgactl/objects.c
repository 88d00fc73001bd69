#include "programs/virgactl/objects.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "programs/virgactl/cli.h"
#include "util.h"

const struct resource_kind *
kind_from_word(const char *word)
{
    const struct resource_kind *kind = resource_kind_by_word(word);

    if (!kind) {
        struct ds words = DS_EMPTY_INITIALIZER;

        for (size_t i = 0; i < n_resource_kinds; i++) {
            ds_put_format(&words, " %s", resource_kinds[i].plural);
        }
        cli_error("'%s' is not a kind that Virga knows; those are:%s", word, ds_cstr(&words));
        ds_destroy(&words);
    }
    return kind;
}

static void
put_segment(struct ds *path, const char *segment)
{
    ds_put_char(path, '/');
    for (; *segment; segment++) {
        unsigned char c = *segment;

        if (isalnum(c) || strchr("-_.~", c)) {
            ds_put_char(path, c);
        } else {
            ds_put_format(path, "%%%02X", c);
        }
    }
}

char *
object_path(const struct resource_kind *kind, const char *ns, const char *name, const char *query)
{
    struct ds path = DS_EMPTY_INITIALIZER;

    if (*kind->group) {
        ds_put_format(&path, "/apis/%s/%s", kind->group, kind->version);
    } else {
        ds_put_format(&path, "/api/%s", kind->version);
    }
    if (kind->namespaced && ns) {
        ds_put_cstr(&path, "/namespaces");
        put_segment(&path, ns);
    }
    put_segment(&path, kind->plural);
    if (name) {
        put_segment(&path, name);
    }
    if (query) {
        ds_put_format(&path, "?%s", query);
    }
    return ds_steal_cstr(&path);
}

char *
object_title(const struct resource_kind *kind, const char *ns, const char *name)
{
    return kind->namespaced ? xasprintf("%s/%s/%s", kind->singular, ns, name)
                            : xasprintf("%s/%s", kind->singular, name);
}

const char *
object_meta_string(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(json_object_get(object, "metadata"), key));

    return s ? s : "";
}
