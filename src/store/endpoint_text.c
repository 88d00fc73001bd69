#include "store/endpoint_text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "store/row_values.h"
#include "util.h"

/* --- To text ------------------------------------------------------------ */

static bool
needs_escape(unsigned char c)
{
    return c <= ' ' || c == '%' || c == 0x7f;
}

static void
put_word(struct ds *ds, const char *word)
{
    for (const char *p = word ? word : ""; *p; p++) {
        if (needs_escape(*p)) {
            ds_put_format(ds, "%%%02x", (unsigned char) *p);
        } else {
            ds_put_char(ds, *p);
        }
    }
    ds_put_char(ds, ' ');
}

void
endpoint_text_put(const struct rec_endpoint *e, struct ds *ds)
{
    ds_put_format(ds, "%" PRIu32 " ", e->r.key);
    put_word(ds, e->name);
    put_word(ds, e->uid);
    ds_put_format(ds, "%" PRIu32 " %" PRIu32 " %" PRIu32 " " ETH_ADDR_FMT " ", e->vni, e->identity,
                  e->node, ETH_ADDR_ARGS(e->mac));
    for (size_t i = 0; i < e->n_ips; i++) {
        ds_put_cstr(ds, i ? "," : "");
        addr_format(&e->ips[i], ds);
    }
}

/* --- From text ----------------------------------------------------------- */

/* The next field of '*line', or NULL if there is none. */
static char *
next_field(char **line)
{
    char *field = *line;

    if (field) {
        char *end = strchr(field, ' ');
        *line = end ? end + 1 : NULL;
        if (end) {
            *end = '\0';
        }
    }
    return field;
}

static char *
read_number(const char *what, const char *field, uint32_t min, uint32_t max, uint32_t *number)
{
    unsigned long long value = 0;
    size_t n = field ? strspn(field, "0123456789") : 0;

    if (n && n <= 10 && !field[n]) {
        value = strtoull(field, NULL, 10);
    }
    if (!n || n > 10 || field[n] || value < min || value > max) {
        return xasprintf("%s \"%.40s\" is not a number from %" PRIu32 " to %" PRIu32, what,
                         field ? field : "", min, max);
    }
    *number = (uint32_t) value;
    return NULL;
}

/* Undoes put_word() in place. */
static char *
read_word(const char *what, char *field, char **word)
{
    char *to = field;

    if (!field) {
        return xasprintf("it has no %s", what);
    }
    for (const char *p = field; *p; p++) {
        bool ok = *p != '%' || (isxdigit((unsigned char) p[1]) && isxdigit((unsigned char) p[2]));
        int c = *p == '%' && ok ? hexit_value(p[1]) * 16 + hexit_value(p[2]) : (unsigned char) *p;

        if (!ok || !c || (*p != '%' && needs_escape(*p))) {
            return xasprintf("%s has a character that should be written \"%%XX\"", what);
        }
        p += *p == '%' ? 2 : 0;
        *to++ = (char) c;
    }
    *word = xmemdup0(field, to - field);
    return NULL;
}

static char *
read_mac(const char *field, struct eth_addr *mac)
{
    if (!field || !eth_addr_from_string(field, mac) || eth_addr_is_multicast(*mac)) {
        return xasprintf("\"%.40s\" is not a unicast Ethernet address", field ? field : "");
    }
    return NULL;
}

static char *
read_ips(char *field, struct rec_endpoint *e)
{
    char *texts[ENDPOINT_TEXT_MAX_IPS];
    size_t n = 0;

    if (!field || !*field) {
        return xstrdup("it has no address");
    }
    for (char *next = field; next; n++) {
        if (n == ENDPOINT_TEXT_MAX_IPS) {
            return xasprintf("it has more than %d addresses", ENDPOINT_TEXT_MAX_IPS);
        }
        char *comma = strchr(next, ',');
        texts[n] = next;
        next = comma ? comma + 1 : NULL;
        if (comma) {
            *comma = '\0';
        }
    }
    char *error = addresses_decode(texts, n, &e->ips);
    e->n_ips = error ? 0 : n;
    return error;
}

static char *
read_fields(char *line, struct rec_endpoint *e)
{
    char *error = read_number("id", next_field(&line), 1, UINT32_MAX, &e->r.key);

    error = error ? error : read_word("name", next_field(&line), &e->name);
    error = error ? error : read_word("uid", next_field(&line), &e->uid);
    error = error ? error : read_number("vni", next_field(&line), VNI_MIN, VNI_MAX, &e->vni);
    error = error ? error
                  : read_number("identity", next_field(&line), 0, UINT32_MAX, &e->identity);
    error = error ? error : read_number("node", next_field(&line), 0, UINT32_MAX, &e->node);
    error = error ? error : read_mac(next_field(&line), &e->mac);
    error = error ? error : read_ips(next_field(&line), e);
    return error ? error : line ? xstrdup("there is more behind its addresses") : NULL;
}

/* Ids ascend, as we write them; so a second one of a kind is next to the first. */
static char *
read_line(char *line, uint32_t last, struct rec_endpoint **e)
{
    *e = rec_endpoint_create(0);
    char *error = read_fields(line, *e);

    if (!error && (*e)->r.key <= last) {
        error = xasprintf("id %" PRIu32 " comes after %" PRIu32, (*e)->r.key, last);
    }
    if (error) {
        record_destroy(&(*e)->r);
        *e = NULL;
    }
    return error;
}

void
endpoint_text_read(const char *text_, endpoint_text_good_cb *good, endpoint_text_bad_cb *bad,
                   void *aux)
{
    char *text = xstrdup(text_);
    uint32_t last = 0;

    for (char *line = *text ? text : NULL; line;) {
        char *end = strchr(line, '\n');
        struct rec_endpoint *e;

        if (end) {
            *end = '\0';
        }
        char *error = read_line(line, last, &e);
        if (error) {
            bad(aux, error);
            free(error);
        } else {
            last = e->r.key;
            good(aux, e);
        }
        line = end ? end + 1 : NULL;
    }
    free(text);
}
