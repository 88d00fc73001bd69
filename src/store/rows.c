/* One record to one row and back; endpoints are in endpoint_buckets.c.
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
#include "store/row_values.h"
#include "util.h"

#define ROW(TYPE, HEADER) CONTAINER_OF(HEADER, struct virgarec_##TYPE, header_)

const struct ovsdb_idl_table_class *const record_tables[N_RECORD_KINDS] = {
    [RECORD_NODE] = &virgarec_table_node,
    [RECORD_NETWORK] = &virgarec_table_network,
    [RECORD_IDENTITY] = &virgarec_table_identity,
    [RECORD_ENDPOINT] = &virgarec_table_endpoint_bucket,
    [RECORD_SET] = &virgarec_table_identity_set,
    [RECORD_RULE] = &virgarec_table_rule,
};

const struct ovsdb_idl_column *const record_key_columns[N_RECORD_KINDS] = {
    [RECORD_NODE] = &virgarec_node_col_id,
    [RECORD_NETWORK] = &virgarec_network_col_vni,
    [RECORD_IDENTITY] = &virgarec_identity_col_id,
    [RECORD_ENDPOINT] = &virgarec_endpoint_bucket_col_bucket,
    [RECORD_SET] = &virgarec_identity_set_col_id,
    [RECORD_RULE] = &virgarec_rule_col_id,
};

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
        return ROW(endpoint_bucket, header)->bucket;
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
    case RECORD_SET:
        return row_decode_set(header, error);
    case RECORD_RULE:
        return row_decode_rule(header, error);
    case RECORD_ENDPOINT: /* endpoint_buckets.c */
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
    case RECORD_SET:
        virgarec_identity_set_set_id(ROW(identity_set, header), rec->key);
        break;
    case RECORD_RULE:
        virgarec_rule_set_id(ROW(rule, header), rec->key);
        break;
    case RECORD_NODE: /* An agent makes these rows. */
    case RECORD_ENDPOINT:
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
    case RECORD_SET:
        row_encode_set(header, (const struct rec_set *) rec, (const struct rec_set *) old);
        break;
    case RECORD_RULE:
        row_encode_rule(header, (const struct rec_rule *) rec);
        break;
    case RECORD_NODE:
    case RECORD_ENDPOINT:
    case N_RECORD_KINDS:
        OVS_NOT_REACHED();
    }
}
