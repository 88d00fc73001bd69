/* Decoders of API objects: any JSON gives an object or an error, never
 * neither and never both. */
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "model/groups.h"
#include "model/objects.h"
#include "openvswitch/dynamic-string.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
format_errors(const struct field_errors *errors)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < errors->n; i++) {
        field_error_format(&errors->a[i], &ds);
    }
    ds_destroy(&ds);
}

#define DECODE(TYPE)                                        \
    static void TYPE##_try(const json_t *json)              \
    {                                                       \
        struct field_errors errors;                         \
                                                            \
        field_errors_init(&errors);                         \
        struct TYPE *object = TYPE##_decode(json, &errors); \
        if (!object != (field_errors_count(&errors) > 0)) { \
            abort();                                        \
        }                                                   \
        format_errors(&errors);                             \
        TYPE##_destroy(object);                             \
        field_errors_uninit(&errors);                       \
    }
DECODE(k8s_namespace)
DECODE(k8s_pod)
DECODE(k8s_node)
DECODE(network_policy)
DECODE(ordered_policy)
DECODE(policy_group)
DECODE(network_group)
#define group_policy ordered_policy
#define group_policy_destroy ordered_policy_destroy
DECODE(group_policy)

/* Sorted, and none covers its neighbour; each address in one at most. */
static void
prefixes_try(const json_t *json)
{
    struct field_errors errors;

    field_errors_init(&errors);
    struct network_group *group = network_group_decode(json, &errors);
    size_t n = 0;
    struct prefix *prefixes = group ? network_group_prefixes(group, &n) : NULL;

    for (size_t i = 1; prefixes && i < n; i++) {
        if (prefix_compare(&prefixes[i - 1], &prefixes[i]) >= 0
            || prefix_covers(&prefixes[i - 1], &prefixes[i])) {
            abort();
        }
    }
    free(prefixes);
    network_group_destroy(group);
    field_errors_uninit(&errors);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *json = json_loadb((const char *) data, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    struct field_errors errors;

    if (!json) {
        return 0;
    }
    k8s_namespace_try(json);
    k8s_pod_try(json);
    k8s_node_try(json);
    network_policy_try(json);
    ordered_policy_try(json);
    policy_group_try(json);
    network_group_try(json);
    group_policy_try(json);
    prefixes_try(json);
    field_errors_init(&errors);
    object_validate(json, &errors);
    field_errors_uninit(&errors);
    json_decref(json);
    return 0;
}
