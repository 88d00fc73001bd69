/* JSON merge patch, RFC 7386. */
#include "sources/object_store.h"

static void
merge_members(json_t *target, const json_t *patch)
{
    const char *key;
    json_t *value;

    json_object_foreach ((json_t *) patch, key, value) {
        if (json_is_null(value)) {
            json_object_del(target, key);
        } else if (json_is_object(value)) {
            json_t *member = json_object_get(target, key);

            if (!json_is_object(member)) {
                member = json_object();
                json_object_set_new(target, key, member);
            }
            merge_members(member, value);
        } else {
            json_object_set_new(target, key, json_deep_copy(value));
        }
    }
}

json_t *
json_merge_patch(const json_t *target, const json_t *patch)
{
    if (!json_is_object(patch)) {
        return json_deep_copy(patch);
    }

    json_t *result = json_is_object(target) ? json_deep_copy(target) : json_object();

    merge_members(result, patch);
    return result;
}
