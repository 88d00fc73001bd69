#include "programs/virgactl/yaml_out.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/util.h"
#include "util.h"

static int
write_text(void *out, unsigned char *data, size_t size)
{
    ds_put_buffer(out, (char *) data, size);
    return 1;
}

/* True if every reader takes the plain scalar for a string. */
static bool
is_plainly_a_string(const char *s)
{
    static const char *const words[] = { "null", "true", "false", "yes", "no",
                                         "on",   "off",  "y",     "n" };

    if (!isalpha((unsigned char) *s) && *s != '/') {
        return false;
    }
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (!strcasecmp(s, words[i])) {
            return false;
        }
    }
    return true;
}

static yaml_scalar_style_t
string_style(const char *s)
{
    if (strchr(s, '\n')) {
        return YAML_LITERAL_SCALAR_STYLE;
    }
    return is_plainly_a_string(s) ? YAML_PLAIN_SCALAR_STYLE : YAML_DOUBLE_QUOTED_SCALAR_STYLE;
}

static void
emit_scalar(yaml_emitter_t *emitter, const char *text, size_t length, yaml_scalar_style_t style)
{
    yaml_event_t event;

    yaml_scalar_event_initialize(&event, NULL, NULL, (yaml_char_t *) text, (int) length, 1, 1,
                                 style);
    yaml_emitter_emit(emitter, &event);
}

static void
emit_string(yaml_emitter_t *emitter, const char *s)
{
    emit_scalar(emitter, s, strlen(s), string_style(s));
}

static void emit_value(yaml_emitter_t *, const json_t *);

static void
emit_object(yaml_emitter_t *emitter, const json_t *object)
{
    yaml_event_t event;
    const char *key;
    json_t *value;

    yaml_mapping_start_event_initialize(&event, NULL, NULL, 1,
                                        json_object_size(object) ? YAML_BLOCK_MAPPING_STYLE
                                                                 : YAML_FLOW_MAPPING_STYLE);
    yaml_emitter_emit(emitter, &event);
    json_object_foreach ((json_t *) object, key, value) {
        emit_string(emitter, key);
        emit_value(emitter, value);
    }
    yaml_mapping_end_event_initialize(&event);
    yaml_emitter_emit(emitter, &event);
}

static void
emit_array(yaml_emitter_t *emitter, const json_t *array)
{
    yaml_event_t event;

    yaml_sequence_start_event_initialize(&event, NULL, NULL, 1,
                                         json_array_size(array) ? YAML_BLOCK_SEQUENCE_STYLE
                                                                : YAML_FLOW_SEQUENCE_STYLE);
    yaml_emitter_emit(emitter, &event);
    for (size_t i = 0; i < json_array_size(array); i++) {
        emit_value(emitter, json_array_get(array, i));
    }
    yaml_sequence_end_event_initialize(&event);
    yaml_emitter_emit(emitter, &event);
}

static void
emit_value(yaml_emitter_t *emitter, const json_t *value)
{
    char *text;

    switch (json_typeof(value)) {
    case JSON_OBJECT:
        emit_object(emitter, value);
        break;
    case JSON_ARRAY:
        emit_array(emitter, value);
        break;
    case JSON_STRING:
        emit_string(emitter, json_string_value(value));
        break;
    case JSON_INTEGER:
    case JSON_REAL:
    case JSON_TRUE:
    case JSON_FALSE:
    case JSON_NULL:
    default:
        text = json_dumps(value, JSON_ENCODE_ANY);
        emit_scalar(emitter, text, strlen(text), YAML_PLAIN_SCALAR_STYLE);
        free(text);
        break;
    }
}

void
json_format_yaml(const json_t *value, struct ds *out)
{
    yaml_emitter_t emitter;
    yaml_event_t event;

    yaml_emitter_initialize(&emitter);
    yaml_emitter_set_output(&emitter, write_text, out);
    yaml_emitter_set_unicode(&emitter, 1);
    yaml_emitter_set_width(&emitter, -1);
    yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING);
    yaml_emitter_emit(&emitter, &event);
    yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1);
    yaml_emitter_emit(&emitter, &event);
    emit_value(&emitter, value);
    yaml_document_end_event_initialize(&event, 1);
    yaml_emitter_emit(&emitter, &event);
    yaml_stream_end_event_initialize(&event);
    yaml_emitter_emit(&emitter, &event);
    yaml_emitter_delete(&emitter);
}
