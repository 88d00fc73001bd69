/* The controller's engine on a real ovsdb-server: durability, restarts,
 * leadership, nodes.  The test is the HTTP thread and the agents. */
#include "programs/virga-controller/engine.h"

#include <jansson.h>

#include "api/http_message.h"
#include "base/mailbox.h"
#include "base/records.h"
#include "compile/compile.h"
#include "store/ovsdb_test.h"

enum { MAX_REPLIES = 64, MAX_CONTROLLERS = 2 };

struct controller {
    struct store *store;
    struct mailbox *requests;
    struct engine *engine;
    struct http_reply *replies[MAX_REPLIES];
    size_t n;
};

static struct controller *controllers[MAX_CONTROLLERS];
static uint64_t last_id;

static void
take_reply(struct http_reply *reply, void *c_)
{
    struct controller *c = c_;
    assert_true(c->n < MAX_REPLIES);
    c->replies[c->n++] = reply;
}

static struct controller *
controller_start(void)
{
    struct controller *c = xzalloc(sizeof *c);
    c->store = lab_open("db", STORE_CONTROLLER);
    c->requests = mailbox_create();
    struct compile_config config;
    compile_config_default(&config);
    c->engine = engine_create(c->store, c->requests, &config, take_reply, c);
    for (int i = 0; i < MAX_CONTROLLERS; i++) {
        if (!controllers[i]) {
            controllers[i] = c;
            return c;
        }
    }
    fail_msg("too many controllers");
    return NULL;
}

/* As by kill -9: nothing more is written. */
static void
controller_kill(struct controller *c)
{
    for (int i = 0; i < MAX_CONTROLLERS; i++) {
        controllers[i] = controllers[i] == c ? NULL : controllers[i];
    }
    engine_destroy(c->engine);
    lab_close(c->store);
    for (size_t i = 0; i < c->n; i++) {
        http_reply_destroy(c->replies[i]);
    }
    mailbox_destroy(c->requests);
    free(c);
}

/* One turn of everybody's loop. */
static void
turn(void)
{
    for (int i = 0; i < MAX_CONTROLLERS; i++) {
        if (controllers[i]) {
            engine_run(controllers[i]->engine);
        }
    }
    lab_run();
}

static void
wait_for_turn(long long int deadline)
{
    for (int i = 0; i < MAX_CONTROLLERS; i++) {
        if (controllers[i]) {
            engine_wait(controllers[i]->engine);
        }
    }
    lab_wait(deadline);
}

#define until(CONDITION)                                                   \
    for (long long int deadline_ = time_msec() + DEADLINE_MS;;) {          \
        turn();                                                            \
        if (CONDITION) {                                                   \
            break;                                                         \
        }                                                                  \
        if (time_msec() >= deadline_) {                                    \
            fail_msg("line %d: never happened: %s", __LINE__, #CONDITION); \
        }                                                                  \
        wait_for_turn(deadline_);                                          \
    }

static struct controller *
controller_lead(void)
{
    struct controller *c = controller_start();
    until(engine_is_leading(c->engine));
    return c;
}

static int
teardown(void **state)
{
    for (int i = 0; i < MAX_CONTROLLERS; i++) {
        if (controllers[i]) {
            controller_kill(controllers[i]);
        }
    }
    return lab_teardown(state);
}

/* --- Requests -------------------------------------------------------------------- */

static uint64_t
post_request(struct controller *c, const char *line, const char *body)
{
    static const char *const names[] = { "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE" };
    char method[16], target[1024];
    assert_int_equal(sscanf(line, "%15s %1023s", method, target), 2);
    char *query = strchr(target, '?');
    if (query) {
        *query++ = '\0';
    }
    size_t i = 0;
    while (strcmp(names[i], method)) {
        i++;
    }
    struct http_request *request = http_request_create(++last_id, i, target, query ? query : "");
    free(request->content_type);
    request->content_type = xstrdup(i == HTTP_PATCH ? "application/merge-patch+json"
                                                    : "application/json");
    if (body) {
        request->body = xstrdup(body);
        request->body_length = strlen(body);
    }
    mailbox_post(c->requests, &request->mail);
    return last_id;
}

static bool
has_reply(const struct controller *c, uint64_t id)
{
    for (size_t i = 0; i < c->n; i++) {
        if (c->replies[i]->id == id) {
            return true;
        }
    }
    return false;
}

/* The oldest reply to 'id'. */
static struct http_reply *
pop_reply(struct controller *c, uint64_t id)
{
    for (size_t i = 0; i < c->n; i++) {
        struct http_reply *reply = c->replies[i];
        if (reply->id == id) {
            memmove(&c->replies[i], &c->replies[i + 1], (--c->n - i) * sizeof reply);
            return reply;
        }
    }
    fail_msg("no reply");
    return NULL;
}

static char *
finish(struct controller *c, uint64_t id, int code)
{
    until(has_reply(c, id));
    struct http_reply *reply = pop_reply(c, id);
    char *body = xmemdup0(reply->body ? reply->body : "", reply->length);
    if (reply->code != code) {
        fail_msg("%d instead of %d: %s", reply->code, code, body);
    }
    http_reply_destroy(reply);
    return body;
}

static char *
ask(struct controller *c, const char *line, const char *body, int code)
{
    return finish(c, post_request(c, line, body), code);
}

static void
expect(struct controller *c, const char *line, const char *body, int code)
{
    free(ask(c, line, body, code));
}

static json_t *
ask_json(struct controller *c, const char *line, int code)
{
    char *text = ask(c, line, NULL, code);
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    free(text);
    return json;
}

static void
expect_same(struct controller *c, const char *line, char *before)
{
    char *after = ask(c, line, NULL, 200);
    assert_string_equal(before, after);
    free(before);
    free(after);
}

#define PODS "/api/v1/namespaces/shop/pods"
#define POLICIES "/apis/networking.k8s.io/v1/namespaces/shop/networkpolicies"
#define POD(NAME, META)                                                                \
    "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"" NAME "\"" META \
    "},\"spec\":{\"nodeName\":\"node-1\",\"containers\":[{\"name\":\"c\"}]}}"

#define UNSCHEDULED_POD(NAME, META)                                                    \
    "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"" NAME "\"" META \
    "},\"spec\":{\"containers\":[{\"name\":\"c\"}]}}"

static void
create_shop(struct controller *c)
{
    expect(c, "POST /api/v1/namespaces",
           "{\"apiVersion\":\"v1\",\"kind\":\"Namespace\",\"metadata\":{\"name\":\"shop\"}}", 201);
    expect(c, "POST " PODS, POD("a", ",\"labels\":{\"app\":\"a\"}"), 201);
    expect(c, "POST " PODS, POD("b", ",\"labels\":{\"app\":\"b\"}"), 201);
    expect(c, "POST " POLICIES,
           "{\"apiVersion\":\"networking.k8s.io/v1\",\"kind\":\"NetworkPolicy\",\"metadata\":{"
           "\"name\":\"p\"},\"spec\":{\"podSelector\":{\"matchLabels\":{\"app\":\"a\"}},"
           "\"ingress\":[{\"from\":[{\"podSelector\":{\"matchLabels\":{\"app\":\"b\"}}}]}]}}",
           201);
}

/* --- Tests ------------------------------------------------------------------------- */

static void
test_everything_survives_a_crash(void **state)
{
    struct controller *c = controller_lead();
    create_shop(c);
    char *pods = ask(c, "GET /api/v1/pods", NULL, 200);
    char *namespaces = ask(c, "GET /api/v1/namespaces", NULL, 200);
    char *policies = ask(c, "GET " POLICIES, NULL, 200);
    char *records = ask(c, "GET /virga/v1/records", NULL, 200);
    assert_non_null(strstr(records, "name=shop/a"));
    assert_non_null(strstr(records, "policy=NetworkPolicy/shop/p index=0"));
    controller_kill(c);

    c = controller_lead();
    expect_same(c, "GET /api/v1/pods", pods);
    expect_same(c, "GET /api/v1/namespaces", namespaces);
    expect_same(c, "GET " POLICIES, policies);
    expect_same(c, "GET /virga/v1/records", records);
}

/* The number of a pod that is gone is not given to another, not even by a
 * later controller; nor is a resourceVersion. */
static void
test_numbers_are_not_used_again(void **state)
{
    struct controller *c = controller_lead();
    create_shop(c);
    expect(c, "POST " PODS, POD("c", ""), 201);
    json_t *before = ask_json(c, "GET " PODS, 200);
    char *records = ask(c, "GET /virga/v1/records", NULL, 200);
    assert_non_null(strstr(records, "endpoint 3 name=shop/c"));
    free(records);
    expect(c, "DELETE " PODS "/c", NULL, 200);
    controller_kill(c);

    c = controller_lead();
    expect(c, "POST " PODS, POD("d", ""), 201);
    records = ask(c, "GET /virga/v1/records", NULL, 200);
    assert_non_null(strstr(records, "endpoint 4 name=shop/d"));
    free(records);

    json_t *after = ask_json(c, "GET " PODS, 200);
    json_int_t versions[2];
    json_t *lists[] = { before, after };
    for (int i = 0; i < 2; i++) {
        const char *text = json_string_value(
            json_object_get(json_object_get(lists[i], "metadata"), "resourceVersion"));
        versions[i] = strtoll(text, NULL, 10);
    }
    assert_true(versions[1] >= versions[0] + 2);
    json_decref(before);
    json_decref(after);
}

/* A reply leaves when what it says is in the database, not before; that holds
 * for reads and watches, too. */
static void
test_replies_wait_for_the_database(void **state)
{
    struct controller *c = controller_lead();
    create_shop(c);
    uint64_t watch = post_request(c, "GET " PODS "?watch=1&labelSelector=new", NULL);
    until(has_reply(c, watch));
    http_reply_destroy(pop_reply(c, watch));

    kill(lab_server("db")->pid, SIGSTOP);
    uint64_t write = post_request(c, "POST " PODS, POD("c", ",\"labels\":{\"new\":\"1\"}"));
    uint64_t read = post_request(c, "GET " PODS "/c", NULL);
    uint64_t health = post_request(c, "GET /healthz", NULL);
    until(has_reply(c, health));
    http_reply_destroy(pop_reply(c, health));
    for (int i = 0; i < 10; i++) {
        turn();
    }
    assert_int_equal(c->n, 0);

    kill(lab_server("db")->pid, SIGCONT);
    free(finish(c, write, 201));
    free(finish(c, read, 200));
    until(has_reply(c, watch));
    struct http_reply *event = pop_reply(c, watch);
    assert_int_equal(event->part, HTTP_CHUNK);
    assert_memory_equal(event->body, "{\"type\":\"ADDED\"", 15);
    http_reply_destroy(event);
}

static void
test_database_dies_and_comes_back(void **state)
{
    struct controller *c = controller_lead();
    create_shop(c);
    char *pods = ask(c, "GET " PODS, NULL, 200);
    uint64_t watch = post_request(c, "GET " PODS "?watch=1&labelSelector=none", NULL);
    until(has_reply(c, watch));
    http_reply_destroy(pop_reply(c, watch));

    /* A write that is under way when the database dies: nobody knows. */
    kill(lab_server("db")->pid, SIGSTOP);
    uint64_t write = post_request(c, "POST " PODS, POD("c", ""));
    turn();
    assert_false(has_reply(c, write));
    lab_kill_server("db");
    free(finish(c, write, 503));

    until(has_reply(c, watch));
    struct http_reply *end = pop_reply(c, watch);
    assert_int_equal(end->part, HTTP_END);
    http_reply_destroy(end);
    assert_false(engine_is_leading(c->engine));
    char *text = ask(c, "GET " PODS, NULL, 503);
    assert_non_null(strstr(text, "ServiceUnavailable"));
    free(text);

    lab_start_server("db", NULL);
    until(engine_is_leading(c->engine));
    expect_same(c, "GET " PODS, pods);
    expect(c, "POST " PODS, POD("c", ""), 201);
}

static void
test_two_controllers(void **state)
{
    struct controller *first = controller_start();
    until(engine_is_leading(first->engine));
    create_shop(first);
    struct controller *second = controller_start();
    until(store_is_ready(second->store));
    expect(second, "GET " PODS, NULL, 503);
    expect(second, "POST " PODS, POD("x", ""), 503);
    expect(second, "GET /virga/v1/status", NULL, 503);
    expect(second, "GET /readyz", NULL, 503);
    expect(second, "GET /healthz", NULL, 200);
    expect(second, "GET /readyz", NULL, 503);

    char *pods = ask(first, "GET " PODS, NULL, 200);
    char *records = ask(first, "GET /virga/v1/records", NULL, 200);
    controller_kill(first);
    until(engine_is_leading(second->engine));
    expect_same(second, "GET " PODS, pods);
    expect_same(second, "GET /virga/v1/records", records);
}

static char *
network_ready(struct controller *c, const char *line)
{
    json_t *object = ask_json(c, line, 200);
    const json_t *conditions = json_object_get(json_object_get(object, "status"), "conditions");
    struct ds text = DS_EMPTY_INITIALIZER;
    size_t i;
    json_t *condition;
    json_array_foreach (conditions, i, condition) {
        ds_put_format(&text, "%s=%s %s ", json_string_value(json_object_get(condition, "type")),
                      json_string_value(json_object_get(condition, "status")),
                      json_string_value(json_object_get(condition, "reason")));
    }
    json_decref(object);
    return ds_steal_cstr(&text);
}

#define assert_conditions(C, LINE, TEXT)            \
    do {                                            \
        char *conditions_ = network_ready(C, LINE); \
        assert_string_equal(conditions_, TEXT);     \
        free(conditions_);                          \
    } while (0)

/* A problem shows on the object, also after a restart, until it is gone. */
static void
test_conditions(void **state)
{
    struct controller *c = controller_lead();
    create_shop(c);
    expect(c, "POST " PODS,
           UNSCHEDULED_POD("x", ",\"annotations\":{\"virga.dev/ip\":\"10.128.1.200\"}"), 201);
    expect(c, "POST " PODS,
           UNSCHEDULED_POD("y", ",\"annotations\":{\"virga.dev/ip\":\"10.128.1.200\"}"), 201);
    assert_conditions(c, "GET " PODS "/x", "");
    assert_conditions(c, "GET " PODS "/y", "virga.dev/NetworkReady=False AddressTaken ");
    json_t *status = ask_json(c, "GET /virga/v1/status", 200);
    /* The shop's pods are on a node that nobody has heard of. */
    assert_int_equal(json_array_size(json_object_get(status, "problems")), 3);
    assert_conditions(c, "GET " PODS "/a", "virga.dev/NetworkReady=False NodeNotReady ");
    json_decref(status);
    controller_kill(c);

    c = controller_lead();
    assert_conditions(c, "GET " PODS "/y", "virga.dev/NetworkReady=False AddressTaken ");
    expect(c, "DELETE " PODS "/x", NULL, 200);
    assert_conditions(c, "GET " PODS "/y", "virga.dev/NetworkReady=True Ready ");
}

/* --- Nodes --------------------------------------------------------------------------- */

static void
say_node_at(struct store *agent, bool ready, uint64_t applied, uint64_t stats_applied,
            int64_t heartbeat)
{
    static char name[] = "node-1", fine[] = "", trouble[] = "no switch";
    struct store_node_status status = {
        .name = name,
        .n_addresses = 1,
        .applied = applied,
        .stats_applied = stats_applied,
        .heartbeat_ms = heartbeat,
        .ready = ready,
        .message = ready ? fine : trouble,
    };
    char *error = addr_parse("172.30.0.1", &status.vtep);
    assert_null(error);
    status.addresses = &status.vtep;
    store_set_node_status(agent, &status);
}

static void
say_node(struct store *agent, bool ready, uint64_t applied, uint64_t stats_applied)
{
    say_node_at(agent, ready, applied, stats_applied, time_wall_msec());
}

static bool
node_is(struct controller *c, const char *conditions)
{
    uint64_t id = post_request(c, "GET /api/v1/nodes/node-1", NULL);
    until(has_reply(c, id));
    struct http_reply *reply = pop_reply(c, id);
    int code = reply->code;
    http_reply_destroy(reply);
    if (code != 200) {
        return false;
    }
    char *text = network_ready(c, "GET /api/v1/nodes/node-1");
    bool is = !strcmp(text, conditions);
    free(text);
    return is;
}

static void
test_nodes(void **state)
{
    struct controller *c = controller_lead();
    create_shop(c);
    struct store *agent = lab_open("db", STORE_AGENT);
    say_node(agent, false, 0, 0);
    until(node_is(c, "Ready=False AgentNotReady "));
    say_node(agent, true, 0, 0);
    until(node_is(c, "Ready=True AgentReady "));

    char *records = ask(c, "GET /virga/v1/records", NULL, 200);
    assert_non_null(strstr(records, "node 1 name=node-1 vtep=172.30.0.1 addresses=172.30.0.1\n"));
    assert_non_null(strstr(records, "node=1 "));
    free(records);

    /* Labels are the users'; the agent does not take them away. */
    expect(c, "PATCH /api/v1/nodes/node-1", "{\"metadata\":{\"labels\":{\"rack\":\"1\"}}}", 200);
    say_node(agent, false, 0, 0);
    until(node_is(c, "Ready=False AgentNotReady "));
    json_t *node = ask_json(c, "GET /api/v1/nodes/node-1", 200);
    const json_t *labels = json_object_get(json_object_get(node, "metadata"), "labels");
    assert_string_equal(json_string_value(json_object_get(labels, "rack")), "1");
    json_t *address = json_array_get(json_object_get(json_object_get(node, "status"), "addresses"),
                                     0);
    assert_string_equal(json_string_value(json_object_get(address, "address")), "172.30.0.1");
    json_decref(node);
}

static bool
node_is_unknown(struct controller *c)
{
    char *records = ask(c, "GET /virga/v1/records", NULL, 200);
    bool unknown = !strstr(records, "name=node-1 vtep") && !strstr(records, "node=1 ");
    free(records);
    return unknown;
}

static size_t
count_pods(struct controller *c, const char *with)
{
    char *list = ask(c, "GET " PODS, NULL, 200);
    size_t n = 0;
    for (const char *s = list; (s = strstr(s, with)); s++, n++) {
        continue;
    }
    free(list);
    return n;
}

/* More than are written between two commits. */
static void
test_conditions_of_many(void **state)
{
    struct controller *c = controller_lead();
    create_shop(c);
    for (size_t i = 0; i < 450; i++) {
        char *pod = xasprintf(POD("n%" PRIuSIZE, ""), i);
        expect(c, "POST " PODS, pod, 201);
        free(pod);
    }
    until(count_pods(c, "\"NodeNotReady\"") == 452);
    struct store *agent = lab_open("db", STORE_AGENT);
    say_node(agent, true, 0, 0);
    until((say_node(agent, true, 0, 0), count_pods(c, "\"Ready\"") == 452));
}

/* Who deletes the Node of a silent agent has the node forgotten. */
static void
test_deleted_node(void **state)
{
    struct controller *c = controller_lead();
    create_shop(c);
    struct store *agent = lab_open("db", STORE_AGENT);
    say_node_at(agent, true, 0, 0, time_wall_msec() - 60000);
    until(node_is(c, "Ready=False HeartbeatLost "));
    lab_close(agent);
    expect(c, "DELETE /api/v1/nodes/node-1", NULL, 200);
    controller_kill(c); /* What was answered is so, also for the next. */
    c = controller_lead();
    assert_true(node_is_unknown(c));
    expect(c, "GET /api/v1/nodes/node-1", NULL, 404);

    /* It comes back, as a node with another number. */
    agent = lab_open("db", STORE_AGENT);
    say_node(agent, true, 0, 0);
    until(node_is(c, "Ready=True AgentReady "));
    char *records = ask(c, "GET /virga/v1/records", NULL, 200);
    assert_non_null(strstr(records, "node 2 name=node-1 vtep=172.30.0.1"));
    free(records);

    /* A living one is there again at once. */
    expect(c, "DELETE /api/v1/nodes/node-1", NULL, 200);
    say_node_at(agent, true, 0, 0, time_wall_msec() + 2000);
    until(node_is(c, "Ready=True AgentReady "));
}

static void
test_why(void **state)
{
    struct controller *c = controller_lead();
    create_shop(c);
    json_t *why = ask_json(c, "GET /virga/v1/why?from=shop/b&to=shop/a&port=80%2FTCP", 200);
    assert_string_equal(json_string_value(json_object_get(why, "verdict")), "allowed");
    json_decref(why);
    why = ask_json(c, "GET /virga/v1/why?from=192.0.2.1&to=shop/a&port=80", 200);
    assert_string_equal(json_string_value(json_object_get(why, "verdict")), "denied");
    json_decref(why);
    expect(c, "GET /virga/v1/why?from=shop/none&to=shop/a&port=80", NULL, 400);
    expect(c, "GET /virga/v1/why", NULL, 400);
}

/* "sync" returns when the ready nodes have what was written before it. */
static void
test_sync(void **state)
{
    struct controller *c = controller_lead();
    struct store *agent = lab_open("db", STORE_AGENT);
    say_node(agent, true, 0, 0);
    until(node_is(c, "Ready=True AgentReady "));
    create_shop(c);
    free(ask(c, "GET /virga/v1/sync?timeout=0", NULL, 504));
    char *text = ask(c, "GET /virga/v1/sync?timeout=0", NULL, 504);
    assert_non_null(strstr(text, "node-1"));
    free(text);
    expect(c, "GET /virga/v1/sync?timeout=x", NULL, 400);
    expect(c, "POST /virga/v1/sync", "{}", 405);
    expect(c, "GET /virga/v1/nothing", NULL, 404);

    expect(c, "POST " PODS, POD("c", ""), 201);
    uint64_t sync = post_request(c, "GET /virga/v1/sync", NULL);
    uint64_t generation = store_generation(c->store);
    until(store_generation(agent) >= generation);
    assert_false(has_reply(c, sync));
    say_node(agent, true, generation - 1, 0);
    expect(c, "GET " PODS "/c", NULL, 200);
    assert_false(has_reply(c, sync));
    say_node(agent, true, generation, 0);
    text = finish(c, sync, 200);
    json_t *json = json_loads(text, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(json, "generation")), generation);
    json_decref(json);
    free(text);
}

/* Counters of all nodes, fresh if they answer. */
static void
test_stats(void **state)
{
    struct controller *c = controller_lead();
    create_shop(c);
    struct store *agent = lab_open("db", STORE_AGENT);
    say_node(agent, true, 0, 0);
    until(node_is(c, "Ready=True AgentReady "));

    char *text = ask(c, "GET /virga/v1/stats?fresh=false", NULL, 200);
    assert_non_null(strstr(text, "\"complete\":true"));
    free(text);

    uint64_t id = post_request(c, "GET /virga/v1/stats", NULL);
    until(store_stats_request(agent) > 0);
    assert_false(has_reply(c, id));
    const struct counter rule = {
        .kind = COUNTER_RULE, .a = 2, .hits = 3, .packets = 40, .bytes = 500
    };
    const struct counter drop = { .kind = COUNTER_DROP, .a = 2, .packets = 7, .bytes = 70 };
    const struct counter pair = {
        .kind = COUNTER_PAIR, .a = 1, .b = 256, .c = 0, .d = 2, .packets = 9, .bytes = 90
    };
    store_put_counter(agent, &rule);
    store_put_counter(agent, &drop);
    store_put_counter(agent, &pair);
    say_node(agent, true, 0, store_stats_request(agent));
    text = finish(c, id, 200);
    json_t *json = json_loads(text, 0, NULL);
    const json_t *rule_json = json_array_get(json_object_get(json, "rules"), 1);
    assert_int_equal(json_integer_value(json_object_get(rule_json, "id")), 2);
    assert_int_equal(json_integer_value(json_object_get(rule_json, "hits")), 3);
    assert_int_equal(json_integer_value(json_object_get(rule_json, "packets")), 40);
    assert_string_equal(json_string_value(json_object_get(rule_json, "policy")),
                        "NetworkPolicy/shop/p");
    const json_t *drop_json = json_array_get(json_object_get(json, "drops"), 0);
    assert_string_equal(json_string_value(json_object_get(drop_json, "name")), "spoofed");
    assert_string_equal(json_string_value(json_object_get(drop_json, "node")), "node-1");
    assert_true(json_is_true(json_object_get(json, "complete")));
    json_decref(json);
    free(text);

    json = ask_json(c, "GET /virga/v1/matrix?fresh=0", 200);
    const json_t *pair_json = json_array_get(json_object_get(json, "pairs"), 0);
    assert_string_equal(json_string_value(json_object_get(pair_json, "from")), "world");
    assert_int_equal(json_integer_value(json_object_get(pair_json, "packets")), 9);
    json_decref(json);
}

#define standalone(TEST) cmocka_unit_test_setup_teardown(TEST, lab_setup_standalone, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        standalone(test_everything_survives_a_crash),
        standalone(test_numbers_are_not_used_again),
        standalone(test_replies_wait_for_the_database),
        standalone(test_database_dies_and_comes_back),
        standalone(test_two_controllers),
        standalone(test_conditions),
        standalone(test_conditions_of_many),
        standalone(test_nodes),
        standalone(test_deleted_node),
        standalone(test_why),
        standalone(test_sync),
        standalone(test_stats),
    };
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
