/* SPDX-License-Identifier: Apache-2.0 */
/* value.h - texts of options turned into numbers, and back for the documents. Private to config/.
 */
#ifndef MS_CONFIG_VALUE_H
#define MS_CONFIG_VALUE_H

#include "config/config.h"

/* One item of a value: the whole of it, or one of a list. quoted: it stood in quotes, so it is no
 * number and no bool. */
struct ms_config_item {
    const char *text;
    size_t len;
    bool quoted;
};

/* Stores items in the field of `o` inside base (an ms_config or ms_config_model) and marks it as
 * given. Frees what was there. Messages begin with the key. */
ms_code ms_value_store(const struct ms_option *o, void *base, const struct ms_config_item *items,
                       int n, struct ms_err *err) MS_WARN_UNUSED;
/* Frees what the field owns. */
void ms_value_done(const struct ms_option *o, void *base);
/* Is it a list in the file? */
static inline bool ms_option_is_list(const struct ms_option *o)
{
    return o->type == MS_OPT_TEXTS || o->type == MS_OPT_FLOATS;
}
/* "a number", "true or false", "bytes (KiB, MiB, GiB)", ...: what the option wants. */
void ms_option_wants(const struct ms_option *o, char *dst, size_t size);

/* The known key nearest to a wrong one by edit distance; NULL if none is near. */
const char *ms_option_nearest(const struct ms_option *table, int n, const char *key);

#endif
