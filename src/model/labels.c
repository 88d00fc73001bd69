#include "model/labels.h"

#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "model/names.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/hmap.h"
#include "util.h"

/* Interned text.  Never freed: the words of a cluster's labels are few, and a
 * pointer that outlives its object must stay comparable. */

struct interned {
    struct hmap_node hmap_node;
    char text[];
};

static struct hmap interned = HMAP_INITIALIZER(&interned);

const char *
intern(const char *s)
{
    size_t n = strlen(s);
    uint32_t hash = hash_bytes(s, n, 0);
    struct interned *i;

    HMAP_FOR_EACH_WITH_HASH (i, hmap_node, hash, &interned) {
        if (!strcmp(i->text, s)) {
            return i->text;
        }
    }
    i = xmalloc(sizeof *i + n + 1);
    memcpy(i->text, s, n + 1);
    hmap_insert(&interned, &i->hmap_node, hash);
    return i->text;
}

/* Arrays that keep no capacity grow when their length reaches a power of two,
 * so n appends cost O(n). */
static void *
grow(void *array, size_t n, size_t size)
{
    return n & (n - 1) ? array : xrealloc(array, (n ? 2 * n : 1) * size);
}

/* Labels. */

void
labels_init(struct labels *labels)
{
    labels->a = NULL;
    labels->n = 0;
}

void
labels_uninit(struct labels *labels)
{
    free(labels->a);
    labels_init(labels);
}

/* Copies 'n' elements into an array that grow() may extend. */
static void *
clone_array(const void *src, size_t n, size_t size)
{
    size_t room = 1;

    if (!n) {
        return NULL;
    }
    while (room < n) {
        room *= 2;
    }

    void *dst = xmalloc(room * size);

    memcpy(dst, src, n * size);
    return dst;
}

void
labels_clone(struct labels *dst, const struct labels *src)
{
    dst->a = clone_array(src->a, src->n, sizeof *src->a);
    dst->n = src->n;
}

/* Where 'key' is, or would go. */
static size_t
labels_position(const struct labels *labels, const char *key)
{
    size_t low = 0;

    for (size_t high = labels->n; low < high;) {
        size_t mid = low + (high - low) / 2;

        if (strcmp(labels->a[mid].key, key) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

void
labels_set(struct labels *labels, const char *key, const char *value)
{
    size_t i = labels_position(labels, key);

    key = intern(key);
    if (i == labels->n || labels->a[i].key != key) {
        labels->a = grow(labels->a, labels->n, sizeof *labels->a);
        memmove(&labels->a[i + 1], &labels->a[i], (labels->n - i) * sizeof *labels->a);
        labels->n++;
    }
    labels->a[i] = (struct label){ key, intern(value) };
}

const char *
labels_get(const struct labels *labels, const char *interned_key)
{
    for (size_t i = 0; i < labels->n; i++) {
        if (labels->a[i].key == interned_key) {
            return labels->a[i].value;
        }
    }
    return NULL;
}

bool
labels_equal(const struct labels *a, const struct labels *b)
{
    return a->n == b->n && (!a->n || !memcmp(a->a, b->a, a->n * sizeof *a->a));
}

void
labels_format(const struct labels *labels, struct ds *ds)
{
    for (size_t i = 0; i < labels->n; i++) {
        ds_put_format(ds, "%s%s=%s", i ? "," : "", labels->a[i].key, labels->a[i].value);
    }
}

/* Selectors. */

void
selector_init(struct selector *s)
{
    s->reqs = NULL;
    s->n = 0;
}

void
selector_uninit(struct selector *s)
{
    for (size_t i = 0; i < s->n; i++) {
        free(s->reqs[i].values);
    }
    free(s->reqs);
    selector_init(s);
}

void
selector_clone(struct selector *dst, const struct selector *src)
{
    dst->n = src->n;
    dst->reqs = clone_array(src->reqs, src->n, sizeof *src->reqs);
    for (size_t i = 0; i < dst->n; i++) {
        struct requirement *r = &dst->reqs[i];

        r->values = clone_array(r->values, r->n_values, sizeof *r->values);
    }
}

static int
compare_text(const void *a_, const void *b_)
{
    const char *const *a = a_;
    const char *const *b = b_;

    return *a == *b ? 0 : strcmp(*a, *b);
}

static int
requirement_compare(const struct requirement *a, const struct requirement *b)
{
    int cmp = compare_text(&a->key, &b->key);

    if (!cmp) {
        cmp = a->op < b->op ? -1 : a->op > b->op;
    }
    for (size_t i = 0; !cmp && (i < a->n_values || i < b->n_values); i++) {
        if (i >= a->n_values || i >= b->n_values) {
            return a->n_values < b->n_values ? -1 : 1;
        }
        cmp = compare_text(&a->values[i], &b->values[i]);
    }
    return cmp;
}

/* Interns, sorts, drops duplicates. */
static void
requirement_set_values(struct requirement *r, const char *const *values, size_t n)
{
    r->values = n ? xmalloc(n * sizeof *r->values) : NULL;
    r->n_values = 0;
    for (size_t i = 0; i < n; i++) {
        r->values[i] = intern(values[i]);
    }
    if (n) {
        qsort(r->values, n, sizeof *r->values, compare_text);
    }
    for (size_t i = 0; i < n; i++) {
        if (!i || r->values[i] != r->values[r->n_values - 1]) {
            r->values[r->n_values++] = r->values[i];
        }
    }
}

void
selector_add(struct selector *s, const char *key, enum selector_op op, const char *const *values,
             size_t n_values)
{
    bool takes_values = op == SELECTOR_IN || op == SELECTOR_NOT_IN;
    struct requirement r = { .key = intern(key), .op = op };
    size_t low = 0;

    requirement_set_values(&r, values, takes_values ? n_values : 0);
    for (size_t high = s->n; low < high;) {
        size_t mid = low + (high - low) / 2;
        int cmp = requirement_compare(&s->reqs[mid], &r);

        if (!cmp) {
            free(r.values); /* Saying it twice adds nothing. */
            return;
        }
        if (cmp < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    s->reqs = grow(s->reqs, s->n, sizeof *s->reqs);
    memmove(&s->reqs[low + 1], &s->reqs[low], (s->n - low) * sizeof *s->reqs);
    s->reqs[low] = r;
    s->n++;
}

static bool
requirement_has_value(const struct requirement *r, const char *value)
{
    for (size_t i = 0; i < r->n_values; i++) {
        if (r->values[i] == value) {
            return true;
        }
    }
    return false;
}

static bool
requirement_matches(const struct requirement *r, const struct labels *labels)
{
    const char *value = labels_get(labels, r->key);

    switch (r->op) {
    case SELECTOR_IN:
        return value && requirement_has_value(r, value);
    case SELECTOR_NOT_IN:
        return !value || !requirement_has_value(r, value);
    case SELECTOR_EXISTS:
        return value != NULL;
    case SELECTOR_DOES_NOT_EXIST:
        return !value;
    }
    OVS_NOT_REACHED();
}

bool
selector_matches(const struct selector *s, const struct labels *labels)
{
    for (size_t i = 0; i < s->n; i++) {
        if (!requirement_matches(&s->reqs[i], labels)) {
            return false;
        }
    }
    return true;
}

static void
requirement_format(const struct requirement *r, struct ds *ds)
{
    bool in = r->op == SELECTOR_IN;

    if (r->op == SELECTOR_EXISTS || r->op == SELECTOR_DOES_NOT_EXIST) {
        ds_put_format(ds, "%s%s", r->op == SELECTOR_EXISTS ? "" : "!", r->key);
        return;
    }
    if (r->n_values == 1) {
        ds_put_format(ds, "%s%s%s", r->key, in ? "=" : "!=", r->values[0]);
        return;
    }
    ds_put_format(ds, "%s %s (", r->key, in ? "in" : "notin");
    for (size_t i = 0; i < r->n_values; i++) {
        ds_put_format(ds, "%s%s", i ? "," : "", r->values[i]);
    }
    ds_put_char(ds, ')');
}

void
selector_format(const struct selector *s, struct ds *ds)
{
    for (size_t i = 0; i < s->n; i++) {
        if (i) {
            ds_put_char(ds, ',');
        }
        requirement_format(&s->reqs[i], ds);
    }
}

bool
selector_equal(const struct selector *a, const struct selector *b)
{
    if (a->n != b->n) {
        return false;
    }
    for (size_t i = 0; i < a->n; i++) {
        if (requirement_compare(&a->reqs[i], &b->reqs[i])) {
            return false;
        }
    }
    return true;
}

/* Syntax. */

char *
label_key_check(const char *key)
{
    return name_qualified_check(key);
}

char *
label_value_check(const char *value)
{
    size_t n = strlen(value);

    if (n > NAME_LABEL_MAX) {
        return xasprintf("must be no more than %d bytes", NAME_LABEL_MAX);
    }
    if (n && !name_is_word(value, n)) {
        return xstrdup("a valid label must be an empty string or consist of alphanumeric "
                       "characters, '-', '_' or '.', and must start and end with an alphanumeric "
                       "character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
                       "validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')");
    }
    return NULL;
}
