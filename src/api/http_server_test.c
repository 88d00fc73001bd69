/* The transport with real sockets: who gets in, what passes through, what is
 * capped.  The test plays the client and the engine. */
#include "api/http_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "api/http_message.h"
#include "api/token.h"
#include "base/test.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

enum { PATIENCE_MS = 10000 };
#define TOKEN "0123456789abcdef"

struct fixture {
    char dir[64];
    char *socket_path;
    struct mailbox *requests;
    struct http_server *server;
};

static struct fixture *
fixture_create(const struct http_server_config *caps)
{
    struct fixture *f = xzalloc(sizeof *f);
    ovs_strlcpy(f->dir, "/tmp/virga-http-test-XXXXXX", sizeof f->dir);
    assert_non_null(mkdtemp(f->dir));
    f->socket_path = xasprintf("%s/api.sock", f->dir);
    f->requests = mailbox_create();

    struct http_server_config config = *caps;
    config.unix_path = f->socket_path;
    config.tcp = "127.0.0.1:0";
    config.token = TOKEN;
    char *error = http_server_create(&config, f->requests, &f->server);
    if (error) {
        fail_msg("%s", error);
    }
    return f;
}

static void
fixture_destroy(struct fixture *f)
{
    http_server_destroy(f->server);
    for (struct mail *mail; (mail = mailbox_take(f->requests));) {
        http_request_destroy(CONTAINER_OF(mail, struct http_request, mail));
    }
    mailbox_destroy(f->requests);
    assert_int_equal(access(f->socket_path, F_OK), -1); /* It cleans up. */
    rmdir(f->dir);
    free(f->socket_path);
    free(f);
}

static int
dial_unix(const struct fixture *f)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    ovs_strlcpy(sun.sun_path, f->socket_path, sizeof sun.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *) &sun, sizeof sun), 0);
    return fd;
}

static int
dial_tcp(const struct fixture *f)
{
    int port;
    assert_int_equal(sscanf(http_server_url(f->server), "http://127.0.0.1:%d", &port), 1);
    struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *) &sin, sizeof sin), 0);
    return fd;
}

static void
say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void
wait_readable(int fd)
{
    struct pollfd pfd = { .fd = fd, .events = POLLIN };
    assert_int_equal(poll(&pfd, 1, PATIENCE_MS), 1);
}

/* Reads until 'until' shows up, or the end if NULL. */
static char *
hear(int fd, const char *until)
{
    struct ds ds = DS_EMPTY_INITIALIZER;
    for (;;) {
        char buffer[65536];
        if (until && strstr(ds_cstr(&ds), until)) {
            break;
        }
        wait_readable(fd);
        ssize_t n = recv(fd, buffer, sizeof buffer, 0);
        if (n <= 0) {
            assert_null(until);
            break;
        }
        ds_put_buffer(&ds, buffer, n);
    }
    return ds_steal_cstr(&ds);
}

static struct http_request *
next_request(struct fixture *f)
{
    wait_readable(mailbox_fd(f->requests));
    struct mail *mail = mailbox_take(f->requests);
    assert_non_null(mail);
    return CONTAINER_OF(mail, struct http_request, mail);
}

static void
reply(struct fixture *f, uint64_t id, enum http_part part, const char *body)
{
    http_server_reply(f->server,
                      http_reply_create(id, part, 200, "application/json",
                                        body ? xstrdup(body) : NULL, body ? strlen(body) : 0));
}

#define assert_has(TEXT, PART)                            \
    do {                                                  \
        if (!strstr(TEXT, PART)) {                        \
            fail_msg("\"%s\" is not in: %s", PART, TEXT); \
        }                                                 \
    } while (0)

static void
test_request_passes_through(void **state OVS_UNUSED)
{
    struct http_server_config caps = { 0 };
    struct fixture *f = fixture_create(&caps);
    int fd = dial_unix(f);
    static const char post[] = "POST /api/v1/pods?dryRun=All&x=%20 HTTP/1.1\r\nHost: x\r\n"
                               "Content-Type: application/json\r\nAccept: */*\r\n"
                               "Content-Length: 4\r\n\r\na\n\x01z";

    /* Twice: the connection is kept. */
    for (int i = 0; i < 2; i++) {
        say(fd, post);
        struct http_request *r = next_request(f);
        assert_int_equal(r->method, HTTP_POST);
        assert_string_equal(r->path, "/api/v1/pods");
        assert_string_equal(r->query, "dryRun=All&x=%20");
        assert_string_equal(r->content_type, "application/json");
        assert_string_equal(r->accept, "*/*");
        assert_int_equal(r->body_length, 4);
        assert_memory_equal(r->body, "a\n\x01z", 4);

        reply(f, r->id, HTTP_WHOLE, "{\"ok\":1}");
        char *answer = hear(fd, "{\"ok\":1}");
        assert_has(answer, "HTTP/1.1 200 OK\r\n");
        assert_has(answer, "Content-Type: application/json\r\n");
        assert_has(answer, "Content-Length: 8\r\n");
        free(answer);
        http_request_destroy(r);
    }
    close(fd);
    fixture_destroy(f);
}

static void
test_token(void **state OVS_UNUSED)
{
    static const struct {
        const char *header;
        bool passes;
    } cases[] = {
        { "", false },
        { "Authorization: Bearer \r\n", false },
        { "Authorization: Bearer 0123456789abcdeF\r\n", false },
        { "Authorization: Bearer 0123456789abcde\r\n", false },
        { "Authorization: Bearer 0123456789abcdef0\r\n", false },
        { "Authorization: Bearer 0123456789abcdef0123456789abcdef\r\n", false },
        { "Authorization: Basic 0123456789abcdef\r\n", false },
        { "Authorization: Bearer " TOKEN "\r\n", true },
        { "authorization: bearer " TOKEN "\r\n", true },
    };
    struct http_server_config caps = { 0 };
    struct fixture *f = fixture_create(&caps);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int fd = dial_tcp(f);
        char *get = xasprintf("GET /api HTTP/1.1\r\nHost: x\r\n%s\r\n", cases[i].header);
        say(fd, get);
        if (cases[i].passes) {
            struct http_request *r = next_request(f);
            reply(f, r->id, HTTP_WHOLE, "yes");
            free(hear(fd, "yes"));
            http_request_destroy(r);
        } else {
            char *answer = hear(fd, "\"code\":401}");
            assert_has(answer, "HTTP/1.1 401 Unauthorized");
            assert_has(answer, "\"reason\":\"Unauthorized\"");
            free(answer);
            assert_int_equal(mailbox_depth(f->requests), 0);
        }
        free(get);
        close(fd);
    }
    fixture_destroy(f);
}

static void
test_open_paths_need_no_token(void **state OVS_UNUSED)
{
    static const char *const paths[] = { "/healthz", "/livez", "/readyz", "/version" };
    struct http_server_config caps = { 0 };
    struct fixture *f = fixture_create(&caps);
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        int fd = dial_tcp(f);
        char *get = xasprintf("GET %s HTTP/1.1\r\nHost: x\r\n\r\n", paths[i]);
        say(fd, get);
        struct http_request *r = next_request(f);
        assert_string_equal(r->path, paths[i]);
        reply(f, r->id, HTTP_WHOLE, "ok");
        free(hear(fd, "ok"));
        http_request_destroy(r);
        free(get);
        close(fd);
    }
    int fd = dial_tcp(f);
    say(fd, "GET /healthz/../api HTTP/1.1\r\nHost: x\r\n\r\n");
    free(hear(fd, "\"code\":401}"));
    close(fd);
    fixture_destroy(f);
}

static void
test_socket_modes(void **state OVS_UNUSED)
{
    struct http_server_config caps = { 0 };
    struct fixture *f = fixture_create(&caps);
    struct stat st;
    assert_int_equal(stat(f->socket_path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);

    /* A second server does not take the socket away from a living one. */
    struct http_server_config config = { .unix_path = f->socket_path };
    struct http_server *second;
    char *error = http_server_create(&config, f->requests, &second);
    assert_non_null(error);
    assert_null(second);
    free(error);

    config = (struct http_server_config){ .tcp = "192.0.2.1:80", .token = TOKEN };
    error = http_server_create(&config, f->requests, &second);
    assert_has(error, "loopback");
    free(error);
    fixture_destroy(f);
}

static void
test_stale_socket_is_replaced(void **state OVS_UNUSED)
{
    char dir[] = "/tmp/virga-http-test-XXXXXX";
    assert_non_null(mkdtemp(dir));
    char *path = xasprintf("%s/api.sock", dir);
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    ovs_strlcpy(sun.sun_path, path, sizeof sun.sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *) &sun, sizeof sun), 0);
    close(fd); /* As after a crash: the name stays. */

    struct mailbox *requests = mailbox_create();
    struct http_server_config config = { .unix_path = path };
    struct http_server *server;
    assert_null(http_server_create(&config, requests, &server));
    http_server_destroy(server);
    mailbox_destroy(requests);
    free(path);
    rmdir(dir);
}

/* A watch: chunks as they come, then a clean end. */
static void
test_stream(void **state OVS_UNUSED)
{
    struct http_server_config caps = { 0 };
    struct fixture *f = fixture_create(&caps);
    int fd = dial_unix(f);
    say(fd, "GET /api/v1/pods?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n");
    struct http_request *r = next_request(f);

    reply(f, r->id, HTTP_START, NULL);
    char *answer = hear(fd, "\r\n\r\n");
    assert_has(answer, "Transfer-Encoding: chunked\r\n");
    free(answer);
    reply(f, r->id, HTTP_CHUNK, "{\"type\":1}\n");
    answer = hear(fd, "{\"type\":1}\n\r\n");
    assert_string_equal(answer, "b\r\n{\"type\":1}\n\r\n");
    free(answer);
    reply(f, r->id, HTTP_CHUNK, "{\"type\":2}\n");
    reply(f, r->id, HTTP_END, NULL);
    answer = hear(fd, NULL);
    assert_string_equal(answer, "b\r\n{\"type\":2}\n\r\n0\r\n\r\n");
    free(answer);
    http_request_destroy(r);
    close(fd);
    fixture_destroy(f);
}

static void
assert_closed(struct fixture *f, uint64_t id)
{
    struct http_request *r = next_request(f);
    assert_true(r->closed);
    assert_int_equal(r->id, id);
    http_request_destroy(r);
}

/* The engine hears that a watcher has gone, also of one that babbles. */
static void
test_watcher_goes_away(void **state OVS_UNUSED)
{
    struct http_server_config caps = { 0 };
    struct fixture *f = fixture_create(&caps);
    for (int i = 0; i < 2; i++) {
        int fd = dial_unix(f);
        say(fd, "GET /w HTTP/1.1\r\nHost: x\r\n\r\n");
        struct http_request *r = next_request(f);
        reply(f, r->id, HTTP_START, NULL);
        free(hear(fd, "\r\n\r\n"));
        if (i) {
            say(fd, "GET /again HTTP/1.1\r\n\r\n");
        }
        close(fd);
        assert_closed(f, r->id);
        /* Late replies go nowhere. */
        reply(f, r->id, HTTP_CHUNK, "x");
        reply(f, r->id, HTTP_END, NULL);
        http_request_destroy(r);
    }
    fixture_destroy(f);
}

static void
test_slow_watcher_is_closed(void **state OVS_UNUSED)
{
    struct http_server_config caps = { .max_buffered = 100000 };
    struct fixture *f = fixture_create(&caps);
    int fd = dial_unix(f);
    say(fd, "GET /w HTTP/1.1\r\nHost: x\r\n\r\n");
    struct http_request *r = next_request(f);
    reply(f, r->id, HTTP_START, NULL);
    /* More than the socket's buffers and the cap hold together. */
    for (int i = 0; i < 1000; i++) {
        char *chunk = xmalloc(10000);
        memset(chunk, 'x', 10000);
        http_server_reply(f->server, http_reply_create(r->id, HTTP_CHUNK, 0, NULL, chunk, 10000));
    }
    assert_closed(f, r->id);
    http_request_destroy(r);
    close(fd);
    fixture_destroy(f);
}

/* None of them reaches its own cap; together they do not stay below theirs. */
static void
test_slow_watchers_share_a_cap(void **state OVS_UNUSED)
{
    enum { N = 4, CHUNKS = 200 };
    struct http_server_config caps = { .max_buffered_all = 1000000 };
    struct fixture *f = fixture_create(&caps);
    uint64_t ids[N];
    int fds[N];
    for (int i = 0; i < N; i++) {
        fds[i] = dial_unix(f);
        say(fds[i], "GET /w HTTP/1.1\r\nHost: x\r\n\r\n");
        struct http_request *r = next_request(f);
        ids[i] = r->id;
        reply(f, r->id, HTTP_START, NULL);
        http_request_destroy(r);
    }
    for (int k = 0; k < CHUNKS; k++) {
        for (int i = 0; i < N; i++) {
            char *chunk = xmalloc(10000);
            memset(chunk, 'x', 10000);
            http_server_reply(f->server,
                              http_reply_create(ids[i], HTTP_CHUNK, 0, NULL, chunk, 10000));
        }
    }
    struct http_request *closed = next_request(f); /* 8 MB were pushed: one had to go. */
    assert_true(closed->closed);
    http_request_destroy(closed);
    for (int i = 0; i < N; i++) {
        close(fds[i]);
    }
    fixture_destroy(f);
}

static void
test_body_cap(void **state OVS_UNUSED)
{
    struct http_server_config caps = { .max_body = 1000 };
    struct fixture *f = fixture_create(&caps);
    char body[1002];
    memset(body, 'x', 1001);
    body[1001] = '\0';

    int fd = dial_unix(f);
    say(fd, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n");
    say(fd, body);
    char *answer = hear(fd, "\r\n\r\n");
    assert_has(answer, "HTTP/1.1 413 ");
    free(answer);
    close(fd);

    fd = dial_unix(f);
    /* The size of the chunk is enough to know. */
    say(fd, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n");
    answer = hear(fd, "\r\n\r\n");
    assert_has(answer, "HTTP/1.1 413 ");
    free(answer);
    close(fd);
    assert_int_equal(mailbox_depth(f->requests), 0);

    fd = dial_unix(f);
    say(fd, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n");
    say(fd, body + 1);
    struct http_request *r = next_request(f);
    assert_int_equal(r->body_length, 1000);
    http_request_destroy(r);
    close(fd);
    fixture_destroy(f);
}

static void
test_connection_cap(void **state OVS_UNUSED)
{
    struct http_server_config caps = { .max_connections = 3 };
    struct fixture *f = fixture_create(&caps);
    int fds[3];
    uint64_t ids[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = dial_tcp(f);
        say(fds[i], "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
        struct http_request *r = next_request(f);
        ids[i] = r->id;
        reply(f, r->id, HTTP_START, NULL);
        http_request_destroy(r);
    }
    int extra = dial_tcp(f);
    char *answer = hear(extra, NULL);
    assert_string_equal(answer, ""); /* Closed without a word. */
    free(answer);
    close(extra);

    /* The other listener has its own cap. */
    int other = dial_unix(f);
    say(other, "GET /api HTTP/1.1\r\nHost: x\r\n\r\n");
    struct http_request *r = next_request(f);
    reply(f, r->id, HTTP_WHOLE, "yes");
    free(hear(other, "yes"));
    http_request_destroy(r);
    close(other);

    /* One that leaves makes room. */
    close(fds[0]);
    assert_closed(f, ids[0]);
    extra = dial_tcp(f);
    say(extra, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    r = next_request(f);
    assert_string_equal(r->path, "/healthz");
    http_request_destroy(r);
    close(extra);
    close(fds[1]);
    close(fds[2]);
    fixture_destroy(f);
}

/* Reads to the end while the engine answers whatever gets through with 400. */
static void
drain(struct fixture *f, int fd)
{
    for (;;) {
        struct pollfd pfds[] = { { .fd = fd, .events = POLLIN },
                                 { .fd = mailbox_fd(f->requests), .events = POLLIN } };
        char buffer[4096];
        assert_true(poll(pfds, 2, PATIENCE_MS) > 0);
        if (pfds[1].revents) {
            struct http_request *r = next_request(f);
            http_server_reply(f->server, http_reply_text(r->id, 400, "no"));
            http_request_destroy(r);
        }
        if (pfds[0].revents && recv(fd, buffer, sizeof buffer, 0) <= 0) {
            break;
        }
    }
}

/* Garbage gets an error or is cut off, and the server lives on. */
static void
test_garbage(void **state OVS_UNUSED)
{
    static const char *const texts[] = {
        "\r\n\r\n",
        "FOO / HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/1.1\r\nbad header\r\n\r\n",
        "POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "GET http:// HTTP/1.1\r\n\r\n",
        "GET /a HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\nGET",
    };
    struct http_server_config caps = { .idle_timeout = 1 };
    struct fixture *f = fixture_create(&caps);
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        int fd = dial_unix(f);
        say(fd, texts[i]);
        shutdown(fd, SHUT_WR);
        drain(f, fd);
        close(fd);
    }
    int fd = dial_unix(f);
    say(fd, "GET /alive HTTP/1.1\r\nHost: x\r\n\r\n");
    struct http_request *r;
    while ((r = next_request(f))->closed) {
        http_request_destroy(r);
    }
    assert_string_equal(r->path, "/alive");
    http_request_destroy(r);
    close(fd);
    fixture_destroy(f);
}

static void
test_headers_of_replies(void **state OVS_UNUSED)
{
    struct http_server_config caps = { 0 };
    struct fixture *f = fixture_create(&caps);
    int fd = dial_unix(f);
    say(fd, "OPTIONS /api HTTP/1.1\r\nHost: x\r\n\r\n");
    struct http_request *r = next_request(f);
    assert_int_equal(r->method, HTTP_OTHER);
    struct http_reply *answer = http_reply_text(r->id, 503, "later");
    answer->retry_after = 7;
    http_server_reply(f->server, answer);
    char *text = hear(fd, "later");
    assert_has(text, "HTTP/1.1 503 ");
    assert_has(text, "Retry-After: 7\r\n");
    free(text);
    http_request_destroy(r);
    close(fd);
    fixture_destroy(f);
}

static void
test_token_file(void **state OVS_UNUSED)
{
    char dir[] = "/tmp/virga-http-test-XXXXXX";
    assert_non_null(mkdtemp(dir));
    char *file = xasprintf("%s/token", dir);
    char *token, *again;
    struct stat st;

    assert_int_equal(token_load(file, &token), 0);
    assert_int_equal(strlen(token), 64);
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(token_load(file, &again), 0);
    assert_string_equal(token, again);
    free(again);

    chmod(file, 0644);
    assert_int_equal(token_load(file, &again), EPERM);
    assert_null(again);
    chmod(file, 0600);
    assert_int_equal(truncate(file, 0), 0);
    assert_int_equal(token_load(file, &again), EINVAL);
    unlink(file);
    rmdir(dir);
    assert_int_equal(token_load(file, &again), ENOENT);
    free(token);
    free(file);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_passes_through),
        cmocka_unit_test(test_token),
        cmocka_unit_test(test_open_paths_need_no_token),
        cmocka_unit_test(test_socket_modes),
        cmocka_unit_test(test_stale_socket_is_replaced),
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_watcher_goes_away),
        cmocka_unit_test(test_slow_watcher_is_closed),
        cmocka_unit_test(test_slow_watchers_share_a_cap),
        cmocka_unit_test(test_body_cap),
        cmocka_unit_test(test_connection_cap),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_headers_of_replies),
        cmocka_unit_test(test_token_file),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
