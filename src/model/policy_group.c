#include "model/group_decode.h"

#include <stdlib.h>
#include <string.h>

#include "model/names.h"
#include "model/object_decode.h"
#include "model/schema_checks.h"
#include "util.h"

static void
selector_decode(const struct json_field *f, struct group_selector *s)
{
    struct json_field namespaces = json_field_member(f, "namespaceSelector");
    struct json_field pods = json_field_member(f, "podSelector");

    selector_init(&s->namespaces);
    selector_init(&s->pods);
    if (schema_required(f) && json_field_is_object(f)) {
        schema_some_member(f, namespaces.value || pods.value);
    }
    label_selector_decode(&namespaces, &s->namespaces);
    label_selector_decode(&pods, &s->pods);
}

static void
take_unknown(struct policy_group *group, char *path)
{
    if (group->unknown) {
        free(path);
    } else {
        group->unknown = path;
    }
}

static void
selectors_decode(const struct json_field *spec, struct policy_group *group)
{
    struct json_field list = json_field_member(spec, "selectors");

    group->n_selectors = schema_list(&list, 0, GROUPS_MAX_SELECTORS);
    group->selectors = xcalloc(group->n_selectors + 1, sizeof *group->selectors);
    for (size_t i = 0; i < group->n_selectors; i++) {
        struct json_field element = json_field_element(&list, i);

        selector_decode(&element, &group->selectors[i]);
        take_unknown(group, schema_unknown_in_pods(&element));
    }
}

/* NULL, or the reason why 'text' is no NAMESPACE/NAME. */
static char *
pod_name_check(const char *text, struct group_pod *pod)
{
    const char *slash = strchr(text, '/');

    if (!slash) {
        return xstrdup("must be NAMESPACE/NAME of a pod");
    }
    pod->namespace_ = xmemdup0(text, slash - text);
    pod->name = xstrdup(slash + 1);

    char *error = name_label_check(pod->namespace_);
    return error ? error : name_subdomain_check(pod->name);
}

static void
pods_decode(const struct json_field *spec, struct policy_group *group)
{
    struct json_field list = json_field_member(spec, "names");
    size_t n = schema_list(&list, 0, GROUPS_MAX_NAMES);

    group->pods = xcalloc(n + 1, sizeof *group->pods);
    schema_set_of_strings(&list, n);
    for (size_t i = 0; i < n; i++) {
        struct json_field element = json_field_element(&list, i);
        const char *text = schema_string(&element, GROUPS_MAX_POD_NAME);

        if (schema_required(&element) && text) {
            json_field_accept(&element, text, pod_name_check(text, &group->pods[group->n_pods++]));
        }
    }
}

static void
groups_decode(const struct json_field *spec, struct policy_group *group)
{
    struct json_field list = json_field_member(spec, "groups");
    size_t n = schema_list(&list, 0, GROUPS_MAX_GROUPS);

    group->groups = xcalloc(n + 1, sizeof *group->groups);
    schema_set_of_strings(&list, n);
    for (size_t i = 0; i < n; i++) {
        struct json_field element = json_field_element(&list, i);
        char *name = group_name_decode(&element);

        if (name) {
            group->groups[group->n_groups++] = name;
        }
    }
}

char *
group_name_decode(const struct json_field *f)
{
    const char *text = schema_string(f, NAME_SUBDOMAIN_MAX);

    if (!schema_required(f) || !text || !json_field_accept(f, text, name_subdomain_check(text))) {
        return NULL;
    }
    return xstrdup(text);
}

struct policy_group *
policy_group_decode(const json_t *json, struct field_errors *errors)
{
    static const char *const known[] = { "selectors", "names", "groups" };
    struct json_field object = json_field_root(json, errors);
    struct json_field spec = json_field_member(&object, "spec");
    struct policy_group *group = xzalloc(sizeof *group);
    size_t before = field_errors_count(errors);

    object_meta_decode(&object, false, name_subdomain_check, &group->meta);

    if (schema_required(&spec) && json_field_is_object(&spec)) {
        take_unknown(group, schema_unknown_member(&spec, known, ARRAY_SIZE(known)));
        selectors_decode(&spec, group);
        pods_decode(&spec, group);
        groups_decode(&spec, group);
    }
    if (field_errors_count(errors) != before) {
        policy_group_destroy(group);
        return NULL;
    }
    return group;
}

void
policy_group_destroy(struct policy_group *group)
{
    if (!group) {
        return;
    }
    object_meta_uninit(&group->meta);
    for (size_t i = 0; i < group->n_selectors; i++) {
        selector_uninit(&group->selectors[i].namespaces);
        selector_uninit(&group->selectors[i].pods);
    }
    for (size_t i = 0; i < group->n_pods; i++) {
        free(group->pods[i].namespace_);
        free(group->pods[i].name);
    }
    for (size_t i = 0; i < group->n_groups; i++) {
        free(group->groups[i]);
    }
    free(group->selectors);
    free(group->pods);
    free(group->groups);
    free(group->unknown);
    free(group);
}
