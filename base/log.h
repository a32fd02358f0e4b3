/* SPDX-License-Identifier: Apache-2.0 */
/* log.h - one line an event on stderr, as text or JSON.
 *
 * Only processes (server/, cli/) log; libraries fill a struct ms_err. A line is an event name, a
 * sentence and key=value fields; text from outside is escaped and cut. Lines are written with one
 * write(2), so threads do not mix. The same event more than 20 times a second is dropped and
 * counted. */
#ifndef MS_BASE_LOG_H
#define MS_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum ms_log_level { MS_LOG_ERROR, MS_LOG_WARN, MS_LOG_INFO, MS_LOG_DEBUG };

struct ms_log_field {
    const char *key;
    const char *text; /* NULL: number is meant */
    int64_t number;
};

/* Process wide; the defaults are INFO and text. */
void ms_log_setup(enum ms_log_level level, bool json);
bool ms_log_enabled(enum ms_log_level level);

/* event: short constant name ("deploy", "infer"); message: one sentence; fields end with key NULL.
 */
void ms_log(enum ms_log_level level, const char *event, const struct ms_log_field *fields,
            const char *fmt, ...) __attribute__((format(printf, 4, 5)));

#define MS_LOG_TEXT(key_, text_)                                                                   \
    {                                                                                              \
        (key_), (text_), 0                                                                         \
    }
#define MS_LOG_NUM(key_, num_)                                                                     \
    {                                                                                              \
        (key_), NULL, (int64_t)(num_)                                                              \
    }
#define ms_log_fields(...) ((const struct ms_log_field[]){__VA_ARGS__, {NULL, NULL, 0}})

#endif
