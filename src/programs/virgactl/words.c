#include "programs/virgactl/words.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/rule_words.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/shash.h"
#include "openvswitch/util.h"
#include "util.h"

struct words {
    const struct records *records;
    struct shash prefixes; /* Text of a prefix to char *. */
    const struct rec_network **zones;
    size_t n_zones;
};

static void
add_prefix(struct words *words, const struct prefix *prefix, char *meaning)
{
    struct ds text = DS_EMPTY_INITIALIZER;

    prefix_format(prefix, &text);
    free(shash_replace(&words->prefixes, ds_cstr(&text), meaning));
    ds_destroy(&text);
}

static void
add_address(struct words *words, const struct in6_addr *addr, char *meaning)
{
    struct prefix host = prefix_host(addr);

    add_prefix(words, &host, meaning);
}

static void
index_network(struct words *words, const struct rec_network *network)
{
    words->zones[words->n_zones++] = network;
    for (size_t i = 0; i < network->n_subnets; i++) {
        add_prefix(words, &network->subnets[i], xasprintf("network %s", network->name));
        add_address(words, &network->gateways[i], xasprintf("gateway of %s", network->name));
    }
}

static void
index_node(struct words *words, const struct rec_node *node)
{
    for (size_t i = 0; i < node->n_addresses; i++) {
        add_address(words, &node->addresses[i], xasprintf("node %s", node->name));
    }
    add_address(words, &node->vtep, xasprintf("node %s", node->name));
}

static void
index_endpoint(struct words *words, const struct rec_endpoint *endpoint)
{
    for (size_t i = 0; i < endpoint->n_ips; i++) {
        add_address(words, &endpoint->ips[i], xstrdup(endpoint->name));
    }
}

struct words *
words_create(const struct records *records)
{
    struct words *words = xzalloc(sizeof *words);
    const struct record *r;

    words->records = records;
    shash_init(&words->prefixes);
    words->zones = xcalloc(records_count(records, RECORD_NETWORK) + 1, sizeof *words->zones);
    for (r = records_first(records, RECORD_NETWORK); r; r = records_next(records, r)) {
        index_network(words, (const struct rec_network *) r);
    }
    for (r = records_first(records, RECORD_NODE); r; r = records_next(records, r)) {
        index_node(words, (const struct rec_node *) r);
    }
    for (r = records_first(records, RECORD_ENDPOINT); r; r = records_next(records, r)) {
        index_endpoint(words, (const struct rec_endpoint *) r);
    }
    return words;
}

void
words_destroy(struct words *words)
{
    if (words) {
        shash_destroy_free_data(&words->prefixes);
        free(words->zones);
        free(words);
    }
}

void
words_put_identity(const struct words *words, uint32_t id, struct ds *out)
{
    static const char *const special[] = {
        [IDENTITY_UNKNOWN] = "unknown",
        [IDENTITY_WORLD] = "world",
        [IDENTITY_LOCAL_NODE] = "this node",
        [IDENTITY_REMOTE_NODE] = "another node",
    };
    const struct rec_identity *identity = records_identity(words->records, id);

    ds_put_format(out, "%" PRIu32 " ", id);
    if (id < ARRAY_SIZE(special)) {
        ds_put_cstr(out, special[id]);
    } else {
        ds_put_cstr(out, identity ? identity->labels : "(no longer used)");
    }
}

void
words_put_network(const struct words *words, uint32_t vni, struct ds *out)
{
    const struct rec_network *network = records_network(words->records, vni);

    ds_put_format(out, "%" PRIu32, vni);
    if (network) {
        ds_put_format(out, " (network %s)", network->name);
    } else if (!vni) {
        ds_put_cstr(out, " (outside)");
    } else if (vni == 1) {
        ds_put_cstr(out, " (nodes)");
    }
}

void
words_put_node(const struct words *words, uint32_t id, struct ds *out)
{
    const struct rec_node *node = records_node(words->records, id);

    if (node) {
        ds_put_format(out, "node %s (", node->name);
        addr_format(&node->vtep, out);
        ds_put_char(out, ')');
    } else {
        ds_put_format(out, "node %" PRIu32 " (gone)", id);
    }
}

void
words_put_endpoint(const struct words *words, uint32_t id, struct ds *out)
{
    const struct rec_endpoint *endpoint = records_endpoint(words->records, id);
    const struct rec_node *node;

    if (!endpoint) {
        ds_put_format(out, "endpoint %" PRIu32 " (gone)", id);
        return;
    }
    ds_put_format(out, "endpoint %s (", endpoint->name);
    for (size_t i = 0; i < endpoint->n_ips; i++) {
        ds_put_cstr(out, i ? ", " : "");
        addr_format(&endpoint->ips[i], out);
    }
    node = records_node(words->records, endpoint->node);
    ds_put_format(out, "%s%s)", node ? " on " : "", node ? node->name : "");
}

void
words_put_rule(const struct words *words, uint32_t id, struct ds *out)
{
    const struct rec_rule *rule = records_rule(words->records, id);

    if (!rule) {
        ds_put_format(out, "rule %" PRIu32 " (gone)", id);
    } else if (rule->action == RULE_ISOLATE) {
        ds_put_format(out, "rule %" PRIu32 " (%s default deny of %s)", id,
                      rule_direction_names[rule->direction], rule->policy);
    } else {
        ds_put_format(out, "rule %" PRIu32 " (%s[%" PRId32 "] of %s)", id,
                      rule_direction_names[rule->direction], rule->index, rule->policy);
    }
}

void
words_put_rule_sentence(const struct words *words, uint32_t id, struct ds *out)
{
    const struct rec_rule *rule = records_rule(words->records, id);

    if (rule) {
        rule_words(words->records, rule, out);
    }
}

char *
words_of_prefix(const struct words *words, const struct prefix *prefix)
{
    struct ds text = DS_EMPTY_INITIALIZER;
    const char *meaning;

    prefix_format(prefix, &text);
    meaning = shash_find_data(&words->prefixes, ds_cstr(&text));
    ds_destroy(&text);
    return meaning ? xstrdup(meaning) : NULL;
}

const struct rec_network *
words_zone(const struct words *words, uint16_t zone)
{
    for (size_t i = 0; i < words->n_zones; i++) {
        if (words->zones[i]->zone == zone) {
            return words->zones[i];
        }
    }
    return NULL;
}
