#include "programs/virgactl/explain.h"

#include <inttypes.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "programs/virgactl/flow_line.h"
#include "programs/virgactl/flow_words.h"
#include "programs/virgactl/words.h"
#include "util.h"
#include "virga/cookie.h"

static const char *
drop_help(uint32_t index, const char **name)
{
    static const struct {
        const char *name;
        uint32_t index;
        const char *help;
    } drops[] = {
#define DROP(NAME, INDEX, HELP) { #NAME, INDEX, HELP },
#include "ovs-flows/drops.def"
#undef DROP
    };

    for (size_t i = 0; i < ARRAY_SIZE(drops); i++) {
        if (drops[i].index == index) {
            *name = drops[i].name;
            return drops[i].help;
        }
    }
    *name = "unknown";
    return "a drop that this version does not know";
}

static const char *
feature_help(uint8_t feature)
{
    switch (feature) {
#define COOKIE(NAME, VALUE, ID, HELP) \
    case VALUE:                       \
        return HELP;
#include "ovs-flows/cookies.def"
#undef COOKIE
    default:
        return "a feature that this version does not know";
    }
}

static bool
is_rule_feature(uint8_t feature)
{
    return feature == COOKIE_RULE || feature == COOKIE_ISOLATE || feature == COOKIE_METRIC_EGRESS
           || feature == COOKIE_METRIC_INGRESS;
}

/* Who the id of a cookie is. */
static void
put_owner(const struct words *words, uint8_t feature, uint32_t id, struct ds *out)
{
    const char *name, *help;

    switch (feature) {
    case COOKIE_DROP:
        help = drop_help(id, &name);
        ds_put_format(out, "%s (%s)", name, help);
        break;
    case COOKIE_NODE:
        words_put_node(words, id, out);
        break;
    case COOKIE_NETWORK:
        ds_put_cstr(out, "VNI ");
        words_put_network(words, id, out);
        break;
    case COOKIE_ENDPOINT:
        words_put_endpoint(words, id, out);
        break;
    case COOKIE_CLAUSE:
        if (id & ~(2 * VIRGA_CLAUSE_SPREAD - 1)) {
            ds_put_cstr(out, "identity ");
            words_put_identity(words, id, out);
        } else {
            ds_put_cstr(out, "addresses or ports");
        }
        break;
    default:
        if (is_rule_feature(feature)) {
            words_put_rule(words, id, out);
        }
        break;
    }
}

static void
put_cookie(const struct words *words, uint64_t cookie, struct ds *out)
{
    uint8_t feature = VIRGA_COOKIE_FEATURE(cookie);
    struct ds owner = DS_EMPTY_INITIALIZER;

    if (cookie >> 56 != VIRGA_COOKIE_MAGIC) {
        ds_put_cstr(out, "not a flow of Virga");
        return;
    }
    put_owner(words, feature, VIRGA_COOKIE_ID(cookie), &owner);
    if (owner.length) {
        ds_put_format(out, "%s: ", ds_cstr(&owner));
    }
    ds_put_cstr(out, feature_help(feature));
    ds_destroy(&owner);
}

static void
put_sentence(const struct words *words, uint64_t cookie, struct ds *out)
{
    struct ds sentence = DS_EMPTY_INITIALIZER;

    if (cookie >> 56 == VIRGA_COOKIE_MAGIC && is_rule_feature(VIRGA_COOKIE_FEATURE(cookie))) {
        words_put_rule_sentence(words, VIRGA_COOKIE_ID(cookie), &sentence);
    }
    if (sentence.length) {
        ds_put_format(out, "    %s\n", ds_cstr(&sentence));
    }
    ds_destroy(&sentence);
}

void
explain_cookie(const struct words *words, uint64_t cookie, struct ds *out)
{
    put_cookie(words, cookie, out);
    ds_put_char(out, '\n');
    put_sentence(words, cookie, out);
}

static void
put_list(const struct words *words, const char *heading, const struct svec *list,
         void put(const struct words *, const char *, struct ds *), struct ds *out)
{
    const char *word;
    size_t i;

    ds_put_format(out, "    %s", heading);
    SVEC_FOR_EACH (i, word, list) {
        ds_put_cstr(out, i ? ", " : " ");
        put(words, word, out);
    }
    ds_put_char(out, '\n');
}

static void
put_heading(const struct words *words, const struct flow_line *flow, struct ds *out)
{
    ds_put_format(out, "%s, priority %u", flow->table, flow->priority);
    if (flow->has_counters) {
        ds_put_format(out, ", %llu packets, %llu bytes", flow->n_packets, flow->n_bytes);
    }
    ds_put_cstr(out, "\n    ");
    explain_cookie(words, flow->cookie, out);
}

bool
explain_flow(const struct words *words, const char *line, struct ds *out)
{
    struct flow_line flow;

    if (!flow_line_parse(line, &flow)) {
        return false;
    }
    put_heading(words, &flow, out);
    if (flow.match.n) {
        put_list(words, "if", &flow.match, flow_words_put_match, out);
    } else {
        ds_put_cstr(out, "    always\n");
    }
    put_list(words, "then", &flow.actions, flow_words_put_action, out);
    flow_line_uninit(&flow);
    return true;
}
