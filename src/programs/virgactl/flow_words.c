#include "programs/virgactl/flow_words.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "programs/virgactl/flow_line.h"
#include "programs/virgactl/words.h"
#include "util.h"
#include "virga/userdata.h"

/* What a register holds: rows of registers.def. */
struct field {
    const char *name;
    unsigned int reg, first_bit, n_bits;
};

static const struct field fields[] = {
#define FIELD(NAME, REGISTER, FIRST_BIT, BITS, HELP) { #NAME, REGISTER, FIRST_BIT, BITS },
#include "ovs-flows/registers.def"
#undef FIELD
};

static uint32_t
field_mask(const struct field *field)
{
    uint32_t ones = field->n_bits == 32 ? UINT32_MAX : (UINT32_C(1) << field->n_bits) - 1;

    return ones << field->first_bit;
}

static bool
ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);

    return n >= m && !strcmp(s + n - m, end);
}

static void
put_zone(const struct words *words, uint16_t zone, struct ds *out)
{
    const struct rec_network *network = words_zone(words, zone);

    ds_put_format(out, "%" PRIu16, zone);
    if (network) {
        ds_put_format(out, " (network %s)", network->name);
    } else if (zone == 1) {
        ds_put_cstr(out, " (between local endpoints of two networks)");
    }
}

static void
put_place(uint32_t value, struct ds *out)
{
    static const char *const places[] = { "none", "local port", "tunnel", "gateway port" };

    ds_put_cstr(out, places[MIN(value, ARRAY_SIZE(places) - 1)]);
}

static void
put_ipv4(uint32_t address, struct ds *out)
{
    ds_put_format(out, "%u.%u.%u.%u", address >> 24, address >> 16 & 0xff, address >> 8 & 0xff,
                  address & 0xff);
}

/* What a rule in dry run leaves behind: lower_rule.c. */
static void
put_dry_run(uint32_t value, struct ds *out)
{
    ds_put_cstr(out, !value ? "nobody" : value & 1 ? "decided" : "passed");
}

/* Fields of one kind end alike. */
static void
put_field_value(const struct words *words, const struct field *field, uint32_t value,
                struct ds *out)
{
    ds_put_format(out, "%s=", field->name);
    if (ends_with(field->name, "_identity")) {
        words_put_identity(words, value, out);
    } else if (ends_with(field->name, "_network")) {
        words_put_network(words, value, out);
    } else if (ends_with(field->name, "_dry_run")) {
        put_dry_run(value, out);
    } else if (ends_with(field->name, "_rule") && value) {
        words_put_rule(words, value, out);
    } else if (!strcmp(field->name, "zone")) {
        put_zone(words, value, out);
    } else if (!strcmp(field->name, "origin") || !strcmp(field->name, "target")) {
        put_place(value, out);
    } else if (!strcmp(field->name, "tunnel_dst")) {
        put_ipv4(value, out);
    } else {
        ds_put_format(out, "%" PRIu32, value);
    }
}

/* A part of a field; false if it means nothing by itself. */
static bool
put_field_part(const struct field *field, uint32_t value, uint32_t mask, struct ds *out)
{
    if (ends_with(field->name, "_identity") && value == mask && IS_POW2(mask)
        && mask >= IDENTITY_FIRST) {
        ds_put_format(out, "%s=any endpoint's with bit %d", field->name, raw_ctz(mask));
        return true;
    } else if (ends_with(field->name, "_dry_run") && !value) {
        ds_put_format(out, "%s=nobody", field->name);
        return true;
    }
    return false;
}

/* A register's value under a mask, field by field. */
static void
put_register(const struct words *words, unsigned int reg, uint32_t value, uint32_t mask,
             struct ds *out)
{
    const char *separator = "";

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        const struct field *field = &fields[i];
        uint32_t whole = field_mask(field);

        if (field->reg != reg || !(mask & whole)) {
            continue;
        }
        size_t before = out->length;
        ds_put_cstr(out, separator);
        if ((mask & whole) == whole) {
            put_field_value(words, field, (value & whole) >> field->first_bit, out);
        } else if (!put_field_part(field, (value & mask & whole) >> field->first_bit,
                                   (mask & whole) >> field->first_bit, out)) {
            ds_truncate(out, before);
            continue;
        }
        separator = ", ";
        mask &= ~whole;
    }
    if (mask) {
        ds_put_format(out, "%sreg%u=0x%" PRIx32 "/0x%" PRIx32, separator, reg, value & mask, mask);
    }
}

/* "0x10/0xffff" or "0x10"; false if it is something else. */
static bool
parse_masked(const char *s, uint64_t *value, uint64_t *mask)
{
    char *end;

    *value = strtoull(s, &end, 0);
    *mask = UINT64_MAX;
    if (end == s) {
        return false;
    }
    if (*end == '/') {
        s = end + 1;
        *mask = strtoull(s, &end, 0);
    }
    return !*end && end != s;
}

/* ct_label: bits 0-31 ingress rule, 32-63 egress rule. */
static bool
put_ct_label(const struct words *words, const char *value, struct ds *out)
{
    const char *separator = "";
    uint64_t label, mask;

    if (!parse_masked(value, &label, &mask)) {
        return false;
    }
    for (int i = 0; i < 2; i++) {
        uint32_t id = label >> 32 * i;

        if (mask >> 32 * i & UINT32_MAX) {
            ds_put_format(out, "%sct_label %s=", separator, i ? "egress_rule" : "ingress_rule");
            if (id) {
                words_put_rule(words, id, out);
            } else {
                ds_put_cstr(out, "none");
            }
            separator = ", ";
        }
    }
    return true;
}

static bool
put_address(const struct words *words, const char *match, const char *value, struct ds *out)
{
    struct prefix prefix;
    char *error = prefix_parse(value, false, &prefix);
    char *meaning = error ? NULL : words_of_prefix(words, &prefix);

    free(error);
    if (!meaning) {
        return false;
    }
    ds_put_format(out, "%s (%s)", match, meaning);
    free(meaning);
    return true;
}

/* A source MAC of the tunnel carries an identity: 0a:00:II:II:II:II. */
static bool
put_mac(const struct words *words, const char *match, const char *value, struct ds *out)
{
    unsigned int flags, a, b, c, d;
    int n = -1;

    if (sscanf(value, "0a:%2x:%2x:%2x:%2x:%2x%n", &flags, &a, &b, &c, &d, &n) != 5 || n != 17
        || value[n]) {
        return false;
    }
    ds_put_format(out, "%s (identity ", match);
    words_put_identity(words, a << 24 | b << 16 | c << 8 | d, out);
    ds_put_char(out, ')');
    return true;
}

static bool
put_known_match(const struct words *words, const char *match, const char *key, const char *value,
                struct ds *out)
{
    static const char *const addresses[] = { "nw_src",  "nw_dst",  "arp_spa",   "arp_tpa",
                                             "tun_src", "tun_dst", "ct_nw_src", "ct_nw_dst" };
    unsigned int reg;
    uint64_t number, mask;
    int n = -1;

    if (sscanf(key, "reg%u%n", &reg, &n) == 1 && n == (int) strlen(key)) {
        if (parse_masked(value, &number, &mask)) {
            put_register(words, reg, number, mask, out);
            return true;
        }
    } else if (!strcmp(key, "ct_label")) {
        return put_ct_label(words, value, out);
    } else if (!strcmp(key, "conj_id") && parse_masked(value, &number, &mask)) {
        ds_put_cstr(out, "every clause of ");
        words_put_rule(words, number, out);
        return true;
    } else if (!strcmp(key, "tun_id") && parse_masked(value, &number, &mask)) {
        ds_put_cstr(out, "VNI ");
        words_put_network(words, number, out);
        return true;
    } else if (!strcmp(key, "ct_zone") && parse_masked(value, &number, &mask)) {
        ds_put_cstr(out, "ct_zone=");
        put_zone(words, number, out);
        return true;
    } else if (!strcmp(key, "dl_src") || !strcmp(key, "dl_dst")) {
        return put_mac(words, match, value, out);
    }
    for (size_t i = 0; i < ARRAY_SIZE(addresses); i++) {
        if (!strcmp(key, addresses[i])) {
            return put_address(words, match, value, out);
        }
    }
    return false;
}

void
flow_words_put_match(const struct words *words, const char *match, struct ds *out)
{
    const char *equals = strchr(match, '=');
    char *key = equals ? xmemdup0(match, equals - match) : NULL;

    if (!key || !put_known_match(words, match, key, equals + 1, out)) {
        ds_put_cstr(out, match);
    }
    free(key);
}

/* "[0..15]" or "[20]": its length, else 0. */
static int
scan_bits(const char *s, unsigned int *first, unsigned int *last)
{
    int n = -1;

    if (sscanf(s, "[%u..%u]%n", first, last, &n) == 2 && n > 0) {
        return n;
    }
    if (sscanf(s, "[%u]%n", first, &n) == 1 && n > 0) {
        *last = *first;
        return n;
    }
    return 0;
}

/* "NXM_NX_REG5[0..15]", "NXM_NX_REG0[]" or "reg0[0..3]" at 's': its length and
 * the field that it is exactly, else 0. */
static size_t
scan_register(const char *s, const struct field **found)
{
    unsigned int reg, first = 0, last = 31;
    int n = -1;

    if ((sscanf(s, "NXM_NX_REG%u%n", &reg, &n) != 1 && sscanf(s, "reg%u%n", &reg, &n) != 1)
        || n < 0) {
        return 0;
    }
    if (!strncmp(s + n, "[]", 2)) {
        n += 2;
    } else if (s[n] == '[') {
        int m = scan_bits(s + n, &first, &last);

        if (!m) {
            return 0;
        }
        n += m;
    }
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        if (fields[i].reg == reg && fields[i].first_bit == first
            && fields[i].first_bit + fields[i].n_bits == last + 1) {
            *found = &fields[i];
            return n;
        }
    }
    return 0;
}

/* Copies an action, registers replaced by their fields' names. */
static void
put_with_fields(const char *s, struct ds *out)
{
    char before = ' ';

    while (*s) {
        const struct field *field;
        size_t n = isalnum((unsigned char) before) || before == '_' ? 0 : scan_register(s, &field);

        if (n) {
            ds_put_cstr(out, field->name);
        } else {
            ds_put_char(out, *s);
            n = 1;
        }
        before = s[n - 1];
        s += n;
    }
}

/* "load:V->REG" and "set_field:V[/M]->REG". */
static bool
put_assignment(const struct words *words, const char *action, struct ds *out)
{
    const char *value = !strncmp(action, "load:", 5)         ? action + 5
                        : !strncmp(action, "set_field:", 10) ? action + 10
                                                             : NULL;
    const char *arrow = value ? strstr(value, "->") : NULL;
    const struct field *field;
    uint64_t number, mask;
    unsigned int reg;
    char *text;
    int n = -1;
    bool ok;

    if (!arrow) {
        return false;
    }
    text = xmemdup0(value, arrow - value);
    ok = parse_masked(text, &number, &mask);
    free(text);
    if (!ok) {
        return false;
    }
    if (action[0] == 'l' && scan_register(arrow + 2, &field)) {
        put_field_value(words, field, number, out);
        return true;
    }
    if (action[0] == 's' && sscanf(arrow + 2, "reg%u%n", &reg, &n) == 1 && !arrow[2 + n]) {
        put_register(words, reg, number, mask, out);
        return true;
    }
    return false;
}

static bool
put_jump(const char *action, struct ds *out)
{
    const char *help, *name;
    char table[64];
    int n = -1;

    if ((sscanf(action, "resubmit(,\"%63[^\"]\")%n", table, &n) != 1 || n < 0)
        && (sscanf(action, "resubmit(,%63[^,)])%n", table, &n) != 1 || n < 0)
        && (sscanf(action, "goto_table:\"%63[^\"]\"%n", table, &n) != 1 || n < 0)
        && (sscanf(action, "goto_table:%63[^,)]%n", table, &n) != 1 || n < 0)) {
        return false;
    }
    name = flow_table_name(table, &help);
    ds_put_format(out, "go to %s", name ? name : table);
    return !action[n];
}

static bool
put_conjunction(const struct words *words, const char *action, struct ds *out)
{
    unsigned int id, clause, n_clauses;
    int n = -1;

    if (sscanf(action, "conjunction(%u,%u/%u)%n", &id, &clause, &n_clauses, &n) != 3 || n < 0) {
        return false;
    }
    ds_put_format(out, "clause %u of %u of ", clause, n_clauses);
    words_put_rule(words, id, out);
    return true;
}

/* User data as include/virga/userdata.h lays it out. */
static bool
scan_userdata(const char *action, unsigned int *features, uint32_t *id)
{
    const char *at = !strncmp(action, "controller(", 11) ? strstr(action, "userdata=") : NULL;
    unsigned int magic, version, zero, a, b, c, d;

    if (!at
        || sscanf(at, "userdata=%2x.%2x.%2x.%2x.%2x.%2x.%2x.%2x", &magic, &version, features,
                  &zero, &a, &b, &c, &d)
               != 8
        || magic != VIRGA_USERDATA_MAGIC || version != VIRGA_USERDATA_VERSION) {
        return false;
    }
    *id = (uint32_t) a << 24 | b << 16 | c << 8 | d;
    return true;
}

static bool
put_controller(const struct words *words, const char *action, struct ds *out)
{
    unsigned int features;
    uint32_t id;

    if (!scan_userdata(action, &features, &id)) {
        return false;
    }
    if (features & VIRGA_USERDATA_DNS) {
        ds_put_cstr(out, strstr(action, "pause") ? "hold for the agent to learn addresses"
                                                 : "a copy to the agent to learn addresses");
        return true;
    }
    if (features & VIRGA_USERDATA_REJECT) {
        ds_put_cstr(out, "tell the sender");
    }
    if (features & VIRGA_USERDATA_LOG) {
        ds_put_format(out, "%slog", features & VIRGA_USERDATA_REJECT ? " and " : "");
    }
    ds_put_cstr(out, ", for ");
    words_put_rule(words, id, out);
    return true;
}

void
flow_words_put_action(const struct words *words, const char *action, struct ds *out)
{
    struct ds words_of_it = DS_EMPTY_INITIALIZER;

    if (put_conjunction(words, action, &words_of_it) || put_jump(action, &words_of_it)
        || put_controller(words, action, &words_of_it)
        || put_assignment(words, action, &words_of_it)) {
        ds_put_cstr(out, ds_cstr(&words_of_it));
    } else {
        put_with_fields(action, out);
    }
    ds_destroy(&words_of_it);
}
