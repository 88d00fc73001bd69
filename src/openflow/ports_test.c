#include "base/test.h"

#include "openflow/ports.h"

#include <stdlib.h>
#include <string.h>

/* How many of the masks a port matches. */
static int
n_matches(const struct port_mask *masks, size_t n, uint32_t port)
{
    int matches = 0;

    for (size_t i = 0; i < n; i++) {
        matches += (port & masks[i].mask) == masks[i].value;
    }
    return matches;
}

static void
check_range(uint16_t first, uint16_t last)
{
    struct port_mask masks[PORT_MASKS_MAX];
    size_t n = port_masks(first, last, masks);

    assert_true(n <= PORT_MASKS_MAX);
    for (uint32_t port = 0; port <= UINT16_MAX; port++) {
        int expected = port >= first && port <= last;
        if (n_matches(masks, n, port) != expected) {
            fail_msg("%u-%u: port %u", first, last, (unsigned int) port);
        }
    }
}

static void
test_each_port_of_the_range_once(void **state)
{
    static const uint16_t edges[] = { 0, 1, 2, 3, 79, 80, 1023, 1024, 32767, 32768, 65534, 65535 };

    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++) {
        for (size_t j = i; j < sizeof edges / sizeof *edges; j++) {
            check_range(edges[i], edges[j]);
        }
    }
    srand(1);
    for (int i = 0; i < 100; i++) {
        uint16_t a = rand() & 0xffff, b = rand() & 0xffff;
        check_range(a < b ? a : b, a < b ? b : a);
    }
}

static void
test_fewest(void **state)
{
    struct port_mask masks[PORT_MASKS_MAX];

    assert_int_equal(port_masks(0, 65535, masks), 1);
    assert_int_equal(masks[0].mask, 0);
    assert_int_equal(port_masks(6379, 6379, masks), 1);
    assert_int_equal(masks[0].mask, 0xffff);
    assert_int_equal(port_masks(1, 65534, masks), PORT_MASKS_MAX);
    assert_int_equal(port_masks(1000, 1999, masks), 7);
    assert_int_equal(port_masks(1024, 65535, masks), 6);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_port_of_the_range_once),
        cmocka_unit_test(test_fewest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
