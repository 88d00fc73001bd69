/* The order of things, with a switch and a daemon that the test plays. */
#include "programs/virga-agent/revoke.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/number_set.h"
#include "base/records.h"
#include "base/test.h"
#include "node/conntrack_text.h"
#include "openflow/flow_table.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

#define LINE(SPORT, DPORT)                                                 \
    "tcp,orig=(src=10.128.0.3,dst=10.128.0.2,sport=" SPORT ",dport=" DPORT \
    "),reply=(src=10.128.0.2,dst=10.128.0.3,sport=" DPORT ",dport=" SPORT "),zone=16\n"
#define REVERSED                                                                          \
    "tcp,orig=(src=10.128.0.2,dst=10.128.0.3,sport=80,dport=1000),reply=(src=10.128.0.3," \
    "dst=10.128.0.2,sport=1000,dport=80),zone=16\n"

static struct records *records;
static struct flow_table *flows;
static struct revoke *revoke;
static struct number_set closed;
static long long int now;

/* What the fakes say, and what they were told. */
static uint64_t applied, epoch, confirmed;
static struct ds story;
static char *reply;
static int reply_error;
static bool untouched, settled; /* 'settled': what the next life would be told. */

static uint64_t
fake_applied(void *aux)
{
    return applied;
}

static uint64_t
fake_epoch(void *aux)
{
    return epoch;
}

static uint64_t
fake_confirmed(void *aux)
{
    return confirmed;
}

static void
fake_flush(void *aux, const struct conntrack_entry *entry)
{
    ds_put_format(&story, "flush %u:%u;", entry->orig.src_port, entry->orig.dst_port);
}

static bool
fake_untouched(void *aux)
{
    return untouched;
}

static void
fake_set_settled(void *aux, bool is)
{
    assert_true(is != settled);
    settled = is;
}

static void
fake_send(void *aux, const char *command, const char *const args[])
{
    ds_put_cstr(&story, command);
    for (size_t i = 0; args[i]; i++) {
        ds_put_format(&story, " %s", args[i]);
    }
    ds_put_char(&story, ';');
}

static void
fake_cancel(void *aux)
{
    free(reply);
    reply = NULL;
    reply_error = 0;
}

static int
fake_receive(void *aux, char **text, size_t *len)
{
    int error = reply || reply_error ? reply_error : EAGAIN;
    *text = reply;
    *len = reply ? strlen(reply) : 0;
    reply = NULL;
    reply_error = 0;
    return error;
}

static void
put(const char *line)
{
    char *error = records_parse(line, records);
    if (error) {
        fail_msg("%s: %s", line, error);
    }
}

#define ALLOW(ID, PORT)                                                                           \
    "rule " ID " ingress tier=networkpolicy priority=0 action=allow vni=4096 subject=1 peers=any" \
    " ports=tcp:" PORT " policy=NetworkPolicy/a/p index=0\n"

static void
new_life(bool after_settled)
{
    struct revoke_options opt = {
        .node = "here",
        .datapath_type = "netdev",
        .flows = flows,
        .closed = &closed,
        .settled = after_settled,
        .seam = { .applied = fake_applied,
                  .epoch = fake_epoch,
                  .confirmed = fake_confirmed,
                  .flush = fake_flush,
                  .untouched = fake_untouched,
                  .set_settled = fake_set_settled,
                  .send = fake_send,
                  .cancel = fake_cancel,
                  .receive = fake_receive },
    };

    revoke_destroy(revoke);
    revoke = revoke_create(&opt);
    settled = false;
    untouched = true;
}

static int
setup(void **state)
{
    records = records_create();
    put("node 1 name=here vtep=172.30.0.1 addresses=172.30.0.1\n"
        "network 4096 name=a zone=16 subnets=10.128.0.0/24 gateways=10.128.0.1\n"
        "endpoint 1 name=a/server uid=1 vni=4096 identity=256 node=1 mac=02:56:0a:80:00:02"
        " ips=10.128.0.2\n"
        "endpoint 2 name=a/client uid=2 vni=4096 identity=257 node=1 mac=02:56:0a:80:00:03"
        " ips=10.128.0.3\n"
        "set 1 selector=server identities=256\n"
        "rule 1 ingress tier=networkpolicy priority=0 action=isolate vni=4096 subject=1 peers=any"
        " ports=any policy=NetworkPolicy/a/p index=-1\n" ALLOW("2", "80") ALLOW("3", "90"));
    flows = flow_table_create();
    number_set_init(&closed);
    revoke = NULL;
    new_life(false);
    ds_init(&story);
    applied = epoch = confirmed = 1;
    now = 1000;
    return 0;
}

static int
teardown(void **state)
{
    revoke_destroy(revoke);
    flow_table_destroy(flows);
    number_set_uninit(&closed);
    records_destroy(records);
    ds_destroy(&story);
    fake_cancel(NULL);
    return 0;
}

static void
look(void)
{
    revoke_look(revoke, records, now);
    records_clear_changes(records);
}

static void
run(void)
{
    revoke_run(revoke, records, now);
}

static void
answer(const char *text)
{
    reply = xstrdup(text);
    run();
}

static void
assert_story(const char *wanted)
{
    assert_string_equal(ds_cstr(&story), wanted);
    ds_clear(&story);
}

#define DUMP(ARGS) "dpctl/dump-conntrack netdev@ovs-netdev" ARGS ";"
#define WAIT "revalidator/wait;"

static void
settle(void)
{
    for (int i = 0; i < 3; i++) {
        answer("");
    }
}

/* The pass over all zones that every life begins with. */
static void
begin(void)
{
    look();
    run();
    assert_story(DUMP(""));
    answer("");
    settle();
    assert_story(WAIT WAIT WAIT DUMP(""));
    answer("");
    assert_true(revoke_is_idle(revoke));
}

/* The rule for port 80 goes. */
static void
take_away(void)
{
    records_remove(records, RECORD_RULE, 2);
    epoch++;
    look();
    run();
}

static void
assert_n_guards(size_t n)
{
    assert_int_equal(flow_table_count(flows), n);
}

static void
test_order(void **state)
{
    begin();
    take_away();
    assert_story(""); /* The flows of the new policy are not in the switch. */
    confirmed = epoch;
    run();
    assert_story(DUMP(" zone=1"));
    answer("");
    assert_story(DUMP(" zone=16"));
    assert_n_guards(0);
    answer(LINE("1001", "80") LINE("1000", "80") LINE("1000", "90"));
    assert_n_guards(2);
    assert_story(""); /* The switch has not seen the guards. */
    assert_true(revoke_wake_at(revoke) <= now);
    epoch++;
    run();
    assert_story("");
    confirmed = epoch;
    run();
    assert_story(WAIT);
    answer("");
    assert_story("flush 1000:80;flush 1001:80;" WAIT);
    settle();
    assert_story(WAIT WAIT DUMP(" zone=1"));
    answer("");
    answer(LINE("1000", "90"));
    assert_story(DUMP(" zone=16"));
    assert_true(revoke_is_idle(revoke));
    assert_n_guards(2);
}

static void
confirm_all(void)
{
    epoch++;
    confirmed = epoch;
    run();
}

/* The moment before the flush ends though no round of revalidation does. */
static void
cut_one(void)
{
    take_away();
    confirm_all();
    answer("");
    answer(LINE("1000", "80"));
    confirm_all();
    ds_clear(&story);
    run();
    assert_story("");
    now += 100;
    run();
    assert_story("flush 1000:80;" WAIT);
}

static void
test_second_look_cuts_what_slipped_in(void **state)
{
    begin();
    cut_one();
    settle();
    answer("");
    answer(LINE("1002", "80") REVERSED);
    confirm_all();
    ds_clear(&story);
    answer("");
    assert_story("flush 80:1000;flush 1002:80;" WAIT);
    settle();
    answer("");
    answer("");
    assert_true(revoke_is_idle(revoke));
}

#define ECHO6                                                                        \
    "icmpv6,orig=(src=fd00::3,dst=fd00::2,id=7,type=128,code=0),reply=(src=fd00::2," \
    "dst=fd00::3,id=7,type=129,code=0),zone=16\n"

/* ovs-vswitchd 3.1 would abort. */
static void
test_icmp6_is_guarded_and_not_flushed(void **state)
{
    put("network 4096 name=a zone=16 subnets=10.128.0.0/24,fd00::/64 gateways=10.128.0.1,fd00::1\n"
        "endpoint 1 name=a/server uid=1 vni=4096 identity=256 node=1 mac=02:56:0a:80:00:02"
        " ips=10.128.0.2,fd00::2\n"
        "endpoint 2 name=a/client uid=2 vni=4096 identity=257 node=1 mac=02:56:0a:80:00:03"
        " ips=10.128.0.3,fd00::3\n"
        "rule 2 ingress tier=networkpolicy priority=0 action=allow vni=4096 subject=1 peers=any"
        " ports=any policy=NetworkPolicy/a/p index=0\n");
    begin();
    take_away();
    confirm_all();
    answer("");
    answer(ECHO6);
    assert_n_guards(2);
    confirm_all();
    now += 100;
    run();
    settle();
    answer("");
    answer(ECHO6); /* Conntrack has not forgotten it yet. */
    assert_true(revoke_is_idle(revoke));
    assert_null(strstr(ds_cstr(&story), "flush"));
    assert_n_guards(2);

    put("rule 5 ingress tier=networkpolicy priority=0 action=allow vni=4096 subject=1 peers=any"
        " ports=any policy=NetworkPolicy/a/p index=0\n");
    look();
    assert_n_guards(0);
}

static void
test_allowed_again(void **state)
{
    begin();
    cut_one();
    assert_n_guards(1);
    put(ALLOW("4", "80"));
    look();
    assert_n_guards(0);
}

static void
test_guards_end(void **state)
{
    begin();
    cut_one();
    now += 25LL * 3600 * 1000;
    look();
    assert_n_guards(0);
}

static void
test_what_only_allows(void **state)
{
    begin();
    put(ALLOW("4", "100"));
    look();
    run();
    assert_story("");
    assert_true(revoke_is_idle(revoke));
}

/* A policy grows too large for the node, and shrinks again. */
static void
test_closed_rules(void **state)
{
    begin();
    number_set_add(&closed, 2);
    revoke_closed_changed(revoke);
    epoch++;
    look();
    run();
    assert_story("");
    confirmed = epoch;
    run();
    assert_story(DUMP(""));
    answer(LINE("1000", "80") LINE("1000", "90"));
    assert_n_guards(1);
    confirm_all();
    ds_clear(&story);
    answer("");
    assert_story("flush 1000:80;" WAIT);
    number_set_clear(&closed);
    revoke_closed_changed(revoke);
    look();
    assert_n_guards(0);
}

static void
test_failure_is_tried_again(void **state)
{
    begin();
    take_away();
    confirm_all();
    reply_error = ECONNREFUSED;
    run();
    assert_story(DUMP(" zone=1"));
    assert_false(revoke_is_idle(revoke));
    now = revoke_wake_at(revoke) - 1;
    run();
    assert_story("");
    now++;
    run();
    assert_story(DUMP(" zone=1"));
    answer("");
    answer(LINE("1000", "80"));
    assert_n_guards(1);
}

static void
test_lost_switch_begins_again_over_all(void **state)
{
    begin();
    take_away();
    confirm_all();
    assert_story(DUMP(" zone=1"));
    applied = 0;
    epoch++;
    run();
    assert_story("");
    applied = 1;
    confirmed = epoch;
    run();
    assert_story(DUMP(""));
    answer(LINE("1000", "80"));
    assert_n_guards(1);
}

/* Changes while one pass is under way are a pass of their own, after it. */
static void
test_change_meanwhile(void **state)
{
    begin();
    take_away();
    confirm_all();
    records_remove(records, RECORD_RULE, 3);
    epoch++;
    look();
    run();
    answer("");
    answer("");
    assert_story(DUMP(" zone=1") DUMP(" zone=16"));
    confirmed = epoch;
    run();
    assert_story(DUMP(" zone=1"));
    answer("");
    answer(LINE("1000", "90"));
    assert_n_guards(1);
}

/* The mark is away from before the flows of a change are sent until all is cut. */
static void
test_settled_mark(void **state)
{
    assert_false(settled);
    begin();
    assert_true(settled);
    records_remove(records, RECORD_RULE, 2);
    epoch++;
    look();
    assert_false(settled);
    run();
    confirmed = epoch;
    run();
    answer("");
    answer("");
    assert_false(settled);
    settle();
    answer("");
    assert_false(settled);
    answer("");
    assert_true(revoke_is_idle(revoke));
    assert_true(settled);

    /* What only allows takes nothing away. */
    put(ALLOW("7", "70"));
    look();
    assert_true(settled);

    /* Nothing is known of what happens while the switch is away. */
    applied = 0;
    run();
    assert_false(settled);
    applied = 1;
    answer("");
    settle();
    answer("");
    assert_true(settled);
}

/* Nobody looks at the connections if the last life had settled and the flows are its. */
static void
test_inherited(void **state)
{
    new_life(true);
    epoch = 2;
    look();
    run();
    assert_story("");
    assert_false(settled); /* Before the switch has been read. */
    confirmed = epoch;
    run();
    assert_story("");
    assert_true(revoke_is_idle(revoke));
    assert_true(settled);

    take_away();
    assert_false(settled);
    confirmed = epoch;
    run();
    assert_story(DUMP(" zone=1"));
}

static void
test_not_inherited(void **state)
{
    /* The policy is another one now. */
    new_life(true);
    untouched = false;
    begin();

    /* The switch was away before it was read. */
    new_life(true);
    epoch++;
    look();
    run();
    applied = 0;
    run();
    applied = 1;
    confirmed = epoch;
    run();
    assert_story(DUMP(""));

    /* It has not said that it has the flows. */
    new_life(true);
    applied = 0;
    look();
    run();
    assert_story(DUMP(""));
    assert_false(settled);
}

/* Once: what was settled then says nothing of a later pass. */
static void
test_inherited_once(void **state)
{
    new_life(true);
    look();
    run();
    assert_story("");
    assert_true(settled);
    applied = 0;
    run();
    applied = 1;
    run();
    assert_story(DUMP(""));
}

static void
test_no_rounds_of_revalidation(void **state)
{
    look();
    run();
    answer("");
    reply_error = ECOMM;
    reply = xstrdup("can't wait on multiple udpifs.");
    run();
    assert_story(DUMP("") WAIT);
    now = revoke_wake_at(revoke);
    run();
    assert_story(DUMP(""));
    answer("");
    assert_true(revoke_is_idle(revoke));
}

int
main(void)
{
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_order),
        TEST(test_second_look_cuts_what_slipped_in),
        TEST(test_icmp6_is_guarded_and_not_flushed),
        TEST(test_allowed_again),
        TEST(test_guards_end),
        TEST(test_what_only_allows),
        TEST(test_closed_rules),
        TEST(test_failure_is_tried_again),
        TEST(test_lost_switch_begins_again_over_all),
        TEST(test_change_meanwhile),
        TEST(test_no_rounds_of_revalidation),
        TEST(test_settled_mark),
        TEST(test_inherited),
        TEST(test_not_inherited),
        TEST(test_inherited_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
