/* The syntax of names in the Kubernetes API (apimachinery util/validation):
 * DNS-1123 labels and subdomains, qualified names, service port names.
 *
 * Each check returns NULL, or a malloc'd reason in the words that the
 * Kubernetes API uses, without the offending value. */
#ifndef VIRGA_NAMES_H
#define VIRGA_NAMES_H 1

#include <stdbool.h>
#include <stddef.h>

enum {
    NAME_LABEL_MAX = 63,      /* One label of a DNS name; a qualified name's name part. */
    NAME_SUBDOMAIN_MAX = 253, /* A whole DNS name. */
    NAME_PORT_MAX = 15,       /* RFC 6335 section 5.1. */
};

/* "shop": lower case letters, digits, '-'. */
char *name_label_check(const char *) __attribute__((warn_unused_result));
/* "web-0.shop": such labels, separated by dots. */
char *name_subdomain_check(const char *) __attribute__((warn_unused_result));
/* "example.com/my_Name": letters, digits, "-_.", with an optional prefix. */
char *name_qualified_check(const char *) __attribute__((warn_unused_result));
/* "serve-80-tcp": a service name of RFC 6335, in lower case. */
char *name_port_check(const char *) __attribute__((warn_unused_result));

/* Letters, digits and "-_.", first and last a letter or digit; not empty. */
bool name_is_word(const char *s, size_t length);

#endif
