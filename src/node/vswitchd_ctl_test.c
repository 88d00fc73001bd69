#include "node/vswitchd_ctl.h"

#include "base/test.h"

#include "node/ovs_test.h"

static struct vswitchd_ctl *ctl;

/* As a daemon started with --pidfile has it. */
static int
setup(void **state)
{
    if (ovs_test_setup(state)) {
        return -1;
    }
    free(ovs_test_sh("echo %ld >%s/ovs-vswitchd.pid && ln -s vswitchd.ctl %s/ovs-vswitchd.%ld.ctl",
                     (long int) ovs.vswitchd, ovs.dir, ovs.dir, (long int) ovs.vswitchd));
    ctl = vswitchd_ctl_create(ovs.dir);
    return 0;
}

static int
teardown(void **state)
{
    vswitchd_ctl_destroy(ctl);
    return ovs_test_teardown(state);
}

static int
transact(const char *command, const char *argument, char **text, size_t *len)
{
    const char *const args[] = { argument, NULL };
    vswitchd_ctl_send(ctl, command, args);
    long long int deadline = time_msec() + OVS_TEST_DEADLINE_MS;
    int error;
    while ((error = vswitchd_ctl_run(ctl, text, len)) == EAGAIN) {
        assert_true(time_msec() < deadline);
        vswitchd_ctl_wait(ctl);
        poll_timer_wait_until(deadline);
        poll_block();
    }
    return error;
}

static void
test_answers_and_refusals(void **state)
{
    char *text;
    size_t len;
    assert_int_equal(vswitchd_ctl_run(ctl, &text, &len), EAGAIN);
    assert_int_equal(transact("version", NULL, &text, &len), 0);
    assert_int_equal(len, strlen(text));
    assert_non_null(strstr(text, "Open vSwitch"));
    free(text);
    assert_int_equal(transact("version", "x", &text, &len), ECOMM);
    assert_non_null(strstr(text, "takes at most 0 arguments"));
    free(text);
    assert_int_equal(vswitchd_ctl_run(ctl, &text, &len), EAGAIN);
}

/* More than one read, with line ends and quotes. */
static void
test_long_answer(void **state)
{
    char *text;
    size_t len;
    assert_int_equal(transact("list-commands", NULL, &text, &len), 0);
    assert_true(len > 4096);
    assert_non_null(strstr(text, "\n  dpctl/dump-conntrack"));
    free(text);
}

static void
test_forgets_the_command_before(void **state)
{
    char *text;
    size_t len;
    vswitchd_ctl_send(ctl, "list-commands", (const char *const[]){ NULL });
    assert_int_equal(transact("version", NULL, &text, &len), 0);
    assert_null(strstr(text, "dpctl"));
    free(text);
}

static void
test_dead_and_back(void **state)
{
    char *text;
    size_t len;
    ovs_test_stop(&ovs.vswitchd);
    assert_int_not_equal(transact("version", NULL, &text, &len), 0);
    assert_null(text);
    free(ovs_test_sh("rm %s/ovs-vswitchd.pid %s/vswitchd.ctl", ovs.dir, ovs.dir));
    assert_int_equal(transact("version", NULL, &text, &len), ENOENT);
    ovs_test_start_vswitchd();
    free(ovs_test_sh("echo 77 >%s/ovs-vswitchd.pid && ln -s vswitchd.ctl %s/ovs-vswitchd.77.ctl",
                     ovs.dir, ovs.dir));
    assert_int_equal(transact("version", NULL, &text, &len), 0);
    free(text);
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_answers_and_refusals),
        TEST(test_long_answer),
        TEST(test_forgets_the_command_before),
        TEST(test_dead_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
