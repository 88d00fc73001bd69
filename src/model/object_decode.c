#include "model/object_decode.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "model/names.h"
#include "openvswitch/util.h"
#include "util.h"

/* All annotations of one object together (apimachinery api/validation). */
enum { MAX_ANNOTATION_BYTES = 256 * 1024 };

/* Lists of labels, like Kubernetes, name the map in errors and not the entry. */
static void
label_map_decode(const struct json_field *map, struct labels *labels)
{
    const char *key;
    json_t *value;

    if (!json_field_is_object(map)) {
        return;
    }
    if (json_object_size(map->value) > OBJECTS_MAX_LABELS) {
        json_field_error(map, FIELD_TOO_MANY, "must have at most %d items", OBJECTS_MAX_LABELS);
        return;
    }
    json_object_foreach ((json_t *) map->value, key, value) {
        struct json_field entry = json_field_key(map, key);
        const char *text = json_field_string(&entry);

        if (entry.value && !text) {
            continue;
        }
        text = text ? text : "";

        bool key_ok = json_field_accept(map, key, label_key_check(key));
        bool value_ok = json_field_accept(map, text, label_value_check(text));

        if (key_ok && value_ok) {
            labels_set(labels, key, text);
        }
    }
}

/* Annotation keys are qualified names in any case of letters. */
static char *
annotation_key_check(const char *key)
{
    char *lower = xstrdup(key);

    for (char *p = lower; *p; p++) {
        *p = *p >= 'A' && *p <= 'Z' ? *p - 'A' + 'a' : *p;
    }

    char *error = name_qualified_check(lower);

    free(lower);
    return error;
}

static void
annotations_check(const struct json_field *map)
{
    const char *key;
    json_t *value;
    size_t bytes = 0;

    if (!json_field_is_object(map)) {
        return;
    }
    json_object_foreach ((json_t *) map->value, key, value) {
        struct json_field entry = json_field_key(map, key);
        const char *text = json_field_string(&entry);

        json_field_accept(map, key, annotation_key_check(key));
        bytes += strlen(key) + (text ? strlen(text) : 0);
    }
    if (bytes > MAX_ANNOTATION_BYTES) {
        json_field_error(map, FIELD_TOO_MANY, "may not be more than %d bytes",
                         MAX_ANNOTATION_BYTES);
    }
}

static char *
string_or_empty(const struct json_field *f)
{
    const char *s = json_field_string(f);

    return xstrdup(s ? s : "");
}

static void
name_decode(const struct json_field *metadata, char *(*check)(const char *), char **name)
{
    struct json_field f = json_field_member(metadata, "name");

    *name = string_or_empty(&f);
    if ((*name)[0]) {
        json_field_accept(&f, *name, check(*name));
    } else if (!f.value || json_is_string(f.value)) {
        json_field_error(&f, FIELD_REQUIRED, "name is required");
    }
}

static void
namespace_decode(const struct json_field *metadata, bool namespaced, char **namespace_)
{
    struct json_field f = json_field_member(metadata, "namespace");

    *namespace_ = string_or_empty(&f);
    if (!(*namespace_)[0]) {
        return;
    }
    if (namespaced) {
        json_field_accept(&f, *namespace_, name_label_check(*namespace_));
    } else {
        json_field_error(&f, FIELD_FORBIDDEN, "not allowed on this type");
    }
}

void
object_meta_decode(const struct json_field *object, bool namespaced,
                   char *(*name_check)(const char *), struct object_meta *meta)
{
    struct json_field metadata = json_field_member(object, "metadata");
    struct json_field uid = json_field_member(&metadata, "uid");
    struct json_field labels = json_field_member(&metadata, "labels");
    struct json_field annotations = json_field_member(&metadata, "annotations");

    json_field_is_object(object);
    json_field_is_object(&metadata);
    name_decode(&metadata, name_check, &meta->name);
    namespace_decode(&metadata, namespaced, &meta->namespace_);
    meta->uid = string_or_empty(&uid);
    labels_init(&meta->labels);
    label_map_decode(&labels, &meta->labels);
    annotations_check(&annotations);
}

void
object_meta_uninit(struct object_meta *meta)
{
    free(meta->namespace_);
    free(meta->name);
    free(meta->uid);
    labels_uninit(&meta->labels);
}

void
object_annotation(const struct json_field *object, const char *key, struct annotation *a)
{
    a->metadata = json_field_member(object, "metadata");
    a->map = json_field_member(&a->metadata, "annotations");
    a->entry = json_field_key(&a->map, key);
    /* annotations_check() has said it if the type is wrong. */
    a->text = json_is_string(a->entry.value) ? json_string_value(a->entry.value) : NULL;
    if (a->text && !a->text[strspn(a->text, " \t\r\n")]) {
        a->text = NULL;
    }
}

void
match_labels_decode(const struct json_field *map, struct selector *s)
{
    struct labels labels;

    labels_init(&labels);
    label_map_decode(map, &labels);
    for (size_t i = 0; i < labels.n; i++) {
        selector_add(s, labels.a[i].key, SELECTOR_IN, &labels.a[i].value, 1);
    }
    labels_uninit(&labels);
}

static bool
operator_decode(const struct json_field *f, enum selector_op *op)
{
    static const struct {
        const char *name;
        enum selector_op op;
    } ops[] = {
        { "In", SELECTOR_IN },
        { "NotIn", SELECTOR_NOT_IN },
        { "Exists", SELECTOR_EXISTS },
        { "DoesNotExist", SELECTOR_DOES_NOT_EXIST },
    };
    const char *name = json_field_string(f);

    for (size_t i = 0; name && i < ARRAY_SIZE(ops); i++) {
        if (!strcmp(name, ops[i].name)) {
            *op = ops[i].op;
            return true;
        }
    }
    if (!f->value) {
        json_field_error_text(f, FIELD_INVALID, "", "not a valid selector operator");
    } else if (name) {
        json_field_error(f, FIELD_INVALID, "not a valid selector operator");
    }
    return false;
}

/* Returns the values, which point into the JSON; caller frees the array. */
static const char **
requirement_values_decode(const struct json_field *f, size_t *n)
{
    *n = json_field_array_length(f, OBJECTS_MAX_VALUES);

    const char **values = xcalloc(*n ? *n : 1, sizeof *values);

    for (size_t i = 0; i < *n; i++) {
        struct json_field element = json_field_element(f, i);
        const char *s = json_field_string(&element);

        values[i] = s ? s : "";
        json_field_accept(&element, values[i], label_value_check(values[i]));
    }
    return values;
}

static void
requirement_decode(const struct json_field *f, struct selector *s)
{
    struct json_field key_field = json_field_member(f, "key");
    struct json_field op_field = json_field_member(f, "operator");
    struct json_field values_field = json_field_member(f, "values");
    size_t before = field_errors_count(f->errors);
    enum selector_op op = SELECTOR_EXISTS;
    size_t n;

    json_field_is_object(f);

    const char *key = json_field_string(&key_field);
    bool has_op = operator_decode(&op_field, &op);
    const char **values = requirement_values_decode(&values_field, &n);
    bool takes_values = op == SELECTOR_IN || op == SELECTOR_NOT_IN;

    key = key ? key : "";
    if (has_op && takes_values && !n && field_errors_count(f->errors) == before) {
        json_field_error(&values_field, FIELD_REQUIRED,
                         "must be specified when `operator` is 'In' or 'NotIn'");
    } else if (has_op && !takes_values && n) {
        json_field_error(&values_field, FIELD_FORBIDDEN,
                         "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    }
    json_field_accept(&key_field, key, label_key_check(key));
    if (field_errors_count(f->errors) == before) {
        selector_add(s, key, op, values, n);
    }
    free(values);
}

void
label_selector_decode(const struct json_field *f, struct selector *s)
{
    struct json_field match_labels = json_field_member(f, "matchLabels");
    struct json_field expressions = json_field_member(f, "matchExpressions");

    selector_init(s);
    json_field_is_object(f);
    match_labels_decode(&match_labels, s);

    size_t n = json_field_array_length(&expressions, OBJECTS_MAX_LABELS);

    for (size_t i = 0; i < n; i++) {
        struct json_field element = json_field_element(&expressions, i);

        requirement_decode(&element, s);
    }
}

bool
address_is_host(const struct in6_addr *a)
{
    if (addr_is_ip4(a)) {
        return a->s6_addr[12] != 0 && a->s6_addr[12] != 127 && a->s6_addr[12] < 224;
    }
    return !IN6_IS_ADDR_UNSPECIFIED(a) && !IN6_IS_ADDR_LOOPBACK(a) && !IN6_IS_ADDR_MULTICAST(a);
}

void
address_list_add(const struct json_field *f, const char *text, struct in6_addr **list, size_t *n)
{
    struct in6_addr addr;
    char *error = addr_parse(text, &addr);

    free(error);
    if (error || !address_is_host(&addr)) {
        json_field_error_text(f, FIELD_INVALID, text,
                              error
                                  ? "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
                                  : "must be the address of one host");
        return;
    }
    for (size_t i = 0; i < *n; i++) {
        if (!memcmp(&(*list)[i], &addr, sizeof addr)) {
            return;
        }
    }
    if (*n >= OBJECTS_MAX_ADDRESSES) {
        json_field_error_text(f, FIELD_TOO_MANY, text, "too many addresses");
        return;
    }
    *list = xrealloc(*list, (*n + 1) * sizeof **list);
    (*list)[(*n)++] = addr;
}

void
each_item(const char *text, void (*cb)(const char *, void *), void *aux)
{
    static const char blanks[] = " \t\r\n";

    for (;;) {
        size_t length = strcspn(text, ",");
        size_t skip = MIN(strspn(text, blanks), length);
        size_t n = length - skip;

        while (n && strchr(blanks, text[skip + n - 1])) {
            n--;
        }

        char *item = xmemdup0(text + skip, n);

        cb(item, aux);
        free(item);
        if (!text[length]) {
            return;
        }
        text += length + 1;
    }
}

static uint8_t
decode_protocol(const struct json_field *port, int (*compare)(const char *, const char *))
{
    static const struct {
        const char *name;
        uint8_t protocol;
    } protocols[] = { { "TCP", IPPROTO_TCP }, { "UDP", IPPROTO_UDP }, { "SCTP", IPPROTO_SCTP } };
    struct json_field f = json_field_member(port, "protocol");
    const char *name = json_field_string(&f);

    if (!f.value) {
        return IPPROTO_TCP;
    }
    for (size_t i = 0; name && i < ARRAY_SIZE(protocols); i++) {
        if (!compare(name, protocols[i].name)) {
            return protocols[i].protocol;
        }
    }
    if (name) {
        json_field_error(&f, FIELD_NOT_SUPPORTED, "supported values: \"TCP\", \"UDP\", \"SCTP\"");
    }
    return 0;
}

uint8_t
protocol_decode(const struct json_field *port)
{
    return decode_protocol(port, strcmp);
}

uint8_t
protocol_decode_any_case(const struct json_field *port)
{
    return decode_protocol(port, strcasecmp);
}

uint16_t
port_number_decode(const struct json_field *f)
{
    int64_t number;

    if (!json_field_integer(f, &number)) {
        return 0;
    }
    if (number < 1 || number > UINT16_MAX) {
        json_field_error(f, FIELD_INVALID, "must be between 1 and 65535, inclusive");
        return 0;
    }
    return number;
}

bool
prefix_is_strict_subset(const struct prefix *p, const struct prefix *of)
{
    return prefix_is_ip4(p) == prefix_is_ip4(of) && p->plen > of->plen && prefix_covers(of, p);
}
