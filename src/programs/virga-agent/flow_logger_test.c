#include "programs/virga-agent/flow_logger.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/records.h"
#include "base/test.h"
#include "openflow/packet_in.h"
#include "openvswitch/dynamic-string.h"
#include "timeval.h"
#include "util.h"

static const uint8_t frame[42] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45 };
static char dir[] = "/tmp/virga-log-XXXXXX";
static char *file, *old;
static struct records *records;
static struct flow_logger *log_;

static int
setup(void **state)
{
    ovs_strlcpy(dir, "/tmp/virga-log-XXXXXX", sizeof dir);
    if (!mkdtemp(dir)) {
        return -1;
    }
    file = xasprintf("%s/flows.log", dir);
    old = xasprintf("%s/flows.log.1", dir);
    records = records_create();
    char *error = records_parse(
        "rule 9 ingress tier=group priority=5 rank=3000 action=deny vni=0 subject=3 peers=any "
        "ports=any policy=GroupPolicy//q index=2 flags=log\n",
        records);
    assert_null(error);
    log_ = flow_logger_create(file, "node-1", records);
    return 0;
}

static int
teardown(void **state)
{
    flow_logger_destroy(log_);
    records_destroy(records);
    unlink(file);
    unlink(old);
    free(file);
    free(old);
    return rmdir(dir);
}

static void
write_packets(int n)
{
    struct packet_in p = {
        .features = VIRGA_USERDATA_LOG, .id = 9, .frame = frame, .frame_len = sizeof frame
    };
    for (int i = 0; i < n; i++) {
        flow_logger_write(log_, &p);
    }
}

/* Lines of 'path' with 'what' in them. */
static int
n_lines(const char *path, const char *what)
{
    FILE *f = fopen(path, "re");
    char line[1024];
    int n = 0;
    while (f && fgets(line, sizeof line, f)) {
        n += strstr(line, what) != NULL;
    }
    if (f) {
        fclose(f);
    }
    return n;
}

static void
test_lines(void **state)
{
    assert_int_equal(access(file, F_OK), -1); /* Nothing to say yet. */
    write_packets(2);
    assert_int_equal(n_lines(file, "\"verdict\":\"deny\",\"policy\":\"GroupPolicy//q\""), 2);
}

static void
test_rotation(void **state)
{
    write_packets(1);
    assert_int_equal(rename(file, old), 0);
    write_packets(1);
    flow_logger_reopen(log_);
    write_packets(1);
    assert_int_equal(n_lines(old, "deny"), 2);
    assert_int_equal(n_lines(file, "deny"), 1);
}

static void
test_flood(void **state)
{
    time_msec(); /* The bucket fills with time; this loop takes none worth a burst. */
    write_packets(20 * FLOW_LOGGER_BURST);
    int written = n_lines(file, "deny");
    assert_in_range(written, FLOW_LOGGER_BURST, 10 * FLOW_LOGGER_BURST);
    flow_logger_run(log_);
    char *summary = xasprintf("\"node\":\"node-1\",\"suppressed\":%d}",
                              20 * FLOW_LOGGER_BURST - written);
    assert_int_equal(n_lines(file, summary), 1);
    flow_logger_run(log_); /* Nothing new. */
    assert_int_equal(n_lines(file, "suppressed"), 1);
    free(summary);
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
    const struct CMUnitTest tests[] = { TEST(test_lines), TEST(test_rotation), TEST(test_flood) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
