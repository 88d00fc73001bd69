/* Everything a unit test needs of cmocka, in the order that it asks for. */
#ifndef VIRGA_TEST_H
#define VIRGA_TEST_H 1

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
