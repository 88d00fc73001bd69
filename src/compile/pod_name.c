#include "compile/pod_name.h"

#include <stdlib.h>
#include <string.h>

#include "model/labels.h"
#include "util.h"

#define PREFIX "pod:"

const char *
pod_name_key(const char *name)
{
    char *text = xasprintf(PREFIX "%s", name);
    const char *key = intern(text);

    free(text);
    return key;
}

bool
pod_name_is_key(const char *key)
{
    return !strncmp(key, PREFIX, sizeof PREFIX - 1);
}

bool
pod_name_has_key(const char *name, const char *key)
{
    return pod_name_is_key(key) && !strcmp(key + sizeof PREFIX - 1, name);
}

void
pod_name_select(struct selector *dst, const char *name)
{
    selector_init(dst);
    selector_add(dst, pod_name_key(name), SELECTOR_EXISTS, NULL, 0);
}
