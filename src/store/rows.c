/* One record to one row and back.
 *
 * A row is input from outside: whoever may write to the database may write
 * nonsense.  The server enforces the schema (types, ranges, words); what a
 * schema cannot say is checked here, and a row that makes no sense becomes an
 * error text instead of a record. */
#include "store/store_internal.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "ovsdb-idl-provider.h"
#include "packets.h"
#include "util.h"

#define ROW(TYPE, HEADER) CONTAINER_OF(HEADER, struct virgarec_##TYPE, header_)

const struct ovsdb_idl_table_class *const record_tables[N_RECORD_KINDS] = {
    [RECORD_NODE] = &virgarec_table_node,         [RECORD_NETWORK] = &virgarec_table_network,
    [RECORD_IDENTITY] = &virgarec_table_identity, [RECORD_ENDPOINT] = &virgarec_table_endpoint,
    [RECORD_SET] = &virgarec_table_identity_set,  [RECORD_RULE] = &virgarec_table_rule,
};

const struct ovsdb_idl_column *const record_key_columns[N_RECORD_KINDS] = {
    [RECORD_NODE] = &virgarec_node_col_id,         [RECORD_NETWORK] = &virgarec_network_col_vni,
    [RECORD_IDENTITY] = &virgarec_identity_col_id, [RECORD_ENDPOINT] = &virgarec_endpoint_col_id,
    [RECORD_SET] = &virgarec_identity_set_col_id,  [RECORD_RULE] = &virgarec_rule_col_id,
};

/* Words of the schema, by enum. */
static const char *const direction_words[] = {
    [RULE_EGRESS] = "egress",
    [RULE_INGRESS] = "ingress",
};
static const char *const tier_words[] = {
    [TIER_ADMIN] = "admin",
    [TIER_GROUP] = "group",
    [TIER_NETWORKPOLICY] = "networkpolicy",
    [TIER_BASELINE] = "baseline",
};
static const char *const action_words[] = {
    [RULE_ALLOW] = "allow",
    [RULE_ISOLATE] = "isolate",
};
static const struct {
    const char *word;
    uint8_t number;
} protocols[] = {
    { "tcp", IPPROTO_TCP },
    { "udp", IPPROTO_UDP },
    { "sctp", IPPROTO_SCTP },
};

/* --- Texts and lists -------------------------------------------------- */

static char *
decode_word(const char *word, const char *const words[], size_t n, int *value)
{
    for (size_t i = 0; i < n; i++) {
        if (!strcmp(word, words[i])) {
            *value = i;
            return NULL;
        }
    }
    return xasprintf("\"%.40s\" is not a known word", word);
}

static int
compare_u32(const void *a_, const void *b_)
{
    const uint32_t *a = a_, *b = b_;
    return *a < *b ? -1 : *a > *b;
}

static uint32_t *
decode_numbers(const int64_t *in, size_t n)
{
    uint32_t *out = xmalloc(MAX(n, 1) * sizeof *out);

    for (size_t i = 0; i < n; i++) {
        out[i] = in[i];
    }
    qsort(out, n, sizeof *out, compare_u32);
    return out;
}

static void
encode_numbers(const uint32_t *in, size_t n, int64_t **out)
{
    *out = xmalloc(MAX(n, 1) * sizeof **out);
    for (size_t i = 0; i < n; i++) {
        (*out)[i] = in[i];
    }
}

static int
compare_addresses(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct in6_addr));
}

size_t
addresses_sort(struct in6_addr *a, size_t n)
{
    size_t n_unique = 0;

    if (n) {
        qsort(a, n, sizeof *a, compare_addresses);
    }
    for (size_t i = 0; i < n; i++) {
        if (!n_unique || memcmp(&a[n_unique - 1], &a[i], sizeof *a)) {
            a[n_unique++] = a[i];
        }
    }
    return n_unique;
}

char *
addresses_decode(char *const *texts, size_t n, struct in6_addr **addresses)
{
    char *error = NULL;

    *addresses = xmalloc(MAX(n, 1) * sizeof **addresses);
    for (size_t i = 0; i < n && !error; i++) {
        error = addr_parse(texts[i], &(*addresses)[i]);
    }
    if (error) {
        free(*addresses);
        *addresses = NULL;
        return error;
    }
    qsort(*addresses, n, sizeof **addresses, compare_addresses);
    return NULL;
}

static char *
address_text(const struct in6_addr *a)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    addr_format(a, &ds);
    return ds_steal_cstr(&ds);
}

static char *
prefix_text(const struct prefix *p)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    prefix_format(p, &ds);
    return ds_steal_cstr(&ds);
}

/* A list of texts for the generated setters. */
struct texts {
    char **a;
    size_t n;
};

static struct texts
texts_create(size_t n)
{
    return (struct texts){ xcalloc(MAX(n, 1), sizeof(char *)), n };
}

static const char **
texts_get(const struct texts *t)
{
    return (const char **) t->a;
}

static void
texts_destroy(struct texts *t)
{
    for (size_t i = 0; i < t->n; i++) {
        free(t->a[i]);
    }
    free(t->a);
}

/* --- Network ---------------------------------------------------------- */

static char *
decode_subnet(const struct virgarec_network *row, size_t i, struct rec_network *n)
{
    if (row->key_subnets[i] != (int64_t) i || row->key_gateways[i] != (int64_t) i) {
        return xasprintf("subnets and gateways are not numbered 0 to %" PRIuSIZE,
                         row->n_subnets - 1);
    }
    char *error = prefix_parse(row->value_subnets[i], true, &n->subnets[i]);
    if (!error) {
        error = addr_parse(row->value_gateways[i], &n->gateways[i]);
    }
    if (!error && !prefix_contains(&n->subnets[i], &n->gateways[i])) {
        error = xasprintf("gateway %s is not in %s", row->value_gateways[i],
                          row->value_subnets[i]);
    }
    return error;
}

static struct record *
decode_network(const struct ovsdb_idl_row *header, char **error)
{
    const struct virgarec_network *row = ROW(network, header);
    struct rec_network *n = rec_network_create(row->vni);

    n->name = xstrdup(row->name);
    n->zone = row->zone;
    n->subnets = xcalloc(MAX(row->n_subnets, 1), sizeof *n->subnets);
    n->gateways = xcalloc(MAX(row->n_subnets, 1), sizeof *n->gateways);
    n->n_subnets = row->n_subnets;
    if (row->n_gateways != row->n_subnets) {
        *error = xstrdup("there are not as many gateways as subnets");
    }
    for (size_t i = 0; i < row->n_subnets && !*error; i++) {
        *error = decode_subnet(row, i, n);
    }
    return &n->r;
}

static void
encode_network(const struct ovsdb_idl_row *header, const struct rec_network *n)
{
    const struct virgarec_network *row = ROW(network, header);
    struct texts subnets = texts_create(n->n_subnets), gateways = texts_create(n->n_subnets);
    int64_t *positions = xmalloc(MAX(n->n_subnets, 1) * sizeof *positions);

    for (size_t i = 0; i < n->n_subnets; i++) {
        positions[i] = i;
        subnets.a[i] = prefix_text(&n->subnets[i]);
        gateways.a[i] = address_text(&n->gateways[i]);
    }
    virgarec_network_set_name(row, n->name);
    virgarec_network_set_zone(row, n->zone);
    virgarec_network_set_subnets(row, positions, texts_get(&subnets), n->n_subnets);
    virgarec_network_set_gateways(row, positions, texts_get(&gateways), n->n_subnets);
    free(positions);
    texts_destroy(&subnets);
    texts_destroy(&gateways);
}

/* --- Node and identity ------------------------------------------------ */

bool
node_row_vtep(const struct virgarec_node *row, struct in6_addr *vtep)
{
    char *error = addr_parse(row->vtep, vtep);

    free(error);
    return !error;
}

static struct record *
decode_node(const struct ovsdb_idl_row *header, char **error)
{
    const struct virgarec_node *row = ROW(node, header);

    if (!row->n_id) {
        return NULL;
    }
    struct rec_node *n = rec_node_create(row->id[0]);
    n->name = xstrdup(row->name);
    *error = addr_parse(row->vtep, &n->vtep);
    if (!*error) {
        *error = addresses_decode(row->addresses, row->n_addresses, &n->addresses);
        n->n_addresses = *error ? 0 : row->n_addresses;
    }
    return &n->r;
}

static struct record *
decode_identity(const struct ovsdb_idl_row *header)
{
    const struct virgarec_identity *row = ROW(identity, header);
    struct rec_identity *i = rec_identity_create(row->id);

    i->vni = row->vni;
    i->labels = xstrdup(row->labels);
    return &i->r;
}

static void
encode_identity(const struct ovsdb_idl_row *header, const struct rec_identity *i)
{
    const struct virgarec_identity *row = ROW(identity, header);

    virgarec_identity_set_vni(row, i->vni);
    virgarec_identity_set_labels(row, i->labels ? i->labels : "");
}

/* --- Endpoint --------------------------------------------------------- */

static struct record *
decode_endpoint(const struct ovsdb_idl_row *header, char **error)
{
    const struct virgarec_endpoint *row = ROW(endpoint, header);
    struct rec_endpoint *e = rec_endpoint_create(row->id);

    e->name = xstrdup(row->name);
    e->uid = xstrdup(row->uid);
    e->vni = row->vni;
    e->identity = row->identity;
    e->node = row->node;
    if (!eth_addr_from_string(row->mac, &e->mac) || eth_addr_is_multicast(e->mac)) {
        *error = xasprintf("\"%.40s\" is not a unicast Ethernet address", row->mac);
    } else if (!row->n_ips) {
        *error = xstrdup("it has no address");
    } else {
        *error = addresses_decode(row->ips, row->n_ips, &e->ips);
    }
    e->n_ips = *error ? 0 : row->n_ips;
    return &e->r;
}

static void
encode_endpoint(const struct ovsdb_idl_row *header, const struct rec_endpoint *e)
{
    const struct virgarec_endpoint *row = ROW(endpoint, header);
    struct texts ips = texts_create(e->n_ips);
    char mac[ETH_ADDR_STRLEN + 1];

    for (size_t i = 0; i < e->n_ips; i++) {
        ips.a[i] = address_text(&e->ips[i]);
    }
    snprintf(mac, sizeof mac, ETH_ADDR_FMT, ETH_ADDR_ARGS(e->mac));
    virgarec_endpoint_set_name(row, e->name ? e->name : "");
    virgarec_endpoint_set_uid(row, e->uid ? e->uid : "");
    virgarec_endpoint_set_vni(row, e->vni);
    virgarec_endpoint_set_identity(row, e->identity);
    virgarec_endpoint_set_node(row, e->node);
    virgarec_endpoint_set_mac(row, mac);
    virgarec_endpoint_set_ips(row, texts_get(&ips), ips.n);
    texts_destroy(&ips);
}

/* --- Identity set ----------------------------------------------------- */

static struct record *
decode_set(const struct ovsdb_idl_row *header)
{
    const struct virgarec_identity_set *row = ROW(identity_set, header);
    struct rec_set *s = rec_set_create(row->id);

    s->selector = xstrdup(row->selector);
    s->identities = decode_numbers(row->identities, row->n_identities);
    s->n_identities = row->n_identities;
    return &s->r;
}

/* Calls for each element of sorted 'a' that sorted 'b' lacks; returns their
 * number. */
static size_t
set_minus(const struct rec_set *a, const struct rec_set *b,
          void (*cb)(const struct virgarec_identity_set *, int64_t),
          const struct virgarec_identity_set *row)
{
    size_t j = 0, n = 0;

    for (size_t i = 0; i < a->n_identities; i++) {
        while (j < b->n_identities && b->identities[j] < a->identities[i]) {
            j++;
        }
        if (j >= b->n_identities || b->identities[j] != a->identities[i]) {
            n++;
            if (cb) {
                cb(row, a->identities[i]);
            }
        }
    }
    return n;
}

/* A set may have many thousands of members of which one comes or goes: then
 * only that one is written, logged and sent to every agent. */
static void
encode_members(const struct virgarec_identity_set *row, const struct rec_set *s,
               const struct rec_set *old)
{
    if (old) {
        size_t n = set_minus(s, old, NULL, NULL) + set_minus(old, s, NULL, NULL);
        if (n <= s->n_identities / 4) {
            set_minus(s, old, virgarec_identity_set_update_identities_addvalue, row);
            set_minus(old, s, virgarec_identity_set_update_identities_delvalue, row);
            return;
        }
    }
    int64_t *numbers;
    encode_numbers(s->identities, s->n_identities, &numbers);
    virgarec_identity_set_set_identities(row, numbers, s->n_identities);
    free(numbers);
}

static void
encode_set(const struct ovsdb_idl_row *header, const struct rec_set *s, const struct rec_set *old)
{
    const struct virgarec_identity_set *row = ROW(identity_set, header);

    virgarec_identity_set_set_selector(row, s->selector ? s->selector : "");
    encode_members(row, s, old);
}

/* --- Rule ------------------------------------------------------------- */

/* A decimal 0..65535 at *pos, which moves behind it. */
static bool
decode_port_number(const char **pos, uint16_t *port)
{
    size_t n = strspn(*pos, "0123456789");
    unsigned long value = n && n <= 5 ? strtoul(*pos, NULL, 10) : 65536;

    *pos += n;
    *port = value;
    return value <= UINT16_MAX;
}

/* "tcp:80" or "tcp:80-90". */
static char *
decode_port(const char *text, struct rule_port *port)
{
    for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
        size_t n = strlen(protocols[i].word);
        if (strncmp(text, protocols[i].word, n) || text[n] != ':') {
            continue;
        }
        const char *pos = text + n + 1;
        port->protocol = protocols[i].number;
        bool ok = decode_port_number(&pos, &port->first);
        port->last = port->first;
        if (ok && *pos == '-') {
            pos++;
            ok = decode_port_number(&pos, &port->last);
        }
        if (ok && !*pos && port->first <= port->last) {
            return NULL;
        }
    }
    return xasprintf("\"%.40s\" is not PROTOCOL:PORT or PROTOCOL:FIRST-LAST", text);
}

static char *
port_text(const struct rule_port *p)
{
    const char *word = "sctp";

    for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
        if (protocols[i].number == p->protocol) {
            word = protocols[i].word;
        }
    }
    return (p->first == p->last ? xasprintf("%s:%" PRIu16, word, p->first)
                                : xasprintf("%s:%" PRIu16 "-%" PRIu16, word, p->first, p->last));
}

static int
compare_ports(const void *a_, const void *b_)
{
    const struct rule_port *a = a_, *b = b_;
    int d = a->protocol - b->protocol;

    d = d ? d : a->first - b->first;
    return d ? d : a->last - b->last;
}

static int
compare_prefixes(const void *a, const void *b)
{
    return prefix_compare(a, b);
}

static char *
decode_rule_lists(const struct virgarec_rule *row, struct rec_rule *r)
{
    char *error = NULL;

    r->peer_sets = decode_numbers(row->peer_sets, row->n_peer_sets);
    r->n_peer_sets = row->n_peer_sets;
    r->peer_prefixes = xcalloc(MAX(row->n_peer_prefixes, 1), sizeof *r->peer_prefixes);
    for (size_t i = 0; i < row->n_peer_prefixes && !error; i++) {
        error = prefix_parse(row->peer_prefixes[i], true, &r->peer_prefixes[i]);
        r->n_peer_prefixes++;
    }
    qsort(r->peer_prefixes, r->n_peer_prefixes, sizeof *r->peer_prefixes, compare_prefixes);
    r->ports = xcalloc(MAX(row->n_ports, 1), sizeof *r->ports);
    for (size_t i = 0; i < row->n_ports && !error; i++) {
        error = decode_port(row->ports[i], &r->ports[i]);
        r->n_ports++;
    }
    qsort(r->ports, r->n_ports, sizeof *r->ports, compare_ports);
    return error;
}

static char *
decode_rule_words(const struct virgarec_rule *row, struct rec_rule *r)
{
    int direction = 0, tier = 0, action = 0;
    char *error = decode_word(row->direction, direction_words, ARRAY_SIZE(direction_words),
                              &direction);

    if (!error) {
        error = decode_word(row->tier, tier_words, ARRAY_SIZE(tier_words), &tier);
    }
    if (!error) {
        error = decode_word(row->action, action_words, ARRAY_SIZE(action_words), &action);
    }
    r->direction = direction;
    r->tier = tier;
    r->action = action;
    return error;
}

static struct record *
decode_rule(const struct ovsdb_idl_row *header, char **error)
{
    const struct virgarec_rule *row = ROW(rule, header);
    struct rec_rule *r = rec_rule_create(row->id);

    r->priority = row->priority;
    r->vni = row->vni;
    r->subject = row->subject;
    r->any_peer = row->any_peer;
    r->any_port = row->any_port;
    r->policy = xstrdup(row->policy);
    r->index = row->position;
    *error = decode_rule_words(row, r);
    if (!*error) {
        *error = decode_rule_lists(row, r);
    }
    return &r->r;
}

static void
encode_rule_lists(const struct virgarec_rule *row, const struct rec_rule *r)
{
    struct texts prefixes = texts_create(r->n_peer_prefixes), ports = texts_create(r->n_ports);
    int64_t *sets;

    for (size_t i = 0; i < r->n_peer_prefixes; i++) {
        prefixes.a[i] = prefix_text(&r->peer_prefixes[i]);
    }
    for (size_t i = 0; i < r->n_ports; i++) {
        ports.a[i] = port_text(&r->ports[i]);
    }
    encode_numbers(r->peer_sets, r->n_peer_sets, &sets);
    virgarec_rule_set_peer_sets(row, sets, r->n_peer_sets);
    virgarec_rule_set_peer_prefixes(row, texts_get(&prefixes), prefixes.n);
    virgarec_rule_set_ports(row, texts_get(&ports), ports.n);
    free(sets);
    texts_destroy(&prefixes);
    texts_destroy(&ports);
}

static void
encode_rule(const struct ovsdb_idl_row *header, const struct rec_rule *r)
{
    const struct virgarec_rule *row = ROW(rule, header);

    virgarec_rule_set_direction(row, direction_words[r->direction]);
    virgarec_rule_set_tier(row, tier_words[r->tier]);
    virgarec_rule_set_action(row, action_words[r->action]);
    virgarec_rule_set_priority(row, r->priority);
    virgarec_rule_set_vni(row, r->vni);
    virgarec_rule_set_subject(row, r->subject);
    virgarec_rule_set_any_peer(row, r->any_peer);
    virgarec_rule_set_any_port(row, r->any_port);
    virgarec_rule_set_policy(row, r->policy ? r->policy : "");
    virgarec_rule_set_position(row, r->index);
    encode_rule_lists(row, r);
}

/* --- Any kind --------------------------------------------------------- */

uint32_t
row_key(const struct ovsdb_idl_row *header, enum record_kind kind)
{
    switch (kind) {
    case RECORD_NODE: {
        const struct virgarec_node *node = ROW(node, header);
        return node->n_id ? node->id[0] : 0;
    }
    case RECORD_NETWORK:
        return ROW(network, header)->vni;
    case RECORD_IDENTITY:
        return ROW(identity, header)->id;
    case RECORD_ENDPOINT:
        return ROW(endpoint, header)->id;
    case RECORD_SET:
        return ROW(identity_set, header)->id;
    case RECORD_RULE:
        return ROW(rule, header)->id;
    case N_RECORD_KINDS:
        break;
    }
    OVS_NOT_REACHED();
}

static struct record *
decode(const struct ovsdb_idl_row *header, enum record_kind kind, char **error)
{
    switch (kind) {
    case RECORD_NODE:
        return decode_node(header, error);
    case RECORD_NETWORK:
        return decode_network(header, error);
    case RECORD_IDENTITY:
        return decode_identity(header);
    case RECORD_ENDPOINT:
        return decode_endpoint(header, error);
    case RECORD_SET:
        return decode_set(header);
    case RECORD_RULE:
        return decode_rule(header, error);
    case N_RECORD_KINDS:
        break;
    }
    OVS_NOT_REACHED();
}

struct record *
row_decode(const struct ovsdb_idl_row *header, enum record_kind kind, char **error)
{
    *error = NULL;
    struct record *r = decode(header, kind, error);
    if (r && !*error && !r->key) {
        *error = xstrdup("its key is missing");
    }
    if (*error) {
        record_destroy(r);
        return NULL;
    }
    return r;
}

/* A new row gets its key, too. */
static void
encode_key(const struct ovsdb_idl_row *header, const struct record *rec)
{
    switch (rec->kind) {
    case RECORD_NETWORK:
        virgarec_network_set_vni(ROW(network, header), rec->key);
        break;
    case RECORD_IDENTITY:
        virgarec_identity_set_id(ROW(identity, header), rec->key);
        break;
    case RECORD_ENDPOINT:
        virgarec_endpoint_set_id(ROW(endpoint, header), rec->key);
        break;
    case RECORD_SET:
        virgarec_identity_set_set_id(ROW(identity_set, header), rec->key);
        break;
    case RECORD_RULE:
        virgarec_rule_set_id(ROW(rule, header), rec->key);
        break;
    case RECORD_NODE: /* An agent makes these rows. */
    case N_RECORD_KINDS:
        OVS_NOT_REACHED();
    }
}

void
row_encode(const struct ovsdb_idl_row *header, const struct record *rec, const struct record *old)
{
    if (!header->old_datum) {
        encode_key(header, rec);
    }
    switch (rec->kind) {
    case RECORD_NETWORK:
        encode_network(header, (const struct rec_network *) rec);
        break;
    case RECORD_IDENTITY:
        encode_identity(header, (const struct rec_identity *) rec);
        break;
    case RECORD_ENDPOINT:
        encode_endpoint(header, (const struct rec_endpoint *) rec);
        break;
    case RECORD_SET:
        encode_set(header, (const struct rec_set *) rec, (const struct rec_set *) old);
        break;
    case RECORD_RULE:
        encode_rule(header, (const struct rec_rule *) rec);
        break;
    case RECORD_NODE:
    case N_RECORD_KINDS:
        OVS_NOT_REACHED();
    }
}
