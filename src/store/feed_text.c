#include "store/feed_text.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "store/endpoint_text.h"
#include "store/row_values.h"
#include "util.h"

/* By the upper bits of a product with 2^32 over the golden ratio: keys in a row come to
 * different parts.  The same on every machine, for good. */
uint32_t
feed_part(enum record_kind kind, uint32_t key)
{
    BUILD_ASSERT_DECL(FEED_PARTS == 1 << 7);
    return ((key * UINT32_C(2654435761)) >> 25 ^ kind) % FEED_PARTS;
}

/* --- Printing ------------------------------------------------------------------- */

/* Whether a set differs in nothing but its identities. */
static bool
only_members_differ(const struct rec_set *a, const struct rec_set *b)
{
    struct rec_set x = *a, y = *b;

    x.identities = y.identities = NULL;
    x.n_identities = y.n_identities = 0;
    return record_equal(&x.r, &y.r);
}

/* Those of sorted 'a' that sorted 'b' lacks, as " NAME=A,B"; returns how many. */
static size_t
put_missing(struct ds *ds, const char *name, const struct rec_set *a, const struct rec_set *b)
{
    size_t n = 0;

    for (size_t i = 0, j = 0; i < a->n_identities; i++) {
        while (j < b->n_identities && b->identities[j] < a->identities[i]) {
            j++;
        }
        if (j == b->n_identities || b->identities[j] != a->identities[i]) {
            if (n++) {
                ds_put_format(ds, ",%" PRIu32, a->identities[i]);
            } else {
                ds_put_format(ds, " %s=%" PRIu32, name, a->identities[i]);
            }
        }
    }
    return n;
}

/* Adds nothing, and returns false, if the set is said better as a whole. */
static bool
put_members(struct ds *ds, const struct rec_set *now, const struct rec_set *before)
{
    size_t start = ds->length;

    if (!only_members_differ(now, before)) {
        return false;
    }
    ds_put_format(ds, "~set %" PRIu32, now->r.key);
    size_t n = put_missing(ds, "add", now, before);
    n += put_missing(ds, "remove", before, now);
    if (!n || n > now->n_identities / 2) {
        ds_truncate(ds, start);
        return false;
    }
    return true;
}

void
feed_text_put(struct ds *ds, enum record_kind kind, uint32_t key, const struct record *now,
              const struct record *before)
{
    if (!now) {
        ds_put_format(ds, "-%s %" PRIu32, record_kind_names[kind], key);
    } else if (kind != RECORD_SET || !before
               || !put_members(ds, (const struct rec_set *) now,
                               (const struct rec_set *) before)) {
        record_format(now, ds);
    }
    ds_put_char(ds, '\n');
}

/* --- Reading ---------------------------------------------------------------------- */

static char *
read_number(const char **p, uint32_t *number)
{
    unsigned long long value = 0;
    size_t n = strspn(*p, "0123456789");

    if (n && n <= 10) {
        value = strtoull(*p, NULL, 10);
    }
    if (!n || n > 10 || value > UINT32_MAX) {
        return xasprintf("\"%.20s\" is not a number from 0 to %" PRIu32, *p, UINT32_MAX);
    }
    *number = (uint32_t) value;
    *p += n;
    return NULL;
}

/* Numbers in ascending order with commas between them. */
static char *
read_numbers(const char **p, uint32_t **a, size_t *n)
{
    size_t allocated = 0;

    for (*n = 0; !*n || **p == ','; ++*n) {
        *p += *n ? 1 : 0;
        if (*n == allocated) {
            *a = x2nrealloc(*a, &allocated, sizeof **a);
        }
        char *error = read_number(p, &(*a)[*n]);
        if (error) {
            return error;
        }
        if (*n && (*a)[*n - 1] >= (*a)[*n]) {
            return xstrdup("identities must be sorted and unique");
        }
    }
    return NULL;
}

struct members {
    uint32_t key;
    uint32_t *add, *remove;
    size_t n_add, n_remove;
};

/* "KEY [add=A,B] [remove=C,D]" */
static char *
read_members(const char *p, struct members *m)
{
    char *error = read_number(&p, &m->key);

    if (!error && !strncmp(p, " add=", 5)) {
        p += 5;
        error = read_numbers(&p, &m->add, &m->n_add);
    }
    if (!error && !strncmp(p, " remove=", 8)) {
        p += 8;
        error = read_numbers(&p, &m->remove, &m->n_remove);
    }
    return error || !*p ? error : xasprintf("\"%.20s\" is not expected there", p);
}

static bool
has_number(const uint32_t *a, size_t n, uint32_t number)
{
    size_t low = 0;

    while (low < n) {
        size_t middle = low + (n - low) / 2;
        if (a[middle] == number) {
            return true;
        }
        if (a[middle] < number) {
            low = middle + 1;
        } else {
            n = middle;
        }
    }
    return false;
}

/* 'set' without those that are to go, and with those that are to come. */
static void
change_members(struct rec_set *set, const struct members *m)
{
    uint32_t *a = xmalloc((set->n_identities + m->n_add + 1) * sizeof *a);
    size_t i = 0, j = 0, n = 0;

    while (i < set->n_identities || j < m->n_add) {
        bool old = j == m->n_add || (i < set->n_identities && set->identities[i] < m->add[j]);
        uint32_t id = old ? set->identities[i] : m->add[j];

        i += old || (i < set->n_identities && set->identities[i] == id);
        j += !old;
        if (!has_number(m->remove, m->n_remove, id)) {
            a[n++] = id;
        }
    }
    free(set->identities);
    set->identities = a;
    set->n_identities = n;
}

static char *
wrong_part(enum record_kind kind, uint32_t key)
{
    return xasprintf("%s %" PRIu32 " is not of this part", record_kind_names[kind], key);
}

static char *
apply_members(const char *line, uint32_t part, struct records *records)
{
    struct members m = { .key = 0 };
    char *error = read_members(line, &m);
    const struct rec_set *set = error ? NULL : records_set(records, m.key);

    if (!error && feed_part(RECORD_SET, m.key) != part) {
        error = wrong_part(RECORD_SET, m.key);
    }
    if (!error && set) {
        struct record *changed = record_clone(&set->r);
        change_members((struct rec_set *) changed, &m);
        records_put(records, changed);
    }
    free(m.add);
    free(m.remove);
    return error;
}

static char *
apply_removal(const char *line, uint32_t part, struct records *records)
{
    for (int kind = 0; kind < N_RECORD_KINDS; kind++) {
        size_t n = strlen(record_kind_names[kind]);
        uint32_t key;

        if (strncmp(line, record_kind_names[kind], n) || line[n] != ' ') {
            continue;
        }
        line += n + 1;
        char *error = read_number(&line, &key);
        if (!error && *line) {
            error = xasprintf("\"%.20s\" is not expected there", line);
        }
        if (!error && (kind == RECORD_NODE || feed_part(kind, key) != part)) {
            error = wrong_part(kind, key);
        }
        if (!error) {
            records_remove(records, kind, key);
        }
        return error;
    }
    return xasprintf("\"%.20s\" is not a kind of record", line);
}

static bool
endpoint_is_sane(const struct rec_endpoint *e)
{
    return e->vni >= VNI_MIN && e->vni <= VNI_MAX && !eth_addr_is_multicast(e->mac)
           && e->n_ips <= ENDPOINT_TEXT_MAX_IPS;
}

static bool
network_is_sane(const struct rec_network *n)
{
    for (size_t i = 0; i < n->n_subnets; i++) {
        if (!prefix_contains(&n->subnets[i], &n->gateways[i])) {
            return false;
        }
    }
    return n->r.key >= VNI_MIN && n->r.key <= VNI_MAX && n->zone >= NETWORK_ZONE_MIN
           && n->zone <= NETWORK_ZONE_MAX;
}

/* What the tables of records would refuse, or those who read them. */
static bool
is_sane(const struct record *r)
{
    switch (r->kind) {
    case RECORD_NETWORK:
        return network_is_sane((const struct rec_network *) r);
    case RECORD_IDENTITY: {
        uint32_t vni = ((const struct rec_identity *) r)->vni;
        return r->key >= IDENTITY_FIRST && vni >= VNI_MIN && vni <= VNI_MAX;
    }
    case RECORD_ENDPOINT:
        return r->key && endpoint_is_sane((const struct rec_endpoint *) r);
    case RECORD_SET:
        return r->key;
    case RECORD_RULE: {
        const struct rec_rule *rule = (const struct rec_rule *) r;
        return r->key && rule->subject && rule->vni <= VNI_MAX;
    }
    case RECORD_NODE:
    case N_RECORD_KINDS:
        break;
    }
    return false;
}

static char *
apply_record(char *line, uint32_t part, struct records *records)
{
    struct record *r;
    char *error = record_parse(line, &r);

    if (error) {
        return error;
    }
    if (r->kind == RECORD_NODE || feed_part(r->kind, r->key) != part) {
        error = wrong_part(r->kind, r->key);
    } else if (!is_sane(r)) {
        error = xasprintf("%s %" PRIu32 " has a number or an address out of its range",
                          record_kind_names[r->kind], r->key);
    }
    if (error) {
        record_destroy(r);
        return error;
    }
    records_put(records, r);
    return NULL;
}

static char *
apply_line(char *line, uint32_t part, struct records *records)
{
    return (*line == '-'                 ? apply_removal(line + 1, part, records)
            : !strncmp(line, "~set ", 5) ? apply_members(line + 5, part, records)
                                         : apply_record(line, part, records));
}

bool
feed_text_apply(const char *text_, uint32_t part, struct records *records, feed_bad_cb *bad,
                void *aux)
{
    char *text = xstrdup(text_);
    bool good = true;

    for (char *line = text; *line;) {
        char *end = line + strcspn(line, "\n");
        char *next = end + (*end == '\n');

        *end = '\0';
        char *error = apply_line(line, part, records);
        if (error) {
            bad(aux, error);
            free(error);
            good = false;
        }
        line = next;
    }
    free(text);
    return good;
}

/* --- Packing ------------------------------------------------------------------------- */

/* What EVP_EncodeBlock() writes for 'n' bytes, with its null byte. */
static size_t
base64_size(size_t n)
{
    return (n + 2) / 3 * 4 + 1;
}

char *
feed_pack(const char *text)
{
    uLong n = strlen(text);
    uLongf n_small = compressBound(n);

    if (!n || n > FEED_TEXT_MAX) {
        return n ? NULL : xstrdup("");
    }
    Bytef *small = xmalloc(n_small);
    int status = compress2(small, &n_small, (const Bytef *) text, n, Z_DEFAULT_COMPRESSION);
    ovs_assert(status == Z_OK); /* There is room, and without memory we are gone. */
    char *packed = xmalloc(16 + base64_size(n_small));
    int head = snprintf(packed, 16, "%lu:", n);
    EVP_EncodeBlock((unsigned char *) packed + head, small, n_small);
    free(small);
    return packed;
}

static char *
inflate_all(const unsigned char *small, uLong n_small, uLong n)
{
    char *text = xmalloc(n + 1);
    uLongf n_text = n;

    if (uncompress2((Bytef *) text, &n_text, small, &n_small) != Z_OK || n_text != n
        || memchr(text, '\0', n)) {
        free(text);
        return NULL;
    }
    text[n] = '\0';
    return text;
}

char *
feed_unpack(const char *packed, char **error)
{
    const char *p = packed;
    uint32_t n = 0;

    *error = NULL;
    if (!*packed) {
        return xstrdup("");
    }
    *error = read_number(&p, &n);
    if (*error) {
        return NULL;
    }
    size_t n_base64 = *p == ':' ? strlen(p + 1) : 0;
    if (!n || n > FEED_TEXT_MAX || !n_base64 || n_base64 > 2 * (size_t) FEED_TEXT_MAX) {
        *error = xasprintf("it does not begin with a length from 1 to %d and a colon",
                           FEED_TEXT_MAX);
        return NULL;
    }
    unsigned char *small = xmalloc(n_base64 + 1);
    int n_small = EVP_DecodeBlock(small, (const unsigned char *) p + 1, n_base64);
    char *text = n_small > 0 ? inflate_all(small, n_small, n) : NULL;
    if (!text) {
        *error = xasprintf("it is not base64 of %" PRIu32 " deflated characters", n);
    }
    free(small);
    return text;
}
