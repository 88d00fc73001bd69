/* Discovery: which groups, versions and resources there are, from the table
 * of resource kinds. */
#include "api/rest_internal.h"

#include <stdlib.h>
#include <string.h>

#include "util.h"

json_t *
discovery_core(void)
{
    return json_pack("{s:s, s:[s], s:[]}", "kind", "APIVersions", "versions", "v1",
                     "serverAddressByClientCIDRs");
}

static json_t *
group_version(const struct resource_kind *kind)
{
    char *api_version = resource_kind_api_version(kind);
    json_t *value = json_pack("{s:s, s:s}", "groupVersion", api_version, "version", kind->version);
    free(api_version);
    return value;
}

static bool
array_has_version(const json_t *versions, const char *version)
{
    size_t i;
    json_t *value;
    json_array_foreach (versions, i, value) {
        if (!strcmp(json_string_value(json_object_get(value, "version")), version)) {
            return true;
        }
    }
    return false;
}

/* Without kind and apiVersion, as in the list of groups. */
static json_t *
group_body(const char *group)
{
    json_t *versions = json_array();
    for (size_t i = 0; i < n_resource_forms; i++) {
        const struct resource_kind *kind = &resource_kinds[i];
        if (!strcmp(kind->group, group) && !array_has_version(versions, kind->version)) {
            json_array_append_new(versions, group_version(kind));
        }
    }
    return json_pack("{s:s, s:O, s:o}", "name", group, "preferredVersion",
                     json_array_get(versions, 0), "versions", versions);
}

static bool
group_exists(const char *group)
{
    for (size_t i = 0; i < n_resource_forms; i++) {
        if (group[0] && !strcmp(resource_kinds[i].group, group)) {
            return true;
        }
    }
    return false;
}

json_t *
discovery_groups(void)
{
    json_t *groups = json_array();
    for (size_t i = 0; i < n_resource_forms; i++) {
        const char *group = resource_kinds[i].group;
        bool first = group[0] != '\0';
        for (size_t j = 0; j < i; j++) {
            first &= strcmp(resource_kinds[j].group, group) != 0;
        }
        if (first) {
            json_array_append_new(groups, group_body(group));
        }
    }
    return json_pack("{s:s, s:s, s:o}", "kind", "APIGroupList", "apiVersion", "v1", "groups",
                     groups);
}

json_t *
discovery_group(const char *group)
{
    if (!group_exists(group)) {
        return NULL;
    }
    json_t *value = json_pack("{s:s, s:s}", "kind", "APIGroup", "apiVersion", "v1");
    json_t *body = group_body(group);
    json_object_update(value, body);
    json_decref(body);
    return value;
}

static json_t *
short_names(const struct resource_kind *kind)
{
    json_t *names = json_array();
    for (const char *s = kind->short_names; *s;) {
        size_t length = strcspn(s, ",");
        json_array_append_new(names, json_stringn(s, length));
        s += length;
        s += *s == ',';
    }
    return names;
}

static void
append_resource(json_t *resources, const struct resource_kind *kind)
{
    json_t *resource = json_pack(
        "{s:s, s:s, s:b, s:s, s:[s,s,s,s,s,s,s], s:o}", "name", kind->plural, "singularName",
        kind->singular, "namespaced", kind->namespaced, "kind", kind->kind, "verbs", "create",
        "delete", "get", "list", "patch", "update", "watch", "shortNames", short_names(kind));
    if (strcmp(kind->kind, "Namespace")) {
        json_array_insert_new(json_object_get(resource, "verbs"), 2,
                              json_string("deletecollection"));
    }
    json_array_append_new(resources, resource);
    if (kind->has_status) {
        char *name = xasprintf("%s/status", kind->plural);
        json_array_append_new(resources,
                              json_pack("{s:s, s:s, s:b, s:s, s:[s,s,s]}", "name", name,
                                        "singularName", "", "namespaced", kind->namespaced, "kind",
                                        kind->kind, "verbs", "get", "patch", "update"));
        free(name);
    }
}

json_t *
discovery_resources(const char *group, const char *version)
{
    json_t *resources = json_array();
    for (size_t i = 0; i < n_resource_forms; i++) {
        const struct resource_kind *kind = &resource_kinds[i];
        if (!strcmp(kind->group, group) && !strcmp(kind->version, version)) {
            append_resource(resources, kind);
        }
    }
    if (!json_array_size(resources)) {
        json_decref(resources);
        return NULL;
    }
    char *api_version = group[0] ? xasprintf("%s/%s", group, version) : xstrdup(version);
    json_t *list = json_pack("{s:s, s:s, s:s, s:o}", "kind", "APIResourceList", "apiVersion", "v1",
                             "groupVersion", api_version, "resources", resources);
    free(api_version);
    return list;
}

/* Clients compare major and minor with the Kubernetes they were made for. */
json_t *
discovery_version(void)
{
    return json_pack("{s:s, s:s, s:s, s:s}", "major", "1", "minor", "34", "gitVersion",
                     "v1.34.0+virga-" VIRGA_VERSION, "platform", "linux");
}
