#include "model/objects.h"

#include <stdlib.h>
#include <string.h>

#include "model/names.h"
#include "model/object_decode.h"
#include "util.h"

/* One of status.addresses: {type, address}.  Host names are of no use here. */
static void
address_decode(const struct json_field *f, struct k8s_node *node)
{
    struct json_field type_field = json_field_member(f, "type");
    struct json_field address_field = json_field_member(f, "address");
    const char *type = json_field_string(&type_field);
    const char *address = json_field_string(&address_field);

    json_field_is_object(f);
    if (type && address && (!strcmp(type, "InternalIP") || !strcmp(type, "ExternalIP"))) {
        address_list_add(&address_field, address, &node->addresses, &node->n_addresses);
    }
}

struct k8s_node *
k8s_node_decode(const json_t *json, struct field_errors *errors)
{
    struct json_field object = json_field_root(json, errors);
    struct json_field status = json_field_member(&object, "status");
    struct json_field addresses = json_field_member(&status, "addresses");
    struct k8s_node *node = xzalloc(sizeof *node);
    size_t before = field_errors_count(errors);

    object_meta_decode(&object, false, name_subdomain_check, &node->meta);
    json_field_is_object(&status);

    size_t n = json_field_array_length(&addresses, OBJECTS_MAX_ADDRESSES);

    for (size_t i = 0; i < n; i++) {
        struct json_field element = json_field_element(&addresses, i);

        address_decode(&element, node);
    }
    if (field_errors_count(errors) != before) {
        k8s_node_destroy(node);
        return NULL;
    }
    return node;
}

void
k8s_node_destroy(struct k8s_node *node)
{
    if (node) {
        object_meta_uninit(&node->meta);
        free(node->addresses);
        free(node);
    }
}
