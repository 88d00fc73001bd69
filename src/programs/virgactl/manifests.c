#include "programs/virgactl/manifests.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "model/objects.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "programs/virgactl/cli.h"
#include "programs/virgactl/objects.h"
#include "svec.h"
#include "util.h"

/* Errors are told up to this number. */
enum { MAX_TOLD = 200 };

static bool
is_manifest_name(const char *name)
{
    const char *dot = strrchr(name, '.');

    return name[0] != '.' && dot
           && (!strcmp(dot, ".yaml") || !strcmp(dot, ".yml") || !strcmp(dot, ".json"));
}

static int
list_directory(const char *path, struct svec *files)
{
    struct svec names = SVEC_EMPTY_INITIALIZER;
    DIR *dir = opendir(path);
    struct dirent *entry;
    const char *name;
    size_t i;

    if (!dir) {
        return errno;
    }
    while ((entry = readdir(dir))) {
        if (is_manifest_name(entry->d_name)) {
            svec_add(&names, entry->d_name);
        }
    }
    closedir(dir);
    svec_sort(&names);
    SVEC_FOR_EACH (i, name, &names) {
        size_t length = strlen(path);

        svec_add_nocopy(files,
                        xasprintf("%s%s%s", path, path[length - 1] == '/' ? "" : "/", name));
    }
    if (!names.n) {
        cli_error("%s: no *.yaml, *.yml or *.json in this directory", path);
    }
    i = names.n;
    svec_destroy(&names);
    return i ? 0 : ENOENT;
}

static bool
expand_paths(const struct svec *paths, struct svec *files)
{
    const char *path;
    bool ok = true;
    size_t i;

    SVEC_FOR_EACH (i, path, paths) {
        struct stat st;

        if (*path && strcmp(path, "-") && !stat(path, &st) && S_ISDIR(st.st_mode)) {
            ok = !list_directory(path, files) && ok;
        } else {
            svec_add(files, path);
        }
    }
    return ok;
}

/* A document of a namespaced kind without a namespace gets one. */
static void
default_namespace(json_t *object, const struct resource_kind *kind, const char *ns)
{
    json_t *meta = json_object_get(object, "metadata");

    if (kind && kind->namespaced && json_is_object(meta) && !json_object_get(meta, "namespace")) {
        json_object_set_new(meta, "namespace", json_string(ns));
    }
}

static const struct resource_kind *
kind_of(const json_t *object)
{
    const char *api_version = json_string_value(json_object_get(object, "apiVersion"));
    const char *kind = json_string_value(json_object_get(object, "kind"));

    return api_version && kind ? resource_kind_by_gvk(api_version, kind) : NULL;
}

struct told_error {
    int line;
    char *text;
};

static int
compare_told(const void *a_, const void *b_)
{
    const struct told_error *a = a_, *b = b_;

    return a->line != b->line ? (a->line > b->line) - (a->line < b->line)
                              : strcmp(a->text, b->text);
}

/* Tells the errors of one document in the order of its lines. */
static void
tell_errors(const struct manifest *file, const struct manifest_document *doc,
            const struct field_errors *errors, size_t max)
{
    struct told_error *told = xcalloc(errors->n, sizeof *told);

    for (size_t i = 0; i < errors->n; i++) {
        struct ds text = DS_EMPTY_INITIALIZER;

        field_error_format(&errors->a[i], &text);
        told[i].line = manifest_line(doc, errors->a[i].field);
        told[i].text = ds_steal_cstr(&text);
    }
    qsort(told, errors->n, sizeof *told, compare_told);
    for (size_t i = 0; i < errors->n; i++) {
        if (i < max) {
            fprintf(stderr, "%s:%d: %s\n", file->file, told[i].line, told[i].text);
        }
        free(told[i].text);
    }
    free(told);
}

static size_t
check_document(const struct manifest *file, const struct manifest_document *doc, size_t n_told)
{
    struct field_errors errors;
    size_t n;

    field_errors_init(&errors);
    object_validate(doc->object, &errors);
    if (errors.n) {
        tell_errors(file, doc, &errors, n_told < MAX_TOLD ? MAX_TOLD - n_told : 0);
    }
    n = errors.n + errors.n_more;
    field_errors_uninit(&errors);
    return n;
}

static void
add_entry(struct manifests *manifests, const struct manifest *file,
          const struct manifest_document *doc, const struct resource_kind *kind)
{
    struct manifest_entry *entry;

    manifests->a = xrealloc(manifests->a, (manifests->n + 1) * sizeof *manifests->a);
    entry = &manifests->a[manifests->n++];
    entry->file = file;
    entry->document = doc;
    entry->kind = kind;
    entry->object = doc->object;
    entry->ns = kind->namespaced ? object_meta_string(doc->object, "namespace") : "";
    entry->name = object_meta_string(doc->object, "name");
    entry->title = object_title(kind, entry->ns, entry->name);
}

static size_t
check_file(struct manifests *manifests, const struct manifest *file, const char *ns, size_t n_told)
{
    size_t n_errors = 0;

    for (size_t i = 0; i < file->n; i++) {
        const struct manifest_document *doc = &file->docs[i];
        const struct resource_kind *kind = kind_of(doc->object);
        size_t n;

        default_namespace(doc->object, kind, ns);
        n = check_document(file, doc, n_told + n_errors);
        n_errors += n;
        if (!n && kind) {
            add_entry(manifests, file, doc, kind);
        } else if (!n) {
            fprintf(stderr, "%s:%d: this kind of object cannot be used here\n", file->file,
                    doc->line);
            n_errors++;
        }
    }
    return n_errors;
}

/* What others refer to comes first. */
static int
kind_rank(const struct resource_kind *kind)
{
    static const char *const order[] = { "Namespace", "Node", "Pod" };

    for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
        if (!strcmp(kind->kind, order[i])) {
            return i;
        }
    }
    return ARRAY_SIZE(order);
}

static int
compare_entries(const void *a_, const void *b_)
{
    const struct manifest_entry *a = a_, *b = b_;
    int cmp = kind_rank(a->kind) - kind_rank(b->kind);

    if (!cmp) {
        cmp = a->file < b->file ? -1 : a->file > b->file;
    }
    return cmp ? cmp : a->document < b->document ? -1 : a->document > b->document;
}

static size_t
read_files(struct manifests *manifests, const struct svec *paths)
{
    size_t n_errors = 0;

    manifests->files = xcalloc(paths->n, sizeof *manifests->files);
    for (size_t i = 0; i < paths->n; i++) {
        char *error = manifest_read(paths->names[i], &manifests->files[manifests->n_files]);

        if (error) {
            fprintf(stderr, "%s\n", error);
            free(error);
            n_errors++;
        } else {
            manifests->n_files++;
        }
    }
    return n_errors;
}

int
manifests_load(const struct svec *paths, const char *ns, struct manifests *manifests)
{
    struct svec files = SVEC_EMPTY_INITIALIZER;
    size_t n_errors = 0;

    memset(manifests, 0, sizeof *manifests);
    if (!expand_paths(paths, &files)) {
        n_errors++;
    }
    n_errors += read_files(manifests, &files);
    for (size_t i = 0; i < manifests->n_files; i++) {
        n_errors += check_file(manifests, &manifests->files[i], ns, n_errors);
    }
    svec_destroy(&files);
    if (n_errors > MAX_TOLD) {
        fprintf(stderr, "... and %" PRIuSIZE " more\n", n_errors - MAX_TOLD);
    }
    if (n_errors) {
        manifests_uninit(manifests);
        return CLI_REFUSED;
    }
    if (manifests->n) {
        qsort(manifests->a, manifests->n, sizeof *manifests->a, compare_entries);
    }
    return CLI_OK;
}

void
manifests_uninit(struct manifests *manifests)
{
    for (size_t i = 0; i < manifests->n; i++) {
        free(manifests->a[i].title);
    }
    for (size_t i = 0; i < manifests->n_files; i++) {
        manifest_uninit(&manifests->files[i]);
    }
    free(manifests->a);
    free(manifests->files);
    memset(manifests, 0, sizeof *manifests);
}

char *
manifest_entry_where(const struct manifest_entry *entry)
{
    return xasprintf("%s:%d", entry->file->file, entry->document->line);
}
