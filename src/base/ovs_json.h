/* Names of Open vSwitch's JSON functions that jansson has too.
 *
 * Our private libopenvswitch has these symbols renamed
 * (scripts/build-openvswitch), so that a program may link both libraries.  A
 * file that calls them includes this header before any header of OVS; no file
 * includes both this and <jansson.h>.  scripts/check-symbols watches. */
#ifndef VIRGA_OVS_JSON_H
#define VIRGA_OVS_JSON_H 1

#ifdef JSON_H
#error "base/ovs_json.h must come before any header of Open vSwitch"
#endif
#ifdef JANSSON_H
#error "one file cannot use both jansson and Open vSwitch's JSON"
#endif

#define json_array ovs_json_array
#define json_equal ovs_json_equal
#define json_integer ovs_json_integer
#define json_object ovs_json_object
#define json_real ovs_json_real
#define json_string ovs_json_string

#endif
