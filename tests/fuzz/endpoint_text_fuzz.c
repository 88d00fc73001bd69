/* Buckets of endpoints: whatever reads as a line prints as a line that reads the same. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "store/endpoint_text.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
put(void *out_, struct rec_endpoint *e)
{
    struct ds *out = out_;

    ds_put_cstr(out, out->length ? "\n" : "");
    endpoint_text_put(e, out);
    record_destroy(&e->r);
}

static void
skip(void *aux, const char *message)
{
}

static void
must_not_be(void *aux, const char *message)
{
    abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ds first = DS_EMPTY_INITIALIZER, second = DS_EMPTY_INITIALIZER;
    char *text = xmemdup0((const char *) data, size);

    endpoint_text_read(text, put, skip, &first);
    endpoint_text_read(ds_cstr(&first), put, must_not_be, &second);
    if (strcmp(ds_cstr(&first), ds_cstr(&second))) {
        abort();
    }
    ds_destroy(&first);
    ds_destroy(&second);
    free(text);
    return 0;
}
