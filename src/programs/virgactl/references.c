#include "programs/virgactl/references.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/util.h"
#include "programs/virgactl/cli.h"
#include "programs/virgactl/objects.h"
#include "util.h"

static void
add_reference(struct references *refs, const struct resource_kind *kind, const char *name)
{
    refs->a = xrealloc(refs->a, (refs->n + 1) * sizeof *refs->a);
    refs->a[refs->n].kind = kind;
    refs->a[refs->n].name = name ? xstrdup(name) : NULL;
    refs->n++;
}

static int
parse_slashed(const char *word, struct references *refs)
{
    const char *slash = strchr(word, '/');
    const struct resource_kind *kind;
    char *kind_word;

    if (!slash || !slash[1]) {
        cli_error("'%s': after KIND/NAME only KIND/NAME may follow", word);
        return CLI_USAGE;
    }
    kind_word = xmemdup0(word, slash - word);
    kind = kind_from_word(kind_word);
    free(kind_word);
    if (!kind) {
        return CLI_REFUSED;
    }
    add_reference(refs, kind, slash + 1);
    return CLI_OK;
}

static int
parse_kind_names(int argc, char **argv, struct references *refs)
{
    const struct resource_kind *kind = kind_from_word(argv[0]);

    if (!kind) {
        return CLI_REFUSED;
    }
    for (int i = 1; i < argc; i++) {
        add_reference(refs, kind, argv[i]);
    }
    if (argc == 1) {
        add_reference(refs, kind, NULL);
    }
    return CLI_OK;
}

int
references_parse(int argc, char **argv, struct references *refs)
{
    int error = CLI_OK;

    memset(refs, 0, sizeof *refs);
    if (!strchr(argv[0], '/')) {
        error = parse_kind_names(argc, argv, refs);
    } else {
        for (int i = 0; i < argc && !error; i++) {
            error = parse_slashed(argv[i], refs);
        }
    }
    if (error) {
        references_uninit(refs);
    }
    return error;
}

void
references_uninit(struct references *refs)
{
    for (size_t i = 0; i < refs->n; i++) {
        free(refs->a[i].name);
    }
    free(refs->a);
    memset(refs, 0, sizeof *refs);
}
