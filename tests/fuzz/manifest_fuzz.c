/* Manifest files: bytes to documents, each validated, with the line of every
 * error. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "model/objects.h"
#include "sources/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
validate(const struct manifest_document *doc)
{
    struct field_errors errors;

    field_errors_init(&errors);
    object_validate(doc->object, &errors);
    for (size_t i = 0; i < errors.n; i++) {
        if (manifest_line(doc, errors.a[i].field) < doc->line) {
            abort();
        }
    }
    field_errors_uninit(&errors);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct manifest manifest;
    char *error = manifest_parse("x", (const char *) data, size, &manifest);

    free(error);
    for (size_t i = 0; i < manifest.n; i++) {
        validate(&manifest.docs[i]);
    }
    manifest_uninit(&manifest);
    return 0;
}
