#include "compile/named_port.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/labels.h"
#include "model/objects.h"
#include "util.h"

#define PREFIX "port:"

static const char *
protocol_word(uint8_t protocol)
{
    return protocol == IPPROTO_TCP ? "tcp" : protocol == IPPROTO_UDP ? "udp" : "sctp";
}

const char *
named_port_key(uint8_t protocol, const char *name)
{
    char *text = xasprintf(PREFIX "%s/%s", protocol_word(protocol), name);
    const char *key = intern(text);

    free(text);
    return key;
}

bool
named_port_is_key(const char *key)
{
    return !strncmp(key, PREFIX, sizeof PREFIX - 1);
}

static const char *
number_text(uint16_t number)
{
    char text[8];

    snprintf(text, sizeof text, "%u", number);
    return intern(text);
}

const char *
named_port_resolve(const char *key, const struct pod_port *ports, size_t n)
{
    const char *protocol = key + sizeof PREFIX - 1, *slash = strchr(protocol, '/');
    size_t length = slash - protocol;

    for (size_t i = 0; i < n; i++) {
        const char *word = protocol_word(ports[i].protocol);

        if (!strcmp(ports[i].name, slash + 1) && strlen(word) == length
            && !memcmp(word, protocol, length)) {
            return number_text(ports[i].number);
        }
    }
    return NULL;
}

uint16_t
named_port_number(const char *value)
{
    return strtoul(value, NULL, 10);
}

void
named_port_select(struct selector *dst, const struct selector *pods, const char *key)
{
    selector_clone(dst, pods);
    selector_add(dst, key, SELECTOR_EXISTS, NULL, 0);
}

void
named_port_select_number(struct selector *dst, const struct selector *pods, const char *key,
                         uint16_t number)
{
    const char *value = number_text(number);

    selector_clone(dst, pods);
    selector_add(dst, key, SELECTOR_IN, &value, 1);
}
