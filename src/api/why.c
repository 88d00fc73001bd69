#include "api/why.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "base/number_set.h"
#include "base/records.h"
#include "base/rule_words.h"
#include "compile/evaluate.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "sset.h"
#include "util.h"

/* One end of the connection; what it is not, is NULL. */
struct end {
    const char *asked;
    const struct rec_endpoint *endpoint;
    const struct rec_node *node; /* Of a node's address: that node. */
    const struct in6_addr *ips;
    size_t n_ips;
    struct in6_addr only; /* Behind 'ips' if an address was asked about. */
    struct in6_addr ip;   /* That of 'ips' which the connection has. */
};

struct why {
    const struct records *records;
    const struct sset *too_large;
    struct sset closed; /* The policies of 'too_large' that these ends meet, with the node. */
    struct evaluate *evaluate;
    struct end from, to;
    struct evaluate_tuple tuple;
};

/* --- The question ------------------------------------------------------------- */

static const struct rec_endpoint *
endpoint_by_name(const struct records *records, const char *name)
{
    const struct rec_endpoint *best = NULL;
    const struct record *r;

    /* Of two lives of one name, the later. */
    for (r = records_first(records, RECORD_ENDPOINT); r; r = records_next(records, r)) {
        const struct rec_endpoint *e = (const struct rec_endpoint *) r;

        if (!strcmp(e->name, name) && (!best || best->r.key < r->key)) {
            best = e;
        }
    }
    return best;
}

static const struct rec_node *
node_by_name(const struct records *records, const char *name)
{
    const struct record *r;

    for (r = records_first(records, RECORD_NODE); r; r = records_next(records, r)) {
        if (!strcmp(((const struct rec_node *) r)->name, name)) {
            return (const struct rec_node *) r;
        }
    }
    return NULL;
}

static const struct rec_node *
node_by_address(const struct records *records, const struct in6_addr *ip)
{
    const struct record *r;

    for (r = records_first(records, RECORD_NODE); r; r = records_next(records, r)) {
        const struct rec_node *node = (const struct rec_node *) r;

        for (size_t i = 0; i < node->n_addresses; i++) {
            if (!memcmp(&node->addresses[i], ip, sizeof *ip)) {
                return node;
            }
        }
    }
    return NULL;
}

static char *
find_end(const struct why *why, const char *asked, struct end *end)
{
    char *no_address = addr_parse(asked, &end->only);

    end->asked = asked;
    if (!no_address) {
        end->endpoint = evaluate_endpoint(why->evaluate, &end->only);
        end->node = end->endpoint ? NULL : node_by_address(why->records, &end->only);
        end->ips = &end->only;
        end->n_ips = 1;
        return NULL;
    }
    free(no_address);
    if (strchr(asked, '/')) {
        end->endpoint = endpoint_by_name(why->records, asked);
        if (!end->endpoint) {
            return xasprintf("%s: no pod of this name has an address in a network of the cluster "
                             "(a pod on the host's network is its node)",
                             asked);
        }
        end->ips = end->endpoint->ips;
        end->n_ips = end->endpoint->n_ips;
        return NULL;
    }
    end->node = node_by_name(why->records, asked);
    if (!end->node || !end->node->n_addresses) {
        return xasprintf("%s: neither a pod as NAMESPACE/NAME, nor a node, nor an address", asked);
    }
    end->ips = end->node->addresses;
    end->n_ips = end->node->n_addresses;
    return NULL;
}

/* Both ends' addresses must be of one family; IPv4 first. */
static char *
choose_addresses(struct end *from, struct end *to)
{
    for (int ip4 = 1; ip4 >= 0; ip4--) {
        const struct in6_addr *a = NULL, *b = NULL;

        for (size_t i = from->n_ips; i > 0; i--) {
            a = addr_is_ip4(&from->ips[i - 1]) == ip4 ? &from->ips[i - 1] : a;
        }
        for (size_t i = to->n_ips; i > 0; i--) {
            b = addr_is_ip4(&to->ips[i - 1]) == ip4 ? &to->ips[i - 1] : b;
        }
        if (a && b) {
            from->ip = *a;
            to->ip = *b;
            return NULL;
        }
    }
    return xasprintf("%s and %s have no addresses of one family", from->asked, to->asked);
}

static char *
parse_port(const char *text, struct evaluate_tuple *tuple)
{
    static const struct {
        const char *name;
        uint8_t protocol;
    } protocols[] = { { "", IPPROTO_TCP },
                      { "/tcp", IPPROTO_TCP },
                      { "/udp", IPPROTO_UDP },
                      { "/sctp", IPPROTO_SCTP } };
    size_t digits = strspn(text, "0123456789");
    unsigned long port = digits && digits <= 5 ? strtoul(text, NULL, 10) : UINT16_MAX + 1ul;

    if (!strcasecmp(text, "icmp")) {
        tuple->protocol = addr_is_ip4(&tuple->src) ? IPPROTO_ICMP : IPPROTO_ICMPV6;
        return NULL;
    }
    for (size_t i = 0; i < ARRAY_SIZE(protocols) && port <= UINT16_MAX; i++) {
        if (!strcasecmp(text + digits, protocols[i].name)) {
            tuple->protocol = protocols[i].protocol;
            tuple->dst_port = port;
            return NULL;
        }
    }
    return xasprintf("%s: not PORT, PORT/TCP, PORT/UDP, PORT/SCTP or icmp", text);
}

/* --- The answer --------------------------------------------------------------- */

static const char *
node_name(const struct records *records, const struct rec_endpoint *endpoint)
{
    const struct rec_node *node = records_node(records, endpoint->node);

    return node ? node->name : "";
}

static json_t *
end_document(const struct why *why, const struct end *end)
{
    struct ds ip = DS_EMPTY_INITIALIZER;
    json_t *document;

    addr_format(&end->ip, &ip);
    if (end->endpoint) {
        const struct rec_identity *identity = records_identity(why->records,
                                                               end->endpoint->identity);

        document = json_pack(
            "{s:s, s:s, s:s, s:s, s:I, s:s}", "kind", "pod", "name", end->endpoint->name, "ip",
            ds_cstr(&ip), "node", node_name(why->records, end->endpoint), "identity",
            (json_int_t) end->endpoint->identity, "labels", identity ? identity->labels : "");
    } else if (end->node) {
        document = json_pack("{s:s, s:s, s:s, s:s}", "kind", "node", "name", end->node->name, "ip",
                             ds_cstr(&ip), "node", end->node->name);
    } else {
        document = json_pack("{s:s, s:s, s:s}", "kind", "world", "name", ds_cstr(&ip), "ip",
                             ds_cstr(&ip));
    }
    ds_destroy(&ip);
    return document;
}

static json_t *
rule_document(const struct why *why, const struct rec_rule *rule)
{
    struct ds words = DS_EMPTY_INITIALIZER;
    json_t *document;

    if (!rule) {
        return json_null();
    }
    rule_words(why->records, rule, &words);
    document = json_pack("{s:I, s:s, s:s, s:i, s:s, s:s, s:b, s:s}", "id",
                         (json_int_t) rule->r.key, "policy", rule->policy, "direction",
                         rule_direction_names[rule->direction], "index", (int) rule->index, "tier",
                         rule_tier_names[rule->tier], "action", rule_action_names[rule->action],
                         "dryRun", rule->dry_run, "text", ds_cstr(&words));
    ds_destroy(&words);
    return document;
}

static const char *
tier_result(const struct evaluate_path *path, enum rule_tier tier)
{
    if (path->rule && path->rule->tier == tier) {
        return path->rule->action == RULE_REJECT ? "reject" : path->allow ? "allow" : "deny";
    }
    return path->passed[tier] ? "pass" : "no match";
}

/* The tiers up to the one that decides; none if policy is not asked. */
static json_t *
tiers_document(const struct why *why, const struct evaluate_path *path)
{
    json_t *tiers = json_array();

    if (path->reason != EVALUATE_RULE && path->reason != EVALUATE_DEFAULT) {
        return tiers;
    }
    for (int tier = 0; tier < N_RULE_TIERS && !(path->rule && (int) path->rule->tier < tier);
         tier++) {
        const struct rec_rule *rule = path->rule && (int) path->rule->tier == tier
                                          ? path->rule
                                          : path->passed[tier];

        json_array_append_new(
            tiers, json_pack("{s:s, s:s, s:o, s:o}", "tier", rule_tier_names[tier], "result",
                             tier_result(path, tier), "rule", rule_document(why, rule), "dryRun",
                             rule_document(why, path->dry_run[tier])));
    }
    return tiers;
}

static const char *
path_verdict(const struct evaluate_path *path)
{
    return path->allow                                       ? "allowed"
           : path->rule && path->rule->action == RULE_REJECT ? "rejected"
                                                             : "denied";
}

static json_t *
direction_document(const struct why *why, const struct evaluate_path *path,
                   const struct end *subject)
{
    static const char *const reasons[] = {
        [EVALUATE_RULE] = "rule",         [EVALUATE_DEFAULT] = "default",
        [EVALUATE_NO_SUBJECT] = "no pod", [EVALUATE_OWN_NODE] = "own node",
        [EVALUATE_SELF] = "itself",
    };

    return json_pack("{s:s, s:s, s:s, s:o, s:o}", "verdict", path_verdict(path), "reason",
                     reasons[path->reason], "node",
                     subject->endpoint ? node_name(why->records, subject->endpoint) : "", "rule",
                     rule_document(why, path->rule), "tiers", tiers_document(why, path));
}

static bool
any_domains(const struct records *records)
{
    const struct record *r;

    for (r = records_first(records, RECORD_SET); r; r = records_next(records, r)) {
        if (((const struct rec_set *) r)->n_domains) {
            return true;
        }
    }
    return false;
}

static json_t *
notes_document(const struct why *why)
{
    json_t *notes = json_array();

    if (why->from.endpoint && !why->to.endpoint && any_domains(why->records)) {
        json_array_append_new(notes,
                              json_string("rules with domain names: their addresses are learned "
                                          "by each node and not known here"));
    }
    const char *name;
    SSET_FOR_EACH (name, &why->closed) {
        char *note = xasprintf("%s is too large for %.*s: nothing that it allows is let through "
                               "there",
                               strchr(name, ' ') + 1, (int) strcspn(name, " "), name);
        json_array_append_new(notes, json_string(note));
        free(note);
    }
    return notes;
}

static const char *
protocol_name(uint8_t protocol)
{
    return protocol == IPPROTO_TCP    ? "TCP"
           : protocol == IPPROTO_UDP  ? "UDP"
           : protocol == IPPROTO_SCTP ? "SCTP"
                                      : "ICMP";
}

/* What the sender sees: a packet that its own node drops goes no further. */
static json_t *
answer(const struct why *why)
{
    struct evaluate_path paths[N_RULE_DIRECTIONS];
    const struct evaluate_path *decisive;

    evaluate_explain(why->evaluate, &why->tuple, paths);
    decisive = &paths[paths[RULE_EGRESS].allow ? RULE_INGRESS : RULE_EGRESS];
    return json_pack(
        "{s:o, s:o, s:s, s:i, s:s, s:o, s:o, s:o}", "from", end_document(why, &why->from), "to",
        end_document(why, &why->to), "protocol", protocol_name(why->tuple.protocol), "port",
        (int) why->tuple.dst_port, "verdict", path_verdict(decisive), "egress",
        direction_document(why, &paths[RULE_EGRESS], &why->from), "ingress",
        direction_document(why, &paths[RULE_INGRESS], &why->to), "notes", notes_document(why));
}

/* Is the rule's policy too large for the node where the rule meets the packet? */
static bool
is_closed(struct why *why, const struct rec_rule *rule)
{
    const struct end *subject = rule->direction == RULE_EGRESS ? &why->from : &why->to;

    if (!subject->endpoint) {
        return false;
    }
    char *key = xasprintf("%s %s", node_name(why->records, subject->endpoint), rule->policy);
    bool is = sset_contains(why->too_large, key);
    if (is) {
        sset_add(&why->closed, key);
    }
    free(key);
    return is;
}

static void
close_policies(struct why *why)
{
    const struct record *r;
    struct number_set closed;

    if (!why->too_large || sset_is_empty(why->too_large)) {
        return;
    }
    number_set_init(&closed);
    for (r = records_first(why->records, RECORD_RULE); r; r = records_next(why->records, r)) {
        if (is_closed(why, (const struct rec_rule *) r)) {
            number_set_add(&closed, r->key);
        }
    }
    evaluate_destroy(why->evaluate);
    why->evaluate = evaluate_create_closed(why->records, NULL, &closed);
    number_set_uninit(&closed);
}

json_t *
why_document(const struct records *records, const struct sset *too_large, const char *from,
             const char *to, const char *port, char **error)
{
    struct why why = { .records = records,
                       .too_large = too_large,
                       .closed = SSET_INITIALIZER(&why.closed),
                       .evaluate = evaluate_create(records) };
    json_t *document = NULL;

    *error = find_end(&why, from, &why.from);
    *error = *error ? *error : find_end(&why, to, &why.to);
    *error = *error ? *error : choose_addresses(&why.from, &why.to);
    if (!*error) {
        why.tuple.src = why.from.ip;
        why.tuple.dst = why.to.ip;
        *error = parse_port(port, &why.tuple);
    }
    if (!*error) {
        close_policies(&why);
        document = answer(&why);
    }
    sset_destroy(&why.closed);
    evaluate_destroy(why.evaluate);
    return document;
}

/* --- Words -------------------------------------------------------------------- */

static const char *
text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));

    return value ? value : "";
}

static void
format_end(const json_t *end, struct ds *out)
{
    const char *kind = text(end, "kind"), *node = text(end, "node");

    ds_put_cstr(out, text(end, "name"));
    if (!strcmp(kind, "pod")) {
        ds_put_format(out, " (%s, %s%s)", text(end, "ip"), *node ? "on " : "not on any node",
                      node);
    } else if (!strcmp(kind, "node")) {
        ds_put_format(out, " (%s, a node)", text(end, "ip"));
    } else {
        ds_put_cstr(out, " (neither pod nor node)");
    }
}

/* "NetworkPolicy/shop/redis, ingress[0]"; one of no namespace has one slash. */
static void
format_rule(const json_t *rule, struct ds *out)
{
    const char *policy = text(rule, "policy"), *twice = strstr(policy, "//");
    json_int_t index = json_integer_value(json_object_get(rule, "index"));

    ds_put_format(out, "rule %" JSON_INTEGER_FORMAT ", ",
                  json_integer_value(json_object_get(rule, "id")));
    if (twice) {
        ds_put_format(out, "%.*s%s", (int) (twice - policy), policy, twice + 1);
    } else {
        ds_put_cstr(out, policy);
    }
    if (index >= 0) {
        ds_put_format(out, ", %s[%" JSON_INTEGER_FORMAT "]", text(rule, "direction"), index);
    } else {
        ds_put_cstr(out, ", its default deny");
    }
    ds_put_format(out, ": %s", text(rule, "text"));
}

static void
format_tier(const json_t *tier, struct ds *out)
{
    const json_t *rule = json_object_get(tier, "rule"), *dry_run = json_object_get(tier, "dryRun");

    ds_put_format(out, "  %-14s %-9s", text(tier, "tier"), text(tier, "result"));
    if (json_is_object(rule)) {
        ds_put_char(out, ' ');
        format_rule(rule, out);
    }
    ds_chomp(out, ' ');
    ds_put_char(out, '\n');
    if (json_is_object(dry_run)) {
        ds_put_format(out, "  %-14s %-9s ", "", "(would)");
        format_rule(dry_run, out);
        ds_put_char(out, '\n');
    }
}

static void
format_direction(const json_t *document, const char *direction, const char *end, struct ds *out)
{
    static const char *const reasons[][2] = {
        { "default", "no rule decides" },
        { "no pod", "it is no pod: no policy" },
        { "own node", "a pod's own node always reaches it" },
        { "itself", "a pod always reaches itself" },
    };
    const json_t *d = json_object_get(document, direction), *tier;
    const char *node = text(d, "node");
    size_t i;

    ds_put_format(out, "\n%s of %s%s%s: %s", direction,
                  text(json_object_get(document, end), "name"), *node ? ", on " : "", node,
                  text(d, "verdict"));
    for (i = 0; i < ARRAY_SIZE(reasons); i++) {
        if (!strcmp(text(d, "reason"), reasons[i][0])) {
            ds_put_format(out, " (%s)", reasons[i][1]);
        }
    }
    ds_put_char(out, '\n');
    json_array_foreach (json_object_get(d, "tiers"), i, tier) {
        format_tier(tier, out);
    }
}

void
why_format(const json_t *document, struct ds *out)
{
    json_int_t port = json_integer_value(json_object_get(document, "port"));
    const json_t *note;
    size_t i;

    format_end(json_object_get(document, "from"), out);
    ds_put_cstr(out, " to ");
    format_end(json_object_get(document, "to"), out);
    ds_put_format(out, ", %s", text(document, "protocol"));
    if (strcmp(text(document, "protocol"), "ICMP")) {
        ds_put_format(out, " %" JSON_INTEGER_FORMAT, port);
    }
    ds_put_format(out, ": %s\n", text(document, "verdict"));
    format_direction(document, "egress", "from", out);
    format_direction(document, "ingress", "to", out);
    json_array_foreach (json_object_get(document, "notes"), i, note) {
        ds_put_format(out, "%s%s\n", i ? "" : "\n", json_string_value(note));
    }
}
