/* See http_listen.h. */
#include "api/http_listen.h"

#include <errno.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "util.h"

/* An old socket that nobody listens on is removed. */
static char *
remove_stale_socket(const char *path, const struct sockaddr_un *sun)
{
    struct stat st;
    if (lstat(path, &st) || !S_ISSOCK(st.st_mode)) {
        return NULL;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int error = connect(fd, (const struct sockaddr *) sun, sizeof *sun) ? errno : 0;
    close(fd);
    if (!error) {
        return xasprintf("%s: another server listens here", path);
    }
    unlink(path);
    return NULL;
}

char *
http_listen_unix(const char *path, int *fdp)
{
    struct sockaddr_un sun = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof sun.sun_path) {
        return xasprintf("%s: the path of a socket has at most %" PRIuSIZE " bytes", path,
                         sizeof sun.sun_path - 1);
    }
    ovs_strlcpy(sun.sun_path, path, sizeof sun.sun_path);
    char *error = remove_stale_socket(path, &sun);
    if (error) {
        return error;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t old_mask = umask(0177);
    int status = bind(fd, (struct sockaddr *) &sun, sizeof sun);
    int bind_errno = errno;
    umask(old_mask);
    if (status) {
        close(fd);
        return xasprintf("%s: %s", path, ovs_strerror(bind_errno));
    }
    *fdp = fd;
    return NULL;
}

static bool
is_loopback(const struct sockaddr_storage *ss)
{
    if (ss->ss_family == AF_INET) {
        const struct sockaddr_in *sin = (const struct sockaddr_in *) ss;
        return ntohl(sin->sin_addr.s_addr) >> 24 == 127;
    }
    const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *) ss;
    return ss->ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&sin6->sin6_addr);
}

char *
http_listen_url(int fd)
{
    struct sockaddr_storage ss;
    socklen_t length = sizeof ss;
    char host[INET6_ADDRSTRLEN] = "";
    if (getsockname(fd, (struct sockaddr *) &ss, &length)) {
        return xstrdup("");
    }
    if (ss.ss_family == AF_INET) {
        struct sockaddr_in *sin = (struct sockaddr_in *) &ss;
        evutil_inet_ntop(AF_INET, &sin->sin_addr, host, sizeof host);
        return xasprintf("http://%s:%d", host, ntohs(sin->sin_port));
    }
    struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *) &ss;
    evutil_inet_ntop(AF_INET6, &sin6->sin6_addr, host, sizeof host);
    return xasprintf("http://[%s]:%d", host, ntohs(sin6->sin6_port));
}

/* libevent's parser does not take port 0. */
static bool
parse_address(const char *s, struct sockaddr_storage *ss, int *length)
{
    const char *colon = strrchr(s, ':');
    int port;
    if (!colon || !str_to_int(colon + 1, 10, &port) || port < 0 || port > UINT16_MAX) {
        return false;
    }
    char *with_port = xasprintf("%.*s:1", (int) (colon - s), s);
    bool ok = !evutil_parse_sockaddr_port(with_port, (struct sockaddr *) ss, length);
    free(with_port);
    if (ok && ss->ss_family == AF_INET) {
        ((struct sockaddr_in *) ss)->sin_port = htons(port);
    } else if (ok) {
        ((struct sockaddr_in6 *) ss)->sin6_port = htons(port);
    }
    return ok;
}

char *
http_listen_tcp(const char *address, int *fdp)
{
    struct sockaddr_storage ss = { .ss_family = AF_UNSPEC };
    int length = sizeof ss;
    if (!parse_address(address, &ss, &length)) {
        return xasprintf("%s: not an address with a port, such as 127.0.0.1:8001", address);
    }
    if (!is_loopback(&ss)) {
        return xasprintf("%s: not a loopback address; the API has no TLS, put a proxy before it",
                         address);
    }
    int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int one = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *) &ss, length)) {
        char *error = xasprintf("%s: %s", address, ovs_strerror(errno));
        close(fd);
        return error;
    }
    *fdp = fd;
    return NULL;
}
