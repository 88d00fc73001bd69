#include "programs/virgactl/flow_line.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/util.h"
#include "util.h"

struct table_name {
    const char *name;
    unsigned int number;
    const char *help;
};

static const struct table_name table_names[] = {
#define TABLE(NAME, NUMBER, HELP) { #NAME, NUMBER, HELP },
#include "ovs-flows/tables.def"
#undef TABLE
};

const char *
flow_table_name(const char *word, const char **help)
{
    unsigned int number = UINT_MAX;
    bool is_number = str_to_uint(word, 10, &number);

    for (size_t i = 0; i < ARRAY_SIZE(table_names); i++) {
        if (is_number ? number == table_names[i].number : !strcmp(word, table_names[i].name)) {
            *help = table_names[i].help;
            return table_names[i].name;
        }
    }
    return NULL;
}

/* ovs-ofctl quotes a name that could be taken for something else. */
static void
set_table(struct flow_line *flow, const char *quoted)
{
    size_t n = strlen(quoted);
    bool is_quoted = n >= 2 && quoted[0] == '"' && quoted[n - 1] == '"';
    char *word = is_quoted ? xmemdup0(quoted + 1, n - 2) : xstrdup(quoted);
    const char *name = flow_table_name(word, &flow->table_help);

    free(flow->table);
    flow->table = xstrdup(name ? name : word);
    free(word);
}

/* What dump-flows prints beside the match; true if 'key' is of that kind. */
static bool
take_property(struct flow_line *flow, const char *key, const char *value)
{
    static const char *const others[] = {
        "duration",     "idle_timeout",     "hard_timeout",   "idle_age",
        "hard_age",     "importance",       "send_flow_rem",  "check_overlap",
        "reset_counts", "no_packet_counts", "no_byte_counts",
    };

    if (!strcmp(key, "cookie")) {
        flow->cookie = strtoull(value, NULL, 0);
        flow->has_cookie = true;
    } else if (!strcmp(key, "table")) {
        set_table(flow, value);
    } else if (!strcmp(key, "priority")) {
        flow->priority = strtoul(value, NULL, 10);
    } else if (!strcmp(key, "n_packets")) {
        flow->n_packets = strtoull(value, NULL, 10);
        flow->has_counters = true;
    } else if (!strcmp(key, "n_bytes")) {
        flow->n_bytes = strtoull(value, NULL, 10);
    } else {
        for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
            if (!strcmp(key, others[i])) {
                return true;
            }
        }
        return false;
    }
    return true;
}

/* Cookies may have a mask; a match keeps its. */
static void
take_word(struct flow_line *flow, const char *word)
{
    const char *equals = strchr(word, '=');
    char *key = equals ? xmemdup0(word, equals - word) : xstrdup(word);

    if (!take_property(flow, key, equals ? equals + 1 : "")) {
        svec_add(&flow->match, word);
    }
    free(key);
}

static void
split_words(struct flow_line *flow, const char *s, const char *end)
{
    while (s < end) {
        size_t skip = strspn(s, ", \t");
        size_t length;
        char *word;

        s += skip;
        length = strcspn(s, ", \t");
        if (s >= end || !length) {
            break;
        }
        length = MIN(length, (size_t) (end - s));
        word = xmemdup0(s, length);
        take_word(flow, word);
        free(word);
        s += length;
    }
}

/* Splits at the commas that no parenthesis or bracket encloses. */
static void
split_actions(struct flow_line *flow, const char *s)
{
    while (*s) {
        size_t length = 0;
        int depth = 0;

        for (; s[length] && (depth > 0 || s[length] != ','); length++) {
            depth += strchr("([", s[length]) ? 1 : strchr(")]", s[length]) ? -1 : 0;
        }
        if (length) {
            svec_add_nocopy(&flow->actions, xmemdup0(s, length));
        }
        s += length + (s[length] == ',');
    }
}

bool
flow_line_parse(const char *line, struct flow_line *flow)
{
    const char *actions = strstr(line, "actions=");
    size_t length = strcspn(line, "\r\n");
    char *copy;

    memset(flow, 0, sizeof *flow);
    if (line[strspn(line, " \t")] == '#' || !actions || actions >= line + length) {
        return false;
    }
    flow->priority = 32768; /* OpenFlow's default, which dump-flows omits. */
    flow->table_help = "";
    svec_init(&flow->match);
    svec_init(&flow->actions);
    set_table(flow, "0"); /* Omitted, too. */
    split_words(flow, line, actions);
    copy = xmemdup0(actions, length - (actions - line));
    split_actions(flow, copy + strlen("actions="));
    free(copy);
    return true;
}

void
flow_line_uninit(struct flow_line *flow)
{
    free(flow->table);
    svec_destroy(&flow->match);
    svec_destroy(&flow->actions);
}
