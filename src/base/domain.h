/* Domain names of policies: "www.example.com" and "*.example.com".
 *
 * Names are in lower case, without the root's dot (RFC 1035 section 2.3.4 for
 * the lengths).  A label holds letters, digits, '-' and '_' and neither begins
 * nor ends with '-'.  "*." stands for one or more whole labels: it matches
 * a.example.com and b.a.example.com, not example.com itself. */
#ifndef VIRGA_DOMAIN_H
#define VIRGA_DOMAIN_H 1

#include <stdbool.h>

enum { DOMAIN_NAME_MAX = 253, DOMAIN_LABEL_MAX = 63 };

/* A name without a wildcard. */
bool domain_name_is_valid(const char *name);
/* A name, or "*." and a name. */
bool domain_pattern_is_valid(const char *pattern);
/* Both valid. */
bool domain_pattern_matches(const char *pattern, const char *name);

#endif
