/* The embedded flows parse, and come back from OpenFlow as they went out. */
#include "base/test.h"

#include "openflow/pipeline.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/match.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-print.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/vconn.h"
#include "openflow/flow_table_roundtrip.h"

static void
test_embedded_flows_survive_openflow(void **state)
{
    struct flow_table *ft = flow_table_create();

    pipeline_add(ft);
    assert_true(flow_table_count(ft) > 40);
    assert_survives_openflow(ft);
    flow_table_destroy(ft);
}

static void
test_fields(void **state)
{
    struct match match = MATCH_CATCHALL_INITIALIZER;
    uint32_t value;

    field_match(&match, FIELD_origin, SIDE_GATEWAY);
    field_match(&match, FIELD_zone, 0xffff);
    field_match(&match, FIELD_src_identity, 0xfffffffe);
    assert_true(field_matched(&match, FIELD_origin, &value));
    assert_int_equal(value, SIDE_GATEWAY);
    assert_true(field_matched(&match, FIELD_src_identity, &value));
    assert_true(value == 0xfffffffe);
    assert_false(field_matched(&match, FIELD_target, &value));
    assert_false(field_matched(&match, FIELD_path, &value));

    struct ofpbuf acts;
    ofpbuf_init(&acts, 0);
    field_set(&acts, FIELD_target, SIDE_TUNNEL);
    struct ds s = DS_EMPTY_INITIALIZER;
    struct ofpact_format_params fp = { .s = &s };
    ofpacts_format(acts.data, acts.size, &fp);
    assert_string_equal(ds_cstr(&s), "set_field:0x80000/0xc0000->reg5");
    ds_destroy(&s);
    ofpbuf_uninit(&acts);
}

static void
test_errors_name_the_line(void **state)
{
    struct flow_table *ft = flow_table_create();
    char *error = pipeline_parse("# comment\n\ntable=output, $nothing=1, actions=drop\n", ft);

    assert_string_equal(error, "line 3: unknown name \"$nothing\"");
    free(error);
    error = pipeline_parse("table=outptu, actions=drop\n", ft);
    assert_non_null(strstr(error, "line 1: "));
    assert_non_null(strstr(error, "outptu"));
    free(error);
    assert_int_equal(flow_table_count(ft), 0);
    flow_table_destroy(ft);
}

static void
test_text_has_names_and_parses_again(void **state)
{
    struct flow_table *a = flow_table_create(), *b = flow_table_create();
    struct ds text = DS_EMPTY_INITIALIZER, again = DS_EMPTY_INITIALIZER;

    pipeline_add(a);
    flow_table_format(a, &text);
    assert_non_null(strstr(ds_cstr(&text), "table=\"ct_state\", priority=400,ct_state=+inv+trk "
                                           "actions=drop"));
    assert_non_null(strstr(ds_cstr(&text), "goto_table:\"metrics_egress\""));
    char *error = pipeline_parse(ds_cstr(&text), b);
    if (error) {
        fail_msg("%s", error);
    }
    flow_table_format(b, &again);
    assert_string_equal(ds_cstr(&again), ds_cstr(&text));

    ds_destroy(&text);
    ds_destroy(&again);
    flow_table_destroy(a);
    flow_table_destroy(b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_embedded_flows_survive_openflow),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_errors_name_the_line),
        cmocka_unit_test(test_text_has_names_and_parses_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
