/* See token.h. */
#include "api/token.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"

enum { TOKEN_BYTES = 32, TOKEN_MAX = 4096 };

static int
random_hex(char hex[2 * TOKEN_BYTES + 1])
{
    unsigned char bytes[TOKEN_BYTES];
    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) {
        return errno ? errno : EIO;
    }
    for (size_t i = 0; i < sizeof bytes; i++) {
        hex[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
        hex[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
    }
    hex[2 * TOKEN_BYTES] = '\0';
    return 0;
}

static int
write_all(int fd, const char *p, size_t n)
{
    while (n) {
        ssize_t written = write(fd, p, n);
        if (written < 0) {
            if (errno == EINTR) {
                continue;
            }
            return errno;
        }
        p += written;
        n -= written;
    }
    return 0;
}

/* Writes aside and links, so that a reader sees the whole token or none, and
 * of two writers one wins. */
static int
token_make(const char *file)
{
    char hex[2 * TOKEN_BYTES + 1];
    int error = random_hex(hex);
    if (error) {
        return error;
    }
    char *aside = xasprintf("%s.%ld", file, (long) getpid());
    int fd = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        error = errno;
    } else {
        error = write_all(fd, hex, strlen(hex));
        error = error ? error : write_all(fd, "\n", 1);
        if (fsync(fd) && !error) {
            error = errno;
        }
        close(fd);
        if (!error && link(aside, file) && errno != EEXIST) {
            error = errno;
        }
        unlink(aside);
    }
    free(aside);
    return error;
}

static int
token_read(int fd, char **token)
{
    struct stat st;
    if (fstat(fd, &st)) {
        return errno;
    }
    if (!S_ISREG(st.st_mode) || st.st_mode & (S_IRWXG | S_IRWXO)) {
        return EPERM;
    }
    char text[TOKEN_MAX + 1];
    ssize_t n = read(fd, text, TOKEN_MAX);
    if (n < 0) {
        return errno;
    }
    while (n > 0 && isspace((unsigned char) text[n - 1])) {
        n--;
    }
    if (!n || memchr(text, '\0', n)) {
        return EINVAL;
    }
    text[n] = '\0';
    *token = xstrdup(text);
    return 0;
}

int
token_load(const char *file, char **token)
{
    *token = NULL;
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) {
        int error = token_make(file);
        if (error) {
            return error;
        }
        fd = open(file, O_RDONLY | O_CLOEXEC);
    }
    if (fd < 0) {
        return errno;
    }
    int error = token_read(fd, token);
    close(fd);
    return error;
}

bool
token_check(const char *token, const char *authorization)
{
    static const char scheme[] = "Bearer ";
    if (!authorization || strncasecmp(authorization, scheme, strlen(scheme))) {
        return false;
    }
    const char *given = authorization + strlen(scheme);
    given += strspn(given, " ");

    size_t n_given = strlen(given);
    size_t n = strlen(token);
    volatile unsigned char difference = n_given != n;
    for (size_t i = 0; i < n_given; i++) {
        difference |= (unsigned char) given[i] ^ (unsigned char) token[i % n];
    }
    return !difference;
}
