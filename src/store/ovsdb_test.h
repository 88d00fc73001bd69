/* What the tests of the store share: real ovsdb-servers on private sockets,
 * and a loop that runs some stores until something is true. */
#ifndef VIRGA_OVSDB_TEST_H
#define VIRGA_OVSDB_TEST_H 1

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/test.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "random.h"
#include "store/store.h"
#include "timeval.h"
#include "util.h"

enum { DEADLINE_MS = 30000, MAX_SERVERS = 4, MAX_STORES = 8 };

struct server {
    char *name; /* Its socket is DIR/NAME.sock. */
    pid_t pid;  /* 0: not running. */
};

static struct lab {
    char dir[64];
    struct server servers[MAX_SERVERS];
    struct store *stores[MAX_STORES];
} lab;

/* --- Processes -------------------------------------------------------- */

static inline char *
lab_path(const char *name, const char *suffix)
{
    return xasprintf("%s/%s%s", lab.dir, name, suffix);
}

/* Output goes nowhere.  The child dies with the test. */
static inline pid_t
lab_spawn(const char *const argv[])
{
    pid_t pid = fork();

    if (!pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr)) {
            _exit(126);
        }
        setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
        execvp(argv[0], (char *const *) argv);
        _exit(127);
    }
    assert_true(pid > 0);
    return pid;
}

static inline void
lab_command(const char *const argv[])
{
    int status;
    pid_t pid = lab_spawn(argv);

    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status)) {
        fail_msg("%s %s failed", argv[0], argv[1]);
    }
}

static inline bool
lab_can_connect(const char *name)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char *path = lab_path(name, ".sock");

    ovs_strlcpy(sun.sun_path, path, sizeof sun.sun_path);
    bool ok = !connect(fd, (struct sockaddr *) &sun, sizeof sun);
    close(fd);
    free(path);
    return ok;
}

static inline struct server *
lab_server(const char *name)
{
    for (int i = 0; i < MAX_SERVERS; i++) {
        struct server *s = &lab.servers[i];
        if (!s->name || !strcmp(s->name, name)) {
            s->name = s->name ? s->name : xstrdup(name);
            return s;
        }
    }
    fail_msg("too many servers");
    return NULL;
}

/* Starts a server on 'database' ("relay:..." or NULL for DIR/NAME.db). */
static inline void
lab_start_server(const char *name, const char *database)
{
    struct server *s = lab_server(name);
    char *db = database ? xstrdup(database) : lab_path(name, ".db");
    char *remote = xasprintf("--remote=punix:%s/%s.sock", lab.dir, name);
    char *ctl = xasprintf("--unixctl=%s/%s.ctl", lab.dir, name);

    s->pid = lab_spawn((const char *[]){ "ovsdb-server", "-vconsole:off", "-vsyslog:off",
                                         "--no-chdir", remote, ctl, db, NULL });
    long long int deadline = time_msec() + DEADLINE_MS;
    while (!lab_can_connect(name)) {
        assert_int_equal(waitpid(s->pid, NULL, WNOHANG), 0);
        assert_true(time_msec() < deadline);
        poll_timer_wait(5);
        poll_block();
    }
    free(db);
    free(remote);
    free(ctl);
}

static inline void
lab_kill(struct server *s)
{
    if (s->pid) {
        kill(s->pid, SIGKILL);
        waitpid(s->pid, NULL, 0);
        s->pid = 0;
    }
}

static inline void
lab_kill_server(const char *name)
{
    lab_kill(lab_server(name));
}

static inline void
lab_create_database(const char *name)
{
    char *db = lab_path(name, ".db");

    unlink(db);
    lab_command((const char *[]){ "ovsdb-tool", "create", db, "include/virga.ovsschema", NULL });
    free(db);
}

/* Runs operations of RFC 7047 behind the back of all stores.  Single quotes
 * stand for double ones. */
static inline void
lab_transact(const char *name, const char *operations)
{
    char *remote = xasprintf("unix:%s/%s.sock", lab.dir, name);
    char *text = xasprintf("['Virga',%s]", operations);

    for (char *p = text; *p; p++) {
        *p = *p == '\'' ? '"' : *p;
    }
    lab_command((const char *[]){ "ovsdb-client", "transact", remote, text, NULL });
    free(remote);
    free(text);
}

/* --- Stores ----------------------------------------------------------- */

static inline struct store *
lab_open(const char *servers, enum store_role role)
{
    struct ds remote = DS_EMPTY_INITIALIZER;
    char *list = xstrdup(servers), *rest = list;

    for (char *name; (name = strsep(&rest, ",")) != NULL;) {
        ds_put_format(&remote, "%sunix:%s/%s.sock", remote.length ? "," : "", lab.dir, name);
    }
    free(list);
    for (int i = 0; i < MAX_STORES; i++) {
        if (!lab.stores[i]) {
            lab.stores[i] = store_create(ds_cstr(&remote), role);
            ds_destroy(&remote);
            return lab.stores[i];
        }
    }
    fail_msg("too many stores");
    return NULL;
}

static inline void
lab_close(struct store *store)
{
    for (int i = 0; i < MAX_STORES; i++) {
        if (lab.stores[i] == store) {
            lab.stores[i] = NULL;
        }
    }
    store_destroy(store);
}

static inline void
lab_run(void)
{
    for (int i = 0; i < MAX_STORES; i++) {
        if (lab.stores[i]) {
            store_run(lab.stores[i]);
        }
    }
}

static inline void
lab_wait(long long int deadline)
{
    for (int i = 0; i < MAX_STORES; i++) {
        if (lab.stores[i]) {
            store_wait(lab.stores[i]);
        }
    }
    poll_timer_wait_until(deadline);
    poll_block();
}

/* Runs all stores until CONDITION. */
#define lab_until(CONDITION)                                               \
    for (long long int deadline_ = time_msec() + DEADLINE_MS;;) {          \
        lab_run();                                                         \
        if (CONDITION) {                                                   \
            break;                                                         \
        }                                                                  \
        if (time_msec() >= deadline_) {                                    \
            fail_msg("line %d: never happened: %s", __LINE__, #CONDITION); \
        }                                                                  \
        lab_wait(deadline_);                                               \
    }

static inline void
lab_commit(struct store *store)
{
    uint64_t ticket = store_ticket(store);
    unsigned int lost = store_lost(store);

    lab_until(store_committed(store) >= ticket || store_lost(store) != lost);
    assert_int_equal(store_lost(store), lost);
}

/* Another controller leads now. */
static inline void
lab_new_term(struct store **controller)
{
    lab_close(*controller);
    *controller = lab_open("db", STORE_CONTROLLER);
    lab_until(store_is_leader(*controller));
}

/* --- Setup ------------------------------------------------------------ */

static inline int
lab_setup(void **state)
{
    memset(&lab, 0, sizeof lab);
    signal(SIGPIPE, SIG_IGN); /* A server that is killed may be written to. */
    ovs_strlcpy(lab.dir, "/tmp/virga-store-XXXXXX", sizeof lab.dir);
    return mkdtemp(lab.dir) ? 0 : -1;
}

static inline int
lab_setup_standalone(void **state)
{
    if (lab_setup(state)) {
        return -1;
    }
    lab_create_database("db");
    lab_start_server("db", NULL);
    return 0;
}

static inline int
lab_remove_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static inline int
lab_teardown(void **state)
{
    for (int i = 0; i < MAX_STORES; i++) {
        store_destroy(lab.stores[i]);
    }
    for (int i = 0; i < MAX_SERVERS; i++) {
        lab_kill(&lab.servers[i]);
        free(lab.servers[i].name);
    }
    return nftw(lab.dir, lab_remove_file, 8, FTW_DEPTH | FTW_PHYS);
}

/* --- Data ------------------------------------------------------------- */

static inline char *
records_text(const struct records *rs)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    records_format_all(rs, &ds);
    return ds_steal_cstr(&ds);
}

static inline bool
records_same(const struct records *a, const struct records *b)
{
    char *s = records_text(a), *t = records_text(b);
    bool same = !strcmp(s, t);

    free(s);
    free(t);
    return same;
}

static inline void
assert_records_same(const struct records *a, const struct records *b)
{
    char *s_text = records_text(a), *t_text = records_text(b);
    char *s_rest = s_text, *t_rest = t_text, *s, *t;

    do {
        s = strsep(&s_rest, "\n");
        t = strsep(&t_rest, "\n");
        if (!s || !t ? s != t : strcmp(s, t)) {
            fail_msg("\"%s\" is not \"%s\"", s ? s : "(end)", t ? t : "(end)");
        }
    } while (s && t);
    free(s_text);
    free(t_text);
}

static inline void
lab_put(struct store *store, struct records *rs, const char *text)
{
    char *error = records_parse(text, rs);

    assert_null(error);
    store_put_records(store, rs);
    lab_commit(store);
}

static inline uint64_t
lab_read(struct store *store, struct records *rs)
{
    uint64_t generation = 0;

    store_read_records(store, rs, &generation);
    return generation;
}

#endif
