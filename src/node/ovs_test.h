/* What tests on a real Open vSwitch share: a private ovsdb-server and
 * ovs-vswitchd with dummy datapath and devices, in a directory of their own,
 * beside whatever Open vSwitch the machine runs. */
#ifndef VIRGA_OVS_TEST_H
#define VIRGA_OVS_TEST_H 1

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
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
#include "timeval.h"
#include "util.h"

enum { OVS_TEST_DEADLINE_MS = 30000 };

static struct ovs_test {
    char dir[64];
    pid_t ovsdb, vswitchd;
} ovs;

static inline pid_t
ovs_test_spawn(const char *const argv[])
{
    pid_t pid = fork();
    if (!pid) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr)) {
            _exit(126);
        }
        setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
        setenv("OVS_RUNDIR", ovs.dir, 1);
        setenv("OVS_DBDIR", ovs.dir, 1);
        setenv("OVS_LOGDIR", ovs.dir, 1);
        execvp(argv[0], (char *const *) argv);
        _exit(127);
    }
    assert_true(pid > 0);
    return pid;
}

/* Runs a shell command in the switch's environment and returns what it
 * prints; the caller frees.  It must succeed. */
static inline char *
ovs_test_sh(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *command = xvasprintf(format, args);
    va_end(args);
    char *full = xasprintf("export PATH=/usr/sbin:/usr/bin:/sbin:/bin OVS_RUNDIR=%s; "
                           "db=unix:%s/db.sock; %s",
                           ovs.dir, ovs.dir, command);
    struct ds output = DS_EMPTY_INITIALIZER;
    FILE *f = popen(full, "re");
    assert_non_null(f);
    char chunk[4096];
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, f)) > 0;) {
        ds_put_buffer(&output, chunk, n);
    }
    int status = pclose(f);
    if (status) {
        fail_msg("%s: status %d: %s", command, status, ds_cstr(&output));
    }
    free(full);
    free(command);
    return ds_steal_cstr(&output);
}

static inline bool
ovs_test_can_connect(const char *name)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    snprintf(sun.sun_path, sizeof sun.sun_path, "%s/%s", ovs.dir, name);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = !connect(fd, (struct sockaddr *) &sun, sizeof sun);
    close(fd);
    return ok;
}

static inline void
ovs_test_await_socket(const char *name, pid_t pid)
{
    long long int deadline = time_msec() + OVS_TEST_DEADLINE_MS;
    while (!ovs_test_can_connect(name)) {
        assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
        assert_true(time_msec() < deadline);
        poll_timer_wait(5);
        poll_block();
    }
}

static inline void
ovs_test_stop(pid_t *pid)
{
    if (*pid) {
        kill(*pid, SIGKILL);
        waitpid(*pid, NULL, 0);
        *pid = 0;
    }
}

static inline void
ovs_test_start_ovsdb(void)
{
    char *file = xasprintf("%s/conf.db", ovs.dir);
    char *remote = xasprintf("--remote=punix:%s/db.sock", ovs.dir);
    ovs.ovsdb = ovs_test_spawn((const char *[]){ "ovsdb-server", "-vsyslog:off", "--no-chdir",
                                                 "--unixctl=ovsdb.ctl", remote, file, NULL });
    ovs_test_await_socket("db.sock", ovs.ovsdb);
    free(file);
    free(remote);
}

static inline void
ovs_test_start_vswitchd(void)
{
    char *db = xasprintf("unix:%s/db.sock", ovs.dir);
    ovs.vswitchd = ovs_test_spawn(
        (const char *[]){ "ovs-vswitchd", "-vsyslog:off", "--no-chdir", "--unixctl=vswitchd.ctl",
                          "--enable-dummy=override", "--disable-system", db, NULL });
    ovs_test_await_socket("vswitchd.ctl", ovs.vswitchd);
    free(db);
}

static inline int
ovs_test_setup(void **state)
{
    signal(SIGPIPE, SIG_IGN);
    memset(&ovs, 0, sizeof ovs);
    ovs_strlcpy(ovs.dir, "/tmp/virga-ovs-XXXXXX", sizeof ovs.dir);
    if (!mkdtemp(ovs.dir)) {
        return -1;
    }
    free(ovs_test_sh("ovsdb-tool create %s/conf.db "
                     "/usr/share/openvswitch/vswitch.ovsschema",
                     ovs.dir));
    ovs_test_start_ovsdb();
    free(ovs_test_sh("ovs-vsctl --db=$db --no-wait init"));
    ovs_test_start_vswitchd();
    return 0;
}

static inline int
ovs_test_remove_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

static inline int
ovs_test_teardown(void **state)
{
    ovs_test_stop(&ovs.vswitchd);
    ovs_test_stop(&ovs.ovsdb);
    return nftw(ovs.dir, ovs_test_remove_file, 8, FTW_DEPTH | FTW_PHYS);
}

#endif
