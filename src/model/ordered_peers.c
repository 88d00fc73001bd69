#include "model/ordered_decode.h"

#include <stdlib.h>
#include <string.h>

#include "model/names.h"
#include "model/object_decode.h"
#include "util.h"

enum { MAX_NETWORKS = 25, MAX_DOMAINS = 25, MAX_CIDR = 43 };

/* {namespaceSelector, podSelector} */
static void
pods_decode(const struct ordered_decode *d, const struct json_field *f, struct ordered_peer *peer)
{
    struct json_field namespaces = json_field_member(f, "namespaceSelector");
    struct json_field pods = json_field_member(f, "podSelector");

    if (json_field_is_object(f)) {
        if (d->api->needs_namespace_selector) {
            schema_required(&namespaces);
        }
        schema_required(&pods);
    }
    label_selector_decode(&namespaces, &peer->namespaces);
    label_selector_decode(&pods, &peer->pods);
}

/* The two ways to select pods; false if 'member' is neither. */
static bool
selection_decode(const struct ordered_decode *d, const struct json_field *member,
                 struct ordered_peer *peer)
{
    if (!strcmp(member->name, "namespaces")) {
        label_selector_decode(member, &peer->namespaces);
    } else if (!strcmp(member->name, "pods")) {
        pods_decode(d, member, peer);
    } else {
        return false;
    }
    peer->kind = ORDERED_PEER_PODS;
    return true;
}

void
ordered_subject_decode(struct ordered_decode *d, const struct json_field *f,
                       struct ordered_peer *subject)
{
    struct json_field member;

    if (schema_required(f) && schema_one_member(f, &member)
        && !selection_decode(d, &member, subject)) {
        json_field_error(f, FIELD_NOT_SUPPORTED, "supported fields: \"namespaces\", \"pods\"");
    }
}

/* Networks. */

/* A form that people do not mistake for another: no address of one family
 * inside the other. */
static bool
is_cidr(const char *text, struct prefix *p)
{
    bool ip6 = strchr(text, ':') != NULL;
    char *error = prefix_parse(text, false, p);
    bool ok = !error && strchr(text, '/') && ip6 != prefix_is_ip4(p);

    free(error);
    return ok;
}

static void
network_decode(struct ordered_decode *d, const struct json_field *f, struct ordered_peer *peer)
{
    const char *text = schema_string(f, MAX_CIDR);

    if (!f->value) {
        schema_required(f);
    } else if (text && is_cidr(text, &peer->prefixes[peer->n_prefixes])) {
        peer->n_prefixes++;
    } else if (text) {
        schema_rule_broken(&d->rules, f, "string", d->api->cidr_message);
    }
}

static void
networks_decode(struct ordered_decode *d, const struct json_field *f, struct ordered_peer *peer)
{
    size_t n = schema_list(f, 1, MAX_NETWORKS);

    peer->kind = ORDERED_PEER_NETWORKS;
    peer->prefixes = xcalloc(n + 1, sizeof *peer->prefixes);
    schema_set_of_strings(f, n);
    for (size_t i = 0; i < n; i++) {
        struct json_field element = json_field_element(f, i);

        network_decode(d, &element, peer);
    }
}

/* Domain names. */

static bool
is_domain_label(const char *s, size_t n)
{
    if (!n || n > NAME_LABEL_MAX || s[0] == '-' || s[n - 1] == '-' || s[n - 1] == '_') {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (!(s[i] >= 'a' && s[i] <= 'z') && !(s[i] >= '0' && s[i] <= '9') && s[i] != '-'
            && s[i] != '_') {
            return false;
        }
    }
    return true;
}

/* Two labels or more, behind "*." or not; 'name' is in lower case, without
 * the final dot. */
static bool
is_domain(const char *name)
{
    size_t n_labels = 0;

    if (strlen(name) > NAME_SUBDOMAIN_MAX) {
        return false;
    }
    for (const char *s = strncmp(name, "*.", 2) ? name : name + 2;;) {
        size_t n = strcspn(s, ".");

        if (!is_domain_label(s, n)) {
            return false;
        }
        n_labels++;
        if (!s[n]) {
            return n_labels > 1;
        }
        s += n + 1;
    }
}

/* The text as names are compared. */
static char *
domain_fold(const char *text)
{
    char *name = xstrdup(text);
    size_t n = strlen(name);

    for (char *p = name; *p; p++) {
        *p = *p >= 'A' && *p <= 'Z' ? *p - 'A' + 'a' : *p;
    }
    if (n && name[n - 1] == '.') {
        name[n - 1] = '\0';
    }
    return name;
}

static bool
has_domain(const struct ordered_peer *peer, const char *name)
{
    for (size_t i = 0; i < peer->n_domains; i++) {
        if (!strcmp(peer->domains[i], name)) {
            return true;
        }
    }
    return false;
}

static void
domain_decode(const struct json_field *f, struct ordered_peer *peer)
{
    const char *text = json_field_string(f);
    char *name = text ? domain_fold(text) : NULL;

    if (!f->value) {
        schema_required(f);
    } else if (name && !is_domain(name)) {
        json_field_error(f, FIELD_INVALID,
                         "must be a domain name of two labels or more, which may begin with "
                         "\"*.\" (e.g. 'www.example.com' or '*.example.com')");
    } else if (name && !has_domain(peer, name)) {
        peer->domains[peer->n_domains++] = name;
        return;
    }
    free(name);
}

static int
compare_strings(const void *a_, const void *b_)
{
    const char *const *a = a_, *const *b = b_;

    return strcmp(*a, *b);
}

static void
domains_decode(const struct json_field *f, struct ordered_peer *peer)
{
    size_t n = schema_list(f, 1, MAX_DOMAINS);

    peer->kind = ORDERED_PEER_DOMAINS;
    peer->domains = xcalloc(n + 1, sizeof *peer->domains);
    schema_set_of_strings(f, n);
    for (size_t i = 0; i < n; i++) {
        struct json_field element = json_field_element(f, i);

        domain_decode(&element, peer);
    }
    if (peer->n_domains) {
        qsort(peer->domains, peer->n_domains, sizeof *peer->domains, compare_strings);
    }
}

/* Peers. */

/* A selector that is not read as it was written. */
static void
unknown_check(struct ordered_decode *d, const struct json_field *member)
{
    char *path = !strcmp(member->name, "pods")         ? schema_unknown_in_pods(member)
                 : !strcmp(member->name, "namespaces") ? schema_unknown_in_selector(member)
                 : !strcmp(member->name, "nodes")      ? schema_unknown_in_selector(member)
                                                       : NULL;

    if (path && !d->rule->fail_closed) {
        d->rule->fail_closed = xasprintf("%s is not known", path);
    }
    free(path);
}

/* What only a destination can be. */
static bool
destination_decode(struct ordered_decode *d, const struct json_field *member,
                   struct ordered_peer *peer)
{
    if (!strcmp(member->name, "networks")) {
        networks_decode(d, member, peer);
    } else if (!strcmp(member->name, "nodes")) {
        peer->kind = ORDERED_PEER_NODES;
        label_selector_decode(member, &peer->nodes);
    } else if (!strcmp(member->name, "domainNames") && d->api->has_domains) {
        domains_decode(member, peer);
        if (d->rule->action != ORDERED_ALLOW) {
            char *why = xasprintf("can be used in %s rules only", d->api->actions[0]);

            ordered_fail_closed(d, member, why);
            free(why);
        }
    } else {
        return false;
    }
    return true;
}

static void
peer_decode(struct ordered_decode *d, const struct json_field *f, bool egress,
            struct ordered_peer *peer)
{
    struct json_field member;

    if (!f->value) {
        schema_required(f);
    } else if (schema_one_member(f, &member)) {
        if (selection_decode(d, &member, peer)
            || (egress && destination_decode(d, &member, peer))) {
            unknown_check(d, &member);
        } else {
            ordered_fail_closed(d, &member, "is not known");
        }
    }
}

void
ordered_peers_decode(struct ordered_decode *d, const struct json_field *list, bool egress)
{
    struct ordered_rule *rule = d->rule;
    size_t n = schema_list(list, 1, d->api->max_peers);

    schema_required(list);
    rule->n_peers = n;
    rule->peers = n ? xcalloc(n, sizeof *rule->peers) : NULL;
    for (size_t i = 0; i < n; i++) {
        struct json_field element = json_field_element(list, i);

        peer_decode(d, &element, egress, &rule->peers[i]);
    }
}
