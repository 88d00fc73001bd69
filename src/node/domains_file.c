#include "node/domains_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/prefix.h"
#include "node/dns_message.h"
#include "node/domains.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(domains_file);

struct writer {
    struct ds text;
    long long int to_wall; /* To be added. */
};

static void
write_entry(void *w_, const char *pattern, const struct in6_addr *addr, long long int until)
{
    struct writer *w = w_;
    ds_put_format(&w->text, "%lld %s ", until + w->to_wall, pattern);
    addr_format(addr, &w->text);
    ds_put_char(&w->text, '\n');
}

static int
write_file(const char *path, const struct ds *text)
{
    FILE *f = fopen(path, "we");
    if (!f) {
        return errno;
    }
    bool ok = fwrite(text->string ? text->string : "", 1, text->length, f) == text->length;
    int error = ok ? 0 : errno;
    return fclose(f) && !error ? errno : error;
}

int
domains_file_save(const char *path, const struct domains *domains, long long int now,
                  long long int wall)
{
    struct writer w = { .text = DS_EMPTY_INITIALIZER, .to_wall = wall - now };
    domains_each(domains, write_entry, &w);
    char *tmp = xasprintf("%s.tmp", path);
    int error = write_file(tmp, &w.text);
    if (!error && rename(tmp, path)) {
        error = errno;
    }
    free(tmp);
    ds_destroy(&w.text);
    return error;
}

static bool
load_line(const char *line, struct domains *domains, long long int now, long long int wall)
{
    long long int until;
    char pattern[DNS_NAME_SIZE + 2], text[64];
    if (sscanf(line, "%lld %257s %63s", &until, pattern, text) != 3) {
        return false;
    }
    struct in6_addr addr;
    char *error = addr_parse(text, &addr);
    bool ok = !error;
    free(error);
    long long int left = MIN(until - wall, DOMAINS_TTL_MAX_S * 1000LL);
    if (ok && left > 0) {
        domains_adopt(domains, pattern, &addr, now + left);
    }
    return ok;
}

void
domains_file_load(const char *path, struct domains *domains, long long int now, long long int wall)
{
    FILE *f = fopen(path, "re");
    if (!f) {
        return;
    }
    char line[DNS_NAME_SIZE + 128];
    size_t n_bad = 0, size = 0;
    while (fgets(line, sizeof line, f) && (size += strlen(line)) <= DOMAINS_FILE_MAX) {
        n_bad += !load_line(line, domains, now, wall);
    }
    fclose(f);
    if (n_bad) {
        VLOG_WARN("%s: %" PRIuSIZE " lines make no sense", path, n_bad);
    }
}
