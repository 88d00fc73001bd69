/* Records: whatever parses prints as text that parses to the same. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/records.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct records *first = records_create();
    struct records *second = records_create();
    struct ds a = DS_EMPTY_INITIALIZER;
    struct ds b = DS_EMPTY_INITIALIZER;
    char *text = xmemdup0((const char *) data, size);
    char *error = records_parse(text, first);

    if (!error) {
        records_format_all(first, &a);
        error = records_parse(ds_cstr(&a), second);
        if (error) {
            abort();
        }
        records_format_all(second, &b);
        if (strcmp(ds_cstr(&a), ds_cstr(&b))) {
            abort();
        }
    }
    free(error);
    free(text);
    ds_destroy(&a);
    ds_destroy(&b);
    records_destroy(first);
    records_destroy(second);
    return 0;
}
