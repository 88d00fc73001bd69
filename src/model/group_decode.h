/* What the decoders of virga.dev/v1alpha1 share.  Private to model/. */
#ifndef VIRGA_GROUP_DECODE_H
#define VIRGA_GROUP_DECODE_H 1

#include "model/groups.h"
#include "model/json_fields.h"

/* The name of a group, a new string; NULL with an error added. */
char *group_name_decode(const struct json_field *);

#endif
