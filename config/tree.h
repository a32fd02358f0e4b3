/* SPDX-License-Identifier: Apache-2.0 */
/* tree.h - looking keys up in the table. Private to config/. */
#ifndef MS_CONFIG_TREE_H
#define MS_CONFIG_TREE_H

#include "config/config.h"

/* The option of a dotted key; NULL if there is none. */
const struct ms_option *ms_option_find(const struct ms_option *table, int n, const char *key,
                                       size_t len);
/* Do options lie below this dotted key? */
bool ms_option_is_group(const struct ms_option *table, int n, const char *key, size_t len);
/* INVALID_ARGUMENT, "unknown key 'prefix+key'; did you mean ...?" */
ms_code ms_option_unknown(const struct ms_option *table, int n, const char *prefix, const char *key,
                          struct ms_err *err);
/* The overrides of a name, made if they are not there yet. Valid until the next call. */
ms_code ms_config_model_add(struct ms_config *c, const char *name, size_t len,
                            struct ms_config_model **out, struct ms_err *err) MS_WARN_UNUSED;

#endif
