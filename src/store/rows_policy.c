/* Identity_Set and Rule: rows to records and back. */
#include "store/store_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/domain.h"
#include "openvswitch/util.h"
#include "ovsdb-idl-provider.h"
#include "store/row_values.h"
#include "util.h"

#define ROW(TYPE, HEADER) CONTAINER_OF(HEADER, struct virgarec_##TYPE, header_)

static const struct {
    const char *word;
    uint8_t number;
} protocols[] = {
    { "tcp", IPPROTO_TCP },
    { "udp", IPPROTO_UDP },
    { "sctp", IPPROTO_SCTP },
};

/* --- Identity set ----------------------------------------------------- */

static int
compare_texts(const void *a_, const void *b_)
{
    char *const *a = a_, *const *b = b_;
    return strcmp(*a, *b);
}

static char *
decode_domains(const struct virgarec_identity_set *row, struct rec_set *s)
{
    s->domains = xcalloc(MAX(row->n_domains, 1), sizeof *s->domains);
    for (; s->n_domains < row->n_domains; s->n_domains++) {
        const char *domain = row->domains[s->n_domains];

        if (!domain_pattern_is_valid(domain)) {
            return xasprintf("\"%.40s\" is not a domain name in lower case", domain);
        }
        s->domains[s->n_domains] = xstrdup(domain);
    }
    qsort(s->domains, s->n_domains, sizeof *s->domains, compare_texts);
    return NULL;
}

struct record *
row_decode_set(const struct ovsdb_idl_row *header, char **error)
{
    const struct virgarec_identity_set *row = ROW(identity_set, header);
    struct rec_set *s = rec_set_create(row->id);

    s->selector = xstrdup(row->selector);
    s->identities = row_numbers(row->identities, row->n_identities);
    s->n_identities = row->n_identities;
    *error = prefixes_decode(row->prefixes, row->n_prefixes, &s->prefixes, &s->n_prefixes);
    if (!*error && !prefixes_are_disjoint(s->prefixes, s->n_prefixes)) {
        *error = xstrdup("one of its prefixes lies within another");
    }
    if (!*error) {
        *error = decode_domains(row, s);
    }
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
    row_set_numbers(s->identities, s->n_identities, &numbers);
    virgarec_identity_set_set_identities(row, numbers, s->n_identities);
    free(numbers);
}

void
row_encode_set(const struct ovsdb_idl_row *header, const struct rec_set *s,
               const struct rec_set *old)
{
    const struct virgarec_identity_set *row = ROW(identity_set, header);

    struct texts prefixes = prefix_texts(s->prefixes, s->n_prefixes);

    virgarec_identity_set_set_selector(row, s->selector ? s->selector : "");
    virgarec_identity_set_set_prefixes(row, texts_get(&prefixes), prefixes.n);
    virgarec_identity_set_set_domains(row, (const char **) s->domains, s->n_domains);
    encode_members(row, s, old);
    texts_destroy(&prefixes);
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

static char *
decode_rule_lists(const struct virgarec_rule *row, struct rec_rule *r)
{
    r->peer_sets = row_numbers(row->peer_sets, row->n_peer_sets);
    r->n_peer_sets = row->n_peer_sets;
    char *error = prefixes_decode(row->peer_prefixes, row->n_peer_prefixes, &r->peer_prefixes,
                                  &r->n_peer_prefixes);
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
    char *error = row_word(row->direction, rule_direction_names, N_RULE_DIRECTIONS, &direction);

    if (!error) {
        error = row_word(row->tier, rule_tier_names, N_RULE_TIERS, &tier);
    }
    if (!error) {
        error = row_word(row->action, rule_action_names, N_RULE_ACTIONS, &action);
    }
    r->direction = direction;
    r->tier = tier;
    r->action = action;
    return error;
}

struct record *
row_decode_rule(const struct ovsdb_idl_row *header, char **error)
{
    const struct virgarec_rule *row = ROW(rule, header);
    struct rec_rule *r = rec_rule_create(row->id);

    r->priority = row->priority;
    r->rank = row->rank;
    r->log = row->log;
    r->dry_run = row->dry_run;
    r->vni = row->vni;
    r->subject = row->subject;
    r->any_peer = row->any_peer;
    r->any_pod = row->any_pod;
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
    struct texts prefixes = prefix_texts(r->peer_prefixes, r->n_peer_prefixes);
    struct texts ports = texts_create(r->n_ports);
    int64_t *sets;

    for (size_t i = 0; i < r->n_ports; i++) {
        ports.a[i] = port_text(&r->ports[i]);
    }
    row_set_numbers(r->peer_sets, r->n_peer_sets, &sets);
    virgarec_rule_set_peer_sets(row, sets, r->n_peer_sets);
    virgarec_rule_set_peer_prefixes(row, texts_get(&prefixes), prefixes.n);
    virgarec_rule_set_ports(row, texts_get(&ports), ports.n);
    free(sets);
    texts_destroy(&prefixes);
    texts_destroy(&ports);
}

void
row_encode_rule(const struct ovsdb_idl_row *header, const struct rec_rule *r)
{
    const struct virgarec_rule *row = ROW(rule, header);

    virgarec_rule_set_direction(row, rule_direction_names[r->direction]);
    virgarec_rule_set_tier(row, rule_tier_names[r->tier]);
    virgarec_rule_set_action(row, rule_action_names[r->action]);
    virgarec_rule_set_priority(row, r->priority);
    virgarec_rule_set_rank(row, r->rank);
    virgarec_rule_set_log(row, r->log);
    virgarec_rule_set_dry_run(row, r->dry_run);
    virgarec_rule_set_vni(row, r->vni);
    virgarec_rule_set_subject(row, r->subject);
    virgarec_rule_set_any_peer(row, r->any_peer);
    virgarec_rule_set_any_pod(row, r->any_pod);
    virgarec_rule_set_any_port(row, r->any_port);
    virgarec_rule_set_policy(row, r->policy ? r->policy : "");
    virgarec_rule_set_position(row, r->index);
    encode_rule_lists(row, r);
}
