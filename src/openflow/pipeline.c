#include "openflow/pipeline.h"

#include <stdlib.h>
#include <string.h>

#include "base/records.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/meta-flow.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-table.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/shash.h"
#include "openvswitch/util.h"
#include "ovs-thread.h"
#include "packets.h"
#include "util.h"

/* Made by scripts/embed from ovs-flows/pipeline. */
extern const char pipeline_flows[];

/* Names. */

const struct ofputil_table_map *
pipeline_tables(void)
{
    static struct ovsthread_once once = OVSTHREAD_ONCE_INITIALIZER;
    static struct ofputil_table_map map;

    if (ovsthread_once_start(&once)) {
        ofputil_table_map_init(&map);
#define TABLE(NAME, NUMBER, HELP) ofputil_table_map_put(&map, NUMBER, #NAME);
#include "ovs-flows/tables.def"
#undef TABLE
        ovsthread_once_done(&once);
    }
    return &map;
}

struct eth_addr
pipeline_mac(enum pipeline_mac which)
{
    static const char *const texts[] = {
#define MAC(NAME, TEXT, HELP) [MAC_##NAME] = TEXT,
#include "ovs-flows/macs.def"
#undef MAC
    };
    struct eth_addr mac = eth_addr_zero;

    ovs_assert(eth_addr_from_string(texts[which], &mac));
    return mac;
}

/* Fields. */

struct field {
    uint8_t reg, first_bit, bits;
};

static const struct field fields[N_PIPELINE_FIELDS] = {
#define FIELD(NAME, REGISTER, FIRST_BIT, BITS, HELP) \
    [FIELD_##NAME] = { REGISTER, FIRST_BIT, BITS },
#include "ovs-flows/registers.def"
#undef FIELD
};

static uint32_t
field_mask(const struct field *f)
{
    return (uint32_t) (UINT64_MAX >> (64 - f->bits)) << f->first_bit;
}

void
field_match_masked(struct match *match, enum pipeline_field which, uint32_t value, uint32_t bits)
{
    const struct field *f = &fields[which];
    uint32_t mask = bits << f->first_bit & field_mask(f);

    match->wc.masks.regs[f->reg] |= mask;
    match->flow.regs[f->reg] = (match->flow.regs[f->reg] & ~mask) | (value << f->first_bit & mask);
}

void
field_match(struct match *match, enum pipeline_field which, uint32_t value)
{
    field_match_masked(match, which, value, UINT32_MAX);
}

void
field_set(struct ofpbuf *ofpacts, enum pipeline_field which, uint32_t value)
{
    const struct field *f = &fields[which];
    struct ofpact_set_field *sf;
    ovs_be32 be_value = htonl(value << f->first_bit), be_mask = htonl(field_mask(f));

    /* Zeroed first: the padding is compared with the rest. */
    sf = ofpact_put_set_field(ofpacts, mf_from_id(MFF_REG0 + f->reg), NULL, NULL);
    memcpy(sf->value, &be_value, sizeof be_value);
    memcpy(ofpact_set_field_mask(sf), &be_mask, sizeof be_mask);
}

bool
field_matched(const struct match *match, enum pipeline_field which, uint32_t *value)
{
    const struct field *f = &fields[which];
    uint32_t mask = field_mask(f);

    *value = (match->flow.regs[f->reg] & mask) >> f->first_bit;
    return (match->wc.masks.regs[f->reg] & mask) == mask;
}

void
match_counting(struct match *match, enum pipeline_table table)
{
    if (table >= TABLE_egress_admin && table <= TABLE_egress_baseline) {
        field_match(match, FIELD_origin, SIDE_LOCAL);
    } else if (table >= TABLE_ingress_admin && table <= TABLE_ingress_baseline) {
        field_match(match, FIELD_target, SIDE_LOCAL);
    }
}

/* Substitution of $NAME. */

static void
put_fields(struct shash *names)
{
#define FIELD(NAME, REGISTER, FIRST_BIT, BITS, HELP) \
    shash_add_once(names, #NAME,                     \
                   xasprintf("reg%d[%d..%d]", REGISTER, FIRST_BIT, (FIRST_BIT) + (BITS) -1));
#include "ovs-flows/registers.def"
#undef FIELD
}

static void
put_numbers(struct shash *names)
{
#define PRIORITY(NAME, VALUE, HELP) shash_add_once(names, #NAME, xasprintf("%d", VALUE));
#include "ovs-flows/priorities.def"
#undef PRIORITY
#define PORT(NAME, NUMBER, INTERFACE, HELP) shash_add_once(names, #NAME, xasprintf("%d", NUMBER));
#include "ovs-flows/ports.def"
#undef PORT
#define MAC(NAME, TEXT, HELP) shash_add_once(names, "mac_" #NAME, xstrdup(TEXT));
#include "ovs-flows/macs.def"
#undef MAC
}

static void
put_cookie(struct shash *names, const char *name, uint64_t cookie)
{
    shash_add_once(names, name, xasprintf("0x%" PRIx64, cookie));
}

static void
put_cookies(struct shash *names)
{
    put_cookie(names, "static", VIRGA_COOKIE(COOKIE_STATIC, 0));
    put_cookie(names, "matrix", VIRGA_COOKIE(COOKIE_MATRIX, 0));
#define DROP(NAME, INDEX, HELP) put_cookie(names, "drop_" #NAME, VIRGA_COOKIE(COOKIE_DROP, INDEX));
#include "ovs-flows/drops.def"
#undef DROP
}

static void
put_values(struct shash *names)
{
    static const struct {
        const char *name;
        int value;
    } values[] = {
        { "local", SIDE_LOCAL },
        { "tunnel", SIDE_TUNNEL },
        { "gateway", SIDE_GATEWAY },
        { "world", IDENTITY_WORLD },
        { "local_node", IDENTITY_LOCAL_NODE },
        { "node_network", NODE_NETWORK },
        { "zone_between", ZONE_BETWEEN },
    };

    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        shash_add_once(names, values[i].name, xasprintf("%d", values[i].value));
    }
}

/* Appends 'line' of 'n' bytes with its names replaced. */
static char *
substitute(const char *line, size_t n, const struct shash *names, struct ds *out)
{
    const char *end = line + n;

    while (line < end) {
        if (*line != '$') {
            ds_put_char(out, *line++);
            continue;
        }
        size_t length = strspn(line + 1, "abcdefghijklmnopqrstuvwxyz_");
        char *name = xmemdup0(line + 1, length);
        const char *text = shash_find_data(names, name);
        char *error = text ? NULL : xasprintf("unknown name \"$%s\"", name);
        free(name);
        if (error) {
            return error;
        }
        ds_put_cstr(out, text);
        line += 1 + length;
    }
    return NULL;
}

/* Flows. */

/* "load" is the one way to write a part of a field; OpenFlow 1.5 knows it as
 * "set_field" with a mask, and so the switch will show it. */
static void
make_loads_set_fields(struct ofpact *ofpacts, size_t len)
{
    struct ofpact *a;

    OFPACT_FOR_EACH (a, ofpacts, len) {
        if (a->type == OFPACT_SET_FIELD) {
            a->raw = UINT8_MAX;
        }
    }
}

static char *
add_flow(const char *text, struct flow_table *ft)
{
    enum ofputil_protocol usable;
    struct ofputil_flow_mod fm;
    struct match match;
    char *error;

    error = parse_ofp_flow_mod_str(&fm, text, NULL, pipeline_tables(), OFPFC_ADD, &usable);
    if (error) {
        return error;
    }
    make_loads_set_fields(fm.ofpacts, fm.ofpacts_len);
    minimatch_expand(&fm.match, &match);
    flow_table_add_flags(ft, (struct flow_owner){ FLOW_OWNER_STATIC, 0 }, fm.table_id, fm.priority,
                         ntohll(fm.new_cookie), fm.flags, &match, fm.ofpacts, fm.ofpacts_len);
    minimatch_destroy(&fm.match);
    free(fm.ofpacts);
    return NULL;
}

static char *
parse_line(const char *line, size_t n, const struct shash *names, struct flow_table *ft)
{
    struct ds text = DS_EMPTY_INITIALIZER;
    char *error = NULL;

    if (n && *line != '#') {
        error = substitute(line, n, names, &text);
        if (!error) {
            error = add_flow(ds_cstr(&text), ft);
        }
    }
    ds_destroy(&text);
    return error;
}

char *
pipeline_parse(const char *text, struct flow_table *ft)
{
    struct shash names = SHASH_INITIALIZER(&names);
    char *error = NULL;

    put_fields(&names);
    put_numbers(&names);
    put_cookies(&names);
    put_values(&names);
    for (int line = 1; *text && !error; line++) {
        size_t n = strcspn(text, "\n");
        char *reason = parse_line(text, n, &names, ft);
        if (reason) {
            error = xasprintf("line %d: %s", line, reason);
            free(reason);
        }
        text += n + (text[n] != '\0');
    }
    shash_destroy_free_data(&names);
    return error;
}

void
pipeline_add(struct flow_table *ft)
{
    char *error = pipeline_parse(pipeline_flows, ft);

    if (error) {
        ovs_abort(0, "pipeline flows: %s", error);
    }
}
