/* virga-cni: the CNI plugin (https://www.cni.dev/docs/spec).
 *
 * Hands the runtime's request to virga-agent on the node and prints its
 * answer.  The agent holds all state and does all work; this program knows
 * only the forms.  The path of the agent's socket is the key "socket" of the
 * network configuration, by default /run/virga/cni.sock.
 *
 * Errors go to standard output as the specification's error object, with exit
 * status 1.  Without an agent: VERSION works; ADD, CHECK and GC fail with
 * code 11 (try again later), STATUS with 50.  DEL succeeds if the network
 * namespace is gone (the kernel took the interfaces with it, and the agent
 * removes the port of a vanished interface when it starts); otherwise it
 * fails with 11 so that the runtime tries again, for nothing but the agent
 * can take the port and its flows away. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_SOCKET "/run/virga/cni.sock"

enum {
    MAX_TEXT = 4 * 1024 * 1024, /* Of a configuration or an answer. */
    TIMEOUT_S = 30,
    GRACE_S = 5, /* The agent's own timeout comes first. */
    CODE_INCOMPATIBLE = 1,
    CODE_ENVIRONMENT = 4,
    CODE_IO = 5,
    CODE_DECODE = 6,
    CODE_TRY_AGAIN = 11,
    CODE_NOT_AVAILABLE = 50,
};

static const char *const versions[] = { "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0" };
enum { N_VERSIONS = sizeof versions / sizeof versions[0] };

static const char *cni_version = "1.0.0"; /* To answer in. */

static void
print_json(const json_t *o)
{
    json_dumpf(o, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
}

static int fail(int code, const char *details, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Prints an error object; returns the exit status. */
static int
fail(int code, const char *details, const char *fmt, ...)
{
    char msg[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(msg, sizeof msg, fmt, args);
    va_end(args);
    json_t *o = json_object();
    json_object_set_new(o, "cniVersion", json_string(cni_version));
    json_object_set_new(o, "code", json_integer(code));
    json_t *text = json_string(msg);
    json_object_set_new(o, "msg", text ? text : json_string("invalid text"));
    if (details && details[0]) {
        json_object_set_new(o, "details", json_string(details));
    }
    print_json(o);
    json_decref(o);
    return 1;
}

static const char *
env(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "";
}

static bool
is_supported(const char *version)
{
    for (int i = 0; i < N_VERSIONS; i++) {
        if (!strcmp(version, versions[i])) {
            return true;
        }
    }
    return false;
}

/* All of 'fd', NUL terminated; NULL with errno (EFBIG: too long). */
static char *
read_all(int fd)
{
    size_t len = 0, size = 65536;
    char *text = malloc(size);
    while (text) {
        ssize_t n = read(fd, text + len, size - len - 1);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            text[len] = '\0';
            if (!n) {
                return text;
            }
            break;
        }
        len += n;
        if (size - len < 4096) {
            if (size >= MAX_TEXT) {
                errno = EFBIG;
                break;
            }
            char *more = realloc(text, size * 2);
            if (!more) {
                break;
            }
            text = more;
            size *= 2;
        }
    }
    free(text);
    return NULL;
}

static int
do_version(const json_t *config)
{
    const char *asked = json_string_value(json_object_get(config, "cniVersion"));
    json_t *o = json_object(), *list = json_array();
    for (int i = 0; i < N_VERSIONS; i++) {
        json_array_append_new(list, json_string(versions[i]));
    }
    json_object_set_new(o, "cniVersion", json_string(asked ? asked : "1.1.0"));
    json_object_set_new(o, "supportedVersions", list);
    print_json(o);
    json_decref(o);
    return 0;
}

/* --- The agent -------------------------------------------------------------- */

static long long
now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static int
connect_agent(const char *path)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof sun.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(sun.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *) &sun, sizeof sun)) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static bool
send_all(int fd, const char *text)
{
    for (size_t left = strlen(text); left;) {
        ssize_t n = send(fd, text, left, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        if (n > 0) {
            text += n;
            left -= n;
        }
    }
    return true;
}

/* Waits until the answer begins. */
static bool
wait_answer(int fd)
{
    long long deadline = now_ms() + (TIMEOUT_S + GRACE_S) * 1000LL;
    for (;;) {
        long long left = deadline - now_ms();
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int n = poll(&p, 1, left > 0 ? (int) left : 0);
        if (n > 0) {
            return true;
        }
        if (!n) {
            errno = ETIMEDOUT;
            return false;
        }
        if (errno != EINTR) {
            return false;
        }
    }
}

static json_t *
make_request(const char *command, json_t *config)
{
    json_t *o = json_object();
    json_object_set_new(o, "command", json_string(command));
    json_object_set_new(o, "containerID", json_string(env("CNI_CONTAINERID")));
    json_object_set_new(o, "netns", json_string(env("CNI_NETNS")));
    json_object_set_new(o, "ifname", json_string(env("CNI_IFNAME")));
    json_object_set_new(o, "args", json_string(env("CNI_ARGS")));
    json_object_set_new(o, "timeout", json_integer(TIMEOUT_S));
    json_object_set(o, "config", config);
    return o;
}

/* The answer, or NULL with errno. */
static json_t *
ask_agent(const char *path, const json_t *request)
{
    int fd = connect_agent(path);
    if (fd < 0) {
        return NULL;
    }
    char *text = json_dumps(request, JSON_COMPACT);
    char *answer = NULL;
    if (text && send_all(fd, text) && send_all(fd, "\n") && wait_answer(fd)) {
        answer = read_all(fd);
    }
    int error = errno;
    free(text);
    close(fd);
    json_t *o = answer ? json_loads(answer, JSON_REJECT_DUPLICATES, NULL) : NULL;
    errno = answer && !o ? ECONNRESET : error;
    free(answer);
    return o;
}

/* --- Commands -------------------------------------------------------------------- */

/* Agent not reachable: 'error' says why. */
static int
fail_without_agent(const char *command, const char *path, int error)
{
    struct stat s;
    const char *netns = env("CNI_NETNS");
    if (!strcmp(command, "DEL") && (!netns[0] || stat(netns, &s))) {
        return 0;
    }
    char details[512];
    snprintf(details, sizeof details, "%s: %s", path, strerror(error));
    return fail(!strcmp(command, "STATUS") ? CODE_NOT_AVAILABLE : CODE_TRY_AGAIN, details,
                "virga-agent does not answer");
}

static int
print_answer(const json_t *answer)
{
    const json_t *error = json_object_get(answer, "error");
    if (json_is_object(error)) {
        print_json(error);
        return 1;
    }
    const json_t *result = json_object_get(answer, "result");
    if (!result) {
        return fail(CODE_IO, NULL, "virga-agent gave an answer without result or error");
    }
    if (json_is_object(result)) {
        print_json(result);
    }
    return 0;
}

static int
forward(const char *command, json_t *config)
{
    const char *path = json_string_value(json_object_get(config, "socket"));
    path = path ? path : DEFAULT_SOCKET;
    json_t *request = make_request(command, config);
    json_t *answer = ask_agent(path, request);
    int status = answer ? print_answer(answer) : fail_without_agent(command, path, errno);
    json_decref(request);
    json_decref(answer);
    return status;
}

/* Does the netns have the identity of our own? */
static bool
is_own_netns(const char *path)
{
    struct stat a, b;
    return !stat(path, &a) && !stat("/proc/self/ns/net", &b) && a.st_dev == b.st_dev
           && a.st_ino == b.st_ino;
}

/* The variables that 'command' needs and that are not set, in one text. */
static bool
check_environment(const char *command, char *missing, size_t size)
{
    bool add = !strcmp(command, "ADD"), check = !strcmp(command, "CHECK");
    bool del = !strcmp(command, "DEL");
    const struct {
        const char *name;
        bool needed;
    } variables[] = {
        { "CNI_CONTAINERID", add || check || del },
        { "CNI_IFNAME", add || check || del },
        { "CNI_NETNS", add || check },
    };
    size_t len = 0;
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
        if (variables[i].needed && !env(variables[i].name)[0]) {
            len += snprintf(missing + len, size - len, "%s%s", len ? ", " : "", variables[i].name);
        }
    }
    return !len;
}

static int
run(const char *command, json_t *config)
{
    static const char *const commands[] = { "ADD", "DEL", "CHECK", "STATUS", "GC" };
    bool known = false;
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        known |= !strcmp(command, commands[i]);
    }
    if (!known) {
        return fail(CODE_ENVIRONMENT, NULL, "CNI_COMMAND is missing or unknown");
    }
    const char *asked = json_string_value(json_object_get(config, "cniVersion"));
    if (!asked || !is_supported(asked)) {
        return fail(CODE_INCOMPATIBLE, "supported: 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0",
                    "cniVersion \"%s\" is not supported", asked ? asked : "");
    }
    cni_version = asked;
    char missing[128];
    if (!check_environment(command, missing, sizeof missing)) {
        return fail(CODE_ENVIRONMENT, missing, "required environment variables are missing");
    }
    if (strcmp(command, "DEL") && env("CNI_NETNS")[0] && is_own_netns(env("CNI_NETNS"))) {
        return fail(CODE_ENVIRONMENT, env("CNI_NETNS"), "CNI_NETNS is the plugin's own");
    }
    return forward(command, config);
}

int
main(int argc, char *argv[])
{
    const char *command = env("CNI_COMMAND");
    if (!command[0]) {
        fprintf(stderr,
                "%s: CNI plugin of Virga " VIRGA_VERSION
                "; a container runtime runs it (https://www.cni.dev)\n",
                argc ? argv[0] : "virga-cni");
        return fail(CODE_ENVIRONMENT, "CNI_COMMAND", "required environment variables are missing");
    }
    char *text = read_all(STDIN_FILENO);
    if (!text) {
        return fail(CODE_IO, strerror(errno), "cannot read the configuration");
    }
    json_error_t where;
    json_t *config = json_loads(text, JSON_REJECT_DUPLICATES, &where);
    free(text);
    int status;
    if (!strcmp(command, "VERSION")) {
        status = do_version(config); /* Also without a configuration. */
    } else if (!json_is_object(config)) {
        status = fail(CODE_DECODE, where.text, "the configuration is not a JSON object");
    } else {
        status = run(command, config);
    }
    json_decref(config);
    return status;
}
