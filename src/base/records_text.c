/* What records_format.c prints, as records. */
#include "base/records.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/domain.h"
#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "util.h"

/* The rest of one line, consumed word by word. */
struct scan {
    char *pos;
    char *error; /* First error, malloc'd. */
};

static void OVS_PRINTF_FORMAT(2, 3) scan_fail(struct scan *s, const char *format, ...)
{
    if (!s->error) {
        va_list args;

        va_start(args, format);
        s->error = xvasprintf(format, args);
        va_end(args);
    }
}

/* Cuts the next word out of the line, unquoted; NULL at the end. */
static char *
scan_word(struct scan *s)
{
    char *in = s->pos + strspn(s->pos, " \t");
    char *word = in, *out = in;
    bool quoted = false;

    if (s->error || !*in) {
        return NULL;
    }
    for (; *in && (quoted || (*in != ' ' && *in != '\t')); in++) {
        if (*in == '"') {
            quoted = !quoted;
            continue;
        }
        if (*in == '\\' && quoted && in[1]) {
            in++;
            if (*in == 'x' && hexit_value(in[1]) >= 0 && hexit_value(in[2]) >= 0
                && (in[1] != '0' || in[2] != '0')) {
                *out++ = (char) (hexit_value(in[1]) * 16 + hexit_value(in[2]));
                in += 2;
                continue;
            }
        }
        *out++ = *in;
    }
    if (quoted) {
        scan_fail(s, "a quote is not closed");
        return NULL;
    }
    s->pos = *in ? in + 1 : in;
    *out = '\0';
    return word;
}

/* Expects "name=VALUE" next; "" after an error. */
static char *
scan_value(struct scan *s, const char *name)
{
    static char empty[1];
    char *word = scan_word(s);
    size_t n = strlen(name);

    if (!word || strncmp(word, name, n) || word[n] != '=') {
        scan_fail(s, "\"%s=\" expected", name);
        empty[0] = '\0';
        return empty;
    }
    return word + n + 1;
}

/* The value of "name=VALUE" if that is next; NULL, and nothing read, if not. */
static char *
scan_optional(struct scan *s, const char *name)
{
    const char *next = s->pos + strspn(s->pos, " \t");
    size_t n = strlen(name);

    return s->error || strncmp(next, name, n) || next[n] != '=' ? NULL : scan_value(s, name);
}

static uint64_t
parse_number(struct scan *s, const char *text, uint64_t max)
{
    char *end;

    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (!isdigit((unsigned char) *text) || *end || errno || value > max) {
        scan_fail(s, "\"%.40s\" is not a number of 0 to %" PRIu64, text, max);
        return 0;
    }
    return value;
}

static uint64_t
scan_number(struct scan *s, const char *name, uint64_t max)
{
    char *value = scan_value(s, name);

    return s->error ? 0 : parse_number(s, value, max);
}

/* A possibly negative 32 bit number. */
static int32_t
scan_int(struct scan *s, const char *name)
{
    char *value = scan_value(s, name);
    bool negative = *value == '-';
    uint64_t max = INT32_MAX + (uint64_t) negative;
    int64_t number = s->error ? 0 : parse_number(s, value + negative, max);

    return (int32_t) (negative ? -number : number);
}

static char *
scan_string(struct scan *s, const char *name)
{
    return xstrdup(scan_value(s, name));
}

static int
scan_enum(struct scan *s, const char *word, const char *const names[], size_t n)
{
    for (size_t i = 0; word && i < n; i++) {
        if (!strcmp(word, names[i])) {
            return i;
        }
    }
    scan_fail(s, "\"%s\" or another known word expected", names[0]);
    return 0;
}

/* Cuts the next item off a comma-separated list; NULL at the end. */
static char *
list_item(char **list)
{
    char *item = *list;

    if (!*item) {
        return NULL;
    }
    char *comma = strchr(item, ',');
    if (comma) {
        *comma = '\0';
        *list = comma + 1;
    } else {
        *list = item + strlen(item);
    }
    return item;
}

static void
take_error(struct scan *s, char *error)
{
    if (error) {
        scan_fail(s, "%s", error);
        free(error);
    }
}

static struct in6_addr *
scan_addresses(struct scan *s, const char *name, size_t *n)
{
    char *list = scan_value(s, name), *item;
    struct in6_addr *a = NULL;
    size_t allocated = 0;

    for (*n = 0; !s->error && (item = list_item(&list)); ++*n) {
        if (*n >= allocated) {
            a = x2nrealloc(a, &allocated, sizeof *a);
        }
        take_error(s, addr_parse(item, &a[*n]));
    }
    return a;
}

static struct prefix *
append_prefix(struct scan *s, struct prefix *a, size_t *n, const char *item)
{
    /* Doubling at powers of two needs no separate capacity. */
    if (!(*n & (*n - 1))) {
        a = xrealloc(a, (*n ? *n * 2 : 1) * sizeof *a);
    }
    take_error(s, prefix_parse(item, true, &a[*n]));
    ++*n;
    return a;
}

static struct record *
parse_node(struct scan *s, uint32_t key)
{
    struct rec_node *n = rec_node_create(key);
    size_t n_vtep;

    n->name = scan_string(s, "name");
    struct in6_addr *vtep = scan_addresses(s, "vtep", &n_vtep);
    if (n_vtep == 1) {
        n->vtep = *vtep;
    } else {
        scan_fail(s, "one vtep address expected");
    }
    free(vtep);
    n->addresses = scan_addresses(s, "addresses", &n->n_addresses);
    return &n->r;
}

static struct record *
parse_network(struct scan *s, uint32_t key)
{
    struct rec_network *n = rec_network_create(key);
    size_t n_gateways;
    char *item;

    n->name = scan_string(s, "name");
    n->zone = scan_number(s, "zone", UINT16_MAX);
    for (char *list = scan_value(s, "subnets"); !s->error && (item = list_item(&list));) {
        n->subnets = append_prefix(s, n->subnets, &n->n_subnets, item);
    }
    n->gateways = scan_addresses(s, "gateways", &n_gateways);
    if (n_gateways != n->n_subnets) {
        scan_fail(s, "as many gateways as subnets expected");
    }
    return &n->r;
}

static struct record *
parse_identity(struct scan *s, uint32_t key)
{
    struct rec_identity *i = rec_identity_create(key);

    i->vni = scan_number(s, "vni", UINT32_MAX);
    i->labels = scan_string(s, "labels");
    return &i->r;
}

static struct record *
parse_endpoint(struct scan *s, uint32_t key)
{
    struct rec_endpoint *e = rec_endpoint_create(key);

    e->name = scan_string(s, "name");
    e->uid = scan_string(s, "uid");
    e->vni = scan_number(s, "vni", UINT32_MAX);
    e->identity = scan_number(s, "identity", UINT32_MAX);
    e->node = scan_number(s, "node", UINT32_MAX);
    char *mac = scan_value(s, "mac");
    if (!s->error && !eth_addr_from_string(mac, &e->mac)) {
        scan_fail(s, "\"%.40s\" is not an Ethernet address", mac);
    }
    e->ips = scan_addresses(s, "ips", &e->n_ips);
    if (!e->n_ips) {
        scan_fail(s, "an address expected in ips=");
    }
    return &e->r;
}

static void
parse_set_identities(struct scan *s, struct rec_set *set)
{
    char *list = scan_optional(s, "identities"), *item;
    size_t allocated = 0;

    while (list && !s->error && (item = list_item(&list))) {
        if (set->n_identities >= allocated) {
            set->identities = x2nrealloc(set->identities, &allocated, sizeof *set->identities);
        }
        uint32_t id = parse_number(s, item, UINT32_MAX);
        if (set->n_identities && id <= set->identities[set->n_identities - 1]) {
            scan_fail(s, "identities must be sorted and unique");
        }
        set->identities[set->n_identities++] = id;
    }
}

static void
parse_set_prefixes(struct scan *s, struct rec_set *set)
{
    char *list = scan_optional(s, "prefixes"), *item;

    while (list && !s->error && (item = list_item(&list))) {
        set->prefixes = append_prefix(s, set->prefixes, &set->n_prefixes, item);
    }
    if (!prefixes_are_disjoint(set->prefixes, set->n_prefixes)) {
        scan_fail(s, "prefixes must be sorted, and none within another");
    }
}

static void
parse_set_domains(struct scan *s, struct rec_set *set)
{
    char *list = scan_optional(s, "domains"), *item;
    size_t allocated = 0;

    while (list && !s->error && (item = list_item(&list))) {
        if (!domain_pattern_is_valid(item)) {
            scan_fail(s, "\"%.40s\" is not a domain name in lower case", item);
        } else if (set->n_domains && strcmp(set->domains[set->n_domains - 1], item) >= 0) {
            scan_fail(s, "domains must be sorted and unique");
        }
        if (set->n_domains >= allocated) {
            set->domains = x2nrealloc(set->domains, &allocated, sizeof *set->domains);
        }
        set->domains[set->n_domains++] = xstrdup(item);
    }
}

static struct record *
parse_set(struct scan *s, uint32_t key)
{
    struct rec_set *set = rec_set_create(key);

    set->selector = scan_string(s, "selector");
    parse_set_identities(s, set);
    parse_set_prefixes(s, set);
    parse_set_domains(s, set);
    return &set->r;
}

static void
parse_peers(struct scan *s, struct rec_rule *r)
{
    char *list = scan_value(s, "peers"), *item;
    size_t allocated = 0;

    while (!s->error && (item = list_item(&list))) {
        if (!strcmp(item, "any")) {
            r->any_peer = true;
        } else if (!strcmp(item, "pods")) {
            r->any_pod = true;
        } else if (!strncmp(item, "set:", 4)) {
            if (r->n_peer_sets >= allocated) {
                r->peer_sets = x2nrealloc(r->peer_sets, &allocated, sizeof *r->peer_sets);
            }
            r->peer_sets[r->n_peer_sets++] = parse_number(s, item + 4, UINT32_MAX);
        } else {
            r->peer_prefixes = append_prefix(s, r->peer_prefixes, &r->n_peer_prefixes, item);
        }
    }
}

static void
parse_port(struct scan *s, char *item, struct rule_port *port)
{
    char *colon = strchr(item, ':');
    char *dash = colon ? strchr(colon, '-') : NULL;

    if (!colon) {
        scan_fail(s, "\"%.40s\" is not PROTOCOL:PORT", item);
        return;
    }
    *colon = '\0';
    if (dash) {
        *dash = '\0';
    }
    port->protocol = (!strcmp(item, "tcp")    ? IPPROTO_TCP
                      : !strcmp(item, "udp")  ? IPPROTO_UDP
                      : !strcmp(item, "sctp") ? IPPROTO_SCTP
                                              : 0);
    port->first = parse_number(s, colon + 1, UINT16_MAX);
    port->last = dash ? parse_number(s, dash + 1, UINT16_MAX) : port->first;
    if (!port->protocol || port->last < port->first) {
        scan_fail(s, "\"%.40s\" is not a known protocol with a port range", item);
    }
}

static void
parse_ports(struct scan *s, struct rec_rule *r)
{
    char *list = scan_value(s, "ports"), *item;
    size_t allocated = 0;

    while (!s->error && (item = list_item(&list))) {
        if (!strcmp(item, "any")) {
            r->any_port = true;
            continue;
        }
        if (r->n_ports >= allocated) {
            r->ports = x2nrealloc(r->ports, &allocated, sizeof *r->ports);
        }
        parse_port(s, item, &r->ports[r->n_ports++]);
    }
}

static void
parse_flags(struct scan *s, struct rec_rule *r)
{
    char *list = scan_optional(s, "flags"), *item;

    while (list && !s->error && (item = list_item(&list))) {
        if (!strcmp(item, "log")) {
            r->log = true;
        } else if (!strcmp(item, "dry-run")) {
            r->dry_run = true;
        } else {
            scan_fail(s, "\"%.40s\" is not a flag of a rule", item);
        }
    }
}

static struct record *
parse_rule(struct scan *s, uint32_t key)
{
    struct rec_rule *r = rec_rule_create(key);

    r->direction = scan_enum(s, scan_word(s), rule_direction_names, N_RULE_DIRECTIONS);
    r->tier = scan_enum(s, scan_value(s, "tier"), rule_tier_names, N_RULE_TIERS);
    r->priority = scan_int(s, "priority");
    char *rank = scan_optional(s, "rank");
    r->rank = rank && !s->error ? parse_number(s, rank, RULE_RANK_MAX) : 0;
    r->action = scan_enum(s, scan_value(s, "action"), rule_action_names, N_RULE_ACTIONS);
    r->vni = scan_number(s, "vni", UINT32_MAX);
    r->subject = scan_number(s, "subject", UINT32_MAX);
    parse_peers(s, r);
    parse_ports(s, r);
    r->policy = scan_string(s, "policy");
    r->index = scan_int(s, "index");
    parse_flags(s, r);
    return &r->r;
}

char *
record_parse(char *line, struct record **record)
{
    static struct record *(*const parsers[N_RECORD_KINDS])(struct scan *, uint32_t) = {
        [RECORD_NODE] = parse_node,         [RECORD_NETWORK] = parse_network,
        [RECORD_IDENTITY] = parse_identity, [RECORD_ENDPOINT] = parse_endpoint,
        [RECORD_SET] = parse_set,           [RECORD_RULE] = parse_rule,
    };
    struct scan s = { .pos = line, .error = NULL };
    int kind = scan_enum(&s, scan_word(&s), record_kind_names, N_RECORD_KINDS);
    char *number = scan_word(&s);
    uint32_t key = number ? parse_number(&s, number, UINT32_MAX) : 0;

    if (!number) {
        scan_fail(&s, "a key expected");
    }
    *record = NULL;
    if (s.error) {
        return s.error;
    }
    struct record *r = parsers[kind](&s, key);
    if (scan_word(&s)) {
        scan_fail(&s, "nothing more expected on this line");
    }
    if (s.error) {
        record_destroy(r);
        return s.error;
    }
    *record = r;
    return NULL;
}

/* One that is not empty. */
static char *
parse_line(char *line, struct records *rs)
{
    struct record *r;
    char *error = record_parse(line, &r);

    if (!error) {
        records_put(rs, r);
    }
    return error;
}

char *
records_parse(const char *text, struct records *rs)
{
    for (int number = 1; *text; number++) {
        size_t len = strcspn(text, "\n");
        char *line = xmemdup0(text, len);
        char *start = line + strspn(line, " \t");
        char *error = *start && *start != '#' ? parse_line(start, rs) : NULL;

        free(line);
        if (error) {
            char *message = xasprintf("line %d: %s", number, error);
            free(error);
            return message;
        }
        text += len + (text[len] == '\n');
    }
    return NULL;
}
